"""Boolean operations and sizing on layouts, by KLayout's scanline."""

from collections.abc import Iterable
from typing import Literal

import klayout.db as db
import numpy as np

from ..errors import ConfigError, InputError
from .polygons import Layout

# KLayout counts in 32 bits and loses its way on the last coordinates and on wider polygons.
LARGEST = 2**31 - 2


def merged(contours: Iterable[np.ndarray], dbu_nm: float) -> Layout:
    """Any closed integer rings (n, 2) as a Layout: a point is inside where its winding number is not 0.

    Rings may overlap, touch or cross themselves or one another, or have no area (dropped). A ring
    inside another of opposite direction is a hole; crossing points are snapped to the database unit.
    InputError where coordinates or extent exceed 32 bits.
    """
    return _layout(_merge(contours), dbu_nm)


def boolean(a: Layout, b: Layout, mode: Literal["and", "or", "xor", "not"]) -> Layout:
    """Intersection, union, exclusive or, or "a without b". InputError where the database units differ."""
    if a.dbu_nm != b.dbu_nm:
        raise InputError(f"layouts with database units of {a.dbu_nm} and {b.dbu_nm} nm cannot be combined")
    left, right = region_of(a), region_of(b)
    if mode == "and":
        return layout_of(left & right, a.dbu_nm)
    if mode == "or":
        return layout_of(left | right, a.dbu_nm)
    if mode == "xor":
        return layout_of(left ^ right, a.dbu_nm)
    if mode == "not":
        return layout_of(left - right, a.dbu_nm)
    raise ConfigError(f"{mode!r} is no boolean operation; take and, or, xor or not")


def sized(layout: Layout, nm: float) -> Layout:
    """Every edge moved outwards by `nm` (inwards when negative), right angles kept sharp.

    The distance is rounded to the database unit; angles sharper than 90 degrees are cut off.
    """
    return layout_of(region_of(layout).sized(round(nm / layout.dbu_nm), 2), layout.dbu_nm)


def clipped(layout: Layout, window_nm: tuple[float, float, float, float]) -> Layout:
    """What lies inside (x0, y0, x1, y1) nm, the window snapped to the nearest database units."""
    box = window_box(window_nm, layout.dbu_nm)
    x0, y0, x1, y1 = layout.boxes.T
    near = np.flatnonzero((x1 >= box.left) & (x0 <= box.right) & (y1 >= box.bottom) & (y0 <= box.top))
    region = db.Region(_merge([layout.contours[k] for k in near.tolist()]))
    return layout_of(region, layout.dbu_nm, box)


def window_box(window_nm: tuple[float, float, float, float], dbu_nm: float) -> db.Box:
    """A window in nm as KLayout's box, snapped to the nearest database units; InputError when empty."""
    x0, y0, x1, y1 = (round(min(max(value / dbu_nm, -LARGEST), LARGEST)) for value in window_nm)
    if not (x0 < x1 and y0 < y1):
        raise InputError(f"window {window_nm} nm is empty at a database unit of {dbu_nm} nm; give x0 < x1 and y0 < y1")
    return db.Box(x0, y0, x1, y1)


def region_of(layout: Layout) -> db.Region:
    """The layout as a KLayout region of polygons with holes."""
    return db.Region(_merge(layout.contours))


def layout_of(region: db.Region, dbu_nm: float, box: db.Box | None = None) -> Layout:
    """A KLayout region, cut to a box and merged, as a Layout.

    Where polygons touch in a corner they stay apart, and a ring that meets itself in a point is cut
    there, so every ring is simple.
    """
    reach = region.bbox()
    if not region.is_empty():
        _check_reach(reach.left, reach.bottom, reach.right, reach.top)
    if box is not None:
        region = region & db.Region(box)
    return _layout(region.merged(True, 1).each(), dbu_nm)


def _check_reach(x0: int, y0: int, x1: int, y1: int) -> None:
    if max(-x0, -y0, x1, y1, x1 - x0, y1 - y0) > LARGEST:
        raise InputError(
            f"polygons reaching from ({x0}, {y0}) to ({x1}, {y1}) database units do not fit 32 bits; "
            "use a window or a coarser database unit"
        )


def _merge(contours: Iterable[np.ndarray]) -> list[db.Polygon]:
    points = [np.asarray(ring, np.int64).reshape(-1, 2) for ring in contours if len(ring)]
    if not points:
        return []
    together = np.concatenate(points)
    _check_reach(*(int(v) for v in (*together.min(axis=0), *together.max(axis=0))))
    steps = np.concatenate([np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in points])
    edges = [db.Edge(*step) for step in steps.tolist()]
    return db.EdgeProcessor().simple_merge_e2p(edges, False, True, -1)


def _layout(polygons: Iterable[db.Polygon], dbu_nm: float) -> Layout:
    rings: list[np.ndarray] = []
    for polygon in polygons:
        rings += _simple([(p.x, p.y) for p in polygon.each_point_hull()])
        for hole in range(polygon.holes()):
            rings += _simple([(p.x, p.y) for p in polygon.each_point_hole(hole)])
    return Layout(tuple(rings), dbu_nm)


def _simple(points: list[tuple[int, int]]) -> list[np.ndarray]:
    """One ring, turned round (KLayout's hulls run clockwise) and cut where it meets itself in a point."""
    if len(set(points)) == len(points):
        return [np.array(points[::-1], np.int64)]
    rings, path, at = [], [], {}
    for point in reversed(points):
        if point in at:
            loop = path[at[point] :]
            rings.append(np.array(loop, np.int64))
            del path[at[point] :]
            for gone in loop:
                del at[gone]
        at[point] = len(path)
        path.append(point)
    return [ring for ring in [*rings, np.array(path, np.int64)] if len(ring) > 2]
