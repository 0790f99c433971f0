"""Printed contours as closed rings."""

import contourpy
import numpy as np

from ..types import Grid
from .sample import spline

_NEWTON_STEPS = 3


def contours(values: np.ndarray, grid: Grid, level: float, printed_above: bool = True) -> list[np.ndarray]:
    """Closed rings of float64 (n, 2) points [x, y] in nm around the printed region, last point not repeated.

    Hulls run counter-clockwise and holes clockwise, as in `Layout`. A region that leaves the tile is closed
    along the tile's boundary. Every other point lies on the level of the quintic spline; between points,
    which follow the grid's lines, the ring is a chord.
    """
    image = spline(values, grid)
    sign = 1.0 if printed_above else -1.0
    x0, y0, x1, y1 = grid.window_nm
    x, y = np.r_[x0, grid.x_nm, x1], np.r_[y0, grid.y_nm, y1]
    height = sign * (image(*np.meshgrid(x, y)) - level)
    # A frame far below the level closes the rings within a hair of the tile's boundary.
    hair = 1e-9 * grid.pitch_nm
    frame = np.pad(height, 1, constant_values=-1e6 * max(1e-12, float(np.abs(height).max())))
    generator = contourpy.contour_generator(np.r_[x0 - hair, x, x1 + hair], np.r_[y0 - hair, y, y1 + hair], frame)
    rings = [np.clip(line[:-1], (x0, y0), (x1, y1)) for line in generator.lines(0.0)]
    rings = [ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)] for ring in rings]
    rings = [ring for ring in rings if len(ring) > 2]
    if not rings:
        return []
    start = np.cumsum([len(ring) for ring in rings])[:-1]
    return np.split(_on_level(np.concatenate(rings), image, level), start)


def _on_level(points: np.ndarray, image, level: float) -> np.ndarray:
    """Points moved along the slope onto the level, at most half a pitch; points on the boundary stay."""
    x0, y0, x1, y1 = image.grid.window_nm
    edge = 1e-6 * image.grid.pitch_nm
    free = ((points > (x0 + edge, y0 + edge)) & (points < (x1 - edge, y1 - edge))).all(axis=1)
    start = points[free]
    moved = start.copy()
    for _ in range(_NEWTON_STEPS):
        x, y = moved.T
        slope = np.stack([image.slope(x, y, 1.0, 0.0), image.slope(x, y, 0.0, 1.0)], axis=1)
        steep = np.maximum((slope**2).sum(axis=1), 1e-300)
        moved = moved - ((image(x, y) - level) / steep)[:, None] * slope
        step = moved - start
        length = np.maximum(np.hypot(*step.T), 1e-300)
        moved = start + step * np.minimum(1.0, 0.5 * image.grid.pitch_nm / length)[:, None]
    result = points.copy()
    result[free] = np.clip(moved, (x0, y0), (x1, y1))
    return result
