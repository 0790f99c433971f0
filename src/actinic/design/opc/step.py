"""One step of all edges together: a quadratic programme whose constraints are distances between pairs of edges.

    minimise  1/2 x A x - b x   so that   x[j] - x[i] >= least   and   low <= x <= high

by the alternating direction method of multipliers (Stellato et al., OSQP, 2020) with one sparse factorisation.
"""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

ROUNDS, RELAXED = 80, 1.6
# A distance short by no more than this, in nm, is not broken: it lacks only the margin that is kept to it.
STANDS = 0.01


def constrained(a: sparse.csc_matrix, b: np.ndarray, pairs, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Step (n,) close to the minimum; distances hold but for what the last rounds leave. `pairs` is (i, j, least).

    What has no room between `low` and `high` stands still.
    """
    i, j, least = pairs
    m, free = len(i), np.flatnonzero(low < high)
    rows = np.concatenate([np.arange(m), np.arange(m)])
    entries = np.repeat([-1.0, 1.0], m), (rows, np.concatenate([i, j]))
    differences = sparse.csc_matrix(entries, shape=(m, len(b)))[:, free]
    stiff = a.diagonal()
    # A constraint is as stiff as the softer of its edges is, or it would hold the other one up.
    weight = np.concatenate([np.minimum(stiff[i], stiff[j]), stiff[free]])
    g = sparse.vstack([differences, sparse.identity(len(free))]).tocsr()
    bottom, top = np.concatenate([least, low[free]]), np.concatenate([np.full(m, np.inf), high[free]])
    whole = (a[free][:, free] + g.T @ sparse.diags(weight) @ g).tocsc()
    solve = splu(whole, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve
    b, transposed = b[free], g.T.tocsr()
    z, u = np.clip(np.zeros(len(bottom)), bottom, top), np.zeros(len(bottom))
    x = np.zeros(len(free))
    for _ in range(ROUNDS):
        x = solve(b + transposed @ (weight * (z - u)))
        at = RELAXED * (g @ x) + (1 - RELAXED) * z
        z = np.clip(at + u, bottom, top)
        u = u + at - z
    step = np.zeros(len(low))
    step[free] = x
    return step


def mended(x: np.ndarray, pairs, low: np.ndarray, high: np.ndarray, rounds: int = 200, slack: float = 1e-6):
    """The step with what is left of broken distances shared out between the pairs, round by round.

    Pairs that end up broken though standing still would not break them stand still.
    """
    i, j, least = pairs
    x = np.clip(x, low, high)
    for _ in range(rounds):
        short = least - (x[j] - x[i])
        bad = short > slack
        if not bad.any():
            return x
        up, down = np.zeros(len(x)), np.zeros(len(x))
        np.maximum.at(up, j[bad], 0.5 * short[bad])
        np.maximum.at(down, i[bad], 0.5 * short[bad])
        x = np.clip(x + up - down, low, high)
    while True:
        still = (least - (x[j] - x[i]) > slack) & (least <= STANDS) & ((x[i] != 0) | (x[j] != 0))
        if not still.any():
            return x
        x[i[still]] = x[j[still]] = 0.0
