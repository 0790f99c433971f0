"""Where edge-based correction looks: points along the target's edges, away from its corners."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from ...layout import Layout
from ...metrology import EDGE, Gauges, gauges
from .edges import Edges

# Where a short edge is looked at, as parts of it: its error is the mean of the two.
SHORT = (0.46, 0.54)
# Sites come so near to corners, in the distance that gauges keep from them.
NEAR = 0.92


@dataclass(frozen=True)
class Sites:
    """Points (x, y) in nm with outward normals (nx, ny), and the places they belong to.

    An edge long enough for the gauges of the conventions has a place at every site, any other one place for two points.
    `place` (n,) is the number of a point's place, `weight_nm` the length of edge that each place stands for.
    """

    x_nm: np.ndarray
    y_nm: np.ndarray
    nx: np.ndarray
    ny: np.ndarray
    place: np.ndarray
    weight_nm: np.ndarray

    def __len__(self) -> int:
        return self.x_nm.size

    @property
    def mean(self) -> sparse.csr_matrix:
        """Matrix (place, point) that averages over the points of a place."""
        share = 1 / np.bincount(self.place, minlength=self.weight_nm.size)[self.place]
        return sparse.csr_matrix((share, (self.place, np.arange(len(self)))), shape=(self.weight_nm.size, len(self)))


def sites_of(target: Layout, window_nm, step_nm: float, corner_nm: float, long_nm: float = np.inf) -> Sites:
    """Sites on the edges of a target in a window, `step_nm` apart, those of slanted edges left out.

    On edges longer than `long_nm` they stand at whole multiples of the step. `corner_nm` is how far gauges keep from
    corners. A short edge counts as a long one would, but not for more than four times its length: the print rounds off
    the smallest steps.
    """
    near = NEAR * corner_nm
    found = gauges(target, window_nm, step_nm, corner_nm=near, long_nm=long_nm)
    level = (found.nx == 0) | (found.ny == 0)
    long = np.flatnonzero(level & (found.kind == EDGE))
    short = np.flatnonzero(level & (found.kind != EDGE))
    length = _short_lengths(target, found, short)
    index = np.concatenate([long, short, short])
    along = np.concatenate([np.zeros(len(long)), (SHORT[0] - 0.5) * length, (SHORT[1] - 0.5) * length])
    nx, ny = found.nx[index], found.ny[index]
    places = len(long) + np.arange(len(short))
    weight = np.concatenate([np.full(len(long), float(step_nm)), np.minimum(2 * near, 4 * length)])
    # The direction of an edge is its outward normal turned to the left.
    x, y = found.x_nm[index] - along * ny, found.y_nm[index] + along * nx
    return Sites(x, y, nx, ny, np.concatenate([np.arange(len(long)), places, places]), weight)


def _short_lengths(target: Layout, found: Gauges, short: np.ndarray) -> np.ndarray:
    """Length in nm of the edges whose single gauge stands at their middle."""
    x0, y0, x1, y1 = target.edges_nm.T
    middle = zip(np.round(0.5 * (x0 + x1), 3).tolist(), np.round(0.5 * (y0 + y1), 3).tolist(), strict=True)
    at = dict(zip(middle, np.hypot(x1 - x0, y1 - y0).tolist(), strict=True))
    places = zip(np.round(found.x_nm[short], 3).tolist(), np.round(found.y_nm[short], 3).tolist(), strict=True)
    return np.array([at.get(place, 0.0) for place in places])


def edge_under(sites: Sites, edges: Edges, far_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """For each point the mask edge that faces as it does and passes nearest, -1 if none within reach; and its place
    along the edge's own axis."""
    low, high = edges.span_nm
    upright, side = sites.nx != 0, np.where(sites.nx != 0, sites.nx, sites.ny)
    position, along = np.where(upright, sites.x_nm, sites.y_nm), np.where(upright, sites.y_nm, sites.x_nm)
    best, own = np.full(len(sites), np.inf), np.full(len(sites), -1)
    for axis in (True, False):
        for sign in (1, -1):
            points = np.flatnonzero((upright == axis) & (side * sign > 0.5))
            points = points[np.argsort(position[points], kind="stable")]
            at = position[points]
            for k in np.flatnonzero((edges.upright == axis) & (edges.outward == sign)):
                here = edges.position_nm[k]
                near = points[slice(*np.searchsorted(at, [here - far_nm, here + far_nm]))]
                near = near[(along[near] >= low[k]) & (along[near] <= high[k])]
                distance = abs(position[near] - here)
                closer = near[distance < best[near]]
                best[closer], own[closer] = abs(position[closer] - here), k
    return own, along
