"""Masks: what each kind transmits, what the mask shop makes of polygons, and who takes which phase."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from actinic import design
from actinic.config import build, dump
from actinic.errors import ConfigError, InputError
from actinic.forward import anchored, distinct_focus, edge_intensity, expose, mask_layers, prepare
from actinic.jobs import load_setup
from actinic.layout import boolean, clipped, contacts, coverage, lines, merged, neighbours, rounded, sized
from actinic.layout.polygons import Layout
from actinic.mask import (
    AlternatingPSM,
    AttenuatedPSM,
    Binary,
    assign_phases,
    dense_line,
    made,
    parse_mask,
    transmitted,
)
from actinic.optics import Points, Projector, Scanner, abbe, band
from actinic.types import Grid, double

ON_AXIS = Points(np.zeros((1, 2)), np.ones(1))
PITCH = 160.0
WINDOW = (0.0, 0.0, 640.0, 10.0)  # four pitches
# Pixels so fine that nothing folds over the orders that pass.
TILE = Grid((1, 32000), 0.02)
NO_FILE = Layout((), 1.0)


def box(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int64)


def square(side, at=0):
    return Layout((box(at, at, at + side, at + side),), 1.0)


def scanner(na=0.85, wavelength=193.0, source=ON_AXIS):
    return Scanner(Projector(np.float64(wavelength), np.float64(na)), source)


def alternating(**given):
    return double(AlternatingPSM(**given))


def spectrum(mask, layers, grid, orders):
    """Of the transmission, from polygons to coefficients as everywhere in the package."""
    covered = [coverage(layer, grid).astype(float) for layer in layers]
    return transmitted(mask, np.stack([band.mask_spectrum(c, orders) for c in covered]))


def along_x(samples, grid, x):
    return band.to_points(samples, grid, np.asarray(x, float), np.zeros(np.shape(x)))


@pytest.mark.parametrize("share", [0.06, 0.2, 1 - 1e-9])
def test_orders_of_an_attenuated_mask(share):
    mask = double(AttenuatedPSM(np.float64(share)))
    found = spectrum(mask, [lines(80, 160, WINDOW)], TILE, (0, 4))[0]
    a0, a1 = 0.5 * (1 - np.sqrt(share)), (1 + np.sqrt(share)) / np.pi
    np.testing.assert_allclose(abs(found), [a1, 0, 0, 0, a0, 0, 0, 0, a1], atol=1e-7)
    # A line is centred at x = 320 nm, two pitches from the tile's corner: both orders are positive there.
    np.testing.assert_allclose(found[[0, 4, 8]].real, [a1, a0, a1], atol=1e-7)
    image = abbe.aerial(scanner(0.85, 120.0), spectrum(mask, [lines(80, 160, WINDOW)], TILE, (0, 8)), TILE)
    x = np.linspace(0, 320, 13)
    exact = (a0 + 2 * a1 * np.cos(2 * np.pi * x / PITCH)) ** 2
    np.testing.assert_allclose(along_x(image, TILE, x), exact, atol=1e-6)


def dense_openings(**given):
    mask = alternating(**given)
    shared = assign_phases(lines(80, 160, WINDOW), 120.0, WINDOW)
    assert shared.conflicts == ()
    return mask, made(mask, shared.layers)


def test_an_alternating_mask_makes_two_beams_of_dense_lines():
    mask, layers = dense_openings()
    found = spectrum(mask, layers, TILE, (0, 6))[0]
    # The mask's period is two pitches: order 2 of the tile is its first, and the zero order is gone.
    a1 = 0.5 * np.sinc(0.25)
    expected = np.zeros(13)
    expected[[4, 8]], expected[[0, 12]] = a1, 0.5 * abs(np.sinc(0.75))
    np.testing.assert_allclose(abs(found), expected, atol=1e-7)
    image = abbe.aerial(scanner(), spectrum(mask, layers, TILE, (0, 6)), TILE)
    x = np.linspace(0, 320, 17)
    np.testing.assert_allclose(along_x(image, TILE, x), 4 * a1**2 * np.cos(np.pi * x / PITCH) ** 2, atol=1e-6)
    # NILS of a space of half the pitch at its edge: (p / 2) (2 pi / p) tan(pi / 4) = pi, whatever a1.
    edge, step = 320 + 40.0, 1e-3
    low, middle, high = along_x(image, TILE, [edge - step, edge, edge + step])
    assert (low - high) / (2 * step) / middle * 80 == pytest.approx(np.pi, abs=1e-6)


def test_unequal_openings_bring_the_zero_order_back():
    mask, layers = dense_openings(transmission=0.81)
    found = spectrum(mask, layers, TILE, (0, 2))[0]
    assert abs(found[2]) == pytest.approx(0.25 * (1 - 0.9), abs=1e-7)
    image = abbe.aerial(scanner(), spectrum(mask, layers, TILE, (0, 6)), TILE)
    bright, dim = sorted(along_x(image, TILE, [320.0, 480.0]))[::-1]
    a0, a1 = 0.25 * 0.1, 0.5 * np.sinc(0.25) * 0.95
    assert (bright, dim) == pytest.approx(((2 * a1 + a0) ** 2, (2 * a1 - a0) ** 2), abs=1e-6)
    # In quadrature the phases do not cancel: |a0| = (1/4) |1 + i|.
    mask, layers = dense_openings(phase_deg=90.0)
    assert abs(spectrum(mask, layers, TILE, (0, 2))[0][2]) == pytest.approx(0.25 * np.sqrt(2), abs=1e-7)
    shifted = double(mask).amplitudes()[2]
    assert shifted == pytest.approx(1j), "exp(-i omega t): a positive phase turns towards +i"


@pytest.mark.parametrize(("pitch", "passes"), [(113.0, False), (114.0, True)])
def test_alternating_lines_resolve_twice_as_fine(pitch, passes):
    # The beams stand at 1 / 2p, so lines vanish below p = lambda / 2 NA = 113.53 nm, a binary mask's below twice that.
    def image(mask, layers, step):
        grid = Grid((1, 1), 2 * pitch)
        order = np.arange(-3, 4)
        wave = step / grid.pitch_nm * np.sinc(order * step / grid.pitch_nm)
        spectra = np.array([wave * np.exp(-1j * np.pi * order * place) for place in layers])
        spectra = np.pad(spectra[:, None], ((0, 0), (3, 3), (0, 0)))
        samples = abbe.aerial(scanner(), transmitted(mask, spectra), grid)
        return along_x(samples, grid, [0.0, pitch / 2])

    openings = image(alternating(), [0, 1], pitch / 2)
    assert np.ptp(openings) == pytest.approx(4 * (0.5 * np.sinc(0.25)) ** 2 if passes else 0.0, abs=1e-9)
    both = alternating(phase_deg=0.0)
    assert np.ptp(image(both, [0, 1], pitch / 2)) < 1e-9, "equal phases are a binary mask, which cannot"


def test_row_14_two_symmetric_beams_do_not_defocus():
    mask, layers = dense_openings()
    given = spectrum(mask, layers, TILE, (0, 6))
    sharp = abbe.aerial(scanner(), given, TILE)
    for focus in (-800.0, 120.0, 400.0):
        np.testing.assert_allclose(abbe.aerial(scanner(), given, TILE, focus), sharp, atol=1e-10)
    # With a zero order it defocuses.
    unequal = spectrum(alternating(transmission=0.5), layers, TILE, (0, 6))
    assert abs(abbe.aerial(scanner(), unequal, TILE, 400.0) - abbe.aerial(scanner(), unequal, TILE)).max() > 1e-3


def test_dark_drawn_lines_between_shifted_spaces_are_the_same_mask():
    openings = lines(80, 160, WINDOW)
    shared = assign_phases(openings, 120.0, WINDOW).layers
    clear = spectrum(alternating(), shared, TILE, (0, 6))
    drawn = boolean(Layout((box(0, 0, 640, 10),), 1.0), openings, "not")
    # What is shifted may reach under the chrome, which covers it.
    dark = alternating(drawn="dark")
    found = spectrum(dark, made(dark, (drawn, sized(shared[1], 20))), TILE, (0, 6))
    np.testing.assert_allclose(found, clear, atol=1e-9)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_fast_image_of_two_layers_is_abbes(share):
    process = replace(load_setup("krf-dry").process, mask=AlternatingPSM(share, 170.0))
    process = replace(process, corners=process.corners[:3])
    grid = Grid((60, 80), 20.0)
    layers = mask_layers(process, contacts(200, (400, 400), grid.window_nm), grid.window_nm)
    assert all(layer.contours for layer in layers)
    covered = jnp.stack([jnp.asarray(coverage(layer, grid)) for layer in layers])
    imaging = prepare(process, grid)
    assert distinct_focus(process) == ((0, 1, 2), [0.0, -150.0, 150.0]), "a complex mask is not even in focus"
    machine, exact = process.scanner, double(process)
    orders = machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0])
    given = spectrum(exact.mask, layers, grid, orders)
    for fast, focus in zip(imaging.aerial(covered), (0.0, -150.0, 150.0), strict=True):
        reference = abbe.aerial(machine, given, grid, focus)
        np.testing.assert_allclose(fast, reference, atol=3e-6 * reference.max())


@pytest.mark.parametrize(("drawn", "bias"), [("clear", 0.0), ("dark", 0.0), ("clear", 12.5), ("dark", -10.0)])
def test_the_anchor_of_an_alternating_mask_is_its_own_dense_line(drawn, bias):
    process = load_setup("krf-dry").process
    process = replace(process, mask=AlternatingPSM(drawn=drawn, bias_nm=bias))
    grid = Grid((2, 3264), 2.5)  # 24 pitches
    line = lines(170, 340, grid.window_nm)
    layers: tuple[Layout, ...] = (line,)
    if drawn == "dark":
        gaps = boolean(Layout((box(0, 0, 8160, 5),), 1.0), line, "not")
        shifted = merged([ring for n, ring in enumerate(sorted(gaps.contours, key=_left)) if n % 2], 1.0)
        layers = (line, sized(shifted, 20))
    stages = expose(process, layers if drawn == "dark" else line, grid)
    latent = np.asarray(stages.latent.values)[0]
    at_edge = np.interp([4080 - 85.0, 4080 + 85.0], grid.x_nm, latent)
    np.testing.assert_allclose(at_edge, edge_intensity(process, process.resist.anchor), rtol=2e-3)
    assert float(anchored(process).resist.threshold) == pytest.approx(at_edge.mean(), rel=2e-3)


def _left(ring):
    return ring[:, 0].min()


def test_dense_lines_carry_the_bias():
    assert dense_line(Binary(bias_nm=5.0), 100, 300) == (300, [[(0.0, 110.0)]])
    assert dense_line(AlternatingPSM(bias_nm=-5.0), 100, 300) == (600, [[(0.0, 90.0)], [(300, 90.0)]])
    with pytest.raises(ConfigError, match="bias of -50 nm leaves nothing"):
        dense_line(Binary(bias_nm=-50.0), 100, 300)
    with pytest.raises(ConfigError, match="bias of 100 nm"):
        dense_line(Binary(bias_nm=100.0), 100, 300)


@pytest.mark.parametrize("bias", [7.5, -7.5, 0.25, -12.0])
@pytest.mark.parametrize("unit", [1.0, 0.25, 5.0])
def test_bias_moves_every_edge(bias, unit):
    n = round(200 / unit)
    drawn = Layout((box(0, 0, n, n), box(2 * n, 0, 5 * n, n)), unit)
    (found,) = made(Binary(bias_nm=bias), [drawn])
    boxes = sorted(ring.min(0).tolist() + ring.max(0).tolist() for ring in found.contours)
    expected = [[0 - bias, 0 - bias, 200 + bias, 200 + bias], [400 - bias, 0 - bias, 1000 + bias, 200 + bias]]
    np.testing.assert_allclose(np.array(boxes) * found.dbu_nm, expected, atol=1e-9)
    assert found.area_nm2 == pytest.approx((200 + 2 * bias) ** 2 + (600 + 2 * bias) * (200 + 2 * bias), abs=1e-6)
    # The other way, and the drawn hole shrinks as the polygon grows.
    frame = boolean(Layout((box(-n, -n, 2 * n, 2 * n),), unit), Layout((box(0, 0, n, n),), unit), "not")
    (ring,) = made(AttenuatedPSM(bias_nm=bias), [frame])
    assert ring.area_nm2 == pytest.approx((600 + 2 * bias) ** 2 - (200 - 2 * bias) ** 2, abs=1e-6)


@pytest.mark.parametrize("radius", [5.0, 20.0, 60.0])
def test_rounding_takes_four_less_pi_of_a_square(radius):
    (found,) = made(Binary(corner_radius_nm=radius), [square(200)])
    assert 200.0**2 - found.area_nm2 == pytest.approx((4 - np.pi) * radius**2, rel=3e-3)
    assert found.bbox_nm == (0, 0, 200, 200), "edges stay where they are"
    # The deepest point of a corner is (sqrt 2 - 1) r from where it was.
    points = np.concatenate(found.contours) * found.dbu_nm
    assert np.hypot(*points.T).min() == pytest.approx((np.sqrt(2) - 1) * radius, abs=0.06)
    # An L has five convex corners and one concave, which gains.
    elbow = boolean(square(200), square(200, at=100), "not")
    (bent,) = made(Binary(corner_radius_nm=min(radius, 50.0)), [elbow])
    assert elbow.area_nm2 - bent.area_nm2 == pytest.approx((4 - np.pi) * min(radius, 50.0) ** 2, rel=3e-3)


def test_rounding_stops_at_half_an_edge_and_comes_after_the_bias():
    (disc,) = made(Binary(corner_radius_nm=300.0), [square(200)])
    assert disc.area_nm2 == pytest.approx(np.pi * 100**2, rel=1e-3)
    (found,) = made(Binary(bias_nm=10.0, corner_radius_nm=40.0), [square(200)])
    assert found.area_nm2 == pytest.approx(220**2 - (4 - np.pi) * 40**2, rel=1e-4)
    assert rounded(NO_FILE, 10.0).contours == ()


def test_a_mask_made_as_drawn_is_the_drawn_one():
    drawn = square(200)
    for mask in (Binary(), AttenuatedPSM(), Binary("dark")):
        assert made(mask, [drawn])[0] is drawn


def test_a_periodic_tile_has_no_ends():
    window = (0.0, 0.0, 640.0, 320.0)
    drawn = lines(80, 160, window)
    for bias in (10.0, -10.0):
        (found,) = made(Binary(bias_nm=bias, corner_radius_nm=15.0), [drawn], window)
        assert clipped(found, window).area_nm2 == pytest.approx(4 * (80 + 2 * bias) * 320, abs=1e-6)
    # Without the window the lines end, and are pulled back and rounded.
    (found,) = made(Binary(bias_nm=-10.0, corner_radius_nm=15.0), [drawn])
    assert clipped(found, window).area_nm2 < 4 * 60 * 301
    with pytest.raises(ConfigError, match="whole number of database units"):
        made(Binary(bias_nm=1.0), [drawn], (0.0, 0.0, 640.5, 320.0))


@pytest.mark.parametrize("kind", [Binary, AttenuatedPSM])
def test_a_biased_mask_prints_as_the_wider_drawn_one(kind):
    process = load_setup("krf-dry").process
    grid = Grid((34, 136), 10.0)
    wide = expose(replace(process, mask=kind()), lines(190, 340, grid.window_nm), grid)
    biased = expose(replace(process, mask=kind(bias_nm=10.0)), lines(170, 340, grid.window_nm), grid)
    np.testing.assert_allclose(biased.aerial.values, wide.aerial.values, atol=2e-6)
    corners = expose(
        replace(process, mask=kind(corner_radius_nm=60.0)), contacts(180, (340, 340), grid.window_nm), grid
    )
    sharp = expose(replace(process, mask=kind()), contacts(180, (340, 340), grid.window_nm), grid)
    lost = np.asarray(sharp.coverage.values).sum() - np.asarray(corners.coverage.values).sum()
    assert lost * 100.0 == pytest.approx(4 * (4 - np.pi) * 60**2, rel=5e-3)
    assert corners.aerial.values.max() < sharp.aerial.values.max() - 0.005


def test_layers_must_fit_the_mask():
    with pytest.raises(InputError, match="kind altpsm has 2 layers of polygons, not 1"):
        made(AlternatingPSM(), [square(10)])
    with pytest.raises(InputError, match="kind binary has 1 layers"):
        made(Binary(), [square(10), square(10)])
    apart = Layout((box(220, 0, 420, 200),), 1.0)
    assert len(made(AlternatingPSM(bias_nm=9.0), [square(200), apart])) == 2
    with pytest.raises(InputError, match=r"two phases overlap by 444 nm2.*\(209, -11\) nm"):
        made(AlternatingPSM(bias_nm=11.0), [square(200), apart])


def test_lines_take_turns():
    shared = assign_phases(lines(80, 160, (0, 0, 3200, 500)), 120.0)
    left = [sorted(int(_left(ring)) for ring in layer.contours) for layer in shared.layers]
    assert shared.conflicts == () and sorted(map(len, left)) == [10, 11]
    # The first line is cut by the border.
    assert set(np.diff(left[0])[1:]) == {320} == set(np.diff(left[1])[1:])
    # Out of reach of each other nothing is shifted.
    alone = assign_phases(lines(80, 160, (0, 0, 3200, 500)), 80.0)
    assert not alone.layers[1].contours and not alone.conflicts
    assert alone.layers[0].area_nm2 == pytest.approx(lines(80, 160, (0, 0, 3200, 500)).area_nm2)


def test_an_odd_cycle_is_a_conflict_at_its_widest_gap():
    # Gaps of 50, 60 and 70 nm between three squares around a point.
    three = Layout((box(0, 0, 100, 100), box(150, 0, 250, 100), box(100, 160, 180, 260)), 1.0)
    parts, links = neighbours(three, 100.0)
    assert len(parts) == 3 and sorted(link.gap_nm for link in links) == [50, 60, 60]
    shifted = merged([box(0, 0, 100, 100), box(150, 0, 250, 100), box(90, 170, 150, 260)], 1.0)
    shared = assign_phases(shifted, 100.0)
    assert len(shared.conflicts) == 1
    x0, y0, x1, y1 = shared.conflicts[0]
    assert (y0, y1) == (100, 170) and 0 <= x0 <= x1 <= 250
    assert sum(len(layer.contours) for layer in shared.layers) == 3 == len(shifted.contours)
    assert assign_phases(shifted, 65.0).conflicts == ()


def test_corner_to_corner_is_near():
    shared = assign_phases(Layout((box(0, 0, 100, 100), box(100, 100, 200, 200)), 1.0), 10.0)
    assert [len(layer.contours) for layer in shared.layers] == [1, 1]
    # 40 nm apart in x and 30 in y are 50.
    pair = Layout((box(0, 0, 100, 100), box(140, 130, 240, 230)), 1.0)
    assert neighbours(pair, 49.0)[1] == [] and neighbours(pair, 51.0)[1][0].gap_nm == 50


def test_a_periodic_tile_of_an_odd_number_of_lines_has_a_conflict():
    window = (0.0, 0.0, 480.0, 320.0)
    assert assign_phases(lines(80, 160, window), 120.0).conflicts == ()
    shared = assign_phases(lines(80, 160, window), 120.0, window)
    assert len(shared.conflicts) == 1
    # Cut by the border, both ends of an opening keep one phase.
    moved = (40.0, 0.0, 680.0, 320.0)
    cut = assign_phases(lines(80, 160, (0.0, 0.0, 640.0, 320.0)).moved(40, 0), 120.0, moved)
    assert cut.conflicts == ()
    border = Layout((box(0, 0, 40, 320), box(120, 0, 200, 320), box(280, 0, 320, 320)), 1.0)
    found = assign_phases(border, 120.0, (0.0, 0.0, 320.0, 320.0))
    assert found.conflicts == () and sorted(len(layer.contours) for layer in found.layers) == [1, 2]


def test_conflicts_are_told_exactly_where_two_colours_do_not_suffice():
    """Random rectangles against their distances in closed form and a walk through the graph."""
    seen = [_two_colours(seed, 60.0 + 10 * seed) for seed in range(10)]
    assert 3 <= sum(seen) <= 7, "some can be coloured and some cannot"


def _two_colours(seed: int, distance: float) -> bool:
    rng = np.random.default_rng(seed)
    corners = 200 * np.stack(np.divmod(rng.permutation(25)[:16], 5), 1) + rng.integers(0, 60, (16, 2))
    boxes = np.hstack([corners, corners + rng.integers(80, 140, (16, 2))])

    def gap(a, b):
        return np.hypot(*np.maximum(0, np.maximum(a[:2] - b[2:], b[:2] - a[2:])))

    gaps = {(i, j): gap(boxes[i], boxes[j]) for i in range(16) for j in range(i)}
    near = {pair: d for pair, d in gaps.items() if d < distance}
    layout = Layout(tuple(box(*b) for b in boxes), 1.0)
    found = sorted(link.gap_nm for link in neighbours(layout, distance)[1])
    assert found == pytest.approx(sorted(near.values()), abs=1e-9)
    colour, fits = {}, True
    for start in range(16):
        stack = [] if start in colour else [(start, 0)]
        while stack:
            node, c = stack.pop()
            if node in colour:
                fits &= colour[node] == c
                continue
            colour[node] = c
            stack += [(i + j - node, 1 - c) for i, j in near if node in (i, j)]
    shared = assign_phases(layout, distance)
    assert (shared.conflicts == ()) is bool(fits)
    # Every near pair of one phase is a conflict, and no other.
    side = [bool(clipped(shared.layers[1], tuple(map(float, b))).contours) for b in boxes]
    assert len(shared.conflicts) == sum(side[i] == side[j] for i, j in near)
    return bool(fits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("binary", {"kind": "binary"}),
        ("altpsm", {"kind": "altpsm"}),
        ("attpsm", {"kind": "attpsm"}),
        ("attpsm:6%", {"kind": "attpsm", "transmission": 0.06}),
        ("attpsm:12.5%:175.5", {"kind": "attpsm", "transmission": 0.125, "phase_deg": 175.5}),
        ("attpsm:20%:-180", {"kind": "attpsm", "transmission": 0.2, "phase_deg": -180.0}),
    ],
)
def test_mask_types_from_text(text, expected):
    assert parse_mask(text) == expected


@pytest.mark.parametrize(
    "text",
    ["attpsm:60", "attpsm:0.06", "attpsm:0%", "attpsm:100%", "attpsm:-6%", "attpsm:6%:400", "attpsm:6%:pi", "attpsm:"]
    + ["binary:6%", "altpsm:180", "att", "", "attpsm:6%:180:1", "attpsm:nan%", "attpsm:6%:", "ATTPSM:6%"],
)
def test_bad_mask_types_are_one_line(text):
    with pytest.raises(ConfigError) as error:
        parse_mask(text)
    assert repr(text) in str(error.value) and "\n" not in str(error.value)


def test_every_mask_survives_a_file():
    for mask in (
        Binary("dark", 5.0, 20.0),
        AlternatingPSM(0.9, 178.0, neighbour_nm=300.0),
        AttenuatedPSM(bias_nm=-3.0),
    ):
        setup = load_setup("krf-dry")
        setup = replace(setup, process=replace(setup.process, mask=mask))
        assert dump(build(design.Setup, dump(setup))) == dump(setup)
    with pytest.raises(ConfigError, match="corner_radius_nm"):
        load_setup("krf-dry", ["process.mask.corner_radius_nm=-1"])


def test_an_alternating_mask_is_not_corrected():
    setup = load_setup("krf-dry", mask_type="altpsm")
    with pytest.raises(ConfigError, match="not altpsm"):
        design.correct(square(300), (0, 0, 1000, 1000), setup)


@pytest.mark.slow
def test_correction_hands_out_polygons_before_the_bias():
    settings = ["process.resist.threshold=0.25", "recipe.refresh=5", "tiles.halo_nm=400"]
    settings += [f"recipe.stages.{n}.steps=5" for n in range(len(load_setup("krf-dry").recipe.stages))]
    drawn, window = lines(200, 400, (-1000.0, -1000.0, 1800.0, 1800.0)), (0.0, 0.0, 800.0, 800.0)
    plain, biased = (
        design.correct(drawn, window, load_setup("krf-dry", [*settings, f"process.mask.bias_nm={bias}"])).mask
        for bias in (0, 15)
    )
    assert biased.dbu_nm == plain.dbu_nm
    assert clipped(biased, window).area_nm2 < clipped(plain, window).area_nm2 - 15 * 4 * 700
    (there,) = made(Binary(bias_nm=15.0), [biased])
    (here,) = made(Binary(corner_radius_nm=1e-9), [plain])
    assert clipped(boolean(there, here, "xor"), window).area_nm2 < 1.0 * 4 * 800, "a nm of edge, the mask's grid"
