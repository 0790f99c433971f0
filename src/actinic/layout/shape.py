"""Shapes as a mask shop makes them: rounded corners, finer units, periodic surroundings, who stands near whom."""

from dataclasses import dataclass

import klayout.db as db
import numpy as np

from ..errors import ConfigError
from .boolean import clipped, layout_of, merged, region_of, window_box
from .polygons import Layout

Window = tuple[float, float, float, float]

# Points of a full circle: the arcs of a 20 nm corner stay within 0.006 nm of the circle.
ARC_POINTS = 128


def refined(layout: Layout, unit_nm: float) -> Layout:
    """The same polygons in a database unit of at most `unit_nm` that divides the old one."""
    parts = max(1, int(np.ceil(layout.dbu_nm / unit_nm - 1e-9)))
    return Layout(tuple(ring * parts for ring in layout.contours), layout.dbu_nm / parts)


def pieces(layout: Layout) -> list[Layout]:
    """The polygons one by one, each with its holes; those that touch in a corner are two."""
    return [layout_of(db.Region(polygon), layout.dbu_nm) for polygon in region_of(layout).merged(True, 1).each()]


def snapped(layout: Layout, grid_nm: float, dbu_nm: float) -> Layout:
    """The polygons with every vertex on the nearest point of a grid, in another database unit.

    ConfigError where the grid is no whole number of these units.
    """
    step = round(grid_nm / dbu_nm)
    if step < 1 or abs(step * dbu_nm - grid_nm) > 1e-6 * dbu_nm:
        raise ConfigError(f"a grid of {grid_nm:g} nm is not a whole number of database units of {dbu_nm:g} nm")
    rings = [np.rint(ring * (layout.dbu_nm / (step * dbu_nm))).astype(np.int64) * step for ring in layout.contours]
    return merged(rings, dbu_nm)


def rounded(layout: Layout, radius_nm: float) -> Layout:
    """Every corner, convex or not, as an arc of `radius_nm`, of at most half of the shorter edge beside it.

    A right angle loses (1 - pi / 4) r^2 of its area or gains as much, to 3e-3 where r is above 500 database units.
    """
    radius = radius_nm / layout.dbu_nm
    return layout_of(region_of(layout).rounded_corners(radius, radius, ARC_POINTS), layout.dbu_nm)


def repeated(layout: Layout, window_nm: Window, reach_nm: float) -> Layout:
    """What stands in the window, repeated with its period as far as `reach_nm` beyond it.

    ConfigError where the window is no whole number of database units.
    """
    x0, y0, x1, y1 = window_nm
    inside, (across, up) = clipped(layout, window_nm), _period(layout, window_nm)
    columns, rows = (range(-n, n + 1) for n in (int(np.ceil(reach_nm / extent)) for extent in (x1 - x0, y1 - y0)))
    rings = [ring + (i * across, j * up) for ring in inside.contours for i in columns for j in rows]
    return clipped(merged(rings, layout.dbu_nm), (x0 - reach_nm, y0 - reach_nm, x1 + reach_nm, y1 + reach_nm))


@dataclass(frozen=True)
class Near:
    """Two polygons, by their places in a list, and what lies between them: a gap in nm and its box."""

    a: int
    b: int
    joined: bool  # one polygon, cut by the border of a periodic window
    gap_nm: float
    box_nm: Window


def neighbours(layout: Layout, distance_nm: float, window_nm: Window | None = None) -> tuple[list[Layout], list[Near]]:
    """The polygons of a layout one by one, and the pairs nearer than a distance (Euclidean).

    Polygons that touch in a corner are two, with no gap; a polygon near itself is no pair. With a window the layout
    is a periodic tile: polygons are cut at its border, and one can be joined to, or near, its own copy.
    """
    unit, distance = layout.dbu_nm, round(distance_nm / layout.dbu_nm)
    if window_nm is None:
        pieces = list(region_of(layout).merged(True, 1).each())
        whole, members, near = pieces, [[k] for k in range(len(pieces))], None
    else:
        pieces = list(region_of(clipped(layout, window_nm)).merged(True, 1).each())
        whole, members = _copies_joined(pieces, *_period(layout, window_nm), distance)
        near = window_box(window_nm, unit)
    pairs = [
        Near(ks[0], k, True, 0.0, box_nm(polygon.bbox(), unit))
        for ks, polygon in zip(members, whole, strict=True)
        for k in ks[1:]
    ]
    index = _indexed(whole)
    for i, polygon in enumerate(whole):
        if near is not None and not polygon.bbox().enlarged(distance, distance).touches(near):
            continue
        for shape in index.each_touching(polygon.bbox().enlarged(distance, distance)):
            j = shape.prop_id
            found = _gap(polygon, whole[j], distance) if j > i else None
            if found is not None and (near is None or found[1].touches(near)):
                pairs.append(Near(members[i][0], members[j][0], False, found[0] * unit, box_nm(found[1], unit)))
    return [layout_of(db.Region(polygon), unit) for polygon in pieces], pairs


def _copies_joined(pieces: list[db.Polygon], across: int, up: int, distance: int):
    """The polygons of a periodic tile and of its copies as far as a distance, and which pieces each is made of."""
    columns, rows = (range(-n, n + 1) for n in (-(-distance // across), -(-distance // up)))
    copies = [(k, piece.moved(i * across, j * up)) for k, piece in enumerate(pieces) for i in columns for j in rows]
    whole = list(db.Region([copy for _, copy in copies]).merged(True, 1).each())
    index, members = _indexed(whole), [[] for _ in whole]
    for k, copy in copies:
        for shape in index.each_touching(copy.bbox()):
            j = shape.prop_id
            if k not in members[j] and not (db.Region(copy) & db.Region(whole[j])).is_empty():
                members[j].append(k)
    return whole, members


def _indexed(polygons: list[db.Polygon]) -> db.Shapes:
    """Polygons to be looked up by place; the property id is the position in the list."""
    index = db.Shapes()
    for number, polygon in enumerate(polygons):
        index.insert(polygon, number)
    return index


def _gap(a: db.Polygon, b: db.Polygon, distance: int) -> tuple[float, db.Box] | None:
    """How far two polygons are apart and where; None where they are not near."""
    found = db.Region(a).separation_check(db.Region(b), distance, False, db.Region.Euclidian)
    pairs = [(apart(pair.first, pair.second), pair.bbox()) for pair in found.each()]
    return min(pairs, key=lambda pair: (pair[0], pair[1].left, pair[1].bottom)) if pairs else None


def apart(a: db.Edge, b: db.Edge) -> float:
    """Distance of two edges that do not cross, one of which may be a point: at an end of one of them."""

    def to_edge(x: int, y: int, edge: db.Edge) -> float:
        dx, dy, length2 = edge.dx(), edge.dy(), edge.sq_length()
        t = ((x - edge.x1) * dx + (y - edge.y1) * dy) / length2 if length2 else 0.0
        t = min(max(t, 0.0), 1.0)
        return float(np.hypot(edge.x1 + t * dx - x, edge.y1 + t * dy - y))

    ends = ((a, b), (b, a))
    return min(to_edge(x, y, other) for edge, other in ends for x, y in ((edge.x1, edge.y1), (edge.x2, edge.y2)))


def box_nm(box: db.Box, unit: float) -> Window:
    return box.left * unit, box.bottom * unit, box.right * unit, box.top * unit


def _period(layout: Layout, window_nm: Window) -> tuple[int, int]:
    """Width and height of a periodic tile in database units."""
    x0, y0, x1, y1 = (value / layout.dbu_nm for value in window_nm)
    if any(abs(value - round(value)) > 1e-6 for value in (x0, y0, x1, y1)):
        raise ConfigError(f"window {window_nm} nm is no whole number of database units of {layout.dbu_nm:g} nm")
    return round(x1) - round(x0), round(y1) - round(y0)
