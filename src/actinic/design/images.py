"""What masks make of a resist, tile by tile and focus by focus, by the reference path: Abbe in float64."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..errors import ConfigError
from ..forward import Process
from ..layout import Layout, clipped, coverage
from ..mask import transmitted
from ..optics import Scanner, abbe, band
from ..scale import Tile
from ..types import double


def scanner_of(process: Process) -> Scanner:
    """The process's scanner; ConfigError when its optics are the kernels of one tile."""
    if not isinstance(process.scanner, Scanner):
        raise ConfigError("these optics are kernels of one tile; windows of a layout need a scanner, such as krf-dry")
    return process.scanner


def latent_images(
    masks: Sequence[Layout], process: Process, tiles: Iterable[Tile], focus_nm: Sequence[float]
) -> Iterator[np.ndarray]:
    """For each tile what the resist sees at dose 1, band-limited samples (mask, focus, y', x') float64.

    Masks must reach the tiles' ends. They are rasterised at half the tiles' pitch: pixel averages fold the mask's
    highest frequencies back, and half the pixel leaves a quarter of that.
    """
    scanner, exact = scanner_of(process), double(process)
    for tile in tiles:
        period = tile.grid.period_nm
        points, _ = scanner.source_points(period)
        orders = scanner.orders(period, points)
        fine = tile.grid.with_pitch(tile.grid.pitch_nm / 2)
        covered = [coverage(clipped(mask, tile.grid.window_nm), fine).astype(float) for mask in masks]
        amplitudes = np.stack([transmitted(exact.mask, band.mask_spectrum(c, orders)) for c in covered])
        series = [abbe.aerial(scanner, amplitudes, tile.grid, focus) for focus in focus_nm]
        yield np.stack([[exact.resist.latent(image, period) for image in images] for images in series], axis=1)
