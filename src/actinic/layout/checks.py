"""Mask rules by KLayout on the polygons themselves: a second code beside the raster of `metrology/rules.py`.

A rectilinear mask is checked as a rule deck does it: edges that face each other nearer than the rule, Euclidean.
On curves that finds every tip and cap, so a mask with slanted edges is checked by the definition of
`metrology.mask_rules`: opening by a disc of the rule's diameter may remove no piece of more than 0.1 d^2. As a curve
of a smaller radius than d / 2 holds no such disc, this bounds the radius of convex (width) and concave (space) curves
too, except that corners, which lose at most 0.054 d^2 when they are right angles, are forgiven.
"""

from collections.abc import Iterable

import klayout.db as db
import numpy as np

from ..errors import ConfigError
from .boolean import region_of, window_box
from .markers import Marker
from .polygons import Layout
from .shape import Window, apart, box_nm, refined

# Database unit for discs, and how much smaller than the rule they are, so that a line as wide as the rule holds them.
_UNIT_NM = 0.1
_SLACK_NM = 0.3
_SLIVER = 2  # database units
_POINTS = 48  # of a disc: its sides lie within 0.2 % of the radius
_STEPS = 7  # halvings of a width that is looked for


def rule_markers(
    layout: Layout,
    width_nm: float,
    space_nm: float,
    area_nm2: float,
    *,
    jog_nm: float | None = None,
    window_nm: Window | None = None,
) -> list[Marker]:
    """Places that break a rule, each with its value in nm or nm2: `mask width`, `space`, `area`, `hole` and `jog`.

    Widths and spaces (notches included) on rectilinear masks are exact, on others right to 1 % of the rule and 0.3 nm.
    A jog is an edge along an axis shorter than `jog_nm`, on rectilinear masks only. With a window only what
    touches it counts; give more of the mask than that, or cuts will count as edges.
    """
    rules = (width_nm, space_nm, area_nm2, jog_nm or 0.0)
    if not (np.isfinite(rules).all() and min(rules) >= 0):
        raise ConfigError(f"mask rules must be lengths and an area of 0 or more, not {rules}")
    straight = is_rectilinear(layout)
    layout = layout if straight else refined(layout, _UNIT_NM)
    unit, mask = layout.dbu_nm, region_of(layout)
    if not straight:
        mask = mask.smoothed(1, True)  # vertices that stand for nothing cost the square of their number
    near = mask if window_nm is None else mask & db.Region(_around(window_nm, 8 * max(width_nm, space_nm), unit))
    found: list[Marker] = []
    for kind, rule in (("mask width", width_nm), ("mask space", space_nm)):
        if not rule or near.is_empty():
            continue
        pairs = _facing(near, kind, rule / unit)
        places = [(pair.bbox(), apart(pair.first, pair.second)) for pair in pairs.each()]
        if not straight:
            places = _removed(near if kind == "mask width" else _outside(near, rule / unit), pairs, unit, rule)
        found += _markers(kind, places, unit, f"nm, rule {rule:g} nm")
    for kind, pieces in (("mask area", mask.merged(True, 1)), ("mask hole", _holes(mask))):
        small = [(p.bbox(), p.area() * unit) for p in pieces.each() if p.area() * unit**2 < area_nm2 - 1e-6]
        found += _markers(kind, small, unit, f"nm2, rule {area_nm2:g} nm2")
    if jog_nm and straight:
        short = mask.edges().with_length(0, round(jog_nm / unit), False)
        found += _markers("mask jog", [(e.bbox(), e.length()) for e in short.each()], unit, f"nm, rule {jog_nm:g} nm")
    if window_nm is None:
        return found
    x0, y0, x1, y1 = window_nm
    return [m for m in found if m.box_nm[0] < x1 and m.box_nm[2] > x0 and m.box_nm[1] < y1 and m.box_nm[3] > y0]


def is_rectilinear(layout: Layout) -> bool:
    """Whether every edge runs along an axis."""
    x0, y0, x1, y1 = layout.edges_nm.T
    return bool(((x0 == x1) | (y0 == y1)).all())


def _markers(kind: str, places: Iterable[tuple[db.Box, float]], unit: float, told: str) -> list[Marker]:
    """Markers of places with a value in database units, the smallest first."""
    rows = sorted((value * unit, box_nm(box, unit)) for box, value in places)
    return [Marker(kind, box, f"{value:.4g} {told}", value) for value, box in rows]


def _around(window: Window, nm: float, unit: float) -> db.Box:
    x0, y0, x1, y1 = window
    return window_box((x0 - nm, y0 - nm, x1 + nm, y1 + nm), unit)


def _facing(mask: db.Region, kind: str, rule: float) -> db.EdgePairs:
    check = mask.width_check if kind == "mask width" else mask.space_check
    return check(int(np.ceil(rule - 1e-9)), False, db.Region.Euclidian)


def _outside(mask: db.Region, rule: float) -> db.Region:
    far = int(4 * rule) + 4
    return db.Region(mask.bbox().enlarged(far, far)) - mask


def _holes(mask: db.Region) -> db.Region:
    """Enclosed pieces of what is not mask; two that touch at a corner are one."""
    frame = mask.bbox().enlarged(1, 1)
    pieces = (db.Region(frame) - mask).merged(False, 1)
    return db.Region([piece for piece in pieces.each() if piece.bbox() != frame])


def _removed(part: db.Region, pairs: db.EdgePairs, unit: float, rule: float) -> list[tuple[db.Box, float]]:
    """Pieces that opening by a disc removes, with the least distance of nearly parallel edges there.

    Only where edges face each other nearer than the rule can a piece be removed. A tip has no parallel edges: it
    gets the largest disc that would not have removed it.
    """
    reach = int(np.ceil(rule / unit))
    listed = [(pair.bbox(), pair.first, pair.second) for pair in pairs.each()]
    suspects = db.Region([box.enlarged(reach, reach) for box, *_ in listed]).merged()
    found = []
    for suspect in suspects.each():
        inner = db.Region(suspect)
        frame = inner.sized(2 * reach)
        for piece in _lost(part & frame, frame, rule, unit).each():
            place = piece.bbox()
            if inner.interacting(db.Region(piece)).is_empty():
                continue
            facing = [apart(a, b) for box, a, b in listed if box.touches(place) and _parallel(a, b)]
            around = place.enlarged(2 * reach, 2 * reach)
            value = min(facing) if facing else _widest(part & db.Region(around), around, place, rule, unit) / unit
            found.append((place, value))
    return found


def _parallel(a: db.Edge, b: db.Edge) -> bool:
    """Whether two edges run against each other to 10 degrees: chords of a cap are then 0.4 % short at most."""
    return -(a.dx() * b.dx() + a.dy() * b.dy()) > 0.985 * a.length() * b.length()


def _widest(local: db.Region, around: db.Box, place: db.Box, rule: float, unit: float) -> float:
    """The largest diameter in nm, below a rule that is broken, whose opening removes nothing at a place."""
    good, bad = 0.0, rule
    for _ in range(_STEPS):
        middle = 0.5 * (good + bad)
        lost = _lost(local, db.Region(around), middle, unit)
        if lost.interacting(db.Region(place)).is_empty():
            good = middle
        else:
            bad = middle
    return 0.5 * (good + bad) - _SLACK_NM


def _lost(local: db.Region, frame: db.Region, diameter_nm: float, unit: float) -> db.Region:
    """Pieces of more than 0.1 d^2 that an opening removes, kept off the border of the frame that is looked at."""
    radius = int((0.5 * diameter_nm - 0.5 * _SLACK_NM) / unit)
    if radius < 1:
        return db.Region()
    disc = db.Polygon.ellipse(db.Box(-radius, -radius, radius, radius), _POINTS)
    least = 0.1 * (diameter_nm / unit) ** 2

    def removed(shrunk: db.Region) -> db.Region:
        lost = local - shrunk.minkowski_sum(disc)
        # Two corners of a line as wide as the disc lose 0.107 d^2 together; they meet in a sliver of rounding.
        lost = (lost.sized(-_SLIVER).sized(_SLIVER) & frame.sized(-2 * radius)).merged(False, 1)
        return db.Region([piece for piece in lost.each() if piece.area() > least])

    # Edges moved inwards shrink more than a disc does, and cost little: most suspects are cleared by them.
    found = removed(local.sized(-radius, 2))
    return found if found.is_empty() else removed(local - (frame - local).minkowski_sum(disc))
