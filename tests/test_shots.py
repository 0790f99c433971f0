"""Shots: known figures, exact partitions, and KLayout's own trapezoids as second code."""

import klayout.db as db
import numpy as np
import pytest
from scipy import ndimage

from actinic.design import trace
from actinic.layout import Layout, manhattan, merged, pieces
from actinic.layout.boolean import region_of
from actinic.metrology import Shots, mask_shots
from actinic.metrology.shots import trapezoids
from actinic.types import Grid


def box(x, y, w, h):
    return np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])


def by_klayout(layout: Layout) -> int:
    return sum(
        db.Region(polygon).decompose_trapezoids_to_region(db.Polygon.TD_htrapezoids).count()
        for polygon in region_of(layout).merged(True, 1).each()
    )


def area(figures: np.ndarray) -> float:
    low, high, left, right, left_up, right_up = figures.T
    return float(0.5 * ((high - low) * (right - left + right_up - left_up)).sum())


def curves(seed: int) -> Layout:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(80, 80)), 5)
    return trace(field, Grid((80, 80), 10.0), 0.25, mask_grid_nm=0.25)


def test_simple_figures():
    assert mask_shots(merged([], 1.0)) == Shots(0, 0)
    assert mask_shots(merged([box(0, 0, 10, 20)], 1.0)) == Shots(1, 4)
    ell = [box(0, 0, 100, 30), box(0, 30, 30, 70)]
    assert mask_shots(merged(ell, 1.0)) == Shots(2, 6)
    cross = [box(0, 40, 100, 20), box(40, 0, 20, 100)]
    assert mask_shots(merged(cross, 1.0)) == Shots(3, 12)
    frame = [box(0, 0, 100, 100), box(30, 30, 40, 40)[::-1]]
    assert mask_shots(merged(frame, 1.0)) == Shots(4, 8)
    # Three fingers on a spine: cut along y there are five, cut along x four.
    comb = [box(0, 0, 10, 110), *(box(10, y, 50, 10) for y in (0, 50, 100))]
    assert mask_shots(merged(comb, 1.0)) == Shots(4, 12)


def test_a_slanted_figure():
    triangle = merged([np.array([(0, 0), (100, 50), (0, 100)])], 1.0)
    assert mask_shots(triangle) == Shots(2, 3)
    figures = trapezoids(triangle)
    np.testing.assert_allclose(figures[np.argsort(figures[:, 0])], [[0, 50, 0, 0, 0, 100], [50, 100, 0, 100, 0, 0]])


@pytest.mark.parametrize("seed", range(4))
def test_trapezoids_cover_the_polygons_once(seed):
    for layout in (manhattan(seed, (0, 0, 6000, 5000), 170, 170), curves(seed)):
        for polygon in pieces(layout):
            figures = trapezoids(polygon)
            assert area(figures) == pytest.approx(polygon.area_nm2, rel=1e-12)
            assert (figures[:, 2] <= figures[:, 3] + 1e-9).all() and (figures[:, 4] <= figures[:, 5] + 1e-9).all()


def test_a_polygon_with_all_vertices_at_different_heights():
    """n - 1 + h trapezoids for n vertices and h holes."""
    t = 2 * np.pi * np.arange(7) / 7 + 0.1
    hull, hole = (np.rint(r * np.stack([np.cos(t), np.sin(t)], 1)).astype(np.int64) for r in (1000, 411))
    assert len(trapezoids(merged([hull], 1.0))) == 7 - 1
    (ring,) = pieces(merged([hull, hole[::-1] + [0, 3]], 1.0))
    assert len(np.unique(np.concatenate(ring.contours)[:, 1])) == 14
    assert len(trapezoids(ring)) == 14 - 1 + 1


@pytest.mark.parametrize("seed", range(4))
def test_klayout_needs_as_many(seed):
    drawn = manhattan(seed, (0, 0, 6000, 5000), 170, 170)
    assert mask_shots(drawn).shots == by_klayout(drawn)
    curved = curves(seed)
    # KLayout's trapezoids have corners on the database grid, and the flattest vanish there.
    assert mask_shots(curved).shots == pytest.approx(by_klayout(curved), rel=0.03)


def test_the_same_mask_has_the_same_shots_wherever_it_stands():
    drawn = curves(9)
    rings = [np.roll(ring, 3, axis=0) + [4000, -800] for ring in drawn.contours[::-1]]
    assert mask_shots(merged(rings, drawn.dbu_nm)) == mask_shots(drawn)
