"""How a contact fails, as a yes or no for each exposure, and a smooth measure of how far it is from failing."""

from dataclasses import dataclass, replace

import jax
import numpy as np
from scipy import ndimage

from ..types import Grid
from .chance import Chance, Film
from .contacts import Contacts

# Sharpness of the smooth extremes, in units of the relative surplus.
SHARP = 0.05


@dataclass(frozen=True)
class Failure:
    """One contact that may be missing, or two that may merge, with the piece of the image around them.

    `first` and `second` bool (y, x) are the pixels of their drawn boxes, `second` None for a missing contact; `path`
    bool (y, x) the pixels between, along which the print would join them.
    """

    kind: str
    chance: Chance
    first: np.ndarray
    second: np.ndarray | None
    path: np.ndarray
    at_nm: tuple[float, float]

    def happened(self, surplus: np.ndarray) -> np.ndarray:
        """Whether it fails (draw,) in exposures (draw, y, x)."""
        if self.second is None:
            return surplus[:, self.first].max(1) <= 0
        return np.array([self._joined(height) for height in surplus])

    def _joined(self, height: np.ndarray) -> bool:
        pieces, _ = ndimage.label(height > 0)  # type: ignore[misc]
        shared = np.intersect1d(pieces[self.first], pieces[self.second])
        return bool((shared > 0).any())

    def margin(self, surplus):
        """Smooth number that is positive far from failure and negative after it, from one exposure (y, x), JAX."""
        over = surplus[np.nonzero(self.path)]
        if self.second is None:
            return SHARP * jax.nn.logsumexp(over / SHARP)
        return SHARP * jax.nn.logsumexp(-over / SHARP)


def missing(film: Film, image: np.ndarray, contacts: Contacts, number: int) -> Failure:
    """That one of the contacts on the grid of a mean image [y, x] is missing."""
    part, _ = _around(film, contacts.grid, contacts.box_nm[number])
    own = contacts.places[part] == number + 1
    return Failure("missing", film.on(image[part]), own, None, own, tuple(contacts.middle_nm[number].tolist()))


def merged(film: Film, image: np.ndarray, contacts: Contacts, pair: tuple[int, int]) -> Failure:
    """That two of the contacts merge, by whatever way."""
    a, b = contacts.box_nm[list(pair)]
    part, grid = _around(film, contacts.grid, np.r_[np.minimum(a, b)[:2], np.maximum(a, b)[2:]])
    first, second = (contacts.places[part] == number + 1 for number in pair)
    path = np.zeros(grid.shape, bool)
    path[_between(contacts, pair, grid)] = True
    middle = contacts.middle_nm[list(pair)].mean(0)
    return Failure("merged", film.on(image[part]), first, second, path, tuple(middle.tolist()))


def nearest(contacts: Contacts, pairs: np.ndarray, surplus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contacts in the window by how little they print, and of the pairs (n, 2) which are divided least, worst first.

    `surplus` [y, x] is an exposure without noise.
    """
    inside = np.flatnonzero(contacts.inside)
    most = ndimage.maximum(surplus, contacts.places, inside + 1)
    least = [surplus[_between(contacts, pair, contacts.grid)].min() for pair in pairs]
    return inside[np.argsort(most, kind="stable")], pairs[np.argsort(least, kind="stable")[::-1]]


def _between(contacts: Contacts, pair, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels from the middle of one contact to that of another."""
    start, end = contacts.middle_nm[list(pair)]
    steps = np.linspace(start, end, 4 * int(np.ceil(np.hypot(*(end - start)) / grid.pitch_nm)) + 1)
    columns, rows = np.floor((steps - grid.origin_nm) / grid.pitch_nm).astype(int).T
    return rows, columns


def _around(film: Film, grid: Grid, box_nm) -> tuple[tuple[slice, slice], Grid]:
    """The part of a grid that holds a box and all that is felt in it."""
    low = np.floor((np.array(box_nm[:2]) - film.reach_nm - grid.origin_nm) / grid.pitch_nm).astype(int)
    high = np.ceil((np.array(box_nm[2:]) + film.reach_nm - grid.origin_nm) / grid.pitch_nm).astype(int)
    (x, y), (right, top) = np.maximum(low, 0).tolist(), np.minimum(high, grid.shape[::-1]).tolist()
    origin = tuple(o + k * grid.pitch_nm for o, k in zip(grid.origin_nm, (x, y), strict=True))
    return np.s_[y:top, x:right], replace(grid, shape=(top - y, right - x), origin_nm=origin)
