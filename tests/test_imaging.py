"""The image against a second opinion, against itself by another path, and under its symmetries."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import second_opinion
from actinic.forward import Corner, Process, prepare
from actinic.jobs import load_setup
from actinic.layout import coverage, glp, lines, manhattan
from actinic.layout.polygons import Layout
from actinic.mask import AttenuatedPSM, Binary, transmitted
from actinic.optics import (
    Annular,
    Conventional,
    Dipole,
    Points,
    Projector,
    Quasar,
    Scanner,
    abbe,
    band,
    coherent_systems,
    decompose,
    sample,
)
from actinic.resist import ThresholdResist
from actinic.types import Grid, double

GRID = Grid((64, 80), 20.0, (-300.0, 40.0))
SPACING = 1 / 20  # of source points on so small a tile
SOURCES = {
    "conventional": Conventional(0.6),
    "annular": Annular(0.5, 0.8),
    "dipole": Dipole(0.5, 0.9, 60.0, 0.0),
    "quasar": Quasar(0.5, 0.9, 40.0, 45.0),
}
SHAPES = {
    "conventional": {"sigma_out": 0.6},
    "annular": {"sigma_out": 0.8, "sigma_in": 0.5},
    "dipole": {"sigma_out": 0.9, "sigma_in": 0.5, "poles": 2, "first_deg": 0.0, "opening_deg": 60.0},
    "quasar": {"sigma_out": 0.9, "sigma_in": 0.5, "poles": 4, "first_deg": 45.0, "opening_deg": 40.0},
}
ABERRATED = {"Z5": 12.0, "Z7": -9.0, "Z9": 7.0, "Z11": 6.0, "Z14": 4.0}


def scanner(source="annular", zernikes=None, na=0.7, wavelength=248.0, index=1.0):
    source = SOURCES[source] if isinstance(source, str) else source
    return Scanner(Projector(wavelength, na, index, zernikes or {}), source)


def random_coverage():
    """Bold blocks of 160 nm with noise on them, nothing symmetric."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.random((8, 10)) < 0.5, np.ones((8, 8)))
    return 0.8 * blocks + 0.2 * rng.random(GRID.shape)


def float64_image(machine, covered, focus=0.0, mask=Binary(), grid=GRID):  # noqa: B008
    """Abbe in float64 on the pixels."""
    orders = machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0])
    spectrum = transmitted(double(mask), band.mask_spectrum(covered, orders))
    return band.to_pixels(abbe.aerial(machine, spectrum, grid, focus), grid)


def process(machine, *corners, mask=Binary(), resist=ThresholdResist(threshold=0.3)):  # noqa: B008
    return Process(machine, mask, resist, corners or (Corner("nominal"),))


def difference(a, b):
    return np.abs(np.asarray(a, float) - np.asarray(b, float)).max()


@pytest.mark.parametrize("source", [*SOURCES, "lopsided"])
@pytest.mark.parametrize(
    ("mask", "around", "inside"),
    [(Binary(), 0, 1), (AttenuatedPSM(0.08, 170.0, "dark"), 1, np.sqrt(0.08) * np.exp(1j * np.radians(170.0)))],
    ids=["binary", "attpsm"],
)
def test_image_is_the_full_grid_sum(source, mask, around, inside):
    covered, focus = random_coverage(), 130.0
    lopsided = np.array([[0.5, 0.2], [-0.3, 0.6], [0.1, -0.7]]), np.array([0.3, 0.5, 0.2])
    machine = scanner(source if source in SOURCES else Points(*lopsided), ABERRATED, index=1.1)
    lens = {"wavelength": 248.0, "na": 0.7, "index": 1.1, "focus": focus, "zernikes": ABERRATED}
    points, weights = second_opinion.source_points(SPACING, **SHAPES[source]) if source in SHAPES else lopsided
    truth = second_opinion.abbe(covered, 20.0, points, weights, lens, around, inside)
    assert difference(float64_image(machine, covered, focus, mask), truth) < 1e-9 * truth.max()
    imaging = prepare(process(machine, Corner("c", 1.0, focus), mask=mask), GRID)
    single = imaging.pixels(imaging.aerial(jnp.asarray(covered, jnp.float32)))[0]
    assert single.dtype == jnp.float32
    assert difference(single, truth) < 2e-6 * truth.max()
    plain = second_opinion.abbe_jax(covered, 20.0, points, weights, lens, around, inside)
    assert difference(plain, truth) < 5e-6 * truth.max()


@pytest.mark.published
def test_contest_kernels_are_the_full_grid_sum(data):
    setup = load_setup("iccad13")
    grid = Grid((2048, 2048), 1.0)
    target = glp.target(glp.read_glp(data / "iccad13" / "glp" / "M1_test1.glp"), "O").astype(np.float32)
    imaging = prepare(setup.process, grid, data)
    found = imaging.pixels(imaging.latent(jnp.asarray(target)))
    with np.load(data / "iccad13" / "iccad13_kernels.npz") as file:
        sets = {name: (file[name], file[f"scale_{name}"]) for name in ("focus", "defocus")}
    # One pixel in four each way, of both images beginning elsewhere.
    nominal = second_opinion.socs(target, *sets["focus"], every=4)
    assert difference(found[0, ::4, ::4], nominal) < 2e-6 * nominal.max()
    assert difference(found[1, ::4, ::4], 1.02**2 * nominal) < 3e-6 * nominal.max()
    inner = 0.98**2 * second_opinion.socs(np.roll(target, (-1, -3), (0, 1)), *sets["defocus"], every=4)
    assert difference(found[2, 1::4, 3::4], inner) < 2e-6 * nominal.max()


@pytest.mark.parametrize("source", SOURCES)
def test_socs_is_abbe_at_full_rank(source):
    machine, period = scanner(source, ABERRATED), GRID.period_nm
    kernels, energy = decompose(machine, period, 90.0)
    orders = tuple((n - 1) // 2 for n in kernels.shape[1:])
    spectrum, shape = band.mask_spectrum(random_coverage(), orders), band.image_shape(period, 0.7 / 248.0)
    truth = abbe.aerial(machine, spectrum, GRID, 90.0)
    ranks = (1, 2, 4, 8, 16, 32, 64, len(kernels))
    sums = [band.intensity(kernels[:n], spectrum, shape) for n in ranks]
    error = np.array([difference(s, truth) for s in sums])
    assert error[-1] < 1e-12
    np.testing.assert_allclose(np.sum(np.abs(kernels) ** 2, (1, 2)), energy, atol=1e-12)
    # The most energetic first, and every doubling brings the image nearer.
    assert np.all(np.diff(energy) < 1e-12) and np.all(np.diff(error) < 0)
    assert error[5] < 0.02 < error[0]


def test_kernels_are_the_eigenvectors_of_the_transmission_cross_coefficients():
    machine, period = scanner("annular", ABERRATED), GRID.period_nm
    kernels, energy = decompose(machine, period, 70.0)
    flat = kernels.reshape(len(kernels), -1)
    orders = tuple((n - 1) // 2 for n in kernels.shape[1:])
    fy, fx = band.frequencies(period, orders)
    points, weights = second_opinion.source_points(SPACING, **SHAPES["annular"])
    lens = {"wavelength": 248.0, "na": 0.7, "focus": 70.0, "zernikes": ABERRATED}
    rows = [second_opinion.pupil(fx + x * 0.7 / 248, fy + y * 0.7 / 248, **lens).ravel() for x, y in points]
    tcc = np.einsum("s,sf,sg->fg", weights, np.conj(rows), rows)
    assert difference(np.abs(flat.conj().T @ flat - tcc), 0) < 1e-12
    values = np.linalg.eigvalsh(flat.conj().T @ flat)
    assert values.min() > -1e-13 * values.max()
    both = min(len(values), len(energy))
    np.testing.assert_allclose(values[::-1][:both], energy[:both], atol=1e-12)
    assert np.abs(np.r_[values[::-1][both:], energy[both:]]).max(initial=0) < 1e-12


def test_leading_and_tail_add_up():
    covered = jnp.asarray(random_coverage(), jnp.float32)
    whole = prepare(process(scanner()), GRID, leading=10**6)
    split = prepare(process(scanner()), GRID, leading=6)
    assert split.systems.shape[1] == 6 and whole.tail.shape[1] == 0
    assert split.tail.shape[1] == whole.systems.shape[1] - 6
    assert difference(split.aerial(covered), whole.aerial(covered)) < 1e-6
    assert difference(split.aerial(covered, split.tail_image(covered)), split.aerial(covered)) == 0
    assert split.tail_image(covered).max() > 1e-3


def test_translation_by_whole_pixels():
    covered, machine = random_coverage(), scanner("quasar", ABERRATED)
    moved = float64_image(machine, np.roll(covered, (5, -3), (0, 1)), 80.0)
    assert difference(moved, np.roll(float64_image(machine, covered, 80.0), (5, -3), (0, 1))) < 1e-12


def test_translation_by_half_a_pixel():
    grid = GRID.with_pitch(10.0)
    layout, machine = manhattan(7, (-300, 40, 1300, 1320), 160, 160), scanner("quasar", ABERRATED)
    here, there = (
        float64_image(machine, coverage(l, grid).astype(float), grid=grid) for l in (layout, layout.moved(5, 5))
    )
    # What is left is the raster's aliasing, 2e-3; the wrong way round it is a hundred times that.
    assert difference(there, _shifted(here, 0.5, 0.5)) < 4e-3
    assert difference(there, _shifted(here, -0.5, 0.5)) > 0.02


def _shifted(image, rows, columns):
    ny, nx = image.shape
    fy, fx = np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx)[None, :]
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (fy * rows + fx * columns))).real


def test_mask_coefficients_are_the_polygons():
    # A raster's aliases turn with the polygon's place within a pixel, so over all places they leave no trace.
    grid, orders = Grid((50, 60), 20.0), (8, 10)
    fy, fx = band.frequencies(grid.period_nm, orders)
    mean = np.zeros((17, 21), complex)
    for dx, dy in np.stack(np.meshgrid(*2 * [np.arange(0, 20, 2)]), -1).reshape(-1, 2):
        box = np.array([[300, 200], [700, 200], [700, 500], [300, 500]]) + [dx, dy]
        covered = coverage(Layout((box,), 1.0), grid).astype(float)
        mean += band.mask_spectrum(covered, orders) * np.exp(2j * np.pi * (dx * fx + dy * fy)) / 100
    wave = np.exp(-2j * np.pi * (500 * fx + 350 * fy))
    truth = 400 * 300 / (1000 * 1200) * np.sinc(400 * fx) * np.sinc(300 * fy) * wave
    assert difference(np.abs(mean - truth), 0) < 2e-5
    assert difference(np.abs(np.sinc(20 * fx) * truth - truth), 0) > 2e-4


@pytest.mark.parametrize("axis", [0, 1])
def test_mirror(axis):
    covered = random_coverage()
    flip = -1 if axis == 1 else 1
    # x -> -x turns the sign of what is odd in x, y -> -y of what is odd in y.
    turned = {"Z5": 12.0, "Z7": -9.0 * flip, "Z9": 7.0, "Z11": -6.0 * flip, "Z14": 4.0 * flip}
    turned["Z11"] = 6.0 if axis == 1 else -6.0
    here = float64_image(scanner("quasar", ABERRATED), covered, 60.0)
    there = float64_image(scanner("quasar", turned), np.flip(covered, axis), 60.0)
    assert difference(there, np.flip(here, axis)) < 1e-12
    assert difference(float64_image(scanner("quasar", ABERRATED), np.flip(covered, axis), 60.0), there) > 1e-3


@pytest.mark.parametrize(
    ("source", "turned_source"),
    [("annular", "annular"), ("dipole", Dipole(0.5, 0.9, 60.0, 90.0)), ("quasar", "quasar")],
)
def test_swapping_x_and_y(source, turned_source):
    covered, turned_grid = random_coverage(), Grid(GRID.shape[::-1], 20.0)
    zernikes = {"Z5": 12.0, "Z6": 5.0, "Z7": -9.0, "Z9": 7.0, "Z10": 6.0}
    turned = {"Z5": -12.0, "Z6": 5.0, "Z8": -9.0, "Z9": 7.0, "Z11": -6.0}
    here = float64_image(scanner(source, zernikes), covered, 60.0)
    there = float64_image(scanner(turned_source, turned), covered.T, 60.0, grid=turned_grid)
    assert difference(there.T, here) < 1e-12


def test_dipole_on_x_resolves_lines_along_y():
    grid = Grid((72, 72), 20.0)  # at k1 = .34 only tilted light resolves
    vertical = coverage(lines(120, 240, grid.window_nm, "y"), grid).astype(float)
    image = float64_image(scanner("dipole"), vertical, grid=grid)
    assert np.ptp(image, axis=1).min() > 0.4 and np.ptp(image, axis=0).max() < 1e-12
    assert np.ptp(float64_image(scanner("dipole"), vertical.T, grid=grid)) < 0.05


def test_dose_multiplies_the_intensity():
    corners = [Corner("a"), Corner("b", 1.25), Corner("c", 0.5)]
    resist = ThresholdResist(diffusion_nm=25.0, threshold=0.3)
    imaging = prepare(process(scanner(), *corners, resist=resist), GRID)
    latent = np.asarray(imaging.latent(jnp.asarray(random_coverage(), jnp.float32)))
    np.testing.assert_allclose(latent[1], 1.25 * latent[0], rtol=1e-6)
    np.testing.assert_allclose(latent[2], 0.5 * latent[0], rtol=1e-6)
    low, high = imaging.dose_range()
    assert float(low[0]) == 0.5 and float(high[0]) == 1.25


@pytest.mark.parametrize("source", [*SOURCES.values(), Points(np.array([[0.3, -0.2]]), np.array([4.0]))])
@pytest.mark.parametrize(("na", "index"), [(0.7, 1.0), (1.35, 1.437)])
def test_clear_field_is_one(source, na, index):
    machine = scanner(source, ABERRATED, na, 193.0, index)
    grid = Grid((8, 40), 20.0)
    for focus in (0.0, 75.0):
        image = float64_image(machine, np.ones(grid.shape), focus, grid=grid)
        assert difference(image, 1) < 1e-12


@pytest.mark.parametrize(
    ("zernikes", "mirrored"),
    [
        ({}, {}),
        ({"Z9": 10.0}, {"Z9": -10.0}),
        ({"Z5": 10.0, "Z9": 5.0}, {"Z5": -10.0, "Z9": -5.0}),
        ({"Z7": 10.0, "Z3": 8.0, "Z10": 5.0}, {"Z7": 10.0, "Z3": 8.0, "Z10": 5.0}),
    ],
    ids=["perfect", "spherical", "even", "odd"],
)
def test_focus_symmetry(zernikes, mirrored):
    covered = random_coverage()
    up, down = (float64_image(scanner("quasar", w), covered, z) for w, z in ((zernikes, 120.0), (mirrored, -120.0)))
    assert difference(up, down) < 1e-12
    assert difference(up, float64_image(scanner("quasar", zernikes), covered)) > 0.01


def test_equal_images_through_focus_are_computed_once():
    corners = [Corner("n"), Corner("-", 0.97, -150.0), Corner("+", 0.97, 150.0), Corner("h", 1.03)]

    def sets(machine, mask=Binary()):  # noqa: B008
        imaging = prepare(process(machine, *corners, mask=mask), GRID)
        return len(imaging.systems), imaging.focus_of

    assert sets(scanner("quasar")) == (2, (0, 1, 1, 0))
    assert sets(scanner("quasar"), AttenuatedPSM()) == (2, (0, 1, 1, 0))
    assert sets(scanner("quasar"), AttenuatedPSM(0.06, 170.0)) == (3, (0, 1, 2, 0))
    assert sets(scanner("quasar", {"Z9": 1.0})) == (3, (0, 1, 2, 0))
    assert sets(scanner(Points(np.array([[0.3, 0.1]]), np.ones(1)))) == (3, (0, 1, 2, 0))


def test_one_compilation_for_all_focus_and_dose_values():
    traces = []

    @eqx.filter_jit
    def latent(imaging, covered):
        traces.append(covered.shape)
        return imaging.latent(covered)

    covered = jnp.asarray(random_coverage(), jnp.float32)
    images = [
        latent(prepare(process(scanner(), Corner("n"), Corner("c", dose, focus)), GRID), covered)
        for dose, focus in ((1.05, 100.0), (0.9, -60.0))
    ]
    assert len(traces) == 1
    assert difference(images[0][0], images[1][0]) == 0 and difference(images[0][1], images[1][1]) > 0.01


def test_the_pixel_does_not_matter():
    window = (0, 0, 1600, 1280)
    layout = manhattan(3, window, 160, 160)
    fine = Grid((256, 320), 5.0)
    points = np.random.default_rng(1).uniform(0, 1280, (2, 400))

    def image(pitch):
        grid, machine = fine.with_pitch(pitch), scanner()
        orders = machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0])
        spectrum = band.mask_spectrum(coverage(layout, grid).astype(float), orders)
        return band.to_points(abbe.aerial(machine, spectrum, grid), grid, *points)

    error = {pitch: difference(image(pitch), image(5.0)) for pitch in (20.0, 10.0)}
    # Measured 4.5e-3 and 1.1e-3: the averages over a pixel alias, with the square of its size.
    assert error[20.0] < 8e-3 and error[10.0] < 2e-3 and error[10.0] < 0.4 * error[20.0]


@pytest.mark.parametrize("source", ["conventional", "annular", "quasar"])
def test_source_sampling_is_fine_enough(source):
    grid = Grid((160, 160), 20.0)
    layout = manhattan(5, (1000, 1000, 2200, 2200), 160, 160)
    covered = coverage(layout, grid).astype(float)
    machine = scanner(source)
    fine = replace(machine, source=Points(*sample(double(machine.source), SPACING / 2)))
    assert difference(float64_image(machine, covered, grid=grid), float64_image(fine, covered, grid=grid)) < 3e-3


def test_float32_rows_are_the_float64_rows():
    machine = double(scanner("annular", ABERRATED))
    points, weights = machine.source_points(GRID.period_nm)
    orders = machine.orders(GRID.period_nm, points)
    truth = coherent_systems(machine.projector, points, weights, GRID.period_nm, orders, np.float64(50.0))
    assert truth.dtype == np.complex128
    lens = second_opinion.shifted_pupils(
        GRID.shape, 20.0, points, wavelength=248.0, na=0.7, focus=50.0, zernikes=ABERRATED
    )
    ky, kx = orders
    first = np.fft.fftshift(next(iter(lens)))[32 - ky : 32 + ky + 1, 40 - kx : 40 + kx + 1]
    assert difference(np.abs(truth[0] - np.sqrt(weights[0]) * first), 0) < 1e-12
