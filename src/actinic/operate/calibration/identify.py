"""Which settings the measurements tell apart, and which they do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Knowing one setting of such a set would shrink the others' standard errors this many times or more.
INFLATION = 5.0
# A prior decides where the data shrink its standard deviation by less than this share.
DECIDED = 0.1
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Inseparable:
    """Settings of which the measurements fix only a combination: two of them, rarely more.

    `correlation` is that of the estimates of the two that are hardest to tell apart.
    """

    names: tuple[str, ...]
    correlation: float


def correlation(jacobian: np.ndarray) -> np.ndarray:
    """Correlation (p, p) of least-squares estimates from the weighted rows (n, p), also where the rank is short.

    The correlation of two estimates is minus the cosine between their columns once all other columns are projected
    out. A column of zeros is correlated with nothing.
    """
    length = np.linalg.norm(jacobian, axis=0)
    _, singular, directions = np.linalg.svd(jacobian / np.where(length > 0, length, 1.0), full_matrices=False)
    floor = np.maximum(singular, _SMALLEST * singular.max(initial=1e-300))
    inverse = (directions.T / floor**2) @ directions
    spread = np.sqrt(np.diag(inverse))
    found = np.clip(inverse / np.outer(spread, spread), -1, 1)
    found[length == 0, :] = found[:, length == 0] = 0
    np.fill_diagonal(found, 1)
    return found


def inseparable(names: Sequence[str], correlations: np.ndarray) -> list[Inseparable]:
    """Sets of settings that cannot be told apart: pairs with 1 / sqrt(1 - correlation^2) >= INFLATION, joined."""
    limit = np.sqrt(1 - INFLATION**-2)
    close = np.triu(np.abs(correlations) >= limit, 1)
    sets: list[set[int]] = []
    for i, j in zip(*np.nonzero(close), strict=True):
        touched = [s for s in sets if i in s or j in s]
        sets = [s for s in sets if s not in touched] + [set().union({int(i), int(j)}, *touched)]
    found = []
    for members in sets:
        order = sorted(members)
        inner = np.triu(np.abs(correlations[np.ix_(order, order)]), 1)
        a, b = np.unravel_index(np.argmax(inner), inner.shape)
        worst = float(correlations[order[int(a)], order[int(b)]])
        found.append(Inseparable(tuple(names[n] for n in order), worst))
    return found
