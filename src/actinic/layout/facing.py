"""Which edge faces which, across a polygon or across a gap, and edges moved piece by piece. Manhattan layouts only."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import klayout.db as db
import numpy as np

from ..errors import InputError
from .boolean import merged, region_of
from .polygons import Layout
from .shape import refined


@dataclass(frozen=True)
class Fragments:
    """Edges cut so that every piece has one width and one space; arrays of one length n, ring after ring in order.

    `x_nm`, `y_nm`: middle; `nx`, `ny`: unit normal pointing out; `length_nm`; `width_nm`: distance to the edge across
    the polygon, `space_nm`: across the gap, inf beyond the reach; `across_width`, `across_space`: the piece there that
    faces the middle, -1 where there is none; `edge`: the number of the edge in `Layout.edges_nm`.
    """

    x_nm: np.ndarray
    y_nm: np.ndarray
    nx: np.ndarray
    ny: np.ndarray
    length_nm: np.ndarray
    width_nm: np.ndarray
    space_nm: np.ndarray
    across_width: np.ndarray
    across_space: np.ndarray
    edge: np.ndarray

    def __len__(self) -> int:
        return self.x_nm.size


class _Edges:
    """Edges of a Manhattan layout by line and direction, so that a part of one leads to the whole."""

    def __init__(self, layout: Layout):
        rings = layout.contours
        self.points = np.concatenate([np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in rings])
        step = self.points[:, 2:] - self.points[:, :2]
        slanted = np.flatnonzero((step != 0).all(axis=1))
        if slanted.size:
            x, y = self.points[slanted[0], :2] * layout.dbu_nm
            raise InputError(f"the edge at ({x:g}, {y:g}) nm is slanted; widths and spaces need Manhattan polygons")
        self.along = (step[:, 1] != 0).astype(int)  # 0: runs along x, 1: along y
        self.forward = step.sum(axis=1) > 0
        upright = self.along[:, None] == 1
        self.line = np.where(upright, self.points[:, :2], self.points[:, 1::-1])[:, 0]
        self.low, self.high = np.sort(np.where(upright, self.points[:, 1::2], self.points[:, ::2]), axis=1).T
        self.by_line: dict[tuple[int, bool, int], list[tuple[int, int]]] = {}
        for number, key in enumerate(zip(self.along.tolist(), self.forward.tolist(), self.line.tolist(), strict=True)):
            self.by_line.setdefault(key, []).append((int(self.low[number]), number))
        for listed in self.by_line.values():
            listed.sort()

    def whole(self, edge: db.Edge) -> tuple[int, int, int]:
        """The number of the edge that a part of it, directed as KLayout does, belongs to, and the part's ends."""
        along = int(edge.dx() == 0)
        start, end = (edge.y1, edge.y2) if along else (edge.x1, edge.x2)
        listed = self.by_line[along, start > end, edge.x1 if along else edge.y1]
        low, high = min(start, end), max(start, end)
        return listed[bisect_right(listed, (low, len(self.line))) - 1][1], low, high


def fragments(layout: Layout, reach_nm: float) -> Fragments:
    """The edges of a Manhattan layout by local width and space, each up to a reach. InputError for slanted edges.

    Distances are exact: they are measured between the parts of edges that see each other at a right angle.
    """
    if not layout.contours:
        none = np.zeros(0)
        return Fragments(*[none] * 7, *[none.astype(int)] * 3)
    edges, region, reach = _Edges(layout), region_of(layout), int(np.ceil(reach_nm / layout.dbu_nm)) + 1
    seen = [
        _seen(edges, pairs.each())
        for pairs in (
            region.width_check(reach, False, db.Region.Projection),
            region.space_check(reach, False, db.Region.Projection),
        )
    ]
    pieces: list[tuple[int, int, int]] = []  # edge, low, high, in the edge's own direction
    of_edge: list[tuple[int, list[int]]] = []  # first piece of an edge, and its cuts
    for number in range(len(edges.line)):
        cuts = {int(edges.low[number]), int(edges.high[number])}
        for side in seen:
            cuts.update(end for low, high, *_ in side.get(number, ()) for end in (low, high))
        cuts = sorted(cuts)
        of_edge.append((len(pieces), cuts))
        spans = list(pairwise(cuts))
        pieces += [(number, low, high) for low, high in (spans if edges.forward[number] else spans[::-1])]

    def piece_at(number: int, place: float) -> int:
        first, cuts = of_edge[number]
        k = min(max(bisect_right(cuts, place) - 1, 0), len(cuts) - 2)
        return first + (k if edges.forward[number] else len(cuts) - 2 - k)

    distance, across = np.full((2, len(pieces)), np.inf), np.full((2, len(pieces)), -1)
    for k, (number, low, high) in enumerate(pieces):
        middle = 0.5 * (low + high)
        for side in (0, 1):
            for start, end, gap, other in seen[side].get(number, ()):
                if start < middle < end and gap < distance[side, k]:
                    distance[side, k], across[side, k] = gap, piece_at(other, middle)
    edge, low, high = np.array(pieces).T
    unit, along = layout.dbu_nm, edges.along[edge]
    middle, line = 0.5 * (low + high), edges.line[edge]
    # The inside lies to the left, so the outward normal is the direction turned to the right.
    turned = np.where(edges.forward[edge], 1.0, -1.0)
    return Fragments(
        x_nm=np.where(along, line, middle) * unit,
        y_nm=np.where(along, middle, line) * unit,
        nx=np.where(along, turned, 0.0),
        ny=np.where(along, 0.0, -turned),
        length_nm=(high - low) * unit,
        width_nm=distance[0] * unit,
        space_nm=distance[1] * unit,
        across_width=across[0],
        across_space=across[1],
        edge=edge,
    )


def _seen(edges: _Edges, pairs: Iterable[db.EdgePair]) -> dict[int, list[tuple[int, int, int, int]]]:
    """For each edge the parts (low, high, distance, other edge) from which another one is seen."""
    seen: dict[int, list[tuple[int, int, int, int]]] = {}
    for pair in pairs:
        first, second = edges.whole(pair.first), edges.whole(pair.second)
        gap = abs(int(edges.line[first[0]] - edges.line[second[0]]))
        for (number, low, high), (other, *_) in ((first, second), (second, first)):
            seen.setdefault(number, []).append((low, high, gap, other))
    return seen


def displaced(layout: Layout, pieces: Fragments, outward_nm: np.ndarray, unit_nm: float) -> Layout:
    """The layout with every fragment moved outwards by its own distance (n,), in a unit of at most `unit_nm`.

    Corners stay right angles, and a step appears where neighbouring pieces of an edge move apart.
    """
    unit = refined(layout, unit_nm).dbu_nm
    moves, x, y, half = (np.rint(v / unit) for v in (outward_nm, pieces.x_nm, pieces.y_nm, 0.5 * pieces.length_nm))
    upright = pieces.nx != 0
    line = np.where(upright, x + pieces.nx * moves, y + pieces.ny * moves)
    # Where a piece ends along its edge, which runs with the inside to its left.
    end = np.where(upright, y + pieces.nx * half, x - pieces.ny * half)
    ring = np.repeat(np.arange(len(layout.contours)), [len(ring) for ring in layout.contours])[pieces.edge]
    rings = []
    for own in np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(ring)) + 1):
        points = []
        for here, there in zip(own, np.roll(own, -1), strict=True):
            if upright[here] != upright[there]:
                points.append((line[here], line[there]) if upright[here] else (line[there], line[here]))
            elif upright[here]:
                points += [(line[here], end[here]), (line[there], end[here])]
            else:
                points += [(end[here], line[here]), (end[here], line[there])]
        rings.append(np.rint(points).astype(np.int64))
    return merged(rings, unit)
