"""Shots of a mask written by shaped beams: polygons cut into trapezoids, rectangles where edges run along the axes."""

from dataclasses import dataclass

import numpy as np

from ..layout import Layout, pieces


@dataclass(frozen=True)
class Shots:
    """What writing a mask takes: figures of a shaped-beam writer, vertices of the data that a multi-beam one reads."""

    shots: int
    vertices: int


def mask_shots(layout: Layout) -> Shots:
    """Shots by cutting every polygon along its vertices, and how many vertices it has.

    A rectilinear polygon is cut into slabs along x and along y and the fewer rectangles count; any other one into
    trapezoids with sides along x. Nothing is put together over polygons and no figure is split for its size, so this
    is a count to compare masks by and not a writing time.
    """
    shots = vertices = 0
    for polygon in pieces(layout):
        vertices += sum(map(len, polygon.contours))
        count = len(trapezoids(polygon))
        step = polygon.edges_nm[:, 2:] - polygon.edges_nm[:, :2]
        if (step == 0).any(axis=1).all():
            turned = tuple(ring[::-1, ::-1] for ring in polygon.contours)
            count = min(count, len(trapezoids(Layout(turned, polygon.dbu_nm))))
        shots += count
    return Shots(shots, vertices)


def trapezoids(polygon: Layout) -> np.ndarray:
    """One polygon cut by horizontal lines from each vertex as far as its inside reaches, float64 (n, 6) in nm.

    Rows are y low, y high, x left and right at the low side, x left and right at the high side. A polygon of n
    vertices and h holes with all y different has n - 1 + h of them.
    """
    edges = polygon.edges_nm
    edges = edges[edges[:, 1] != edges[:, 3]]
    if not len(edges):
        return np.zeros((0, 6))
    upward = np.where((edges[:, 1] < edges[:, 3])[:, None], edges, edges[:, [2, 3, 0, 1]])
    levels = np.unique(upward[:, [1, 3]])
    first, last = np.searchsorted(levels, upward[:, 1]), np.searchsorted(levels, upward[:, 3])
    # Every edge in every slab that it crosses; within a slab from left to right they open and close the inside.
    edge = np.repeat(np.arange(len(upward)), last - first)
    slab = np.arange(edge.size) - np.repeat(np.cumsum(last - first) - last, last - first)
    x = _at(upward[edge], 0.5 * (levels[slab] + levels[slab + 1]))
    order = np.lexsort((x, slab))
    left, right, slab = edge[order[::2]], edge[order[1::2]], slab[order[::2]]
    # Slabs between the same two edges that follow each other are one figure.
    order = np.lexsort((slab, right, left))
    left, right, slab = left[order], right[order], slab[order]
    fresh = np.r_[True, (np.diff(left) != 0) | (np.diff(right) != 0) | (np.diff(slab) != 1)]
    begin = np.flatnonzero(fresh)
    end = np.r_[begin[1:], fresh.size] - 1
    low, high = levels[slab[begin]], levels[slab[end] + 1]
    sides = [_at(upward[side[begin]], y) for y in (low, high) for side in (left, right)]
    return np.stack([low, high, *sides], axis=1)


def _at(edges: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x of rising edges (n, 4) at y (n,)."""
    x0, y0, x1, y1 = edges.T
    return x0 + (x1 - x0) * ((y - y0) / (y1 - y0))
