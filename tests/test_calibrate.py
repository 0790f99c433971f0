"""Calibration: images of lines and their derivatives against other ways, known machines found again, honest doubt."""

from dataclasses import replace

import numpy as np
import pytest

import calibration_draws as made
import printed_gauges
from actinic import layout
from actinic.config import limits, placed, value_at
from actinic.errors import ConfigError, NumericalError
from actinic.mask import Binary
from actinic.operate.calibration import Cut, Drawn, Free, Lines, Measurement, Problem, calibrate, scenes
from actinic.operate.calibration.lines import coherence, lines_grid, lines_samples
from actinic.optics import Conventional, Points, Projector, Scanner, band
from actinic.timing import Clock

SMALL = ((340, 170), (480, 180))
THRESHOLD, DIFFUSION = made.RESIST + "threshold", made.RESIST + "diffusion_nm"
SIGMA, NA = made.SOURCE + "sigma_out", made.LENS + "na"
Z4, Z9 = made.LENS + "zernikes_nm.Z4", made.LENS + "zernikes_nm.Z9"
TRUE = {"threshold": 0.333, "diffusion_nm": 28.0, "focus_offset_nm": 30.0, "Z9": 4.0, "sigma_out": 0.81}


def small(focuses=(-160.0, 60.0, 200.0), doses=(0.96, 1.04)):
    return made.measurements(SMALL, focuses, doses)


def problem(wanted, machine, *names):
    return Problem(wanted, scenes(wanted, machine.process), machine, [Free(name) for name in names])


@pytest.fixture(scope="module")
def printed():
    """Widths on small() of a machine with the state TRUE, by Abbe on a raster."""
    return printed_gauges.widths(made.machine(**TRUE), small())


def on_axis(**waves):
    lens = Projector(*(np.float64(v) for v in (193.0, 0.85, 1.0)), {z: np.float64(v) for z, v in waves.items()})
    return Scanner(lens, Points(np.zeros((1, 2)), np.ones(1)))


@pytest.mark.parametrize(("z", "expected"), [(0, 1.291905), (200, 1.095131), (400, 0.626453), (800, 0.021276)])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_three_beams_through_focus(z, expected, axis):
    lines = Lines(200.0, 400.0, axis)
    samples = lines_samples(coherence(on_axis(), lines, np.array([z]))[0], Binary(), lines)
    middle = band.to_points(samples, lines_grid(lines), np.zeros(1), np.zeros(1))
    assert middle[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("axis", "name"), [("y", "Z7"), ("x", "Z8")])
def test_coma_shifts_lines_across_themselves(axis, name):
    lines = Lines(200.0, 400.0, axis)
    samples = lines_samples(coherence(on_axis(**{name: 0.02 * 193}), lines, np.zeros(1))[0], Binary(), lines)
    wave = np.fft.fft2(samples)[0, 1] if axis == "y" else np.fft.fft2(samples)[1, 0]
    # The tile's corner stands half a period before the line.
    assert -np.angle(-wave) * 400 / (2 * np.pi) == pytest.approx(4.6925, abs=1e-3)


@pytest.mark.parametrize(("sigma", "f", "expected"), [(0.5, 0.8, 0.699144), (0.7, 1, 0.424780), (0.7, 1.5, 0.068871)])
def test_cross_coefficients_are_the_overlaps_of_discs(sigma, f, expected):
    """Areas of two discs in common, closed form; of order 1 with itself and with order 0 alike."""
    lens = Projector(*(np.float64(v) for v in (193.0, 0.85, 1.0)))
    lines = Lines(100.0, 193 / (0.85 * f))
    found = coherence(Scanner(lens, Conventional(np.float64(sigma))), lines, np.zeros(1))[0]
    k = (len(found) - 1) // 2
    np.testing.assert_allclose(found[k + 1, [k, k + 1]], expected, atol=4e-4)
    np.testing.assert_allclose(found, found.conj().T, atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_half_a_symmetric_source_is_the_whole(axis):
    """An aberration too small to see, but not symmetric, has the whole source summed."""
    scanner, odd = made.machine(Z9=5.0).process.scanner, "Z8" if axis == "y" else "Z7"
    whole = placed(scanner, f"projector.zernikes_nm.{odd}", np.float64(1e-8))
    lines = Lines(180.0, 520.0, axis)
    half, both = (coherence(s, lines, np.array([0.0, 120.0])) for s in (scanner, whole))
    np.testing.assert_allclose(half, both, atol=1e-9)


def test_two_ways_to_the_same_widths(printed):
    wanted, machine = small(), made.machine(**TRUE)
    one = problem(wanted, machine, "dose_scale")
    assert np.abs(one.predict(one.start) - printed).max() < 0.1
    # The other way is no copy: a nanometre of blur or of spherical aberration shows in it.
    for name, value in (("diffusion_nm", 29.0), ("Z9", 5.0), ("focus_offset_nm", -30.0)):
        other = problem(wanted, made.machine(**TRUE | {name: value}), "dose_scale")
        assert np.abs(other.predict(other.start) - printed).max() > 0.25


def test_spaces_fill_what_lines_leave():
    wanted, machine = small(doses=(1.0,)), made.machine(Z9=3.0)
    lines = problem(wanted, machine, "dose_scale")
    spaces = problem([replace(m, kind="space") for m in wanted], machine, "dose_scale")
    pitch = [m.site.pitch_nm for m in wanted]
    np.testing.assert_allclose(lines.predict(lines.start) + spaces.predict(spaces.start), pitch, atol=1e-6)


def test_derivatives_are_those_of_the_widths():
    names = (THRESHOLD, DIFFUSION, Z4, Z9, "focus_offset_nm", "dose_scale", made.LENS + "wavelength_nm", NA, SIGMA)
    one = problem(small(), made.machine(**TRUE), *names)
    p = one.start
    exact = one.derivative(p)
    for k, step in enumerate((1e-4, 0.05, 0.05, 0.05, 0.5, 1e-3, 2.0, 7e-3, 7e-3)):
        e = step * np.eye(len(p))[k]
        found = (one.predict(p + e) - one.predict(p - e)) / (2 * step)
        # The rims of aperture and source pass over cells: those derivatives agree to some per cent.
        loose = names[k] in (NA, SIGMA, made.LENS + "wavelength_nm")
        assert np.abs(exact[:, k] - found).max() < (0.06 if loose else 2e-3) * np.abs(found).max(), names[k]
    # dCD / d ln dose = -2 I / (dI/dx), the textbook's exposure latitude: more dose widens bright lines.
    assert (exact[:, 5] > 0).all() and (exact[:, 0] < 0).all()
    np.testing.assert_allclose(exact[:, 5] * 1.0, -exact[:, 0] * p[0], rtol=1e-6)


def test_no_compilation_for_new_focus_and_dose():
    machine = made.machine(**TRUE)
    first = problem(small(), machine, THRESHOLD, Z9, "focus_offset_nm", "dose_scale")
    first.derivative(first.start)
    clock = Clock()
    other = problem(
        small((-170.0, 33.0, 210.0), (0.9, 1.01, 1.07)), machine, THRESHOLD, Z9, "focus_offset_nm", "dose_scale"
    )
    other.derivative(other.start + [0.01, 1.0, 17.0, 0.02])
    assert clock.cost().compile_s == 0


def test_a_known_machine_is_found_again(printed):
    free = [Free(name) for name in (THRESHOLD, DIFFUSION, "focus_offset_nm")]
    start = made.machine(sigma_out=TRUE["sigma_out"], Z9=TRUE["Z9"])
    measured = [replace(m, sigma_nm=0.2) for m in made.noisy(small(), printed, 0, noise_nm=0.2)]
    found = calibrate(measured, start, free)
    true = np.array([TRUE[f.name.rpartition(".")[2]] for f in free])
    # The truth lies as far off as the standard errors say: chi-square of 3 numbers, 99.9 %.
    assert np.sum(((found.value - true) / found.sigma) ** 2) < 16.3
    assert found.noise == 1 and found.likelihood > 1e-3 and not found.outlier.any()
    assert found.rms_nm[1] < 0.3 < 1 < found.rms_nm[0] and found.determined
    # What can be told apart is not accused.
    assert found.sets == () and np.abs(found.correlation - np.eye(3)).max() < 0.98


def test_a_second_state_that_explains_as_much_is_told():
    """At few, symmetric focus settings a lens out of focus with spherical aberration looks like its mirror image."""
    wanted = made.measurements(((520, 180),), (-150.0, 0.0, 150.0), (1.0,))
    free = [Free("focus_offset_nm"), Free(Z9)]
    machine = made.machine(focus_offset_nm=80.0, Z9=-11.0)
    exact = problem(wanted, machine, "dose_scale").predict(np.ones(1))

    def found(start, sigma_nm):
        rows = [replace(m, sigma_nm=sigma_nm, value_nm=v) for m, v in zip(wanted, exact, strict=True)]
        return calibrate(rows, start, free)

    rough, sharp = found(machine, 1.0), found(machine, 0.01)
    np.testing.assert_allclose(rough.value, [80.0, -11.0], atol=0.05)
    assert rough.twin is not None and abs(rough.twin[0]) < 20 and rough.twin[1] > 8 and not rough.determined
    assert sharp.twin is None and sharp.determined
    # A descent that begins at the twin ends in the better of the two.
    other = made.machine(focus_offset_nm=float(rough.twin[0]), Z9=float(rough.twin[1]))
    np.testing.assert_allclose(found(other, 0.01).value, [80.0, -11.0], atol=0.05)


def test_a_pair_is_named_until_a_prior_tells_it_apart(printed):
    measured, start = made.noisy(small(), printed, 0), made.machine(**TRUE)
    found = calibrate(measured, start, [Free(THRESHOLD), Free("dose_scale"), Free("process.corners.0.dose")])
    assert [s.names for s in found.sets] == [(THRESHOLD, "dose_scale")] and not found.determined
    assert np.isinf(found.sigma[2]), "no gauge is exposed at a corner of the setup"
    told = calibrate(measured, start, [Free(THRESHOLD), Free("dose_scale", prior=(1.0, 0.002))])
    assert not told.sets and told.determined and told.decided_by_prior == ("dose_scale",)
    assert told.sigma[1] == pytest.approx(0.002, rel=1e-3) and told.value[1] == pytest.approx(1.0, abs=1e-4)


def test_a_gross_outlier_is_found_and_does_not_move_a_robust_fit(printed):
    free, start = [Free(THRESHOLD), Free(DIFFUSION)], made.machine(**TRUE)
    clean = made.noisy(small(), printed, 1)
    spoiled = [*clean[:7], replace(clean[7], value_nm=clean[7].value_nm + 15), *clean[8:]]
    honest, plain, robust = (
        calibrate(clean, start, free),
        calibrate(spoiled, start, free),
        calibrate(spoiled, start, free, robust=True),
    )
    assert np.flatnonzero(robust.outlier).tolist() == [7] and plain.outlier[7]
    assert (np.abs(robust.value - honest.value) < honest.sigma).all()
    assert (np.abs(plain.value - honest.value) > 2 * honest.sigma).any()
    assert not honest.outlier.any()
    # What is an outlier does not count in the chi-square.
    assert robust.likelihood > 1e-3


def test_weights_count(printed):
    """Two doses disagree about the threshold: the answer lies where the weights are."""
    low = made.machine(**TRUE | {"threshold": 0.32})
    other = problem(small(), low, "dose_scale").predict(np.ones(1))
    found = []
    for weight in (0.01, 1.0, 100.0):
        mixed = [
            replace(m, value_nm=v, weight=weight if m.dose > 1 else 1.0, sigma_nm=None)
            for m, v in zip(small(), np.where([m.dose > 1 for m in small()], other, printed), strict=True)
        ]
        found.append(calibrate(mixed, made.machine(**TRUE), [Free(THRESHOLD)]))
    assert found[0].value[0] > 0.3325 and found[2].value[0] < 0.3205
    assert found[0].value[0] > found[1].value[0] > found[2].value[0]
    assert not found[1].noise_known


def test_unknown_noise_is_estimated(printed):
    free, start = [Free(THRESHOLD), Free(DIFFUSION)], made.machine(**TRUE)
    measured = made.noisy(small(), printed, 2, noise_nm=0.7)
    known = calibrate([replace(m, sigma_nm=0.7) for m in measured], start, free)
    for robust in (False, True):
        found = calibrate([replace(m, sigma_nm=None) for m in measured], start, free, robust=robust)
        assert found.noise == pytest.approx(0.7, rel=0.5) and found.reach > known.reach
        np.testing.assert_allclose(found.sigma / found.noise, known.sigma / 0.7, rtol=0.15)
    assert calibrate([replace(m, sigma_nm=0.1) for m in measured], start, free).likelihood < 1e-6


def test_held_out_structures_are_predicted(printed):
    measured = made.noisy(small(), printed, 3)
    found = calibrate(measured, made.machine(**TRUE), [Free(THRESHOLD)], hold_out=0.5)
    held = found.held_out
    assert held.folds == 2 and held.by_structure and 0.5 < held.rms / held.expected < 1.6
    assert held.rms_nm == pytest.approx(held.rms, rel=1e-9)  # sigma is 1 nm
    # One setting from the six gauges of the other structure, whose slopes differ somewhat.
    assert held.expected == pytest.approx(np.sqrt(1 + 1 / 6), rel=0.1)
    assert held.rms != pytest.approx(np.sqrt(np.mean(found.residual**2)), rel=1e-3)
    one = [m for m in measured if m.site == Lines(170.0, 340.0)]
    assert not calibrate(one, made.machine(**TRUE), [Free(THRESHOLD)], hold_out=0.5).held_out.by_structure


def test_gauges_that_do_not_print_are_told_and_do_not_count(printed):
    measured = made.noisy(small(), printed, 4)
    lost = Measurement("dark", "line", Lines(60.0, 400.0), 60.0, 1.0)
    found = calibrate([*measured, lost], made.machine(**TRUE), [Free(THRESHOLD)])
    plain = calibrate(measured, made.machine(**TRUE), [Free(THRESHOLD)])
    assert np.flatnonzero(found.lost).tolist() == [len(measured)] and np.isnan(found.residual[-1])
    assert found.value == pytest.approx(plain.value) and found.chi_square == pytest.approx(plain.chi_square)


def test_bounds_hold(printed):
    measured = made.noisy(small(), printed, 5)
    found = calibrate(
        measured, made.machine(**TRUE | {"diffusion_nm": 20.0}), [Free(DIFFUSION, 15.0, 22.0), Free(THRESHOLD)]
    )
    assert found.at_bound.tolist() == [True, False] and found.value[0] == pytest.approx(22.0) and not found.determined


WINDOW = (0.0, 0.0, 3400.0, 3400.0)


def test_cuts_in_a_layout_measure_what_lines_do():
    """The same dense lines as polygons in a layout, across either axis, and as points of a contour."""
    machine = made.machine(Z9=3.0, focus_offset_nm=120.0)
    drawn = Drawn(layout.lines(170, 340, (-2000.0, -2000.0, 5400.0, 5400.0)), halo_nm=1200.0)
    conditions = [(focus, dose) for focus in (-150.0, 100.0) for dose in (0.96, 1.04)]
    straight = [Measurement("1-D", "line", Lines(170.0, 340.0), 1.0, 1.0, 1.0, f, d) for f, d in conditions]
    # The window's centre is the middle of a line.
    cuts = [Measurement("cut", "line", Cut(1615.0, 1700.0, 1785.0, 1700.0), 1.0, 1.0, 1.0, f, d) for f, d in conditions]
    gaps = [
        Measurement("gap", "space", Cut(1955.0, 1500.0, 1785.0, 1500.0), 1.0, 1.0, 1.0, f, d) for f, d in conditions
    ]
    right = [
        Measurement("right", "edge", Cut(1785.0, 1600.0, 1800.0, 1600.0), 0.0, 1.0, 1.0, f, d) for f, d in conditions
    ]
    left = [Measurement("left", "edge", Cut(1615.0, 1800.0), 0.0, 1.0, 1.0, f, d) for f, d in conditions]
    together = [*straight, *cuts, *gaps, *right, *left]
    one = Problem(together, scenes(together, machine.process, drawn), machine, [Free("dose_scale"), Free(THRESHOLD)])
    width, cut, gap, at_right, at_left = one.predict(one.start).reshape(5, -1)
    # Abbe's lattice for a tile is coarser than that for lines.
    np.testing.assert_allclose(cut, width, atol=0.6)
    # The tile is no whole number of pitches: what stands a halo away still counts a little.
    np.testing.assert_allclose(gap, 340 - cut, atol=0.3)
    np.testing.assert_allclose(170 + at_right + at_left, cut, atol=0.05)
    assert (at_right[1] > 0) and (at_right[0] < 0), "more dose, a wider bright line"
    slopes = one.derivative(one.start).reshape(5, len(conditions), 2)
    np.testing.assert_allclose(slopes[3] + slopes[4], slopes[1], rtol=0.02)
    np.testing.assert_allclose(slopes[2], -slopes[1], rtol=0.02)


def test_contour_points_calibrate():
    """Points of a measured contour around the end of a line."""
    drawn = Drawn(layout.line_end_gap(200, 300, (-1500.0, -1500.0, 1500.0, 1500.0)), halo_nm=1000.0)
    points = [(0.0, 150.0), (60.0, 260.0), (-60.0, 260.0), (100.0, 400.0), (-100.0, 400.0), (100.0, -600.0)]
    flat = [Measurement(f"p{n}", "edge", Cut(x, y), 0.0, 1.0) for n, (x, y) in enumerate(points)]
    true = made.machine(threshold=0.30)
    away = Problem(flat, scenes(flat, true.process, drawn), true, [Free(THRESHOLD)])
    # Distances of the true edge: the points of the true contour lie so far along its normals.
    measured = [replace(m, value_nm=v) for m, v in zip(flat, away.predict(away.start), strict=True)]
    assert np.isfinite([m.value_nm for m in measured]).all()
    found = calibrate(measured, made.machine(threshold=0.33), [Free(THRESHOLD)], drawn=drawn)
    assert found.value[0] == pytest.approx(0.30, abs=3e-4)


def test_leaves_by_their_keys():
    machine = made.machine()
    moved = placed(machine, Z9, np.float64(2.0))
    assert value_at(moved, Z9) == 2.0 and value_at(machine, Z9) is None
    assert placed(machine, "process.corners.1.dose", np.float64(0.9)).process.corners[1].dose == 0.9
    low, high = limits(machine, SIGMA)
    assert 0 < low < 1e-300 and high == 1
    assert limits(machine, Z9) == (-1000, 1000) and limits(machine, "focus_offset_nm") == (-5000, 5000)


@pytest.mark.parametrize(
    ("free", "message"),
    [
        (Free("process.scanner.projector.nna"), "did you mean na"),
        (Free("process.scanner.projector"), "not a number"),
        (Free("process.mask.kind"), "not a number"),
        (Free("process.scanner.projector.zernikes_nm.Z99"), "Z1..Z37"),
        (Free(THRESHOLD, 0.5, 0.6), "does not lie between"),
        (Free(SIGMA, 1.5, 2.0), "leave nothing"),
        (Free(THRESHOLD, prior=(0.3, 0.0)), "sigma above 0"),
    ],
)
def test_what_cannot_be_freed(free, message):
    wanted = small(doses=(1.0,))
    with pytest.raises(ConfigError, match=message):
        calibrate(wanted, made.machine(), [free])


def test_what_cannot_be_calibrated():
    wanted, machine = small(doses=(1.0,)), made.machine()
    with pytest.raises(ConfigError, match="nothing is free"):
        calibrate(wanted, machine, [])
    with pytest.raises(NumericalError, match="1 gauges print, which cannot determine 2"):
        calibrate(wanted[:1], machine, [Free(THRESHOLD), Free(DIFFUSION)])
    with pytest.raises(ConfigError, match="say which"):
        calibrate([Measurement("c", "line", Cut(0.0, 0.0, 1.0, 0.0), 100.0)], machine, [Free(THRESHOLD)])
    with pytest.raises(ConfigError, match="must lie between 0"):
        calibrate(wanted, machine, [Free(THRESHOLD)], hold_out=0.7)


@pytest.mark.slow
def test_coverage_and_held_out_error():
    draws = [made.draw(seed) for seed in range(100)]
    inside = np.mean([d.inside for d in draws], axis=0)
    assert 0.90 <= np.mean(inside) <= 0.99 and (inside >= 0.90).all() and (inside <= 0.99).all()
    p, n = len(made.FREE), len(made.measurements())
    limit = 1.05 * np.sqrt(1 + p / n)
    for errors in ("repeated", "between"):
        assert np.sqrt(np.mean([getattr(d, errors) ** 2 for d in draws])) <= limit
    assert sum(d.doubts for d in draws) <= 2
