"""From a level set to a mask: sampled finely, made to keep its rules, followed as polygons on the mask's grid."""

import contourpy
import numpy as np
from scipy import ndimage

from ..errors import ConfigError
from ..layout import Layout, merged
from ..types import Grid
from .ilt import Held, block_mean
from .limits import MaskLimits
from .repair import repaired

BORDER_PX = 8
# Repairs work on a raster of so many pixels in the smallest rule.
PIXELS_IN_RULE = 10
# The first rounds of a repair change nearly all that it changes.
HELD_ROUNDS = 3


def sampled(field: np.ndarray, grid: Grid, oversample: int) -> tuple[np.ndarray, Grid]:
    """A level set refined by a cubic spline, and its grid; only where there is something to see."""
    if not (field > 0).any():
        return np.full((1, 1), -1.0), Grid((1, 1), grid.pitch_nm, grid.origin_nm)
    rows, columns = (np.flatnonzero((field > 0).any(axis)) for axis in (1, 0))
    # The spline reaches a few pixels further.
    y0, x0 = (max(0, int(at[0]) - BORDER_PX) for at in (rows, columns))
    field = field[y0 : rows[-1] + BORDER_PX + 1, x0 : columns[-1] + BORDER_PX + 1]
    fine = np.asarray(ndimage.zoom(field.astype(np.float64), oversample, order=3, mode="nearest", grid_mode=True))
    origin = grid.origin_nm[0] + x0 * grid.pitch_nm, grid.origin_nm[1] + y0 * grid.pitch_nm
    return fine, Grid(fine.shape, grid.pitch_nm / oversample, origin)


def ruled(field: np.ndarray, grid: Grid, limits: MaskLimits) -> tuple[np.ndarray, Grid]:
    """A level set sampled finely and changed where its mask breaks a rule."""
    fine, on = sampled(field, grid, _oversample(grid, limits))
    mask = fine > 0
    kept = repaired(mask, on.pitch_nm, limits)
    near = ndimage.binary_dilation(kept != mask, iterations=2)
    smooth = ndimage.gaussian_filter(kept.astype(float) - 0.5, 1.0)
    return np.where(near, smooth, fine), on


def held(field: np.ndarray, grid: Grid, limits: MaskLimits) -> Held:
    """What the rules change of a level set's mask, on its own pixels."""
    ratio = _oversample(grid, limits)
    fine, on = sampled(field, grid, ratio)
    mask, whole = fine > 0, tuple(ratio * n for n in grid.shape)
    x, y = (round((a - b) / on.pitch_nm) for a, b in zip(on.origin_nm, grid.origin_nm, strict=True))
    place = np.s_[y : y + mask.shape[0], x : x + mask.shape[1]]
    before, after = np.zeros(whole, bool), np.zeros(whole, bool)
    before[place], after[place] = mask, repaired(mask, on.pitch_nm, limits, HELD_ROUNDS)
    # A pixel is held when a quarter of it was changed.
    share = np.minimum(4 * block_mean(before != after, grid), 1)
    return Held(share.astype(np.float32), block_mean(after, grid).astype(np.float32))


def _oversample(grid: Grid, limits: MaskLimits) -> int:
    return int(np.ceil(PIXELS_IN_RULE * grid.pitch_nm / min(limits.width_nm, limits.space_nm)))


def trace(
    field: np.ndarray, grid: Grid, dbu_nm: float = 1.0, *, mask_grid_nm: float = 1.0, min_area_nm2: float = 0.0
) -> Layout:
    """Polygons where a finely sampled level set [y, x] is positive, vertices on the mask's manufacturing grid.

    `mask_grid_nm` must be a whole number of database units; ConfigError otherwise.

    The zero contour is followed with linear interpolation. Pieces and holes smaller than `min_area_nm2` are left
    out. The border of the grid counts as closed.
    """
    step = round(mask_grid_nm / dbu_nm)
    if step < 1 or abs(step * dbu_nm - mask_grid_nm) > 1e-6 * dbu_nm:
        raise ConfigError(f"limits.grid_nm = {mask_grid_nm:g} is not a whole number of database units of {dbu_nm:g} nm")
    closed = np.pad(field, 1, constant_values=-1e-6)
    x, y = (np.concatenate([[at[0] - grid.pitch_nm], at, [at[-1] + grid.pitch_nm]]) for at in (grid.x_nm, grid.y_nm))
    rings = []
    for loop in contourpy.contour_generator(x, y, closed, line_type="Separate").lines(0.0):
        points = np.round(np.asarray(loop)[:-1] / (step * dbu_nm)).astype(np.int64) * step
        points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
        px, py = points.T
        area = 0.5 * abs(np.sum(px * np.roll(py, -1) - np.roll(px, -1) * py)) * dbu_nm**2
        if len(points) >= 3 and area >= max(min_area_nm2, dbu_nm**2):
            rings.append(points)
    return merged(rings, dbu_nm)
