"""Rectilinear patterns as a topology and two lists of lengths (squish representation, Gennari & Lai, US 8,832,621).

Scan lines through all edges cut a window into cells; a cell is drawn or not, and that is the topology, bool [y, x]. The
distances between the lines are the geometry. A topology without two equal neighbouring rows or columns is canonical:
the same drawing has one, whatever its lengths.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..layout import Layout, merged, rings


@dataclass(frozen=True)
class Squish:
    """A topology bool [y, x], and its columns' widths `dx` and rows' heights `dy`, int64 in units of `unit_nm`."""

    topology: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    unit_nm: float

    @property
    def complexity(self) -> tuple[int, int]:
        """(columns, rows)."""
        return self.topology.shape[1], self.topology.shape[0]


def squished(layout: Layout, window_nm: tuple[float, float, float, float]) -> Squish:
    """What a rectilinear layout shows in a window of whole database units; InputError where an edge is slanted."""
    unit = layout.dbu_nm
    x0, y0, x1, y1 = (round(value / unit) for value in window_nm)
    boxes = layout.boxes
    near = np.flatnonzero((boxes[:, 2] > x0) & (boxes[:, 0] < x1) & (boxes[:, 3] > y0) & (boxes[:, 1] < y1))
    found = [layout.contours[n] for n in near.tolist()]
    starts = np.concatenate([np.zeros((0, 2), np.int64), *found])
    ends = np.concatenate([np.zeros((0, 2), np.int64), *(np.roll(ring, -1, axis=0) for ring in found)])
    if ((starts != ends).sum(1) != 1).any():
        raise InputError("only rectilinear layouts can be squished: an edge is slanted")
    low, high = np.array([x0, y0]), np.array([x1, y1])
    starts, ends = np.clip(starts, low, high), np.clip(ends, low, high)
    xs, ys = (np.unique(np.concatenate([starts[:, k], [low[k], high[k]]])) for k in (0, 1))
    # An edge running down has the inside to its right.
    upright = starts[:, 0] == ends[:, 0]
    column, row, to = (
        np.searchsorted(axis, values[upright])
        for axis, values in ((xs, starts[:, 0]), (ys, starts[:, 1]), (ys, ends[:, 1]))
    )
    steps = np.zeros((len(ys), len(xs)), np.int64)
    np.add.at(steps, (to, column), 1)
    np.add.at(steps, (row, column), -1)
    inside = steps.cumsum(0).cumsum(1)[:-1, :-1] > 0
    return canonical(Squish(inside, np.diff(xs), np.diff(ys), unit))


def canonical(found: Squish) -> Squish:
    """The same drawing on the fewest scan lines."""
    topology, lengths = found.topology, [found.dy, found.dx]
    for axis in (0, 1):
        lines = topology if axis == 0 else topology.T
        first = np.flatnonzero(np.concatenate([[True], (lines[1:] != lines[:-1]).any(1)]))
        topology = np.take(topology, first, axis)
        lengths[axis] = np.add.reduceat(lengths[axis], first)
    return Squish(topology, lengths[1], lengths[0], found.unit_nm)


def drawn(found: Squish) -> Layout:
    """The layout, its lower left corner at the origin, in database units of `unit_nm`."""
    x, y = (np.concatenate([[0], np.cumsum(d)]) for d in (found.dx, found.dy))
    edges = np.diff(np.pad(found.topology.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    boxes = []
    for row, line in enumerate(edges):
        for start, end in zip(np.flatnonzero(line == 1), np.flatnonzero(line == -1), strict=True):
            left, right, low, high = x[start], x[end], y[row], y[row + 1]
            boxes.append([(left, low), (right, low), (right, high), (left, high)])
    return merged(rings(boxes), found.unit_nm)
