"""ILT on generated layouts: masks print their target, tiles agree with one piece, the loss is the one stated."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from actinic import design, layout, scale
from actinic.design import ilt
from actinic.errors import ConfigError, NumericalError
from actinic.forward import anchored, prepare
from actinic.jobs import load_setup
from actinic.metrology import gauges, rule_violations
from actinic.types import Grid

WINDOW = (0.0, 0.0, 2000.0, 1600.0)


@pytest.fixture(scope="module")
def setup():
    """krf-dry with some of the recipe's stages only, and small tiles."""
    full = load_setup("krf-dry")
    recipe = replace(full.recipe, stages=full.recipe.stages[1:2] + full.recipe.stages[3:])
    return replace(full, process=anchored(full.process), recipe=recipe, tiles=design.Tiles(2000.0, 800.0))


@pytest.fixture(scope="module")
def drawn():
    return layout.manhattan(5, (-2000.0, -2000.0, 4000.0, 3600.0), 170, 170)


@pytest.fixture(scope="module")
def corrected(setup, drawn):
    return design.correct(drawn, WINDOW, setup)


def test_corrected_mask_prints_the_target(setup, drawn, corrected):
    before, after = design.verify(drawn, [drawn, corrected.mask], setup.process, WINDOW, halo_nm=800.0)
    assert before.summary.n == after.summary.n > 300
    assert after.summary.failures == after.summary.line_end_failures == 0
    assert after.summary.mean_abs_nm < before.summary.mean_abs_nm / 6
    assert after.summary.mean_abs_nm < 1.5


def test_verification_does_not_depend_on_its_sampling(setup, drawn, corrected):
    coarse, fine = (
        design.verify(drawn, [corrected.mask], setup.process, WINDOW, halo_nm=800.0, pitch_nm=pitch)[0]
        for pitch in (10.0, 5.0)
    )
    assert np.abs(coarse.epe_nm - fine.epe_nm).max() < 0.1
    assert coarse.pv_band_nm == pytest.approx(fine.pv_band_nm, abs=0.05)


def test_polygons_are_the_level_set(setup, corrected):
    field, grid = corrected.field, corrected.tiling.whole
    covered = layout.coverage(corrected.mask, grid)
    # Pieces below the smallest area are left out of the polygons, nothing is added.
    assert (covered[field < -0.3] > 0.5).sum() == 0
    assert (covered[field > 0.3] > 0.5).mean() > 0.99
    for ring in corrected.mask.contours:
        assert ring.dtype == np.int64


def test_dark_field_corrects_too(setup, drawn):
    # Lines of absorber: the same layer drawn dark.
    process = replace(load_setup("krf-dry", ["process.mask.drawn='dark'"]).process)
    dark, window = replace(setup, process=anchored(process)), (0.0, 0.0, 1000.0, 800.0)
    found = design.correct(drawn, window, dark)
    before, after = design.verify(drawn, [drawn, found.mask], dark.process, window, halo_nm=800.0)
    assert after.summary.mean_abs_nm < before.summary.mean_abs_nm / 3
    assert after.summary.failures == 0


def test_tiles_agree_with_one_piece(setup, drawn, corrected):
    tiles = design.correct(drawn, WINDOW, replace(setup, tiles=design.Tiles(1000.0, 800.0)))
    assert (tiles.tiling.count, corrected.tiling.count) == ((2, 2), (1, 1))
    one, many = design.verify(drawn, [corrected.mask, tiles.mask], setup.process, WINDOW, halo_nm=800.0)
    apart = np.abs(one.epe_nm - many.epe_nm)
    seam = (np.abs(one.gauges.x_nm - 1000) < 200) | (np.abs(one.gauges.y_nm - 800) < 200)
    assert seam.sum() > 50
    # Without what the whole mask's image brings, or without what neighbours hand over, 0.3 nm and more.
    assert np.median(apart) < 0.12
    assert np.median(apart[seam]) < 0.12


def test_spawned_workers_give_the_same_mask(setup, drawn):
    window = (0.0, 0.0, 2400.0, 800.0)
    small = replace(setup, tiles=design.Tiles(1200.0, 600.0))
    here = design.correct(drawn, window, small)
    with scale.pool(2) as spread:
        there = design.correct(drawn, window, small, spread)
    assert here.tiling.count == (1, 2)
    # Equal to the bit when all compile alike; code that comes from the compilation cache may round otherwise.
    np.testing.assert_allclose(here.field, there.field, atol=1e-2)


def test_a_step_too_large_is_reported(setup, drawn):
    grid = Grid((80, 80), 20.0)
    imaging = prepare(setup.process, grid, leading=8)
    target = layout.coverage(layout.clipped(drawn, grid.window_nm), grid)
    wild = replace(setup.recipe.stages[0], step=jnp.float32(jnp.inf))
    with pytest.raises(NumericalError, match="stage 1"):
        ilt.solve(imaging, target, np.zeros((0, 4)), replace(setup.recipe, stages=(wild,)))


def test_each_term_of_the_loss_is_what_it_says(setup, drawn):
    grid = Grid((80, 80), 20.0)
    imaging = prepare(setup.process, grid, leading=200)
    wanted = layout.coverage(layout.clipped(drawn, grid.window_nm), grid)
    found = gauges(layout.clipped(drawn, grid.window_nm), grid.window_nm, 20.0, corner_nm=124.0)
    sites = np.stack([found.x_nm, found.y_nm, found.nx, found.ny], 1)
    stage = setup.recipe.stages[0]

    def value(saturates=False, **weights):
        weights = {name: jnp.float32(weights.get(name, 0)) for name in ("area", "band", "edge", "limit", "rules")}
        recipe = replace(setup.recipe, edge_saturates=saturates, limit_nm=12.0, **weights)
        goal = ilt.first_goal(imaging, wanted, sites, recipe, np.ones(grid.shape, bool))
        held = ilt.Held(jnp.zeros(grid.shape).at[5:7, 5].set(0.5), jnp.ones(grid.shape))
        goal = replace(goal, held=held)
        goal = replace(goal, rest=eqx.filter_jit(lambda g, t: g.imaging.tail_image(ilt.covered(t, g)))(goal, theta))
        return float(ilt.loss(theta, goal)), goal

    theta = jnp.asarray(wanted) - 0.4
    area, goal = value(area=1)
    covered = ilt.covered(theta, goal)
    latent = np.asarray(imaging.pixels(imaging.latent(covered)))
    threshold = float(setup.process.resist.threshold)
    prints = 1 / (1 + np.exp(-float(stage.print_steepness) * (latent - threshold)))
    assert area == pytest.approx(400 * np.sum((prints[0] - wanted) ** 2), rel=1e-3)
    band, _ = value(band=1)
    spread = np.sqrt((prints.max(0) - prints.min(0)) ** 2 + 1e-4)
    assert band == pytest.approx(400 * spread.sum(), rel=1e-3)
    edge, _ = value(edge=1)
    at = np.asarray(imaging.points(imaging.latent(covered)[0], sites[:, 0], sites[:, 1]))
    off = (at / threshold - 1) / float(setup.recipe.edge_tolerance)
    assert edge == pytest.approx(20 * np.sum(np.hypot(1, off) - 1), rel=1e-3)
    capped, _ = value(edge=1, saturates=True)
    assert capped == pytest.approx(20 * np.sum(off**2 / (1 + off**2)), rel=1e-3)
    # Clear is drawn: behind an edge it should be bright, before it dark.
    wrong = []
    for side, shift in ((-1, -12.0), (1, 12.0)):
        x, y = sites[:, 0] + shift * sites[:, 2], sites[:, 1] + shift * sites[:, 3]
        beyond = side * (np.asarray(imaging.points(imaging.latent(covered)[0], x, y)) / threshold - 1)
        wrong.append(np.maximum(beyond, 0).sum() / float(setup.recipe.edge_tolerance))
    limit, _ = value(limit=1)
    assert min(wrong) > 0
    assert limit == pytest.approx(20 * sum(wrong), rel=1e-3)
    rules, _ = value(rules=1)
    assert rules == pytest.approx(400 * 0.5 * float(((covered[5:7, 5] - 1) ** 2).sum()), rel=1e-3)
    both, _ = value(area=1, band=1, edge=1, limit=1, rules=1)
    assert both == pytest.approx(area + band + edge + limit + rules, rel=1e-5)


def test_vertices_stand_on_the_mask_grid(corrected):
    fine = design.sampled(corrected.field, corrected.tiling.whole, 4)
    traced = design.trace(*fine, 1.0, mask_grid_nm=4.0, min_area_nm2=10_000)
    assert all((ring % 4 == 0).all() for ring in traced.contours)
    assert traced.area_nm2 == pytest.approx(corrected.mask.area_nm2, rel=0.01)
    with pytest.raises(ConfigError, match="grid_nm"):
        design.trace(*fine, 1.0, mask_grid_nm=0.4)


def test_the_written_mask_keeps_its_rules(setup, corrected):
    limits, grid = setup.limits, Grid((480, 560), 5.0, (-400.0, -400.0))
    opened = layout.coverage(corrected.mask, grid) >= 0.5
    found = rule_violations(opened, 5.0, limits.width_nm, limits.space_nm, limits.area_nm2)
    assert found == {"width": 0, "space": 0, "area": 0}


def test_prints_are_compared_where_the_mask_may_open(setup, drawn):
    grid = Grid((80, 80), 20.0)
    imaging = prepare(setup.process, grid, leading=8)
    target = layout.coverage(layout.clipped(drawn, grid.window_nm), grid)
    free = np.zeros(grid.shape, bool)
    free[20:60, 10:40] = True
    recipe = replace(setup.recipe, stages=setup.recipe.stages[-1:])
    goal = ilt.at_stage(ilt.first_goal(imaging, target, np.zeros((0, 4)), recipe, free), 0, target, free)
    y, x = goal.imaging.part
    assert (y, x) == ((16, 63), (6, 43))  # 64 nm are three pixels and a bit
    samples = imaging.aerial(jnp.asarray(target))[0]
    np.testing.assert_allclose(goal.imaging.pixels(samples), imaging.pixels(samples)[16:63, 6:43], atol=2e-6)
    np.testing.assert_array_equal(goal.target, target[16:63, 6:43])
