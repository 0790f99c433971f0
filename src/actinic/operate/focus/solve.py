"""Many small least-squares problems at once: Levenberg and Marquardt's method with Huber's loss, in NumPy.

Fields of a wafer, and starts of a field, are problems (b) of the same parameters (p) with up to n measurements each.
"""

from collections.abc import Callable

import numpy as np

# Huber's loss takes over here, in standard deviations: 99 % efficient on clean data.
ROBUST_AT = 2.0
_ROUNDS, _MOST_DAMPING, _SETTLED = 60, 1e8, 1e-7

# (which problems (k,), parameters (k, p)) -> residuals (k, n) in standard deviations, derivatives (k, n, p).
Rows = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def descend(
    rows: Rows, start: np.ndarray, free: np.ndarray, robust: bool = True, scale: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (b, p) of least loss from a start (b, p), moving those that are free (p,), and the losses (b,).

    A residual that is not finite makes a step fail; a start that has one keeps an infinite loss. `scale` (p,) are the
    sizes of steps about which damping begins.
    """
    value = np.array(start, np.float64)
    cost = np.full(len(value), np.inf)
    damping = np.full(len(value), 1e-3)
    scale = np.ones(value.shape[1]) if scale is None else scale
    live = np.arange(len(value))
    residual, slope = rows(live, value)
    cost = loss(residual, robust)
    kept = [normal(residual, slope[..., free] * scale[free], robust)]
    matrix, gradient = kept[0]
    live = np.flatnonzero(np.isfinite(cost))
    for _ in range(_ROUNDS):
        if not live.size or not free.any():
            break
        diagonal = np.einsum("bii->bi", matrix[live])
        extra = damping[live, None] * np.maximum(diagonal, 1e-12) + 1e-12
        step = np.linalg.solve(matrix[live] + extra[:, :, None] * np.eye(int(free.sum())), gradient[live][..., None])
        tried = value[live].copy()
        tried[:, free] -= step[..., 0] * scale[free]
        residual, slope = rows(live, tried)
        new = loss(residual, robust)
        better = new <= cost[live]
        gained = np.where(better, cost[live] - new, np.inf)
        chosen = live[better]
        value[chosen], cost[chosen] = tried[better], new[better]
        matrix[chosen], gradient[chosen] = normal(residual[better], slope[better][..., free] * scale[free], robust)
        damping[live] *= np.where(better, 0.1, 10.0)
        done = (better & (gained <= _SETTLED * (1 + new))) | (damping[live] > _MOST_DAMPING)
        live = live[~done]
    return value, cost


def loss(residual: np.ndarray, robust: bool) -> np.ndarray:
    """Twice Huber's loss, or the sum of squares, of residuals (b, n); infinite where one is not finite."""
    size = np.abs(residual)
    with np.errstate(invalid="ignore"):
        each = np.where(robust & (size > ROBUST_AT), 2 * ROBUST_AT * size - ROBUST_AT**2, size**2)
    return np.where(np.isfinite(residual).all(axis=1), each.sum(axis=1), np.inf)


def normal(residual: np.ndarray, slope: np.ndarray, robust: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weighted normal matrices (b, p, p) and gradients (b, p); what is not finite counts nothing."""
    good = np.isfinite(residual) & np.isfinite(slope).all(axis=2)
    residual, slope = np.where(good, residual, 0.0), np.where(good[..., None], slope, 0.0)
    weight = np.minimum(1.0, ROBUST_AT / np.maximum(np.abs(residual), 1e-12)) if robust else np.ones_like(residual)
    return np.einsum("bnp,bn,bnq->bpq", slope, weight, slope), np.einsum("bnp,bn->bp", slope, weight * residual)


def information(residual: np.ndarray, slope: np.ndarray, robust: bool) -> np.ndarray:
    """Fisher information (b, p, p) of measurements; with Huber's loss what lies beyond adds nothing."""
    inside = (np.abs(residual) <= ROBUST_AT) | (not robust)
    used = np.where((inside & np.isfinite(residual))[..., None], np.nan_to_num(slope), 0.0)
    return np.einsum("bnp,bnq->bpq", used, used)
