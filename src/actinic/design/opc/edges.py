"""A Manhattan mask as edges: one position each, ends given by the two neighbours.

Every edge of the polygons that are written, jogs included, is a variable: the x of an upright edge or the y of a
level one. A vertex takes its x and y from the two edges that meet there, so whatever the positions are, the
polygons stay Manhattan, and nothing but the order of the positions along each axis can go wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...layout import Layout, merged


@dataclass(frozen=True)
class Edges:
    """Edges of closed rings, arrays of one length n; the inside lies to the left of every edge.

    `position_nm`: x of an upright edge, y of a level one; `upright`: bool; `forward`: +1 where the edge runs to
    larger coordinates, else -1; `before`, `after`: the numbers of the edges it meets at its start and end.
    """

    position_nm: np.ndarray
    upright: np.ndarray
    forward: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def __len__(self) -> int:
        return self.position_nm.size

    @property
    def outward(self) -> np.ndarray:
        """Sign of the outward normal on the edge's own axis."""
        return np.where(self.upright, self.forward, -self.forward)

    @property
    def start_nm(self) -> np.ndarray:
        return self.position_nm[self.before]

    @property
    def end_nm(self) -> np.ndarray:
        return self.position_nm[self.after]

    @property
    def length_nm(self) -> np.ndarray:
        """Negative where neighbours have passed each other."""
        return self.forward * (self.end_nm - self.start_nm)

    @property
    def span_nm(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end along the edge."""
        return np.minimum(self.start_nm, self.end_nm), np.maximum(self.start_nm, self.end_nm)

    def at(self, position_nm: np.ndarray) -> "Edges":
        """The same edges at other positions."""
        return replace(self, position_nm=position_nm)

    def rings(self) -> list[np.ndarray]:
        """Edge numbers ring by ring, in order."""
        found, seen = [], np.zeros(len(self), bool)
        after = self.after.tolist()
        for first in range(len(self)):
            if not seen[first]:
                ring, edge = [first], after[first]
                while edge != first:
                    ring.append(edge)
                    edge = after[edge]
                seen[ring] = True
                found.append(np.array(ring))
        return found

    def layout(self, grid_nm: float, dbu_nm: float) -> Layout:
        """The polygons, positions on the nearest line of a grid of a whole number of database units.

        All are rounded alike, upwards from the middle between two lines, so that a distance of at least a whole
        number of grid lines stays one.
        """
        step = round(grid_nm / dbu_nm)
        line = np.floor(self.position_nm / grid_nm + 0.5).astype(np.int64) * step
        rings = []
        for ring in self.rings():
            before = self.before[ring]
            upright = self.upright[ring]
            x, y = np.where(upright, line[ring], line[before]), np.where(upright, line[before], line[ring])
            rings.append(np.stack([x, y], 1))
        return merged(rings, dbu_nm)


def boxes(edges: Edges) -> np.ndarray:
    """Where the edges lie: (n, 4) x0, y0, x1, y1 in nm."""
    (low, high), here, upright = edges.span_nm, edges.position_nm, edges.upright
    ends = (here, low), (low, here), (here, high), (high, here)
    return np.stack([np.where(upright, a, b) for a, b in ends], 1)


def edges_of(rings_nm: Sequence[np.ndarray]) -> Edges:
    """Edges of Manhattan rings (n, 2) in nm whose edges turn at every vertex."""
    parts: list[list[np.ndarray]] = [[] for _ in range(5)]
    first = 0
    for ring in rings_nm:
        following = np.roll(ring, -1, axis=0)
        step = following - ring
        upright = step[:, 1] != 0
        n, number = len(ring), np.arange(len(ring))
        values = (
            np.where(upright, ring[:, 0], ring[:, 1]),
            upright,
            np.sign(step.sum(1)).astype(int),
            first + (number - 1) % n,
            first + (number + 1) % n,
        )
        for part, value in zip(parts, values, strict=True):
            part.append(value)
        first += n
    if not rings_nm:
        return Edges(np.zeros(0), np.zeros(0, bool), *[np.zeros(0, int)] * 3)
    return Edges(*(np.concatenate(part) for part in parts))


def healed(ring: np.ndarray, jog_nm: float) -> np.ndarray:
    """A Manhattan ring (n, 2) without edges shorter than a jog, as far as that can be had.

    A short step joins its two neighbours at their mean position, weighted by length; a tip or notch that narrow goes.
    """
    ring = _turning(np.asarray(ring, float))
    while len(ring) > 4:
        step = np.roll(ring, -1, axis=0) - ring
        length = np.abs(step).sum(1)
        k = int(np.argmin(length))
        if length[k] >= jog_nm - 1e-9:
            break
        ring, length, step = (np.roll(a, 1 - k, axis=0) for a in (ring, length, step))  # the short edge is 1
        axis = int(step[1, 1] == 0)  # its neighbours lie at their coordinate on the other axis
        axis = 0 if step[1, 0] != 0 else 1
        if step[0] @ step[2] > 0:
            mean = (length[0] * ring[1, axis] + length[2] * ring[2, axis]) / (length[0] + length[2])
            ring[[0, 1, 2, 3], axis] = mean
            ring = np.delete(ring, [1, 2], axis=0)
        elif length[0] <= length[2]:
            ring[2, 1 - axis] = ring[0, 1 - axis]
            ring = np.delete(ring, [0, 1], axis=0)
        else:
            ring[1, 1 - axis] = ring[3, 1 - axis]
            ring = np.delete(ring, [2, 3], axis=0)
        ring = _turning(ring)
    return ring


def _turning(ring: np.ndarray) -> np.ndarray:
    """The ring without repeated points and points in the middle of an edge."""
    while len(ring) > 2:
        before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        straight = before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]
        if not straight.any():
            break
        # One of each run of such points at a time: a spike folds back on itself.
        keep = ~straight | np.roll(straight, 1)
        ring = ring[keep] if (~keep).any() else ring[1:]
    return ring
