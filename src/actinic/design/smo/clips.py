"""A periodic clip for source-mask optimisation, and the sites where its light is asked for."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...forward import Process
from ...layout import Layout, coverage, repeated
from ...metrology import Cuts
from ...metrology.cuts import seen
from ...types import Grid
from ..images import scanner_of

# In lambda / NA: between guard points, and how far from the target's edges they stand.
_GUARD_STEP, _GUARD_AWAY = 0.125, 0.3


@dataclass(frozen=True)
class Clip:
    """One periodic tile: what is wanted, the mask to begin with, and the cut-lines that count."""

    target: Layout
    mask: Layout
    window_nm: tuple[float, float, float, float]
    cuts: Cuts

    @property
    def period_nm(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.window_nm
        return y1 - y0, x1 - x0


@dataclass(frozen=True)
class Sites:
    """Points of a clip (n, 2) in nm and whether the light must be above the threshold there (1) or below (-1).

    The first `edges` are those of the cut-lines.
    """

    at_nm: np.ndarray
    sign: np.ndarray
    edges: int


def sites(clip: Clip, process: Process) -> Sites:
    """Where a clip's light is asked for.

    Of every cut-line four points on each target edge's two limits, half of the tolerance inside and outside. Guard
    points all over the tile, well inside and outside the target, keep side lobes, bridges and breaks away.
    """
    cuts = clip.cuts
    unit = (cuts.end_nm - cuts.start_nm) / cuts.length_nm[:, None]
    reach = float(max(clip.period_nm)) + float(cuts.target_nm.max())
    around = repeated(clip.target, clip.window_nm, reach)
    ahead, behind = (seen(around, cuts.middle_nm, k * unit, reach)[0] for k in (1, -1))
    shift = np.where(np.isfinite(ahead - behind), 0.5 * (ahead - behind), 0.0)
    centre = cuts.middle_nm + shift[:, None] * unit
    bright = np.where(cuts.line == process.printed_above, 1, -1)
    at, sign = [], []
    for side in (-1, 1):
        for limit, direction in ((-1, 1), (1, -1)):
            half = 0.5 * cuts.target_nm * (1 + limit * cuts.tolerance)
            at.append(centre + side * half[:, None] * unit)
            sign.append(direction * bright)
    guards, want = _guards(clip, process)
    edges = np.concatenate(at)
    # Mirror images of a site are one only if the light is: all are kept.
    return Sites(np.concatenate([edges, guards]), np.concatenate([*sign, want]), len(edges))


def _guards(clip: Clip, process: Process) -> tuple[np.ndarray, np.ndarray]:
    unit = 1 / scanner_of(process).na_over_lambda
    (x0, y0, *_), (height, width) = clip.window_nm, clip.period_nm
    pitch = _GUARD_STEP * unit / 4
    ny, nx = (max(4, int(np.ceil(extent / pitch))) for extent in (height, width))
    # A raster of nearly square pixels is enough to know what is far from edges.
    reach = _GUARD_AWAY * unit + pitch
    around = repeated(clip.target, clip.window_nm, reach)
    n = int(np.ceil(reach / pitch))
    drawn = coverage(around, Grid((ny + 2 * n, nx + 2 * n), pitch, (x0 - n * pitch, y0 - n * pitch))) >= 0.5
    inside, outside = (ndimage.distance_transform_edt(m) * pitch if not m.all() else None for m in (drawn, ~drawn))
    found, want = [], []
    for far, printed in ((inside, 1), (outside, -1)):
        if far is None:
            continue
        rows, columns = np.nonzero(far[n : n + ny : 4, n : n + nx : 4] > _GUARD_AWAY * unit)
        at = np.stack([x0 + (4 * columns + 0.5) * pitch, y0 + (4 * rows + 0.5) * pitch], 1)
        found.append(at[(at[:, 0] < x0 + width) & (at[:, 1] < y0 + height)])
        want.append(np.full(len(found[-1]), printed if process.printed_above else -printed))
    return np.concatenate([np.zeros((0, 2)), *found]), np.concatenate([np.zeros(0, int), *want])
