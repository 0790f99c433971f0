"""Fit a few parameters to measurements: bounded, robust least squares in float64 with covariance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from ..errors import ConfigError, NumericalError

# Below this share of the largest singular value, all columns scaled to one length, the data say nothing.
_RANK = 1e-8


@dataclass(frozen=True)
class Fit:
    """Parameters (p,), their covariance (p, p), weighted residuals (n,) and how the solver ended.

    A parameter held at its bound (`at_bound`) has zero variance. One that the data do not determine has
    infinite variance and undefined (NaN) covariances; `rank` is the number of directions they determine.
    """

    value: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    at_bound: np.ndarray
    rank: int
    message: str

    @property
    def sigma(self) -> np.ndarray:
        """Standard errors (p,)."""
        return np.sqrt(np.diag(self.covariance))


def fit(
    residuals: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    jacobian: Callable[[np.ndarray], np.ndarray] | None = None,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
    robust_at: float | None = None,
    known_noise: bool = False,
    tolerance: float = 1e-12,
) -> Fit:
    """Least squares of `residuals(p)`, each already divided by its standard deviation.

    `robust_at` is the residual beyond which Huber's loss takes over; what lies beyond adds nothing to the
    certainty. It ends where cost or parameters change by less than `tolerance`, relatively. The covariance is
    (J^T J)^-1 at the solution, times the reduced chi-square unless `known_noise`.
    Raises NumericalError when the residuals are not finite or fewer than the parameters, or when the solver
    gives up, and ConfigError when the start is out of bounds.
    """
    start = np.atleast_1d(np.asarray(start, np.float64))
    first = np.asarray(residuals(start))
    if not np.isfinite(first).all():
        raise NumericalError("fit: the residuals at the start are not finite")
    if first.size < start.size:
        raise NumericalError(f"fit: {first.size} residuals cannot determine {start.size} parameters")
    low, high = bounds if bounds is not None else (-np.inf, np.inf)
    outside = np.flatnonzero((start < low) | (start > high))
    if outside.size:
        raise ConfigError(f"fit: the start of parameter {outside[0]} is out of its bounds")
    found = least_squares(
        residuals,
        start,
        jac=jacobian or "3-point",
        bounds=(low, high),
        loss="huber" if robust_at else "linear",
        f_scale=robust_at or 1.0,
        x_scale="jac",
        xtol=tolerance,
        ftol=tolerance,
        gtol=tolerance,
    )
    if not found.success or not np.isfinite(found.fun).all():
        raise NumericalError(f"fit: no solution ({found.message})")
    at_bound = found.active_mask != 0
    inverse, rank = _inverse(found.jac[:, ~at_bound])
    noise = 1.0 if known_noise else 2 * found.cost / max(first.size - rank, 1)
    covariance = np.zeros((start.size, start.size))
    covariance[np.ix_(~at_bound, ~at_bound)] = inverse * noise
    return Fit(found.x, covariance, found.fun, at_bound, rank, found.message)


def _inverse(jacobian: np.ndarray) -> tuple[np.ndarray, int]:
    """(J^T J)^-1 with infinite variances where J determines nothing, and the rank of J."""
    length = np.linalg.norm(jacobian, axis=0)
    length[length == 0] = 1
    _, singular, directions = np.linalg.svd(jacobian / length, full_matrices=False)
    known = singular > _RANK * singular.max(initial=0)
    inverse = (directions[known].T / singular[known] ** 2) @ directions[known] / np.outer(length, length)
    loose = (directions[~known] ** 2).sum(0) > 1e-9
    inverse[loose, :] = inverse[:, loose] = np.nan
    inverse[loose, loose] = np.inf
    return inverse, int(known.sum())
