"""The baselines: exponentially weighted means of each thread, with and without a slope."""

import copy

from .forecast import Forecast, Levels


class ThreadEwma:
    """EWMA of each thread's disturbance, x <- x + weight (d - x); the first measurement counts in full.

    With a `slope_weight` the error also corrects a slope per lot of the thread (double EWMA: Butler and Stefani, IEEE
    Trans. Semicond. Manuf. 7, 193, 1994). A thread never measured stands at 0.
    """

    def __init__(self, weight: float, slope_weight: float = 0.0, gain: float = 1.0):
        self.weight, self.slope_weight, self.gain = weight, slope_weight, gain
        self.state: dict[str, tuple[float, float]] = {}
        self.squares, self.count = 0.0, 0.0

    def copy(self) -> "ThreadEwma":
        return copy.deepcopy(self)

    def knows(self, levels: Levels) -> bool:
        """Whether the thread was ever measured."""
        return (levels[-1] or "") in self.state

    def forecast(self, levels: Levels, rank: float, extra: float = 0.0) -> Forecast:
        """The thread is the last of the levels."""
        x, slope = self.state.get(levels[-1] or "", (0.0, 0.0))
        noise = self.squares / self.count if self.count else 1.0
        return Forecast(x + slope, self.gain, 0.0, 0.0, 0.0, noise + extra, slope)

    def update(self, levels: Levels, rank: float, move: float, value: float, extra: float = 0.0) -> float:
        thread, disturbance = levels[-1] or "", value - self.gain * move
        if thread not in self.state:
            self.state[thread] = disturbance, 0.0
            return 0.0
        x, slope = self.state[thread]
        error = disturbance - x - slope
        self.state[thread] = x + slope + self.weight * error, slope + self.slope_weight * self.weight * error
        self.squares, self.count = 0.98 * self.squares + error**2, 0.98 * self.count + 1.0
        return 0.0
