"""Sigma, correlation length, Hurst exponent and noise from an average periodogram, by maximum likelihood."""

from dataclasses import dataclass

import numpy as np

from ...errors import NumericalError
from .spectrum import Record

HURST = 0.05, 2.0
# Of the total standard deviation: what lies below counts as nothing.
LEAST = 1e-3
_STEP = 1e-4
_ITERATIONS = 40


@dataclass(frozen=True)
class SpectrumFit:
    """Logarithms (4,) of sigma_nm, xi_nm, hurst, noise_nm, their covariance, the periodogram (k,) that they expect."""

    logs: np.ndarray
    covariance: np.ndarray
    expected: np.ndarray
    at_bound: np.ndarray
    settled: bool

    @property
    def values(self) -> np.ndarray:
        return np.exp(self.logs)

    def autocovariance(self, record: Record) -> np.ndarray:
        """Of the measured edge by lag (sample,), noise included, in nm2."""
        sigma, xi, hurst, noise = self.values
        found = sigma**2 * record.covariance(xi, hurst)
        found[0] += noise**2
        return found


def fit_spectrum(periodogram: np.ndarray, edges: float, record: Record, total_nm: float) -> SpectrumFit:
    """Fit the mean periodogram (k,) of that many independent edges, whose samples have the standard deviation total_nm.

    Whittle's likelihood with the exact expectation of the periodogram: sum over k of log E + I / E, by Fisher's
    scoring. The covariance is the inverse of Fisher's information. Raises NumericalError when there is nothing to fit;
    edges of another kind can end unsettled or at a bound.
    """
    if not (total_nm > 0 and np.isfinite(periodogram).all()):
        raise NumericalError("the edges do not vary: there is no roughness to fit")
    model = _Model(periodogram, edges, record, total_nm)
    starts = [
        np.log([0.7 * total_nm, xi, 0.5, 0.7 * total_nm])
        for xi in np.sqrt(record.length_nm * record.step_nm) * np.array([0.1, 0.4, 1.6])
    ]
    # A poor start can end in a side valley, so the likelihood chooses among three.
    logs, settled = model.climb(min(starts, key=lambda s: model.loss(model.of(np.clip(s, model.low, model.high))[0])))
    expected, slopes = model.slopes(logs)
    at_bound = (logs <= model.low + 1e-6) | (logs >= model.high - 1e-6)
    free = np.flatnonzero(~at_bound)
    covariance = np.zeros((4, 4))
    covariance[np.ix_(free, free)] = np.linalg.pinv(model.information(slopes[free]), hermitian=True)
    return SpectrumFit(logs, covariance, expected, at_bound, settled)


class _Model:
    def __init__(self, periodogram: np.ndarray, edges: float, record: Record, total_nm: float):
        self.periodogram, self.record, self.weight = periodogram, record, edges * record.weight
        self.low = np.log([LEAST * total_nm, 0.1 * record.step_nm, HURST[0], LEAST * total_nm])
        self.high = np.log([100 * total_nm, record.length_nm, HURST[1], 10 * total_nm])

    def of(self, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected periodogram, and its part for a sigma of 1 nm without noise."""
        sigma, xi, hurst, noise = np.exp(logs)
        shape = self.record.expected(self.record.covariance(xi, hurst))
        return sigma**2 * shape + noise**2 * self.record.white, shape

    def loss(self, expected: np.ndarray) -> float:
        return float(self.weight @ (np.log(expected) + self.periodogram / expected))

    def slopes(self, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected periodogram, and the derivatives (4, k) of its logarithm."""
        expected, shape = self.of(logs)
        sigma, _, _, noise = np.exp(logs)
        bent = [self.of(logs + _STEP * np.eye(4)[j])[1] - shape for j in (1, 2)]
        found = [
            2 * sigma**2 * shape,
            *(sigma**2 / _STEP * change for change in bent),
            2 * noise**2 * self.record.white,
        ]
        return expected, np.stack(found) / expected

    def information(self, slopes: np.ndarray) -> np.ndarray:
        return (slopes * self.weight) @ slopes.T

    def climb(self, logs: np.ndarray) -> tuple[np.ndarray, bool]:
        """Fisher's scoring, damped, inside the bounds; and whether it settled."""
        logs = np.clip(logs, self.low, self.high)
        damping = 1e-3
        for _ in range(_ITERATIONS):
            expected, slopes = self.slopes(logs)
            here = self.loss(expected)
            uphill = (slopes * self.weight) @ (self.periodogram / expected - 1)
            # What a bound holds back stays there.
            free = ~(((logs <= self.low) & (uphill < 0)) | ((logs >= self.high) & (uphill > 0)))
            information = self.information(slopes[free])
            while damping < 1e8:
                damped = information + np.diag(damping * np.diag(information) + 1e-9)
                move = np.zeros(4)
                move[free] = np.clip(np.linalg.solve(damped, uphill[free]), -1.0, 1.0)
                there = np.clip(logs + move, self.low, self.high)
                gain = here - self.loss(self.of(there)[0])
                if gain >= 0:
                    break
                damping *= 10
            else:
                return logs, True
            logs, damping = there, max(damping / 10, 1e-9)
            if gain < 1e-5:
                return logs, True
        return logs, False
