import time

import klayout.db as db
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.layout import Layout, boolean, clipped, coverage, merged
from actinic.types import Grid

FRAME = np.array([[0, 0], [640, 0], [640, 480], [0, 480]])


def scribble(seed: int, points: int = 9, reach: tuple[int, int] = (640, 480)) -> Layout:
    """Random self-crossing rings, merged: any angle, holes, islands, slivers."""
    rng = np.random.default_rng(seed)
    return merged([rng.integers(0, reach, (points, 2)) for _ in range(3)], 1.0)


def by_klayout(layout: Layout, grid: Grid) -> np.ndarray:
    edges = [db.Edge(*map(int, e)) for e in layout.edges_nm / layout.dbu_nm]
    region = db.Region(db.EdgeProcessor().simple_merge_e2p(edges, False, False, -1))
    step, (x0, y0) = round(grid.pitch_nm / layout.dbu_nm), grid.origin_nm
    origin = db.Point(round(x0 / layout.dbu_nm), round(y0 / layout.dbu_nm))
    areas = region.rasterize(origin, db.Vector(step, step), grid.shape[1], grid.shape[0])
    return np.array(areas) / step**2


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 8, 16, 40]))
def test_total_is_the_polygon_area(seed, pitch):
    layout = scribble(seed)
    total = coverage(layout, Grid((480 // pitch, 640 // pitch), float(pitch))).sum(dtype=float) * pitch**2
    # float32 keeps 2^-25 of each edge pixel; everything else is exact.
    assert total == pytest.approx(layout.area_nm2, rel=1e-9, abs=2.0**-25 * pitch**2 * 200)


def test_total_to_a_billionth():
    angle = 2 * np.pi * np.arange(64) / 64
    ring = np.rint(1000 + 900 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.int64)
    layout = Layout((ring,), 1.0)
    assert coverage(layout, Grid((2000, 2000), 1.0)).sum(dtype=float) == pytest.approx(layout.area_nm2, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(-300, 300), st.integers(-300, 300), st.sampled_from([7, 16, 33]))
def test_agrees_with_klayout_in_any_window(seed, x0, y0, pitch):
    layout = scribble(seed)
    grid = Grid((21, 30), float(pitch), (float(x0), float(y0)))
    np.testing.assert_allclose(coverage(layout, grid), by_klayout(layout, grid), atol=1e-7)


def test_holes_agree_with_klayout():
    hole = np.array([[100, 100], [300, 140], [200, 400]])[::-1]
    layout = merged([FRAME, hole], 1.0)
    assert len(layout.contours) == 2
    grid = Grid((60, 80), 8.0)
    np.testing.assert_allclose(coverage(layout, grid), by_klayout(layout, grid), atol=1e-7)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_moving_layout_and_grid_gives_the_same_bits(seed, i, j):
    layout = scribble(seed)
    here = coverage(layout, Grid((60, 80), 8.0))
    there = coverage(layout.moved(8 * i, 8 * j), Grid((60, 80), 8.0, (8.0 * i, 8.0 * j)))
    assert np.array_equal(here, there)


def test_moving_by_whole_pixels_moves_the_samples():
    layout = merged([np.array([[11, 13], [203, 57], [120, 191]])], 1.0)
    grid = Grid((60, 80), 8.0)
    moved = coverage(layout.moved(24, 16), grid)
    assert np.array_equal(moved, np.roll(coverage(layout, grid), (2, 3), axis=(0, 1)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_complement(seed):
    layout = scribble(seed)
    grid = Grid((60, 80), 8.0)
    # Crossing points of random edges are snapped, so the complement is that of the merged rings.
    rest = Layout((FRAME, *(ring[::-1] for ring in layout.contours)), 1.0)
    np.testing.assert_allclose(coverage(layout, grid) + coverage(rest, grid), 1.0, atol=2e-7)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_refinement(seed):
    layout = scribble(seed)
    fine, coarse = (coverage(layout, Grid((480 // p, 640 // p), float(p))) for p in (5, 10))
    np.testing.assert_allclose(fine.reshape(48, 2, 64, 2).mean(axis=(1, 3)), coarse, atol=1e-6)


def test_slivers():
    grid = Grid((4, 100), 100.0)
    horizontal = coverage(Layout((np.array([[0, 150], [10000, 150], [10000, 151]]),), 1.0), grid)
    assert horizontal[1].sum(dtype=float) == pytest.approx(0.5, abs=1e-7)
    assert not horizontal[[0, 2, 3]].any()
    crossing = coverage(Layout((np.array([[0, 0], [10000, 399], [10000, 400]]),), 1.0), grid)
    assert crossing.sum(dtype=float) == pytest.approx(0.5, abs=1e-6)


def test_geometry_outside_counts_only_inside():
    big = Layout((np.array([[-5000, -5000], [5000, -5000], [5000, 5000], [-5000, 5000]]),), 1.0)
    grid = Grid((20, 30), 10.0, (-70.0, 40.0))
    assert np.all(coverage(big, grid) == 1.0)
    triangle = Layout((np.array([[-9000, -8920], [20, 100], [-9000, 9120]]),), 1.0)
    cut = clipped(triangle, grid.window_nm)
    assert len(cut.contours) == 1 and len(cut.contours[0]) == 4
    np.testing.assert_allclose(coverage(triangle, grid), coverage(cut, grid), atol=1e-7)
    for shift in ((1000, 0), (-1000, 0), (0, 1000), (0, -1000)):
        beside = Layout((FRAME,), 1.0).moved(*shift)
        assert not coverage(beside, Grid((48, 64), 10.0)).any()


def test_empty_and_half_pixels():
    assert not coverage(Layout((), 1.0), Grid((3, 5), 1.0)).any()
    one = coverage(Layout((np.array([[0, 0], [3, 0], [3, 2], [0, 2]]),), 0.25), Grid((2, 2), 1.0, (0.0, 0.0)))
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, [[0.375, 0], [0, 0]])
    # The half pixel: samples stand at centres, so a pixel's own square covers it alone.
    np.testing.assert_array_equal(
        coverage(Layout((np.array([[1, 0], [2, 0], [2, 1], [1, 1]]),), 1.0), Grid((2, 3), 1.0)),
        [[0, 1, 0], [0, 0, 0]],
    )


def test_covers_exactly_nothing_and_all_between_the_edges():
    layout = merged([np.array([[3, 3], [2003, 407], [1999, 1877], [351, 2005]])], 0.7)
    values = coverage(layout, Grid((200, 200), 7.3))
    inside = np.all(np.stack([np.roll(values > 0.5, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]), axis=0)
    outside = np.all(np.stack([np.roll(values < 0.5, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]), axis=0)
    assert np.all(values[inside] == 1.0) and np.all(values[outside] == 0.0)


def test_ten_thousand_edges_on_a_large_grid_are_fast():
    angle = 2 * np.pi * np.arange(16) / 16
    circle = np.rint(35 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.int64)
    centres = [np.array([40 + 80 * (i % 25), 40 + 80 * (i // 25)]) for i in range(625)]
    layout = Layout(tuple(circle + centre for centre in centres), 1.0)
    grid = Grid((2048, 2048), 1.0)
    coverage(layout, grid)
    start = time.process_time()
    coverage(layout, grid)
    assert time.process_time() - start < 1.0  # 0.1 s measured; a loop over polygons takes seconds


def test_boolean_areas_add_up_in_pixels():
    a, b = scribble(1), scribble(2)
    grid = Grid((60, 80), 8.0)
    parts = {mode: coverage(boolean(a, b, mode), grid).sum(dtype=float) for mode in ("and", "or", "xor", "not")}
    assert parts["or"] == pytest.approx(parts["and"] + parts["xor"], rel=1e-3)
    assert parts["not"] == pytest.approx(coverage(a, grid).sum(dtype=float) - parts["and"], rel=1e-3)
