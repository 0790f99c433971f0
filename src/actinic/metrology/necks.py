"""Printed widths of lines and spaces between facing edges of a target, at every corner: where it pinches or bridges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..layout import Layout
from .cuts import seen
from .gauges import gauges
from .prints import Print
from .sample import Spline, crossings, spline

STEP_NM = 20.0
# Edges face each other when they are parallel to 30 degrees.
_FACING = 0.866
_CHUNK = 8192


@dataclass(frozen=True)
class Widths:
    """Cuts across lines and spaces, arrays of one length n, each with its narrowest print over the corners.

    `middle_nm` (n, 2) of the drawn cut; `across` (n, 2) unit vector along it; `line` bool, whether it crosses a
    drawn feature or a gap; `drawn_nm`, `printed_nm`; `corner` (n,) index of the corner where it prints narrowest.
    """

    middle_nm: np.ndarray
    across: np.ndarray
    line: np.ndarray
    drawn_nm: np.ndarray
    printed_nm: np.ndarray
    corner: np.ndarray

    def __len__(self) -> int:
        return self.drawn_nm.size


def printed_widths(
    target: Layout,
    prints: Sequence[Print],
    window_nm: tuple[float, float, float, float],
    *,
    corner_nm: float,
    reach_nm: float,
) -> Widths:
    """Widths up to `reach_nm`, drawn and printed, on cuts every 20 nm along the target's edges, square to them.

    Cuts keep `corner_nm` from the ends of both edges, as gauges do, for prints are round there; an edge too short
    for that gets one in its middle (so ends of lines that face each other have a space), or is met in its middle fifth.
    The printed width is that of the run of print (of no print, in a space) that holds the middle of the drawn cut, 0
    where the middle is lost; it is followed to a drawn width to either side. The narrowest corner is found by linear
    interpolation on steps of a pixel and measured on the quintic spline. Both edges must lie where there is an image.
    """
    at = gauges(target, window_nm, STEP_NM, corner_nm=corner_nm)
    normal = np.stack([at.nx, at.ny], 1)
    # Both edges of a pair see the same cut.
    once = (normal[:, 0] > 1e-9) | ((np.abs(normal[:, 0]) <= 1e-9) & (normal[:, 1] > 0))
    place, normal = np.stack([at.x_nm, at.y_nm], 1)[once], normal[once]
    rows, ends = [], target.edges_nm
    *low, right, top = prints[0].grid.window_nm
    high = right, top
    for line, ray in ((True, -normal), (False, normal)):
        # Seen alike from a little to either side, or what is printed there is another edge's.
        aside = (corner_nm / 3) * np.stack([-ray[:, 1], ray[:, 0]], 1)
        width, facing, edge = seen(target, place + aside, ray, reach_nm)
        other, turned, _ = seen(target, place - aside, ray, reach_nm)
        good = np.isfinite(width + other)
        good &= (np.minimum(facing, turned) if line else -np.maximum(facing, turned)) > _FACING
        width, other = (np.where(good, w, 0.0) for w in (width, other))
        good &= np.abs(width - other) <= 0.4 * corner_nm  # what 30 degrees make of it
        width = 0.5 * (width + other)
        half = 0.5 * width[:, None]
        a, b = ends[edge, :2], ends[edge, 2:]
        hit = place + 2 * half * ray
        room = np.minimum(corner_nm, 0.4 * np.hypot(*(b - a).T)) - 1e-6
        good &= np.minimum(np.hypot(*(hit - a).T), np.hypot(*(hit - b).T)) >= room
        good &= np.all((hit > low) & (hit < high), axis=1)  # where there is an image
        rows.append((place + half * ray, ray, np.full(len(ray), line), width, good))
    middle, across, line, drawn = (np.concatenate([row[k][row[4]] for row in rows]) for k in range(4))
    printed, corner = np.full(drawn.size, np.inf), np.zeros(drawn.size, int)
    images = {id(p.values): spline(p.values, p.grid) for p in prints}
    for begin in range(0, drawn.size, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        cut = middle[part], across[part], drawn[part], line[part]
        rough = np.stack([_width(images[id(p.values)], p, *cut, exact=False) for p in prints])
        corner[part] = rough.argmin(0)
        for k, p in enumerate(prints):
            mine = np.flatnonzero(corner[part] == k)
            if mine.size:
                printed[begin + mine] = _width(images[id(p.values)], p, *(c[mine] for c in cut), exact=True)
    return Widths(middle, across, line, drawn, printed, corner)


def _width(image: Spline, p: Print, middle, across, drawn, line, exact: bool) -> np.ndarray:
    """Printed width (n,) on cuts at one corner: how far to either side of the middle it is as in the middle."""
    step = p.grid.pitch_nm
    reach = np.ceil(drawn.max(initial=0.0) / step) * step + step
    t = np.arange(0.0, reach + step, step)
    sign = np.where(line, 1.0, -1.0) * (1.0 if p.above else -1.0)
    left, low_y, right, high_y = p.grid.window_nm
    total = np.zeros(drawn.size)
    kept = None
    for way in (1.0, -1.0):
        ray = way * across
        x, y = (middle[:, k, None] + t * ray[:, k, None] for k in (0, 1))
        height = sign[:, None] * (image(x, y) - p.level)
        height = np.where((x > left) & (x < right) & (y > low_y) & (y < high_y), height, -1.0)
        kept = height[:, 0] > 0 if kept is None else kept
        lost = height <= 0
        end = np.where(lost.any(1), lost.argmax(1), len(t) - 1)
        rows = np.arange(drawn.size)
        low, high = height[rows, np.maximum(end - 1, 0)], height[rows, end]
        side = t[end] - np.where(lost.any(1) & (end > 0), step * high / np.minimum(high - low, -1e-300), 0.0)
        if exact:
            found = np.flatnonzero(lost.any(1) & (end > 0) & (high > -1.0))
            brackets = t[end[found] - 1], t[end[found]]
            side[found] = crossings(image, p.level, *middle[found].T, *ray[found].T, *brackets)
        total += np.minimum(side, drawn + step)
    return np.where(kept, total, 0.0)
