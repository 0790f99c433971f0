"""What an estimate says of the next lot."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Levels = Sequence[str | None]  # of each factor of the context, None where unknown


@dataclass(frozen=True)
class Forecast:
    """Disturbance and gain to come, with their variances and covariance, and the noise variance of one measurement.

    measured = mean + gain * setpoint; `slope` is what the mean changes by with every lot of the thread.
    """

    mean: float
    gain: float
    level: float  # variance of the mean
    cross: float
    response: float  # variance of the gain
    noise: float
    slope: float = 0.0

    def at(self, setpoint: float) -> tuple[float, float]:
        """Mean and standard deviation of the measurement at a set-point."""
        variance = self.level + 2 * self.cross * setpoint + self.response * setpoint**2 + self.noise
        return self.mean + self.gain * setpoint, sqrt(max(variance, 0.0))
