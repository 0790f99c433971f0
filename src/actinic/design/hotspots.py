"""Hotspots of a verification: every place beyond a limit, of all kinds, in one list with the worst first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrology import ASSIST, BRIDGE, ENCLOSURE, END_CAP, LINE_END, MISSING, OPEN, SIDE_LOBE, Cover
from .verify import Verification

PINCH, NEAR_BRIDGE, BAND, LOST = "pinch", "near bridge", "PV band", "no printed edge"
# What is not there or joined at all comes before anything that has a size, in this order.
FATAL = (BRIDGE, OPEN, MISSING, LOST, SIDE_LOBE, ASSIST)
# Places nearer than this are one.
SPOT_NM = 200.0
# Least printed share of a drawn width where no width is asked for.
SHARE = 0.8

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Limits:
    """Where hotspots begin, nm. None: the band twice `epe_nm`, printed lines and spaces 0.8 of what is drawn."""

    epe_nm: float = 15.0
    band_nm: float | None = None
    line_nm: float | None = None
    space_nm: float | None = None


@dataclass(frozen=True)
class Covered:
    """Enclosures or end caps against one layer, and how far the print has to reach."""

    layer: str
    limit_nm: float
    found: Sequence[Cover]
    vias: bool = True  # enclosures, else end caps

    @property
    def kind(self) -> str:
        return ENCLOSURE if self.vias else END_CAP


@dataclass(frozen=True)
class Spot:
    """One hotspot. `value` and `limit` are in `unit`; `beyond_nm` ranks it, None: worse than any distance."""

    kind: str
    at_nm: tuple[float, float]
    box_nm: Box
    value: float
    limit: float
    unit: str
    beyond_nm: float | None
    corner: str
    count: int  # gauges, cuts or corners that are told as this one
    text: str


def ranked(found: Verification, limits: Limits, covered: Sequence[Covered] = ()) -> list[Spot]:
    """All hotspots, the worst first: defects and edges that are not there, then by nm beyond the limit."""
    spots = [*_defects(found), *_edges(found, limits), *_bands(found, limits), *_narrow(found, limits)]
    for against in covered:
        spots += _uncovered(against)
    return sorted(spots, key=rank)


def rank(spot: Spot):
    """A key that sorts the worst first."""
    if spot.beyond_nm is None:
        return False, FATAL.index(spot.kind), -spot.value, spot.box_nm
    return True, 0, -spot.beyond_nm, spot.box_nm


def _defects(found: Verification) -> Iterator[Spot]:
    for d in found.defects:
        text = f"{d.area_nm2:.0f} nm2 at {d.corners[0]}, {_of(len(d.corners), 'corner')}"
        yield Spot(
            d.kind, d.at_nm, d.box_nm, d.area_nm2, found.sliver_nm2, "nm2", None, d.corners[0], len(d.corners), text
        )


def _edges(found: Verification, limits: Limits) -> Iterator[Spot]:
    """Gauges that are beyond the limit or without an edge nominally, and the corner where they lie farthest off."""
    gauges, size = found.gauges, np.abs(found.epe_nm)
    at = np.stack([gauges.x_nm, gauges.y_nm], 1)
    bad = np.flatnonzero((size > limits.epe_nm) | found.failed)
    corners = found.epe_nm[None] if found.at_corners_nm is None else found.at_corners_nm
    worst = np.abs(corners).argmax(0)
    for g, count in apart(at, size, bad):
        value, end = float(found.epe_nm[g]), gauges.kind[g] == LINE_END
        lost = bool(found.failed[g])
        kind = LOST if lost else "line end" if end else "edge placement"
        corner = found.prints[worst[g]].name if found.prints else "nominal"
        text = "no printed edge within 100 nm" if lost else f"EPE {value:+.1f} nm"
        if worst[g] and not lost:
            text += f", {corners[worst[g], g]:+.1f} nm at {corner}"
        beyond = None if lost else float(size[g]) - limits.epe_nm
        yield _spot(kind, at[g], value, limits.epe_nm, beyond, corner, count, f"{text}, {_of(count, 'gauge')}")


def _bands(found: Verification, limits: Limits) -> Iterator[Spot]:
    """Gauges where the corners lie far apart, although each has an edge."""
    if found.at_corners_nm is None or not len(found.gauges):
        return
    limit = 2 * limits.epe_nm if limits.band_nm is None else limits.band_nm
    band, at = found.local_band_nm, np.stack([found.gauges.x_nm, found.gauges.y_nm], 1)
    far = np.abs(found.at_corners_nm - found.at_corners_nm[0]).argmax(0)
    for g, count in apart(at, band, np.flatnonzero((band > limit) & ~found.failed)):
        corner = found.prints[far[g]].name
        text = f"the edge moves {band[g]:.1f} nm over the corners, farthest at {corner}, {_of(count, 'gauge')}"
        yield _spot(BAND, at[g], float(band[g]), limit, float(band[g]) - limit, corner, count, text)


def _narrow(found: Verification, limits: Limits) -> Iterator[Spot]:
    widths = found.widths
    if widths is None:
        return
    for kind, line, asked in ((PINCH, True, limits.line_nm), (NEAR_BRIDGE, False, limits.space_nm)):
        least = SHARE * widths.drawn_nm if asked is None else np.full(len(widths), asked)
        beyond = least - widths.printed_nm
        for c, count in apart(widths.middle_nm, beyond, np.flatnonzero((beyond > 0) & (widths.line == line))):
            corner, drawn, printed = found.prints[widths.corner[c]].name, widths.drawn_nm[c], widths.printed_nm[c]
            what = "line" if line else "space"
            text = f"{what} of {drawn:.0f} nm prints {printed:.1f} nm at {corner}, {_of(count, 'cut')}"
            yield _spot(
                kind, widths.middle_nm[c], float(printed), float(least[c]), float(beyond[c]), corner, count, text
            )


def _uncovered(against: Covered) -> Iterator[Spot]:
    for c in against.found:
        beyond = against.limit_nm - c.printed_nm
        if beyond > 0:
            what = "beyond" if c.kind == END_CAP else "around"
            text = f"{c.printed_nm:.1f} nm {what} {against.layer} at {c.corner}, drawn {c.drawn_nm:.1f} nm"
            yield Spot(c.kind, c.at_nm, c.box_nm, c.printed_nm, against.limit_nm, "nm", beyond, c.corner, 1, text)


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _spot(kind: str, at, value: float, limit: float, beyond: float | None, corner: str, count: int, text: str) -> Spot:
    x, y, half = float(at[0]), float(at[1]), SPOT_NM / 2
    box = (x - half, y - half, x + half, y + half)
    return Spot(kind, (x, y), box, value, limit, "nm", beyond, corner, count, text)


def apart(at: np.ndarray, size: np.ndarray, chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    """The largest of each group of places nearer to it than SPOT_NM, and how many it stands for."""
    left = chosen[np.argsort(-size[chosen], kind="stable")]
    while left.size:
        near = np.hypot(*(at[left] - at[left[0]]).T) < SPOT_NM
        yield int(left[0]), int(near.sum())
        left = left[~near]
