"""What masks make of the light, tile by tile and focus by focus, by the reference path: Abbe in float64."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..errors import ConfigError
from ..forward import Process, fast, fast_aerial, thinned
from ..layout import Layout, clipped, coverage
from ..mask import drawn_spectra, transmitted
from ..optics import Scanner, abbe, band
from ..scale import Tile
from ..types import Grid, double

# Tiles that are imaged at a time.
TOGETHER = 8


def scanner_of(process: Process) -> Scanner:
    """The process's scanner; ConfigError when its optics are the kernels of one tile."""
    if not isinstance(process.scanner, Scanner):
        raise ConfigError("these optics are kernels of one tile; windows of a layout need a scanner, such as krf-dry")
    return process.scanner


def aerial_images(
    masks: Sequence[tuple[Layout, ...]], process: Process, tiles: Iterable[Tile], focus_nm: Sequence[float]
) -> Iterator[np.ndarray]:
    """For each tile the intensity at dose 1, band-limited samples (mask, focus, y', x') float64.

    A mask is one layout of what transmits for each of its layers, and must reach the tiles' ends. They are
    rasterised at half the tiles' pitch: pixel averages fold the mask's highest frequencies back, and half the
    pixel leaves a quarter of that. The tiles are alike but for where they lie.
    """
    scanner, thick = scanner_of(process), fast(process)
    mask = None if thick else double(thinned(process).mask)
    todo = list(tiles)
    for start in range(0, len(todo), TOGETHER):
        together = todo[start : start + TOGETHER]
        grid = together[0].grid
        points, _ = scanner.source_points(grid.period_nm)
        orders = scanner.orders(grid.period_nm, points)
        amplitudes = []
        for tile in together:
            fine = tile.grid.with_pitch(tile.grid.pitch_nm / 2)
            if mask is None:
                amplitudes.append(np.stack([_drawn(layers, fine, orders, process) for layers in masks]))
            else:
                amplitudes.append(np.stack([transmitted(mask, _spectra(layers, fine, orders)) for layers in masks]))
        # The lens's pupils are the same for all of them.
        stack = np.stack(amplitudes)
        found = np.stack(
            [
                fast_aerial(process, stack, grid, focus)
                if thick
                else abbe.aerial(scanner, stack, grid, focus, process.film)
                for focus in focus_nm
            ],
            axis=2,
        )
        yield from found


def _spectra(layers: tuple[Layout, ...], grid: Grid, orders: tuple[int, int]) -> np.ndarray:
    """Fourier coefficients (layer, 2ky+1, 2kx+1) of a mask's layers on a tile."""
    covered = [coverage(clipped(layer, grid.window_nm), grid).astype(float) for layer in layers]
    return np.stack([band.mask_spectrum(c, orders) for c in covered])


def _drawn(layers: tuple[Layout, ...], grid: Grid, orders: tuple[int, int], process: Process) -> np.ndarray:
    """Spectra (3, 2ky+1, 2kx+1) of a mask's openings and their edges on a tile."""
    (layer,) = layers
    covered = coverage(clipped(layer, grid.window_nm), grid).astype(float)
    return drawn_spectra(covered if process.printed_above else 1 - covered, grid.period_nm, orders)
