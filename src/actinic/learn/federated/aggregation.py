"""Updates of sites become one: their mean, or what a few wrong sites cannot move far.

Mean: FedAvg (McMahan et al. 2017), weighted by examples. Median and trimmed mean, number by number (Yin et al. 2018),
count every site alike, so that no site can claim weight; they need to see each update, which secure aggregation hides.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ...errors import NumericalError

# Of the sites, so many are left out at either end: rounded up, and always one that is left.
TRIM = 0.2


def mean(updates: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Mean (n,) of updates (site, n), weighted by how many examples each site has."""
    return examples @ updates / examples.sum()


def median(updates: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Median (n,) of each number over the sites."""
    return np.median(updates, axis=0)


def trimmed(updates: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Mean (n,) of each number over the sites without the highest and the lowest ones."""
    cut = min(int(np.ceil(TRIM * len(updates))), (len(updates) - 1) // 2)
    return np.sort(updates, axis=0)[cut : len(updates) - cut].mean(0)


AGGREGATES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean": mean,
    "median": median,
    "trimmed": trimmed,
}


def aggregate(how: str, updates: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """One update (n,) of those of the sites (site, n), by a name of AGGREGATES; NumericalError if it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = AGGREGATES[how](updates, examples)
    if not np.isfinite(found).all():
        raise NumericalError("the mean of the sites' updates is not finite: aggregate by median or trimmed mean")
    return found
