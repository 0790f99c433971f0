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

# Rounds of eight sweeps; fronts turn a few times at most, and each round follows one more turn.
ROUNDS = 50
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
    slowness: np.ndarray,
    steps_nm: tuple[float, float, float],
    start_s: np.ndarray | None = None,
    tolerance: float = 1e-9,
) -> np.ndarray:
    """First times (z, y, x) in s of |grad T| = slowness [s/nm] for a front that starts on top of layer 0.

    It starts everywhere at 0, or at `start_s` (y, x), infinite where it does not. Godunov's upwind scheme, first
    order in the steps (z, y, x), by sweeps of whole planes to and fro along each axis (after Zhao, Math. Comp.
    74, 603, 2005); y and x are periodic. A front that goes straight down arrives at the sum of the layers' times.
    Raises NumericalError when `ROUNDS` of sweeps leave changes above `tolerance` of the largest time.
    """
    if slowness.ndim != 3 or not (np.isfinite(slowness).all() and (slowness > 0).all()):
        raise NumericalError("development: rates must be a positive, finite array (z, y, x); is r_min zero?")
    # One plane above layer 0 holds the start, one below the last layer is never reached.
    times = np.full((slowness.shape[0] + 2, *slowness.shape[1:]), np.inf)
    times[0] = 0 if start_s is None else start_s
    whole = [np.arange(1, len(slowness) + 1), *map(np.arange, slowness.shape[1:])]
    for _ in range(ROUNDS):
        before = times[1:-1].copy()
        for axis in range(3):
            for place in (*whole[axis], *whole[axis][::-1]):
                _update(times, slowness, steps_nm, [*whole[:axis], np.array([place]), *whole[axis + 1 :]])
        after = times[1:-1]
        settled = np.isfinite(before)
        if settled.all() and (before - after).max() <= tolerance * after.max():
            return after
    raise NumericalError(f"development: the front's times did not settle in {ROUNDS} rounds of sweeps")


def _update(times: np.ndarray, slowness: np.ndarray, steps, box: list[np.ndarray]) -> None:
    """Bring the points of a box, given by its indices (z, y, x), up to date with their neighbours, all at once."""
    z, y, x = box
    rows, columns = times.shape[1:]

    def nearest(dz, dy, dx):
        there, back = (np.ix_(z + s * dz, (y + s * dy) % rows, (x + s * dx) % columns) for s in (1, -1))
        return np.minimum(times[there], times[back])

    neighbours = [nearest(1, 0, 0), nearest(0, 1, 0), nearest(0, 0, 1)]
    here = np.ix_(z, y, x)
    found = _godunov(np.stack(neighbours), np.array(steps), slowness[np.ix_(z - 1, y, x)])
    times[here] = np.minimum(times[here], found)


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
