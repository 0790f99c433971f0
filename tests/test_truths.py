"""Scalar imaging against results of optics known in closed form or published; one test for each row of the table.

Lines are bright spaces centred at x = 0, equal lines and spaces unless said: a0 = 1/2, a1 = 1/pi.
"""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from actinic.mask import AttenuatedPSM, transmitted
from actinic.optics import Conventional, Points, Projector, Scanner, abbe, band, coherent_systems, sample
from actinic.types import Grid

ON_AXIS = Points(np.zeros((1, 2)), np.ones(1))
A0, A1 = 0.5, 1 / np.pi


def tilted(*sx):
    return Points(np.array([[s, 0.0] for s in sx]), np.ones(len(sx)))


def scanner(na, wavelength=193.0, source=ON_AXIS, index=1.0, **waves):
    """All numbers in float64; aberrations in waves."""
    leaves = [np.float64(v) for v in (wavelength, na, index)]
    return Scanner(Projector(*leaves, {z: np.float64(v * wavelength) for z, v in waves.items()}), source)


def fine(sigma, across=300):
    """A disc of so many points across, which no tile would ask for."""
    return Points(*sample(Conventional(np.float64(sigma)), 2 * sigma / across))


class Lines:
    """Spaces of width `duty` x period; the image along x, of any order, and its slope."""

    def __init__(self, machine, period, duty=0.5, focus=0.0, along="y", harmonics=None):
        grid = Grid((1, 1), period)
        orders = machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0])
        orders = tuple(max(k, 1) for k in orders)
        spectrum = np.zeros([2 * k + 1 for k in orders], complex)
        order = np.arange(-orders[1], orders[1] + 1)
        spectrum[orders[0]] = duty * np.sinc(order * duty) if harmonics is None else harmonics(order)
        if along == "x":
            assert orders[0] == orders[1]
            spectrum = spectrum.T
        samples = abbe.aerial(machine, spectrum, grid, focus)
        samples = samples[0] if along == "y" else samples[:, 0]
        self.period, self.harmonic = period, np.fft.fft(samples) / len(samples)
        self.order = np.fft.fftfreq(len(samples), 1 / len(samples))

    def __call__(self, x):
        return float((self.harmonic * np.exp(2j * np.pi * self.order * x / self.period)).sum().real)

    def slope(self, x):
        wave = 2j * np.pi * self.order / self.period
        return float((wave * self.harmonic * np.exp(wave * x)).sum().real)

    def nils(self, x, width):
        return abs(self.slope(x)) / self(x) * width

    def shift(self):
        """Place of the fundamental's crest."""
        return -float(np.angle(self.harmonic[1])) * self.period / (2 * np.pi)

    def width(self, level):
        """Of the space around x = 0."""
        half = self.period / 2
        return brentq(lambda x: self(x) - level, 0, half) - brentq(lambda x: self(x) - level, -half, 0)


def rows(*table):
    return pytest.mark.parametrize("case", table, ids=lambda row: "-".join(f"{v:g}" for v in row))


def test_row_01_three_beams():
    image = Lines(scanner(0.85), 400.0)
    assert image(0) == pytest.approx(1.291905, abs=1e-6) and image(200) == pytest.approx(0.018665, abs=1e-6)
    assert (image(0) - image(200)) / (image(0) + image(200)) == pytest.approx(0.971516, abs=1e-6)
    assert image(100) == pytest.approx(0.25, abs=1e-9) and image.nils(100, 200) == pytest.approx(8, abs=1e-6)


def test_row_02_two_beams():
    image = Lines(scanner(0.85, source=tilted(-193 / (2 * 200 * 0.85))), 200.0)
    assert image(0) == pytest.approx(0.669631, abs=1e-6) and image(100) == pytest.approx(0.033011, abs=1e-6)
    assert (image(0) - image(100)) / (image(0) + image(100)) == pytest.approx(0.906037, abs=1e-6)
    assert image.nils(50, 100) == pytest.approx(2.846398, abs=1e-6)


@pytest.fixture(scope="module")
def airy():
    """Image of a point on a tile of 200 lambda / NA, normalised; a function of r NA / lambda, and its total energy.

    Along a direction that is none of the lattice's, on which the sampled pupil's rim is roundest.
    """
    unit, across = 193 / 0.85, 200
    grid = Grid((1, 1), across * unit)
    samples = abbe.aerial(scanner(0.85), np.ones((2 * across + 1,) * 2, complex), grid)
    samples /= samples[0, 0]

    def along(r):
        r = np.atleast_1d(np.asarray(r, float)) * unit
        return band.to_points(samples, grid, np.cos(0.3) * r, np.sin(0.3) * r)

    return along, samples.mean() * across**2


def test_row_05_airy_zeros_width_and_ring(airy):
    along, _ = airy
    for place, low, high in ((0.609835, 0.5, 0.7), (1.116565, 1.0, 1.2)):
        found = minimize_scalar(lambda r: along(r)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-6})
        assert found.x == pytest.approx(place, abs=1e-4) and found.fun < 1e-6
    assert 2 * brentq(lambda r: along(r)[0] - 0.5, 0.1, 0.4) == pytest.approx(0.514497, abs=1e-4)
    ring = minimize_scalar(lambda r: -along(r)[0], bounds=(0.7, 1.0), method="bounded")
    assert -ring.fun == pytest.approx(0.017498, abs=1e-4)


def test_row_05_airy_energy(airy):
    along, total = airy
    r = (np.arange(500) + 0.5) / 500 * 0.609835
    inside = (along(r) * 2 * np.pi * r).sum() * (r[1] - r[0])
    assert inside / total == pytest.approx(0.837785, abs=1e-4)


@rows((0.85, 193.0), (0.6, 248.0))
def test_row_06_pinhole_peak(case):
    na, wavelength = case
    across = 100
    grid = Grid((1, 1), across * wavelength / na)
    f = np.arange(-across, across + 1) / grid.pitch_nm
    spectrum = 100.0 / grid.pitch_nm**2 * np.sinc(10 * f)[:, None] * np.sinc(10 * f) + 0j
    peak = abbe.aerial(scanner(na, wavelength), spectrum, grid)[0, 0]
    assert peak == pytest.approx((100 * np.pi * na**2 / wavelength**2) ** 2, rel=5e-3)
    if na == 0.85:
        assert peak == pytest.approx(3.713e-5, rel=5e-3)


@rows((0.25, 0.685038), (0.5, 0.391002), (0.75, 0.144294))
def test_row_07_incoherent_transfer(case):
    s, expected = case
    na, wavelength = 0.85, 193.0
    period = wavelength / (2 * na * s)
    # A sinusoidal mask has no frequency above 1/p, so sigma = 1 + lambda / (p NA) is incoherent.
    sigma, step = 1 + 2 * s, 0.02
    axis = np.arange(-int(sigma / step), int(sigma / step) + 1) * step
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    points = points[np.hypot(*points.T) <= sigma]
    machine = scanner(na, wavelength, Points(points, np.ones(len(points))))
    points, weights = machine.source_points((period, period))
    mask = np.zeros((3, 3), complex)
    mask[1] = 0.25, 0.5, 0.25
    systems = coherent_systems(machine.projector, points, weights, (period, period), (1, 1), np.float64(0))
    image = np.fft.fft2(band.intensity(systems, mask, (6, 6)), norm="forward")
    # The intensity behind the mask, its mean and its fundamental.
    np.testing.assert_allclose(image[0, :2], [0.375, 0.25 * expected], atol=5e-4)


@rows((0.5, 0.8, 0.699144), (0.5, 1, 0.446610), (0.7, 1, 0.424780), (1, 1, 0.391002), (0.7, 1.5, 0.068871))
def test_row_08_transmission_cross_coefficients(case):
    sigma, f, expected = case
    machine = scanner(0.85, source=fine(sigma, 200))
    period = (193 / (0.85 * f),) * 2
    points, weights = machine.source_points(period)
    systems = coherent_systems(machine.projector, points, weights, period, (1, 1), np.float64(0))
    tcc = np.einsum("sf,s->f", systems[:, 1], np.conj(systems[:, 1, 1]))
    np.testing.assert_allclose(tcc, [expected, 1, expected], atol=1e-3)


@rows(
    (360, 0.6, 248, 0.5, 0.47849, 0.13185, 0.30517, 1.7843),
    (180, 0.85, 193, 0.7, 0.43269, 0.15553, 0.29411, 1.4802),
    (90, 1.35, 193, 0.9, 0.32254, 0.21249, 0.26752, 0.6462),
    (64, 0.33, 13.5, 0.8, 0.90796, 0.02777, 0.31231, 4.427),
)
def test_row_09_lines_in_partial_coherence(case):
    period, na, wavelength, sigma, *expected = map(float, case)
    # The liquid's index has no part in a focused scalar image, but NA 1.35 needs one.
    image = Lines(scanner(na, wavelength, fine(sigma), index=1.437), period)
    found = [image(0), image(period / 2), image(period / 4), image.nils(period / 4, period / 2)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@rows((260, 0.6, 248, 0.5), (130, 0.85, 193, 0.7))
def test_row_10_cut_off(case):
    period, na, wavelength, sigma = case
    image = Lines(scanner(na, wavelength, fine(sigma, 60)), float(period))
    assert abs(image.harmonic[0] - 0.25) < 1e-9 and abs(image.harmonic[1:]).max() < 1e-9
    # Just above the cut-off there is modulation again.
    assert (
        abs(Lines(scanner(na, wavelength, fine(sigma, 60)), 1.1 * wavelength / (na * (1 + sigma))).harmonic[1]) > 1e-3
    )


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_row_11_band_limit(sigma):
    period = (1290.0, 1610.0)
    machine = scanner(0.7, 248.0, fine(sigma, 11), Z7=0.05, Z9=0.05)
    points, weights = machine.source_points(period)
    orders = machine.orders(period, points)
    systems = coherent_systems(machine.projector, points, weights, period, orders, np.float64(100))
    rng = np.random.default_rng(0)
    mask = rng.normal(size=systems.shape[1:]) + 1j * rng.normal(size=systems.shape[1:])
    wide = band.intensity(systems, mask, (64, 72))
    f = np.hypot(np.fft.fftfreq(64, period[0] / 64)[:, None], np.fft.fftfreq(72, period[1] / 72))
    power = abs(np.fft.fft2(wide, norm="forward")) / wide.mean()
    limit = 2 * 0.7 / 248.0
    assert power[f > limit * (1 + 1e-9)].max() < 1e-12 < 1e-4 < power[(f > 0.9 * limit) & (f <= limit)].max()
    # So the small grid holds the image exactly, whatever folds over it.
    small = band.intensity(systems, mask, band.image_shape(period, 0.7 / 248.0))
    grid = Grid((129, 161), 10.0)
    np.testing.assert_allclose(band.to_pixels(small, grid), band.to_pixels(wide, grid), atol=1e-12 * wide.max(), rtol=0)


@rows((400, 193, 1, 0.85, 1555.147), (200, 193, 1.437, 1.2, 518.502), (64, 13.5, 1, 0.33, 599.988))
def test_row_12_talbot(case):
    period, wavelength, index, na, expected = map(float, case)
    machine = scanner(na, wavelength, index=index)

    def above(z):
        return Lines(machine, period, focus=z)(0) - (A0**2 + 4 * A1**2)

    # cos phi is zero a quarter period before and after.
    found = np.mean([brentq(above, share * expected, (share + 0.2) * expected) for share in (0.65, 1.15)])
    assert found == pytest.approx(expected, rel=1e-5)
    assert Lines(machine, period, focus=expected)(0) == pytest.approx(1.291905, abs=1e-5)


@rows((0, 1.291905), (200, 1.095131), (400, 0.626453), (800, 0.021276))
def test_row_13_three_beams_through_focus(case):
    z, expected = case
    assert Lines(scanner(0.85), 400.0, focus=float(z))(0) == pytest.approx(expected, abs=1e-5)


def test_row_14_symmetric_dipole_has_no_defocus():
    s = 193 / (2 * 200 * 0.85)
    sharp, blurred = (Lines(scanner(0.85, source=tilted(-s, s)), 200.0, focus=z) for z in (0.0, 300.0))
    assert abs(sharp.harmonic - blurred.harmonic).max() < 1e-10 and abs(sharp.harmonic[1]) > 0.1
    off = Lines(scanner(0.85, source=tilted(-s - 0.1, s + 0.1)), 200.0, focus=300.0)
    assert abs(off.harmonic[1]) < 0.98 * abs(sharp.harmonic[1])


@rows((0,), (150,), (-200,), (400,), (-800,))
def test_row_15_isofocal(case):
    image = Lines(scanner(0.85), 400.0, focus=float(case[0]))
    assert image(100) == pytest.approx(0.25, abs=1e-9)
    # Further out a dark line's middle is brighter than its edges.
    assert abs(case[0]) > 200 or image.width(0.25) == pytest.approx(200.0, abs=1e-9)


@pytest.mark.parametrize(
    ("even", "source", "waves", "mask"),
    [
        (True, tilted(-0.3, 0.3), {}, AttenuatedPSM(np.float64(0.06), np.float64(180.0))),
        (True, tilted(-0.3, 0.3), {"Z7": 0.05}, AttenuatedPSM(np.float64(0.06), np.float64(180.0))),
        (False, tilted(-0.3, 0.3), {"Z9": 0.05}, AttenuatedPSM(np.float64(0.06), np.float64(180.0))),
        (False, tilted(-0.3, 0.3), {}, AttenuatedPSM(np.float64(0.06), np.float64(90.0))),
    ],
    ids=["real", "odd", "spherical", "complex-mask"],
)
def test_row_16_even_in_focus_only_if(even, source, waves, mask):
    def harmonics(order):
        # Two spaces of unequal width and distance, so that the mask has no symmetry of its own.
        wave = [w * np.sinc(order * w) * np.exp(-2j * np.pi * order * x) for w, x in ((0.2, 0.1), (0.15, 0.45))]
        return transmitted(mask, sum(wave)[None])[0]

    machine = scanner(0.85, source=source, **waves)
    up, down = (Lines(machine, 800.0, focus=z, harmonics=harmonics).harmonic for z in (150.0, -150.0))
    assert (abs(up - down).max() < 1e-9) == even
    assert even or abs(up - down).max() > 1e-3


def test_row_16_a_tilted_source_is_not_even():
    up, down = (Lines(scanner(0.85, source=tilted(0.3)), 400.0, focus=z).harmonic for z in (150.0, -150.0))
    assert abs(up - down).max() > 1e-2


@rows(
    (0.93, 1, 193, 100, 0.327689),
    (1.35, 1.437, 193, 100, 0.489424),
    (0.33, 1, 13.5, 50, 0.207478),
    (0.55, 1, 13.5, 50, 0.610501),
)
def test_row_17_defocus_at_the_rim(case):
    na, index, wavelength, z, waves = map(float, case)
    rim = scanner(na, wavelength, index=index).projector.pupil(
        np.float64(na / wavelength), np.float64(0), np.float64(z)
    )
    # The rim lags the axis when the wafer moves away.
    assert abs(rim - np.exp(-2j * np.pi * waves)) < 2 * np.pi * 1e-6


@rows((1.35, 1.437, 193, 102.16), (0.33, 1, 13.5, 120.49), (0.55, 1, 13.5, 40.95))
def test_row_18_depth_of_focus(case):
    na, index, wavelength, expected = map(float, case)
    lens = scanner(na, wavelength, index=index).projector

    def phase(z):
        return np.angle(lens.pupil(np.float64(na / wavelength), np.float64(0), np.float64(z)) * np.exp(1j * np.pi / 2))

    # Half a wave at the rim: a quarter turn added, the phase crosses -pi / 2.
    assert brentq(lambda z: phase(z) + np.pi / 2, 0.6 * expected, 1.4 * expected) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize(("name", "along", "across"), [("Z2", "y", "x"), ("Z3", "x", "y")])
@pytest.mark.parametrize("source", [ON_AXIS, fine(0.6, 20)], ids=["coherent", "partial"])
def test_row_20_tilt_moves_the_image(name, along, across, source):
    moved = Lines(scanner(0.85, source=source, **{name: 0.05}), 400.0, along=along)
    assert moved.shift() == pytest.approx(-11.3529, abs=1e-4)
    assert Lines(scanner(0.85, source=source, **{name: 0.05}), 400.0, along=across).shift() == pytest.approx(
        0, abs=1e-9
    )


@rows((240, -3.1116), (300, 1.2782), (400, 4.6925))
def test_row_21_coma(case):
    period, expected = case
    assert Lines(scanner(0.85, Z7=0.02), float(period)).shift() == pytest.approx(expected, abs=1e-3)
    # The same aberration about y moves lines along x.
    assert Lines(scanner(0.85, Z8=0.02), float(period), along="x").shift() == pytest.approx(expected, abs=1e-3)


def best_focus(machine, period, along="y"):
    def dark(z):
        return -Lines(machine, float(period), focus=z, along=along)(0)

    return minimize_scalar(dark, bounds=(-150, 150), method="bounded", options={"xatol": 1e-3}).x


@rows((240, 12.78), (300, 14.15), (400, 15.03))
def test_row_22_astigmatism(case):
    period, expected = case
    machine = scanner(0.85, Z5=0.03)
    assert best_focus(machine, period) == pytest.approx(expected, abs=0.02)
    assert best_focus(machine, period, "x") == pytest.approx(-expected, abs=0.02)


@rows((230, -1.89), (260, -19.06), (300, -36.26), (350, -51.08), (450, -68.22), (600, -80.20))
def test_row_23_spherical(case):
    period, expected = case
    assert best_focus(scanner(0.85, Z9=0.03), period) == pytest.approx(expected, abs=0.02)


def meef(machine, period, duty, level):
    step = 1e-4
    wide, narrow = (Lines(machine, period, duty + s).width(level) for s in (step, -step))
    return (wide - narrow) / (2 * step * period)


def test_row_24_mask_error_factor():
    assert meef(scanner(0.85), 400.0, 0.5, 0.25) == pytest.approx(0.5, abs=1e-3)
    two = scanner(0.85, source=tilted(-193 / (2 * 200 * 0.85)))
    assert meef(two, 200.0, 0.5, A0**2 + A1**2) == pytest.approx(1.0, abs=1e-3)
    isolated = scanner(0.85, source=fine(0.7, 30))
    assert meef(isolated, 4000.0, 0.5, 0.3) == pytest.approx(1.0, abs=1e-3)
