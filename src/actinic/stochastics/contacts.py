"""Contacts on drawn exposures: how large each prints, which are missing, which run into another."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..layout import Layout
from ..metrology import area_fraction
from ..types import Grid

_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Contacts:
    """Small drawn polygons on a grid: `box_nm` (n, 4) as x0, y0, x1, y1; `places` [y, x] their number + 1, else 0.

    `inside` bool (n,) says which have their middle in the window; the others are there to run into.
    """

    grid: Grid
    box_nm: np.ndarray
    places: np.ndarray
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.box_nm)

    @property
    def middle_nm(self) -> np.ndarray:
        return 0.5 * (self.box_nm[:, :2] + self.box_nm[:, 2:])

    def neighbours(self, reach_nm: float) -> np.ndarray:
        """Pairs (n, 2) of contacts whose boxes are at most so far apart, one of them at least in the window."""
        x0, y0, x1, y1 = self.box_nm.T
        apart = [
            np.maximum(np.maximum(low[:, None] - high[None], low[None] - high[:, None]), 0)
            for low, high in ((x0, x1), (y0, y1))
        ]
        near = (np.hypot(*apart) <= reach_nm) & (self.inside[:, None] | self.inside[None])
        return np.argwhere(np.triu(near, 1))


@dataclass(frozen=True)
class Sizes:
    """What contacts print, (draw, n): equivalent diameter in nm of its opening (NaN if missing), and how it fails."""

    cd_nm: np.ndarray
    missing: np.ndarray
    merged: np.ndarray

    @property
    def good(self) -> np.ndarray:
        return ~(self.missing | self.merged)


def find_contacts(layout: Layout, window_nm, grid: Grid, most_nm: float) -> Contacts:
    """Polygons of a layout that lie on a grid, with a box of at most `most_nm` a side."""
    x0, y0, x1, y1 = window_nm
    left, low, right, high = grid.window_nm
    boxes = layout.boxes * layout.dbu_nm
    small = ((boxes[:, 2:] - boxes[:, :2]) <= most_nm).all(1)
    whole = (boxes[:, :2] >= (left, low)).all(1) & (boxes[:, 2:] <= (right, high)).all(1)
    boxes = boxes[small & whole]
    places = np.zeros(grid.shape, np.int32)
    for number, (a, b, c, d) in enumerate(boxes, 1):
        columns, rows = (grid.x_nm > a) & (grid.x_nm < c), (grid.y_nm > b) & (grid.y_nm < d)
        places[np.ix_(rows, columns)] = number
    middle = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    inside = ((middle >= (x0, y0)) & (middle < (x1, y1))).all(1)
    return Contacts(grid, boxes, places, inside)


def measured(contacts: Contacts, surplus: Iterable[np.ndarray]) -> Sizes:
    """Sizes and failures of contacts in the window, from exposures [y, x] that print where they are positive.

    A contact is missing where nothing prints in its drawn box, merged where its print reaches that of another
    contact. Pixels connect by their sides. The size is that of the whole print with its corners cut by the contour.
    """
    found = [_one(contacts, height) for height in surplus]
    return Sizes(*(np.stack(each)[:, contacts.inside] for each in zip(*found, strict=True)))


def _one(contacts: Contacts, height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places, count = contacts.places, len(contacts)
    pieces, number = ndimage.label(height > 0)  # type: ignore[misc]
    pairs = np.unique(np.stack([places[(places > 0) & (pieces > 0)], pieces[(places > 0) & (pieces > 0)]]), axis=1)
    owners = np.bincount(pairs[1], minlength=number + 1)
    missing = np.bincount(pairs[0], minlength=count + 1)[1:] == 0
    merged = np.zeros(count + 1, bool)
    merged[pairs[0][owners[pairs[1]] > 1]] = True
    # The contour lies within a pixel of the pixels that print.
    near = ndimage.maximum_filter(pieces, footprint=_EIGHT)
    area = np.bincount(near.ravel(), area_fraction(height).ravel(), minlength=number + 1)
    of = np.bincount(pairs[0], area[pairs[1]], minlength=count + 1)[1:] * contacts.grid.pitch_nm**2
    return np.where(missing, np.nan, np.sqrt(4 * of / np.pi)), missing, merged[1:]
