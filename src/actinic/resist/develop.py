"""Development: Mack's rate of dissolution, straight down or along the fastest path.

Depth-resolved arrays are (z, y, x): layers of equal thickness from the top down, values at their mid-depth.
"""

from typing import Annotated

import equinox as eqx
import numpy as np
from pydantic import Field

from ..errors import NumericalError
from ..types import Scalar, leaf
from .anchor import Length, NotNegative, Positive

# A front that arrives earlier by a smaller share than this is not followed any further.
SETTLED = 1e-12
# Below this no site has lost its protection: a root of nothing has no slope.
_LEAST = 1e-9


class Development(eqx.Module):
    """Puddle development of a film of `thickness_nm` for `time_s`.

    The rate in a resist whose protected share is m (Mack, J. Electrochem. Soc. 134, 148, 1987):
    r = r_max (a + 1) (1 - m)^n / (a + (1 - m)^n) + r_min with a = (n + 1) / (n - 1) (1 - m_th)^n, which has its
    point of inflection at m_th. Everything but the fields' units is dimensionless.
    """

    r_max_nm_s: Positive = leaf()
    r_min_nm_s: NotNegative = leaf()
    n: Annotated[Scalar, Field(gt=1, le=100)] = leaf()
    m_th: Annotated[Scalar, Field(gt=-10, lt=1)] = leaf()
    time_s: Positive = leaf()
    thickness_nm: Length = leaf()

    def __check_init__(self):
        wanted = self.thickness_nm / self.time_s
        if not self.r_min_nm_s < wanted < self.r_min_nm_s + self.r_max_nm_s:
            raise ValueError(
                f"development: clearing {float(self.thickness_nm):g} nm in {float(self.time_s):g} s takes "
                f"{float(wanted):.3g} nm/s, which must lie between r_min and r_min + r_max"
            )

    @property
    def _a(self):
        return (self.n + 1) / (self.n - 1) * (1 - self.m_th) ** self.n

    def excess(self, protected):
        """Rate above r_min in nm/s at a protected share m, any shape."""
        xp = protected.__array_namespace__()
        power = xp.maximum(1 - protected, _LEAST) ** self.n
        return self.r_max_nm_s * (self._a + 1) * power / (self._a + power)

    def rate(self, protected):
        """Mack's rate in nm/s."""
        return self.excess(protected) + self.r_min_nm_s

    def protected(self, excess):
        """The protected share m at which the rate exceeds r_min by so much: the inverse of `excess`."""
        xp = excess.__array_namespace__()
        power = self._a * excess / (self.r_max_nm_s * (self._a + 1) - excess)
        return 1 - xp.maximum(power, _LEAST**4) ** (1 / self.n)

    @property
    def critical(self):
        """The protected share at which a film that is the same at every depth just clears."""
        return self.protected(self.thickness_nm / self.time_s - self.r_min_nm_s)

    def clearing_time(self, protected):
        """Seconds (y, x) until a front that goes straight down has passed all layers (z, y, x): midpoint rule."""
        return self.thickness_nm * (1 / self.rate(protected)).mean(0)

    def effective(self, protected):
        """The protected share (y, x) that, at every depth alike, would clear when these layers (z, y, x) do.

        The excess of the harmonic mean rate is written as a mean of excesses: nothing cancels in the dark.
        """
        rate = self.rate(protected)
        return self.protected((self.excess(protected) / rate).mean(0) / (1 / rate).mean(0))

    def front(self, protected: np.ndarray, period_nm: tuple[float, float]) -> np.ndarray:
        """Seconds (z, y, x) at which the front reaches the bottom of each layer along the fastest path, float64."""
        rate = np.asarray(self.rate(protected), np.float64)
        steps = (self.thickness_nm / len(rate), *(p / n for p, n in zip(period_nm, rate.shape[1:], strict=True)))
        return arrival(1 / rate, tuple(map(float, steps)))


def arrival(
    slowness: np.ndarray, steps_nm: tuple[float, float, float], start_s: np.ndarray | None = None
) -> np.ndarray:
    """First times (z, y, x) in s of |grad T| = slowness [s/nm] for a front that starts on top of layer 0.

    It starts everywhere at 0, or at `start_s` (y, x), infinite where it does not. Godunov's upwind scheme (Rouy
    and Tourin, SIAM J. Numer. Anal. 29, 867, 1992), first order in the steps (z, y, x); y and x are periodic. A
    front that goes straight down arrives at the sum of the layers' times. Points are taken again, all at once,
    as long as a neighbour became earlier by more than `SETTLED` of its time. Raises NumericalError on rates that
    are not positive and finite.
    """
    if slowness.ndim != 3 or not (np.isfinite(slowness).all() and (slowness > 0).all()):
        raise NumericalError("development: rates must be a positive, finite array (z, y, x); is r_min zero?")
    depth, rows, columns = slowness.shape
    layer = rows * columns
    # One plane above layer 0 holds the start, one below the last layer is never reached.
    times = np.full((depth + 2) * layer, np.inf)
    times[:layer] = 0 if start_s is None else start_s.reshape(-1)
    slow, taken = slowness.reshape(-1), np.zeros(times.size, bool)
    taken[layer : 2 * layer] = True
    while taken.any():
        place = np.flatnonzero(taken)
        beside = _neighbours(place, rows, columns)
        earliest = np.stack([np.minimum(times[one], times[other]) for one, other in beside])
        found = _godunov(earliest, np.array(steps_nm), slow[place - layer])
        earlier = found < times[place] * (1 - SETTLED)
        times[place[earlier]] = found[earlier]
        taken[:] = False
        for pair in beside:
            for side in pair:
                taken[side[earlier]] = True
        taken[:layer] = taken[-layer:] = False
    return times[layer:-layer].reshape(slowness.shape)


def _neighbours(place: np.ndarray, rows: int, columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Flat places before and after these ones along z, y and x; y and x are periodic."""
    layer = rows * columns
    y, x = place // columns % rows, place % columns
    floor, row = place - y * columns - x, place - x
    return [
        (place - layer, place + layer),
        (floor + (y + 1) % rows * columns + x, floor + (y - 1) % rows * columns + x),
        (row + (x + 1) % columns, row + (x - 1) % columns),
    ]


def _godunov(neighbours: np.ndarray, steps: np.ndarray, slowness: np.ndarray) -> np.ndarray:
    """The time at points with these nearest neighbours (axis, ...): from as many axes as lie upwind of it."""
    order = np.argsort(neighbours, axis=0)
    times = np.take_along_axis(neighbours, order, 0)
    first, weight = times[0], 1 / steps[order] ** 2
    found = np.full(slowness.shape, np.inf)
    a, b, c = (np.zeros(slowness.shape) for _ in range(3))
    with np.errstate(invalid="ignore"):
        for time, w in zip(times, weight, strict=True):
            later = time - first
            use = later < found - first
            a, b, c = a + w, b + w * later, c + w * later**2
            root = b**2 - a * (c - slowness**2)
            found = np.where(use, first + (b + np.sqrt(np.maximum(root, 0))) / a, found)
    return found
