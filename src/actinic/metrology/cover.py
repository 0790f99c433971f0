"""The print against other layers: how far it encloses vias and how far a line reaches beyond what it crosses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..layout import Layout, boolean, clipped, coverage
from .band import area_fraction
from .cuts import seen
from .epe import edge_placement
from .gauges import Gauges, gauges
from .prints import Print

ENCLOSURE, END_CAP = "enclosure", "end cap"
# Distances beyond this count as this, and a line that goes on so far has no end cap.
REACH_NM = 200.0


@dataclass(frozen=True)
class Cover:
    """One via or gate, and the place where the print reaches the least beyond it over all corners.

    `drawn_nm` and `printed_nm` are distances from its edge outwards to the edge of the polygon or print, negative
    where that ends before it, at most 200. `overlap` is the least share of its area that is printed at a corner.
    """

    kind: str
    box_nm: tuple[float, float, float, float]
    at_nm: tuple[float, float]
    drawn_nm: float
    printed_nm: float
    corner: str
    overlap: float | None = None


def enclosures(
    target: Layout,
    vias: Layout,
    prints: Sequence[Print],
    window_nm: tuple[float, float, float, float],
    corner_nm: float,
) -> list[Cover]:
    """How the print encloses every via with a gauge in the window, the worst first.

    Vias that the drawn target does not touch belong to another layer and are left out.
    Gauges are those of the vias' edges (every 10 nm and none nearer than `corner_nm` to a corner, or one in the
    middle), because corners of a via do not print.
    """
    rings = _touched(vias, target)
    sites = [gauges(ring, window_nm, corner_nm=corner_nm) for ring in rings]
    shares = _overlaps(rings, [len(found) > 0 for found in sites], prints)
    return _worst(ENCLOSURE, target, rings, sites, prints, shares)


def end_caps(
    target: Layout, crossed: Layout, prints: Sequence[Print], window_nm: tuple[float, float, float, float]
) -> list[Cover]:
    """How far the print of a line reaches beyond the layer it crosses, for every gate that has an end, the worst first.

    A gate is where target and crossed layer overlap. Distances run from the crossed layer's drawn edge outwards, in
    the middle of the gate's width, where the drawn line ends within 200 nm.
    """
    gates = boolean(target, crossed, "and")
    rings = [Layout((ring,), gates.dbu_nm) for ring in gates.contours]
    x0, y0, x1, y1 = window_nm
    sites = []
    for ring in rings:
        a, b = ring.edges_nm[:, :2], ring.edges_nm[:, 2:]
        at, along = 0.5 * (a + b), b - a
        n = np.stack([along[:, 1], -along[:, 0]], 1) / np.hypot(*along.T)[:, None]
        # Outwards of the gate one is still in the line where the crossed layer ends, and leaves it at its end.
        distance, facing, _ = seen(target, at, n, REACH_NM)
        end = (facing > 0) & np.isfinite(distance)
        end &= np.all((at >= (x0, y0)) & (at < (x1, y1)), axis=1)
        sites.append(Gauges(*at[end].T, *n[end].T, np.zeros(int(end.sum()), np.int8)))
    return _worst(END_CAP, target, rings, sites, prints, [None] * len(rings))


def _touched(vias: Layout, target: Layout) -> list[Layout]:
    """The vias, one by one, of which a part lies on the target."""
    rings = [Layout((ring,), vias.dbu_nm) for ring in vias.contours]
    common = boolean(vias, target, "and")
    if not common.contours:
        return []
    lows, highs = (np.array([getattr(ring, side)(axis=0) for ring in common.contours]) for side in ("min", "max"))
    kept = []
    for ring in rings:
        low, high = ring.contours[0].min(axis=0), ring.contours[0].max(axis=0)
        if ((lows < high) & (highs > low)).all(axis=1).any():
            kept.append(ring)
    return kept


def _worst(kind, target, rings, sites: list[Gauges], prints, shares) -> list[Cover]:
    """The least distance at the sites of each ring over the prints; rings without sites are left out."""
    owner = np.repeat(np.arange(len(rings)), [len(found) for found in sites])
    if not owner.size:
        return []
    together = Gauges(*(np.concatenate([getattr(s, name) for s in sites]) for name in ("x_nm", "y_nm", "nx", "ny")),
                      np.concatenate([s.kind for s in sites]))  # fmt: skip
    reach = np.stack([edge_placement(p.values, p.grid, p.level, together, p.above, REACH_NM)[0] for p in prints])
    corner, least = reach.argmin(0), reach.min(0)
    drawn = _drawn(target, together)
    found = []
    for k in np.unique(owner):
        mine = np.flatnonzero(owner == k)
        site = mine[least[mine].argmin()]
        at = float(together.x_nm[site]), float(together.y_nm[site])
        box, name = rings[k].bbox_nm or (*at, *at), prints[corner[site]].name
        found.append(Cover(kind, box, at, float(drawn[site]), float(least[site]), name, shares[k]))
    return sorted(found, key=lambda cover: (cover.printed_nm, cover.box_nm))


def _drawn(target: Layout, sites: Gauges) -> np.ndarray:
    """Distance (n,) from sites outwards to the target's edge, negative where they lie outside it, at most the reach."""
    at, normal = np.stack([sites.x_nm, sites.y_nm], 1), np.stack([sites.nx, sites.ny], 1)
    # A hair inwards, so that an edge in common is seen.
    hair, far = 0.01, 1e6
    out, facing, _ = seen(target, at - hair * normal, normal, far)
    back, *_ = seen(target, at, -normal, far)
    return np.clip(np.round(np.where((facing > 0) & np.isfinite(out), out - hair, -back), 6), -REACH_NM, REACH_NM)


def _overlaps(rings: list[Layout], wanted: list[bool], prints: Sequence[Print]) -> list[float | None]:
    """Least share of each via that is printed at a corner, pixels cut by both taken as the smaller part."""
    grid = prints[0].grid
    heights = [p.height for p in prints]
    x0, y0 = grid.origin_nm
    shares: list[float | None] = []
    for ring, take in zip(rings, wanted, strict=True):
        if not take:
            shares.append(None)
            continue
        left, low, right, high = clipped(ring, grid.window_nm).bbox_nm or (x0, y0, x0, y0)
        c0, c1 = (int((v - x0) / grid.pitch_nm) for v in (left, right))
        r0, r1 = (int((v - y0) / grid.pitch_nm) for v in (low, high))
        rows, columns = slice(max(r0 - 2, 0), r1 + 3), slice(max(c0 - 2, 0), c1 + 3)
        part = np.s_[rows, columns]
        shape = heights[0][part].shape
        local = type(grid)(shape, grid.pitch_nm, (x0 + columns.start * grid.pitch_nm, y0 + rows.start * grid.pitch_nm))
        covered = coverage(ring, local).astype(float)
        printed = [np.minimum(covered, area_fraction(height[part])).sum() for height in heights]
        shares.append(float(min(printed) / covered.sum()))
    return shares
