"""From a level set to mask polygons on the manufacturing grid."""

import contourpy
import numpy as np
from scipy import ndimage

from ..errors import ConfigError
from ..layout import Layout, merged
from ..types import Grid

BORDER_PX = 8


def trace(
    field: np.ndarray,
    grid: Grid,
    dbu_nm: float = 1.0,
    *,
    mask_grid_nm: float = 1.0,
    oversample: int = 4,
    min_area_nm2: float = 0.0,
) -> Layout:
    """Polygons where a field [y, x] is positive, vertices on the mask's manufacturing grid.

    `mask_grid_nm` must be a whole number of database units; ConfigError otherwise.

    The field is refined by a cubic spline before its zero contour is followed with linear interpolation.
    Pieces and holes smaller than `min_area_nm2` are left out. The border of the grid counts as closed.
    """
    step = round(mask_grid_nm / dbu_nm)
    if step < 1 or abs(step * dbu_nm - mask_grid_nm) > 1e-6 * dbu_nm:
        raise ConfigError(f"limits.grid_nm = {mask_grid_nm:g} is not a whole number of database units of {dbu_nm:g} nm")
    if not (field > 0).any():
        return Layout((), dbu_nm)
    rows, columns = (np.flatnonzero((field > 0).any(axis)) for axis in (1, 0))
    # Only where there is something; the spline reaches a few pixels further.
    y0, x0 = (max(0, int(at[0]) - BORDER_PX) for at in (rows, columns))
    field = field[y0 : rows[-1] + BORDER_PX + 1, x0 : columns[-1] + BORDER_PX + 1]
    ny, nx = field.shape
    fine = ndimage.zoom(field.astype(np.float64), oversample, order=3, mode="nearest", grid_mode=True)
    pitch = grid.pitch_nm / oversample
    closed = np.pad(fine, 1, constant_values=-1e-6)
    x = grid.origin_nm[0] + x0 * grid.pitch_nm + (np.arange(-1, nx * oversample + 1) + 0.5) * pitch
    y = grid.origin_nm[1] + y0 * grid.pitch_nm + (np.arange(-1, ny * oversample + 1) + 0.5) * pitch
    loops = contourpy.contour_generator(x, y, closed, line_type="Separate").lines(0.0)
    rings = []
    for loop in loops:
        points = np.round(np.asarray(loop)[:-1] / (step * dbu_nm)).astype(np.int64) * step
        points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
        px, py = points.T
        area = 0.5 * abs(np.sum(px * np.roll(py, -1) - np.roll(px, -1) * py)) * dbu_nm**2
        if len(points) >= 3 and area >= max(min_area_nm2, dbu_nm**2):
            rings.append(points)
    return merged(rings, dbu_nm)
