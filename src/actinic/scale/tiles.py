"""Tiles: a window cut into equal pieces with a halo, and their fields stitched without seams. Pure geometry."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..types import Grid


@dataclass(frozen=True)
class Tile:
    """One piece: the core it answers for and the grid, core and halo, on which it is computed."""

    core_nm: tuple[float, float, float, float]
    grid: Grid


@dataclass(frozen=True)
class Tiling:
    """Equal tiles over a window; every core begins on a whole pixel counted from the window's corner."""

    window_nm: tuple[float, float, float, float]
    pixel_nm: float
    core_px: tuple[int, int]  # y, x
    halo_px: int
    count: tuple[int, int]  # rows, columns

    @property
    def tiles(self) -> list[Tile]:
        """Row by row from the lower left."""
        x0, y0 = self.window_nm[:2]
        (cy, cx), halo, p = self.core_px, self.halo_px, self.pixel_nm
        shape = (cy + 2 * halo, cx + 2 * halo)
        found = []
        for row in range(self.count[0]):
            for column in range(self.count[1]):
                left, bottom = x0 + column * cx * p, y0 + row * cy * p
                core = (left, bottom, left + cx * p, bottom + cy * p)
                found.append(Tile(core, Grid(shape, p, (left - halo * p, bottom - halo * p))))
        return found

    @property
    def cores_shape(self) -> tuple[int, int]:
        """Shape of an array of all cores side by side."""
        return self.count[0] * self.core_px[0], self.count[1] * self.core_px[1]

    @property
    def cores_nm(self) -> tuple[float, float, float, float]:
        """All cores together."""
        (x0, y0), (rows, columns) = self.window_nm[:2], self.cores_shape
        return x0, y0, x0 + columns * self.pixel_nm, y0 + rows * self.pixel_nm

    def place(self, number: int) -> tuple[slice, slice]:
        """Where the core of a tile, counted as in `tiles`, lies in that array."""
        (cy, cx), (row, column) = self.core_px, divmod(number, self.count[1])
        return np.s_[row * cy : (row + 1) * cy, column * cx : (column + 1) * cx]

    def reach(self, number: int) -> tuple[slice, slice]:
        """Where a tile, core and halo, counted as in `tiles`, lies in an array on `whole`."""
        (cy, cx), (row, column) = self.core_px, divmod(number, self.count[1])
        more = 2 * self.halo_px
        return np.s_[row * cy : (row + 1) * cy + more, column * cx : (column + 1) * cx + more]

    def with_pixel(self, pixel_nm: float) -> "Tiling":
        """The same tiles on coarser pixels, which must divide them."""
        ratio = round(pixel_nm / self.pixel_nm)
        sizes = (*self.core_px, self.halo_px)
        if abs(ratio * self.pixel_nm - pixel_nm) > 1e-6 * pixel_nm or any(n % ratio for n in sizes):
            raise ValueError(f"pixels of {pixel_nm} nm do not divide tiles of {sizes} pixels of {self.pixel_nm} nm")
        cy, cx, halo = (n // ratio for n in sizes)
        return replace(self, pixel_nm=float(pixel_nm), core_px=(cy, cx), halo_px=halo)

    @property
    def whole(self) -> Grid:
        """The grid of all cores together with one halo around."""
        shape = tuple(n * c + 2 * self.halo_px for n, c in zip(self.count, self.core_px, strict=True))
        return Grid(shape, self.pixel_nm, self.tiles[0].grid.origin_nm)


def split(
    window_nm: tuple[float, float, float, float], pixel_nm: float, core_nm: float, halo_nm: float, multiple: int = 1
) -> Tiling:
    """Cut a window into the fewest equal tiles whose cores are at most `core_nm` wide.

    Cores and halo are whole multiples of `multiple` pixels, so the last cores may reach beyond the window.
    """
    unit = pixel_nm * multiple
    x0, y0, x1, y1 = window_nm
    counts, cores = [], []
    for extent in (y1 - y0, x1 - x0):
        count = max(1, int(np.ceil(extent / core_nm - 1e-9)))
        counts.append(count)
        cores.append(multiple * int(np.ceil(extent / count / unit - 1e-9)))
    halo = multiple * int(np.ceil(halo_nm / unit - 1e-9))
    return Tiling(window_nm, pixel_nm, tuple(cores), halo, tuple(counts))


def stitch(tiling: Tiling, fields: Iterable[np.ndarray], blend_px: int) -> np.ndarray:
    """One field on `tiling.whole` from those of the tiles in order, float32.

    Each tile counts fully in its core and fades out linearly over `blend_px` pixels beyond and before each
    side of it (at most the halo), so neighbours pass into each other; around the whole, the outer tiles
    keep their halo.
    """
    reach = min(blend_px, tiling.halo_px)
    total = np.zeros(tiling.whole.shape, np.float32)
    weight = np.zeros(tiling.whole.shape, np.float32)
    rows, columns = tiling.count
    for number, field in enumerate(fields):
        row, column = divmod(number, columns)
        wy = _fade(tiling.core_px[0], tiling.halo_px, reach, row > 0, row < rows - 1)
        wx = _fade(tiling.core_px[1], tiling.halo_px, reach, column > 0, column < columns - 1)
        share = wy[:, None] * wx[None, :]
        place = tiling.reach(number)
        total[place] += share * field
        weight[place] += share
    return total / weight


def _fade(core: int, halo: int, reach: int, before: bool, after: bool) -> np.ndarray:
    """Weights along one axis: a ramp of 2 reach pixels about each inner side of the core."""
    at = np.arange(core + 2 * halo) + 0.5
    slope = 0.5 / reach if reach else np.inf  # no pixel's centre lies on a side of the core
    low = np.clip((at - halo) * slope + 0.5, 0, 1) if before else 1.0
    high = np.clip((halo + core - at) * slope + 0.5, 0, 1) if after else 1.0
    return (np.ones_like(at) * low * high).astype(np.float32)
