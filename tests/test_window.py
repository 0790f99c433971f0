"""Process windows against closed forms: three-beam images, windows bounded by parabolas, linear programs."""

import numpy as np
import pytest
from scipy.optimize import brentq, linprog

from actinic.metrology import Profiles, bossung, window
from actinic.metrology.window import Inscribed
from test_truths import A0, A1, Lines, fine, scanner, tilted

FOCUS = np.linspace(-300.0, 300.0, 13)


def profiles(machine, period, focus=FOCUS, duty=0.5, threshold=0.25, along="y", step=1.0):
    """The bright space around 0 and the dark line around half a period, cut over half a period to each side."""
    half = round(period / 2 / step)
    x = np.arange(-half, half + 1) * step
    places = np.stack([x, x + period / 2])
    series = []
    for z in focus:
        image = Lines(machine, float(period), duty, float(z), along)
        waves = np.exp(2j * np.pi * image.order * places[..., None] / period)
        series.append((waves @ image.harmonic).real)
    speed = np.stack(series, axis=1) / threshold
    return Profiles(speed, np.full(2, step), np.array([True, False]))


@pytest.fixture(scope="module")
def three_beams():
    """Row 1 through focus: threshold 1/4 is isofocal."""
    return profiles(scanner(0.85), 400.0)


def phase(z, period=400.0, wavelength=193.0):
    return 2 * np.pi / wavelength * z * (np.sqrt(1 - (wavelength / period) ** 2) - 1)


def test_row_15_isofocal_width_and_dose(three_beams):
    widths = bossung.widths(three_beams, 1.0)
    np.testing.assert_allclose(widths[0], 200.0, atol=1e-6)
    # Far out the dark line's middle is brighter than its edges, and is not printed.
    np.testing.assert_allclose(widths[1, 2:-2], 200.0, atol=1e-6)
    assert np.isnan(widths[1, [0, 1, -2, -1]]).all()
    dose, width = bossung.isofocal(three_beams, np.array([1.07, 1.0]))
    assert dose[0] == pytest.approx(1.0, abs=1e-5) and width[0] == pytest.approx(200.0, abs=1e-3)
    assert np.isnan(dose[1])
    # Any other dose has a curved Bossung.
    assert np.ptp(bossung.widths(three_beams, 1.1)[0, 2:-2]) > 2.0


def test_dose_of_a_width_is_exact(three_beams):
    """Three beams in closed form: dose = threshold / |a0 + 2 a1 e^{i phase} cos(pi w / p)|^2."""
    for width in (150.0, 187.3, 200.0, 220.9):
        bright = 0.25 / abs(A0 + 2 * A1 * np.exp(1j * phase(FOCUS)) * np.cos(np.pi * width / 400)) ** 2
        np.testing.assert_allclose(bossung.doses(three_beams, width)[0], bright, rtol=1e-7)
        dark = 0.25 / abs(A0 - 2 * A1 * np.exp(1j * phase(FOCUS)) * np.cos(np.pi * width / 400)) ** 2
        np.testing.assert_allclose(bossung.doses(three_beams, width)[1, 4:-4], dark[4:-4], rtol=1e-7)
    found = bossung.doses(three_beams, 190.0)
    np.testing.assert_allclose(bossung.widths(three_beams, found)[0], 190.0, atol=1e-6)


def test_dose_scales_the_image_and_nothing_else():
    """The width at a dose of one image is that of an image computed at that dose, edges found by another code."""
    machine = scanner(0.7, 248.3, fine(0.6, 20))
    found = bossung.widths(profiles(machine, 400.0, [120.0], 0.45), 1.13)[0, 0]
    image = Lines(machine, 400.0, 0.45, 120.0)
    half = brentq(lambda x: 1.13 * image(x) - 0.25, 0, 200)
    assert found == pytest.approx(2 * half, abs=1e-5)


@pytest.mark.parametrize(
    ("machine", "period", "expected", "tolerance"),
    [
        (scanner(0.85), 400.0, 8.0, 2e-5),
        (scanner(0.85, source=tilted(-193 / (2 * 200 * 0.85))), 200.0, 2.846398, 2e-5),
        (scanner(0.6, 248.0, fine(0.5, 80)), 360.0, 1.7843, 4e-3),
        (scanner(0.85, 193.0, fine(0.7, 80)), 180.0, 1.4802, 4e-3),
        (scanner(1.35, 193.0, fine(0.9, 80), 1.437), 90.0, 0.6462, 4e-3),
        (scanner(0.33, 13.5, fine(0.8, 80)), 64.0, 4.427, 4e-3),
    ],
    ids=["row-1", "row-2", "row-9-krf", "row-9-arf", "row-9-immersion", "row-9-euv"],
)
def test_nils_and_the_latitude_it_means(machine, period, expected, tolerance):
    image = Lines(machine, period)
    found = profiles(machine, period, [0.0], threshold=image(period / 4), step=period / 400)
    nils = bossung.log_slopes(found, 1.0, period / 2)[:, 0]
    np.testing.assert_allclose(nils, expected, atol=tolerance)
    # The table's source is sampled finer than this one; with this one the log-slope is the harmonics' own.
    assert nils[0] == pytest.approx(image.nils(period / 4, period / 2), abs=2e-5)
    # Mack: d ln E / d ln CD = NILS / 2, so the latitude over a small tolerance t of the width is t NILS.
    t = 1e-3
    small, large = (bossung.doses(found, 0.5 * period * (1 + s * t))[0, 0] for s in (-1, 1))
    assert (large - small) / t == pytest.approx(expected, abs=5 * tolerance)


def test_row_24_mask_error_factor():
    def meef(machine, period, threshold, **more):
        wide, narrow = (
            bossung.widths(profiles(machine, period, [0.0], 0.5 + s, threshold, **more), 1.0)[:, 0]
            for s in (1e-3, -1e-3)
        )
        return (wide - narrow) / (2e-3 * period)

    np.testing.assert_allclose(meef(scanner(0.85), 400.0, 0.25), [0.5, -0.5], atol=1e-3)
    two = scanner(0.85, source=tilted(-193 / (2 * 200 * 0.85)))
    np.testing.assert_allclose(meef(two, 200.0, A0**2 + A1**2), [1.0, -1.0], atol=1e-3)
    np.testing.assert_allclose(meef(scanner(0.85, source=fine(0.7, 30)), 4000.0, 0.3), [1.0, -1.0], atol=1e-3)


def windowed(found, width, focus=FOCUS):
    low, high = (bossung.doses(found, width * s) for s in (0.9, 1.1))
    at = np.linspace(focus[0], focus[-1], 401)
    low, high = (np.exp(bossung.through_focus(focus, np.log(d), at)) for d in (low, high))
    return window.overlap(at, low[:1], high[:1])


def test_row_16_windows_are_symmetric_in_focus(three_beams):
    found = windowed(three_beams, 200.0)
    np.testing.assert_allclose(found.high, found.high[::-1], rtol=1e-12)
    best = window.largest(found, "ellipse")
    assert best.focus_nm == pytest.approx(0.0, abs=1e-6)
    # Far from best focus the limits close up.
    assert found.high[0] / found.low[0] < 0.8 * found.high[200] / found.low[200]


@pytest.mark.parametrize(
    ("waves", "period", "along", "expected"),
    [
        ({"Z5": 0.03}, 240, "y", 12.78),
        ({"Z5": 0.03}, 240, "x", -12.78),
        ({"Z5": 0.03}, 400, "y", 15.03),
        ({"Z9": 0.03}, 260, "y", -19.06),
        ({"Z9": 0.03}, 450, "y", -68.22),
        ({"Z9": 0.03}, 600, "y", -80.20),
    ],
)
def test_rows_22_and_23_best_focus_of_the_window(waves, period, along, expected):
    machine = scanner(0.85, **waves)
    # To both sides until the image has nearly gone, a quarter of the Talbot length, and not centred on the answer.
    reach = 0.22 * 193 / (1 - np.sqrt(1 - (193 / period) ** 2))
    series = np.linspace(expected - reach, expected + 1.05 * reach, 17)
    found = windowed(profiles(machine, period, series, along=along), period / 2, series)
    best = window.largest(found, "ellipse")
    assert not best.cut_off and best.focus_nm == pytest.approx(expected, abs=0.2 + 1e-3 * reach)
    latitude = found.high / found.low
    assert found.focus_nm[np.argmax(latitude)] == pytest.approx(expected, abs=0.2 + reach / 400)


def test_focus_interpolation_and_its_bound(three_beams):
    """Between the samples against closed form; what is left out at twice the spacing bounds it."""
    logs = np.log(bossung.doses(three_beams, 180.0)[:1])
    at = np.linspace(-300, 300, 97)
    exact = 0.25 / abs(A0 + 2 * A1 * np.exp(1j * phase(at)) * np.cos(np.pi * 180 / 400)) ** 2
    error = np.abs(bossung.through_focus(FOCUS, logs, at)[0] - np.log(exact)).max()
    bound = np.abs(bossung.left_out(FOCUS, logs)).max()
    assert error < bound < 40 * error and error < 2e-4


def test_unknown_samples_break_the_curve():
    values = np.array([[1.0, 2.0, 3.0, np.nan, 5.0, 6.0, np.nan, 8.0], np.arange(8.0)])
    focus = np.arange(8.0)
    found = bossung.through_focus(focus, values, np.array([0.5, 2.0, 2.5, 4.5, 5.5, 7.0]))
    np.testing.assert_allclose(found[0], [1.5, 3.0, np.nan, 5.5, np.nan, np.nan])
    np.testing.assert_allclose(found[1], [0.5, 2.0, 2.5, 4.5, 5.5, 7.0])


def test_jumps_have_the_dose_of_the_jump():
    """Two bright features that merge: no dose prints what lies between, and one between their sum and more."""
    x = np.arange(-300.0, 301.0)
    # Peaks of different height at 0 and 150 with a dip of 0.6 between.
    image = np.interp(x, [-300, -100, 0, 75, 150, 250, 300], [0.1, 0.1, 1.0, 0.6, 0.9, 0.1, 0.1])
    found = Profiles(image[None, None], np.ones(1), np.ones(1, bool))
    before, after = (bossung.widths(found, d)[0, 0] for d in (1 / 0.602, 1 / 0.598))
    assert before < 125 and after > 220
    np.testing.assert_allclose(bossung.doses(found, 170.0), 1 / 0.6, rtol=1e-3)


def test_no_print_and_no_edge():
    flat = np.full((1, 1, 201), 0.8)
    ramp = np.linspace(0.5, 1.5, 201)[None, None]
    for speed in (flat, ramp):
        found = Profiles(speed, np.ones(1), np.ones(1, bool))
        assert np.isnan(bossung.widths(found, 1.0)).all()
    # A feature that does not fall off on the cut has an unknown dose; one that never prints an infinite one.
    assert np.isnan(bossung.doses(Profiles(ramp, np.ones(1), np.ones(1, bool)), 150.0)).all()
    dark = Profiles(np.zeros((1, 1, 201)), np.ones(1), np.ones(1, bool))
    assert not np.isfinite(bossung.doses(dark, 100.0)).any()


F = np.linspace(-300.0, 300.0, 401)
D, C = 0.1, 0.1 / 200**2


@pytest.fixture(scope="module")
def parabolas():
    """1 +- (D - C z^2): open for |z| < 200."""
    return window.overlap(F, (1 - D + C * F**2)[None], (1 + D - C * F**2)[None])


def test_rectangles_between_parabolas(parabolas):
    """EL = 2 (D - C a^2) at half width a; the largest area at a^2 = D / 3 C."""
    best = window.largest(parabolas, "rectangle")
    assert best.dof_nm * best.el_percent == pytest.approx(2 * np.sqrt(D / 3 / C) * 100 * 4 / 3 * D, rel=1e-5)
    assert best.dof_nm == pytest.approx(2 * np.sqrt(D / 3 / C), rel=1e-3)
    assert abs(best.focus_nm) < 1e-6 and best.dose == pytest.approx(1.0, abs=1e-9) and not best.cut_off
    for el in (5.0, 10.0):
        assert window.widest(parabolas, "rectangle", el).dof_nm == pytest.approx(
            2 * np.sqrt((D - el / 200) / C), rel=2e-4
        )
    (found,) = window.tallest(parabolas, "rectangle", 240.0)
    assert found.el_percent == pytest.approx(200 * (D - C * 120**2), rel=1e-5)


def test_ellipses_between_parabolas(parabolas):
    """Half height min over t of (D - C a^2 (1 - t^2)) / t: D where D > 2 C a^2, else 2 sqrt(C a^2 (D - C a^2))."""
    for half in (60.0, 120.0, 160.0, 190.0):
        q = C * half**2
        (found,) = window.tallest(parabolas, "ellipse", 2 * half)
        assert found.el_percent == pytest.approx(200 * (D if D > 2 * q else 2 * np.sqrt(q * (D - q))), rel=1e-3)
    best = window.largest(parabolas, "ellipse")
    # The area goes with q sqrt(1 - q), q = C a^2 / D: largest at 2/3.
    expected = 2 * np.sqrt(2 / 3 * D / C), 400 * D * np.sqrt(2 / 9)
    assert best.dof_nm == pytest.approx(expected[0], rel=2e-3)
    assert best.dof_nm * best.el_percent == pytest.approx(expected[0] * expected[1], rel=2e-4)
    dof = 2 * np.sqrt(0.5 * (1 + np.sqrt(1 - (0.05 / 2 / D) ** 2)) * D / C)
    assert window.widest(parabolas, "ellipse", 5.0).dof_nm == pytest.approx(dof, rel=1e-3)
    curve = window.latitude_curve(parabolas, "ellipse")
    assert curve[0][-1] < 400 and (np.diff(curve[1]) <= 1e-9).all() and curve[1][0] == pytest.approx(200 * D, rel=1e-3)


def test_ellipse_is_the_linear_program():
    """Of random bounds: the largest y for which an x satisfies every node."""
    rng = np.random.default_rng(0)
    s = np.maximum(np.sin(np.linspace(0, np.pi, 41)), 1e-9)
    u = np.linspace(-1, 1, 41)
    checked = 0
    for _ in range(40):
        k = 0.1 * rng.normal(size=4)
        high, low = 1.25 + k[0] * u + k[1] * u**2 + 0.02 * rng.random(41), 0.85 + k[2] * u + k[3] * u**2
        program = linprog([0, -1], np.r_[np.c_[-high, s], np.c_[low, s]], np.r_[-np.ones(41), np.ones(41)])
        if program.status:
            continue
        y, x = window._ellipse(low, high, s)
        assert y == pytest.approx(program.x[1], abs=1e-6) and x == pytest.approx(program.x[0], rel=0.05)
        checked += 1
    assert checked > 30


def test_windows_off_centre_and_tilted():
    """The parabolas moved and tilted: a sheared window holds the same ellipse, upright, only where the shear is 0."""
    f0, e0 = 60.0, 1.3
    u = F - f0
    moved = window.overlap(F, (e0 * (1 - D + C * u**2))[None], (e0 * (1 + D - C * u**2))[None])
    best = window.largest(moved, "ellipse")
    assert best.focus_nm == pytest.approx(f0, abs=0.2) and best.dose == pytest.approx(e0, rel=1e-4)
    tilted_window = window.overlap(F, (1 - D + C * F**2 + 3e-4 * F)[None], (1 + D - C * F**2 + 3e-4 * F)[None])
    assert window.largest(tilted_window, "ellipse").el_percent < 200 * D * np.sqrt(2 / 9) * 2


def test_overlap_is_the_intersection():
    low = np.stack([1 - D + C * F**2, 0.95 - D + C * (F - 50) ** 2, np.full(F.size, 0.8)])
    high = np.stack([1 + D - C * F**2, 0.95 + D - C * (F - 50) ** 2, np.where(np.abs(F) > 150, np.nan, 1.2)])
    both = window.overlap(F, low, high)
    rng = np.random.default_rng(1)
    for k, dose in zip(rng.integers(0, F.size, 500), rng.uniform(0.7, 1.3, 500), strict=True):
        inside = bool(((low[:, k] < dose) & (dose < high[:, k])).all())
        assert inside == bool(both.low[k] < dose < both.high[k])
    at = np.searchsorted(F, 0.0)
    assert (both.low_by[at], both.high_by[at]) == (0, 1)
    assert both.high_by[0] == 2 and not both.open[0], "a feature without a window closes it, and is named"
    # What fits in both fits in each.
    best = window.largest(both, "ellipse")
    (alone,) = window.tallest(window.overlap(F, low[:1], high[:1]), "ellipse", best.dof_nm)
    assert alone.el_percent >= best.el_percent
    assert window.touches(both, best, "ellipse") == (0, 1)
    corners = window.outline(both)
    assert corners[:, 0].min() >= -150 and corners[:, 0].max() <= 150
    step = np.roll(corners, -1, 0)
    area = 0.5 * np.sum(corners[:, 0] * step[:, 1] - step[:, 0] * corners[:, 1])
    assert area == pytest.approx(np.trapezoid(np.where(both.open, both.high - both.low, 0.0), F), rel=2e-2)


def test_closed_windows():
    shut = window.overlap(F, np.full((1, 401), 1.1), np.full((1, 401), 1.0))
    assert window.largest(shut, "ellipse") is None and window.widest(shut, "rectangle", 5.0) is None
    assert window.tallest(shut, "ellipse", 100.0) == [None] and window.outline(shut).shape == (0, 2)
    assert window.latitude_curve(shut, "rectangle")[0].size == 0
    wide = window.overlap(F, np.full((1, 401), 0.9), np.full((1, 401), 1.1))
    found = window.widest(wide, "rectangle", 10.0)
    assert isinstance(found, Inscribed) and found.cut_off and found.dof_nm == 600.0
