"""An earlier mask under another model: which of its blocks no longer print as wanted, and the mask with those anew."""

from collections.abc import Sequence

import numpy as np

from ..design import EdgeWork, Setup
from ..design.hotspots import NEAR_BRIDGE, PINCH
from ..errors import InputError
from ..layout import Layout, clipped, refined
from ..metrology import EDGE
from ..scale import Failure, Tile
from ..timing import Clock
from .blocks import Spread, solved_blocks, taken, verified_parts
from .parts import Figures
from .work import Window

# Hotspots that condemn a block beside its gauges: failures on the wafer; defects, which have no distance, do so too.
_FAILURES = {PINCH, NEAR_BRIDGE}


def condemned(tiles: Sequence[Tile], found: Figures, keep_nm: float, more_nm: Sequence = ()) -> list[int]:
    """Numbers of the blocks whose gauges' mean |EPE| is above `keep_nm`, that hold an open gauge, or a failure.

    `more_nm` are places [x, y] that condemn their blocks whatever the model says.
    """
    spots = [s.at_nm for s in found.spots if s.beyond_nm is None or s.kind in _FAILURES]
    bad = np.array([*spots, *more_nm], np.float64).reshape(-1, 2)
    sites = np.stack([found.gauges.x_nm, found.gauges.y_nm], 1)
    edge, size = found.gauges.kind == EDGE, np.abs(found.epe_nm)
    chosen = []
    for number, tile in enumerate(tiles):
        here = _inside(sites, tile)
        far = edge & here & ~found.failed
        if found.failed[here].any() or _inside(bad, tile).any() or (far.any() and size[far].mean() > keep_nm):
            chosen.append(number)
    return chosen


def _inside(at_nm: np.ndarray, tile: Tile) -> np.ndarray:
    x0, y0, x1, y1 = tile.core_nm
    return (at_nm[:, 0] >= x0) & (at_nm[:, 0] < x1) & (at_nm[:, 1] >= y0) & (at_nm[:, 1] < y1)


def corrected_anew(
    todo: EdgeWork, old: Layout, judged: Setup, window: Window, spread: Spread, keep_nm: float, more_nm: Sequence = ()
) -> tuple[Layout, list[Failure], dict]:
    """The old mask with its condemned blocks corrected by the work's model; what failed; what it took, step by step.

    `old` must reach over all blocks, surroundings included, as `correct` writes it.
    """
    clock, tiles = Clock(), todo.tiling.tiles
    if not clipped(old, window).contours:
        raise InputError("the earlier run's mask has nothing in this window: it is another layer's or window's")
    before, _, _, lost = verified_parts(todo.layout, old, judged, window, todo.tiling, spread)
    chosen = condemned(tiles, before, keep_nm, more_nm)
    checked = clock.cost()
    new, failed = solved_blocks(todo, spread, chosen)
    mask = old
    if chosen:  # in the unit that blocks come in; where they meet, steps are evened out once more
        old = refined(old, min(todo.layout.dbu_nm, todo.opc.limits.grid_nm))
        mask = todo.joined([new[n] if n in new else taken(todo, old, n) for n in range(len(tiles))])
    both = clock.cost()
    told = {
        "blocks": len(tiles),
        "blocks_condemned": len(chosen),
        "keep_nm": keep_nm,
        "old_mask": before.json,
        "steps": [
            checked.step("old mask verified"),
            both.step("condemned blocks corrected", checked),
        ],
    }
    return mask, [*lost, *failed], told
