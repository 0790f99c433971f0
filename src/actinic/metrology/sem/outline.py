"""Outlines of two-dimensional features in a picture with bright edges."""

from typing import Literal

import numpy as np
from scipy import ndimage

from ...errors import ConfigError
from ...types import Grid
from ..contour import contours


def sem_contours(
    grey: np.ndarray,
    pixel_nm: float,
    smooth_nm: float,
    side: Literal["outer", "inner"] = "outer",
    level: float = 0.5,
    least_nm2: float = 100.0,
) -> list[np.ndarray]:
    """Closed rings (n, 2) [x, y] in nm along the bright bands of a picture [y, x], counter-clockwise.

    Nm from the middle of the first pixel. The picture is smoothed by a Gaussian of standard deviation `smooth_nm`;
    `level` lies between its 2nd (0) and 99.5th (1) percentile. Ask for the `outer` side of the bands round islands and
    the `inner` one round holes: there the space begins. Rings that touch a side of the picture or hold less than
    `least_nm2` are left out.
    """
    if side not in ("outer", "inner") or not 0 < level < 1 or not (pixel_nm > 0 and smooth_nm >= 0):
        raise ConfigError("contours need side outer or inner, a level in 0..1, pixel_nm > 0 and smooth_nm >= 0")
    smooth = ndimage.gaussian_filter(np.asarray(grey, np.float64), smooth_nm / pixel_nm, mode="nearest")
    low, high = np.percentile(smooth, [2.0, 99.5])
    grid = Grid(smooth.shape, pixel_nm, (-0.5 * pixel_nm, -0.5 * pixel_nm))
    x0, y0, x1, y1 = grid.window_nm
    sign = 1.0 if side == "outer" else -1.0
    found = []
    for ring in contours(smooth, grid, low + level * (high - low)):
        inside = ((ring > (x0 + pixel_nm, y0 + pixel_nm)) & (ring < (x1 - pixel_nm, y1 - pixel_nm))).all()
        if inside and sign * _area(ring) > least_nm2:
            found.append(ring if side == "outer" else ring[::-1])
    return found


def _area(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
