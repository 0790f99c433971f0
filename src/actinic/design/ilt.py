"""Inverse lithography: the mask as a smooth level set, moved until the process window prints the target.

A field theta on mask pixels, blurred so that its contours are smooth, opens the mask where it is positive.
The loss counts area: where the nominal print misses the target, where the corners' prints disagree, and
how far the image at the target's edges is from the threshold. Stages go from soft to hard, coarse to fine;
the last ones hold what the mask rules changed, so that the rest of the mask makes up for it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from ..errors import NumericalError
from ..forward import Imaging, Part
from ..inverse import Adam, Outcome, Result, minimise
from ..optics import band
from ..types import Grid, Scalar, leaf

SITES_PER_BATCH = 512
# Prints farther from where the mask may open are not looked at.
PRINTED_NM = 64.0

Weight = Annotated[Scalar, Field(ge=0)]
Positive = Annotated[Scalar, Field(gt=0)]


class Stage(eqx.Module):
    """One stretch of the descent; the steepnesses harden mask and print.

    In a `sharp` stage a pixel holds the area that the polygon will have in it, whatever the field's slope:
    contours move and hardly any new one opens. A `ruled` stage begins with the mask repaired to its rules, and
    what the repair changed is held (see `Recipe.rules`).
    """

    pixel_nm: Annotated[float, Field(gt=0, le=200, json_schema_extra={"unit": "nm"})] = eqx.field(static=True)
    steps: Annotated[int, Field(gt=0, le=10000)] = eqx.field(static=True)
    step: Positive = leaf()
    mask_steepness: Positive = leaf()
    print_steepness: Positive = leaf()
    sharp: bool = eqx.field(static=True, default=False)
    ruled: bool = eqx.field(static=True, default=False)


class Recipe(eqx.Module):
    """What is wanted of a mask and how it is sought.

    Weights are per nm^2 of wrong area; `edge` is the cost in nm^2 per nm of edge and per share
    `edge_tolerance` by which its image is off the threshold, quadratic within the first and linear beyond, or
    where `edge_saturates` at most `edge` per nm. `limit` costs the same per share of `edge_tolerance` by which the
    image is on the wrong side of the threshold `limit_nm` before and behind an edge, so nothing for an edge that
    prints nearer. `rules` is the cost per nm^2 of undoing what was repaired. `background` is where theta starts
    outside the target: near 0 lets assist features grow. Prints are compared on pixels of `print_pixel_nm`, by
    default the mask's. `leading` systems are imaged at every step, the rest once in `refresh` steps.
    """

    stages: tuple[Stage, ...]
    area: Weight = leaf(default=1.0)
    band: Weight = leaf(default=1.0)
    edge: Weight = leaf(default=0.0)
    edge_tolerance: Positive = leaf(default=0.05)
    edge_saturates: bool = eqx.field(static=True, default=False)
    limit: Weight = leaf(default=0.0)
    limit_nm: Annotated[float, Field(gt=0, json_schema_extra={"unit": "nm"})] = eqx.field(static=True, default=10.0)
    rules: Weight = leaf(default=10.0)
    edge_step_nm: Annotated[float, Field(gt=0)] = eqx.field(static=True, default=20.0)
    blur_nm: Annotated[float, Field(ge=0)] = eqx.field(static=True, default=10.0)
    background: Scalar = leaf(default=-0.5)
    print_pixel_nm: Annotated[float, Field(gt=0, le=200, json_schema_extra={"unit": "nm"})] | None = eqx.field(
        static=True, default=None
    )
    leading: Annotated[int, Field(gt=0)] = eqx.field(static=True, default=32)
    refresh: Annotated[int, Field(gt=0)] = eqx.field(static=True, default=20)
    floor: Positive = leaf(default=1e-3)

    def __check_init__(self):
        if not self.stages:
            raise ValueError("stages: give at least one")

    @property
    def finest_nm(self) -> float:
        """The pixel that divides all others."""
        return min(self.stages[-1].pixel_nm, self.print_pixel_nm or np.inf)


class Held(eqx.Module):
    """What a repair changed: its share of each pixel, and the coverage [y, x] that it left."""

    share: jax.Array
    coverage: jax.Array


class Goal(eqx.Module):
    """Everything the loss needs beside theta. A new stage changes only numbers, so nothing compiles anew."""

    imaging: Imaging  # on the pixels of the print, as far as prints are compared
    grid: Grid = eqx.field(static=True)  # the mask's pixels
    target: jax.Array  # wanted area fraction [y, x] of the print
    free: jax.Array  # bool [y, x]: where the mask may open
    held: Held
    # Interpolation rows, y and x, from samples to the sites: on the edges, before and behind them.
    sites: tuple[tuple[jax.Array, jax.Array], ...]
    real: jax.Array  # 1 for a site, 0 for the rows of zeros that make room
    rest: jax.Array  # image of the systems that are not leading
    stage: Stage
    recipe: Recipe


def level_set(theta, recipe: Recipe, grid: Grid):
    """The field [y, x] whose positive part is the mask: theta blurred, so that contours are smooth."""
    return band.blurred(theta, grid.period_nm, recipe.blur_nm) if recipe.blur_nm else theta


def opened(theta, recipe: Recipe, stage: Stage, grid: Grid):
    """Coverage [y, x] of the mask that theta stands for."""
    field = level_set(theta, recipe, grid)
    if not stage.sharp:
        return jax.nn.sigmoid(stage.mask_steepness * field)
    # Distance to the contour in pixels, then the share of the pixel behind it: a ramp of two pixels, whose
    # samples keep an edge's position exactly wherever it cuts them.
    padded = jnp.pad(field, 1, mode="edge")
    slope2 = (padded[2:, 1:-1] - padded[:-2, 1:-1]) ** 2 + (padded[1:-1, 2:] - padded[1:-1, :-2]) ** 2
    away = jnp.clip(2 * field / jnp.sqrt(slope2 + 1e-4), -1, 1)
    return 0.5 + away - 0.5 * away * jnp.abs(away)


def covered(theta, goal: Goal):
    """Coverage [y, x] of the mask that theta stands for, where it may open."""
    return jnp.where(goal.free, opened(theta, goal.recipe, goal.stage, goal.grid), 0.0)


def loss(theta, goal: Goal):
    """Weighted wrong area in nm^2 (see Recipe)."""
    imaging, recipe = goal.imaging, goal.recipe
    threshold, pixel = imaging.process.resist.threshold, imaging.grid.pitch_nm
    mask = covered(theta, goal)
    samples, nominal, low, high = imaging.envelope(mask, goal.rest)
    sign = 1 if imaging.process.printed_above else -1
    nominal, high, low = (
        jax.nn.sigmoid(sign * goal.stage.print_steepness * (image - threshold)) for image in (nominal, high, low)
    )
    missed = jnp.sum((nominal - goal.target) ** 2)
    spread = jnp.sum(jnp.sqrt((high - low) ** 2 + 1e-4))
    on, inside, outside = ((jnp.sum((uy @ samples) * ux, 1) / threshold - 1) for uy, ux in goal.sites)
    off = (on / recipe.edge_tolerance) ** 2
    # Linear far out: an edge that is far off keeps its pull, and no edge is given up for lost.
    edges = off / (1 + off) if recipe.edge_saturates else jnp.sqrt(1 + off) - 1
    beyond = (jax.nn.relu(-sign * inside) + jax.nn.relu(sign * outside)) / recipe.edge_tolerance
    edges = recipe.edge_step_nm * jnp.sum(goal.real * (recipe.edge * edges + recipe.limit * beyond))
    undone = goal.grid.pitch_nm**2 * jnp.sum(goal.held.share * (mask - goal.held.coverage) ** 2)
    return pixel**2 * (recipe.area * missed + recipe.band * spread) + edges + recipe.rules * undone


def solve(
    imaging: Imaging,
    target: np.ndarray,
    sites_nm: np.ndarray,
    recipe: Recipe,
    free: np.ndarray | None = None,
    repair: Callable[[np.ndarray, Grid], Held] | None = None,
    progress: Callable[[int, Outcome], None] = lambda stage, outcome: None,
) -> tuple[np.ndarray, Grid]:
    """Find the level set [y, x] float32 whose positive part is the mask, on the last stage's pixels.

    `target` is the wanted area fraction [y, x] on the imaging's own grid, which every pixel of the recipe must be
    a multiple of; `sites_nm` (n, 4) are points on straight edges and the outward normals there; `free` where the
    mask may open; `repair(field, grid)` says what the mask rules change of a level set's mask, for ruled stages.
    Returns the blurred field and its grid. Raises NumericalError when the descent diverges.
    """
    theta = None
    free = np.ones(imaging.grid.shape, bool) if free is None else free
    goal = first_goal(imaging, target, sites_nm, recipe, free)
    for number, stage in enumerate(recipe.stages):
        goal = at_stage(goal, number, target, free)
        wanted = jnp.asarray(block_mean(target, goal.grid), jnp.float32)
        theta = begin(recipe, wanted) if theta is None else refined(theta, goal.grid)
        if stage.ruled and repair is not None:
            goal = replace(
                goal, held=joined(goal.held, repair(np.asarray(level_set(theta, recipe, goal.grid)), goal.grid))
            )
        state = None
        for _ in range(0, stage.steps, recipe.refresh):
            goal = replace(goal, rest=_rest(theta, goal))
            outcome = descend(theta, goal, number, state)
            theta, state = outcome.value, outcome.state
        progress(number, outcome)
    return np.asarray(level_set(theta, recipe, goal.grid)), goal.grid


def joined(before: Held, now: Held) -> Held:
    """What two repairs changed, the later one with the last word."""
    return Held(jnp.maximum(before.share, now.share), now.coverage)


def begin(recipe: Recipe, wanted):
    """Where theta [y, x] starts, from the wanted area fraction on the first stage's pixels."""
    return recipe.background + (1 - recipe.background) * wanted


def refined(theta, grid: Grid):
    """Theta [y, x] on the pixels of the next stage."""
    return theta if theta.shape == grid.shape else jax.image.resize(theta, grid.shape, "cubic")


def at_stage(goal: Goal, number: int, target: np.ndarray, free: np.ndarray | None = None) -> Goal:
    """The goal on a stage's pixels; `target` and `free` are on the finest ones. What is held stays on equal pixels."""
    stage, fine = goal.recipe.stages[number], goal.imaging.grid.with_pitch(goal.recipe.finest_nm)
    grid = fine.with_pitch(stage.pixel_nm)
    prints = fine.with_pitch(goal.recipe.print_pixel_nm or stage.pixel_nm)
    free = np.ones(fine.shape, bool) if free is None else free
    part = _around(block_mean(free, prints) > 0, PRINTED_NM / prints.pitch_nm)
    wanted = jnp.asarray(block_mean(target, prints)[tuple(slice(*ends) for ends in part)], jnp.float32)
    may_open = jnp.asarray(block_mean(free, grid) == 1)
    held = goal.held if goal.held.share.shape == grid.shape else nothing_held(grid)
    imaging = replace(goal.imaging, grid=prints, part=part)
    return replace(goal, imaging=imaging, grid=grid, target=wanted, free=may_open, held=held, stage=stage)


def _around(wanted: np.ndarray, margin: float) -> Part:
    """The rows and columns of a bool [y, x] with something in them, and a margin."""
    found = []
    for axis, n in zip((1, 0), wanted.shape, strict=True):
        at = np.flatnonzero(wanted.any(axis))
        found.append((max(0, int(at[0] - margin)), min(n, int(at[-1] + margin) + 1)))
    return found[0], found[1]


def nothing_held(grid: Grid) -> Held:
    """A mask that no rule has touched."""
    return Held(jnp.zeros(grid.shape, jnp.float32), jnp.zeros(grid.shape, jnp.float32))


def descend(theta, goal: Goal, number: int, state=None) -> Outcome:
    """Go down for as many steps as the deferred image `goal.rest` holds; NumericalError when that diverges."""
    method = Adam(goal.stage.step, goal.recipe.floor)
    outcome = minimise(loss, theta, goal, method=method, steps=goal.recipe.refresh, state=state)
    if outcome.result is Result.NOT_FINITE:
        raise NumericalError(f"ILT stage {number + 1}: {outcome.result.value}; lower its step")
    return outcome


def first_goal(
    imaging: Imaging, target: np.ndarray, sites_nm: np.ndarray, recipe: Recipe, free: np.ndarray, room: int = 0
) -> Goal:
    """What the first stage would start from, were its pixels those of the imaging's grid.

    Room for at least so many sites is made, so that one compilation serves many tiles.
    """
    fine = imaging.grid
    # Rows of zeros fill the sites up to a round number; they cost nothing.
    spare = -len(sites_nm) % SITES_PER_BATCH if room < len(sites_nm) else room - len(sites_nm)
    shape = imaging.process.resist.shape(imaging.shape, fine.period_nm)
    on, out = sites_nm[:, :2] - fine.origin_nm, recipe.limit_nm * sites_nm[:, 2:]
    sites = tuple(
        tuple(
            jnp.asarray(np.pad(band.interpolation(n, at / period), ((0, spare), (0, 0))), jnp.float32)
            for n, at, period in zip(shape, places.T[::-1], fine.period_nm, strict=True)
        )
        for places in (on, on - out, on + out)
    )
    real = jnp.asarray(np.arange(len(sites_nm) + spare) < len(sites_nm), jnp.float32)
    rest = jnp.zeros((len(imaging.systems), *imaging.shape), jnp.float32)
    wanted, may_open = jnp.asarray(target, jnp.float32), jnp.asarray(free == 1)
    return Goal(imaging, fine, wanted, may_open, nothing_held(fine), sites, real, rest, recipe.stages[0], recipe)


@eqx.filter_jit
def _rest(theta, goal: Goal):
    return goal.imaging.tail_image(covered(theta, goal))


def block_mean(values: np.ndarray, grid: Grid) -> np.ndarray:
    """Samples [y, x] averaged onto the coarser pixels of a grid of the same tile."""
    ny, nx = grid.shape
    return values.reshape(ny, values.shape[0] // ny, nx, values.shape[1] // nx).mean((1, 3))
