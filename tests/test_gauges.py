"""Gauges stand where the convention puts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinic.errors import ConfigError
from actinic.layout.polygons import Layout, rings
from actinic.metrology import EDGE, LINE_END, gauges

SQUARE = [(0, 0), (200, 0), (200, 200), (0, 200)]
WIDE = (-1000.0, -1000.0, 1000.0, 1000.0)


def layout(*points, dbu_nm=1.0):
    return Layout(rings(points), dbu_nm)


def test_square():
    found = gauges(layout(SQUARE), WIDE, corner_nm=35.0)
    assert len(found) == 4 * 14 and (found.kind == EDGE).all()
    bottom = found.y_nm == 0
    np.testing.assert_allclose(found.x_nm[bottom], np.arange(35, 166, 10))
    np.testing.assert_allclose(found.nx[bottom], 0.0)
    np.testing.assert_allclose(found.ny[bottom], -1.0)
    right = found.x_nm == 200
    np.testing.assert_allclose(found.nx[right], 1.0)


def test_hole_normals_point_into_the_hole():
    hole = [(50, 50), (50, 150), (150, 150), (150, 50)]
    found = gauges(layout(SQUARE, hole), WIDE, corner_nm=10.0)
    left = (found.x_nm == 50) & (found.y_nm > 0) & (found.y_nm < 200)
    assert left.any() and (found.nx[left] == 1.0).all()


def test_short_edges_get_one_line_end():
    found = gauges(layout([(0, 0), (300, 0), (300, 60), (0, 60)]), WIDE, corner_nm=35.0)
    ends = found.kind == LINE_END
    assert ends.sum() == 2
    np.testing.assert_allclose(found.y_nm[ends], 30.0)
    exact = gauges(layout([(0, 0), (300, 0), (300, 70), (0, 70)]), WIDE, corner_nm=35.0)
    assert (exact.kind == EDGE).all()


def test_collinear_and_repeated_points_are_no_corners():
    split = [(0, 0), (90, 0), (100, 0), (100, 0), (200, 0), (200, 200), (0, 200), (0, 50), (0, 10)]
    a, b = (gauges(layout(points), WIDE, corner_nm=35.0) for points in (SQUARE, split))
    for name in ("x_nm", "y_nm", "nx", "ny", "kind"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_any_angle_and_database_unit():
    found = gauges(layout([(0, 0), (1600, 1200), (0, 2000)], dbu_nm=0.25), WIDE, corner_nm=50.0)
    slanted = found.ny < 0
    np.testing.assert_allclose(found.nx[slanted], 0.6)
    np.testing.assert_allclose(found.ny[slanted], -0.8)
    np.testing.assert_allclose(found.x_nm[slanted] * 0.75, found.y_nm[slanted])
    assert slanted.sum() == 41  # 500 nm long, 400 nm usable


def test_cuts_get_no_gauges_and_context_edges_do():
    window = (0.0, 0.0, 200.0, 200.0)
    cut = gauges(layout([(0, 50), (200, 50), (200, 150), (0, 150)]), window, corner_nm=10.0)
    assert set(np.unique(cut.y_nm)) == {50.0, 150.0}
    real = gauges(
        layout([(0, 50), (200, 50), (200, 150), (0, 150)], [(-9, 0), (-5, 0), (-5, 4)]), window, corner_nm=10.0
    )
    assert (real.nx == -1).sum() == 9


@given(st.integers(-150, 350), st.integers(-150, 350))
def test_windows_side_by_side_share_the_gauges(x, y):
    shape = layout(
        [(0, 0), (200, 0), (200, 80), (90, 120), (90, 200), (0, 200)], [(-300, -300), (-290, -300), (-295, -290)]
    )
    whole = gauges(shape, (-200, -200, 400, 400), corner_nm=20.0)
    xs, ys = (-200, x, 400), (-200, y, 400)
    parts = [gauges(shape, (xs[i], ys[j], xs[i + 1], ys[j + 1]), corner_nm=20.0) for i in (0, 1) for j in (0, 1)]
    points = [(a, b) for part in parts for a, b in zip(part.x_nm, part.y_nm, strict=True)]
    assert sorted(points) == sorted(zip(whole.x_nm, whole.y_nm, strict=True))


def test_nothing_to_measure_and_bad_steps():
    assert len(gauges(Layout((), 1.0), WIDE, corner_nm=35.0)) == 0
    assert len(gauges(layout(SQUARE), (500.0, 500.0, 600.0, 600.0), corner_nm=35.0)) == 0
    with pytest.raises(ConfigError, match="step_nm"):
        gauges(layout(SQUARE), WIDE, 0.0, corner_nm=35.0)
