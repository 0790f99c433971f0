"""Abbe imaging in float64: the reference every faster path is held against."""

import numpy as np

from ..types import Grid, double
from . import band
from .scanner import Scanner, coherent_systems

CHUNK = 64


def aerial(scanner: Scanner, spectra: np.ndarray, grid: Grid, focus_nm: float = 0.0) -> np.ndarray:
    """Intensity samples (..., ny', nx') float64 on the coarse grid of `band.image_shape`, at j P / n.

    `spectra` (..., 2ky+1, 2kx+1) complex holds the Fourier coefficients of one or more masks for the orders
    -k..k of the tile, and must reach at least `scanner.orders`. The source is sampled for the tile.
    """
    period = grid.period_nm
    points, weights = scanner.source_points(period)
    orders = scanner.orders(period, points)
    ky, kx = ((n - 1) // 2 for n in spectra.shape[-2:])
    if ky < orders[0] or kx < orders[1]:
        raise ValueError(f"the spectrum reaches orders {(ky, kx)}, the lens passes {orders}")
    passed = spectra[..., ky - orders[0] : ky + orders[0] + 1, kx - orders[1] : kx + orders[1] + 1]
    projector, focus = double(scanner.projector), np.float64(focus_nm)
    shape = band.image_shape(period, scanner.na_over_lambda)
    masks = passed.reshape(-1, *passed.shape[-2:])
    total = np.zeros((len(masks), *shape))
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        rows = coherent_systems(projector, points[part], weights[part], period, orders, focus)
        total += np.stack([band.intensity(rows, mask, shape) for mask in masks])
    return total.reshape(*spectra.shape[:-2], *shape)
