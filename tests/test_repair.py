"""Repaired masks keep their rules, as counted by code that the repair does not know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import ndimage

from actinic import design, layout
from actinic.metrology import mask_rules
from actinic.types import Grid

LIMITS = design.MaskLimits(width_nm=20.0, space_nm=20.0, area_nm2=1700.0)


def blobs(seed: int, size: int, cover: float) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 9.0)
    return field > np.quantile(field, 1 - cover)


def bars(*spans: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((120, 160), bool)
    for left, right in spans:
        mask[10:110, left:right] = True
    return mask


@given(st.integers(0, 2**31), st.integers(120, 240), st.floats(0.1, 0.6), st.sampled_from([1.0, 2.0]))
@hypothesis_settings(max_examples=25)
def test_random_masks_keep_every_rule_after_repair(seed, size, cover, pitch_nm):
    mask = design.repaired(blobs(seed, size, cover), pitch_nm, LIMITS)
    rules = mask_rules(mask, pitch_nm, cap_nm=40.0)
    if rules.components:
        assert rules.min_width_nm >= 20 and rules.min_space_nm >= 20 and rules.min_area_nm2 >= 1700
    assert rules.min_hole_nm2 is None or rules.min_hole_nm2 >= 1700


@pytest.mark.parametrize("spans", [((20, 60), (90, 140)), ((20, 41), (62, 100))])
def test_a_mask_in_order_is_left_alone_but_for_its_corners(spans):
    mask = bars(*spans)
    changed = mask ^ design.repaired(mask, 1.0, LIMITS)
    labels, _ = ndimage.label(changed)
    assert np.bincount(labels.ravel())[1:].max(initial=0) <= 0.1 * 20**2
    assert ndimage.label(mask & ~changed)[1] == 2


def test_what_is_too_thin_goes_and_what_is_too_near_is_set_apart():
    thin = design.repaired(bars((20, 60), (90, 100)), 1.0, LIMITS)
    assert thin[60, 40] and not thin[:, 80:].any()
    near = design.repaired(bars((20, 70), (80, 130)), 1.0, LIMITS)
    row = near[60]
    gap = np.flatnonzero(~row[20:130])
    # The gap of 10 opens to 20 and a little, on both sides alike.
    assert ndimage.label(near)[1] == 2 and 20 <= gap.size <= 26
    assert abs((gap[0] + gap[-1]) / 2 + 20 - 74.5) <= 1


def test_slits_too_small_for_the_largest_disc_count_too():
    mask = bars((20, 140))
    mask[10:13, 80:82] = False
    assert mask_rules(mask, cap_nm=40.0).min_space_nm < 20
    assert mask_rules(design.repaired(mask, 1.0, LIMITS), cap_nm=40.0).min_space_nm >= 20


def test_pixels_count_in_nm():
    mask = bars((20, 70), (80, 130))
    fine = design.repaired(np.kron(mask, np.ones((2, 2), bool)), 0.5, LIMITS)
    coarse = design.repaired(mask, 1.0, LIMITS)
    assert (fine[::2, ::2] ^ coarse).mean() < 0.01


def test_specks_and_pinholes():
    mask = bars((20, 140))
    mask[50:80, 60:90] = False  # a hole of 900 nm2
    mask[112:119, 2:9] = True
    kept = design.repaired(mask, 1.0, LIMITS)
    assert kept[10:110, 22:138].mean() > 0.99 and kept[65, 75]
    assert ndimage.label(kept)[1] == 1


def test_a_repaired_level_set_is_traced_within_its_rules():
    grid = Grid((32, 32), 8.0)
    field = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(32, 32)), 2.0, mode="wrap").astype(np.float32)
    before = design.trace(*design.sampled(field, grid, 4))
    after = design.trace(*design.ruled(field, grid, LIMITS))
    rules = [mask_rules(layout.coverage(mask, Grid((256, 256), 1.0)) >= 0.5, cap_nm=40.0) for mask in (before, after)]
    assert min(rules[0].min_width_nm, rules[0].min_space_nm) < 20 or rules[0].min_area_nm2 < 1700
    # Right to a pixel of the raster that they were repaired on.
    assert min(rules[1].min_width_nm, rules[1].min_space_nm) >= 19 and rules[1].min_area_nm2 >= 1600


def test_what_is_held_is_what_the_repair_changed():
    grid = Grid((32, 32), 8.0)
    y, x = np.mgrid[0:32, 0:32]
    # A wide bar, and a thin one that has to go.
    field = np.maximum(4 - np.abs(x - 9.5), 0.7 - np.abs(x - 22.5)).astype(np.float32) * (np.abs(y - 15.5) < 12)
    held = design.held(field - 0.05, grid, LIMITS)
    assert held.share[15, 22] == 1 and held.coverage[15, 22] == 0
    assert held.share[15, 9] == 0 and held.coverage[15, 9] == 1
