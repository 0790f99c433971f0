"""Printed widths on cuts, and the distances to other layers, against prints whose edges are known."""

import numpy as np
import pytest

from actinic.layout import Layout, merged
from actinic.metrology import Print, enclosures, end_caps, printed_widths
from actinic.types import Grid

GRID = Grid((240, 240), 5.0, (-600.0, -600.0))
WINDOW = (-400.0, -400.0, 400.0, 400.0)
X, Y = np.meshgrid(GRID.x_nm, GRID.y_nm)


def box(x0, y0, x1, y1):
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def drawn(*boxes) -> Layout:
    return merged([box(*b) for b in boxes], 1.0)


def printed(height, name="nominal", above=True):
    """A print whose edge is where a height is 0."""
    return Print(name, 0.3 + (height if above else -height), GRID, 0.3, above)


def line(half_nm, middle_nm=0.0):
    """Height, in nm times a slope, of a line along y; parabolic, so that the spline has its edges exactly."""
    return 1e-5 * (half_nm**2 - (X - middle_nm) ** 2)


LINE = drawn((-85, -600, 85, 600))


def found(prints, target=LINE, reach=600.0):
    return printed_widths(target, prints, WINDOW, corner_nm=100.0, reach_nm=reach)


@pytest.mark.parametrize("above", [True, False])
def test_a_pinch_is_measured_where_it_is_and_at_its_corner(above):
    good = printed(line(85.0), above=above)
    neck = printed(line(85.0 - 30.0 * np.exp(-(((Y - 60.0) / 80.0) ** 2)), 7.0), "defocus", above)
    widths = found([good, neck])
    assert len(widths) == 40 and widths.line.all() and (widths.drawn_nm == 170).all()
    worst = widths.printed_nm.argmin()
    assert widths.middle_nm[worst] == pytest.approx((0, 60)) and widths.corner[worst] == 1
    assert widths.printed_nm[worst] == pytest.approx(110, abs=0.02)
    where = np.abs(widths.middle_nm[:, 1] + 380) < 21
    assert widths.printed_nm[where] == pytest.approx(170, abs=0.02)


def test_a_line_moved_aside_is_not_narrow_and_a_lost_one_has_no_width():
    assert found([printed(line(80.0, 40.0))]).printed_nm == pytest.approx(160, abs=0.02)
    assert (found([printed(line(40.0, 60.0))]).printed_nm == 0).all(), "its middle does not print"


def test_spaces_are_cut_too():
    pair = drawn((-285, -600, -85, 600), (85, -600, 285, 600))
    space = printed(1e-5 * ((X - 5.0) ** 2 - 60.0**2))
    widths = found([space], pair, 180.0)
    assert not widths.line.any() and (widths.drawn_nm == 170).all()
    assert widths.printed_nm == pytest.approx(120, abs=0.02)
    assert found([space], pair, 160.0).drawn_nm.size == 0, "out of reach"


def test_ends_that_face_each_other_have_one_cut():
    ends = drawn((-85, -600, 85, -70), (-85, 70, 85, 600))
    widths = found([printed(1e-5 * (Y**2 - 50.0**2))], ends)
    space = ~widths.line
    assert space.sum() == 1 and widths.drawn_nm[space] == 140
    assert widths.printed_nm[space] == pytest.approx(100, abs=0.02)


def test_what_a_neighbour_prints_is_no_width_of_a_cut_beside_it():
    """A cut just above an island's end crosses what that end prints, which is a matter of the island."""
    walls = [(-600, -600, -350, 600), (350, -600, 600, 600)]
    island = (-80, -600, 80, 12)
    widths = found([printed(np.where(np.abs(X) < 200, 22.0 - Y, -9.0) * 1e-3)], drawn(*walls, island), 800.0)
    over = ~widths.line & (widths.drawn_nm == 700)
    assert over.any() and (widths.middle_nm[over, 1] > 12 + 20).all()


def test_beyond_the_image_nothing_is_measured():
    """An image is periodic and a window is not: a space that ends outside the image is not cut."""
    walls = drawn((-900, -600, -350, 600), (350, -600, 620, 600), (790, -600, 900, 600))
    widths = found([printed(np.where(X > 300, -1e-3 * (350 - X), -1e-3 * (X + 350)))], walls, 800.0)
    assert {w for w in widths.drawn_nm[~widths.line]} == {700.0}
    # A print that goes on to the border of the image ends there.
    everywhere = found([printed(np.full(X.shape, 1e-3))])
    assert everywhere.printed_nm == pytest.approx(2 * (170 + 5), abs=1e-9)
    assert np.abs(everywhere.middle_nm[:, 0]).max() == 0


def test_corners_are_kept_away_from():
    short = drawn((-85, -300, 85, 300))
    widths = found([printed(line(85.0))], short)
    across = widths.line & (np.abs(widths.across[:, 0]) > 0.5)
    assert np.abs(widths.middle_nm[across, 1]).max() <= 200


def test_nothing_to_measure():
    assert len(found([printed(line(85.0))], Layout((), 1.0))) == 0


def via(x, y, size=60):
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def test_enclosures_are_distances_from_the_via_to_the_print():
    vias = merged([box(*via(0, 0)), box(*via(40, 200)), box(*via(75, -200)), box(*via(0, 900))], 1.0)
    good, low = printed(line(85.0)), printed(line(80.0, -2.0), "low dose")
    covers = enclosures(LINE, vias, [good, low], WINDOW, corner_nm=100.0)
    # Of the via at x = 75 nm the edge at 105 lies outside: drawn to 85, printed to 78 nm.
    assert [c.box_nm for c in covers] == [via(75, -200), via(40, 200), via(0, 0)]
    assert [c.drawn_nm for c in covers] == [-20.0, 15.0, 55.0]
    assert [c.printed_nm for c in covers] == pytest.approx([-27, 8, 48], abs=0.02)
    assert covers[0].at_nm == (105, -200) and {c.corner for c in covers} == {"low dose"}
    assert [c.overlap for c in covers] == pytest.approx([(78 - 45) / 60, 1.0, 1.0], abs=0.01)


def test_a_via_that_nothing_covers():
    """Drawn half on the line, whose print has moved away; one beside the line is none of its vias."""
    vias = drawn(via(85, 0), via(300, 0))
    (cover,) = enclosures(LINE, vias, [printed(line(60.0, -300.0))], WINDOW, corner_nm=100.0)
    assert cover.box_nm == via(85, 0) and cover.drawn_nm == -30
    assert cover.printed_nm == -200 and cover.overlap == 0


def test_end_caps_are_distances_beyond_the_crossed_layer():
    """Two lines over diffusion at y > 0; one ends 130 nm below it, the other goes on."""
    lines = drawn((-185, -130, -85, 600), (85, -600, 185, 600))
    diffusion = drawn((-400, 0, 400, 180))
    # The print of the first ends at y = -95 in its middle, and earlier towards its sides.
    end = -95.0 + 0.004 * (X + 135.0) ** 2
    tip = printed(1e-3 * np.where(X < 0, np.minimum(Y - end, 49.0), 49.0 - 0.1 * np.abs(X - 135)))
    good = printed(1e-3 * np.where(X < 0, np.minimum(Y + 130, 49.0), 49.0 - 0.1 * np.abs(X - 135)), "nominal")
    (cap,) = end_caps(lines, diffusion, [good, tip], WINDOW)
    assert cap.box_nm == (-185, 0, -85, 180) and cap.drawn_nm == 130 and cap.overlap is None
    assert cap.printed_nm == pytest.approx(95, abs=0.05) and cap.at_nm == (-135, 0)


def test_a_line_that_ends_on_the_crossed_layer_is_worse_than_none():
    lines, diffusion = drawn((-50, -130, 50, 600)), drawn((-400, 0, 400, 180))
    (cap,) = end_caps(lines, diffusion, [printed(1e-3 * np.clip(Y - 20.0, -60, 60))], WINDOW)
    assert cap.printed_nm == pytest.approx(-20, abs=0.02)
    assert end_caps(lines, drawn((200, 0, 400, 180)), [printed(1e-3 * Y)], WINDOW) == []
