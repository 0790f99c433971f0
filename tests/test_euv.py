"""Extreme ultraviolet optics: mirrors, anamorphic and obscured lenses, chief ray, flare, thin reflecting masks."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import tmm
from periodictable import xsf
from scipy.optimize import brentq, minimize_scalar

from actinic import load_setup
from actinic.config import build
from actinic.errors import ConfigError
from actinic.forward import anchored, edge_intensity, expose, prepare, thinned
from actinic.layout import Layout, rings
from actinic.mask import Reflective, transmitted
from actinic.optics import (
    Annular,
    ChiefRay,
    FilmStack,
    Layer,
    Mirror,
    Points,
    Projector,
    Scanner,
    Substrate,
    abbe,
    absorber_amplitude,
    band,
    decompose,
    optical_constants,
    stray_light,
)
from actinic.optics.flare import Flare
from actinic.optics.materials import table
from actinic.types import Grid, double

WAVELENGTH = np.float64(13.5)
MIRROR = double(Mirror())
SIX = np.sin(np.radians(6.0))


def reflectance(wavelength, degrees, waves="sp", mirror=MIRROR):
    sine = np.sin(np.radians(np.float64(degrees)))
    return float(np.mean([abs(mirror.reflection(np.float64(wavelength), sine, wave)) ** 2 for wave in waves]))


FORMULAE = {"Mo": 10.28, "Si": 2.33, "Ru": 12.45, "SiO2": 2.2, "Ta": 16.65, "Ni": 8.91, "Cr": 7.19}


def test_constants_are_those_of_periodictable():
    for name, density in FORMULAE.items():
        there = np.conj(xsf.index_of_refraction(name, density=density, wavelength=135.0))
        assert optical_constants(name, 13.5) == pytest.approx(there, abs=1e-5)
        (row,) = [row for row in table() if row["name"] == name and row["wavelength_nm"] == 13.5]
        assert f"{density:g} g/cm3" in row["source"]


def test_row_31_peak_of_the_mirror():
    found = minimize_scalar(lambda w: -reflectance(w, 6.0, "s"), bounds=(13.4, 13.6), method="bounded")
    assert -found.fun == pytest.approx(0.7393, abs=1e-3) and found.x == pytest.approx(13.519, abs=3e-3)
    low, high = (
        brentq(lambda w: reflectance(w, 6.0, "s") + found.fun / 2, *ends, xtol=1e-4)
        for ends in ((13, 13.4), (13.6, 14))
    )
    assert high - low == pytest.approx(0.714, abs=3e-3)


@pytest.mark.parametrize(("degrees", "expected"), [(0, 0.7261), (6, 0.7349), (11, 0.6169), (12.46, 0.7349 / 2)])
def test_row_32_mirror_over_angle(degrees, expected):
    assert reflectance(13.5, degrees) == pytest.approx(expected, abs=1e-3)


def test_row_32_a_narrower_period():
    narrow = Mirror(period=(Layer(np.float64(4.10), material="Si"), Layer(np.float64(2.80), material="Mo")))
    found = [reflectance(13.5, a, mirror=narrow) for a in (0, 6, 11)]
    assert found == pytest.approx([0.7388, 0.7184, 0.2485], abs=1e-3)


@pytest.mark.parametrize(("degrees", "expected"), [(6, 45.4), (11, 70.9)])
def test_row_33_effective_plane(degrees, expected):
    assert MIRROR.depth_nm(WAVELENGTH, np.sin(np.radians(degrees))) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize(
    ("thickness", "n", "k", "share", "phase"),
    [(60, 0.950, 0.031, 0.0247, -175.2), (70, 0.950, 0.031, 0.0157, -173.8), (30, 0.948, 0.073, 0.0226, -104.2)],
)
def test_row_34_absorbers(thickness, n, k, share, phase):
    layer = Layer(*(np.float64(v) for v in (thickness, n, k)))
    amplitude = absorber_amplitude(MIRROR, (layer,), WAVELENGTH, SIX)
    assert abs(amplitude) ** 2 == pytest.approx(share, abs=1e-3)
    assert np.angle(amplitude, deg=True) == pytest.approx(phase, abs=0.5)


@pytest.mark.parametrize("wave", ["s", "p"])
def test_mirrors_are_those_of_tmm(wave):
    absorber = (Layer(np.float64(2), material="TaBO"), Layer(np.float64(58), material="TaBN"))
    mirror = replace(MIRROR, periods=20)
    stack = mirror.under(absorber)
    indices = [1, *(optical_constants(part.material, 13.5) for part in (*stack.layers, stack.substrate))]
    thick = [np.inf, *(float(part.thickness_nm) for part in stack.layers), np.inf]
    there = tmm.coh_tmm(wave, indices, thick, np.radians(6), 13.5)["r"]
    found = stack.reflection(WAVELENGTH, np.float64(1), SIX, wave)
    # tmm's p amplitude is of E along the lateral direction's opposite, ours of H.
    assert complex(found) == pytest.approx(complex(there), abs=1e-10)


def lens(**changes):
    given = {"reduction": np.float64(4), "wavelength_nm": WAVELENGTH, "na": np.float64(0.55)} | changes
    return Projector(**given)


def test_row_42_anamorphic_lens():
    projector = double(load_setup("euv-055").process.scanner.projector)
    assert projector.reductions == (4.0, 8.0)
    mask_na = [projector.na / r for r in projector.reductions]
    assert mask_na == pytest.approx([0.1375, 0.06875]) and float(projector.chief_ray.angle_deg) == 5.355
    # One beam at the rim beside a clear field on the axis, along x and along y: the factor of row 19.
    for along, expected in ((1, 1.089034), (0, 1.092948)):
        machine = Scanner(lens(reduction_y=np.float64(8)), Points(np.zeros((1, 2)), np.ones(1)), "X" if along else "Y")
        machine = replace(machine, polarisation="Y" if along else "X")
        period = 13.5 / 0.55
        spectrum = np.zeros((3, 3), complex)
        spectrum[(1, 2) if along else (2, 1)] = 1.0
        seen = abbe.aerial(machine, spectrum, Grid((1, 1), period)).mean()
        assert np.sqrt(seen) == pytest.approx(expected, abs=1e-6)


def test_the_dark_centre_of_the_pupil():
    projector = lens(obscuration=np.float64(0.2))
    r = np.array([0.0, 0.19, 0.2, 0.21, 0.99, 1.0, 1.01])
    passed, *_ = projector.coordinates(r * 0.55 / 13.5, 0 * r)
    assert passed.tolist() == [False, False, True, True, True, True, False]
    # Light on the axis is all lost in clear field: it is not what the field is measured by.
    source = Points(np.array([[0.0, 0.0], [0.5, 0.0]]), np.array([3.0, 1.0]))
    clear = np.zeros((3, 3), complex)
    clear[1, 1] = 1.0
    machine = Scanner(projector, source)
    assert abbe.aerial(machine, clear, Grid((1, 1), 20.0)).mean() == pytest.approx(1.0, abs=1e-12)


def test_the_chief_ray_turns_along_the_slit():
    sine = np.sin(np.radians(6.0))
    assert double(ChiefRay()).sines() == pytest.approx((0.0, sine))
    x, y = double(ChiefRay(slit_mm=13.0)).sines()
    assert np.hypot(x, y) == pytest.approx(sine) and x > 0 < y
    assert np.degrees(np.arctan2(x, y)) == pytest.approx(np.degrees(np.arcsin(13 / 41.5)))
    assert double(ChiefRay(slit_mm=-13.0)).sines() == pytest.approx((-x, y))


FLARE = Flare(np.float64(0.04), np.float64(0.3))


def test_flare_takes_and_gives():
    source = Annular(np.float64(0.4), np.float64(0.8))
    plain, veiled = (Scanner(lens(), source, "unpolarised", flare) for flare in (None, FLARE))
    grid, rng = Grid((20, 20), 3.0), np.random.default_rng(0)
    points, _ = plain.source_points(grid.period_nm)
    orders = plain.orders(grid.period_nm, points)
    spectrum = rng.normal(size=[2 * k + 1 for k in orders]) + 0j
    sharp, seen = (abbe.aerial(machine, spectrum, grid) for machine in (plain, veiled))
    np.testing.assert_allclose(seen, 0.96 * sharp + 0.04 * 0.3, atol=1e-12)
    assert decompose(veiled, grid.period_nm, 0.0)[1].sum() == pytest.approx(
        0.96 * decompose(plain, grid.period_nm, 0.0)[1].sum()
    )
    # In a film that is the medium itself the dose is the intensity.
    film = FilmStack((Layer(np.float64(20), np.float64(1)),), Substrate(np.float64(1)), 0.0)
    assert stray_light(veiled, 0.0, film) == pytest.approx(0.04 * 0.3, rel=0.02)


@pytest.mark.parametrize("power", [1.5, 2.0, 2.5])
def test_where_flare_comes_from(power):
    flare = replace(FLARE, power=power, inner_um=5.0, outer_um=1000.0)
    kernel = flare.kernel(50.0)
    assert kernel.sum() == pytest.approx(1.0) and kernel.shape == (41, 41)
    np.testing.assert_allclose(kernel, kernel.T)
    # Within a radius: the integral of r^(1 - power) from the inner to the outer end.
    r = np.hypot(*(np.mgrid[-20:21, -20:21] * 50.0))
    inside = kernel[r < 500].sum()
    e = 2 - power
    share = np.log(500 / 5) / np.log(1000 / 5) if e == 0 else (500**e - 5**e) / (1000**e - 5**e)
    assert inside == pytest.approx(share, abs=0.02)
    # Half a plane of light: half of it is seen from its edge, all from far inside.
    field = np.zeros((61, 61))
    field[:, 31:] = 1.0
    field[:, 30] = 0.5
    row = np.pad(field, ((30, 30), (0, 0)), mode="edge")
    seen = flare.surroundings(row, 50.0, 0.0)[60]
    assert seen[30] == pytest.approx(0.5, abs=0.03) and seen[9] < 1e-9 < seen[12]
    np.testing.assert_allclose(flare.surroundings(np.full((9, 9), 0.3), 50.0, 0.3), 0.3)


def test_a_lattice_too_fine_for_flare():
    with pytest.raises(ConfigError, match=r"cells of 1 um are too many for a flare of 5000 um"):
        FLARE.kernel(1.0)


@pytest.mark.parametrize("name", ["euv-033", "euv-055"])
def test_presets_print_their_anchor(name):
    process = load_setup(name).process
    known = anchored(process)
    anchor = process.resist.anchor
    assert edge_intensity(known, anchor) == pytest.approx(float(known.resist.threshold), rel=1e-6)
    mask = double(thinned(known).mask)
    assert 0.02 < mask.transmission < 0.03 and -180 < mask.phase_deg < -170
    cd, pitch = float(anchor.cd_nm), float(anchor.pitch_nm)
    assert 0.4 < 0.5 * pitch * 1 / (13.5 / float(process.scanner.projector.na)) < 0.5
    half = round(cd)
    line = Layout(rings([[(0, 0), (half, 0), (half, 4 * half), (0, 4 * half)]]), 1.0)
    grid = Grid((2 * half, 2 * half), pitch / (2 * half), (-cd / 2, 0.0))
    printed = np.asarray(expose(known, line, grid).printed.values)
    assert printed.mean() == pytest.approx(0.5, abs=0.06)


def test_reflecting_masks_from_files():
    assert build(Reflective, {"kind": "reflective"}).height_nm == 60.0
    with pytest.raises(ConfigError, match="absorber: give at least one layer"):
        build(Reflective, {"kind": "reflective", "absorber": []})
    with pytest.raises(ConfigError, match="period: give at least one layer"):
        build(Mirror, {"period": []})
    process = load_setup("euv-033", ["process.mask.model=rigorous"]).process
    with pytest.raises(ConfigError, match="a rigorous mask model cannot do this"):
        prepare(process, Grid((20, 20), 3.0))


def test_both_paths_see_flare_and_the_absorber():
    process = anchored(load_setup("euv-033").process)
    grid = Grid((16, 16), 4.5)
    covered = np.zeros(grid.shape)
    covered[:, 4:8] = 1.0
    spectrum = band.mask_spectrum(covered, (6, 6))
    exact = double(thinned(process))
    truth = abbe.aerial(exact.scanner, transmitted(exact.mask, spectrum), grid)
    found = prepare(process, grid).aerial(jnp.asarray(covered, jnp.float32))[0]
    assert found.shape == truth.shape
    np.testing.assert_allclose(np.asarray(found), truth, atol=3e-6)
    assert float(process.scanner.flare.level) == pytest.approx(0.015)
