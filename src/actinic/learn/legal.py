"""Lengths that make a topology legal: width, space, area and grid as linear inequalities over scan lines, in integers.

With scan lines x_0 < x_1 < ... a run of drawn cells from line i to j is legal when x_j - x_i is the least width, a run
between two drawn ones when it is the least space. Corners that face each other diagonally over gaps (gx, gy) need
gx^2 + gy^2 of the squared rule, as a Euclidean check counts it; corners over drawn ground are a width in the same way.
All of it is checked again on the integers found, so that what is returned is legal, whatever the solver's tolerance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

import numpy as np
from scipy import ndimage, sparse
from scipy.optimize import Bounds, LinearConstraint, milp

# Seconds after which a pattern is given up.
PATIENCE_S = 2.0


@dataclass(frozen=True)
class Rules:
    """Least width, space and area of drawn features and of holes in them, in units of the grid (area: squared)."""

    width: int
    space: int
    area: int


@dataclass(frozen=True)
class Demands:
    """What a topology asks of its lines: columns' (i, j) and rows' least distances, and diagonals.

    A diagonal (i, k, j, l, rule) wants (x_k - x_i)^2 + (y_l - y_j)^2 of the squared rule. Pieces are drawn components
    and holes, bool [y, x] each.
    """

    x: dict[tuple[int, int], int]
    y: dict[tuple[int, int], int]
    diagonals: tuple[tuple[int, int, int, int, int], ...]
    pieces: tuple[np.ndarray, ...]


def demands(topology: np.ndarray, rules: Rules) -> Demands | None:
    """What a topology bool [y, x] asks for; None where two drawn cells meet only in a corner: no lengths help that."""
    padded = np.pad(topology, 1)
    sw, se, nw, ne = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    if ((sw == ne) & (se == nw) & (sw != se)).any():
        return None
    x, y = _runs(topology, rules), _runs(topology.T, rules)
    pairs = set()
    for ground, rule in ((~padded, rules.space), (padded, rules.width)):
        for flip in (False, True):
            for i, k, j, l in _corners(ground[:, ::-1] if flip else ground):
                columns = topology.shape[1]
                i, k = (columns - k, columns - i) if flip else (i, k)
                if i == k or j == l:
                    axis, ends = (y, (j, l)) if i == k else (x, (i, k))
                    axis[ends] = max(axis.get(ends, 0), rule)
                else:
                    pairs.add((i, k, j, l, rule))
    return Demands(x, y, tuple(sorted(pairs)), tuple(_pieces(topology)))


def _runs(topology: np.ndarray, rules: Rules) -> dict[tuple[int, int], int]:
    """Least distances of lines across the rows [y, x]."""
    found: dict[tuple[int, int], int] = {}
    for line in np.unique(topology, axis=0):
        ends = np.flatnonzero(np.diff(np.pad(line, 1).astype(np.int8)))
        for place, (i, j) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
            found[i, j] = max(found.get((i, j), 0), rules.space if place % 2 else rules.width)
    return found


def _corners(ground: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Corners (i, j) and (k, l) of what is not ground that face each other up and right over nothing but ground."""
    sw, se, nw, ne = ~ground[:-1, :-1], ~ground[:-1, 1:], ~ground[1:, :-1], ~ground[1:, 1:]
    below = np.argwhere(sw & ~se & ~nw & ~ne)
    above = np.argwhere(ne & ~se & ~nw & ~sw)
    for j, i in below.tolist():
        for l, k in above.tolist():
            if k < i or l < j:
                continue
            # Line i lies between cells i and i + 1 of the padded ground; over a gap of no width both sides count.
            columns = slice(i, i + 2) if k == i else slice(i + 1, k + 1)
            rows = slice(j, j + 2) if l == j else slice(j + 1, l + 1)
            if ground[rows, columns].all():
                yield i, k, j, l


def _pieces(topology: np.ndarray) -> Iterator[np.ndarray]:
    labels, count = ndimage.label(topology)  # type: ignore[misc]
    yield from (labels == n for n in range(1, count + 1))
    labels, count = ndimage.label(~np.pad(topology, 1), np.ones((3, 3)))  # type: ignore[misc]
    yield from (labels[1:-1, 1:-1] == n for n in range(1, count + 1) if n != labels[0, 0])


def is_legal(wanted: Demands, dx: np.ndarray, dy: np.ndarray, rules: Rules) -> bool:
    """Whether columns' widths and rows' heights, int64, keep every rule."""
    x, y = (np.concatenate([[0], np.cumsum(d)]) for d in (dx, dy))
    return bool(
        (dx > 0).all()
        and (dy > 0).all()
        and all(x[j] - x[i] >= least for (i, j), least in wanted.x.items())
        and all(y[j] - y[i] >= least for (i, j), least in wanted.y.items())
        and all((x[k] - x[i]) ** 2 + (y[l] - y[j]) ** 2 >= rule**2 for i, k, j, l, rule in wanted.diagonals)
        and all(dy @ piece @ dx >= rules.area for piece in wanted.pieces)
    )


def solve_lengths(
    wanted: Demands, rules: Rules, like_x: np.ndarray, like_y: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Widths and heights, int64, as near as can be (sum of differences) to `like_x` and `like_y`, of sums `size`.

    First both axes together, each diagonal kept in one of them, then each with the other given and the diagonals and
    areas exact. None where no such lengths are found: the window is too small for the topology, or its pieces.
    """
    found = _together(wanted, like_x, like_y, size)
    if found is None:
        return None
    dx, dy = found
    for _ in range(3):
        if is_legal(wanted, dx, dy, rules):
            return dx, dy
        dx = _across(wanted, rules, like_x, dy, size[0], False, dx)
        dy = _across(wanted, rules, like_y, dx, size[1], True, dy)
    return (dx, dy) if is_legal(wanted, dx, dy, rules) else None


def _together(wanted: Demands, like_x, like_y, size) -> tuple[np.ndarray, np.ndarray] | None:
    nx, ny = len(like_x), len(like_y)
    n = nx + ny
    rows = [(range(i, j), least, None) for (i, j), least in wanted.x.items()]
    rows += [(range(nx + i, nx + j), least, None) for (i, j), least in wanted.y.items()]
    for choice, (i, k, j, l, rule) in enumerate(wanted.diagonals):
        rows += [(range(i, k), 0, (choice, -rule)), (range(nx + j, nx + l), rule, (choice, rule))]
    fixed = [(range(nx), size[0]), (range(nx, n), size[1])]
    found = _programme(np.concatenate([like_x, like_y]), rows, fixed, len(wanted.diagonals))
    return None if found is None else (found[:nx], found[nx:])


def _across(wanted: Demands, rules: Rules, like, other, size, turned: bool, before):
    """One axis with the other's lengths given; what was before where there is no solution."""
    at = np.concatenate([[0], np.cumsum(other)])
    rows = [(range(i, j), least, None) for (i, j), least in (wanted.y if turned else wanted.x).items()]
    for i, k, j, l, rule in wanted.diagonals:
        ends, gap = ((j, l), at[k] - at[i]) if turned else ((i, k), at[l] - at[j])
        if gap < rule:
            least = isqrt(int(rule**2 - gap**2 - 1)) + 1
            rows.append((range(*ends), least, None))
    areas = [(piece @ other if turned else other @ piece, rules.area) for piece in wanted.pieces]
    found = _programme(like, rows, [(range(len(like)), size)], 0, areas)
    return before if found is None else found


def _programme(like, rows, fixed, choices: int, areas=()) -> np.ndarray | None:
    """Integers d >= 1 nearest to `like`, each row's sum over a range of them (and a share of a choice) at its least."""
    n = len(like)
    total = 2 * n + choices  # lengths, their distances from what they should be like, choices
    height = len(rows) + len(fixed) + len(areas) + 2 * n
    matrix, low, high = sparse.lil_matrix((height, total)), np.full(height, -np.inf), np.full(height, np.inf)
    for at, (part, least, choice) in enumerate(rows):
        matrix[at, list(part)] = 1
        if choice is not None:
            matrix[at, 2 * n + choice[0]] = choice[1]
        low[at] = least
    at = len(rows)
    for part, exact in fixed:
        matrix[at, list(part)] = 1
        low[at] = high[at] = exact
        at += 1
    for weights, least in areas:
        matrix[at, :n] = weights
        low[at] = least
        at += 1
    for sign in (1, -1):
        for k in range(n):
            matrix[at, k], matrix[at, n + k] = -sign, 1
            low[at] = -sign * like[k]
            at += 1
    cost = np.concatenate([np.zeros(n), np.ones(n), np.zeros(choices)])
    bounds = Bounds(
        np.concatenate([np.ones(n), np.zeros(n + choices)]),
        np.concatenate([np.full(2 * n, np.inf), np.ones(choices)]),
    )
    whole = np.ones(total)
    found = milp(
        cost,
        constraints=LinearConstraint(matrix.tocsr(), low, high),
        bounds=bounds,
        integrality=whole,
        options={"time_limit": PATIENCE_S, "mip_rel_gap": 0.02},
    )
    return None if found.x is None else np.rint(found.x[:n]).astype(np.int64)
