"""Mask rules against shapes whose widths, spaces and areas are known."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from actinic.errors import ConfigError, InputError
from actinic.metrology import MaskRules, mask_rules

N = 240
Y, X = np.mgrid[:N, :N] + 0.5


def box(y0, y1, x0, x1):
    return (y0 <= Y) & (y1 >= Y) & (x0 <= X) & (x1 >= X)


def slab(width, angle, centre=(120.2, 119.7)):
    """A band of any angle."""
    a = np.deg2rad(angle)
    return np.abs((X - centre[0]) * np.sin(a) - (Y - centre[1]) * np.cos(a)) < width / 2


def disc(x, y, diameter):
    return np.hypot(X - x, Y - y) < diameter / 2


@given(w=st.integers(1, 70), s=st.integers(1, 70))
@settings(max_examples=15, deadline=None)
def test_straight_lines_are_exact(w, s):
    mask = box(30, 30 + w, 20, 220) | box(30 + w + s, 30 + 2 * w + s, 20, 220)
    for turned in (mask, mask.T):
        rules = mask_rules(turned)
        assert (rules.min_width_nm, rules.min_space_nm, rules.min_distance_nm) == (w, s, s)
    assert rules.components == 2 and rules.min_area_nm2 == 200 * w


def test_pitch_scales_everything():
    mask = box(30, 45, 20, 220) | box(57, 72, 20, 220)
    rules = mask_rules(mask, pitch_nm=2.0)
    assert (rules.min_width_nm, rules.min_space_nm, rules.min_area_nm2) == (30.0, 24.0, 200 * 15 * 4.0)


@pytest.mark.parametrize("angle", [10, 30, 45, 63.43])
@pytest.mark.parametrize("width", [12, 25])
def test_slanted_lines_are_right_to_a_pixel(angle, width):
    along = slab(190, angle + 90)
    line = mask_rules(slab(width, angle) & along)
    assert abs(line.min_width_nm - width) <= 1.0
    gap = mask_rules((slab(100, angle) & slab(110, angle + 90)) & ~slab(width, angle))
    assert abs(gap.min_space_nm - width) <= 1.0


@pytest.mark.parametrize("diameter", [10, 31, 80])
def test_discs_and_round_holes(diameter):
    rules = mask_rules(disc(120.5, 120.0, diameter))
    assert -1.0 <= rules.min_width_nm - diameter <= 0.5
    assert rules.min_space_nm == rules.cap_nm == 200.0 and rules.min_hole_nm2 is None
    hole = disc(120.5, 120.0, diameter)
    rules = mask_rules(box(5, 235, 5, 235) & ~hole)
    assert -1.0 <= rules.min_space_nm - diameter <= 0.5
    assert rules.min_hole_nm2 == hole.sum()


def test_neck_and_notch():
    pads = box(40, 120, 20, 100) | box(40, 120, 130, 210)
    neck = mask_rules(pads | box(70, 83, 100, 130))
    assert neck.min_width_nm == 13.0 and neck.components == 1
    notch = mask_rules(box(40, 160, 20, 200) & ~box(40, 100, 90, 107))
    assert notch.min_space_nm == 17.0 and notch.components == 1 and notch.min_distance_nm is None


def test_corners_are_no_violation():
    assert mask_rules(box(20, 120, 20, 120)).min_width_nm == 100.0
    diamond = np.abs(X - 120) + np.abs(Y - 120) < 60
    assert mask_rules(diamond).min_width_nm == pytest.approx(60 * np.sqrt(2), abs=1.0)


def test_an_acute_tip_counts():
    tip = (X > 20) & (X < 220) & (np.abs(Y - 120) < 0.15 * (X - 20))  # 17 degrees
    assert mask_rules(tip).min_width_nm < 15.0


def test_a_small_speck_beside_a_large_pad_is_found():
    for size in (3, 5, 11):
        rules = mask_rules(box(30, 200, 30, 120) | box(60, 60 + size, 180, 180 + size))
        assert rules.min_width_nm == size and rules.min_distance_nm == 60.0 and rules.min_area_nm2 == size**2


def test_touching_corners_have_no_space():
    corner = box(20, 60, 20, 60) | box(60, 100, 60, 100)
    for turned in (corner, corner[:, ::-1]):
        rules = mask_rules(turned)
        assert rules.components == 2 and rules.min_width_nm == 40.0
        assert rules.min_space_nm == rules.min_distance_nm == 0.0
    # Opaque squares that touch at a corner are one hole.
    holes = mask_rules(box(10, 230, 10, 230) & ~corner)
    assert holes.components == 1 and holes.min_hole_nm2 == 2 * 40**2


@pytest.mark.parametrize("angle", [0, 20, 45, 77])
def test_distance_of_discs(angle):
    a = np.deg2rad(angle)
    x, y = 120 + 55 * np.cos(a), 120 + 55 * np.sin(a)
    rules = mask_rules(disc(240 - x, 240 - y, 60) | disc(x, y, 60) | disc(20, 220, 8))
    assert rules.components == 3 and abs(rules.min_distance_nm - 50) < 1.0


def test_caps_and_empty_masks():
    assert mask_rules(np.zeros((9, 9), bool)) == MaskRules(None, None, None, None, None, 0, 0, 200.0)
    rules = mask_rules(np.ones((230, 230), bool), cap_nm=64.0)
    assert (rules.min_width_nm, rules.min_space_nm, rules.components, rules.shots) == (64.0, 64.0, 1, 1)
    with pytest.raises(InputError, match=r"\[y, x\]"):
        mask_rules(np.zeros(5, bool))
    with pytest.raises(ConfigError, match="pitch_nm"):
        mask_rules(np.zeros((5, 5), bool), pitch_nm=0.0)


def test_opaque_outside_the_raster():
    # A line along the raster's border keeps its width and the space beyond is open-ended.
    rules = mask_rules(box(0, 20, 0, 240))
    assert (rules.min_width_nm, rules.min_space_nm) == (20.0, 200.0)


def test_shots_merge_equal_runs_only():
    assert mask_rules(box(20, 60, 20, 60)).shots == 1
    assert mask_rules(box(20, 60, 20, 60) | box(60, 90, 20, 40)).shots == 2
    assert mask_rules(box(20, 60, 20, 60) | box(80, 90, 20, 60)).shots == 2
    assert mask_rules(box(20, 60, 20, 60) | box(30, 40, 100, 120)).shots == 2
    # Three slabs: a cross; the middle one is as wide as the arms.
    assert mask_rules(box(50, 70, 20, 100) | box(20, 100, 50, 70)).shots == 3


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_symmetries_and_position_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((90, 90), bool)
    for y, x, h, w in zip(*rng.integers(1, 50, (2, 6)), *rng.integers(5, 38, (2, 6)), strict=True):
        mask[y : y + h, x : x + w] = True
    base = mask_rules(mask)
    for other in (mask.T, mask[::-1], np.pad(mask, ((7, 0), (0, 11)))):
        rules = mask_rules(np.ascontiguousarray(other))
        assert (rules.min_width_nm, rules.min_space_nm) == (base.min_width_nm, base.min_space_nm)
        assert (rules.min_area_nm2, rules.min_hole_nm2) == (base.min_area_nm2, base.min_hole_nm2)


def test_a_busy_mask_is_quick():
    rng = np.random.default_rng(0)
    wild = ndimage.gaussian_filter(rng.normal(size=(1280, 1280)), 20) > 0
    mask = np.zeros((2048, 2048), bool)
    mask[384:1664, 384:1664] = wild
    start = time.process_time()
    assert mask_rules(mask).components > 10
    assert time.process_time() - start < 4.0
