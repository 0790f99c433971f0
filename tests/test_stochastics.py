"""Chance in the resist: numbers against closed forms, rare failures against plain draws and a saddle point."""

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from actinic import stochastics as chance
from actinic.design.images import aerial_images
from actinic.errors import ConfigError
from actinic.forward import Process
from actinic.interfaces.cli import app
from actinic.jobs import load_setup
from actinic.layout import Layout, patterns, write_layout
from actinic.mask import made
from actinic.optics import band
from actinic.resist import photons_per_nm2
from actinic.scale import split
from actinic.stochastics.chance import Tilt
from actinic.types import Grid, double

ON_SIZE = ("process.resist.threshold=0.275",)  # of the anchor; spares computing it
CHEMICAL = ("process.resist.dose_mj_cm2=35.0",)
PITCH, PIXEL = 40.0, 2.0


@functools.cache
def process(kind: str = "threshold", *settings: str) -> Process:
    own = ON_SIZE if kind == "threshold" else CHEMICAL
    return load_setup("euv-033", (*own, *settings), None, None if kind == "threshold" else kind).process


@functools.cache
def contact_image(size_nm: float = 24.0) -> np.ndarray:
    """Mean image of one contact in an endless array [y, x], clear field 1."""
    one = process()
    cell = patterns.contacts(size_nm, (PITCH, PITCH), (0, 0, 4 * PITCH, 4 * PITCH))
    tile = split((0, 0, 4 * PITCH, 4 * PITCH), PIXEL, 4 * PITCH, 0.0).tiles[0]
    ((image,),) = next(aerial_images([made(one.mask, (cell,))], one, [tile], [0.0]))
    n = int(PITCH / PIXEL)
    return band.to_pixels(image, tile.grid)[:n, :n]


def contact_array(film: chance.Film, dose: float, across: int) -> tuple[chance.Chance, chance.Contacts]:
    """An even number of pitches across, contacts on whole ones, those at the rim outside of the window."""
    image = dose * np.tile(contact_image(), (across, across))
    window = (0.0, 0.0, across * PITCH, across * PITCH)
    layout = patterns.contacts(24.0, (PITCH, PITCH), window)
    inner = (0.5 * PITCH, 0.5 * PITCH, (across - 0.5) * PITCH, (across - 0.5) * PITCH)
    return film.on(image), chance.find_contacts(layout, inner, Grid(image.shape, PIXEL), 60.0)


def test_row_39_photons():
    for wavelength, expected in ((13.5, 0.6796), (193.368, 9.73), (248.3, 12.50)):
        assert photons_per_nm2(1.0, wavelength) == pytest.approx(expected, rel=6e-4)


def test_what_a_film_absorbs_and_makes_of_it():
    film = chance.film(process("chemistry"), 2.0)
    assert film.absorbed == pytest.approx(1 - np.exp(-5e-3 * 35.0))
    assert film.photons == pytest.approx(4.0 * 0.679606 * 35.0 * film.absorbed, rel=1e-5)
    assert film.generators == pytest.approx(4.0 * 0.2 * 35.0)
    # In weak light every generator is converted by C E, so a photon makes this many acids.
    assert film.acids_a_photon == pytest.approx(0.05 * 35.0 * film.generators / film.photons)
    slow = chance.film(process("chemistry"), 2.0, 70.0)
    assert slow.photons == pytest.approx(2 * film.photons) and slow.acids_a_photon < film.acids_a_photon
    assert slow.on(contact_image()).mean == pytest.approx(film.on(contact_image()).mean, abs=1e-4)
    light = chance.film(process(), 2.0)
    assert (light.acids_a_photon, light.photons) == (None, pytest.approx(film.photons))


def test_what_films_refuse():
    bare = replace(process(), noise=None)
    sharp = replace(process(), resist=replace(process().resist, diffusion_nm=None))
    endless = replace(process(), noise=replace(process().noise, thickness_nm=None))
    for one, told in ((bare, "process.noise:"), (sharp, "without any blur"), (endless, "noise.thickness_nm")):
        with pytest.raises(ConfigError, match=told):
            chance.film(one)
    for given, told in (({"pixel_nm": 9.0}, "finer than"), ({"dose_mj_cm2": 0.0}, "must lie"),
                        ({"sources": ("photon",)}, "no chance in 'photon'")):  # fmt: skip
        with pytest.raises(ConfigError, match=told):
            chance.film(process(), **given)


def test_light_alone_has_the_variance_of_its_photons_under_the_blur():
    film = chance.film(process(), 2.0)
    (draw, *_) = film.on(np.full((400, 400), 0.275)).draws(1, np.random.default_rng(1))
    n, blur = film.photons / 4.0 * 0.275, 4.0
    assert draw.surplus.mean() == pytest.approx(0.0, abs=0.004)
    # 640000 nm2 hold some 3000 independent areas of 4 pi blur^2.
    assert draw.surplus.var() == pytest.approx(1 / (n * 4 * np.pi * blur**2), rel=0.08)


def test_edges_are_as_rough_as_noise_over_slope_and_as_long_as_the_blur():
    film, period, blur, depth = chance.film(process(), 1.5), 36.0, 4.0, 0.8
    x = (np.arange(24) + 0.5) * 1.5 - 18.0
    row = 0.275 * (1 + depth * np.cos(2 * np.pi * x / period))
    here = film.on(np.tile(row, (1200, 5)))
    grid, window = Grid(here.shape, 1.5), (0.0, 200.0, 180.0, 1600.0)
    left = [9 + 36 * k for k in range(5)]
    rings = tuple(np.array([[a, 0], [a + 18, 0], [a + 18, 1800], [a, 1800]]) for a in left)
    edges = chance.find_edges(Layout(rings, 1.0), window, 1.5, 20.0)
    assert len(edges) == 10 and edges.samples == 934
    surplus = [h for d in here.draws(3, np.random.default_rng(2)) for h in d.surplus]
    places, gaps = chance.traced(edges, surplus, here.mean, grid)
    slope = depth * np.exp(-2 * (np.pi * blur / period) ** 2) * 2 * np.pi / period
    sigma = np.sqrt(1 / (film.photons / 1.5**2 * 0.275 * 4 * np.pi * blur**2)) / slope
    assert gaps == 0 and places.std() == pytest.approx(sigma, rel=0.06)
    for lag in (2, 4, 6):
        found = (places[:, :-lag] * places[:, lag:]).mean() / places.var()
        assert found == pytest.approx(np.exp(-((1.5 * lag / blur) ** 2) / 4), abs=0.05)


def test_acid_in_weak_light_comes_in_bunches():
    film = chance.film(process("chemistry"), 2.0)
    numbers = film.on(np.full((40, 40), 0.003)).numbers(1500, np.random.default_rng(3), Tilt())
    acid = numbers.acid.sum((1, 2)) * film.generators
    assert acid.mean() == pytest.approx(0.003 * 1600 * film.photons * film.acids_a_photon, rel=0.02)
    assert acid.var() / acid.mean() == pytest.approx(1 + film.acids_a_photon, rel=0.12)


def test_acid_where_generators_run_out():
    """Campbell's theorem: the mean of exp(-C E G) of shot noise G through a kernel, and Poisson numbers about it."""
    film = chance.film(process("chemistry"), 2.0)
    numbers = film.on(np.full((40, 40), 1.0)).numbers(60, np.random.default_rng(4), Tilt())
    resist, mean = double(film.process.resist), film.photons
    place = np.zeros((40, 40))
    place[20, 20] = 1.0
    kernel = band.blurred(place, (80.0, 80.0), resist.electrons_nm)
    strength = resist.c_cm2_mj * resist.dose_mj_cm2 / mean
    kept = np.exp(-mean * -np.expm1(-strength * kernel).sum())
    kept_twice = np.exp(-mean * -np.expm1(-2 * strength * kernel).sum())
    assert numbers.acid.mean() == pytest.approx(1 - kept, rel=2e-3)
    assert kept > 1.005 * np.exp(-mean * strength)  # more than without chance: photons that share an area waste acid
    expected = (1 - kept) / film.generators + kept_twice - kept**2
    assert numbers.acid.var() == pytest.approx(expected, rel=0.02)
    assert numbers.quencher.mean() == pytest.approx(0.2, rel=5e-3)
    assert numbers.quencher.var() == pytest.approx(0.2 / film.generators, rel=0.02)


def test_weights_of_tilted_draws_have_mean_one():
    film, random = chance.film(process("chemistry"), 2.0), np.random.default_rng(5)
    y, x = np.mgrid[:12, :12] - 5.5
    bump = np.exp(-(x**2 + y**2) / 8)
    here = film.on(0.3 + 0.1 * bump)
    for tilt in (Tilt(photons=-0.2 * bump), Tilt(acid=0.15 * bump), Tilt(quencher=0.15 * bump),
                 Tilt(-0.1 * bump, -0.1 * bump, 0.1 * bump)):  # fmt: skip
        weight = np.exp(here.numbers(4000, random, tilt).log_weight)
        assert weight.std() > 0.1
        assert weight.mean() == pytest.approx(1.0, abs=4 * weight.std() / np.sqrt(weight.size))


def test_a_source_that_is_not_left_to_chance_stays_at_its_mean():
    for source in chance.SOURCES:
        film = chance.film(process("chemistry"), 2.0, sources=(source,))
        numbers = film.on(np.full((6, 6), 0.4)).numbers(50, np.random.default_rng(6), Tilt())
        moving = {name: getattr(numbers, name).std() > 1e-6 for name in ("light", "acid", "quencher")}
        expected = {"photons": {"light", "acid"}, "acid": {"acid"}, "quencher": {"quencher"}}[source]
        assert {name for name, moves in moving.items() if moves} == expected


def test_chemistry_alone_does_not_know_the_dose():
    draws = []
    for dose in (20.0, 80.0):
        film = chance.film(process("chemistry"), 2.0, dose, ("acid", "quencher"))
        draws.append(next(film.on(contact_image()).draws(4, np.random.default_rng(7))).surplus)
    assert draws[0].std(0).max() > 0.05
    assert np.abs(draws[0] - draws[1]).max() < 0.02


def test_sizes_spread_as_the_root_of_the_dose():
    doses, sigmas = np.array([20.0, 40.0, 80.0, 200.0]), []
    for dose in doses:
        here, contacts = contact_array(chance.film(process(), PIXEL, dose), 1.5, 14)
        draws = here.draws(4, np.random.default_rng(8))
        sizes = chance.measured(contacts, (h for d in draws for h in d.surplus))
        assert sizes.good.all() and sizes.cd_nm.size > 600
        sigmas.append((sizes.cd_nm - sizes.cd_nm.mean()).std())
    exponent = np.polyfit(np.log(doses), np.log(sigmas), 1)[0]
    assert exponent == pytest.approx(-0.5, abs=0.04)


def test_contacts_on_a_drawn_map():
    grid, x = Grid((60, 150), 2.0), (np.arange(150) + 0.5) * 2.0
    y = x[:60, None]
    layout = patterns.contacts(20.0, (60.0, 60.0), (0.0, 0.0, 300.0, 120.0))
    contacts = chance.find_contacts(layout, (40.0, 40.0, 260.0, 80.0), grid, 60.0)
    assert len(contacts) == 15 and contacts.inside.sum() == 3
    assert np.sort(contacts.middle_nm[contacts.inside][:, 0]).tolist() == [90.0, 150.0, 210.0]
    assert len(contacts.neighbours(45.0)) == 4 + 6 and len(contacts.neighbours(35.0)) == 0
    disc = np.max([11.5 - np.hypot(x - c, y - 60.0) for c in (30, 90, 150, 210, 270)], 0)
    one = chance.measured(
        contacts, [disc, -0 * disc - 1, np.where(x < 120, np.maximum(disc, 3 - np.abs(y - 60)), disc)]
    )
    assert one.cd_nm[0] == pytest.approx([23.0] * 3, abs=0.1) and one.good[0].all()
    assert one.missing[1].all() and np.isnan(one.cd_nm[1]).all() and not one.merged[1].any()
    assert one.merged[2].tolist() == [True, False, False] and not one.missing[2].any()


def one_voxel(film: chance.Film, level: float) -> chance.Failure:
    """That the surplus at one place of a uniform film is not positive."""
    here = film.on(np.full((28, 28), level))
    place = np.zeros((28, 28), bool)
    place[14, 14] = True
    return chance.Failure("missing", here, place, None, place, (0.0, 0.0))


def saddle_point(film: chance.Film, level: float) -> float:
    """P(sum of kernel x Poisson numbers < threshold) by Lugannani and Rice (Adv. Appl. Probab. 12, 475, 1980)."""
    place = np.zeros((28, 28))
    place[14, 14] = 1.0
    kernel = band.blurred(place, (56.0, 56.0), 4.0)
    mean, wanted = level * film.photons, 0.275 * film.photons
    t = brentq(lambda t: (mean * kernel * np.exp(t * kernel)).sum() - wanted, -200, 0)
    cumulant = (mean * np.expm1(t * kernel)).sum()
    curve = (mean * kernel**2 * np.exp(t * kernel)).sum()
    w, u = -np.sqrt(2 * (t * wanted - cumulant)), t * np.sqrt(curve)
    return ndtr(w) + np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi) * (1 / w - 1 / u)


@pytest.mark.parametrize(("level", "power"), [(0.335, -3), (0.40, -9)])
def test_rare_events_against_a_saddle_point(level, power):
    film = chance.film(process(), 2.0)
    expected = saddle_point(film, level)
    assert 10 ** (power - 0.6) < expected < 10 ** (power + 0.6)
    found = chance.probability(one_voxel(film, level), np.random.default_rng(9), relative_sigma=0.04)
    assert found.trusted and found.relative_sigma <= 0.04
    assert found.value == pytest.approx(expected, rel=4 * found.relative_sigma)


@pytest.mark.parametrize("kind", ["threshold", pytest.param("chemistry", marks=pytest.mark.slow)])
def test_missing_contacts_against_plain_draws(kind):
    here, contacts = contact_array(chance.film(process(kind), PIXEL), 0.86 if kind == "threshold" else 0.81, 4)
    event = chance.missing(here.film, here.image, contacts, 12)
    assert event.at_nm == (80.0, 80.0) and event.chance.shape == (28, 28)
    random = np.random.default_rng(10)
    plain = chance.counted(event, 12000 if kind == "threshold" else 2000, random)
    assert plain.failed > 20
    found = chance.probability(event, random, relative_sigma=0.1)
    assert found.trusted and found.relative_sigma <= 0.1
    low, high = plain.interval
    assert low / (1 + 2 * found.relative_sigma) < found.value < high * (1 + 2 * found.relative_sigma)


def test_merged_contacts_against_plain_draws():
    here, contacts = contact_array(chance.film(process(), PIXEL, 8.0), 2.1, 4)
    event = chance.merged(here.film, here.image, contacts, (11, 12))
    assert event.at_nm == (60.0, 80.0)
    random = np.random.default_rng(11)
    plain = chance.counted(event, 4000, random)
    assert plain.failed > 20
    found = chance.probability(event, random)
    low, high = plain.interval
    assert low / (1 + 2 * found.relative_sigma) < found.value < high * (1 + 2 * found.relative_sigma)


def test_photons_count_only_by_the_acid_they_make():
    """The tilt of photons that goes with one of acid is the slope of log of what acid's tilt costs."""
    film = chance.film(process("chemistry"), PIXEL)
    here = film.on(contact_image())
    y, x = np.mgrid[:20, :20] - 9.5
    acid, photons = -0.2 * np.exp(-(x**2 + y**2) / 20), np.full((20, 20), -0.05)
    pulled = here.pulled(acid, photons)

    def cost(light):
        return (here.acid(light[None])[0] * np.expm1(acid)).sum() * film.generators

    for place in ((10, 10), (6, 12)):
        step = np.zeros((20, 20))
        step[place] = 0.5
        light = here.image * np.exp(photons)
        slope = (cost(light + step / film.photons) - cost(light - step / film.photons)) / 1.0
        assert pulled[place] == pytest.approx(slope, rel=2e-3) and pulled[place] < -1e-3


def test_rates_have_exact_intervals():
    assert chance.Rate(0, 100).interval == (0.0, pytest.approx(0.0362167, abs=1e-6))
    assert chance.Rate(10, 100).interval == (pytest.approx(0.0490047, abs=1e-6), pytest.approx(0.1762226, abs=1e-6))


@pytest.fixture
def drawn(tmp_path):
    lines = patterns.lines(18.0, 36.0, (-200, -200, 344, 500))
    contacts = patterns.contacts(24.0, (PITCH, PITCH), (-80, -80, 200, 200))
    write_layout(tmp_path / "drawn.oas", {(1, 0): contacts, (2, 0): lines})
    return tmp_path / "drawn.oas"


def test_the_verb(drawn, capsys, tmp_path):
    words = ["stochastics", str(drawn), "--set", ON_SIZE[0], "--json"]
    more = ["--layer", "1/0", "--window=0,0,0.12,0.12", "--dose", "1.2", "--dose-mj", "12", "--limit", "1e-30"]
    save = ["--save", str(tmp_path / "s.npz")]
    assert app.main([*words, *more, *save]) == 1  # a missing contact is likelier than that
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "LCDU" in said.err and "missing" in said.err
    assert found["contacts"]["number"] == 9 and found["edges"] is None and found["draws"] == 10
    low, high = found["contacts"]["lcdu_3sigma_95_nm"]
    assert low < found["contacts"]["lcdu_3sigma_nm"] < high
    assert [f["kind"] for f in found["failures"]] == ["missing", "merged"] and not found["in_spec"]
    missing, merged = found["failures"]
    assert missing["trusted"] and missing["relative_sigma"] <= 0.2 and merged["probability"] < missing["probability"]
    saved = np.load(tmp_path / "s.npz")
    assert saved["cd_nm"].shape == (10, 9) and saved["surplus"].shape == saved["image"].shape
    assert app.main([*words, *more[:7], "--failures", "0"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["contacts"] == found["contacts"]  # the same seed, the same draws
    assert app.main([*words, "--layer", "2/0", "--window=0,0,0.144,0.3", "--draws", "3"]) == 0
    rough = json.loads(capsys.readouterr().out)["edges"]
    low, high = rough["sigma_95_nm"]
    assert rough["number"] == 8 and low < rough["sigma_nm"] < high and 6 < rough["xi_nm"] < 10


def test_what_the_verb_refuses(drawn, capsys):
    words = ["stochastics", str(drawn), "--layer", "1/0", "--set", ON_SIZE[0]]
    for more, told in (
        (["--draws", "1"], "a spread needs 2 draws"),
        (["--sources", "photons,ghosts"], "no chance in 'ghosts'"),
        (["--pixel-nm", "5"], "finer than the resist's blur"),
        (["--optics", "krf-dry"], "process.noise"),
        (["--corner", "odd"], "no corner 'odd'"),
        (["--window", "0.001,0.001,0.004,0.004"], "no contact"),
    ):
        line = [w for w in words if not more[0] == "--optics" or w not in ("--set", ON_SIZE[0])]
        assert app.main([*line, *more]) == 2
        assert told in (err := capsys.readouterr().err) and len(err.splitlines()) == 1, err
