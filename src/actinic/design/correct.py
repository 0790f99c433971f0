"""Correction of a layout window: tiles solved by ILT, one by one or spread, stitched and traced."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..config import Hashed, build, dump
from ..errors import ConfigError
from ..forward import Imaging, anchored, distinct_focus, prepare, thinned
from ..layout import Layout, clipped, coverage, sized, snapped
from ..mask import FINE_NM, AlternatingPSM, transmitted
from ..metrology import Gauges, gauges
from ..optics import Points, abbe, band
from ..scale import Tiling, split, stitch
from ..timing import Clock, Cost
from ..types import Grid, double
from .ilt import (
    Goal,
    Held,
    Stage,
    at_stage,
    begin,
    block_mean,
    descend,
    first_goal,
    joined,
    level_set,
    opened,
    refined,
)
from .images import scanner_of
from .limits import MaskLimits
from .setup import Setup
from .trace import held, ruled, trace
from .verify import corner_distance_nm

# Neighbouring tiles pass into each other over this length on both sides of a seam, and at most this part of the halo.
BLEND_NM, BLEND = 200.0, 5 / 12
# Spacing of the source points, in sigma, for the image of the whole window.
WHOLE_SPACING = 1 / 30


@dataclass(frozen=True)
class TileTask:
    """One tile on its way down a stage: plain data, so that it can travel to another process and be hashed."""

    setup: dict
    stage: int
    grid: Grid  # the recipe's finest pixels
    wanted: np.ndarray  # area fraction [y, x] on them
    sites_nm: np.ndarray  # (n, 4) on edges, from the tile's corner, and their outward normals
    room: int  # most sites that a tile has
    theta: np.ndarray  # [y, x] on the stage's pixels
    memory: object  # the method's, its arrays [y, x] cut to the tile
    held: Held | None  # on the stage's pixels
    around: np.ndarray  # the whole mask's image at the tile's samples (focus, y, x)


@dataclass(frozen=True)
class Corrected:
    """Mask polygons of a window and its halo, the level set they were traced from, and the tiles' cost."""

    mask: Layout
    field: np.ndarray
    tiling: Tiling
    cost: Cost


def tiling_of(setup: Setup, window_nm: tuple[float, float, float, float]) -> Tiling:
    """The tiles a setup cuts a window into, on the recipe's finest pixels."""
    finest, coarsest = setup.recipe.finest_nm, max(stage.pixel_nm for stage in setup.recipe.stages)
    return split(window_nm, finest, setup.tiles.core_nm, setup.tiles.halo_nm, round(coarsest / finest))


def correct(
    layout: Layout,
    window_nm: tuple[float, float, float, float],
    setup: Setup,
    spread: Callable[[Callable, Iterable[TileTask]], Iterator] = map,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Corrected:
    """Correct a window of a layout, which must reach the tiles' halo beyond it.

    Tiles go down together: for `recipe.refresh` steps each on its own with its leading systems, then their masks
    pass into each other and the image of the whole mask, by Abbe, tells each what its leading systems leave out and
    what lies beyond its halo. So a window comes out alike in one piece and in many.

    `spread(function, tasks)` maps over the tiles in order (`map`, or one of `scale`).
    """
    if isinstance(setup.process.mask, AlternatingPSM):
        raise ConfigError("correct finds one layer of polygons: take a binary or an attenuated mask, not altpsm")
    setup = replace(setup, process=anchored(setup.process))
    recipe, finest = setup.recipe, tiling_of(setup, window_nm)
    data, whole = dump(setup), finest.whole
    wanted = coverage(clipped(layout, whole.window_nm), whole)
    found = gauges(layout, whole.window_nm, recipe.edge_step_nm, corner_nm=corner_distance_nm(setup.process))
    sites = [_sites(found, tile.grid) for tile in finest.tiles]
    room = max(map(len, sites))
    rounds = sum(-(-stage.steps // recipe.refresh) for stage in recipe.stages)
    costs, theta, kept = [], None, None
    rules = open_limits(setup)
    progress("tiles", 0, rounds * len(sites))
    for number, stage in enumerate(recipe.stages):
        tiling = finest.with_pixel(stage.pixel_nm)
        target = block_mean(wanted, tiling.whole)
        theta = begin(recipe, target) if theta is None else np.asarray(refined(theta, tiling.whole))
        memory = None
        if kept is not None and kept.share.shape != tiling.whole.shape:
            kept = None
        if stage.ruled:
            now = held(np.asarray(level_set(jnp.asarray(theta), recipe, tiling.whole)), tiling.whole, rules)
            kept = now if kept is None else jax.tree.map(np.asarray, joined(kept, now))
        for _ in range(0, stage.steps, recipe.refresh):
            image = _whole_image(setup, stage, theta, tiling.whole)
            tasks = [
                TileTask(
                    data,
                    number,
                    tile.grid,
                    wanted[finest.reach(n)],
                    sites[n],
                    room,
                    theta[tiling.reach(n)],
                    _cut(memory, tiling, n),
                    _cut(kept, tiling, n),
                    _seen_by(image, tiling.whole, tile.grid, setup),
                )
                for n, tile in enumerate(finest.tiles)
            ]
            moved = []
            for result, cost in spread(advance, tasks):
                moved.append(result)
                costs.append(cost)
                progress("tiles", len(costs), rounds * len(sites))
            theta, memory = _joined(moved, tiling)
    whole_field = np.asarray(level_set(jnp.asarray(theta), recipe, tiling.whole))
    fine, on = ruled(whole_field, tiling.whole, rules)
    limits, bias = setup.limits, setup.process.mask.bias_nm
    dbu_nm = min(layout.dbu_nm, limits.grid_nm)  # a mask may be written on a finer grid than the layout
    # What was found is the transmitting mask; what is handed out is drawn, before the mask shop's bias.
    unit, step = (FINE_NM, FINE_NM) if bias else (dbu_nm, limits.grid_nm)
    mask = trace(fine, on, unit, mask_grid_nm=step)
    if bias:
        mask = snapped(sized(mask, -bias), limits.grid_nm, dbu_nm)
    total = Cost(*(sum(getattr(c, name) for c in costs) for name in ("cpu_s", "wall_s", "compile_s")))
    return Corrected(mask, whole_field, tiling, total)


def open_limits(setup: Setup) -> MaskLimits:
    """The limits as those of what the polygons cover, be that the openings or the absorber."""
    limits = setup.limits
    if setup.process.mask.drawn == "clear":
        return limits
    return replace(limits, width_nm=limits.space_nm, space_nm=limits.width_nm)


def advance(task: TileTask) -> tuple[tuple[np.ndarray, object], Cost]:
    """Theta [y, x] of one tile and the method's memory after one refresh, and what it cost."""
    clock = Clock()
    # Every tile is solved in the same frame: a grid's origin is part of what a compilation depends on.
    imaging, setup = _prepared(Hashed(task.setup), task.grid.shape, task.grid.pitch_nm)
    free = np.ones(task.grid.shape, bool)
    goal = at_stage(
        first_goal(imaging, task.wanted, task.sites_nm, setup.recipe, free, task.room), task.stage, task.wanted
    )
    if task.held is not None:
        goal = replace(goal, held=jax.tree.map(jnp.asarray, task.held))
    theta = jnp.asarray(task.theta)
    goal = replace(goal, rest=_rest(theta, goal, jnp.asarray(task.around), jnp.asarray(_taper(imaging, setup))))
    outcome = descend(theta, goal, task.stage, jax.tree.map(jnp.asarray, task.memory))
    return jax.tree.map(np.asarray, (outcome.value, outcome.state)), clock.cost()


def _sites(found: Gauges, grid: Grid) -> np.ndarray:
    """Gauges (n, 4) on a tile, from its corner, and their outward normals."""
    x0, y0, x1, y1 = grid.window_nm
    here = (found.x_nm > x0) & (found.x_nm < x1) & (found.y_nm > y0) & (found.y_nm < y1)
    return np.stack([found.x_nm - x0, found.y_nm - y0, found.nx, found.ny], 1)[here]


def _whole_image(setup: Setup, stage: Stage, theta: np.ndarray, grid: Grid) -> np.ndarray:
    """Intensity of the whole mask at dose 1, samples (focus, y, x), by Abbe."""
    process, scanner = setup.process, scanner_of(setup.process)
    _, focuses = distinct_focus(process)
    alike = (1 / (WHOLE_SPACING * scanner.na_over_lambda),) * 2
    machine = replace(scanner, source=Points(*scanner.source_points(alike)))
    orders = scanner.orders(grid.period_nm, machine.source.sigma)
    covered = np.asarray(opened(jnp.asarray(theta), setup.recipe, stage, grid))
    spectrum = transmitted(double(thinned(process).mask), band.mask_spectrum(covered.astype(float), orders)[None])
    return np.stack([abbe.aerial(machine, spectrum, grid, focus, process.film) for focus in focuses])


def _seen_by(image: np.ndarray, whole: Grid, tile: Grid, setup: Setup) -> np.ndarray:
    """The whole image at the samples of a tile, float32."""
    shape = band.image_shape(tile.period_nm, scanner_of(setup.process).na_over_lambda)
    rows, columns = (
        band.interpolation(
            image.shape[axis + 1],
            (
                tile.origin_nm[1 - axis]
                - whole.origin_nm[1 - axis]
                + np.arange(shape[axis]) * tile.period_nm[axis] / shape[axis]
            )
            / whole.period_nm[axis],
        )
        for axis in (0, 1)
    )
    return (rows @ image @ columns.T).astype(np.float32)


def _taper(imaging: Imaging, setup: Setup) -> np.ndarray:
    """How far the whole image counts at a tile's samples: fully in the core and near it, not at its rim.

    A tile is periodic and the whole image cut to it is not, so at the rim its samples stand for nothing.
    """
    sides = []
    for n, extent in zip(imaging.shape, imaging.grid.period_nm, strict=True):
        at = np.arange(n) * extent / n
        inside = np.clip(np.minimum(at, extent - at) / (2 / 3 * setup.tiles.halo_nm), 0, 1)
        sides.append(inside**2 * (3 - 2 * inside))
    return np.outer(*sides).astype(np.float32)


@eqx.filter_jit
def _rest(theta, goal: Goal, around, taper):
    covered = opened(theta, goal.recipe, goal.stage, goal.imaging.grid)
    tail = goal.imaging.tail_image(covered)
    return tail + taper[None] * (around - goal.imaging.aerial(covered, tail))


def _cut(memory, tiling: Tiling, number: int):
    """A method's memory with its arrays over the whole cut to a tile."""
    shape = tiling.whole.shape
    return jax.tree.map(lambda a: a[tiling.reach(number)] if np.shape(a) == shape else a, memory)


def _joined(moved: list, tiling: Tiling):
    """Theta and the method's memory over the whole, from those of the tiles."""
    shape, blend = (
        tiling.tiles[0].grid.shape,
        round(min(BLEND_NM, BLEND * tiling.halo_px * tiling.pixel_nm) / tiling.pixel_nm),
    )
    return jax.tree.map(lambda *a: stitch(tiling, a, blend) if np.shape(a[0]) == shape else a[0], *moved)


@lru_cache(2)
def _prepared(data: Hashed, shape: tuple[int, int], pitch_nm: float) -> tuple[Imaging, Setup]:
    setup = build(Setup, dict(data), "tile")
    return prepare(setup.process, Grid(shape, pitch_nm), leading=setup.recipe.leading), setup
