"""Shewhart, EWMA and CUSUM charts whose limit follows from the run length that is wanted between false alarms.

All take standardised points (mean 0, standard deviation 1 in control), many variables side by side.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy import stats

from ...errors import ConfigError
from .runlength import arl_cusum, arl_ewma, arl_shewhart, limit_for

KINDS = ("shewhart", "ewma", "cusum")
_LONGEST = 1e9  # points, of one variable: beyond it the integral equations lose their digits


@dataclass(frozen=True)
class Chart:
    """A chart by its limit: `weight` of the newest point (EWMA), `reference` value (CUSUM, half the shift looked for).

    The limit is in standard deviations of what is plotted: of a point, of the EWMA in the long run, of a point's sum.
    """

    kind: str
    limit: float
    weight: float = 0.2
    reference: float = 0.5

    def arl(self, shift: float = 0.0) -> float:
        """Average run length at a lasting shift of one variable's mean, in its standard deviations."""
        if self.kind == "shewhart":
            return arl_shewhart(self.limit, shift)
        if self.kind == "ewma":
            return arl_ewma(self.limit, self.weight, shift)
        return arl_cusum(self.limit, self.reference, shift)

    @cached_property
    def _unit(self) -> float:
        return float(np.sqrt(self.weight / (2.0 - self.weight))) if self.kind == "ewma" else 1.0

    def start(self, variables: int) -> np.ndarray:
        """The state before the first point: (2, variables), up and down."""
        return np.zeros((2, variables))

    def step(self, state: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The state after one point of each variable; a missing one (NaN) leaves a sum or a mean as it is."""
        if self.kind == "shewhart":
            new = np.stack([points, -points])
        elif self.kind == "ewma":
            mean = (1.0 - self.weight) * state[0] + self.weight * points
            new = np.stack([mean, -mean])
        else:
            new = np.maximum(0.0, state + np.stack([points, -points]) - self.reference)
        return new if self.kind == "shewhart" else np.where(np.isnan(points), state, new)

    def plotted(self, state: np.ndarray) -> np.ndarray:
        """(variables,) what is held against the limit, with the sign of the side that is further off."""
        up, down = state / self._unit
        return np.where(up >= down, up, -down)


def designed(kind: str, arl: float, variables: int = 1, weight: float = 0.2, reference: float = 0.5) -> Chart:
    """The chart that gives one false alarm in `arl` points on average, over all of its variables together.

    Each variable gets an equal share, as if independent (Sidak): dependent ones alarm less often.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no chart {kind}: {', '.join(KINDS)}")
    if not 2.0 <= arl <= _LONGEST / variables:
        most = f"2 to {_LONGEST / variables:g}"
        raise ConfigError(f"a run length of {arl:g} points between false alarms: take one of {most}")
    if not 0.01 <= weight <= 1.0:
        raise ConfigError(f"an EWMA's weight of {weight:g}: take one of 0.01 to 1")
    if not 0.05 <= reference <= 3.0:
        raise ConfigError(f"a CUSUM's reference value of {reference:g}: take one of 0.05 to 3")
    return _designed(kind, arl, variables, weight, reference)


@lru_cache(maxsize=256)
def _designed(kind: str, arl: float, variables: int, weight: float, reference: float) -> Chart:
    share = -np.expm1(np.log1p(-1.0 / arl) / variables)
    plain = Chart(kind, 1.0, weight, reference)
    if kind == "shewhart":
        return replace(plain, limit=float(stats.norm.isf(0.5 * share)))
    return replace(plain, limit=limit_for(lambda limit: replace(plain, limit=limit).arl(), 1.0 / share))
