"""Which settings the measurements tell apart, and which they do not.

Every column of the weighted Jacobian is scaled to unit length, so that one setting alone moves the measurements by 1.
Its singular values are then what combinations of settings move them by, for a unit vector of shares; a small one is
a combination that goes unseen (Belsley, Kuh and Welsch, Regression Diagnostics, Wiley 1980, chapter 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# What goes unseen makes a setting's standard error so many times that which it has with all others known, or more.
INFLATION = 5.0
# A prior decides where the data shrink its standard deviation by less than this share.
DECIDED = 0.1
# Derivatives are not known well enough to tell a smaller singular value from none.
ACCURACY = 0.01
# Settings belong together where their shares in what goes unseen are in common by so much.
LINK = 0.2
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Inseparable:
    """Settings of which the measurements fix only combinations.

    `correlation` is that of the estimates of the two that are hardest to tell apart. `moves` are changes that go
    unseen, each a number for every setting in its own unit: the largest would alone move the measurements by one
    standard deviation (rms), all together they move them by `seen` of that.
    """

    names: tuple[str, ...]
    correlation: float
    moves: tuple[tuple[float, ...], ...]
    seen: tuple[float, ...]


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


def inseparable(names: Sequence[str], jacobian: np.ndarray) -> list[Inseparable]:
    """Sets of settings that the weighted rows (n, p) cannot tell apart.

    A setting is in one where combinations that go unseen make its standard error INFLATION times larger. Two alone are
    when their correlation is 0.98 or more. Settings without any effect belong to none.
    """
    length = np.linalg.norm(jacobian, axis=0)
    used = np.flatnonzero(length > 0)
    columns = jacobian[:, used] / length[used]
    value, share = _singular(columns)
    unseen = np.abs(share).max(1, initial=0.0) / value >= INFLATION
    common = share[unseen].T @ share[unseen]
    size = np.sqrt(np.maximum(np.diag(common), 1e-300))
    close = np.abs(common) >= LINK * np.outer(size, size)
    inflated = np.sqrt(((share[unseen] / value[unseen, None]) ** 2).sum(0)) >= INFLATION
    found, scale = [], np.sqrt(max(len(jacobian), 1)) / length[used]
    for members in _joined(close & np.outer(inflated, inflated), inflated):
        if len(members) == 1:  # many others make up for it, none of them by as much
            rest = np.abs(common[members[0]])
            rest[members[0]] = 0.0
            members = sorted({members[0], *np.flatnonzero(rest >= LINK * rest.max()).tolist()})
        found.append(_described([names[used[k]] for k in members], columns, members, scale))
    return found


def _singular(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (p,), no smaller than can be known, and directions (p, p) in rows, also of fewer rows than p."""
    squares, directions = np.linalg.eigh(columns.T @ columns)
    return np.maximum(np.sqrt(np.maximum(squares, 0)), ACCURACY), directions.T


def _joined(close: np.ndarray, of: np.ndarray) -> list[list[int]]:
    """Groups of those that are linked, directly or through others."""
    left, groups = set(np.flatnonzero(of).tolist()), []
    while left:
        group, fresh = set(), {min(left)}
        while fresh:
            group |= fresh
            fresh = set(np.flatnonzero(close[sorted(fresh)].any(0)).tolist()) - group
        groups.append(sorted(group))
        left -= group
    return groups


def _described(names: list[str], columns: np.ndarray, members: list[int], scale: np.ndarray) -> Inseparable:
    """What can be said of a set: what is left of its columns once all others are projected out."""
    others = np.delete(columns, members, axis=1)
    basis, strength, _ = np.linalg.svd(others, full_matrices=False)
    basis = basis[:, strength > ACCURACY]
    own = columns[:, members] - basis @ (basis.T @ columns[:, members])
    value, share = _singular(own)
    unseen = np.abs(share).max(1) / value >= INFLATION
    unseen[np.argmin(value)] = True
    largest = np.abs(share).max(1)
    moves = [
        tuple(float(m) for m in direction * scale[members] / (np.sign(direction[np.argmax(np.abs(direction))]) * top))
        for direction, top in zip(share[unseen], largest[unseen], strict=True)
    ]
    seen = np.linalg.norm(own @ share[unseen].T, axis=0) / largest[unseen]
    between = correlation(columns)[np.ix_(members, members)]
    a, b = np.unravel_index(np.argmax(np.abs(np.triu(between, 1))), between.shape)
    return Inseparable(tuple(names), float(between[a, b]), tuple(moves), tuple(float(s) for s in seen))
