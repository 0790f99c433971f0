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
from scipy.special import ndtr

from actinic import design, jobs, layout
from actinic.config import dump
from actinic.design.opc import bounds, image, sites, step
from actinic.design.opc import jogs as jogged
from actinic.design.opc.edges import boxes, edges_of, healed
from actinic.design.opc.spectrum import polygon_spectrum
from actinic.errors import ConfigError
from actinic.forward import anchored
from actinic.jobs import load_setup
from actinic.layout import Layout, rings
from actinic.metrology import rule_violations
from actinic.optics import band
from actinic.types import Grid

WINDOW = (0.0, 0.0, 1600.0, 1200.0)
TILE = Grid((160, 160), 20.0, (-800.0, -1000.0))


def square(x0, y0, x1, y1):
    return Layout(rings([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]), 1.0)


def edges_from(drawn, jog_nm=0.0):
    return edges_of([healed(ring * drawn.dbu_nm, jog_nm) for ring in drawn.contours])


def coefficients(edges, grid, orders):
    x, y, sign, *_ = image.vertices(edges, 0.0, grid)
    height, width = grid.period_nm
    return polygon_spectrum(x / width, y / height, sign, orders)


@pytest.fixture(scope="module")
def drawn():
    return layout.manhattan(5, (-2000.0, -2000.0, 4000.0, 3600.0), 170, 170)


@pytest.fixture(scope="module")
def setup():
    full = load_setup("krf-dry")
    return replace(full, process=anchored(full.process), opc=replace(full.opc, tiles=design.Tiles(2000.0, 600.0)))


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
    single = [jnp.asarray(v, jnp.float32) for v in image.vertices(edges_from(drawn), 0.0, TILE)[:3]]
    found = polygon_spectrum(single[0] / 3200, single[1] / 3200, single[2], orders)
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


def test_answers_are_differences_of_images(setup, drawn):
    edges = edges_from(drawn, 20.0)
    found = sites.sites_of(drawn, WINDOW, 60.0, 120.0)
    x0, y0 = TILE.origin_nm
    near = np.flatnonzero(((boxes(edges)[:, 2:] > (200, 200)) & (boxes(edges)[:, :2] < (1200, 800))).all(axis=1))
    box = np.clip(boxes(edges)[near], -700, 2200) - (x0, y0, x0, y0)

    def at(edges, near=None):
        task = image.TileTask(
            dump(setup.process),
            Grid(TILE.shape, TILE.pitch_nm),
            leading=24,
            answering=24,
            vertices=image.vertices(edges, 0.0, TILE),
            fixed=None,
            sites=(found.x_nm - x0, found.y_nm - y0, found.nx, found.ny),
            room=(512, 512),
            rest=rest,
            near=near,
        )
        return image.evaluate(task)

    rest = None
    answer = at(edges, image.Near(near, box, 300.0))
    rest = answer.rest  # as the solver does: what is not leading is held
    assert len(answer.edge) > 200 and len(set(answer.edge)) > 10
    for k in range(0, len(near), len(near) // 6):
        edge, moved = near[k], np.zeros(len(edges))
        moved[edge] = 2.0
        high, low = (at(edges.at(edges.position_nm + sign * moved)).value for sign in (1, -1))
        alone = at(edges, image.Near(near[k : k + 1], box[k : k + 1], 300.0))
        difference = (high - low) / 4
        np.testing.assert_allclose(alone.derivative, difference[alone.site], atol=3e-6)
        # Together with the others of its group it differs by what they do beyond the reach.
        here = answer.edge == edge
        np.testing.assert_allclose(answer.derivative[here], difference[answer.site[here]], atol=2e-4)


def test_slopes_are_differences_along_the_normals(setup, drawn):
    found = sites.sites_of(drawn, WINDOW, 60.0, 120.0)
    x0, y0 = TILE.origin_nm

    def value(shift):
        at = found.x_nm + shift * found.nx - x0, found.y_nm + shift * found.ny - y0
        task = image.TileTask(
            dump(setup.process),
            Grid(TILE.shape, TILE.pitch_nm),
            24,
            24,
            image.vertices(edges_from(drawn), 0.0, TILE),
            None,
            (*at, found.nx, found.ny),
            (512, 512),
            None,
            None,
        )
        return image.evaluate(task)

    difference = (value(1.0).value - value(-1.0).value) / 2
    np.testing.assert_allclose(value(0.0).slope, difference, atol=3e-6)
    assert np.median(difference) < -2e-3  # clear lines: darker outside


def test_groups_are_apart():
    random = np.random.default_rng(1)
    low = random.uniform(0, 1000, (60, 2))
    box = np.hstack([low, low + random.uniform(0, 200, (60, 2))])
    group = image.grouped(box, 150.0)
    assert (group >= 0).all() and group.max() < 40
    for a in range(60):
        for b in range(a):
            gap = np.maximum(np.maximum(box[a, :2], box[b, :2]) - np.minimum(box[a, 2:], box[b, 2:]), 0)
            assert group[a] != group[b] or np.hypot(*gap) >= 150.0


def test_a_constrained_step_is_the_minimum():
    # Two variables pulled together against a least distance, and one that is free; a third hits its bound.
    a = sparse.csc_matrix(np.diag([1.0, 3.0, 2.0, 1.0]))
    pairs = np.array([0]), np.array([1]), np.array([-4.0])
    low, high = np.full(4, -10.0), np.full(4, 10.0)
    high[3] = 0.5
    found = step.constrained(a, np.array([5.0, -9.0, 4.0, 3.0]), pairs, low, high)
    # Without the distance 5 and -3; with x1 - x0 >= -4 Lagrange gives 2 and -2.
    np.testing.assert_allclose(found, [2.0, -2.0, 2.0, 0.5], atol=1e-3)
    mended = step.mended(np.array([3.0, -3.0, 0.0, 1.0]), pairs, low, high)
    np.testing.assert_allclose(mended, [2.0, -2.0, 0.0, 0.5], atol=1e-5)
    # Two that cannot be mended stand still, and so does whom that would break.
    chain = np.array([0, 1]), np.array([1, 2]), np.array([0.0, -1.0])
    stuck = step.mended(np.array([2.0, -1.0, -1.5, 3.0]), chain, low, high, rounds=0)
    np.testing.assert_allclose(stuck, [0.0, 0.0, 0.0, 0.5])


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
    # 400 nm wide, far from everything: no jogs, and the edges print where they are drawn to a grid line's half.
    line = square(-3000, 400, 5000, 800)
    found = design.correct_edges(line, WINDOW, setup)
    fine = replace(setup, opc=replace(setup.opc, limits=replace(setup.opc.limits, grid_nm=0.05)))
    exact = design.correct_edges(line, WINDOW, fine)
    verified = design.verify(line, [line, found.mask, exact.mask], setup.process, WINDOW, halo_nm=600.0)
    before, after, finer = (v.summary for v in verified)
    assert len(found.mask.contours) == 1 and len(found.mask.contours[0]) == 4
    assert before.max_abs_nm > 1.2 and after.max_abs_nm < 0.75
    assert finer.max_abs_nm < 0.15


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
    errors = [made.rms_nm for made in corrected.steps]
    assert errors[-1] < 0.6 * errors[0] and corrected.steps[-1].edges > corrected.steps[0].edges


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
    small = ("opc.tiles.core_nm=1400", "opc.tiles.halo_nm=600", "tiles.halo_nm=600")
    work = jobs.Work(tmp_path / "drawn.oas", "1/0", window="0,0,1.6,1.2", settings=small, method="opc")
    results = [jobs.correct(work, tmp_path / f"run{n}", workers=n) for n in (1, 2)]
    one, two = (layout.read_layout(Path(result["mask"]), (1, 0)) for result in results)
    assert not layout.boolean(one, two, "xor").contours
    result = results[0]
    assert result["method"] == "opc" and result["tiles"] == 4
    assert result["open_gauges"] == 0 and result["rule_violations"] == 0
    assert result["mean_abs_epe_nm"] < result["uncorrected"]["mean_abs_epe_nm"] / 4
    assert "[opc.limits]" in (tmp_path / "run1" / "run.toml").read_text()
