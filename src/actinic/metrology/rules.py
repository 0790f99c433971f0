"""Mask rules, measured on the written raster: widths, spaces, areas, components and shots."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from ..errors import ConfigError, InputError

_FOUR, _EIGHT = ndimage.generate_binary_structure(2, 1), ndimage.generate_binary_structure(2, 2)
# A corner of a slanted edge is a pixel or two on the raster, however small the disc.
_RAGGED = 2


@dataclass(frozen=True)
class MaskRules:
    """What a mask writer and a mask rule deck ask. Wafer scale, nm.

    `min_width_nm` and `min_space_nm` of at least `cap_nm` are given as `cap_nm`. Widths, spaces and areas are
    None on a mask without openings, `min_distance_nm` with fewer than two components, `min_hole_nm2` where no
    opaque piece is enclosed.
    """

    min_width_nm: float | None
    min_space_nm: float | None
    min_distance_nm: float | None
    min_area_nm2: float | None
    min_hole_nm2: float | None
    components: int
    shots: int
    cap_nm: float


def mask_rules(open_: np.ndarray, pitch_nm: float = 1.0, cap_nm: float = 200.0) -> MaskRules:
    """Rules of a boolean raster [y, x] of the openings; outside the raster is opaque.

    Width (space) is the largest d, in steps of half a pixel, up to which opening the open (opaque) part by a
    disc of diameter d removes no piece larger than 0.1 d^2 (and 2 pixels, the raggedness of a raster); notches
    inside a component count as space. A disc may stand at pixel centres, edges and corners and must keep more
    than d / 2 + pitch / 4 from the pixel centres of the other part: a line of w pixels along an axis has width w
    exactly, slanted and round shapes come out right to a pixel, on average a third of one narrow. Openings that
    touch at a corner only are two components at space 0 (open pixels connect by 4, opaque ones by 8).

    Space in this sense forgives specks, which leave room for a disc on either side; `min_distance_nm`, the
    smallest gap between two components (right to a pixel), does not. `min_area_nm2` is the smallest open
    component, `min_hole_nm2` the smallest enclosed opaque one. `shots` counts rectangles: each row's runs of
    open pixels, runs of the same columns in consecutive rows merged.
    """
    if open_.ndim != 2:
        raise InputError(f"mask rules need a raster [y, x], not shape {open_.shape}")
    if not pitch_nm > 0 or not cap_nm >= 2 * pitch_nm:
        raise ConfigError(f"mask rules need pitch_nm > 0 and cap_nm of 2 pixels or more, not {pitch_nm}, {cap_nm}")
    if not open_.any():
        return MaskRules(None, None, None, None, None, 0, 0, cap_nm)
    rows, columns = np.flatnonzero(open_.any(axis=1)), np.flatnonzero(open_.any(axis=0))
    mask = np.pad(open_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(bool), 1)
    labels, components = _labelled(mask, _FOUR)
    areas = np.bincount(labels.ravel())[1:]
    # The first opaque piece is the outside: it holds the padding at the raster's first corner.
    holes = np.bincount(_labelled(~mask, _EIGHT)[0].ravel())[2:]
    cap = int(2 * cap_nm / pitch_nm + 1e-9)
    width = _last_clean(lambda d: _opens_clean(mask, d), cap)
    a, b, c, d = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    if ((a == d) & (b == c) & (a != b)).any():
        space = 0
    else:
        space = _last_clean(lambda d: _opens_clean(np.pad(~mask, int(d) + 2, constant_values=True), d), cap)
    limit = [cap_nm if k == cap else 0.5 * k * pitch_nm for k in (width, space)]
    return MaskRules(
        min_width_nm=limit[0],
        min_space_nm=limit[1],
        min_distance_nm=_distance(labels) * pitch_nm if components > 1 else None,
        min_area_nm2=float(areas.min() * pitch_nm**2),
        min_hole_nm2=float(holes.min() * pitch_nm**2) if holes.size else None,
        components=int(components),
        shots=_shots(mask),
        cap_nm=cap_nm,
    )


def rule_violations(
    open_: np.ndarray, pitch_nm: float, width_nm: float, space_nm: float, area_nm2: float
) -> dict[str, int]:
    """How many places of a boolean raster [y, x] break each rule, by the definitions of `mask_rules`.

    What the raster cuts off counts neither as narrow nor as small: pieces on its border are left out.
    """

    def removed(part: np.ndarray, d_nm: float) -> int:
        d = d_nm / pitch_nm
        # Beyond the raster everything goes on as at its border.
        padded = np.pad(part, int(d) + 2, mode="edge")
        inside = (padded & ~_opened(padded, d, 2))[int(d) + 2 : -int(d) - 2, int(d) + 2 : -int(d) - 2]
        return sum(_inside(box, part.shape) for box in _large_pieces(inside, 0.1 * d * d + _RAGGED))

    def small(part: np.ndarray, structure: np.ndarray) -> int:
        labels, _ = _labelled(part, structure)
        size = np.bincount(labels.ravel())[1:] * pitch_nm**2
        boxes = ndimage.find_objects(labels)
        return sum(_inside(box, part.shape) for box, area in zip(boxes, size, strict=True) if area < area_nm2)

    return {
        "width": removed(open_, width_nm),
        "space": removed(~open_, space_nm),
        "area": small(open_, _FOUR) + small(~open_, _EIGHT),
    }


def _inside(box: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    """Whether a bounding box keeps off the border of its raster."""
    return all(0 < s.start and s.stop < n for s, n in zip(box, shape, strict=True))


def _last_clean(clean: Callable[[float], bool], cap: int) -> int:
    """Largest number of half pixels below the first opening that is not clean, at most `cap`.

    A piece of width w fails from w to about 3 w, where 0.1 d^2 outgrows it, so doubling steps do not miss it.
    """
    good, bad = 2, 4  # a disc of one pixel fits everywhere
    while bad < cap and clean(bad / 2):
        good, bad = bad, 2 * bad
    if bad >= cap:
        bad = cap
        if clean(cap / 2):
            return cap
    while bad - good > 1:
        middle = (good + bad) // 2
        if clean(middle / 2):
            good = middle
        else:
            bad = middle
    return good


def _opens_clean(part: np.ndarray, d: float) -> bool:
    """Whether opening the part by a disc of d pixels leaves no removed piece of more than 0.1 d^2 pixels.

    Discs at pixel centres alone are tried first; only the pieces these remove are looked at again, in their
    surroundings, with discs at pixel edges and corners too, which can only remove less.
    """
    limit = 0.1 * d * d + _RAGGED
    whole = (slice(0, part.shape[0]), slice(0, part.shape[1]))
    boxes = _large_pieces(part & ~_opened(part, d, 1), limit)
    boxes.sort(key=lambda box: np.prod([s.stop - s.start for s in box]))
    # A failure shows in the first few; to clear many pieces at once is cheaper.
    for box in boxes if len(boxes) <= 8 else [*boxes[:4], whole]:
        around = tuple(slice(max(0, s.start - int(d) - 3), s.stop + int(d) + 3) for s in box)
        inner = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(box, around, strict=True))
        local = part[around]
        if _large_pieces((local & ~_opened(local, d, 2))[inner], limit):
            return False
    return True


def _large_pieces(removed: np.ndarray, limit: float) -> list[tuple[slice, slice]]:
    """Bounding boxes of the pieces, connected by 8, of more than `limit` pixels."""
    if np.count_nonzero(removed) <= limit:
        return []
    labels, _ = _labelled(removed, _EIGHT)
    size = np.bincount(labels.ravel())
    return [box for box, n in zip(ndimage.find_objects(labels), size[1:], strict=True) if n > limit]


def _distance(labels: np.ndarray) -> float:
    """Smallest gap in pixels between two components.

    Halfway between the closest two, neighbouring pixels have the one and the other as their nearest.
    """
    _, indices = ndimage.distance_transform_edt(labels == 0, return_indices=True)  # pyright: ignore
    y, x = indices
    owner = labels[y, x]
    gap = np.inf
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        pair = owner[here] != owner[there]
        steps = [np.abs(c[here][pair] - c[there][pair]) - 1 for c in (y, x)]
        gap = min(gap, np.hypot(*np.maximum(steps, 0)).min(initial=np.inf))
    return float(gap)


def _labelled(mask: np.ndarray, structure: np.ndarray) -> tuple[np.ndarray, int]:
    labels = np.empty(mask.shape, np.int32)
    return labels, int(np.asarray(ndimage.label(mask, structure, labels)))


def _opened(part: np.ndarray, d: float, lattice: int) -> np.ndarray:
    """Pixels of the part covered by discs free of the rest; `lattice` 1: at pixel centres, 2: every half pixel."""
    radius = lattice * (0.5 * d + 0.25 + 1e-6)
    rest = ~part
    if lattice == 2:
        # Neighbouring pixels of the rest are joined, or discs would reach in between their centres.
        fine = np.zeros((2 * rest.shape[0] + 1, 2 * rest.shape[1] + 1), bool)
        fine[1::2, 1::2] = rest
        fine[2:-1:2] = fine[1:-2:2] & fine[3::2]
        fine[:, 2:-1:2] = fine[:, 1:-2:2] & fine[:, 3::2]
        rest = fine
    covered = _within(~_within(rest, radius), radius)
    return covered if lattice == 1 else covered[1::2, 1::2]


def _within(points: np.ndarray, radius: float) -> np.ndarray:
    """Where a True point lies nearer than `radius` samples: exact discs, from distances along the columns."""
    steps, width = int(np.ceil(radius)), points.shape[1]
    distance = _down(points, steps + 1)
    near, result = np.empty(points.shape, bool), np.zeros(points.shape, bool)
    for dx in range(min(steps, width)):
        np.less(distance, distance.dtype.type(np.ceil(np.sqrt(radius**2 - dx**2))), out=near)
        result[:, dx:] |= near[:, : width - dx]
        result[:, : width - dx] |= near[:, dx:]
    return result


def _down(points: np.ndarray, far: int) -> np.ndarray:
    """Distance to the nearest True along the first axis, at most `far`."""
    dtype = np.uint8 if far < 255 else np.uint16
    distance = np.where(points, dtype(0), dtype(far))
    for rows in (distance, distance[::-1]):
        for before, here in pairwise(rows):
            np.minimum(here, before + dtype(1), out=here)
    return distance


def _shots(mask: np.ndarray) -> int:
    """Runs of the rows less those that repeat a run of the row before."""
    change = np.diff(mask.astype(np.int8), axis=1)
    row, start = np.nonzero(change == 1)
    _, end = np.nonzero(change == -1)
    run = (row * mask.shape[1] + start) * mask.shape[1] + end
    return int(run.size - np.isin(run - mask.shape[1] ** 2, run).sum())
