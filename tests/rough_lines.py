"""Rough edges with known truth, made by code that shares nothing with the estimator, and ways to spoil them."""

import numpy as np
from scipy import integrate, linalg, ndimage, signal


def covariance(lag_nm, sigma, xi, hurst):
    """sigma^2 times the cosine transform of (1 + (2 pi f xi)^2)^-(H + 1/2), by quadrature."""

    def shape(s):
        return (1 + s * s) ** -(hurst + 0.5)

    whole = integrate.quad(shape, 0, np.inf)[0]
    waves = [whole] + [integrate.quad(shape, 0, np.inf, weight="cos", wvar=lag / xi)[0] for lag in lag_nm[1:]]
    return sigma**2 * np.array(waves) / whole


class Lines:
    """Gaussian edges (edge, sample): a first-order recursion for a Hurst exponent of 1/2, else by Cholesky."""

    def __init__(self, samples, step, sigma, xi, hurst=0.5):
        self.samples, self.step, self.sigma, self.xi, self.hurst = samples, step, sigma, xi, hurst
        if hurst != 0.5:
            found = covariance(step * np.arange(min(samples, int(40 * xi / step))), sigma, xi, hurst)
            self.root = linalg.cholesky(linalg.toeplitz(np.pad(found, (0, samples - len(found)))), lower=True)

    def __call__(self, edges, random):
        white = random.standard_normal((edges, self.samples))
        if self.hurst != 0.5:
            return white @ self.root.T
        keep = np.exp(-self.step / self.xi)
        white[:, 1:] *= np.sqrt(1 - keep**2)
        return self.sigma * signal.lfilter([1.0], [1.0, -keep], white, axis=1)


def noisy(edges, noise, random):
    return edges + noise * random.standard_normal(edges.shape)


def drifted(edges, rms):
    """All edges bent alike by a parabola of that rms."""
    place = np.linspace(-1, 1, edges.shape[1])
    bend = place**2 - np.mean(place**2)
    return edges + rms * bend / bend.std()


def settling(edges, amount, share):
    """Charging: all edges move by `amount` within a share of the line."""
    return edges + amount * np.exp(-np.linspace(0, 1, edges.shape[1]) / share)


def blurred(edges, rows):
    """Edges of an image that was smoothed along the lines by a Gaussian of that standard deviation in samples."""
    return ndimage.gaussian_filter1d(edges, rows, axis=1, mode="mirror")


def coloured(edges, noise, follow, random):
    """Noise of which each sample follows the one before with that correlation."""
    white = noise * random.standard_normal(edges.shape)
    white[:, 1:] *= np.sqrt(1 - follow**2)
    return edges + signal.lfilter([1.0], [1.0, -follow], white, axis=1)


def shaken(edges, rms, random):
    """Rows moved at random, each with all its edges."""
    return edges + rms * random.standard_normal(edges.shape[1])


def waved(edges, rms, period):
    """A vibration: all edges on one wave."""
    return edges + rms * np.sqrt(2) * np.sin(2 * np.pi * np.arange(edges.shape[1]) / period)


def misread(edges, share, size, random):
    """Some samples far off."""
    return edges + size * random.choice([-1, 1], edges.shape) * (random.random(edges.shape) < share)
