"""Long drawn edges on drawn exposures: where each prints, sample by sample."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..layout import Layout
from ..metrology import Gauges, edge_placement, gauges
from ..types import Grid

# An edge needs so many samples for its roughness to be estimated.
FEWEST_SAMPLES = 64


@dataclass(frozen=True)
class Edges:
    """Edges of one length: `sites` are their gauges, edge by edge, `samples` of each, `step_nm` apart."""

    sites: Gauges
    samples: int
    step_nm: float

    def __len__(self) -> int:
        return len(self.sites) // self.samples if self.samples else 0


def find_edges(layout: Layout, window_nm, step_nm: float, corner_nm: float) -> Edges:
    """The longest straight edges in a window, cut to the shortest of those nearly as long; none if all are short."""
    found = gauges(layout, window_nm, step_nm, corner_nm=corner_nm)
    at = np.stack([found.x_nm, found.y_nm, found.nx, found.ny], 1)
    along = np.abs(np.hypot(*(np.diff(at[:, :2], axis=0)).T) - step_nm) < 1e-6
    breaks = np.flatnonzero(~(along & (np.diff(at[:, 2:], axis=0) == 0).all(1))) + 1
    runs = [run for run in np.split(np.arange(len(at)), breaks) if len(run) >= FEWEST_SAMPLES]
    runs = [run for run in runs if len(run) >= 0.9 * max(map(len, runs))]
    samples = min(map(len, runs), default=0)
    chosen = np.concatenate([run[:samples] for run in runs]) if runs else np.zeros(0, int)
    sites = Gauges(*(getattr(found, name)[chosen] for name in ("x_nm", "y_nm", "nx", "ny", "kind")))
    return Edges(sites, samples, step_nm)


def traced(edges: Edges, surplus: Iterable[np.ndarray], mean: np.ndarray, grid: Grid) -> tuple[np.ndarray, int]:
    """How far printed edges lie outside their places without noise, nm (draw x edge, sample), and how many had gaps.

    Exposures [y, x] print where they are positive, `mean` is the one without noise. Edges with gaps are left out.
    """

    def places(height: np.ndarray) -> np.ndarray:
        place, failed = edge_placement(height, grid, 0.0, edges.sites, True)
        return np.where(failed, np.nan, place).reshape(len(edges), edges.samples)

    rest = places(mean)
    found = np.concatenate([places(height) - rest for height in surplus])
    whole = np.isfinite(found).all(1)
    return found[whole], int((~whole).sum())
