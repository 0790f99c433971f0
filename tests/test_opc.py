"""Edge-based correction: closed forms, identities, gradients, mask rules by codes it does not import, convergence."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import ndtr

from actinic import design, jobs, layout
from actinic.config import Hashed, dump
from actinic.design.opc import bounds, image, model, sites, step
from actinic.design.opc import jogs as jogged
from actinic.design.opc.edges import boxes, edges_of, healed
from actinic.design.opc.near import within
from actinic.design.opc.spectrum import polygon_spectrum
from actinic.design.opc.stitch import stitched
from actinic.errors import ConfigError
from actinic.forward import anchored
from actinic.jobs import load_setup
from actinic.layout import Layout, rings
from actinic.metrology import gauges, rule_violations, spline
from actinic.optics import band
from actinic.scale import split
from actinic.types import Grid

WINDOW = (0.0, 0.0, 1600.0, 1200.0)
TILE = Grid((180, 190), 20.0, (-1000.0, -1100.0))
AMBIT = 1000.0


def square(x0, y0, x1, y1):
    return Layout(rings([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]), 1.0)


def edges_from(drawn, jog_nm=0.0):
    return edges_of([healed(ring * drawn.dbu_nm, jog_nm) for ring in drawn.contours])


def coefficients(edges, grid, orders):
    mask, (height, width) = image.vertices(edges, 0.0, grid), grid.period_nm
    return polygon_spectrum(mask.x / width, mask.y / height, mask.sign, orders)


@pytest.fixture(scope="module")
def drawn():
    return layout.manhattan(5, (-2000.0, -2000.0, 4000.0, 3600.0), 170, 170)


@pytest.fixture(scope="module")
def setup():
    full = load_setup("krf-dry")
    return replace(full, process=anchored(full.process), opc=replace(full.opc, ambit_nm=1000.0, context_nm=400.0))


@pytest.fixture(scope="module")
def made(setup):
    """The model on the tile."""
    return model.model_of(Hashed(dump(setup.process)), AMBIT, 24)


def seen(made, setup, found, shift=0.0, fixed=None):
    x0, y0 = TILE.origin_nm
    at = found.x_nm + shift * found.nx - x0, found.y_nm + shift * found.ny - y0, found.nx, found.ny
    imaging = made.imaging(setup.process, Grid(TILE.shape, TILE.pitch_nm))
    return image.view(imaging, imaging, made.offset, at, fixed)


def test_coefficients_of_a_rectangle_are_sincs():
    (x0, x1), (y0, y1), period = (130.0, 470.0), (200.0, 390.0), 1000.0
    grid = Grid((10, 10), 100.0)
    found = coefficients(edges_from(square(130, 200, 470, 390)), grid, (4, 6))
    fy, fx = band.frequencies((period, period), (4, 6))
    expected = 1.0
    for f, a, b in ((fx, x0, x1), (fy, y0, y1)):
        expected = expected * (b - a) / period * np.sinc(f * (b - a)) * np.exp(-1j * np.pi * f * (a + b))
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_coefficients_are_those_of_the_raster(drawn):
    # Polygons with holes and jogs, cut by the tile's border; the raster folds its highest frequencies back.
    fine = TILE.with_pitch(1.0)
    covered = layout.coverage(layout.clipped(drawn, TILE.window_nm), fine).astype(float)
    orders = (16, 16)
    raster = band.mask_spectrum(covered, orders)
    np.testing.assert_allclose(coefficients(edges_from(drawn), TILE, orders), raster, atol=3e-6)
    mask, (height, width) = image.vertices(edges_from(drawn), 0.0, TILE), TILE.period_nm
    single = [jnp.asarray(v, jnp.float32) for v in (mask.x / width, mask.y / height, mask.sign)]
    found = polygon_spectrum(*single, orders)
    np.testing.assert_allclose(found, raster, atol=1e-5)


def test_derivative_of_the_coefficients_is_the_difference():
    x, y = jnp.asarray([0.1, 0.4, 0.4, 0.1]), jnp.asarray([0.2, 0.2, 0.7, 0.7])
    sign, wave = jnp.asarray([1.0, -1.0, 1.0, -1.0]), np.cos(np.arange(35)).reshape(5, 7)

    def figure(x, y, xp=jnp):
        found = polygon_spectrum(x, y, xp.asarray(sign), (2, 3))
        return (found.real * wave.astype(found.real.dtype)).sum() + found.imag.sum()

    gradient = jax.grad(figure, (0, 1))(x, y)
    exact = [np.asarray(v, float) for v in (x, y)]
    for axis in (0, 1):
        for k in range(4):
            ends = [[v.copy() for v in exact] for _ in (0, 1)]
            ends[0][axis][k] += 1e-6
            ends[1][axis][k] -= 1e-6
            difference = (figure(*ends[0], np) - figure(*ends[1], np)) / 2e-6
            assert gradient[axis][k] == pytest.approx(difference, abs=2e-5)


def test_edges_that_have_not_moved_are_the_layout(drawn):
    edges = edges_from(drawn)
    again = edges.layout(1.0, 1.0)
    assert not layout.boolean(drawn, again, "xor").contours
    assert (edges.length_nm > 0).all()
    # Outward: what moves outwards grows.
    assert edges.at(edges.position_nm + 3 * edges.outward).layout(1.0, 1.0).area_nm2 > drawn.area_nm2
    np.testing.assert_array_equal(edges.before[edges.after], np.arange(len(edges)))


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        # A step of 5 in an edge of 100 + 300 goes to its mean, weighted by length.
        (
            [(0, 0), (400, 0), (400, 205), (300, 205), (300, 200), (0, 200)],
            [(0, 0), (400, 0), (400, 201.25), (0, 201.25)],
        ),
        # A finger 10 wide, and a notch: cut off at their feet.
        (
            [(0, 0), (400, 0), (400, 200), (210, 200), (210, 260), (200, 260), (200, 200), (0, 200)],
            [(0, 0), (400, 0), (400, 200), (0, 200)],
        ),
        (
            [(0, 0), (400, 0), (400, 200), (210, 200), (210, 100), (200, 100), (200, 200), (0, 200)],
            [(0, 0), (400, 0), (400, 200), (0, 200)],
        ),
        # Nothing is short here, nor can a rectangle lose an edge.
        ([(0, 0), (30, 0), (30, 300), (0, 300)], [(0, 0), (30, 0), (30, 300), (0, 300)]),
        ([(0, 0), (10, 0), (10, 300), (0, 300)], [(0, 0), (10, 0), (10, 300), (0, 300)]),
    ],
)
def test_short_edges_are_healed(ring, expected):
    found = healed(np.array(ring, float), 20.0)
    start = int(np.flatnonzero((found == expected[0]).all(axis=1))[0])
    np.testing.assert_allclose(np.roll(found, -start, axis=0), expected)


def test_answers_are_differences_of_images(setup, drawn, made):
    edges = edges_from(drawn, 20.0)
    found = sites.sites_of(drawn, WINDOW, 60.0, 120.0)
    near = np.flatnonzero(((boxes(edges)[:, 2:] > (200, 200)) & (boxes(edges)[:, :2] < (1200, 800))).all(axis=1))
    box = np.clip(boxes(edges)[near], -700, 2200)
    view = seen(made, setup, found)

    def at(edges):
        return image.printed(view, image.vertices(edges, 0.0, TILE), len(found))[0]

    def answer(part):
        pairs = within(box[part], np.stack([found.x_nm, found.y_nm] * 2, axis=1), 300.0)
        return image.answers(view, image.vertices(edges, 0.0, TILE), near[part], box[part], pairs, 300.0)

    together = answer(slice(None))
    assert len(together.edge) > 200 and len(set(together.edge)) > 10
    steepest = np.abs(together.derivative).max()
    for k in range(0, len(near), len(near) // 6):
        edge, moved = near[k], np.zeros(len(edges))
        moved[edge] = 2.0
        high, low = (at(edges.at(edges.position_nm + sign * moved)) for sign in (1, -1))
        alone = answer(slice(k, k + 1))
        difference = (high - low) / 4
        np.testing.assert_allclose(alone.derivative, difference[alone.site], atol=3e-3 * steepest)
        # Together with the others of its group it differs by what they do beyond the reach.
        here = together.edge == edge
        np.testing.assert_allclose(together.derivative[here], difference[together.site[here]], atol=2e-4)


def test_slopes_are_differences_along_the_normals(setup, drawn, made):
    found = sites.sites_of(drawn, WINDOW, 60.0, 120.0)
    mask = image.vertices(edges_from(drawn), 0.0, TILE)

    def value(shift):
        return image.printed(seen(made, setup, found, shift), mask, len(found))

    difference = (value(1.0)[0] - value(-1.0)[0]) / 2
    np.testing.assert_allclose(value(0.0)[1], difference, atol=3e-6)
    assert np.median(difference) < -2e-3  # clear lines: darker outside


def test_the_image_does_not_know_the_tile(setup, drawn, made):
    """What a point prints depends on the mask within the ambit: not on the tile, nor on what lies beyond."""
    found = sites.sites_of(drawn, WINDOW, 60.0, 120.0)
    other = Grid((201, 183), 20.0, (-1013.0, -1027.0))
    far = layout.boolean(drawn, square(-2000, -2000, -1001, 3600), "not")  # nothing there, AMBIT from the window
    values = []
    for grid, mask in ((TILE, drawn), (other, drawn), (other, far)):
        x0, y0 = grid.origin_nm
        at = found.x_nm - x0, found.y_nm - y0, found.nx, found.ny
        imaging = made.imaging(setup.process, Grid(grid.shape, grid.pitch_nm))
        view = image.view(imaging, imaging, made.offset, at, None)
        values.append(image.printed(view, image.vertices(edges_from(mask), 0.0, grid), len(found))[0])
    np.testing.assert_allclose(values[1], values[0], atol=3e-5)
    np.testing.assert_allclose(values[2], values[1], atol=3e-5)


def test_the_image_is_that_of_abbe(setup, drawn, made):
    found = sites.sites_of(drawn, WINDOW, 60.0, 120.0)
    value, _ = image.printed(seen(made, setup, found), image.vertices(edges_from(drawn), 0.0, TILE), len(found))
    (verified,) = design.verify(drawn, [drawn], setup.process, WINDOW, halo_nm=1200.0, pitch_nm=10.0)
    reference_image = spline(verified.latent.values, verified.latent.grid)
    reference = reference_image(found.x_nm, found.y_nm)
    inside = (np.abs(found.x_nm - 800) < 780) & (np.abs(found.y_nm - 600) < 580)
    apart = (value - reference)[inside]
    assert abs(apart.mean()) < 1.5e-3 and np.sqrt(np.mean(apart**2)) < 2.5e-3
    assert made.rms < 3e-3 and 0 < made.offset < 5e-3
    slope = abs(reference_image.slope(found.x_nm, found.y_nm, found.nx, found.ny))[inside]
    assert made.slope_per_nm == pytest.approx(np.median(slope), rel=0.3)


def test_a_constrained_step_is_the_minimum():
    # Two variables pulled together against a least distance, and one that is free; a third hits its bound.
    a = sparse.csc_matrix(np.diag([1.0, 3.0, 2.0, 1.0]))
    pairs = np.array([0]), np.array([1]), np.array([-4.0])
    low, high = np.full(4, -10.0), np.full(4, 10.0)
    high[3] = 0.5
    found = step.constrained(a, np.array([5.0, -9.0, 4.0, 3.0]), pairs, low, high)
    # Without the distance 5 and -3; with x1 - x0 >= -4 Lagrange gives 2 and -2.
    np.testing.assert_allclose(found, [2.0, -2.0, 2.0, 0.5], atol=1e-5)
    mended = step.mended(np.array([3.0, -3.0, 0.0, 1.0]), pairs, low, high)
    np.testing.assert_allclose(mended, [2.0, -2.0, 0.0, 0.5], atol=1e-5)
    # Two that cannot be mended stand still, and so does whom that would break.
    chain = np.array([0, 1]), np.array([1, 2]), np.array([0.0, -1.0])
    stuck = step.mended(np.array([2.0, -1.0, -1.5, 3.0]), chain, low, high, rounds=0)
    np.testing.assert_allclose(stuck, [0.0, 0.0, 0.0, 0.5])


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_a_step_is_what_a_dense_solver_finds(seed):
    random = np.random.default_rng(seed)
    n, m = 12, 14
    root = random.normal(size=(n, n)) * 10.0 ** random.uniform(-1, 1, n)
    a, b = root.T @ root + np.diag(random.uniform(0.1, 2, n)), random.normal(0, 200, n)
    i = random.integers(0, n, m)
    j = (i + random.integers(1, n, m)) % n
    # Some distances have room, some lack only their margin.
    least = np.where(random.random(m) < 0.4, 1e-3, -random.uniform(0, 20, m))
    low, high = -random.uniform(0, 15, n), random.uniform(0, 15, n)
    low[0] = high[0] = 0.0
    found = step.constrained(sparse.csc_matrix(a), b, (i, j, least), low, high)
    apart = found[j] - found[i]
    assert found[0] == 0 and (apart > np.minimum(least, 0) - 1e-5).all()
    distances = {"type": "ineq", "fun": lambda x: x[j] - x[i] - np.minimum(least, 0)}
    second = minimize(
        lambda x: (0.5 * x @ a @ x - b @ x) / 1000,
        np.zeros(n),
        jac=lambda x: (a @ x - b) / 1000,
        bounds=np.stack([low, high], axis=1),
        constraints=distances,
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-12},
    ).x
    cost = [0.5 * x @ a @ x - b @ x for x in (found, second)]
    assert cost[0] <= cost[1] + 0.01 * abs(cost[1])


def test_a_broken_distance_gains_what_it_can():
    # Two edges 7 nm too near to each other want to come nearer still; one may move 2 nm, the other 4.
    pairs = np.array([0]), np.array([1]), np.array([7.0])
    low, high = np.array([-2.0, -10.0, -5.0]), np.array([10.0, 4.0, 5.0])
    found = step.constrained(sparse.identity(3).tocsc(), np.array([6.0, -3.0, 1.0]), pairs, low, high)
    np.testing.assert_allclose(found, [-2.0, 4.0, 1.0], atol=1e-5)
    # Where there is room it is mended whole, and shared as the pulls are.
    found = step.constrained(
        sparse.identity(3).tocsc(), np.array([6.0, -3.0, 1.0]), pairs, -10 + 0 * low, 10 + 0 * high
    )
    np.testing.assert_allclose(found, [-2.0, 5.0, 1.0], atol=1e-5)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), strength=st.floats(1.0, 60.0))
def test_rules_hold_whatever_pulls(seed, strength):
    random = np.random.default_rng(seed)
    drawn = layout.manhattan(seed % 997, (0.0, 0.0, 2400.0, 1600.0), 170, 170)
    if not drawn.contours:
        return
    edges = edges_from(drawn, 20.0)
    home = edges.position_nm
    for _ in range(3):
        pieces = [
            jogged.Piece(int(k), 40.0, 120.0, float(random.choice([-20.0, 20.0])))
            for k in random.choice(len(edges), max(1, len(edges) // 5), replace=False)
            if edges.length_nm[k] > 200
        ]
        edges, source, piece = feasible(edges, pieces)
        home = np.where(piece >= 0, edges.position_nm, home[source])
        for _ in range(3):
            i, j, least = bounds.distances(edges, 60.0, 60.0, 20.0, 15.0)
            pairs = i, j, least + 1e-3 - (edges.position_nm[j] - edges.position_nm[i])
            reach = np.full(len(edges), 15.0)
            normal = sparse.diags(random.uniform(1, 200, len(edges))).tocsc()
            pull = normal.diagonal() * random.normal(0, strength, len(edges))
            move = step.constrained(normal, pull, pairs, -reach, reach)
            edges = edges.at(edges.position_nm + step.mended(move, pairs, -reach, reach))
    mask = edges.layout(1.0, 1.0)
    assert not layout.rule_markers(mask, 60, 60, 0, jog_nm=20)
    grid = Grid((500, 660), 4.0, (-120.0, -200.0))
    assert rule_violations(layout.coverage(mask, grid) >= 0.5, 4.0, 60.0, 60.0, 0.0)["width"] == 0


def feasible(edges, pieces):
    """The pieces that break no rule, by trial."""
    while True:
        made, source, piece = jogged.spliced(edges, pieces)
        i, j, least = bounds.distances(made, 60.0, 60.0, 20.0, 0.0)
        bad = made.position_nm[j] - made.position_nm[i] < least - 1e-6
        hit = set(piece[np.concatenate([i[bad], j[bad]])]) - {-1}
        if not hit:
            return made, source, piece
        pieces = [p for number, p in enumerate(pieces) if number not in hit]


PAYS = jogged.Pays(20.0, 60.0, 79.0, 1.1, 300.0)


def test_jogs_come_where_they_pay():
    at = np.arange(10.0, 1000.0, 20.0)
    weight = np.full(at.size, 20.0)
    # A flat error is the whole edge's business; a small one nobody's.
    assert jogged.wanted(0, 1000.0, at, np.full(at.size, 8.0), weight, PAYS) == []
    assert jogged.wanted(0, 1000.0, at, 0.5 * np.sin(at / 50), weight, PAYS) == []
    # What a piece does is taken back by a piece.
    error = 20 * 1.1 * (ndtr((at - 300) / 79) - ndtr((at - 460) / 79))
    (piece,) = jogged.wanted(0, 1000.0, at, error, weight, PAYS)
    assert piece.out_nm == -20.0 and abs(piece.start_nm - 300) <= 20 and abs(piece.end_nm - 460) <= 20
    # From the other end it is the same one.
    (other,) = jogged.wanted(0, 1000.0, 1000 - at, error, weight, PAYS)
    assert (1000 - other.end_nm, 1000 - other.start_nm) == pytest.approx((piece.start_nm, piece.end_nm))


def test_spliced_edges_keep_the_rest():
    edges = edges_from(square(0, 0, 1000, 400))
    bottom = int(np.flatnonzero((~edges.upright) & (edges.outward < 0))[0])
    middle, corner = jogged.Piece(bottom, 300.0, 380.0, 20.0), jogged.Piece(bottom, 900.0, 1000.0, -20.0)
    made, source, piece = jogged.spliced(edges, [corner, middle])
    expected = Layout(
        rings(
            [
                [
                    (0, 0),
                    (300, 0),
                    (300, -20),
                    (380, -20),
                    (380, 0),
                    (900, 0),
                    (900, 20),
                    (1000, 20),
                    (1000, 400),
                    (0, 400),
                ]
            ]
        ),
        1.0,
    )
    assert not layout.boolean(made.layout(1.0, 1.0), expected, "xor").contours
    assert (made.length_nm > 0).all() and len(made) == 10
    assert sorted(piece[piece >= 0]) == [0, 0, 1, 1, 1] and set(source) == {0, 1, 2, 3}


def test_a_wide_line_comes_to_its_place(setup):
    # 400 nm wide, far from everything: no jogs, and the edges print where they are drawn to a grid line's half and to
    # what the model is off by where nothing is near.
    wide = replace(setup, opc=replace(setup.opc, ambit_nm=2100.0))
    line = square(-5000, 400, 7000, 800)
    found = design.correct_edges(line, WINDOW, wide)
    fine = replace(wide, opc=replace(wide.opc, limits=replace(wide.opc.limits, grid_nm=0.05)))
    exact = design.correct_edges(line, WINDOW, fine)
    verified = design.verify(line, [line, found.mask, exact.mask], setup.process, WINDOW, halo_nm=2000.0)
    before, after, finer = (v.summary for v in verified)
    inside = layout.clipped(found.mask, WINDOW)
    assert len(inside.contours) == 1 and len(inside.contours[0]) == 4
    assert before.max_abs_nm > 1.2 and after.max_abs_nm < 0.9
    assert finer.max_abs_nm < 0.4


@pytest.fixture(scope="module")
def corrected(setup, drawn):
    return design.correct_edges(drawn, WINDOW, setup)


def test_corrected_mask_prints_the_target_and_keeps_the_rules(setup, drawn, corrected):
    before, after = design.verify(drawn, [drawn, corrected.mask], setup.process, WINDOW, halo_nm=600.0)
    assert after.summary.n > 300 and after.summary.failures == after.summary.line_end_failures == 0
    assert after.summary.mean_abs_nm < 1.2 < before.summary.mean_abs_nm / 4
    assert after.summary.max_abs_nm < 12
    assert not layout.rule_markers(corrected.mask, 60, 60, 0, jog_nm=20, window_nm=(-250, -250, 1850, 1450))
    assert all((ring % 1 == 0).all() for ring in corrected.mask.contours)
    (steps,) = corrected.steps
    assert steps[-1].rms_nm < 0.6 * steps[0].rms_nm and steps[-1].edges > steps[0].edges


@pytest.mark.slow
def test_blocks_agree_with_one_piece_and_leave_no_seam(setup):
    drawn = layout.manhattan(5, (-5000.0, -5000.0, 7000.0, 6600.0), 170, 170)
    # On a fine grid, so that what is compared is not to which line an edge is rounded.
    limits = replace(setup.opc.limits, grid_nm=0.02)
    deep = replace(setup, opc=replace(setup.opc, limits=limits, ambit_nm=1400.0, context_nm=1600.0))
    corrected = design.correct_edges(drawn, WINDOW, deep)
    found = design.correct_edges(drawn, WINDOW, replace(deep, opc=replace(deep.opc, block_nm=1900.0)))
    assert len(found.steps) == 4
    assert not layout.rule_markers(found.mask, 60, 60, 0, jog_nm=20, window_nm=(-250, -250, 1850, 1450))
    one, four = design.verify(drawn, [corrected.mask, found.mask], setup.process, WINDOW, halo_nm=600.0)
    moved = np.abs(one.epe_nm - four.epe_nm)
    # One jog on the brink of paying may be decided otherwise.
    assert np.median(moved) < 0.05 and moved.max() < 1.5


def test_steps_at_a_seam_are_evened_out():
    opc = load_setup("krf-dry").opc
    tiles = split((0.0, 0.0, 2000.0, 1000.0), 20.0, 1000.0, 0.0).tiles
    left, right = square(-500, 300, 1000, 500), square(1000, 302, 2500, 500)
    found = stitched([left, right], tiles, opc)
    assert not layout.boolean(found, square(-500, 301, 2500, 500), "xor").contours
    # A jog that lost a line to rounding is still one.
    (kept,) = stitched([square(-500, 300, 1000, 500), square(1000, 300, 2500, 481)], tiles, opc).contours
    assert len(kept) == 6 and 20 <= np.diff(np.unique(kept[:, 1]))[-1] <= 21
    # Even where that costs a distance.
    above = square(600, 560, 1400, 700)
    halves = [
        layout.merged([*part.contours, *layout.clipped(above, window).contours], 1.0)
        for part, window in (
            (square(-500, 300, 1000, 500), (-500, 0, 1000, 1000)),
            (square(1000, 300, 2500, 502), (1000, 0, 2500, 1000)),
        )
    ]
    mended = stitched(halves, tiles, opc)
    assert len(mended.contours) == 2 and not layout.rule_markers(mended, 60, 60, 0, jog_nm=20)
    # A jog that only one of the two put in leaves a tooth far from any rule.
    cut = [(-500, 300), (1000, 300), (1000, 490), (985, 490), (985, 521), (-500, 521)]
    mended = stitched([Layout(rings([cut]), 1.0), square(1000, 300, 2500, 501)], tiles, opc)
    assert len(mended.contours[0]) > 6 and not layout.rule_markers(mended, 60, 60, 0, jog_nm=20)
    # And where there is no room at the seam: the jogs at both ends of the evened edge, far off, lose a part each.
    stairs = [
        Layout(rings([[(-500, 300), (1000, 300), (1000, 500), (400, 500), (400, 480), (-500, 480)]]), 1.0),
        Layout(rings([[(1000, 300), (2500, 300), (2500, 516), (1600, 516), (1600, 496), (1000, 496)]]), 1.0),
    ]
    (kept,) = stitched(stairs, tiles, opc).contours
    assert len(kept) == 8 and np.diff(np.unique(kept[:, 1]))[1:].min() >= 20


def test_gauges_of_a_cut_edge_are_those_of_the_whole():
    whole, cut = square(-3013, 0, 4017, 300), square(-1507, 0, 4017, 300)
    window = (-200.0, -50.0, 900.0, 350.0)
    one, two = (gauges(drawn, window, 20.0, corner_nm=100.0, long_nm=2000.0) for drawn in (whole, cut))
    np.testing.assert_array_equal(one.x_nm, two.x_nm)
    assert (one.x_nm % 20 == 0).all() and len(one) == 2 * 55


def test_slanted_polygons_stay_and_are_seen(setup):
    roof = rings([[(300, 700), (1300, 700), (800, 1200)]])
    line = rings([[(-3000, 200), (5000, 200), (5000, 400), (-3000, 400)]])
    both, alone = Layout(line + roof, 1.0), Layout(line, 1.0)
    with_roof, without = (design.correct_edges(drawn, WINDOW, setup).mask for drawn in (both, alone))
    kept = layout.boolean(with_roof, Layout(roof, 1.0), "and")
    assert kept.area_nm2 == Layout(roof, 1.0).area_nm2
    rest = layout.boolean(with_roof, Layout(roof, 1.0), "not")
    assert layout.boolean(rest, without, "xor").contours  # its light is felt


def test_what_cannot_be_done_is_said(setup, drawn):
    shifting = load_setup("krf-dry", mask_type="altpsm")
    with pytest.raises(ConfigError, match="not altpsm"):
        design.correct_edges(drawn, WINDOW, shifting)
    with pytest.raises(ConfigError, match=r"no \[opc\] table"):
        design.correct_edges(drawn, WINDOW, replace(setup, opc=None))
    with pytest.raises(ConfigError, match="jog_nm"):
        load_setup("krf-dry", ["opc.limits.jog_nm=0.3"])


def test_an_empty_window_stays_empty(setup):
    found = design.correct_edges(square(-1500, -1500, -1300, -1300), WINDOW, setup)
    assert found.mask.area_nm2 == 200 * 200


@pytest.mark.slow
def test_a_mirrored_layout_gives_the_mirrored_mask(setup, drawn):
    # The window's middle is the mirror, so tiles and sites fall on each other. Without jogs, which are a yes or a no,
    # and on a fine grid, whose roundings fall either way. What is left: edges are grouped in another order.
    opc = replace(setup.opc, rounds=0, limits=replace(setup.opc.limits, grid_nm=0.01))
    x = int(WINDOW[0] + WINDOW[2])
    mirrored = layout.merged([ring[::-1] * (-1, 1) + (x, 0) for ring in drawn.contours], drawn.dbu_nm)
    one, two = (design.correct_edges(d, WINDOW, replace(setup, opc=opc)).mask for d in (drawn, mirrored))
    back = layout.merged([ring[::-1] * (-1, 1) + (round(x / two.dbu_nm), 0) for ring in two.contours], two.dbu_nm)
    first, second = design.verify(drawn, [one, back], setup.process, WINDOW, halo_nm=600.0)
    apart = np.abs(first.epe_nm - second.epe_nm)
    assert np.median(apart) < 0.1 and apart.max() < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "polarity"), [("binary", "dark"), ("attpsm:6%", "clear"), ("attpsm:6%", "dark")])
def test_every_mask_and_polarity(setup, kind, polarity):
    full = load_setup("krf-dry", [f"process.mask.drawn={polarity}", "process.mask.bias_nm=8"], mask_type=kind)
    full = replace(full, process=anchored(full.process), opc=setup.opc)
    drawn = layout.manhattan(5, (-2000.0, -2000.0, 4000.0, 3600.0), 200, 200)
    mask = design.correct_edges(drawn, WINDOW, full).mask
    before, after = design.verify(drawn, [drawn, mask], full.process, WINDOW, halo_nm=600.0)
    assert after.summary.failures == after.summary.line_end_failures == 0
    assert after.summary.mean_abs_nm < min(1.2, before.summary.mean_abs_nm / 2)


@pytest.mark.slow
def test_a_run_whatever_the_number_of_workers(tmp_path, drawn):
    layout.write_layout(tmp_path / "drawn.oas", {(1, 0): drawn})
    small = ("opc.block_nm=1800", "opc.ambit_nm=800", "opc.context_nm=300", "tiles.halo_nm=600")
    work = jobs.Work(tmp_path / "drawn.oas", "1/0", window="0,0,1.6,1.2", settings=small, method="opc")
    results = [jobs.correct(work, tmp_path / f"run{n}", workers=n) for n in (1, 2)]
    one, two = (layout.read_layout(Path(result["mask"]), (1, 0)) for result in results)
    assert not layout.boolean(one, two, "xor").contours
    result = results[0]
    assert result["method"] == "opc" and result["tiles"] == 4
    assert result["open_gauges"] == 0 and result["rule_violations"] == 0
    assert result["mean_abs_epe_nm"] < result["uncorrected"]["mean_abs_epe_nm"] / 4
    assert "[opc.limits]" in (tmp_path / "run1" / "run.toml").read_text()
