"""The masks of neighbouring blocks put together so that no mask rule is broken where they meet.

Both blocks found the same edges there, but for rounding and for what the rest of their surroundings does at a
distance. So what is to be mended are steps of a grid line or two: they are evened out, and what distances that or the
rounding costs, a jog's own length among them, is given back.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse

from ...layout import Layout, merged
from ...scale import Tile
from .bounds import distances
from .edges import Edges, boxes, edges_of, healed
from .recipe import Opc
from .step import MARGIN_NM, constrained, mended

# Steps shorter than this part of a jog are evened out; longer ones are jogs that rounding cost a line, and get it back.
STEP = 0.5
# Edges this near to a seam, in rules (the larger of width and space), are looked at.
NEAR = 8.0


def stitched(parts: Sequence[Layout], tiles: Sequence[Tile], opc: Opc) -> Layout:
    """One mask from those of the tiles' cores, which share all their sides with neighbours or the rim."""
    limits = opc.limits
    whole = merged([ring for part in parts for ring in part.contours], parts[0].dbu_nm)
    apart = max(limits.width_nm, limits.space_nm)
    seams = sorted({tile.core_nm[0] for tile in tiles})[1:], sorted({tile.core_nm[1] for tile in tiles})[1:]
    if not any(seams) or not whole.contours:
        return whole
    touched = [_near(ring * whole.dbu_nm, seams, NEAR * apart) for ring in whole.contours]
    kept = [ring for ring, near in zip(whole.contours, touched, strict=True) if not near]
    found = [ring for ring, near in zip(whole.contours, touched, strict=True) if near]
    rings = (healed(ring * whole.dbu_nm, STEP * opc.jog_nm) for ring in found)
    edges = edges_of([ring for ring in rings if min(np.ptp(ring, axis=0)) >= opc.jog_nm])
    edges = edges.at(np.round(edges.position_nm / limits.grid_nm) * limits.grid_nm)
    i, j, least = distances(edges, limits.width_nm, limits.space_nm, opc.jog_nm, apart)
    short = least - (edges.position_nm[j] - edges.position_nm[i])
    if (short > 1e-6).any():
        # Only what lies at a seam moves, and what is then too near to it, and by no more than a rule.
        near, bad = _close(edges, seams, NEAR * apart), short > 1e-6
        near[i[bad & near[j]]] = near[j[bad & near[i]]] = True
        free = np.where(near, apart, 0.0)
        # As little as the rules ask for, long edges least, and a hair more where that is rounded.
        pairs = i, j, np.where(bad, short + MARGIN_NM, short)
        move = constrained(sparse.diags(edges.length_nm).tocsc(), np.zeros(len(edges)), pairs, -free, free)
        move = mended(move, pairs, -free, free)
        edges = edges.at(edges.position_nm + move)
    made = edges.layout(limits.grid_nm, whole.dbu_nm)
    return merged([*kept, *made.contours], whole.dbu_nm)


def _near(ring_nm: np.ndarray, seams, far_nm: float) -> bool:
    low, high = ring_nm.min(0) - far_nm, ring_nm.max(0) + far_nm
    return any(low[axis] < at < high[axis] for axis in (0, 1) for at in seams[axis])


def _close(edges: Edges, seams, far_nm: float) -> np.ndarray:
    """Edges (n,) any part of which lies near a seam."""
    x0, y0, x1, y1 = boxes(edges).T
    near = np.zeros(len(edges), bool)
    for low, high, places in ((x0, x1, seams[0]), (y0, y1, seams[1])):
        for at in places:
            near |= (low < at + far_nm) & (high > at - far_nm)
    return near
