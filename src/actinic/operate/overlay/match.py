"""Tool matching: how the fingerprints of two machines differ, and whether it matters."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...errors import InputError
from ...wafer import Places, design, term
from .fit import AXES, Fingerprint
from .spread import Spread


@dataclass(frozen=True)
class Matching:
    """Terms of the second machine less those of the first, with standard errors, and their difference over a grid.

    `spread` is of the difference at the points of the grid, an axis; `sigma_nm` its largest standard error; `chance`
    how probable so large a difference is of equal machines (chi-square over all terms).
    """

    difference: dict[str, float]
    sigma: dict[str, float]
    spread: dict[str, Spread]
    sigma_nm: dict[str, float]
    chance: float


def match(first: Fingerprint, second: Fingerprint, at: Places) -> Matching:
    """Compare two fingerprints of the same terms; independent wafers and marks are assumed."""
    from_first, from_second = set(first.values), set(second.values)
    if from_first != from_second:
        odd = ", ".join(sorted(from_first ^ from_second))
        raise InputError(f"two fingerprints of different terms cannot be matched: {odd}")
    difference = {name: second.values[name] - value for name, value in first.values.items()}
    sigma, spread, worst, chi = {}, {}, {}, 0.0
    for axis in AXES:
        names = [one.name for one in first.along[axis].terms]
        order = [[one.name for one in second.along[axis].terms].index(name) for name in names]
        covariance = first.along[axis].solved.covariance + second.along[axis].solved.covariance[np.ix_(order, order)]
        sigma |= dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
        columns = design([term(name) for name in names], at)
        change = np.array([difference[name] for name in names])
        spread[axis] = Spread.of(columns @ change)
        variance = np.einsum("np,pq,nq->n", columns, covariance, columns, optimize=True)
        worst[axis] = float(np.sqrt(max(variance.max(initial=0.0), 0.0)))
        if names:
            chi += float(change @ np.linalg.solve(covariance, change))
    chance = float(stats.chi2.sf(chi, len(difference))) if difference else float("nan")
    return Matching(difference, {name: sigma[name] for name in difference}, spread, worst, chance)
