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
# One in so many of the points with news tells it at a time.
EARLIEST = 4
# Fronts are followed for so many times the time of development: what is later stays.
FOLLOWED = 2.0
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
        """Seconds (z, y, x) at which the front reaches the bottom of each layer along the fastest path, float64.

        Later than `FOLLOWED` times the time of development is written as that.
        """
        rate = np.asarray(self.rate(protected), np.float64)
        steps = (self.thickness_nm / len(rate), *(p / n for p, n in zip(period_nm, rate.shape[1:], strict=True)))
        return arrival(1 / rate, tuple(map(float, steps)), until_s=FOLLOWED * float(self.time_s))


def arrival(
    slowness: np.ndarray,
    steps_nm: tuple[float, float, float],
    start_s: np.ndarray | None = None,
    until_s: float = np.inf,
) -> np.ndarray:
    """First times (z, y, x) in s of |grad T| = slowness [s/nm] for a front that starts on top of layer 0.

    It starts everywhere at 0, or at `start_s` (y, x), infinite where it does not, and is followed until `until_s`,
    which stands for all that is later. Godunov's upwind scheme (Rouy and Tourin, SIAM J. Numer. Anal. 29, 867,
    1992), first order in the steps (z, y, x); y and x are periodic. A front that goes straight down arrives at the
    sum of the layers' times. Raises NumericalError on rates that are not positive and finite.
    """
    if slowness.ndim != 3 or not (np.isfinite(slowness).all() and (slowness > 0).all()):
        raise NumericalError("development: rates must be a positive, finite array (z, y, x); is r_min zero?")
    depth, rows, columns = slowness.shape
    layer = rows * columns
    # One plane above layer 0 holds the start, one below the last layer is never reached.
    times = np.full((depth + 2) * layer, np.inf)
    times[:layer] = 0 if start_s is None else start_s.reshape(-1)
    slow, steps = slowness.reshape(-1), np.array(steps_nm)
    # Points that became earlier and have not yet told their neighbours. The earliest tell first, many at once: in
    # whatever order, all end with the same times.
    news = np.isfinite(times)
    while news.any():
        place = np.flatnonzero(news)
        due = times[place]
        place = place[due <= np.partition(due, len(due) // EARLIEST)[len(due) // EARLIEST]]
        news[place] = False
        touched = np.zeros(times.size, bool)
        for side in _neighbours(place, rows, columns):
            touched[side] = True
        touched[:layer] = touched[-layer:] = False
        place = np.flatnonzero(touched)
        sides = times[_neighbours(place, rows, columns)].reshape(3, 2, -1)
        found = _godunov(sides.min(1), steps, slow[place - layer])
        earlier = (found < times[place] * (1 - SETTLED)) & (found < until_s)
        times[place[earlier]] = found[earlier]
        news[place[earlier]] = True
    return np.minimum(times[layer:-layer], until_s).reshape(slowness.shape)


def _neighbours(place: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Flat places (6, n) before and after these ones along z, y and x; y and x are periodic."""
    layer, y, x = rows * columns, place // columns % rows, place % columns
    before, after = np.where(y > 0, -columns, layer - columns), np.where(y < rows - 1, columns, columns - layer)
    left, right = np.where(x > 0, -1, columns - 1), np.where(x < columns - 1, 1, 1 - columns)
    nowhere = np.zeros_like(place)
    return place + np.stack([nowhere - layer, nowhere + layer, before, after, left, right])


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
