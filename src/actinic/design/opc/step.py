"""One step of all edges together: a quadratic programme whose constraints are distances between pairs of edges.

    minimise  1/2 x A x - b x   so that   x[j] - x[i] >= least   and   low <= x <= high

by an interior point method (Goulart and Chen, Clarabel, 2024). Standing still breaks nothing that is not broken, so
there is a solution, and it is the only one: what neighbouring blocks find for the same edges is the same.
"""

import clarabel
import numpy as np
import scipy.sparse as sparse

from ...errors import NumericalError

# Distances are kept by so much more than asked, so that rounding to the grid cannot lose a line.
MARGIN_NM = 1e-3
# A distance short by no more than this, in nm, is not broken: it lacks only the margin that is kept to it.
STANDS = 0.01
# What a nm of a broken distance costs, in units of the largest pull or push: more than edges gain by keeping it broken.
BROKEN = 10.0
# Parts of the matrix smaller than this, by its diagonal, are left out: half of it, and what that changes is less than
# the damping does.
FEEBLE = 1e-3


def constrained(a: sparse.csc_matrix, b: np.ndarray, pairs, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Step (n,) at the minimum. `pairs` is (i, j, least): distances that standing still would break gain what they can.

    What has no room between `low` and `high` stands still.
    """
    i, j, least = pairs
    step, free = np.zeros(len(low)), np.flatnonzero(low < high)
    if not len(free):
        return step
    m, broken = len(i), np.flatnonzero(least > STANDS)
    entries = np.repeat([1.0, -1.0], m), (np.tile(np.arange(m), 2), np.concatenate([i, j]))
    above = sparse.csc_matrix(entries, shape=(m, len(b)))[:, free]
    # How much of each broken distance stays broken is an unknown too.
    k = len(broken)
    stays = sparse.csc_matrix((np.full(k, -1.0), (broken, np.arange(k))), shape=(m, k))
    unit = sparse.identity(len(free) + k)
    rules = sparse.vstack([sparse.hstack([above, stays]), -unit, unit.tocsr()[: len(free)]]).tocsc()
    least = np.where(least > STANDS, least, np.minimum(least, 0.0))
    bounds = np.concatenate([-least, -low[free], np.zeros(k), high[free]])
    scale = np.median(a.diagonal())
    whole = sparse.block_diag([sparse.triu(_strong(a[free][:, free])), sparse.csc_matrix((k, k))]).tocsc()
    most = max(abs(b[free]).max(), a.diagonal()[free].max() * np.maximum(high, -low)[free].max())
    pull = np.concatenate([b[free], np.full(k, -BROKEN * most)])
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    # Lengths and pulls are of one size each: nothing to balance, and nothing to be gained from the last digit.
    settings.presolve_enable = settings.equilibrate_enable = settings.iterative_refinement_enable = False
    cone = [clarabel.NonnegativeConeT(len(bounds))]
    found = clarabel.DefaultSolver(whole / scale, -pull / scale, rules, bounds, cone, settings).solve()
    if str(found.status) not in ("Solved", "AlmostSolved"):
        raise NumericalError(f"a step under the mask rules was not found ({found.status}); look at opc.limits")
    step[free] = np.asarray(found.x)[: len(free)]
    return step


def _strong(a: sparse.spmatrix) -> sparse.csc_matrix:
    size, entries = np.sqrt(a.diagonal()), a.tocoo()
    keep = abs(entries.data) > FEEBLE * size[entries.row] * size[entries.col]
    return sparse.csc_matrix((entries.data[keep], (entries.row[keep], entries.col[keep])), shape=a.shape)


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
