"""Abbe imaging in float64: the reference every faster path is held against."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import ConfigError
from ..types import Grid, double
from . import band
from .film import FilmStack
from .polarisation import sources_of, states
from .scanner import CHUNK, Scanner, coherent_chunks, coherent_systems, stray_light


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


def by_source(
    scanner: Scanner, amplitudes: Callable[[np.ndarray], np.ndarray], grid: Grid, focus_nm: float = 0.0
) -> np.ndarray:
    """Intensity samples (mask, ny', nx') float64, as by `aerial`, of masks that are not the same for all of the source.

    `amplitudes` gives (mask, point, 2ky+1, 2kx+1) for source points (point, 2), for the orders of `scanner.orders` or
    more.
    """
    period = grid.period_nm
    points, weights = scanner.source_points(period)
    orders = tuple((n - 1) // 2 for n in amplitudes(points[:1]).shape[-2:])
    shape = tuple(
        max(n, band.fast_length(2 * k + 1))
        for n, k in zip(band.image_shape(period, scanner.na_over_lambda), orders, strict=True)
    )
    step = max(1, CHUNK // (5 * int(np.prod([2 * k + 1 for k in orders]))))
    projector, total = double(scanner.projector), np.zeros(1)
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        rows = coherent_systems(
            projector, points[part], weights[part], period, orders, np.float64(focus_nm), scanner.polarisation
        )
        owner = row_owners(scanner, points[part], len(rows))
        total = total + np.stack([band.intensity(rows, light[owner], shape) for light in amplitudes(points[part])])
    return total + stray_light(scanner, focus_nm)


def row_owners(scanner: Scanner, points: np.ndarray, rows: int) -> np.ndarray:
    """Source point of each coherent row (rows,) of `coherent_systems`."""
    if scanner.polarisation is None:
        return np.arange(len(points))
    owner = sources_of(scanner.projector, points, scanner.polarisation)
    return np.tile(owner, rows // len(owner))


# Jones matrices (point, 2 out, 2 in, fy, fx) of a mask's orders for source points (point, 2).
Diffraction = Callable[[np.ndarray], np.ndarray]
# The spectrum seen by fields that hold the mask's already.
ONE = np.ones((1, 1))


def resolved(
    scanner: Scanner, diffraction: Diffraction, clear: Diffraction, grid: Grid, focus_nm: float = 0.0
) -> np.ndarray:
    """Intensity samples (ny', nx') float64, as by `aerial`, of a mask that diffracts each source point in its own way.

    `diffraction` gives the Jones matrices of the orders -k..k, as many as `scanner.orders` or fewer if the others are
    nought, `clear` those of the zero order of a clear field, whose image is 1 less the flare. Not scalar, no film.
    """
    if scanner.polarisation is None:
        raise ConfigError("thick masks turn polarisation: give the scanner one, such as unpolarised")
    period = grid.period_nm
    points, weights = scanner.source_points(period)
    orders = tuple((n - 1) // 2 for n in diffraction(points[:1]).shape[-2:])
    shape = band.image_shape(period, scanner.na_over_lambda)
    total, whole = np.zeros(shape), 0.0
    step = max(1, CHUNK // (12 * int(np.prod([2 * k + 1 for k in orders]))))
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        here = points[part], weights[part]
        total += band.intensity(_leaving(scanner, diffraction, *here, (period, orders), focus_nm), ONE, shape)
        whole += band.intensity(_leaving(scanner, clear, *here, ((1.0, 1.0), (0, 0)), focus_nm), ONE, (2, 2)).mean()
    return total * (scanner.in_image / whole) + stray_light(scanner, focus_nm)


def _leaving(scanner: Scanner, diffraction: Diffraction, points, weights, tile, focus_nm) -> np.ndarray:
    """Orders of every coherent field as they leave the lens (field, fy, fx)."""
    projector, focus = double(scanner.projector), np.float64(focus_nm)
    number, jones = states(points, scanner.polarisation)
    leaving = np.einsum("pabfg,pb->apfg", diffraction(points)[number], jones)
    x, y = (
        coherent_systems(projector, points[number], weights[number], *tile, focus, axis) * np.tile(light, (3, 1, 1))
        for axis, light in zip(("X", "Y"), leaving, strict=True)
    )
    return x + y
