"""Mask rules by KLayout's own checks, which the optimiser does not know."""

import klayout.db as db

from actinic.layout import Layout


def broken(mask: Layout, width_nm: float, space_nm: float, jog_nm: float, window_nm=None) -> dict[str, int]:
    """How many places of a Manhattan mask break each rule (Euclidean); with a window those that lie inside it."""
    region = db.Region()
    for ring in mask.contours:  # hulls and holes: what an odd number of rings encloses is inside
        region ^= db.Region(db.Polygon([db.Point(int(x), int(y)) for x, y in ring], True))
    region = region.merged()
    width, space, jog = (round(nm / mask.dbu_nm) for nm in (width_nm, space_nm, jog_nm))
    found = {
        "width": region.width_check(width, False, db.Region.Euclidian),
        "space": region.space_check(space, False, db.Region.Euclidian),
        "notch": region.notch_check(space, False, db.Region.Euclidian),
        "jog": region.edges().with_length(0, jog, False),
    }
    if window_nm is None:
        return {name: places.count() for name, places in found.items()}
    inside = db.Box(*(round(v / mask.dbu_nm) for v in window_nm)).enlarged(-1, -1)
    return {name: sum(place.bbox().inside(inside) for place in places.each()) for name, places in found.items()}
