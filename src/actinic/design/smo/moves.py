"""Which edges of a periodic clip's mask can move, together with which others, and how far."""

from dataclasses import dataclass

import numpy as np

from ...layout import Fragments, Layout, fragments, repeated
from ..limits import MaskLimits
from .clips import Clip


@dataclass(frozen=True)
class Moves:
    """How a clip's mask can change: pieces of edges that move together, within bounds.

    `whole` is the mask and its periodic surroundings, `pieces` its edges, `group` (piece,) which move together, -1 for
    those that stay. `low_nm`, `high_nm` (group,) say how far outwards.
    """

    whole: Layout
    pieces: Fragments
    group: np.ndarray
    own: np.ndarray  # bool (piece,): stands in the window
    low_nm: np.ndarray
    high_nm: np.ndarray
    before: np.ndarray  # int (piece,): its neighbours in the polygon's ring
    after: np.ndarray

    def outward(self, moves_nm: np.ndarray, bias_nm: float = 0.0) -> np.ndarray:
        """Distance (piece,) of every piece."""
        return np.where(self.group >= 0, moves_nm[np.maximum(self.group, 0)] if moves_nm.size else 0.0, 0.0) + bias_nm

    def placed(self, outward_nm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Middles x, y and lengths (piece,) in nm after all went outwards: at corners a neighbour's move counts."""
        p = self.pieces
        tx, ty = -p.ny, p.nx
        start, end = (outward_nm[near] * (p.nx[near] * tx + p.ny[near] * ty) for near in (self.before, self.after))
        middle = 0.5 * (start + end)
        return (
            p.x_nm + p.nx * outward_nm + tx * middle,
            p.y_nm + p.ny * outward_nm + ty * middle,
            p.length_nm + end - start,
        )


def moves(clip: Clip, limits: MaskLimits, reach_nm: float, piece_nm: float, mirrored: bool) -> Moves:
    """The edges of a clip's mask, in pieces of at most `piece_nm`, and how far they may go.

    A piece and the one across it share what their width or space exceeds the mask limits by. Copies of a piece, and
    with `mirrored` its mirror images in a clip that has them, move together. InputError for slanted edges.
    """
    x0, y0, x1, y1 = clip.window_nm
    across, up = x1 - x0, y1 - y0
    whole = repeated(clip.mask, clip.window_nm, max(across, up))
    found = fragments(whole, 2 * reach_nm + max(limits.width_nm, limits.space_nm))
    pieces = _shorter(found, piece_nm, across, up, whole.dbu_nm)
    # A piece through several periods is one of its own copies.
    place = np.stack([(pieces.x_nm - x0) % across, (pieces.y_nm - y0) % up], 1)
    long = pieces.length_nm >= np.where(pieces.nx != 0, up, across) - 1e-6
    place = np.where(np.stack([long & (pieces.ny != 0), long & (pieces.nx != 0)], 1), 0.0, place)
    length = np.where(long, np.where(pieces.nx != 0, up, across), pieces.length_nm)
    key = np.rint(np.column_stack([place / whole.dbu_nm * 2, pieces.nx, pieces.ny, length / whole.dbu_nm])).astype(int)
    key[:, :2] %= np.rint(np.array([across, up]) / whole.dbu_nm * 2).astype(int)
    own = (
        (pieces.x_nm >= x0 - 1e-6) & (pieces.x_nm < x1 - 1e-6) & (pieces.y_nm >= y0 - 1e-6) & (pieces.y_nm < y1 - 1e-6)
    )
    own |= long & ~_outside(pieces, clip.window_nm)
    known = {tuple(k) for k in key[own].tolist()}
    images = [key]
    if mirrored:
        for flip in _symmetries(known, across, up, whole.dbu_nm):
            images.append(flip(images[0]))
            if len(images) == 3:
                images.append(flip(images[1]))
    names = [min(tuple(image[k]) for image in images) for k in range(len(key))]
    order = {name: n for n, name in enumerate(sorted({names[k] for k in np.flatnonzero(own)}))}
    group = np.array([order.get(name, -1) for name in names], int)
    high = np.minimum(reach_nm, np.maximum(0.5 * (pieces.space_nm - limits.space_nm), 0))
    low = np.minimum(reach_nm, np.maximum(0.5 * (pieces.width_nm - limits.width_nm), 0))
    bounds = np.full((2, len(order)), reach_nm)
    for side, of_piece in zip(bounds, (low, high), strict=True):
        np.minimum.at(side, group[own], of_piece[own])
    return Moves(whole, pieces, group, own, -bounds[0], bounds[1], *_neighbours(whole, pieces))


def _neighbours(whole: Layout, pieces: Fragments) -> tuple[np.ndarray, np.ndarray]:
    """The piece before and the piece after each one in its ring, int (piece,)."""
    ring = np.repeat(np.arange(len(whole.contours)), [len(ring) for ring in whole.contours])[pieces.edge]
    own = np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(ring)) + 1)
    before, after = (np.concatenate([np.roll(each, k) for each in own]) for k in (1, -1))
    return before, after


def _outside(pieces: Fragments, window_nm) -> np.ndarray:
    """Whether the line of a piece lies beside the window."""
    x0, y0, x1, y1 = window_nm
    upright = pieces.nx != 0
    line = np.where(upright, pieces.x_nm, pieces.y_nm)
    low, high = np.where(upright, x0, y0), np.where(upright, x1, y1)
    return (line < low - 1e-6) | (line >= high - 1e-6)


def _shorter(found: Fragments, piece_nm: float, across: float, up: float, dbu_nm: float) -> Fragments:
    """Pieces cut into equal parts of at most `piece_nm`; those through a whole period stay as they are."""
    period = np.where(found.nx != 0, up, across)
    parts = np.where(found.length_nm >= period - 1e-6, 1, np.ceil(found.length_nm / piece_nm - 1e-9)).astype(int)
    parts = np.maximum(np.minimum(parts, np.floor(found.length_nm / dbu_nm + 1e-9).astype(int)), 1)
    index = np.repeat(np.arange(len(found)), parts)
    nth = np.arange(index.size) - np.repeat(np.cumsum(parts) - parts, parts)
    units = np.rint(found.length_nm / dbu_nm).astype(int)[index]
    begin, end = (units * (nth + k) // parts[index] * dbu_nm for k in (0, 1))
    # Along the edge's direction, which has the inside to its left.
    middle = 0.5 * (begin + end) - 0.5 * found.length_nm[index]
    tx, ty = -found.ny[index], found.nx[index]
    return Fragments(
        found.x_nm[index] + tx * middle,
        found.y_nm[index] + ty * middle,
        found.nx[index],
        found.ny[index],
        end - begin,
        found.width_nm[index],
        found.space_nm[index],
        *[np.full(index.size, -1)] * 2,  # nobody asks which piece is across
        found.edge[index],
    )


def _symmetries(known: set, across: float, up: float, dbu_nm: float):
    """The mirrors about the window's middle lines that take the clip's pieces to themselves, on their keys."""
    sizes = [round(2 * extent / dbu_nm) for extent in (across, up)]

    def mirror(axis):
        def flip(key):
            turned = key.copy()
            turned[:, axis] = -key[:, axis] % sizes[axis]
            turned[:, 2 + axis] = -key[:, 2 + axis]
            return turned

        return flip

    keys = np.array(sorted(known)).reshape(-1, 5)
    return [flip for flip in (mirror(0), mirror(1)) if {tuple(k) for k in flip(keys).tolist()} == known]
