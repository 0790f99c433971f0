"""The linear programme of one step of source-mask optimisation.

For a fixed mask the image is linear in the brightness of the source's columns, and so is every margin, with the dose in
the brightness; mask edges enter by their slopes. Maximising the tail mean of margins over columns and small moves is
then a linear programme, whose source is the best there is for the mask (as Rosenbluth et al., JM3 1, 13, 2002).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from ...errors import NumericalError
from ..objective import Demands

# Rows to begin with of every corner and sign, and to add at most while there are violated ones.
_FIRST, _MORE, _ROUNDS, _VIOLATED = 8, 60, 40, 1e-7


@dataclass(frozen=True)
class Columns:
    """What the light is made of: weights (pixel,) = basis @ brightness.

    `basis` (pixel, column). Brightnesses are at least 0, but those of the columns from `free` on may be as large as
    `reach` (column - free, 2) times the first one's, upwards and downwards. `most`: the largest share of all light that
    a pixel may hold, 1 for no limit.
    """

    basis: sparse.csc_matrix | np.ndarray
    free: int
    reach: np.ndarray
    most: float = 1.0


@dataclass(frozen=True)
class Step:
    """A solution: brightness (column,) with the dose inside, moves (group,), and the tail mean it predicts."""

    brightness: np.ndarray
    moves: np.ndarray
    value: float


def best_step(
    light: np.ndarray, slopes: np.ndarray, place: np.ndarray, demands: Demands, columns: Columns, bounds: np.ndarray
) -> Step:
    """The best brightness of columns and moves within bounds (group, 2).

    `light` (place, column) is the intensity of every column, `slopes` (place, group) of every move; `place` (n,) says
    which intensity each demand is about. Rows are generated: only demands that bind enter. NumericalError when the
    solver fails.
    """
    lowest, doses = demands.sign * demands.dose, demands.dose
    corners, share = demands.probability.size, demands.share
    single = share <= demands.probability.min()
    m, g = light.shape[1], slopes.shape[1]
    held = 1 if single else corners
    # Brightness, moves, margins of corners; of the tail its threshold and how far corners fall short; all light.
    size = m + g + held + (0 if single else 1 + corners) + 1
    cost = np.zeros(size)
    if single:
        cost[m + g] = -1
    else:
        eta = m + g + held
        cost[eta] = -1
        cost[eta + 1 : eta + 1 + corners] = demands.probability / share
    fixed, fixed_at_most = _of_columns(columns, m, size)
    if demands.clear is not None and np.isfinite(demands.most):
        row = np.concatenate([np.asarray(demands.clear @ columns.basis).ravel(), np.zeros(size - m)])
        fixed, fixed_at_most = sparse.vstack([fixed, row[None]]), np.append(fixed_at_most, demands.most)
    if not single:
        rows = np.zeros((corners, size))
        rows[:, eta] = 1
        rows[np.arange(corners), m + g + np.arange(corners)] = -1
        rows[np.arange(corners), eta + 1 + np.arange(corners)] = -1
        fixed, fixed_at_most = sparse.vstack([fixed, rows]), np.concatenate([fixed_at_most, np.zeros(corners)])
    total = np.zeros((1, size))
    total[0, :m] = np.asarray(columns.basis.sum(0)).ravel()
    total[0, -1] = -1
    limits = [(0, None)] * columns.free + [(None, None)] * (m - columns.free)
    limits += [tuple(b) for b in bounds] + [(None, None)] * (size - m - g)
    if not single:
        limits[eta + 1 : eta + 1 + corners] = [(0, None)] * corners

    def demand(rows):
        """Rows of -sign dose (light u + slopes d) + s <= -sign."""
        part = np.zeros((rows.size, size))
        part[:, :m] = -lowest[rows, None] * light[place[rows]]
        part[:, m : m + g] = -lowest[rows, None] * slopes[place[rows]]
        part[np.arange(rows.size), m + g + (0 if single else demands.corner[rows])] = 1
        return part

    chosen = _begin(light, place, demands)
    solution = np.zeros(size)
    for _ in range(_ROUNDS):
        matrix = sparse.vstack([fixed, sparse.csr_matrix(demand(chosen))]).tocsr()
        limit = np.concatenate([fixed_at_most, -demands.sign[chosen]])
        found = linprog(cost, matrix, limit, total, [0.0], limits, method="highs")
        if found.x is None:
            raise NumericalError(
                f"no source keeps all rules: {found.message.splitlines()[0]} Widen the fill or shrink the pole"
            )
        solution = found.x
        intensity = (light @ solution[:m] + slopes @ solution[m : m + g])[place]
        margins = demands.sign * (doses * intensity - 1)
        margin = solution[m + g : m + g + held][np.zeros_like(demands.corner) if single else demands.corner]
        short = margin - margins
        short[chosen] = 0
        worst = np.argsort(-short, kind="stable")[:_MORE]
        worst = worst[short[worst] > _VIOLATED]
        if not worst.size:
            break
        chosen = np.concatenate([chosen, worst])
    return Step(solution[:m], solution[m : m + g], -float(found.fun))


def _begin(light: np.ndarray, place: np.ndarray, demands: Demands) -> np.ndarray:
    """Demands that are likely to bind: those of every corner with the lowest margins under an even source."""
    even = demands.sign * demands.dose * light.mean(1)[place]
    chosen = []
    for corner in range(demands.probability.size):
        for sign in (1, -1):
            own = np.flatnonzero((demands.corner == corner) & (demands.sign == sign))
            chosen.append(own[np.argsort(even[own], kind="stable")[:_FIRST]])
    return np.concatenate(chosen)


def _of_columns(columns: Columns, m: int, size: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows (n, size) <= limits (n,) that the columns obey among themselves."""
    parts = [sparse.csr_matrix((0, size))]
    if columns.most < 1:
        pixels = sparse.coo_matrix(columns.basis)
        count = len(columns.basis.sum(1))
        rows, last = np.arange(count), np.full(count, size - 1)
        values = np.concatenate([pixels.data, np.full(count, -columns.most)])
        at = np.concatenate([pixels.row, rows]), np.concatenate([pixels.col, last])
        parts.append(sparse.csr_matrix((values, at), shape=(count, size)))
    if columns.free < m:
        n = m - columns.free
        both = np.zeros((2 * n, size))
        for side, sign in enumerate((1, -1)):
            at = side * n + np.arange(n)
            both[at, columns.free + np.arange(n)] = sign
            both[at, 0] = -columns.reach[:, side]
        parts.append(sparse.csr_matrix(both))
    found = sparse.csr_matrix(sparse.vstack(parts))
    return found, np.zeros(sum(len(part.indptr) - 1 for part in parts))
