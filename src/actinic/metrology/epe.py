"""Edge placement error: how far the printed edge lies outside the target, gauge by gauge."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..types import Grid
from .gauges import EDGE, LINE_END, Gauges
from .sample import Spline, crossings, spline

_STEP_NM = 2.0
_CHUNK = 16384


@dataclass(frozen=True)
class EpeSummary:
    """Figures over the EDGE gauges in nm, those over the LINE_END gauges apart; None where there are none.

    `three_sigma_nm` is 3 (population) standard deviations about `mean_nm`. Failed gauges are in all figures.
    """

    n: int
    failures: int
    mean_nm: float | None
    mean_abs_nm: float | None
    three_sigma_nm: float | None
    max_abs_nm: float | None
    line_end_n: int
    line_end_failures: int
    line_end_mean_abs_nm: float | None


def edge_placement(
    values: np.ndarray, grid: Grid, level: float, gauges: Gauges, printed_above: bool, reach_nm: float = 100.0
) -> tuple[np.ndarray, np.ndarray]:
    """Signed EPE in nm float64 (n,), positive where the printed edge lies outside the target, and failed bool (n,).

    The printed edge is the crossing of the level along the gauge's normal, printed on the inner side and not on
    the outer, nearest to the target edge; it is searched in steps of 2 nm (a quarter of the pitch if finer) and
    refined to 1e-6 nm on the quintic spline. A gauge without one within `reach_nm` fails and counts as
    +reach_nm if its own point is printed, else as -reach_nm.
    """
    image = spline(values, grid)
    step = min(_STEP_NM, 0.25 * grid.pitch_nm)
    epe, failed = np.empty(len(gauges)), np.zeros(len(gauges), bool)
    for begin in range(0, len(gauges), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        rays = np.stack([gauges.x_nm, gauges.y_nm, gauges.nx, gauges.ny])[:, part]
        at, found = _nearest(image, level, rays, printed_above, reach_nm / 5, step)
        # Most edges are near; only the others are searched to the full reach.
        far = np.flatnonzero(~found)
        if far.size:
            at[far], found[far] = _nearest(image, level, rays[:, far], printed_above, reach_nm, step)
        epe[part], failed[part] = np.where(found, at, np.copysign(reach_nm, at)), ~found
    return epe, failed


def _nearest(
    image: Spline, level: float, rays: np.ndarray, printed_above: bool, reach: float, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the nearest outward edge within the reach, and whether there is one.

    Where there is none the first is +-1, the sign saying whether the ray's own point is printed.
    """
    x, y, nx, ny = rays
    half = int(np.ceil(reach / step))
    t = np.linspace(-reach, reach, 2 * half + 1)
    values = image(x[:, None] + t * nx[:, None], y[:, None] + t * ny[:, None])
    printed = values > level if printed_above else values < level
    edge = printed[:, :-1] & ~printed[:, 1:]
    # The place between two samples by linear interpolation tells which of several edges is nearest.
    rise = np.where(edge, values[:, 1:] - values[:, :-1], 1.0)
    place = t[:-1] + (t[1] - t[0]) * (level - values[:, :-1]) / rise
    first = np.argmin(np.where(edge, np.abs(place), np.inf), axis=1)
    found = np.any(edge, axis=1)
    at = np.where(printed[:, half], 1.0, -1.0)
    k = first[found]
    at[found] = crossings(image, level, *rays[:, found], t[k], t[k + 1])
    return at, found


def summary(epe: np.ndarray, failed: np.ndarray, kind: np.ndarray) -> EpeSummary:
    """Figures of one set of gauges; arrays (n,) as `edge_placement` and `Gauges.kind` give them."""
    if not epe.shape == failed.shape == kind.shape:
        raise InputError(f"EPE, failures and kinds differ in shape: {epe.shape}, {failed.shape}, {kind.shape}")
    edge, line_end = kind == EDGE, kind == LINE_END
    e, ends = epe[edge], np.abs(epe[line_end])
    return EpeSummary(
        n=e.size,
        failures=int(failed[edge].sum()),
        mean_nm=float(e.mean()) if e.size else None,
        mean_abs_nm=float(np.abs(e).mean()) if e.size else None,
        three_sigma_nm=3 * float(e.std()) if e.size else None,
        max_abs_nm=float(np.abs(e).max()) if e.size else None,
        line_end_n=ends.size,
        line_end_failures=int(failed[line_end].sum()),
        line_end_mean_abs_nm=float(ends.mean()) if ends.size else None,
    )
