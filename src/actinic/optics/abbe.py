"""Abbe imaging in float64: the reference every faster path is held against."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..types import Grid
from . import band
from .film import FilmStack
from .scanner import Scanner, coherent_chunks, stray_light


def aerial(
    scanner: Scanner,
    spectra: np.ndarray,
    grid: Grid,
    focus_nm: float = 0.0,
    film: FilmStack | None = None,
    depths_nm: Sequence[float] | None = None,
) -> np.ndarray:
    """Intensity samples (..., ny', nx') float64 on the coarse grid of `band.image_shape`, at j P / n.

    `spectra` (..., 2ky+1, 2kx+1) complex holds the Fourier coefficients of one or more masks for the orders
    -k..k of the tile, and must reach at least `scanner.orders`. The source is sampled for the tile. In a film the
    samples are the dose at its own depth, or at each of `depths_nm` below the resist's top, (..., depth, ny', nx').
    """
    if depths_nm is not None:
        if film is None:
            raise ValueError("depths_nm are depths in a film: give the film")
        stacks = [replace(film, depth_nm=float(depth)) for depth in depths_nm]
        return np.stack([aerial(scanner, spectra, grid, focus_nm, stack) for stack in stacks], -3)
    period = grid.period_nm
    points, weights = scanner.source_points(period)
    orders = scanner.orders(period, points)
    ky, kx = ((n - 1) // 2 for n in spectra.shape[-2:])
    if ky < orders[0] or kx < orders[1]:
        raise ValueError(f"the spectrum reaches orders {(ky, kx)}, the lens passes {orders}")
    passed = spectra[..., ky - orders[0] : ky + orders[0] + 1, kx - orders[1] : kx + orders[1] + 1]
    shape = band.image_shape(period, scanner.na_over_lambda)
    masks = passed.reshape(-1, *passed.shape[-2:])
    total = np.full((len(masks), *shape), stray_light(scanner, focus_nm, film))
    for rows in coherent_chunks(scanner, points, weights, period, focus_nm, film):
        total += np.stack([band.intensity(rows, mask, shape) for mask in masks])
    return total.reshape(*spectra.shape[:-2], *shape)
