"""Correction of a layout window: tiles solved by ILT, one by one or spread, stitched and traced."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..config import build, dump
from ..errors import ConfigError
from ..forward import Imaging, anchored, prepare
from ..layout import Layout, clipped, coverage, sized, snapped
from ..mask import FINE_NM, AlternatingPSM
from ..metrology import gauges
from ..scale import Tile, Tiling, split, stitch
from ..timing import Clock, Cost
from ..types import Grid
from .ilt import solve
from .setup import Setup
from .trace import trace
from .verify import corner_distance_nm

# Neighbouring tiles pass into each other over this length on both sides of a seam.
BLEND_NM = 200.0


@dataclass(frozen=True)
class TileTask:
    """One tile to solve: plain data, so that it can travel to another process and be hashed."""

    setup: dict
    tile: Tile
    layout: Layout  # clipped to the tile


@dataclass(frozen=True)
class Corrected:
    """Mask polygons of a window and its halo, the level set they were traced from, and the tiles' cost."""

    mask: Layout
    field: np.ndarray
    tiling: Tiling
    cost: Cost


def tiling_of(setup: Setup, window_nm: tuple[float, float, float, float]) -> Tiling:
    """The tiles a setup cuts a window into, on the last stage's pixels."""
    pixels = [stage.pixel_nm for stage in setup.recipe.stages]
    multiple = round(max(pixels) / pixels[-1])
    return split(window_nm, pixels[-1], setup.tiles.core_nm, setup.tiles.halo_nm, multiple)


def correct(
    layout: Layout,
    window_nm: tuple[float, float, float, float],
    setup: Setup,
    spread: Callable[[Callable, Iterable[TileTask]], Iterator] = map,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Corrected:
    """Correct a window of a layout, which must reach the tiles' halo beyond it.

    `spread(function, tasks)` maps over the tiles in order (`map`, or one of `scale`).
    """
    if isinstance(setup.process.mask, AlternatingPSM):
        raise ConfigError("correct finds one layer of polygons: take a binary or an attenuated mask, not altpsm")
    setup = replace(setup, process=anchored(setup.process))
    tiling = tiling_of(setup, window_nm)
    data, tiles = dump(setup), tiling.tiles
    tasks = [TileTask(data, tile, clipped(layout, tile.grid.window_nm)) for tile in tiles]
    fields, costs = [], []
    progress("tiles", 0, len(tiles))
    for field, cost in spread(solve_tile, tasks):
        fields.append(field)
        costs.append(cost)
        progress("tiles", len(fields), len(tiles))
    whole = stitch(tiling, fields, round(BLEND_NM / tiling.pixel_nm))
    limits, bias = setup.limits, setup.process.mask.bias_nm
    dbu_nm = min(layout.dbu_nm, limits.grid_nm)  # a mask may be written on a finer grid than the layout
    # What was found is the transmitting mask; what is handed out is drawn, before the mask shop's bias.
    unit, step = (FINE_NM, FINE_NM) if bias else (dbu_nm, limits.grid_nm)
    mask = trace(whole, tiling.whole, unit, mask_grid_nm=step, min_area_nm2=limits.area_nm2)
    if bias:
        mask = snapped(sized(mask, -bias), limits.grid_nm, dbu_nm)
    total = Cost(*(sum(getattr(c, name) for c in costs) for name in ("cpu_s", "wall_s", "compile_s")))
    return Corrected(mask, whole, tiling, total)


def solve_tile(task: TileTask) -> tuple[np.ndarray, Cost]:
    """The level set [y, x] of one tile, and what it cost."""
    clock = Clock()
    grid = task.tile.grid
    # Every tile is solved in the same frame: a grid's origin is part of what a compilation depends on.
    imaging, setup = _prepared(_Hashed(task.setup), grid.shape, grid.pitch_nm)
    found = gauges(task.layout, grid.window_nm, setup.recipe.edge_step_nm, corner_nm=corner_distance_nm(setup.process))
    sites = np.stack([found.x_nm, found.y_nm], 1) - np.array(grid.origin_nm)
    field, _ = solve(imaging, coverage(task.layout, grid), sites, setup.recipe)
    return field, clock.cost()


class _Hashed(dict):
    """Plain setup data as a cache key."""

    def __hash__(self):  # type: ignore[override]
        return hash(repr(self))


@lru_cache(2)
def _prepared(data: _Hashed, shape: tuple[int, int], pitch_nm: float) -> tuple[Imaging, Setup]:
    setup = build(Setup, dict(data), "tile")
    return prepare(setup.process, Grid(shape, pitch_nm), leading=setup.recipe.leading), setup
