"""Process-variation band: the area between the outermost and the innermost printed contour."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..layout.polygons import Layout
from ..types import Grid
from .sample import spline

_FINE = 4
_CHUNK = 8192


def pv_band(prints: Sequence[tuple[np.ndarray, float, bool]], grid: Grid) -> float:
    """Area in nm2 per tile of the union less the intersection of the prints (values, level, printed_above).

    Cells between samples that a contour may cross are cut in 4 x 4 on the quintic spline and measured by
    triangles with linear sides. For smooth contours of radius r the area is right to 0.01 pitch^2 / r nm a nm of
    contour (0.016 nm at a pitch of 8 nm and r = 40 nm); in the difference of close contours most of it cancels.
    """
    if not prints:
        raise InputError("a process-variation band needs at least one print")
    coarse = np.stack(
        [(1.0 if above else -1.0) * (np.asarray(values, np.float64) - level) for values, level, above in prints]
    )
    near = np.stack([_crossed(samples) for samples in coarse])
    splines = [spline(samples, grid) for samples in coarse]
    common, union = coarse.min(axis=0) > 0, coarse.max(axis=0) > 0
    some = near.any(axis=0)
    cells = float(np.count_nonzero(union & ~common & ~some))
    rows, columns = np.nonzero(some)
    fraction = np.arange(_FINE + 1) / _FINE
    for begin in range(0, rows.size, _CHUNK):
        row, column = rows[begin : begin + _CHUNK], columns[begin : begin + _CHUNK]
        x = grid.x_nm[column, None, None] + grid.pitch_nm * fraction
        y = grid.y_nm[row, None, None] + grid.pitch_nm * fraction[:, None]
        x, y = np.broadcast_arrays(x, y)
        # Of a print that does not cross the cell only the sign counts.
        fine = np.broadcast_to(coarse[:, row, column, None, None], (len(prints), *x.shape)).copy()
        for height, cross, image in zip(fine, near[:, row, column], splines, strict=True):
            height[cross] = image(x[cross], y[cross])
        cells += (_positive_area(fine.max(axis=0)) - _positive_area(fine.min(axis=0))).sum() / _FINE**2
    return float(cells) * grid.pitch_nm**2


def area_fraction(height: np.ndarray) -> np.ndarray:
    """Share of each pixel where a height [y, x] is positive, from its distance to the zero contour."""
    slope = np.hypot(*np.gradient(height))
    return np.clip(0.5 + height / np.maximum(slope, 1e-12), 0, 1)


def pv_band_nm(area_nm2: float, target: Layout) -> float:
    """Mean width of the band: its area over the perimeter of the target."""
    x0, y0, x1, y1 = target.edges_nm.T
    perimeter = float(np.hypot(x1 - x0, y1 - y0).sum())
    if not perimeter > 0:
        raise InputError("the target has no edges, so a band width per edge has no meaning")
    return area_nm2 / perimeter


def _crossed(f: np.ndarray) -> np.ndarray:
    """Cells (y, x), each between samples y, y + 1 and x, x + 1, that the contour f = 0 may enter.

    Between four samples a parabola rises above them by up to an eighth of its range over 4 x 4 samples.
    """
    # Even sizes reach one sample further back, so the origin is moved on.
    (low, high), (least, most) = (
        [e(f, size, mode="wrap", origin=-1) for e in (ndimage.minimum_filter, ndimage.maximum_filter)]
        for size in (2, 4)
    )
    margin = (most - least) / 6
    return (low - margin <= 0) & (high + margin >= 0)


def _positive_area(f: np.ndarray) -> np.ndarray:
    """Area where f > 0 in each square of samples (n, y, x), in squares: four triangles around the mean."""
    a, b, c, d = f[:, :-1, :-1], f[:, :-1, 1:], f[:, 1:, 1:], f[:, 1:, :-1]
    mean = 0.25 * (a + b + c + d)
    return np.mean([_positive_fraction(p, q, mean) for p, q in ((a, b), (b, c), (c, d), (d, a))], axis=0)


def _positive_fraction(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Fraction of a triangle where the linear function with these corner values is positive."""
    low, middle, high = np.sort(np.stack([p, q, r]), axis=0)
    tiny = 1e-300
    tip = high**2 / np.maximum((high - low) * (high - middle), tiny)
    rest = 1 - low**2 / np.maximum((high - low) * (middle - low), tiny)
    return np.where(high <= 0, 0.0, np.where(low >= 0, 1.0, np.where(middle <= 0, tip, rest)))
