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
    """Step (n,) close to the minimum; distances hold but for what the last rounds leave. `pairs` is (i, j, least)."""
    i, j, least = pairs
    n, m = len(b), len(i)
    rows = np.concatenate([np.arange(m), np.arange(m)])
    differences = sparse.csr_matrix((np.repeat([-1.0, 1.0], m), (rows, np.concatenate([i, j]))), shape=(m, n))
    stiff = a.diagonal()
    # A constraint is as stiff as the softer of its edges is, or it would hold the other one up.
    weight = np.concatenate([np.minimum(stiff[i], stiff[j]), stiff])
    g = sparse.vstack([differences, sparse.identity(n)]).tocsr()
    bottom, top = np.concatenate([least, low]), np.concatenate([np.full(m, np.inf), high])
    solve = splu((a + g.T @ sparse.diags(weight) @ g).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0).solve
    z, u = np.clip(np.zeros(m + n), bottom, top), np.zeros(m + n)
    x = np.zeros(n)
    for _ in range(ROUNDS):
        x = solve(b + g.T @ (weight * (z - u)))
        at = RELAXED * (g @ x) + (1 - RELAXED) * z
        z = np.clip(at + u, bottom, top)
        u = u + at - z
    return x


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
