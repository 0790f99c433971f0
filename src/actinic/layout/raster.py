"""Area-exact rasterisation of a layout."""

import numpy as np

from ..types import Grid
from .polygons import Layout


def coverage(layout: Layout, grid: Grid) -> np.ndarray:
    """Fraction of every pixel that the polygons cover: float32 (ny, nx), 0 to 1.

    Exact for edges at any angle and for holes. What lies outside the grid's window is cut off; a
    periodic tile is the caller's business. The sum runs over edges, not pixels: an edge piece inside
    one pixel covers the pixel's part to its right and every pixel further right over its height, so
    one scatter of the signed pieces and one cumulative sum along x give all areas. Sums are float64
    and rounded to 2^-30 of a pixel, far above their rounding errors, so that shifting layout and
    grid together gives the same bits.
    """
    ny, nx = grid.shape
    edges = (layout.edges_nm - np.tile(grid.origin_nm, 2)) / grid.pitch_nm
    pieces = _cut(edges[edges[:, 1] != edges[:, 3]], 1, ny)
    middle = 0.5 * (pieces[:, 1] + pieces[:, 3])
    pieces = pieces[(middle > 0) & (middle < ny)]
    pieces = _cut(pieces, 0, nx)
    x0, y0, x1, y1 = pieces.T
    x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    height = y0 - y1  # the inside lies to the left: an edge running down opens the area to its right
    keep = x < nx
    x, y, height = np.maximum(x[keep], 0.0), y[keep], height[keep]
    column = np.minimum(x.astype(np.int64), nx - 1)
    row = np.clip(y.astype(np.int64), 0, ny - 1)
    # One spare column takes what falls to the right of the window.
    pixel = row * (nx + 1) + column
    right = height * (x - column)
    size = ny * (nx + 1)
    area = np.bincount(pixel, height - right, size) + np.bincount(pixel + 1, right, size)
    area = np.cumsum(area.reshape(ny, nx + 1), axis=1)[:, :nx]
    return np.clip(np.rint(area * 2.0**30) * 2.0**-30, 0.0, 1.0).astype(np.float32)


def _cut(edges: np.ndarray, axis: int, lines: int) -> np.ndarray:
    """Edges (n, 4) in pixels, cut where they cross the pixel lines 0..lines of one axis (0 = x)."""
    start, end = edges[:, axis], edges[:, axis + 2]
    first = np.maximum(np.floor(np.minimum(start, end)) + 1, 0)
    last = np.minimum(np.ceil(np.maximum(start, end)) - 1, lines)
    cuts = np.maximum(last - first + 1, 0).astype(np.int64)
    points = cuts + 2
    offsets = np.cumsum(points) - points
    edge = np.repeat(np.arange(len(edges)), points)
    step = np.arange(len(edge)) - offsets[edge]
    line = np.where((end > start)[edge], first[edge] + step - 1, last[edge] - step + 1)
    is_start, is_end = step == 0, step == cuts[edge] + 1
    along = np.where(is_start, start[edge], np.where(is_end, end[edge], line))
    other_start, other_end = edges[:, 1 - axis], edges[:, 3 - axis]
    span = np.where(end == start, 1.0, end - start)
    slope = (other_end - other_start) / span
    across = np.where(is_end, other_end[edge], other_start[edge] + (along - start[edge]) * slope[edge])
    joined = np.stack([along, across] if axis == 0 else [across, along], axis=1)
    return np.hstack([joined[:-1], joined[1:]])[~is_end[:-1]] if len(joined) else np.zeros((0, 4))
