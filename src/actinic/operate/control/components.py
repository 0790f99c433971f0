"""How much each part of the context spreads and drifts, from the measurements themselves: maximum likelihood.

A lot's disturbance is a sum of one level per factor plus noise. A level starts N(0, spread^2) and walks at random,
variance `drift^2` a lot; the measurements are then jointly Gaussian with covariance

    V = R + sum_f [ spread_f^2 + drift_f^2 min(t, t') ] same_f + var(gain) u u',

whose likelihood is maximised over the logarithms of all variances under wide log-normal priors (so that a few lots give
no nonsense). Outliers are found by leaving one out (Rasmussen and Williams 2006, eq. 5.12) and given more noise.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

FLYER = 3.0  # standard deviations beyond which a measurement has as much noise as it is off
PASSES = 2
PRIOR_SIGMA = 2.2  # of the logarithm of a variance
MOST = 40.0  # of a logarithm: further out the search only finds numbers that overflow
SPREAD, DRIFT, NOISE = 0.3, 1e-3, 0.05  # prior medians of the variances, of the square of the scale
ALL, RARE = 2.0, 0.004  # spread of the common level, and of what is particular to one combination
SLOW = 1e-5  # drift of what does not wear: a product, a mask, a combination


@dataclass(frozen=True)
class Components:
    """Variances (nm2): `spread` (f,) of the levels, `drift` (f,) a lot, `noise` of one measurement."""

    spread: np.ndarray
    drift: np.ndarray
    noise: float


@dataclass(frozen=True)
class Sample:
    """Measurements for a fit: codes (n, f) of the levels, -1 where unknown; rank (n,); disturbance and move (n,), nm.

    `extra` (n,) is noise variance known beforehand, in nm2.
    """

    codes: np.ndarray
    rank: np.ndarray
    value: np.ndarray
    move: np.ndarray
    extra: np.ndarray


def prior(factors: tuple[str, ...], scale: float) -> Components:
    """What is assumed before there are measurements enough: variances as shares of scale^2."""
    slow = np.array([name != "tool" and not name.startswith("tool:chuck") for name in factors])
    spread = np.array([{"": ALL, "*": RARE}.get(name, SPREAD) for name in factors])
    return Components(scale**2 * spread, scale**2 * np.where(slow, SLOW, DRIFT), scale**2 * NOISE)


def scale_of(value: np.ndarray) -> float:
    """Robust spread about the median, never zero unless all values are the same."""
    middle = np.median(np.abs(value - np.median(value)))
    return float(1.4826 * middle or np.std(value))


def fit(sample: Sample, start: Components, gain_variance: float, last: Components | None = None) -> Components:
    """The most likely components given a sample; `start` is the middle of the prior, `last` where to search first."""
    unit = float(np.sqrt(start.noise / NOISE))
    kernels = _kernels(sample)
    x0 = np.log(_flat(start) / unit**2)
    value, fixed = sample.value / unit, gain_variance * np.outer(sample.move, sample.move) / unit**2
    x, inflation = x0 if last is None else np.log(_flat(last) / unit**2), np.ones(value.size)
    for _ in range(PASSES):
        known = fixed + np.diag(sample.extra / unit**2)
        inflation = _doubted(np.exp(x), kernels, inflation, known, value)
        noise = np.concatenate([kernels, np.diag(inflation).reshape(1, -1)])
        result = optimize.minimize(
            _cost, x, (noise, known, value, x0), "L-BFGS-B", True, options={"maxiter": 40, "ftol": 1e-5}
        )
        x = result.x
    size, variances = len(start.spread), np.exp(x) * unit**2
    return Components(variances[:size], variances[size : 2 * size], float(variances[-1]))


def _flat(components: Components) -> np.ndarray:
    return np.concatenate([components.spread, components.drift, [components.noise]])


def _kernels(sample: Sample) -> np.ndarray:
    """(2 f, n n): who shares a level, and for how long it has walked."""
    codes = sample.codes.T
    same = ((codes[:, :, None] == codes[:, None, :]) & (codes[:, :, None] >= 0)).astype(np.float64)
    # An unknown level is some level all the same: its spread is this measurement's own.
    same += np.eye(len(sample.value)) * (codes < 0)[:, :, None]
    age = sample.rank - sample.rank.min()
    walked = np.minimum(age[:, None], age[None, :])
    return np.concatenate([same, same * walked]).reshape(2 * len(codes), -1)


def _doubted(variances, kernels, inflation, known, value) -> np.ndarray:
    """(n,) by how much to multiply the noise of each measurement, from its error as foretold by all others.

    That error does not depend on the measurement's own noise, so each is judged as if it were an ordinary one.
    """
    noise = variances[-1]
    covariance = (variances[:-1] @ kernels).reshape(known.shape) + known + np.diag(noise * inflation)
    inverse = linalg.inv(covariance)
    error, variance = (inverse @ value) / np.diag(inverse), 1 / np.diag(inverse) - (inflation - 1) * noise
    return np.where(error**2 > FLYER**2 * variance, np.maximum(error**2 / noise, 1.0), 1.0)


def _cost(x, kernels, known, value, x0):
    """Minus the log posterior, and its gradient."""
    variances = np.exp(np.clip(x, -MOST, MOST))
    covariance = (variances @ kernels).reshape(known.shape) + known
    try:
        factor = linalg.cholesky(covariance, lower=True, check_finite=False)
    except linalg.LinAlgError:
        return 1e12, np.zeros_like(x)
    inverse = linalg.lapack.dpotri(factor, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    solved = inverse @ value
    cost = 0.5 * value @ solved + np.log(np.diag(factor)).sum() + 0.5 * np.sum((x - x0) ** 2) / PRIOR_SIGMA**2
    slope = 0.5 * variances * (kernels @ (inverse - np.outer(solved, solved)).ravel()) + (x - x0) / PRIOR_SIGMA**2
    return cost, slope
