"""Thick masks: diffraction orders against a second code and known values, images of lines against the truths."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import brentq

import modal_opinion
from actinic import load_setup
from actinic.errors import ConfigError, MissingError
from actinic.forward import anchored, edge_intensity, rigorous, thick_aerial
from actinic.mask import Reflective, clear_field, resolve, thick
from actinic.mask.resolved import blank_of
from actinic.mask.thick import Blank, Cell, Slab, jones_orders, modes_of
from actinic.optics import (
    Annular,
    ChiefRay,
    Conventional,
    FilmStack,
    Layer,
    Points,
    Projector,
    Scanner,
    Substrate,
    abbe,
    optical_constants,
    sample,
)
from actinic.types import Grid, double

pytest.importorskip("fmmax")

W, SIX = 13.5, float(np.sin(np.radians(6.0)))
MASK = double(Reflective())
BLANK = blank_of(MASK, W)


def lines(period, opening, n=720, horizontal=False):
    """One period with the opening in its middle, on the mask."""
    edges = np.linspace(0, period, n + 1)
    row = np.diff(np.clip(edges, (period - opening) / 2, (period + opening) / 2))[None] * (n / period)
    return Cell(row.T, (float(period), 1.0)) if horizontal else Cell(row, (1.0, float(period)))


def test_orders_agree_with_a_second_code():
    stack = MASK.mirror.under()
    film = (
        [*(float(layer.thickness_nm) for layer in stack.layers), np.inf],
        [optical_constants(part.material, W) for part in (*stack.layers, stack.substrate)],
    )
    layers = [(slab.thickness_nm, slab.index) for slab in BLANK.slabs]
    direction = (0.02, SIX - 0.015)
    truth = modal_opinion.reflected(layers, film, 60.0, 128.0, W, direction, 30)
    # States of a lens along the normal, whose lateral field is the state's but for the ray's own tilt.
    found = jones_orders(BLANK, lines(128, 60, 768), W, direction, direction, (0, 1), (0, 30))
    ray = np.array([*direction, np.sqrt(1 - np.sum(np.square(direction)))])
    states = thick._states(np.array([direction]), np.array(direction), 1.0, -1.0)[0]
    assert states.T @ states == pytest.approx(np.eye(2), abs=1e-12) and ray @ states == pytest.approx(0, abs=1e-12)
    back = thick._states(np.array([direction]), np.array(direction), 1.0, 1.0)[0]
    # Lateral fields of the zero order: out = lateral(back) J lateral(states)^-1.
    lateral = back[:2] @ found[:, :, 0, 1] @ np.linalg.inv(states[:2])
    np.testing.assert_allclose(lateral, truth[:, 30], atol=3e-5)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_states_are_those_of_a_lens_along_the_chief_ray(side):
    """In the frame of the chief ray, a ray (a, b, g) has (1 - a^2 / (1 + g), -a b / (1 + g), -a), and with b so."""
    up, cosine = -side, np.cos(np.radians(6.0))
    axes = np.array([[1.0, 0, 0], [0, cosine, -up * SIX], [0, SIX, up * cosine]])  # the mask's x and y, turned; the ray
    rays = np.array([[0.0, SIX], [0.08, SIX], [-0.03, SIX - 0.07], [0.05, -0.02]])
    lifted = np.column_stack([rays, up * np.sqrt(1 - (rays**2).sum(1))])
    a, b, g = axes @ lifted.T
    x, y = np.stack([1 - a**2 / (1 + g), -a * b / (1 + g), -a]), np.stack([-a * b / (1 + g), 1 - b**2 / (1 + g), -b])
    expected = np.stack([x.T @ axes, y.T @ axes], -1)
    np.testing.assert_allclose(thick._states(rays, np.array([0.0, SIX]), 1.0, side), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("period", "intensity", "degrees"), [(128, 0.16056, 3.84), (256, 0.13704, 8.36), (400, 0.13335, 6.86)]
)
def test_row_35_orders_of_equal_lines(period, intensity, degrees):
    found = jones_orders(BLANK, lines(period, period / 2), W, (0.0, SIX), (0.0, SIX), (0, 1))[0, 0, 0]
    assert abs(found[1]) ** 2 == pytest.approx(intensity, abs=1e-3)
    # The opening stands half a period from the corner.
    assert np.angle(-found[2] / found[1], deg=True) == pytest.approx(degrees, abs=0.1)
    assert found[0] == pytest.approx(found[2], abs=1e-6)


def test_orders_converge():
    coarse, fine = (
        jones_orders(BLANK, lines(256, 128), W, (0.0, SIX), (0.0, SIX), (0, 3), modes_of((0, 256), W, more))
        for more in (1.0, 2.5)
    )
    assert 1e-5 < abs(coarse - fine).max() < 1.5e-3


def test_a_mask_without_walls_is_a_stack_of_films():
    for openings, stack in ((1.0, MASK.mirror.under()), (0.0, MASK.mirror.under(MASK.absorber))):
        found = jones_orders(BLANK, Cell(np.full((1, 1), openings), (1.0, 1.0)), W, (0.0, SIX), (0.0, SIX), (0, 0))
        s, p = (complex(stack.reflection(np.float64(W), np.float64(1), np.float64(SIX), wave)) for wave in "sp")
        gap = np.exp(4j * np.pi / W * 60 * np.sqrt(1 - SIX**2)) if openings else 1.0
        # E of x light is turned over as it is reflected, H of y light the other way round; its lateral E is not.
        np.testing.assert_allclose(found[:, :, 0, 0], np.diag([s, -p]) * gap, atol=1e-9)


def test_lines_along_x_and_y_at_normal_incidence_are_the_same():
    v, h = (
        jones_orders(BLANK, lines(96, 40, horizontal=h), W, (0.0, 0.0), (0.0, 0.0), k)
        for h, k in ((0, (0, 1)), (1, (1, 0)))
    )
    np.testing.assert_allclose(v[:, :, 0, :], h[::-1, ::-1, :, 0], atol=1e-9)


def test_a_cell_of_two_directions_holds_its_lines():
    flat = lines(54, 27, n=108)
    both = Cell(np.repeat(flat.openings, 20, 0), (20.0, 54.0))
    one, two = (
        jones_orders(BLANK, cell, W, (0.01, SIX), (0.0, SIX), (0, 1), modes)
        for cell, modes in ((flat, (0, 9)), (both, (2, 9)))
    )
    # Another factorisation: it converges to the same from another side.
    np.testing.assert_allclose(two, one, atol=1e-2)
    moved = Cell(np.roll(both.openings, 27, 1), both.period_nm)
    three = jones_orders(BLANK, moved, W, (0.01, SIX), (0.0, SIX), (0, 1), (2, 9))
    phase = np.exp(-2j * np.pi * 0.25 * np.arange(-1, 2))
    np.testing.assert_allclose(three, two * phase, atol=1e-9)


def test_transmitting_masks():
    """DUV masks by the same route: films without walls, and the thin limit of a tall grating's zero order."""
    wavelength, glass = 193.368, float(optical_constants("SiO2", 193.368).real)
    for name, thickness in (("Cr", 60.0), ("MoSi", 72.0)):
        index = optical_constants(name, wavelength)
        blank = Blank((Slab(thickness, index),), None, glass, 1.0)
        flat = jones_orders(blank, Cell(np.zeros((1, 1)), (1.0, 1.0)), wavelength, (0.0, 0.0), (0.0, 0.0), (0, 0))
        film = FilmStack(
            (Layer(np.float64(thickness), *map(np.float64, (index.real, index.imag))),), Substrate(np.float64(1)), 0.0
        )
        power = film.powers(np.float64(wavelength), np.float64(glass), np.float64(0), "s").transmitted
        assert abs(flat[0, 0, 0, 0]) ** 2 / glass == pytest.approx(float(power), abs=1e-9)
        open_part = jones_orders(blank, Cell(np.ones((1, 1)), (1.0, 1.0)), wavelength, (0.0, 0.0), (0.0, 0.0), (0, 0))
        amplitude = flat[0, 0, 0, 0] / open_part[0, 0, 0, 0]
        # Wide lines diffract as a thin mask of these amplitudes, but for their walls.
        wide = jones_orders(blank, lines(6000, 3000), wavelength, (0.0, 0.0), (0.0, 0.0), (0, 1), (0, 36))
        zero = wide[0, 0, 0, 1] / open_part[0, 0, 0, 0]
        assert abs(zero - (0.5 + 0.5 * amplitude)) < 0.03
    # 6 % and half a wave, as the film is meant to.
    assert abs(amplitude) ** 2 == pytest.approx(0.06, abs=0.02)
    assert abs(np.angle(-amplitude, deg=True)) < 10


@lru_cache
def machine(kind, spacing=1 / 8):
    source = Conventional(np.float64(0.8)) if kind == "conventional" else Annular(np.float64(0.5), np.float64(0.9))
    lens = Projector(np.float64(W), np.float64(0.33), reduction=np.float64(4), chief_ray=double(ChiefRay()))
    return Scanner(lens, Points(*sample(source, spacing)), "unpolarised")


@lru_cache
def diffraction(kind, pitch, horizontal, dark=16.0):
    scanner = machine(kind)
    cell = lines(pitch, pitch - dark, 256, horizontal)
    # The dark line in the middle: half a period on.
    openings = np.roll(cell.openings, 128, 0 if horizontal else 1)
    orders = scanner.orders(cell.period_nm, scanner.source.sigma)
    return resolve(MASK, scanner, openings, cell.period_nm, orders), cell.period_nm


class DarkLine:
    """The image across a dark line in the middle of its period."""

    def __init__(self, kind, pitch, horizontal, focus):
        found, _ = diffraction(kind, pitch, horizontal)
        grid = Grid((1, round(pitch)), 1.0) if not horizontal else Grid((round(pitch), 1), 1.0)
        samples = abbe.resolved(machine(kind), found, clear(kind), grid, focus)
        samples = samples[:, 0] if horizontal else samples[0]
        self.pitch, self.harmonic = pitch, np.fft.fft(samples) / len(samples)
        self.order = np.fft.fftfreq(len(samples), 1 / len(samples))

    def __call__(self, x):
        return float((self.harmonic * np.exp(2j * np.pi * self.order * (0.5 + x / self.pitch))).sum().real)

    def edges(self, level):
        middle = min(np.linspace(-8, 8, 65), key=self)
        low, high = (next(x for x in middle + side * np.arange(0, 40, 0.5) if self(x) > level) for side in (-1, 1))
        return tuple(brentq(lambda x: self(x) - level, *sorted((middle, end))) for end in (low, high))

    def width(self, level):
        low, high = self.edges(level)
        return high - low

    def place(self, level):
        return sum(self.edges(level)) / 2


@lru_cache
def clear(kind):
    return clear_field(MASK, machine(kind))


@lru_cache
def level(kind):
    """Threshold at which 16 nm at a pitch of 32 print on size, V, 20 nm out of focus."""
    image = DarkLine(kind, 32, False, 20.0)
    low, high = image(0.0), image(16.0)
    return brentq(lambda t: image.width(t) - 16, low + 0.1 * (high - low), high - 0.2 * (high - low))


# Horizontal lines print wider; at 40 nm and below the second digit is the source's sampling.
ROW_36 = [(36, 2.9, 0.2), (40, 1.84, 0.15), (64, 1.72, 0.1)]
ROW_36_SLOW = [(48, 1.64, 0.1), (96, 1.88, 0.1), (128, 1.90, 0.1)]


def bias_of(kind, pitch):
    return DarkLine(kind, pitch, True, 20.0).width(level(kind)) - DarkLine(kind, pitch, False, 20.0).width(level(kind))


@pytest.mark.parametrize(("pitch", "expected", "within"), ROW_36)
def test_row_36_horizontal_against_vertical(pitch, expected, within):
    assert bias_of("conventional", pitch) == pytest.approx(expected, abs=within)


@pytest.mark.slow
@pytest.mark.parametrize(("pitch", "expected", "within"), ROW_36_SLOW)
def test_row_36_horizontal_against_vertical_wider(pitch, expected, within):
    assert bias_of("conventional", pitch) == pytest.approx(expected, abs=within)


@pytest.mark.parametrize("pitch", [40, 64, pytest.param(128, marks=pytest.mark.slow)])
def test_row_38_placement_of_horizontal_lines(pitch):
    at = {z: DarkLine("conventional", pitch, True, z).place(level("conventional")) for z in (0.0, 20.0)}
    assert 2.80 < at[20.0] < 3.05
    assert 0 < (at[20.0] - at[0.0]) / 20 * 1e3 < 2.3
    # Nothing moves lines that the chief ray runs along.
    assert DarkLine("conventional", pitch, False, 20.0).place(level("conventional")) == pytest.approx(0, abs=1e-3)


def best_focus(kind, pitch, around):
    """Where the width has its extremum, object plane at the absorber's top."""
    z = around + np.linspace(-20, 20, 7)
    widths = [DarkLine(kind, pitch, False, at).width(level(kind)) for at in z]
    curve = np.polynomial.Polynomial.fit(z, widths, 4)
    roots = curve.deriv().roots()
    real = roots[abs(roots.imag) < 1e-6].real
    return float(min(real, key=lambda r: abs(r - around)))


@pytest.mark.slow
def test_row_37_best_focus_through_pitch():
    """Only differences through pitch are physical. Why ours differ from the table's by up to 2 nm is not known."""
    for kind, table in (
        ("conventional", {40: 9.5, 48: 8.6, 64: 12.8, 96: 14.4, 128: 16.5}),
        ("annular", {40: -16.1, 48: -17.4, 64: -14.3, 96: -11.1, 128: -6.8}),
    ):
        found = {pitch: best_focus(kind, pitch, around) for pitch, around in table.items()}
        for pitch, expected in table.items():
            assert found[pitch] == pytest.approx(expected, abs=2.5), (kind, found)


def test_moving_the_object_plane_moves_the_image_and_the_focus():
    """By d tan(6 degrees) / 4 and by -d / 16: a thicker absorber whose upper part is as clear as vacuum."""
    taller = replace(MASK, absorber=(Layer(np.float64(40.0), np.float64(1.0), np.float64(0.0)), *MASK.absorber))
    scanner, pitch = machine("conventional"), 48
    openings, period = np.roll(lines(pitch, pitch - 16, 256, True).openings, 128, 0), (48.0, 1.0)
    orders = scanner.orders(period, scanner.source.sigma)
    grid, images = Grid((48, 1), 1.0), []
    for mask, focus in ((MASK, 20.0), (taller, 20.0 - 40 / 16)):
        found = resolve(mask, scanner, openings, period, orders)
        images.append(np.fft.fft(abbe.resolved(scanner, found, clear_field(mask, scanner), grid, focus)[:, 0]))
    moved = -np.angle(images[1][1] / images[0][1]) * pitch / (2 * np.pi)
    assert abs(moved) == pytest.approx(40 * np.tan(np.radians(6)) / 4, abs=0.01)
    assert abs(images[1][1]) == pytest.approx(abs(images[0][1]), rel=1e-4)


def test_the_polynomial_over_the_source():
    scanner = machine("conventional")
    found, period = diffraction("conventional", 64, True)
    for sigma in ([0.31, -0.44], [-0.6, 0.5]):
        direction = found.light.directions(np.array([sigma]))[0]
        openings = np.roll(lines(64, 48, 256, True).openings, 128, 0)
        there = jones_orders(
            BLANK,
            Cell(openings, (256.0, 4.0)),
            W,
            tuple(direction),
            (0.0, SIX),
            scanner.orders(period, np.array([sigma])),
        )
        here = found(np.array([sigma]))[0]
        skip = (here.shape[2] - there.shape[2]) // 2
        passed = np.abs(found.frequencies[0][:, 0] * W / 0.33 + sigma[1]) < 1
        assert skip >= 0
        np.testing.assert_allclose(here[:, :, passed, 0], there[:, :, passed[skip : len(passed) - skip], 0], atol=6e-3)


def test_rigorous_setups():
    process = load_setup("euv-033", ["process.mask.model=rigorous"]).process
    assert rigorous(process) and not rigorous(load_setup("euv-033").process)
    known = anchored(process)
    assert edge_intensity(known, process.resist.anchor) == pytest.approx(float(known.resist.threshold), rel=1e-6)
    # A clear field is 1, an absorber all over as dark as its films.
    for openings, expected in ((1.0, 1.0), (0.0, float(double(MASK.thin(process.scanner.projector)).transmission))):
        flat = thick_aerial(process, np.full((1, 1), openings), Grid((2, 2), 10.0))
        assert flat == pytest.approx(0.97 * expected + 0.015, abs=2e-3)
    with pytest.raises(ConfigError, match=r"a cell of 1600 x 1600 nm on the mask needs \d+ modes, more than 500"):
        thick_aerial(process, np.eye(8), Grid((40, 40), 10.0))


def test_without_the_package(monkeypatch):
    def absent(name, package):
        raise ImportError(name)

    monkeypatch.setattr(thick, "import_module", absent)
    with pytest.raises(
        MissingError, match=r'rigorous masks need the package fmmax: pip install "actinic\[euv\]"'
    ) as error:
        jones_orders(BLANK, lines(64, 32), W, (0.0, SIX), (0.0, SIX), (0, 1))
    assert error.value.exit_code == 4
