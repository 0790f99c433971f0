"""Splines, contours and edge placement against images whose edges are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import InputError, NumericalError
from actinic.layout.polygons import Layout, rings
from actinic.metrology import (
    EDGE,
    LINE_END,
    Gauges,
    area_fraction,
    contours,
    edge_placement,
    pv_band,
    pv_band_nm,
    spline,
    summary,
)
from actinic.types import Grid

GRID = Grid((64, 96), 8.0, (-100.0, 40.0))
PERIOD = 384.0


def lines(shift_nm, angle=0):
    """Cosine lines, bright for |x - shift| < PERIOD / 4; `angle` 1: along y + x."""
    x, y = np.meshgrid(GRID.x_nm, GRID.y_nm)
    return 0.5 + 0.5 * np.cos(2 * np.pi * (x - shift_nm) / PERIOD + angle * 2 * np.pi * y / 512)


def points(x, y, nx, ny, kind=EDGE):
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (x, y, nx, ny)))
    return Gauges(*arrays, np.full(arrays[0].shape, kind, np.int8))


def test_spline_is_exact_at_samples_periodic_and_fine_between():
    rng = np.random.default_rng(1)
    grid = Grid((60, 90), 8.0, (3.0, -7.0))
    ky, kx = 10, 15  # 6 samples a period

    def wave(x, y):
        return np.cos(2 * np.pi * (kx * (x - 3) / 720 + ky * (y + 7) / 480) + 0.4)

    image = spline(wave(*np.meshgrid(grid.x_nm, grid.y_nm)), grid)
    np.testing.assert_allclose(image(grid.x_nm[5], grid.y_nm[9]), wave(grid.x_nm[5], grid.y_nm[9]), atol=1e-12)
    x, y = rng.uniform(-1000, 1000, (2, 500))
    np.testing.assert_allclose(image(x, y), wave(x, y), atol=4e-4)
    np.testing.assert_allclose(image(x, y), image(x + 720, y - 480), atol=1e-9)


@pytest.mark.parametrize("printed_above", [True, False])
@given(shift=st.floats(-60, 60))
@settings(max_examples=20, deadline=None)
def test_shifted_edges_in_both_polarities(printed_above, shift):
    values = lines(shift) if printed_above else 1 - lines(shift)
    y = np.array([50.0, 200.3, 551.0])
    right = points(PERIOD / 4, y, 1, 0)
    left = points(-PERIOD / 4, y, -1, 0)
    for gauges, truth in ((right, shift), (left, -shift)):
        epe, failed = edge_placement(values, GRID, 0.5, gauges, printed_above)
        assert not failed.any()
        np.testing.assert_allclose(epe, truth, atol=1e-3)


def test_bigger_print_is_positive():
    # Level .25 on .5 + .5 cos: the edge lies at PERIOD / 3.
    epe, failed = edge_placement(lines(0.0), GRID, 0.25, points([96.0, -96.0], 100.0, [1, -1], 0), True)
    np.testing.assert_allclose(epe, PERIOD / 12, atol=1e-3)
    assert not failed.any()


def test_slanted_plane_along_a_slanted_normal():
    # Edge where 2 pi x / 384 + 2 pi y / 512 = pi / 2, normal (0.8, 0.6).
    edge = points(96.0 - 0.8 * 11, 0.0 - 0.6 * 11, 0.8, 0.6)
    epe, _ = edge_placement(lines(0.0, angle=1), GRID, 0.5, edge, True)
    np.testing.assert_allclose(epe, 11.0, atol=1e-3)


def test_nearest_edge_of_the_right_direction_wins():
    # Normal to -x at the bright line's right edge: only edges with the print on the +x side count.
    epe, failed = edge_placement(lines(0.0), GRID, 0.5, points(PERIOD / 4, 100.0, -1, 0), True, reach_nm=200.0)
    assert not failed[0]
    np.testing.assert_allclose(epe, PERIOD / 2, atol=1e-3)
    epe, failed = edge_placement(lines(0.0), GRID, 0.5, points(PERIOD / 4, 100.0, -1, 0), True)
    assert failed[0]


def test_no_edge_counts_as_the_reach_and_fails():
    flat = np.full(GRID.shape, 0.7)
    gauges = points(0.0, 100.0, 1, 0)
    bridged, failed = edge_placement(flat, GRID, 0.5, gauges, True)
    missing, failed_too = edge_placement(flat, GRID, 0.9, gauges, True)
    assert failed.all() and failed_too.all()
    assert bridged[0] == 100.0 and missing[0] == -100.0


def test_many_gauges_cross_the_chunks():
    n = 20_000
    y = np.linspace(0, 1000, n)
    epe, failed = edge_placement(lines(3.0), GRID, 0.5, points(PERIOD / 4, y, 1, 0), True)
    assert epe.shape == (n,) and not failed.any()
    np.testing.assert_allclose(epe, 3.0, atol=1e-3)


def test_summary_keeps_line_ends_apart():
    epe = np.array([1.0, -3.0, 2.0, 100.0, -7.0, 5.0])
    failed = np.array([0, 0, 0, 1, 0, 0], bool)
    kind = np.array([EDGE, EDGE, EDGE, EDGE, LINE_END, LINE_END], np.int8)
    s = summary(epe, failed, kind)
    assert (s.n, s.failures, s.line_end_n, s.line_end_failures) == (4, 1, 2, 0)
    assert s.mean_nm == 25.0 and s.mean_abs_nm == 26.5 and s.max_abs_nm == 100.0
    assert s.three_sigma_nm == pytest.approx(3 * np.std([1, -3, 2, 100]))
    assert s.line_end_mean_abs_nm == 6.0
    empty = summary(epe[:0], failed[:0], kind[:0])
    assert empty.n == 0 and empty.mean_nm is None and empty.line_end_mean_abs_nm is None


def test_bad_images_are_refused():
    with pytest.raises(InputError, match="grid"):
        spline(np.zeros((3, 3)), GRID)
    with pytest.raises(NumericalError, match="finite"):
        spline(np.full(GRID.shape, np.nan), GRID)


def bump(centre, sigma, grid):
    """Periodic Gaussian of unit height."""
    height, width = grid.period_nm
    dx = (grid.x_nm - centre[0] + width / 2) % width - width / 2
    dy = (grid.y_nm - centre[1] + height / 2) % height - height / 2
    return np.exp(-(dx[None, :] ** 2 + dy[:, None] ** 2) / (2 * sigma**2))


def area(ring):
    x, y = ring.T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


CIRCLES = Grid((64, 64), 8.0, (-50.0, 20.0))


@pytest.mark.parametrize("printed_above", [True, False])
def test_contour_of_a_circle(printed_above):
    values, level = bump((210.0, 281.0), 60.0, CIRCLES), np.exp(-(70.0**2) / (2 * 60.0**2))
    rings_ = contours(values if printed_above else -values, CIRCLES, level if printed_above else -level, printed_above)
    assert len(rings_) == 1
    radius = np.hypot(*(rings_[0] - (210.0, 281.0)).T)
    np.testing.assert_allclose(radius, 70.0, atol=2e-4)
    assert area(rings_[0]) == pytest.approx(np.pi * 70**2, rel=3e-3)  # chords; counter-clockwise


def test_contours_close_along_the_tile():
    values, level = bump((-50.0, 20.0), 60.0, CIRCLES), np.exp(-(70.0**2) / (2 * 60.0**2))
    quarters = contours(values, CIRCLES, level)
    assert len(quarters) == 4
    assert sum(area(ring) for ring in quarters) == pytest.approx(np.pi * 70**2, rel=3e-3)
    x0, y0, x1, y1 = CIRCLES.window_nm
    assert all((ring >= (x0, y0)).all() and (ring <= (x1, y1)).all() for ring in quarters)
    holed = contours(values, CIRCLES, level, printed_above=False)
    assert sum(area(ring) for ring in holed) == pytest.approx(512**2 - np.pi * 70**2, rel=3e-3)
    assert contours(values, CIRCLES, 2.0) == []
    assert area(contours(values, CIRCLES, -1.0)[0]) == pytest.approx(512**2)


@given(x=st.floats(-50, 462), y=st.floats(20, 532), radius=st.floats(30, 110), width=st.floats(0.5, 12))
@settings(max_examples=20, deadline=None)
def test_band_of_circles(x, y, radius, width):
    values = bump((x, y), 60.0, CIRCLES)
    inner, outer = (np.exp(-(r**2) / (2 * 60.0**2)) for r in (radius, radius + width))
    truth = np.pi * ((radius + width) ** 2 - radius**2)
    band = pv_band([(values, inner, True), (values, outer, True), (1 - values, 1 - outer, False)], CIRCLES)
    assert abs(band - truth) < 0.01 * 2 * np.pi * radius


def test_band_finds_what_hides_between_samples():
    # A print of radius 3 nm at a cell's centre: no sample of the 8 nm grid is inside it.
    values = bump((214.0, 284.0), 60.0, CIRCLES)
    level = np.exp(-(3.0**2) / (2 * 60.0**2))
    assert values.max() < level
    band = pv_band([(values, level, True), (values, 2.0, True)], CIRCLES)
    assert band == pytest.approx(np.pi * 9, rel=0.2)


def test_band_is_union_less_intersection():
    values = bump((120.0, 200.0), 60.0, CIRCLES), bump((330.0, 350.0), 60.0, CIRCLES)
    level = np.exp(-0.5)
    apart = pv_band([(v, level, True) for v in values], CIRCLES)
    assert apart == pytest.approx(2 * np.pi * 60**2, rel=1e-3)
    assert pv_band([(values[0], level, True)] * 3, CIRCLES) == 0.0
    target = Layout(rings([[(0, 0), (100, 0), (100, 50), (0, 50)]]), 1.0)
    assert pv_band_nm(600.0, target) == 2.0
    with pytest.raises(InputError, match="no edges"):
        pv_band_nm(600.0, Layout((), 1.0))


def test_area_fraction_of_a_slanted_edge_is_its_area():
    y, x = np.mgrid[:60, :80] + 0.5
    height = 0.6 * (x - 31.3) + 0.2 * (y - 20.1)
    # Across a row the edge lies at x = 31.3 - (y - 20.1) / 3, and all to its right counts.
    exact = (80 - (31.3 - (y[:, 0] - 20.1) / 3)).sum()
    assert area_fraction(height).sum() == pytest.approx(exact, rel=1e-4)
    assert area_fraction(-height).sum() == pytest.approx(60 * 80 - exact, rel=1e-4)
