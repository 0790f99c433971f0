"""The rough edge as a stationary random line: its correlation, its spectrum, and what a finite record shows of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft, special

from ...errors import ConfigError

_FAR = 30.0  # correlation lengths beyond which nothing of the correlation is left
_NODES = 100
_CUSP = 6.0  # standard deviations of a blur at which the cusp is no longer seen
_FINE = 601


def correlation(lag_nm: np.ndarray, xi_nm: float, hurst: float) -> np.ndarray:
    """Correlation of the edge with itself `lag_nm` further on; 1 at 0, exp(-lag / xi) for a Hurst exponent of 1/2.

    2^(1-H) / Gamma(H) (lag / xi)^H K_H(lag / xi): the transform of `spectrum` (Matern 1960; for edges Palasantzas,
    Phys. Rev. B 48, 14472, 1993).
    """
    t = np.abs(np.asarray(lag_nm, np.float64)) / xi_nm
    near = (t > 1e-12) & (t < _FAR)
    found = (t <= 1e-12).astype(np.float64)
    s = t[near]
    found[near] = 2.0 ** (1 - hurst) / special.gamma(hurst) * s**hurst * special.kv(hurst, s)
    return found


def blurred_correlation(lag_nm: np.ndarray, xi_nm: float, hurst: float, blur_nm: float) -> np.ndarray:
    """Covariance, in units of sigma^2, of the edge after a Gaussian blur of standard deviation `blur_nm` along it.

    The mean of `correlation` over lag + Z with Z normal of variance 2 blur^2; at lag 0 it is below 1.
    """
    lag = np.asarray(lag_nm, np.float64)
    if not blur_nm:
        return correlation(lag, xi_nm, hurst)
    wide = np.sqrt(2) * blur_nm
    # Far from its cusp at 0 the correlation is smooth and three nodes do; near it, many that crowd at the cusp.
    node, weight = np.polynomial.hermite_e.hermegauss(3)
    found = correlation(lag[:, None] + wide * node, xi_nm, hurst) @ (weight / weight.sum())
    close = lag < _CUSP * wide
    u, power = np.linspace(-1, 1, _FINE), max(1.0, 2 / hurst)
    to = 2 * _CUSP * wide * np.sign(u) * np.abs(u) ** power
    rate = np.abs(u) ** (power - 1)
    density = np.exp(-0.5 * ((to - lag[close][:, None]) / wide) ** 2) * rate
    found[close] = (density * correlation(to, xi_nm, hurst)).sum(axis=1) / density.sum(axis=1)
    return found


def spectrum(frequency: np.ndarray, sigma_nm: float, xi_nm: float, hurst: float) -> np.ndarray:
    """Power spectral density in nm3, two-sided in cycles per nm: its integral over all frequencies is sigma^2.

    PSD(0) / (1 + (2 pi f xi)^2)^(H + 1/2) with PSD(0) = 2 sqrt(pi) xi sigma^2 Gamma(H + 1/2) / Gamma(H).
    """
    peak = 2 * np.sqrt(np.pi) * xi_nm * sigma_nm**2 * np.exp(special.gammaln(hurst + 0.5) - special.gammaln(hurst))
    return peak * (1 + (2 * np.pi * np.asarray(frequency) * xi_nm) ** 2) ** -(hurst + 0.5)


def length_factor(length_nm: float, xi_nm: float, hurst: float = 0.5) -> float:
    """Share of sigma^2 that is left about the mean of a line of that length, without noise.

    1 - 2 / L integral of (1 - t / L) correlation(t) over (0, L). For a Hurst exponent of 1/2 it is
    1 - 2 xi / L (1 - xi / L (1 - exp(-L / xi))).
    """
    if not (length_nm > 0 and xi_nm > 0 and hurst > 0):
        raise ConfigError(f"length, xi and hurst must be positive, not {length_nm}, {xi_nm}, {hurst}")
    if hurst == 0.5:
        ratio = xi_nm / length_nm
        return 1 - 2 * ratio * (1 + ratio * np.expm1(-1 / ratio))
    end = min(length_nm, _FAR * xi_nm)
    # With t = end u^(2 / H) the cusp of the correlation at 0, as t^(2H), is smooth and a Gaussian rule is exact.
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    u, power = 0.5 * (1 + node), 2 / hurst
    lag = end * u**power
    rate = 0.5 * weight * power * end * u ** (power - 1)
    area = np.sum(rate * correlation(lag, xi_nm, hurst) * (1 - lag / length_nm))
    return float(1 - 2 * area / length_nm)


def rough_edges(
    shape: tuple[int, int], step_nm: float, sigma_nm: float, xi_nm: float, hurst: float = 0.5, *, seed: int
) -> np.ndarray:
    """Independent edges (edge, sample) in nm about 0: samples `step_nm` apart of the continuous random line.

    Circulant embedding (Dietrich and Newsam, SIAM J. Sci. Comput. 18, 1088, 1997): the covariance of the samples is
    exact, aliasing and the loss of variance in a finite line are those of the real thing.
    """
    edges, samples = shape
    if min(edges, samples) < 1 or not (step_nm > 0 and sigma_nm >= 0 and xi_nm > 0 and hurst > 0):
        raise ConfigError("rough edges need a positive shape, step, xi and hurst, and a sigma of at least 0")
    # So long that the correlation has died away before the circle closes.
    size = fft.next_fast_len(2 * (samples + int(np.ceil(_FAR * xi_nm / step_nm))))
    lag = np.minimum(np.arange(size), size - np.arange(size))
    power = fft.fft(correlation(lag * step_nm, xi_nm, hurst)).real
    random = np.random.default_rng(seed)
    half = (edges + 1) // 2
    white = random.standard_normal((half, size)) + 1j * random.standard_normal((half, size))
    wave = fft.fft(white * np.sqrt(np.maximum(power, 0.0) / size), axis=1)[:, :samples]
    return sigma_nm * np.concatenate([wave.real, wave.imag])[:edges]


@dataclass(frozen=True)
class Record:
    """What is kept of an edge: `samples` values `step_nm` apart, less the best polynomial of degree `detrend`.

    Before it was sampled the edge, but not the noise, was blurred by a Gaussian of standard deviation `blur_nm`.
    """

    samples: int
    step_nm: float
    detrend: int
    blur_nm: float = 0.0

    @property
    def length_nm(self) -> float:
        return self.samples * self.step_nm

    @cached_property
    def frequency(self) -> np.ndarray:
        """Cycles per nm (k,), without 0."""
        return fft.rfftfreq(self.samples, self.step_nm)[1:]

    @cached_property
    def weight(self) -> np.ndarray:
        """1 for each frequency (k,), 1/2 for the last one of an even record, whose wave has no phase."""
        weight = np.ones(self.frequency.size)
        weight[-1] = 1.0 - 0.5 * (self.samples % 2 == 0)
        return weight

    def trends(self, degree: int) -> np.ndarray:
        """Orthonormal polynomials (sample, degree + 1)."""
        place = np.linspace(-1.0, 1.0, self.samples)
        return np.linalg.qr(np.polynomial.legendre.legvander(place, degree))[0]

    def detrended(self, edges: np.ndarray) -> np.ndarray:
        return edges - (edges @ self._trend) @ self._trend.T

    def periodogram(self, detrended: np.ndarray) -> np.ndarray:
        """|transform|^2 (edge, k) in nm3."""
        return np.abs(fft.rfft(detrended, axis=-1)[..., 1:]) ** 2 * (self.step_nm / self.samples)

    def expected(self, covariance: np.ndarray) -> np.ndarray:
        """The periodogram (k,) that a covariance (sample,) by lag has on average.

        Aliasing, leakage and the removed trend are in it, so a fit to it is not biased by them (Sykulski et al.,
        Biometrika 106, 251, 2019).
        """
        n = self.samples
        whole = covariance * (n - np.arange(n))
        whole[1:] += whole[:0:-1].copy()
        power = fft.rfft(whole).real
        # diag F (1 - Q Q') C (1 - Q Q') F' with Q the trend.
        moved = self.times(covariance, self._trend)
        waves = self._trend_waves @ (self._trend.T @ moved) - 2 * fft.rfft(moved, axis=0)
        power += (waves * self._trend_waves.conj()).real.sum(axis=1)
        return power[1:] * (self.step_nm / n)

    def times(self, covariance: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """The covariance matrix of the samples times vectors (sample, vector)."""
        n = self.samples
        around = fft.rfft(np.r_[covariance, 0.0, covariance[:0:-1]])
        return np.asarray(fft.irfft(around[:, None] * fft.rfft(vectors, 2 * n, axis=0), 2 * n, axis=0))[:n]

    def covariance(self, xi_nm: float, hurst: float) -> np.ndarray:
        """Of the samples by lag (sample,), for a sigma of 1 nm and without noise."""
        return blurred_correlation(np.arange(self.samples) * self.step_nm, xi_nm, hurst, self.blur_nm)

    @cached_property
    def white(self) -> np.ndarray:
        """The periodogram (k,) of white noise of variance 1."""
        return self.expected(np.r_[1.0, np.zeros(self.samples - 1)])

    @cached_property
    def _trend(self) -> np.ndarray:
        return self.trends(self.detrend)

    @cached_property
    def _trend_waves(self) -> np.ndarray:
        return np.asarray(fft.rfft(self._trend, axis=0))
