"""Mask rules made to hold on a raster: what is too thin goes, what is too near is set apart, specks and pinholes go.

Nothing here is known to the code that checks the rules (`metrology.rules`, and KLayout).
"""

import numpy as np
from scipy import ndimage

from ..errors import NumericalError
from .limits import MaskLimits

# Discs are so much larger than the rule, in pixels: the raster's own raggedness.
MARGIN_PX = 0.3
# A rule forgives corners that a disc cannot fill, up to 0.1 d^2 for every disc below it as well. Discs of these shares
# of a rule are tried, and pieces of a quarter of that and a pixel forgiven, which covers the discs in between; later
# rounds forgive more, up to a margin, so that corners of a few pixels do not come and go for ever.
SHARES = (1.0, 0.5, 0.25, 0.125)
FORGIVEN, MOST_FORGIVEN = 0.025, 0.08
# How far both sides of a gap step back at a time, in spaces: small, so that it does not open far beyond the rule.
STEP = 0.15
# After so many rounds nothing is filled any more. Every further round takes openings away, so repairs end.
FILLING, ROUNDS = 8, 200

_EIGHT = np.ones((3, 3), bool)


def repaired(open_: np.ndarray, pitch_nm: float, limits: MaskLimits, rounds: int | None = None) -> np.ndarray:
    """The openings bool [y, x] with smallest width, space, area and hole as the limits say; opaque beyond the raster.

    Widths and spaces are those of openings by discs, so convex and concave curves keep a radius of half of them.
    With `rounds` it ends after so many, finished or not; else NumericalError where no such mask is found.
    """
    width, space = limits.width_nm / pitch_nm, limits.space_nm / pitch_nm
    area, pad = limits.area_nm2 / pitch_nm**2, int(2 * max(width, space))
    mask = np.pad(open_, pad)
    for number in range(rounds or ROUNDS):
        filling = number < FILLING
        forgiven = min(FORGIVEN * (1 + number / 8), MOST_FORGIVEN)
        small = _specks(mask, area)
        mask &= ~small
        thin = [part for share in SHARES for part in _removed(mask, share * width, forgiven)]
        for box, piece in thin:
            mask[box] &= ~piece
        near = _removed(~mask, space, forgiven)
        slits = [part for share in SHARES[1:] for part in _removed(~mask, share * space, forgiven)]
        for box, piece in near if filling else near + slits:
            around = tuple(
                slice(max(0, s.start - pad), min(n, s.stop + pad)) for s, n in zip(box, mask.shape, strict=True)
            )
            gap = np.zeros(mask[around].shape, bool)
            gap[tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(box, around, strict=True))] = piece
            mask[around] &= ~_dilated(gap, max(1.0, STEP * space))
        holes, corners = _specks(~mask, area, _EIGHT), _corners(mask)
        if filling:
            for box, piece in slits:
                mask[box] |= piece
            mask |= holes | corners
        else:
            mask &= ~(_dilated(holes, max(1.0, STEP * space)) | corners)
        if not (small.any() or thin or near or slits or holes.any() or corners.any()):
            return mask[pad:-pad, pad:-pad]
    if rounds is not None:
        return mask[pad:-pad, pad:-pad]
    raise NumericalError(f"no mask that keeps its rules was found in {ROUNDS} rounds of repair")


def _specks(part: np.ndarray, area: float, structure: np.ndarray | None = None) -> np.ndarray:
    """Pixels of those pieces of a part that have fewer than `area` pixels."""
    labels, _ = ndimage.label(part, structure)  # type: ignore[misc]
    small = np.bincount(labels.ravel()) < area
    small[0] = False
    return small[labels]


def _corners(mask: np.ndarray) -> np.ndarray:
    """Pixels of the squares of four in which openings touch at a corner only."""
    a, b, c, d = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    touch = (a == d) & (b == c) & (a != b)
    found = np.zeros(mask.shape, bool)
    for rows in (np.s_[:-1], np.s_[1:]):
        for columns in (np.s_[:-1], np.s_[1:]):
            found[rows, columns] |= touch
    return found


def _removed(part: np.ndarray, d: float, forgiven: float) -> list[tuple[tuple[slice, ...], np.ndarray]]:
    """What an opening by a disc of d pixels takes away: bounding boxes, and which of their pixels.

    Pieces connect by 8; those up to a share `forgiven` of d^2 and a pixel do not count.
    """
    radius, limit = 0.5 * d + MARGIN_PX, forgiven * d**2 + 1
    taken = part & ~_dilated(_eroded(part, radius), radius)
    if np.count_nonzero(taken) <= limit:
        return []
    labels, _ = ndimage.label(taken, _EIGHT)  # type: ignore[misc]
    large = np.bincount(labels.ravel()) > limit
    large[0] = False
    if not large.any():
        return []
    labels = np.where(large, np.cumsum(large), 0)[labels]
    return [(box, labels[box] == k) for k, box in enumerate(ndimage.find_objects(labels), 1)]


def _dilated(mask: np.ndarray, radius: float) -> np.ndarray:
    return ~_eroded(~mask, radius)


def _eroded(mask: np.ndarray, radius: float) -> np.ndarray:
    """Pixels whose disc lies in the mask, which goes on beyond the raster: row by row, ever wider runs."""
    reach, rows = int(radius), len(mask)
    runs = np.pad(mask, reach, constant_values=True)
    found, half = np.ones((rows, runs.shape[1]), bool), 0
    for dy in range(reach, -1, -1):
        for _ in range(int(np.sqrt(radius**2 - dy**2)) - half):
            wider = runs.copy()
            wider[:, 1:] &= runs[:, :-1]
            wider[:, :-1] &= runs[:, 1:]
            runs, half = wider, half + 1
        for at in {reach + dy, reach - dy}:
            found &= runs[at : at + rows]
    return found[:, reach : found.shape[1] - reach]
