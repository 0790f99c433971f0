"""The wafer: fields and dies, names and signs of overlay terms, focus and dose over it."""

import numpy as np
import pytest

from actinic.errors import ConfigError
from actinic.optics.pupil import zernike
from actinic.wafer import (
    Convention,
    DoseMap,
    ExposureMap,
    FocusMap,
    Model,
    Places,
    design,
    evaluate,
    fringe,
    notch_down,
)
from actinic.wafer.maps import profile_shapes
from actinic.wafer.terms import Term, polynomial, term

# The published list, letter by letter.
WRITTEN = {
    "k1": "1", "k3": "x", "k5": "y", "k7": "x*x", "k9": "x*y", "k11": "y*y", "k13": "x**3", "k15": "x*x*y",
    "k17": "x*y*y", "k19": "y**3", "k21": "x**4", "k29": "y**4", "k31": "x**5", "k33": "x**4*y", "k41": "y**5",
    "k2": "1", "k4": "y", "k6": "x", "k8": "y*y", "k10": "x*y", "k12": "x*x", "k14": "y**3", "k16": "x*y*y",
    "k18": "x*x*y", "k20": "x**3", "k22": "y**4", "k30": "x**4", "k32": "y**5", "k42": "x**5",
}  # fmt: skip


def places(n=40, seed=1):
    random = np.random.default_rng(seed)
    X, Y = random.uniform(-140, 140, (2, n))
    x, y = random.uniform(-13, 13, (2, n))
    return Places(X, Y, x, y, random.choice(["1", "2"], n), random.choice([-1, 1], n))


@pytest.mark.parametrize("name", WRITTEN)
def test_terms_are_as_published(name):
    at = places()
    for prefix, x, y in (("", at.X_mm, at.Y_mm), ("f_", at.x_mm, at.y_mm)):
        if prefix and int(name[1:]) > 20:
            continue
        wanted = np.broadcast_to(eval(WRITTEN[name], {"x": x, "y": y}), x.shape)
        moved = evaluate({prefix + name: 2.0}, at)
        along = int(name[1:]) % 2 == 0
        np.testing.assert_allclose(moved[along], 2 * wanted, rtol=1e-13)
        assert not moved[not along].any()


def test_counts_of_terms():
    counts = {"linear": 6, "field-linear": 10, "third-order": 24, "howa3": 24, "howa4": 34, "howa5": 46}
    assert {name: len(Model.named(name).terms) for name in counts} == counts
    names = [one.name for one in Model.named("third-order").terms]
    assert names[:6] == ["k1", "k2", "k3", "k4", "k5", "k6"] and names[6:] == [f"f_k{k}" for k in range(3, 21)]
    assert [t.name for t in Model.named("howa5").terms][:42] == [f"k{k}" for k in range(1, 43)]
    assert Model.named("howa3+field3").terms == (*polynomial(0, 3), *polynomial(1, 3, in_field=True))


def test_units_and_orders():
    assert [term(k).unit for k in ("k2", "k3", "f_k12", "k20", "k31")] == ["nm", "nm/mm", "nm/mm2", "nm/mm3", "nm/mm5"]
    for k in range(1, 43):
        assert sum(term(f"k{k}").powers) == term(f"k{k}").order


def test_chuck_and_scan_terms():
    at = places()
    np.testing.assert_allclose(evaluate({"c2_k3": 1.0}, at)[0], np.where(at.chuck == "2", at.X_mm, 0))
    np.testing.assert_allclose(evaluate({"s_f_k4": 1.0}, at)[1], at.scan * at.y_mm)
    model = Model.named("linear+chuck+scan", at.chuck)
    assert [t.name for t in model.terms if t.chuck] == [f"c2_k{k}" for k in range(1, 7)]
    assert [t.name for t in model.terms if t.scan] == ["s_k1", "s_k2", "s_f_k3", "s_f_k4", "s_f_k5", "s_f_k6"]
    assert all(term(one.name) == one for one in model.terms)
    with pytest.raises(ConfigError, match="scan direction"):
        design([term("s_k1")], Places(at.X_mm, at.Y_mm, at.x_mm, at.y_mm))


@pytest.mark.parametrize("name", ["k0", "k43", "f_k21", "k3x", "x3", "q_k3"])
def test_what_is_no_term(name):
    with pytest.raises(ConfigError, match="no overlay term"):
        term(name)


@pytest.mark.parametrize("name", ["howa6", "linear+cubic", "linear+chuck"])
def test_what_is_no_model(name):
    with pytest.raises(ConfigError, match=r"no model|no \+cubic|two chucks"):
        Model.named(name, ["1"])


@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("correction", [False, True])
def test_conventions_go_there_and_back(flip_x, flip_y, correction):
    at, random = places(), np.random.default_rng(3)
    names = [t.name for t in Model.named("howa5+field3").terms]
    values = dict(zip(names, random.standard_normal(len(names)), strict=True))
    other = Convention(frozenset({"k5", "f_k5"}), flip_x, flip_y, correction)
    assert other.apply(other.apply(values)) == values
    # What it describes is the same overlay, seen along its axes.
    theirs = {k: (-v if k in other.negated else v) for k, v in other.apply(values).items()}
    sx, sy = 1 - 2 * flip_x, 1 - 2 * flip_y
    dx, dy = evaluate(theirs, Places(sx * at.X_mm, sy * at.Y_mm, sx * at.x_mm, sy * at.y_mm))
    sign = 1 - 2 * correction
    for got, want in zip((sign * sx * dx, sign * sy * dy), evaluate(values, at), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * np.abs(want).max())


def test_notch():
    # A wafer turned by 90 degrees counter-clockwise has its notch at the right; a point at the right was at the bottom.
    assert notch_down(np.array([1.0]), np.array([0.0]), 90) == (np.array([0.0]), np.array([-1.0]))
    for angle in (0, 90, 180, 270, 33.0):
        x, y = notch_down(*notch_down(np.array([3.0]), np.array([4.0]), angle), -angle)
        assert (x[0], y[0]) == pytest.approx((3, 4), abs=1e-14)
    assert notch_down(3.0, 4.0, 180) == (-3, -4)


def test_exposure_map():
    wafer = ExposureMap(offset_y_mm=16.5, dies=(2, 3))
    fields, all_ = wafer.fields(), wafer.fields(partial=True)
    r = np.hypot(np.abs(fields.X_mm) + 13, np.abs(fields.Y_mm) + 16.5)
    assert (fields.whole == (r <= 147)).all() and 0 < fields.whole.sum() < len(fields) < len(all_)
    on = wafer.dies_on(fields)
    assert on.any(axis=1).all() and (on.all(axis=1) == fields.whole).all()
    # The edge exclusion takes dies away, more of it more.
    assert ExposureMap(offset_y_mm=16.5, dies=(2, 3), edge_exclusion_mm=5).dies_on(fields).sum() < on.sum()
    # Back and forth, up and down in turn: every step but that to the next row is one field wide.
    assert (np.diff(fields.scan) == -2 * fields.scan[:-1]).all() and fields.scan[0] == 1
    same = np.diff(fields.row) == 0
    assert (np.abs(np.diff(fields.column))[same] == 1).all() and (np.diff(fields.row)[~same] == 1).all()
    assert abs(int(fields.scan.sum())) <= 1


def test_points_of_fields():
    wafer = ExposureMap()
    fields = wafer.fields()
    which, X, Y, x, y = wafer.points(fields, 7)
    np.testing.assert_allclose(X - x, fields.X_mm[which])
    assert wafer.usable(X, Y).all() and y.max() == pytest.approx(0.92 * 16.5)
    assert np.bincount(which)[fields.whole].tolist() == [49] * int(fields.whole.sum())


@pytest.mark.parametrize(
    "wrong", [dict(field_width_mm=0), dict(edge_exclusion_mm=150), dict(dies=(0, 1)), dict(first_scan=0)]
)
def test_impossible_maps(wrong):
    with pytest.raises(ConfigError, match="exposure map"):
        ExposureMap(**wrong)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 25, 36])
def test_wafer_zernikes_are_the_pupils(number):
    x, y = np.random.default_rng(1).uniform(-0.7, 0.7, (2, 30))
    np.testing.assert_allclose(fringe(number, x, y), np.asarray(zernike(f"Z{number}", x, y)), atol=1e-12)


def test_focus_map():
    at = places()
    focus = FocusMap({1: 5.0, 4: 20.0}, tilt_x=0.3, curvature_y=0.02)
    r2 = (at.X_mm**2 + at.Y_mm**2) / 150**2
    np.testing.assert_allclose(focus.at(at), 5 + 20 * (2 * r2 - 1) + 0.3 * at.x_mm + 0.02 * at.y_mm**2)
    found = np.linalg.lstsq(FocusMap.shapes([1, 4], at), focus.at(at), rcond=None)[0]
    assert FocusMap.of([1, 4], found).tilt_x == pytest.approx(0.3, abs=1e-9)


def test_dose_map():
    at = places()
    dose = DoseMap({2: 1.5}, slit_percent=(0.4, -0.2), scan_percent=(0.1,))
    u, v = at.x_mm / 13, at.y_mm / 16.5
    want = 1.5 * at.X_mm / 150 + 0.4 * u - 0.2 * (1.5 * u * u - 0.5) + 0.1 * v
    np.testing.assert_allclose(dose.at(at), want)
    np.testing.assert_allclose(profile_shapes(2, u), np.stack([u, 1.5 * u * u - 0.5], axis=1))


def test_ranks_put_the_wafer_first():
    order = [Term(3), Term(13), Term(3, in_field=True), Term(1, scan=True)]
    assert sorted(reversed(order), key=lambda t: t.rank) == order
