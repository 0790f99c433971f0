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
PASSES = 5
PRIOR_SIGMA = 2.2  # of the logarithm of a variance
TINY = 1e-8  # of the square of the scale: no measurement is better than that
MOST = 40.0  # of a logarithm: further out the search only finds numbers that overflow
SPREAD, DRIFT, NOISE = 0.3, 1e-3, 0.05  # prior medians of the variances, of the square of the scale
ALL, RARE = 2.0, 0.001  # spread of the common level, and of what is particular to one combination
SLOW = 3e-6  # drift of what does not wear: a product, a mask, a combination


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
    x = None if last is None else np.log(_flat(last) * NOISE / start.noise)
    inflation = np.ones(sample.value.size)
    for again in range(PASSES):
        problem = _Problem(sample, start, gain_variance, inflation)
        x, _ = problem.solve(x)
        if again < PASSES - 1:
            inflation = problem.doubted(x)
    size, variances = len(start.spread), np.exp(x) * start.noise / NOISE
    return Components(variances[:size], variances[size : 2 * size], float(variances[-1]))


def best(sample: Sample, start: Components, gain_variance: float) -> tuple[np.ndarray, float]:
    """Logarithms of the variances and minus the log posterior there, all measurements taken as they are."""
    return _Problem(sample, start, gain_variance, np.ones(sample.value.size)).solve(None)


class _Problem:
    """Minus the log posterior over logarithms of variances, in units of the scale that the prior is for."""

    def __init__(self, sample: Sample, start: Components, gain_variance: float, inflation: np.ndarray):
        square = start.noise / NOISE
        self.middle = np.log(_flat(start) / square)
        self.value = sample.value / np.sqrt(square)
        known = gain_variance * np.outer(sample.move, sample.move) + np.diag(sample.extra)
        self.known = known / square + TINY * np.eye(sample.value.size)
        self.inflation = inflation
        self.kernels = np.concatenate([_kernels(sample), np.diag(inflation).reshape(1, -1)])

    def solve(self, x: np.ndarray | None) -> tuple[np.ndarray, float]:
        start = self.middle if x is None else x
        options = {"maxiter": 40, "ftol": 1e-5}
        result = optimize.minimize(self.cost, start, method="L-BFGS-B", jac=True, options=options)
        return result.x, float(result.fun)

    def covariance(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        variances = np.exp(np.clip(x, -MOST, MOST))
        return variances, (variances @ self.kernels).reshape(self.known.shape) + self.known

    def cost(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log posterior, and its gradient."""
        variances, covariance = self.covariance(x)
        try:
            factor = linalg.cholesky(covariance, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return 1e12, np.zeros_like(x)
        inverse = linalg.lapack.dpotri(factor, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        solved, off = inverse @ self.value, (x - self.middle) / PRIOR_SIGMA
        cost = 0.5 * self.value @ solved + np.log(np.diag(factor)).sum() + 0.5 * np.sum(off**2)
        slope = 0.5 * variances * (self.kernels @ (inverse - np.outer(solved, solved)).ravel()) + off / PRIOR_SIGMA
        return float(cost), slope

    def doubted(self, x: np.ndarray) -> np.ndarray:
        """(n,) by how much to multiply the noise of each measurement, from its error as foretold by all others.

        That error does not depend on the measurement's own noise, so each is judged as if it were an ordinary one.
        """
        variances, covariance = self.covariance(x)
        noise, inverse = variances[-1], linalg.inv(covariance)
        error, variance = (inverse @ self.value) / np.diag(inverse), 1 / np.diag(inverse)
        ordinary = variance - (self.inflation - 1) * noise
        return np.where(error**2 > FLYER**2 * ordinary, np.maximum(error**2 / noise, 1.0), 1.0)


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
