"""Where edges are measured: gauges along the edges of a target."""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..layout.polygons import Layout

EDGE, LINE_END = 0, 1


@dataclass(frozen=True)
class Gauges:
    """Points on target edges, arrays of one length n.

    `x_nm`, `y_nm`: position; `nx`, `ny`: unit normal pointing out of the target; `kind`: int8, EDGE for the
    regular gauges of an edge, LINE_END for the one on an edge too short for them.
    """

    x_nm: np.ndarray
    y_nm: np.ndarray
    nx: np.ndarray
    ny: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return self.x_nm.size


def gauges(
    layout: Layout,
    window_nm: tuple[float, float, float, float],
    step_nm: float = 10.0,
    *,
    corner_nm: float,
    long_nm: float = np.inf,
) -> Gauges:
    """Gauges every `step_nm` along every edge, centred on it, none nearer than `corner_nm` to its ends.

    Edges shorter than twice `corner_nm` (by convention 0.35 lambda / NA) get one gauge at mid-length, of kind
    LINE_END. Collinear points are no corners. A gauge belongs to the window (x0, y0, x1, y1) if
    x0 <= x < x1 and y0 <= y < y1, so windows side by side share none and lose none; positions do not depend on
    the window. Give a layout that reaches beyond the window: where it ends exactly on a side of the window,
    edges along that side count as cuts and get no gauges. On upright and level edges longer than `long_nm` gauges stand
    at whole multiples of the step instead, so that those of a cut edge are among those of the whole one.
    """
    if not step_nm > 0 or not corner_nm >= 0:
        raise ConfigError(f"gauges need step_nm > 0 and corner_nm >= 0, not {step_nm} and {corner_nm}")
    x0, y0, x1, y1 = window_nm
    edges = _real_edges(layout)
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    keep = ((high >= (x0, y0)) & (low <= (x1, y1))).all(axis=1)
    # Where the layout ends on a side of the window, what lies along that side is a cut.
    for k, (end, side) in enumerate(zip(layout.bbox_nm or (), window_nm, strict=False)):
        if abs(end - side) < 1e-3 * layout.dbu_nm:
            keep &= (edges[:, k % 2] != edges[:, k % 2 + 2]) | (np.abs(low[:, k % 2] - end) > 1e-3 * layout.dbu_nm)
    edges = edges[keep]
    along = edges[:, 2:] - edges[:, :2]
    length = np.hypot(*along.T)
    along = along / length[:, None]
    short = length < 2 * corner_nm
    count = np.where(short, 1, np.floor((length - 2 * corner_nm) / step_nm + 1e-9) + 1).astype(np.int64)
    first = 0.5 * (length - (count - 1) * step_nm)
    # Where an edge starts along itself, if it runs along an axis.
    start = (edges[:, :2] * along).sum(1)
    fixed = (length > long_nm) & (np.abs(along).max(1) == 1)
    lattice = np.ceil((start + corner_nm) / step_nm - 1e-9) * step_nm - start
    first = np.where(fixed, lattice, first)
    count = np.where(fixed, np.floor((length - corner_nm - first) / step_nm + 1e-9).astype(np.int64) + 1, count)
    edge = np.repeat(np.arange(len(edges)), count)
    order = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count)
    at = first[edge] + order * step_nm
    x, y = (edges[edge, :2] + at[:, None] * along[edge]).T
    inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    edge = edge[inside]
    kind = np.where(short, LINE_END, EDGE).astype(np.int8)
    # The inside lies to the left of an edge, so the outward normal is its direction turned to the right.
    return Gauges(x[inside], y[inside], along[edge, 1], -along[edge, 0], kind[edge])


def _real_edges(layout: Layout) -> np.ndarray:
    """Edges (n, 4) in nm after leaving out repeated and collinear points."""
    sizes = np.array([len(ring) for ring in layout.contours], np.int64)
    if not sizes.sum():
        return np.zeros((0, 4))
    points = np.concatenate(layout.contours).astype(np.int64)
    ring = np.repeat(np.arange(sizes.size), sizes)
    points, ring = _without(points, ring, lambda before, after: (before == 0).all(axis=1))
    points, ring = _without(
        points, ring, lambda before, after: before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]
    )
    _, following = _neighbours(ring)
    return np.hstack([points, points[following]]) * layout.dbu_nm


def _without(points: np.ndarray, ring: np.ndarray, drop) -> tuple[np.ndarray, np.ndarray]:
    """Points for which drop(step from the point before, step to the point after) is false."""
    previous, following = _neighbours(ring)
    keep = ~drop(points - points[previous], points[following] - points)
    return points[keep], ring[keep]


def _neighbours(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the previous and the next point of each point within its ring."""
    index = np.arange(ring.size)
    first = np.searchsorted(ring, ring, "left")
    last = np.searchsorted(ring, ring, "right") - 1
    return np.where(index == first, last, index - 1), np.where(index == last, first, index + 1)
