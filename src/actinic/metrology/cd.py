"""Critical dimension on cut-lines, and the normalised slope of the image at edges."""

import numpy as np

from ..errors import InputError
from ..types import Grid
from .gauges import Gauges
from .sample import crossings, spline

_STEP_NM = 2.0


def cd(values: np.ndarray, grid: Grid, level: float, start_nm, end_nm, printed_above: bool) -> np.ndarray:
    """Width in nm of the printed run that holds the middle of each cut-line.

    `start_nm` and `end_nm` are (..., 2) points [x, y]; the result has shape (...). To measure a space, turn
    `printed_above` round. NaN where the middle is not printed, and where the run reaches an end of the cut-line
    (its edge is then unknown). Edges to 1e-6 nm on the quintic spline.
    """
    start, end = np.broadcast_arrays(np.asarray(start_nm, np.float64), np.asarray(end_nm, np.float64))
    if start.shape[-1:] != (2,) or not (start != end).any(axis=-1).all():
        raise InputError("a cut-line needs two different points (x, y) in nm")
    image = spline(values, grid)
    lead = start.shape[:-1]
    start, end = start.reshape(-1, 2), end.reshape(-1, 2)
    length = np.hypot(*(end - start).T)
    unit = (end - start) / length[:, None]
    half = int(np.ceil(0.5 * length.max(initial=0.0) / min(_STEP_NM, 0.25 * grid.pitch_nm)))
    t = length[:, None] * np.linspace(-0.5, 0.5, 2 * half + 1)
    middle = 0.5 * (start + end)
    rays = np.hstack([middle, unit]).T
    samples = image(middle[:, :1] + t * unit[:, :1], middle[:, 1:] + t * unit[:, 1:])
    dark = samples <= level if printed_above else samples >= level
    up, down = dark[:, half:], dark[:, half::-1]
    good = ~dark[:, half] & up.any(axis=1) & down.any(axis=1)
    line = np.flatnonzero(good)
    right, left = half + up.argmax(axis=1)[line], half - down.argmax(axis=1)[line]
    width = np.full(len(start), np.nan)
    edges = [
        crossings(image, level, *rays[:, line], t[line, k], t[line, k + 1]) if line.size else np.zeros(0)
        for k in (left, right - 1)
    ]
    width[line] = edges[1] - edges[0]
    return width.reshape(lead)[()]


def nils(values: np.ndarray, grid: Grid, points: Gauges, width_nm: float, printed_above: bool) -> np.ndarray:
    """Normalised image log-slope (n,): width_nm x |d ln I / dn| at the points, by the quintic spline.

    Positive where the image changes from printed to not printed along the outward normal.
    """
    image = spline(values, grid)
    slope = image.slope(points.x_nm, points.y_nm, points.nx, points.ny)
    outward = -slope if printed_above else slope
    return width_nm * outward / image(points.x_nm, points.y_nm)
