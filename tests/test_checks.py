"""Mask rules by KLayout on polygons: exact on rectilinear masks, by discs on curves, and as the raster says."""

import numpy as np
import pytest

from actinic.errors import ConfigError
from actinic.layout import clipped, coverage, manhattan, merged, rule_markers
from actinic.metrology import mask_rules, rule_violations
from actinic.types import Grid


def box(x, y, w, h):
    return np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])


def turned(rings, degrees, dbu_nm=0.1):
    """Rings in nm as a layout, turned about the origin."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[c, s], [-s, c]])
    return merged([np.rint(ring @ turn / dbu_nm).astype(np.int64) for ring in rings], dbu_nm)


def disc(x, y, diameter, points=256):
    t = 2 * np.pi * np.arange(points) / points
    return np.stack([x + diameter / 2 * np.cos(t), y + diameter / 2 * np.sin(t)], 1)


def told(layout, *rules, **more):
    return [(m.kind, round(m.value, 3), m.box_nm) for m in rule_markers(layout, *rules, **more)]


LINES = [box(0, 0, 50, 300), box(110, 0, 60, 300), box(225, 0, 100, 100)]


def test_widths_and_spaces_of_boxes_are_exact():
    found = told(merged(LINES, 1.0), 60, 60, 0)
    assert found == [
        ("mask width", 50.0, (0.0, 0.0, 50.0, 300.0)),
        ("mask space", 55.0, (170.0, 0.0, 225.0, 124.0)),  # Euclidean: 23.98 nm beyond the corner it is 60 nm
    ]
    assert told(merged(LINES, 1.0), 50, 55, 0) == [], "as wide as the rule is wide enough"


def test_notches_corners_and_fine_units():
    comb = merged([box(0, 0, 300, 100), box(0, 100, 100, 100), box(140, 100, 160, 100)], 0.25)
    assert told(comb, 0, 11, 0) == [("mask space", 10.0, (25.0, 25.0, 35.0, 50.0))]
    touching = merged([box(0, 0, 100, 100), box(100, 100, 100, 100)], 1.0)
    (kind, value, _), *_ = told(touching, 0, 20, 0)
    assert (kind, value) == ("mask space", 0.0)


def test_areas_holes_and_jogs():
    frame = [box(0, 0, 500, 500), box(200, 200, 90, 100)[::-1]]
    step = np.array([(600, 0), (800, 0), (800, 300), (690, 300), (690, 315), (600, 315)])
    layout = merged([*frame, step, box(600, 400, 80, 100)], 1.0)
    assert told(layout, 0, 0, 9500, jog_nm=20) == [
        ("mask area", 8000.0, (600.0, 400.0, 680.0, 500.0)),
        ("mask hole", 9000.0, (200.0, 200.0, 290.0, 300.0)),
        ("mask jog", 15.0, (690.0, 300.0, 690.0, 315.0)),
    ]
    assert told(layout, 0, 0, 8000, jog_nm=15) == []
    # Two holes that touch at a corner are one piece of opaque.
    holes = merged([box(0, 0, 500, 500), box(100, 100, 80, 80)[::-1], box(180, 180, 80, 80)[::-1]], 1.0)
    assert [m.value for m in rule_markers(holes, 0, 0, 13000)] == [2 * 80**2]


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_the_raster_says_the_same_of_manhattan_masks(seed):
    width, space = 40 + 7 * seed, 50 + 3 * seed
    layout = manhattan(seed, (0, 0, 1200, 1000), width, space)
    raster = coverage(layout, Grid((1000, 1200), 1.0)) >= 0.5
    rules = mask_rules(raster)
    found = told(layout, width + 40, space + 40, 0)
    least = [min(value for kind, value, _ in found if kind == k) for k in ("mask width", "mask space")]
    assert least == [rules.min_width_nm, rules.min_space_nm] == [width, space]
    assert told(layout, width, space, 0) == [] and sum(rule_violations(raster, 1.0, width, space, 0).values()) == 0


@pytest.mark.parametrize("degrees", [20.0, 45.0])
def test_turned_lines_keep_their_widths(degrees):
    found = rule_markers(turned(LINES, degrees), 60, 60, 0)
    assert [m.kind for m in found] == ["mask width", "mask space"]
    assert [m.value for m in found] == pytest.approx([50, 55], abs=0.1)


def test_curves_as_wide_as_the_rule_are_no_violation():
    """Caps and discs have chords of every length: edge to edge they would all be violations."""
    pill = [box(0, -30, 300, 60), disc(0, 0, 60), disc(300, 0, 60)]
    ring = [disc(0, 300, 220), disc(0, 300, 90)[::-1]]
    layout = turned([*pill, *ring, disc(300, 300, 61)], 10)
    assert told(layout, 60, 60, 0) == []
    narrow = {m.kind for m in rule_markers(layout, 66, 60, 0)}
    assert narrow == {"mask width"}
    assert {m.kind for m in rule_markers(layout, 60, 95, 0)} == {"mask space"}, "the hole is 90 nm wide"


def test_a_neck_between_curves_is_measured_where_it_is():
    neck = [disc(0, 0, 200), disc(230, 0, 200), box(0, -20, 230, 40)]
    (found,) = rule_markers(turned(neck, 0), 60, 10, 0)
    assert found.kind == "mask width" and found.value == pytest.approx(40, abs=0.2)
    x0, y0, x1, y1 = found.box_nm
    assert 90 < x0 and x1 < 140 and -25 < y0 and y1 < 25


def test_curves_by_discs_are_those_of_the_raster():
    """Random blobs: both codes open by discs, so they find as many places, some border cases apart."""
    rng = np.random.default_rng(5)
    blobs = [disc(*at, d, 64) for at, d in zip(rng.uniform(120, 980, (22, 2)), rng.uniform(30, 130, 22), strict=True)]
    layout, grid = turned(blobs, 0), Grid((1100, 1100), 1.0)
    raster = coverage(layout, grid) >= 0.5
    found = [m.kind for m in rule_markers(layout, 50, 40, 2500)]
    counted = rule_violations(raster, 1.0, 50, 40, 2500)
    assert counted["width"] > 2 and counted["space"] > 2
    assert abs(found.count("mask width") - counted["width"]) <= 1
    assert abs(found.count("mask space") - counted["space"]) <= 1
    assert found.count("mask area") + found.count("mask hole") == counted["area"]


def test_only_the_window_counts_and_its_surroundings_are_seen():
    layout = merged(LINES, 1.0)
    window = (-100.0, 50.0, 140.0, 250.0)
    assert [kind for kind, *_ in told(layout, 60, 60, 0, window_nm=window)] == ["mask width"]
    # A line that goes on beyond the window is no short one.
    long = merged([box(0, 0, 70, 5000)], 1.0)
    window = (0.0, 0.0, 100.0, 80.0)
    assert told(long, 60, 60, 70 * 1000, window_nm=window) == []
    assert told(clipped(long, window), 60, 60, 70 * 1000, window_nm=window) != []


def test_bad_rules_are_refused():
    for rules in ((-1, 0, 0), (0, np.nan, 0), (0, 0, -5)):
        with pytest.raises(ConfigError, match="mask rules must be"):
            rule_markers(merged(LINES, 1.0), *rules)
    assert rule_markers(merged([], 1.0), 60, 60, 100) == []
