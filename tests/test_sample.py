"""Sampling plans: optimal by criterion, within their limits, on top of what is there."""

import itertools

import numpy as np
import pytest

import overlay_wafers as made
from actinic.errors import ConfigError, NumericalError
from actinic.operate.overlay import fit
from actinic.operate.sample import Limits, plan
from actinic.wafer import Model, Places, design

MODEL = Model.named("howa3+field3")


@pytest.fixture(scope="module")
def marks():
    places, column, row = made.full_map()
    return places, np.stack([column, row], axis=1)


def information(model, places, rows):
    columns = design([t for t in model.terms if t.axis == "x"], places[np.asarray(rows)])
    return np.linalg.slogdet(columns.T @ columns)[1]


def test_small_plans_are_the_best_of_all():
    """Against every subset of 10 marks."""
    random = np.random.default_rng(9)  # where the two criteria differ
    places = Places(*random.uniform(-100, 100, (2, 10)), np.zeros(10), np.zeros(10))
    model, field = Model.named("linear"), np.zeros((10, 2), int)
    found = plan(model, places, field, 4, criterion="D")
    best = max(itertools.combinations(range(10), 4), key=lambda rows: information(model, places, rows))
    assert information(model, places, found.chosen) == pytest.approx(information(model, places, best))

    columns = design([t for t in model.terms if t.axis == "x"], places)

    def variance(rows):
        part = columns[list(rows)]
        return np.mean(np.sum(columns @ np.linalg.inv(part.T @ part) * columns, axis=1))

    found = plan(model, places, field, 4, criterion="I")
    assert found.rms**2 == pytest.approx(min(map(variance, itertools.combinations(range(10), 4))))
    assert found.rms**2 == pytest.approx(variance(found.chosen))


def test_better_than_random_and_than_d_optimal(marks):
    """What a correction leaves at 40 marks: predicted, and measured on wafers."""
    places, field = marks
    plans = {c: plan(MODEL, places, field, 40, criterion=c, limits=Limits(scan_balance=True)) for c in "DI"}
    left = {"D": [], "I": [], "random": []}
    for seed in range(8):
        values = made.drawn_terms(np.random.default_rng(seed))
        wafer, dx, _ = made.measured(values, seed)
        chosen = {c: p.chosen for c, p in plans.items()} | {
            "random": np.random.default_rng(seed).permutation(3087)[:40]
        }
        for name, rows in chosen.items():
            found = fit(wafer[rows], MODEL, robust=False)
            left[name].append(np.mean((dx - found.predict(wafer.places)["x"]) ** 2))
    rms = {name: np.sqrt(np.mean(values)) for name, values in left.items()}
    assert rms["I"] < 0.82 * rms["random"] and rms["I"] < rms["D"]
    assert plans["I"].rms < plans["D"].rms
    assert plans["I"].residual_nm(np.hypot(0.35, 0.5), 0.5) == pytest.approx(rms["I"], rel=0.06)


def test_limits_are_kept(marks):
    places, field = marks
    must = tuple(map(tuple, field[[0, 700, 3000]].tolist()))
    limits = Limits(scan_balance=True, quadrants=True, mandatory=must, per_field=1, time_s=40.0)
    found = plan(MODEL, places, field, 40, limits=limits)
    rows = found.chosen
    assert len(set(rows.tolist())) == 40 and abs(int(places.scan[rows].sum())) <= 1
    quadrant = np.bincount(2 * (places.Y_mm[rows] > 0) + (places.X_mm[rows] > 0), minlength=4)
    assert quadrant.max() <= 11 and quadrant.min() >= 7
    visited = list(map(tuple, field[rows].tolist()))
    assert set(must) <= set(visited) and len(set(visited)) == 40
    assert found.time_s == pytest.approx(40.0)
    free = plan(MODEL, places, field, 40)
    assert free.rms <= found.rms < 1.3 * free.rms


def test_time_cuts_a_plan_short(marks):
    places, field = marks
    found = plan(MODEL, places, field, 60, limits=Limits(time_s=35.0, mark_s=1.0, field_s=1.0))
    assert found.time_s <= 35.0 and len(found.chosen) < 60
    with pytest.raises(ConfigError, match="allow more time"):
        plan(MODEL, places, field, 60, limits=Limits(time_s=5.0, mark_s=1.0))


def test_an_existing_plan_is_kept_and_made_better(marks):
    places, field = marks
    corner = np.flatnonzero((places.X_mm > 60) & (places.Y_mm > 60))[:25]
    found = plan(MODEL, places, field, 45, existing=corner)
    assert (found.chosen[:25] == corner).all() and found.existing == 25 and len(set(found.chosen.tolist())) == 45
    fresh = plan(MODEL, places, field, 45)
    random = np.r_[corner, np.setdiff1d(np.random.default_rng(1).permutation(3087), corner)[:20]]
    columns = design([t for t in MODEL.terms if t.axis == "x"], places)
    columns /= np.linalg.norm(columns, axis=0)
    part = columns[random]
    spread = np.sqrt(np.mean(np.sum(columns @ np.linalg.inv(part.T @ part) * columns, axis=1)))
    assert fresh.rms < found.rms < spread


def test_scan_terms_need_both_directions(marks):
    places, field = marks
    up = places.scan > 0
    with pytest.raises(NumericalError, match="cannot give all terms"):
        plan(Model.named("linear+scan"), places[up], field[up], 30)
    found = plan(Model.named("linear+scan"), places, field, 30)
    assert abs(int(places.scan[found.chosen].sum())) < 12


@pytest.mark.parametrize(
    ("points", "settings", "said"),
    [
        (10, {}, "19 terms an axis need 19 marks or more, not 10"),
        (5000, {}, "5000 marks are wanted, there are 3087"),
        (40, {"limits": Limits(mandatory=((99, 0),))}, r"without a mark to measure: \(99, 0\)"),
        (40, {"existing": np.arange(50)}, "the existing plan has 50 marks"),
        (40, {"existing": [3, 3]}, "names a mark twice"),
    ],
)
def test_impossible_plans(marks, points, settings, said):
    with pytest.raises(ConfigError, match=said):
        plan(MODEL, *marks, points, **settings)


def test_balance_needs_the_scan(marks):
    places, field = marks
    unknown = Places(places.X_mm, places.Y_mm, places.x_mm, places.y_mm)
    with pytest.raises(ConfigError, match="needs the scan"):
        plan(MODEL, unknown, field, 40, limits=Limits(scan_balance=True))
