"""Fringe Zernikes over the wafer, as the conventions have them for the pupil: unnormalised, Z4 = 2 r2 - 1."""

from math import factorial

import numpy as np

from ..errors import ConfigError

MOST = 36


def fringe(number: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Z1 to Z36 at points of the unit disc, the angle from +x to +y."""
    n, m, sine = indices(number)
    r2, angle = np.asarray(x * x + y * y, np.float64), np.arctan2(y, x)
    radial = np.zeros_like(r2)
    for k in range((n - m) // 2 + 1):
        factor = (-1) ** k * factorial(n - k)
        factor //= factorial(k) * factorial((n + m) // 2 - k) * factorial((n - m) // 2 - k)
        radial += factor * r2 ** ((n - m) // 2 - k)
    return radial * r2 ** (m / 2) * (np.sin(m * angle) if sine else np.cos(m * angle))


def indices(number: int) -> tuple[int, int, bool]:
    """Radial degree, azimuthal frequency, and whether it is the sine, of a Fringe number."""
    if not 1 <= number <= MOST:
        raise ConfigError(f"there is no wafer Zernike Z{number}: Z1 to Z{MOST}")
    # Square d holds 2 d + 1 polynomials with n + m = 2 d.
    d = int(np.sqrt(number - 1))
    place = number - 1 - d * d
    m = d - place // 2
    return 2 * d - m, m, bool(place % 2)


def basis(numbers, X_mm: np.ndarray, Y_mm: np.ndarray, radius_mm: float = 150.0) -> np.ndarray:
    """Columns (n, number) of wafer Zernikes at points in mm."""
    x, y = np.asarray(X_mm) / radius_mm, np.asarray(Y_mm) / radius_mm
    return np.stack([fringe(number, x, y) for number in numbers], axis=-1)
