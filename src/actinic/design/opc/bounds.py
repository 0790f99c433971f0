"""Mask rules as distances between pairs of edges.

Every rule of a Manhattan mask is a distance between two parallel edges, `position[j] - position[i] >= limit`: the
length of an edge is the distance of its two neighbours, a width or space that of two edges that face each other. Such
a system is kept by rounding all positions alike to a grid that divides the limits.
"""

import numpy as np

from .edges import Edges


def distances(edges: Edges, width_nm: float, space_nm: float, jog_nm: float, reach_nm: float):
    """Pairs (i, j) of edges and the least distance position[j] - position[i] in nm that the rules ask of them.

    Pairs farther apart than their rule by more than twice the reach are left out: no step of at most `reach_nm` matters
    to them. Corners that face each other diagonally keep the axis on which they are farther apart.
    """
    low, high = edges.span_nm
    found = [_lengths(edges, jog_nm)]
    for upright in (False, True):
        own = np.flatnonzero(edges.upright == upright)
        for outward, limit in ((1, space_nm), (-1, width_nm)):
            first, second = (own[edges.outward[own] == side] for side in (outward, -outward))
            i, j = _near(edges.position_nm, first, second, limit + 2 * reach_nm)
            gap = np.maximum(low[i], low[j]) - np.minimum(high[i], high[j])
            apart = edges.position_nm[j] - edges.position_nm[i]
            # A pair whose ends are farther apart than the edges themselves is kept apart there, by the edges that
            # end them.
            keep = (gap < limit + 2 * reach_nm) & ((gap <= 0) | (apart >= gap - 1e-9))
            i, j, gap, apart = (v[keep] for v in (i, j, gap, apart))
            # Two corners diagonally within the limit stay as far apart as they are.
            diagonal = (gap > 0) & (apart < limit) & (np.hypot(np.maximum(gap, 0), apart) >= limit)
            found.append((i, j, np.where(diagonal, apart, limit)))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def _lengths(edges: Edges, jog_nm: float):
    first, last = edges.before, edges.after
    swap = edges.forward < 0
    return np.where(swap, last, first), np.where(swap, first, last), np.full(len(edges), float(jog_nm))


def _near(position: np.ndarray, first: np.ndarray, second: np.ndarray, reach: float):
    """Pairs of one of the first and one of the second edges at most so much above it."""
    second = second[np.argsort(position[second], kind="stable")]
    at = position[second]
    begin, end = np.searchsorted(at, position[first], "left"), np.searchsorted(at, position[first] + reach, "right")
    count = end - begin
    i = np.repeat(first, count)
    order = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return i, second[np.repeat(begin, count) + order]
