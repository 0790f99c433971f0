"""Overlay fits: signs, units, errors, what the marks cannot tell, orders, and what a machine can correct."""

import numpy as np
import pytest

import overlay_wafers as made
from actinic.errors import ConfigError, InputError, NumericalError
from actinic.operate.overlay import (
    Spread,
    choose,
    correct,
    dense_grid,
    dose_correction,
    fit,
    match,
    per_field,
    read_profile,
)
from actinic.operate.overlay.profile import Actuator, Profile
from actinic.operate.overlay.squares import ownership, solve
from actinic.wafer import DoseMap, Model, Places, evaluate, notch_down, term

HOWA3 = Model.named("howa3+field3")


def exact(values, **columns):
    """Marks of a whole map without noise."""
    places, column, row = made.full_map()
    return made.marks_at(places, *evaluate(values, places), column, row, **columns)


@pytest.fixture(scope="module")
def wafer():
    values = made.drawn_terms(np.random.default_rng(7))
    return values, *made.measured(values, 7)


@pytest.mark.parametrize("name", ["k1", "k2", "k3", "k4", "k5", "k6", "k13", "k20", "f_k3", "f_k6", "f_k20"])
def test_one_ppm_proposes_minus_one(name):
    marks = exact({name: 1.0})
    found = fit(marks, HOWA3)
    assert found.values[name] == pytest.approx(1.0, rel=1e-9)
    assert all(abs(v) < 1e-7 for other, v in found.values.items() if other != name)
    proposed = correct(found, dense_grid(marks)[0])
    assert proposed.values[name] == pytest.approx(-1.0, rel=1e-9) and not proposed.clipped
    assert max(np.abs(proposed.left[axis]).max() for axis in "xy") < 1e-6


@pytest.mark.parametrize("model", ["linear", "field-linear", "third-order", "howa3", "howa4", "howa5", "howa5+field3"])
def test_every_model_finds_its_terms(model):
    random = np.random.default_rng(1)
    terms = Model.named(model).terms
    values = {one.name: float(random.standard_normal() / 10.0 ** (2 * one.order)) for one in terms}
    found = fit(exact(values), Model.named(model))
    assert list(found.values) == [one.name for one in terms]
    np.testing.assert_allclose([found.values[k] for k in values], list(values.values()), rtol=1e-6, atol=1e-12)


def test_standard_errors_are_those_of_repeated_fits():
    """Marks err independently: over 150 wafers the terms scatter as their standard errors say, flyers or not."""
    random, scores = np.random.default_rng(2), []
    places, column, row = made.full_map()
    some = np.random.default_rng(3).permutation(len(places))[:300]
    model = Model.named("howa3")
    for _ in range(150):
        dx, dy = 0.6 * random.standard_normal((2, 300))
        flyers = random.random(300) < 0.05
        dx[flyers] += 30 * random.standard_normal(flyers.sum())
        found = fit(made.marks_at(places[some], dx, dy, column[some], row[some]), model)
        scores.append([found.values[k] / found.sigmas[k] for k in found.values])
    spread = np.std(scores, axis=0)
    assert np.all(np.abs(spread - 1) < 0.25) and abs(spread.mean() - 1) < 0.06


def test_flyers_hardly_count(wafer):
    _, marks, dx, _ = wafer
    bad = marks.with_(dx_nm=marks.dx_nm.copy())
    bad.dx_nm[::20] += 200.0
    clean, robust, plain = (fit(m, HOWA3, robust=r) for m, r in ((marks, True), (bad, True), (bad, False)))
    left = [Spread.of(dx - f.predict(marks.places)["x"]).mean_3sigma_nm for f in (clean, robust, plain)]
    assert left[1] < 1.02 * left[0] and left[2] > 3 * left[0]
    assert robust.outliers()[::20].all() and robust.outliers().sum() <= 0.06 * len(marks)


def test_quality_is_the_weight(wafer):
    _, marks, *_ = wafer
    quality = np.random.default_rng(1).uniform(0.2, 1, len(marks))
    # Half of them measured twice, at half the quality each.
    times = 1 + np.arange(len(marks)) % 2
    halves = marks[np.repeat(np.arange(len(marks)), times)].with_(quality=np.repeat(quality / times, times))
    whole, twice = (fit(m, HOWA3, robust=False) for m in (marks.with_(quality=quality), halves))
    np.testing.assert_allclose(list(whole.values.values()), list(twice.values.values()), rtol=1e-4, atol=1e-9)
    off = marks.with_(quality=np.where(np.arange(len(marks)) % 2, 1.0, 0.0), dx_nm=marks.dx_nm + 0.0)
    off.dx_nm[::2] += 1e5
    np.testing.assert_allclose(fit(off, HOWA3).values["k3"], fit(marks[1::2], HOWA3).values["k3"])


def test_targets_and_tis_are_taken_off():
    marks = exact({"k1": 3.0, "k4": 0.1})
    n = np.ones(len(marks))
    found = fit(marks.with_(target_dx_nm=5 * n, tis_x_nm=-1 * n, tis_y_nm=0.5 * n), Model.named("linear"))
    assert found.values["k1"] == pytest.approx(3 - 5 + 1) and found.values["k2"] == pytest.approx(-0.5)
    assert found.values["k4"] == pytest.approx(0.1)


@pytest.mark.parametrize("notch", [90, 180, 270])
def test_notch(notch):
    values = {"k1": 2.0, "k3": 0.3, "k6": -0.2, "k13": 1e-6, "f_k3": 0.1, "f_k20": 1e-3}
    marks = exact(values)
    turned = {}
    for x, y in (("X_mm", "Y_mm"), ("x_mm", "y_mm"), ("dx_nm", "dy_nm")):
        turned[x], turned[y] = notch_down(getattr(marks, x), getattr(marks, y), -notch)
    from_tool = marks.with_(**turned)
    assert abs(fit(from_tool, HOWA3).values["k3"] - 0.3) > 0.2 or notch == 180
    found = fit(from_tool.turned(notch), HOWA3)
    assert all(found.values[k] == pytest.approx(values.get(k, 0.0), abs=1e-7) for k in found.values)


def test_chuck_swap_and_scan_flip():
    places, column, row = made.full_map()
    chuck = np.where(np.arange(len(places)) % 2, "1", "2")
    places = Places(places.X_mm, places.Y_mm, places.x_mm, places.y_mm, chuck, places.scan)
    values = {"k1": 1.0, "k3": 0.2, "c2_k1": 4.0, "c2_k6": 0.05, "s_k2": 0.7, "s_f_k3": 0.03}
    marks = made.marks_at(places, *evaluate(values, places), column, row, chuck=chuck)
    model = Model.named("howa3+chuck+scan", chuck)
    found = fit(marks, model).values
    assert all(found[k] == pytest.approx(values.get(k, 0.0), abs=1e-7) for k in found)
    swapped = fit(marks.with_(chuck=np.where(chuck == "1", "2", "1")), model).values
    assert swapped["c2_k1"] == pytest.approx(-4.0) and swapped["k1"] == pytest.approx(5.0)
    flipped = fit(marks.with_(scan=-marks.scan), model).values
    assert flipped["s_k2"] == pytest.approx(-0.7) and flipped["k2"] == pytest.approx(0.0, abs=1e-9)


def test_one_field_gives_the_wafers_terms_only(wafer):
    _, marks, *_ = wafer
    one = marks[marks.field == 30]
    found = fit(one, Model.named("field-linear"))
    assert set(found.lost) == {"f_k3", "f_k4", "f_k5", "f_k6"} and "wafer" in found.lost["f_k3"]
    proposed = correct(found, dense_grid(one)[0], read_profile("slit-scanner"))
    assert proposed.refused is None
    # Over the whole wafer it would be extrapolated.
    beyond = correct(found, made.full_map()[0])
    assert "beyond the marks" in (beyond.refused or "") and beyond.values == {} and beyond.correctable == []


def test_marks_on_a_line():
    t = np.linspace(-100, 100, 21)
    zero = np.zeros_like(t)
    along_x = made.marks_at(Places(t, zero, zero, zero), 0.1 * t, zero)
    found = fit(along_x, Model.named("linear"))
    assert set(found.lost) == {"k5", "k4"} and found.values["k3"] == pytest.approx(0.1)
    diagonal = made.marks_at(Places(t, t, zero, zero), t, t)
    with pytest.raises(NumericalError, match="k3 and k5") as error:
        fit(diagonal, Model.named("linear"))
    assert "\n" not in str(error.value) and "on one line" in str(error.value)
    prior = {k: (0.0, 0.01) for k in ("k3", "k4", "k5", "k6")}
    assert fit(diagonal, Model.named("linear"), prior=prior).values["k3"] == pytest.approx(0.5, abs=0.01)


def test_too_few_marks(wafer):
    _, marks, *_ = wafer
    with pytest.raises(NumericalError, match="12 terms along x need as many marks or more, there are 5"):
        fit(marks[::600][:5], Model.named("howa3"))
    found = fit(marks[[0, 1500, 3000]], Model.named("linear"))
    assert np.isnan(list(found.sigmas.values())).all() and "tell the noise" in found.notes[0]


def test_an_axis_without_measurements(wafer):
    _, marks, *_ = wafer
    found = fit(marks.with_(dx_nm=np.full(len(marks), np.nan)), Model.named("linear"))
    assert set(found.values) == {"k2", "k4", "k6"} and set(found.lost) == {"k1", "k3", "k5"}
    assert "no mark is measured along x" in found.notes[0]
    assert np.isnan(found.spreads()["x"].rms_nm) and found.spreads()["y"].points == len(marks)
    assert choose(marks[::9].with_(dx_nm=np.full(len(marks[::9]), np.nan))).found.values.keys() & {"k2", "k4"}


def test_tied_columns():
    random = np.random.default_rng(0)
    a, b, c = random.standard_normal((3, 50))
    root = np.linalg.qr(np.stack([a, b, a + b, c, 2 * a], axis=1), mode="r")
    owns = ownership(root, [(0,), (0,), (0,), (0,), (1,)])
    assert owns.tied == [[0, 1, 2]] and owns.lost == [4] and 3 in owns.kept


def test_solver_against_lstsq():
    random = np.random.default_rng(0)
    design, weight = random.standard_normal((200, 5)), random.uniform(0.1, 1, 200)
    measured = design @ np.arange(5.0) + random.standard_normal(200)
    found = solve(design, measured, weight, robust=False)
    scale = np.sqrt(weight)
    value, square, *_ = np.linalg.lstsq(design * scale[:, None], measured * scale, rcond=None)
    np.testing.assert_allclose(found.value, value)
    covariance = np.linalg.inv((design * weight[:, None]).T @ design) * square[0] / 195
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9)
    # A prior of one standard error weighs as much as the marks.
    sigma = np.sqrt(np.diag(covariance))
    one = np.full(5, np.inf)
    one[2] = sigma[2]
    held = solve(design, measured, weight, robust=False, prior=(value + sigma, one))
    assert held.value[2] == pytest.approx(value[2] + sigma[2] / 2, rel=0.002)
    assert held.covariance[2, 2] == pytest.approx(covariance[2, 2] / 2, rel=0.01)


def test_left_out_fields_are_refits(wafer):
    """The short cut of leave-one-field-out against fits without the field."""
    from actinic.operate.overlay.order import _left_out

    _, marks, *_ = wafer
    some = marks[np.random.default_rng(5).permutation(len(marks))[:150]]
    found = fit(some, Model.named("howa3"), robust=False)
    errors, weight = _left_out(some, found)["x"]
    assert (weight == 1).all()
    for number in (0, 7, 20):
        out = some.field == number
        refit = fit(some[~out], Model.named("howa3"), robust=False)
        np.testing.assert_allclose(errors[out], some.dx_nm[out] - refit.predict(some.places[out])["x"], rtol=1e-8)


def test_auto_takes_what_the_marks_can_bear(wafer):
    _, marks, dx, dy = wafer

    def left(found):
        p = found.predict(marks.places)
        return np.hypot(*(Spread.of(t - p[a]).mean_3sigma_nm for a, t in (("x", dx), ("y", dy)))) / np.sqrt(2)

    for n in (60, 400):
        some = marks[np.random.default_rng(11).permutation(len(marks))[:n]]
        chosen = choose(some)
        fixed = {m: left(fit(some, Model.named(m))) for m in ("linear", "howa3", "howa3+field3", "howa5+field3")}
        assert left(chosen.found) < 1.05 * min(fixed.values())
        assert chosen.left_out_nm["linear"] > chosen.left_out_nm["howa3"]
    linear = exact({"k1": 2.0, "k3": 0.1})
    noise = np.random.default_rng(1).standard_normal((2, len(linear)))
    found = choose(linear.with_(dx_nm=linear.dx_nm + noise[0], dy_nm=linear.dy_nm + noise[1])).found
    assert found.values["k3"] == pytest.approx(0.1, abs=4e-3)
    # What the marks do not show is shrunk to next to nothing: 150 mm to the third power is 3e6.
    assert all(abs(v) * 150 ** term(k).order < 0.5 for k, v in found.values.items() if k not in ("k1", "k3"))


def test_of_very_many_marks_some_choose_and_all_are_fitted(wafer, monkeypatch):
    from actinic.operate.overlay import order

    _, marks, *_ = wafer
    monkeypatch.setattr(order, "_MOST", 500)
    chosen = choose(marks)
    assert all(one.used.sum() == len(marks) for one in chosen.found.along.values())
    plain = fit(marks, chosen.found.model)
    assert chosen.found.values == plain.values


@pytest.mark.parametrize("sign", [1, -1])
def test_limits_clip_and_others_take_up(sign):
    marks = exact({"k3": sign * 5.0, "f_k20": 1e-3})
    at, found = dense_grid(marks)[0], fit(marks, HOWA3)
    machine = Profile("m", {n: Actuator(-2.0, 2.0) for n in ("k1", "k2", "k3", "k4", "f_k3", "f_k4")})
    proposed = correct(found, at, machine)
    assert proposed.values["k3"] == -2 * sign and "k3" in proposed.clipped and "f_k20" in proposed.impossible
    # Inside the fields magnification takes up what the wafer's cannot.
    assert proposed.values["f_k3"] == pytest.approx(-2 * sign)
    naive = np.clip(-5 * sign, -2, 2) + 5 * sign
    assert Spread.of(proposed.left["x"]).rms_nm < 0.999 * abs(naive) * np.sqrt(np.mean(at.X_mm**2))
    best = [np.sum(np.square(proposed.left["x"] + step * at.x_mm)) for step in (-1e-3, 1e-3)]
    assert min(best) > np.sum(np.square(proposed.left["x"])) or abs(proposed.values["f_k3"]) == 2


def test_steps_are_kept(wafer):
    _, marks, *_ = wafer
    found, at = fit(marks, Model.named("linear")), dense_grid(marks)[0]
    machine = Profile("m", {f"k{n}": Actuator(-100, 100, 0.05) for n in range(1, 7)})
    proposed = correct(found, at, machine)
    for name, value in proposed.values.items():
        assert value / 0.05 == pytest.approx(round(value / 0.05)) and abs(value + found.values[name]) <= 0.025 + 1e-9


def test_uncertainty_of_corrected_points(wafer):
    values, marks, *_ = wafer
    some = marks[np.random.default_rng(2).permutation(len(marks))[:200]]
    found = fit(some, HOWA3)
    sigma, predicted = found.uncertainty(marks.places), found.predict(marks.places)
    truth = evaluate({k: v for k, v in values.items() if k in found.values}, marks.places)
    score = (predicted["x"] - truth[0]) / sigma["x"]
    assert 0.4 < np.sqrt(np.mean(score**2)) < 2.5 and sigma["x"].min() > 0
    assert not found.extrapolated(some.places).any() and found.extrapolated(marks.places).any()


PROFILE = """
name = "m"
[terms]
k3 = { minimum = -1.0, maximum = 2.0, step = 0.5 }
k4 = { on = false }
[exposure]
field_width_mm = 26.0
"""


def test_profile_files(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(PROFILE)
    found = read_profile(path)
    assert found.actuators == {"k3": Actuator(-1.0, 2.0, 0.5)} and found.exposure.field_width_mm == 26
    assert "f_k20" not in read_profile("slit-scanner").actuators and len(read_profile("slit-scanner").actuators) == 37


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minimum = -1.0", "minimun = -1.0", "terms.k3.minimun is not a key here; did you mean minimum?"),
        ("minimum = -1.0", "minimum = 0.5", "terms.k3: minimum 0.5 and maximum 2 must have 0 between them"),
        ("minimum = -1.0, ", "", "terms.k3.minimum is missing: no correction without a limit"),
        ("k4 =", "k99 =", "there is no overlay term 'k99'"),
        ("step = 0.5", "step = -1", "terms.k3.step = -1"),
        ("on = false", 'on = "no"', "terms.k4.on = 'no' must be true or false"),
        ("[exposure]", "[exposures]", "exposures is not a key here; did you mean exposure?"),
        ("name =", "name", "is not valid TOML"),
    ],
)
def test_wrong_profiles(tmp_path, old, new, said):
    path = tmp_path / "m.toml"
    path.write_text(PROFILE.replace(old, new))
    with pytest.raises(ConfigError) as error:
        read_profile(path)
    assert said in str(error.value) and str(path) in str(error.value)
    with pytest.raises(ConfigError, match="built in: slit-scanner"):
        read_profile("nowhere")


def test_per_field_terms(wafer):
    _, marks, *_ = wafer
    random = np.random.default_rng(4)
    found = fit(marks, HOWA3)
    shifts = random.standard_normal((len(set(marks.position)), 2))
    moved = marks.with_(
        dx_nm=marks.dx_nm + shifts[marks.position, 0], dy_nm=marks.dy_nm + shifts[marks.position, 1] * marks.y_mm / 10
    )
    table = per_field(moved, fit(moved, HOWA3))
    assert np.corrcoef(table.value[:, 0], shifts[:, 0])[0, 1] > 0.85
    assert np.corrcoef(table.value[:, 3], shifts[:, 1])[0, 1] > 0.85
    # Noise alone is not written into corrections.
    quiet = per_field(marks, found)
    assert np.abs(quiet.value[:, 0]).std() < 0.1 and quiet.to_csv().count("\n") == 64


def test_matching_of_tools(wafer):
    values, marks, *_ = wafer
    same, _, _ = made.measured(values, 8)
    other, _, _ = made.measured(values | {"k5": values["k5"] + 0.02}, 9)
    first, second, third = (fit(m, HOWA3) for m in (marks, same, other))
    at = marks.places
    equal, apart = match(first, second, at), match(first, third, at)
    assert equal.chance > 0.001 and apart.chance < 1e-6
    assert apart.difference["k5"] == pytest.approx(0.02, abs=5 * apart.sigma["k5"])
    assert apart.spread["x"].rms_nm == pytest.approx(0.02 * np.sqrt(np.mean(at.Y_mm**2)), rel=0.3)
    with pytest.raises(InputError, match="different terms"):
        match(first, fit(marks, Model.named("linear")), at)


def test_dose_profiles():
    places, *_ = made.full_map()
    dose = DoseMap(slit_percent=(0.4, -0.8), scan_percent=(0.3, 0.0, 0.2))
    found = dose_correction(places.x_mm, places.y_mm, dose.at(places) + 0.5, orders=(3, 3))
    np.testing.assert_allclose(found.slit_percent, [-0.4, 0.8, 0], atol=1e-9)
    np.testing.assert_allclose(found.scan_percent, [-0.3, 0, -0.2], atol=1e-9)
    assert found.offset_percent == pytest.approx(-0.5) and found.after.max_nm < 1e-9 and not found.clipped
    clipped = dose_correction(places.x_mm, places.y_mm, 20 * dose.at(places), orders=(3, 3), limit_percent=5)
    assert clipped.clipped == ["slit L1", "slit L2", "scan L1"] and clipped.after.rms_nm < clipped.before.rms_nm
    with pytest.raises(InputError, match="do not determine"):
        dose_correction(np.zeros(40), places.y_mm[:40], np.zeros(40), orders=(2, 2))
