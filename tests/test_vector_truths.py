"""Vector imaging and films in the image, against closed forms, identities and a plain full-grid code."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import second_opinion
from actinic.config import build, dump
from actinic.design import verify
from actinic.errors import ConfigError
from actinic.forward import Corner, Process, anchored, distinct_focus, prepare
from actinic.jobs import load_setup
from actinic.layout import coverage, lines
from actinic.mask import AttenuatedPSM, Binary
from actinic.optics import (
    Annular,
    Conventional,
    Dipole,
    FilmStack,
    JonesPupil,
    Layer,
    Points,
    Projector,
    Quasar,
    Scanner,
    Substrate,
    abbe,
    band,
    coherent_systems,
    decompose,
)
from actinic.resist import DenseLine, ThresholdResist
from actinic.types import Grid, double

WATER = 1.437
ON_AXIS = Points(np.zeros((1, 2)), np.ones(1))
POLARISATIONS = ("unpolarised", "TE", "TM", "X", "Y")
GRID = Grid((40, 48), 13.0, (-100.0, 40.0))
ABERRATED = {"Z5": 4.0, "Z7": -6.0, "Z9": 5.0}


def layer(thickness, n, k=0.0):
    return Layer(*(np.float64(v) for v in (thickness, n, k)))


def film(depth="average", thickness=100.0):
    silicon = Substrate(np.float64(0.883), np.float64(2.778))
    return FilmStack((layer(thickness, 1.70, 0.03), layer(40, 1.80, 0.50)), silicon, depth)


def scanner(polarisation, source=ON_AXIS, na=1.35, index=WATER, wavelength=193.0, jones=None, **zernikes):
    leaves = [np.float64(v) for v in (wavelength, na, index)]
    zernikes = {name: np.float64(v) for name, v in zernikes.items()}
    return Scanner(Projector(*leaves, zernikes, np.float64(4.0), jones), source, polarisation)


def blocks(seed=0):
    rng = np.random.default_rng(seed)
    return 0.8 * np.kron(rng.random((5, 6)) < 0.5, np.ones((8, 8))) + 0.2 * rng.random(GRID.shape)


def spectrum_of(machine, covered, grid=GRID):
    return band.mask_spectrum(covered, machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0]))


def image(machine, covered, focus=0.0, stack=None, grid=GRID):
    return band.to_pixels(abbe.aerial(machine, spectrum_of(machine, covered, grid), grid, focus, stack), grid)


def difference(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max()


def beams(machine, period, amplitudes, focus=0.0, stack=None, along="x"):
    """Harmonics of the image of a few orders {order: amplitude} along one axis of a tile of one period."""
    grid = Grid((1, 1), period)
    orders = machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0])
    spectrum = np.zeros([2 * k + 1 for k in orders], complex)
    for order, amplitude in amplitudes.items():
        spectrum[orders[0], orders[1] + order] = amplitude
    samples = abbe.aerial(machine, spectrum if along == "x" else spectrum.T, grid, focus, stack)
    samples = samples[0] if along == "x" else samples[:, 0]
    return np.fft.fft(samples) / len(samples)


SINES = (
    (0.60, 1.0, 0.28),
    (0.93, 1.0, -0.7298),
    (1.20, WATER, -0.394694),
    (1.35, WATER, -0.765160),
    (1.35, 1.70, -0.261246),
)


@pytest.mark.parametrize(("sine", "index", "expected"), SINES)
@pytest.mark.parametrize("along", ["x", "y"])
def test_row_03_two_equal_beams(sine, index, expected, along):
    period = 193.0 / sine
    assert expected == pytest.approx(np.cos(2 * np.arcsin(sine / index)), abs=1e-6)
    across = {"x": "Y", "y": "X"}[along]
    for polarisation, contrast in ((across, 1.0), ({"X": "Y", "Y": "X"}[across], expected)):
        # Inside a resist without an interface below: what counts is the angle there.
        stack = film(30.0) if index == 1.70 else None
        if stack is not None:
            stack = FilmStack((layer(100, index),), Substrate(np.float64(index)), 30.0)
        machine = scanner(polarisation, na=sine * 1.0001, index=min(index, WATER))
        harmonic = beams(machine, period, {-1: 0.5, 1: 0.5}, 0.0, stack, along)
        assert 2 * harmonic[2].real / harmonic[0].real == pytest.approx(contrast, abs=1e-6)


@pytest.mark.parametrize(("low", "high", "strong", "weak"), [(0, 1, 1.0, 0.6), (-1, 2, 0.3, 1.0), (-2, 2, 1.0, 0.5)])
def test_row_04_two_unequal_beams(low, high, strong, weak):
    period = 2.2 * 193.0 / 1.35
    sines = np.array([low, high]) * 193.0 / period
    angles = np.arcsin(sines / WATER)
    # The lens makes tilted beams brighter.
    a, b = np.array([strong, weak]) * np.sqrt(np.sqrt(1 - (sines / 4) ** 2) / np.cos(angles))
    swing = 2 * a * b / (a * a + b * b)
    for polarisation, contrast in (("Y", swing), ("X", swing * np.cos(angles[1] - angles[0]))):
        harmonic = beams(scanner(polarisation), period, {low: strong, high: weak})
        assert 2 * harmonic[high - low].real / harmonic[0].real == pytest.approx(contrast, abs=1e-6)


@pytest.mark.parametrize("polarisation", POLARISATIONS)
@pytest.mark.parametrize("stack", [None, film()], ids=["no-film", "film"])
def test_row_11_band_limit(polarisation, stack):
    machine = scanner(polarisation, Quasar(np.float64(0.5), np.float64(0.9)), Z7=9.0)
    period = (431.0, 517.0)
    points, weights = machine.source_points(period)
    orders = machine.orders(period, points)
    rng = np.random.default_rng(0)
    part = rng.permutation(len(points))[:40]
    rows = coherent_systems(
        machine.projector, points[part], weights[part], period, orders, np.float64(60), polarisation, stack
    )
    mask = rng.normal(size=rows.shape[1:]) + 1j * rng.normal(size=rows.shape[1:])
    wide = band.intensity(rows, mask, (36, 40))
    f = np.hypot(np.fft.fftfreq(36, period[0] / 36)[:, None], np.fft.fftfreq(40, period[1] / 40))
    power = abs(np.fft.fft2(wide, norm="forward")) / wide.mean()
    limit = 2 * 1.35 / 193.0
    assert power[f > limit * (1 + 1e-9)].max() < 1e-12 < 1e-4 < power[(f > 0.8 * limit) & (f <= limit)].max()


@pytest.mark.parametrize("polarisation", POLARISATIONS)
def test_row_14_symmetric_dipole_has_no_defocus(polarisation):
    s = 0.8
    source = Points(np.array([[-s, 0.0], [s, 0.0]]), np.ones(2))
    period = 193.0 / (2 * s * 1.35)
    # Only orders 0 and -1 or +1 pass.
    mask = {-1: 1 / np.pi, 0: 0.5, 1: 1 / np.pi}
    sharp, blurred = (beams(scanner(polarisation, source), period, mask, z) for z in (0.0, 200.0))
    assert abs(sharp - blurred).max() < 1e-10
    p_light = np.cos(2 * np.arcsin(s * 1.35 / WATER))
    contrast = {"TE": 1.0, "Y": 1.0, "TM": p_light, "X": p_light, "unpolarised": (1 + p_light) / 2}[polarisation]
    # Two beams of 1/2 and 1/pi, both at the same angle.
    assert sharp[1].real / sharp[0].real == pytest.approx(contrast * (0.5 / np.pi) / (0.25 + np.pi**-2), abs=1e-6)


@pytest.mark.parametrize(
    ("na", "index", "reduction", "expected"),
    [
        (0.93, 1, 4, 1.626681),
        (1.35, WATER, 4, 1.657426),
        (0.33, 1, 4, 1.027488),
        (0.55, 1, 4, 1.089034),
        (0.55, 1, 8, 1.092948),
    ],
)
def test_row_19_radiometric_factor(na, index, reduction, expected):
    period = 193.0 / na
    machine = scanner("Y", na=na, index=float(index))
    machine = eqx.tree_at(lambda m: m.projector.reduction, machine, np.float64(reduction))
    # One beam at the rim beside a clear field on the axis.
    assert np.sqrt(beams(machine, period, {1: 1.0})[0].real) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("polarisation", POLARISATIONS)
@pytest.mark.parametrize(
    "source", [Annular(0.5, 0.8), Points(np.array([[0.3, -0.2], [0.0, 0.0]]), np.array([4.0, 1.0]))]
)
def test_clear_field_is_one(polarisation, source):
    machine = scanner(polarisation, source, **ABERRATED)
    for z in (0.0, 75.0):
        assert difference(image(machine, np.ones(GRID.shape), z), 1) < 1e-12
    dimmed = JonesPupil({"45": {"Z1": 10.0, "Z5": 4.0}}, {"xy": {"Z1": 0.3, "Z4": 0.2}})
    assert difference(image(scanner(polarisation, source, jones=dimmed), np.ones(GRID.shape)), 1) < 1e-12


POINTS = np.array([[0.5, 0.2], [-0.3, 0.6], [0.1, -0.7], [0.0, 0.0]])
SHARES = np.array([0.3, 0.4, 0.2, 0.1])


def jones_vectors(polarisation):
    half = [(np.sqrt(0.5), 0.0), (0.0, np.sqrt(0.5))]
    if polarisation in ("X", "Y"):
        return [[(1.0, 0.0) if polarisation == "X" else (0.0, 1.0)]] * len(POINTS)
    if polarisation == "unpolarised":
        return [half] * len(POINTS)
    angle = np.arctan2(POINTS[:, 1], POINTS[:, 0]) + (np.pi / 2 if polarisation == "TE" else 0)
    return [[(np.cos(t), np.sin(t))] if np.hypot(*p) else half for t, p in zip(angle, POINTS, strict=True)]


@pytest.mark.parametrize("polarisation", POLARISATIONS)
@pytest.mark.parametrize("depth", [None, 0.0, 37.0, 100.0])
def test_image_is_the_full_grid_sum(polarisation, depth):
    covered, z = blocks(), 55.0
    lens = {"wavelength": 193.0, "na": 1.35, "index": WATER, "focus": z, "zernikes": ABERRATED}
    layers = None if depth is None else [(1.70 + 0.03j, 100.0), (1.80 + 0.50j, 40.0), (0.883 + 2.778j, np.inf)]
    truth = second_opinion.vector_abbe(
        covered, 13.0, POINTS, SHARES, jones_vectors(polarisation), lens, 4.0, layers, depth or 0.0
    )
    machine = scanner(polarisation, Points(POINTS, SHARES), **ABERRATED)
    found = image(machine, covered, z, None if depth is None else film(depth))
    assert difference(found, truth) < 1e-9 * truth.max()
    # Each polarisation is another image.
    other = scanner("X" if polarisation != "X" else "Y", Points(POINTS, SHARES), **ABERRATED)
    assert difference(image(other, covered, z, None if depth is None else film(depth)), truth) > 1e-2


SOURCES = {
    "conventional": Conventional(0.6),
    "annular": Annular(0.6, 0.9),
    "dipole": Dipole(0.6, 0.9),
    "quasar": Quasar(0.5, 0.9),
}


@pytest.mark.parametrize("polarisation", POLARISATIONS)
@pytest.mark.parametrize("stack", [None, film(thickness=30.0)], ids=["no-film", "film"])
@pytest.mark.parametrize("source", ["few", "dipole"])
def test_row_43_socs_is_abbe(polarisation, stack, source):
    # Few source points: the Gram matrix of the rows; many: the coefficients of the frequencies.
    machine = scanner(polarisation, Points(POINTS, SHARES) if source == "few" else SOURCES[source], **ABERRATED)
    spectrum = spectrum_of(machine, blocks())
    kernels, energy = decompose(machine, GRID.period_nm, 45.0, stack)
    truth = abbe.aerial(machine, spectrum, GRID, 45.0, stack)
    assert difference(band.intensity(kernels, spectrum, truth.shape), truth) < 1e-12
    assert np.all(np.diff(energy) < 1e-12)
    np.testing.assert_allclose(np.sum(np.abs(kernels) ** 2, (1, 2)), energy, atol=1e-12)
    assert len(kernels) <= np.prod(spectrum.shape)


@pytest.mark.parametrize("stack", [None, film(thickness=30.0)], ids=["no-film", "film"])
def test_row_43_cross_coefficients_are_hermitian_and_not_negative(stack):
    machine, period = scanner("TE", Annular(0.6, 0.9), **ABERRATED), (300.0, 260.0)
    points, weights = machine.source_points(period)
    orders = machine.orders(period, points)
    rows = coherent_systems(machine.projector, points, weights, period, orders, np.float64(30), "TE", stack)
    flat = rows.reshape(len(rows), -1)
    tcc = np.einsum("rf,rg->fg", flat.conj(), flat, optimize=True)
    assert difference(tcc, tcc.conj().T) < 1e-14
    energy = np.linalg.eigvalsh(tcc)
    assert energy[0] > -1e-13 * energy[-1]
    found = decompose(machine, period, 30.0, stack)[1]
    np.testing.assert_allclose(found, energy[::-1][: len(found)], atol=1e-12)


def test_unpolarised_is_the_mean_of_any_two_crossed():
    covered, source = blocks(), Points(POINTS, SHARES)
    for stack in (None, film(20.0)):
        found = {p: image(scanner(p, source), covered, 30.0, stack) for p in POLARISATIONS}
        for pair in (("X", "Y"), ("TE", "TM")):
            assert difference(found["unpolarised"], (found[pair[0]] + found[pair[1]]) / 2) < 1e-12
            assert difference(*(found[p] for p in pair)) > 0.02


@pytest.mark.parametrize(("here", "there"), [("X", "Y"), ("TE", "TE"), ("TM", "TM"), ("unpolarised", "unpolarised")])
def test_swapping_x_and_y(here, there):
    covered, turned = blocks(), Grid(GRID.shape[::-1], 13.0)
    for stack in (None, film(20.0)):
        one = image(scanner(here, Dipole(0.6, 0.9)), covered, 30.0, stack)
        other = image(scanner(there, Dipole(0.6, 0.9, 60.0, 90.0)), covered.T, 30.0, stack, turned)
        assert difference(one, other.T) < 1e-12


def test_small_apertures_are_scalar():
    covered = blocks()
    source = Points(np.array([[0.4, 0.3], [-0.5, 0.1]]), np.ones(2))
    grid, error = Grid(GRID.shape, 13.0 * 30), []
    for na in (0.045, 0.0225):
        grid = Grid(GRID.shape, 13.0 * 1.35 / na)
        scalar = image(scanner(None, source, na), covered, grid=grid)
        error.append(max(difference(image(scanner(p, source, na), covered, grid=grid), scalar) for p in POLARISATIONS))
    # What is left goes with the square of the angle.
    assert error[0] < 1e-3 and error[0] / error[1] == pytest.approx(4, rel=0.1)


def test_a_film_of_the_medium_is_defocus():
    stack = FilmStack((layer(100, WATER),), Substrate(np.float64(WATER)), 37.0)
    for polarisation in POLARISATIONS:
        machine = scanner(polarisation, Points(POINTS, SHARES), **ABERRATED)
        assert difference(image(machine, blocks(), -10.0, stack), image(machine, blocks(), 27.0)) < 1e-12


def test_the_average_is_that_of_the_depths():
    machine, stack = scanner("TM", Points(POINTS, SHARES)), film()
    spectrum = spectrum_of(machine, blocks())
    depths, weights = stack.depths(np.float64(193.0))
    resolved = abbe.aerial(machine, np.stack([spectrum, 2 * spectrum]), GRID, 20.0, stack, depths)
    assert resolved.shape[:2] == (2, len(depths))
    average = abbe.aerial(machine, spectrum, GRID, 20.0, stack)
    assert difference(np.tensordot(weights, resolved[0], 1), average) < 1e-13
    np.testing.assert_allclose(resolved[1], 4 * resolved[0], atol=1e-12)
    assert np.ptp(resolved[0], axis=0).max() > 0.1
    many, weights = replace(stack, nodes=60).depths(np.float64(193.0))
    assert difference(np.tensordot(weights, abbe.aerial(machine, spectrum, GRID, 20.0, stack, many), 1), average) < 1e-9


@pytest.mark.parametrize("wave", ["s", "p"])
def test_clear_field_in_a_film_is_what_the_stack_absorbs(wave):
    place = np.array([[0.0, 0.7]])
    machine = scanner("TE" if wave == "s" else "TM", Points(place, np.ones(1)))
    stack, sine = film(), np.float64(0.7 * 1.35)
    dose = image(machine, np.ones(GRID.shape), 0.0, stack)
    assert np.ptp(dose) < 1e-12
    absorbed = stack.powers(np.float64(193.0), np.float64(WATER), sine, wave).absorbed[0]
    # Absorbed = alpha D dose; the incident power on the wafer's area goes with the cosine.
    alpha = 4 * np.pi * 0.03 / 193.0
    assert alpha * 100.0 * dose[0, 0] / np.sqrt(1 - (sine / WATER) ** 2) == pytest.approx(absorbed, rel=1e-10)


@pytest.mark.parametrize("polarisation", POLARISATIONS)
def test_focus_symmetry(polarisation):
    covered, machine = blocks(), scanner(polarisation, Dipole(0.5, 0.9, 60.0, 20.0))
    assert machine.focus_symmetric()
    up, down = (image(machine, covered, z) for z in (80.0, -80.0))
    assert difference(up, down) < 1e-12
    # A film has a top and a bottom, and a lens that turns polarisation has a hand.
    up, down = (image(machine, covered, z, film(40.0)) for z in (80.0, -80.0))
    assert difference(up, down) > 1e-2
    turning = scanner(polarisation, Dipole(0.5, 0.9), jones=JonesPupil({"xy": {"Z2": 30.0}, "45": {"Z1": 20.0}}))
    assert not turning.focus_symmetric()


def test_jones_pupil():
    covered, source = blocks(), Points(POINTS, SHARES)

    def seen(polarisation, **jones):
        tables = {name: {key: {"Z1": np.float64(v)} for key, v in table.items()} for name, table in jones.items()}
        return image(scanner(polarisation, source, jones=JonesPupil(**tables) if jones else None), covered, 30.0)

    x, y = seen("X"), seen("Y")
    assert difference(seen("X", retardance_nm={"xy": 31.0}), x) < 1e-12
    # Half a wave along a diagonal exchanges x and y, a quarter and a half of circular turn by 45 and 90 degrees.
    assert difference(seen("X", retardance_nm={"45": 96.5}), y) < 1e-12
    assert difference(seen("X", retardance_nm={"circular": 96.5}), y) < 1e-12
    turned = seen("X", retardance_nm={"circular": 48.25}), seen("Y", retardance_nm={"circular": 48.25})
    assert difference(sum(turned), x + y) < 1e-12 and difference(turned[0], turned[1]) > 1e-2
    # Unpolarised light does not mind any turn, and is dimmed by the stated ratio.
    assert difference(seen("unpolarised", retardance_nm={"45": 20.0, "circular": 9.0}), (x + y) / 2) < 1e-12
    share = 1 / (1 + np.exp(-0.7))
    assert difference(seen("unpolarised", diattenuation={"xy": 0.7}), share * x + (1 - share) * y) < 1e-12
    # A polariser at -45 degrees makes what the circular turn makes of x light; the dimming comes first.
    assert difference(turned[0], seen("X", diattenuation={"45": -100.0})) < 1e-12
    polarised = {"diattenuation": {"45": -100.0}, "retardance_nm": {"circular": -48.25}}
    assert difference(seen("Y", **polarised), x) < 1e-12


def test_jones_pupil_bends_with_the_pupil():
    # Retardance of x against y that tilts over the pupil moves x and y light apart, each by half.
    waves = 0.05
    jones = JonesPupil({"xy": {"Z2": np.float64(waves * 193.0)}})
    mask = {-1: 1 / np.pi, 0: 0.5, 1: 1 / np.pi}
    for polarisation, sign in (("X", -1), ("Y", 1)):
        harmonic = beams(scanner(polarisation, jones=jones), 200.0, mask)
        shift = -np.angle(harmonic[1]) * 200.0 / (2 * np.pi)
        assert shift == pytest.approx(sign * waves / 2 * 193.0 / 1.35, abs=1e-6)


def vector_process(polarisation="TE", stack=None, focus=0.0, mask=Binary(), corners=None):  # noqa: B008
    resist = ThresholdResist(diffusion_nm=8.0, anchor=DenseLine(60.0, 130.0, focus))
    corners = corners or (Corner("n", 1.0, focus), Corner("-", 0.97, focus - 50.0), Corner("+", 0.97, focus + 50.0))
    machine = Scanner(Projector(193.368, 1.35, 1.43669), Annular(0.6, 0.9), polarisation)
    return Process(machine, mask, resist, corners, stack)


@pytest.mark.parametrize("stack", [None, film(thickness=30.0)], ids=["no-film", "film"])
def test_the_anchor_prints_on_size_through_both_paths(stack):
    focus = -12.0
    process = anchored(vector_process("TE", stack, focus, corners=(Corner("n", 1.0, focus),)))
    grid = Grid((1, 26), 5.0, (-65.0, 0.0))
    imaging = prepare(process, grid)
    covered = coverage(lines(60, 130, grid.window_nm), grid)
    latent = imaging.latent(jnp.asarray(covered))
    single = imaging.points(latent, np.array([-30.0, 30.0]), np.zeros(2))[0]
    # The anchor takes the source as sampled for 8 um, the tile as for its own period.
    np.testing.assert_allclose(single, process.resist.threshold, rtol=2e-2)
    machine, exact = double(process.scanner), double(process)
    spectrum = spectrum_of(machine, covered.astype(float), grid)
    truth = exact.resist.latent(abbe.aerial(machine, spectrum, grid, focus, process.film), grid.period_nm)
    assert difference(latent[0], truth) < 2e-6


def test_verification_sees_the_film():
    process = vector_process("TE", film(20.0), -12.0, corners=(Corner("n", 1.0, -12.0),))
    drawn = lines(60, 130, (-1000.0, -1000.0, 1000.0, 1000.0))
    found = verify(drawn, [drawn], process, (-130.0, -65.0, 130.0, 65.0), pitch_nm=5.0, halo_nm=300.0)[0]
    # The anchor's own lines are on size, but for the source's sampling.
    assert found.summary.n > 20 and found.summary.max_abs_nm < 1.0 and not found.failed.any()


def test_focus_of_a_film_is_never_mirrored():
    assert distinct_focus(vector_process()) == ((0, 1, 1), [0.0, 50.0])
    assert distinct_focus(vector_process(stack=film())) == ((0, 1, 2), [0.0, -50.0, 50.0])
    assert distinct_focus(vector_process(mask=AttenuatedPSM(0.06, 170.0)))[0] == (0, 1, 2)


@pytest.mark.parametrize(("name", "k1"), [("arf-dry", 0.38), ("arf-immersion", 0.35)])
def test_presets_are_anchored_at_their_best_focus(name, k1):
    setup = load_setup(name)
    process, line = setup.process, setup.process.resist.anchor
    assert process.corners[0].focus_nm == line.focus_nm
    assert float(line.pitch_nm) / 2 * process.scanner.na_over_lambda == pytest.approx(k1, abs=6e-3)
    machine, best = process.scanner, float(line.focus_nm)
    mask = {order: 0.5 * np.sinc(0.5 * order) for order in (-1, 0, 1)}
    contrast = [
        abs(np.divide(*beams(machine, float(line.pitch_nm), mask, best + z, process.film)[[1, 0]])) for z in (-6, 0, 6)
    ]
    assert max(contrast[0], contrast[2]) < contrast[1]
    # Falling by no more than a tenth at the corners.
    away = {abs(float(corner.focus_nm) - best) for corner in process.corners[1:]} - {0.0}
    edge = abs(np.divide(*beams(machine, float(line.pitch_nm), mask, best + max(away), process.film)[[1, 0]]))
    assert 0.85 < edge / contrast[1] < 0.99
    threshold = float(anchored(process).resist.threshold)
    assert 0.1 < threshold < 0.4


def test_a_film_needs_polarised_light():
    with pytest.raises(ValueError, match="a film needs vector imaging"):
        vector_process(None, film())
    with pytest.raises(ValueError, match="a film tells s from p light"):
        image(scanner(None), blocks(), 0.0, film())
    with pytest.raises(ValueError, match="give the film"):
        abbe.aerial(scanner("X"), spectrum_of(scanner("X"), blocks()), GRID, depths_nm=[1.0])


def test_vector_setups_from_files():
    process = vector_process("TM", film())
    again = build(Process, dump(process))
    assert dump(again) == dump(process) and again.film.depth_nm == "average" and again.scanner.polarisation == "TM"
    data = dump(process)
    data["scanner"]["projector"]["jones"] = {"retardance_nm": {"xy": {"Z1": 2.0}}}
    assert build(Process, data).scanner.projector.jones.retardance_nm["xy"]["Z1"] == 2.0
    for key, value, complaint in (
        ("polarisation", "te", "polarisation"),
        ("projector", data["scanner"]["projector"] | {"reduction": 0.5}, "reduction"),
        (
            "projector",
            data["scanner"]["projector"] | {"jones": {"retardance_nm": {"xy": {"Z99": 2.0}}}},
            "Z99 is not one",
        ),
        ("projector", data["scanner"]["projector"] | {"jones": {"retardance_nm": {"yx": {"Z1": 2.0}}}}, "yx"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            build(Process, data | {"scanner": data["scanner"] | {key: value}})


def test_vector_systems_have_gradients():
    period = (240.0, 260.0)
    jones = JonesPupil({"xy": {"Z1": np.float64(0.0)}, "circular": {"Z1": np.float64(3.0)}})
    base, stack = scanner("TE", jones=jones, Z7=5.0), replace(film(), nodes=1)
    orders = base.orders(period, POINTS)
    weights = np.random.default_rng(1).normal(size=(12, 12))

    def leaves(model):
        lens, stack = model
        resist, shift = stack.layers[0], lens.jones.retardance_nm["xy"]["Z1"]
        return [lens.na, lens.wavelength_nm, shift, resist.thickness_nm, resist.n]

    def changes(x):
        # The aperture in 1/nm is kept, so that no order crosses the rim.
        return 1.35 * x[0], 193.0 * x[0], *x[1:]

    def value(x, kind):
        model = jax.tree.map(kind, (base.projector, stack))
        model = eqx.tree_at(leaves, model, [leaf + by for leaf, by in zip(leaves(model), changes(x), strict=True)])
        machine = model[0], POINTS, kind(SHARES), period, orders, kind(40.0)
        rows = coherent_systems(*machine, "TE", model[1])
        rng = np.random.default_rng(0)
        mask = (rng.normal(size=rows.shape[1:]) + 1j * rng.normal(size=rows.shape[1:])).astype(rows.dtype)
        return (band.intensity(rows, mask, (12, 12)) * kind(weights)).sum()

    def as_jax(v):
        return jnp.asarray(v, jnp.float32)

    exact = jax.jit(jax.grad(lambda x: value(x, as_jax)))(jnp.zeros(4, jnp.float32))
    for place, step in enumerate((1e-5, 1e-3, 1e-3, 1e-5)):
        x = step * np.eye(4)[place]
        found = (value(x, np.float64) - value(-x, np.float64)) / (2 * step)
        assert abs(found) > 1e-4 and float(exact[place]) == pytest.approx(found, rel=2e-3)
