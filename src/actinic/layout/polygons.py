"""Layout: polygons in integer database units, never traced."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Merged, non-overlapping polygons of one layer.

    `contours` are closed rings of int64 (n, 2) points [x, y] in database units of `dbu_nm`
    nanometres, the last point not repeated; hulls run counter-clockwise and holes clockwise, so
    signed areas add up. Rings touch at most in points.
    """

    contours: tuple[np.ndarray, ...]
    dbu_nm: float

    @cached_property
    def edges_nm(self) -> np.ndarray:
        """float64 (n, 4) edges [x0, y0, x1, y1] in nm; the inside lies to the left."""
        if not self.contours:
            return np.zeros((0, 4))
        return self.dbu_nm * np.concatenate(
            [np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in self.contours]
        ).astype(np.float64)

    @cached_property
    def boxes(self) -> np.ndarray:
        """int64 (ring, 4): x0, y0, x1, y1 of every ring in database units."""
        if not self.contours:
            return np.zeros((0, 4), np.int64)
        return np.array([(*ring.min(axis=0), *ring.max(axis=0)) for ring in self.contours], np.int64)

    @property
    def area_nm2(self) -> float:
        x0, y0, x1, y1 = self.edges_nm.T
        return float(0.5 * np.sum((x0 + x1) * (y1 - y0)))

    @property
    def bbox_nm(self) -> tuple[float, float, float, float] | None:
        """(x0, y0, x1, y1), or None when there is no polygon."""
        if not self.contours:
            return None
        points = np.concatenate(self.contours)
        x0, y0, x1, y1 = (float(v) * self.dbu_nm for v in (*points.min(axis=0), *points.max(axis=0)))
        return x0, y0, x1, y1

    def moved(self, dx: int, dy: int) -> "Layout":
        """Shifted by whole database units."""
        shift = np.array([dx, dy], np.int64)
        return Layout(tuple(ring + shift for ring in self.contours), self.dbu_nm)


def rings(points: Sequence[Sequence[tuple[int, int]]]) -> tuple[np.ndarray, ...]:
    """Point lists as int64 rings."""
    return tuple(np.asarray(ring, np.int64).reshape(-1, 2) for ring in points)
