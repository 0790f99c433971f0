"""Scores of the ICCAD 2013 mask-optimisation contest on boolean 1 nm rasters [y, x], checkers as published.

A target raster is periodic where a check looks past its border. Numbers are comparable only within one
dialect of target raster and one EPE checker.
"""

import numpy as np

from ..errors import InputError

SITE_STEP, SHORT_EDGE = 40, 80


def l2(printed: np.ndarray, target: np.ndarray) -> int:
    """Number of pixels where the nominal print and the target differ."""
    _same_shape(printed, target)
    return int(np.count_nonzero(printed != target))


def pvb(outer: np.ndarray, inner: np.ndarray) -> int:
    """Number of pixels where the outermost and the innermost print differ."""
    _same_shape(outer, inner)
    return int(np.count_nonzero(outer != inner))


def epe_openilt(target: np.ndarray, printed: np.ndarray, tolerance: int = 15) -> int:
    """Edge violations by the checker of OpenILT and LithoBench, inner plus outer.

    Sites stand on the boundary pixels of the target: one in the middle of a run of up to 81 pixels, on longer
    runs every 40 pixels from both ends to the middle. The print must be there `tolerance` pixels inside and
    absent as far outside; one site can fail twice. A run ends only where the next boundary pixel in scan order
    is not one row further, so two runs of neighbouring scan columns can join, as they do in the original; a run
    whose first site has target (or none) on both sides is not checked, where the original stops with an error.
    """
    _same_shape(printed, target)
    inside = target.astype(bool)
    full = np.pad(inside, 1)
    for axis in (0, 1):  # a pixel with all 8 neighbours inside is not boundary
        full[1:-1, 1:-1] &= (np.roll(full, 1, axis) & np.roll(full, -1, axis))[1:-1, 1:-1]
    boundary = inside & ~full[1:-1, 1:-1]
    printed = printed.astype(bool)
    return _upright(boundary, inside, printed, tolerance) + _upright(boundary.T, inside.T, printed.T, tolerance)


def _upright(boundary: np.ndarray, inside: np.ndarray, printed: np.ndarray, tolerance: int) -> int:
    """Violations at the boundary pixels that run along the first axis."""
    nx = inside.shape[1]
    padded = np.pad(boundary, ((0, 0), (1, 1)))
    column, row = np.nonzero((boundary & ~(padded[:, :-2] & padded[:, 2:])).T)
    breaks = np.flatnonzero(np.diff(row) != 1)
    violations = 0
    for first, last in zip(np.r_[0, breaks + 1], np.r_[breaks, row.size - 1], strict=True):
        if row.size == 0:
            break
        start, end = int(row[first]), int(row[last])
        middle = (start + end) // 2
        if end - start <= SHORT_EDGE:
            rows, x = np.array([middle]), (int(column[first]) + int(column[last])) // 2
        else:
            low = np.arange(start + SITE_STEP, middle + 1, SITE_STEP)
            rows, x = np.union1d(low, np.arange(end - SITE_STEP, middle, -SITE_STEP)), int(column[first])
        before, after = inside[rows[0], (x - 1) % nx], inside[rows[0], (x + 1) % nx]
        if before == after:
            continue
        inward = tolerance if after else -tolerance
        violations += np.count_nonzero(~printed[rows, (x + inward) % nx])
        violations += np.count_nonzero(printed[rows, (x - inward) % nx])
    return int(violations)


def epe_neuralilt(target: np.ndarray, printed: np.ndarray, tolerance: int = 15) -> int:
    """Edge violations by the checker of Neural-ILT, whose users are Multi-ILT and A2-ILT; one a site.

    Edges are those of the rectilinear polygon through the target's boundary pixels, as a contour follower walks
    them (+y on left edges): an edge that ends at a concave corner takes the corner's pixel, the next one starts
    after it. Edges of up to 80 pixels have one site at the middle, longer ones every 40 pixels from 40 in, and
    one 40 before the end. A site is violated if the print is there `tolerance + 1` pixels outside or missing as
    far inside. Jogs of one to three pixels can count differently from the original, which stops on some of them.
    """
    _same_shape(printed, target)
    inside, printed = target.astype(bool), printed.astype(bool)
    reach = tolerance + 1
    return (
        _side(inside, printed, outward=-1, walk=1, reach=reach)
        + _side(inside, printed, outward=1, walk=-1, reach=reach)
        + _side(inside.T, printed.T, outward=1, walk=1, reach=reach)
        + _side(inside.T, printed.T, outward=-1, walk=-1, reach=reach)
    )


def _side(inside: np.ndarray, printed: np.ndarray, outward: int, walk: int, reach: int) -> int:
    """Violations on the edges along the first axis whose outside lies at `outward`, walked up or down."""
    nx = inside.shape[1]
    padded = np.pad(inside, 1)
    edge = inside & ~padded[1:-1, 1 + outward : nx + 1 + outward]
    column, row = np.nonzero(edge.T)
    if row.size == 0:
        return 0
    breaks = np.flatnonzero((np.diff(row) != 1) | (np.diff(column) != 0))
    start, end, x = row[np.r_[0, breaks + 1]], row[np.r_[breaks, row.size - 1]], column[np.r_[0, breaks + 1]]
    if walk > 0:
        end = end + padded[end + 2, x + 1]
    else:
        start = start - padded[start, x + 1]
    rows, columns = [], []
    for a, b, c in zip(start.tolist(), end.tolist(), x.tolist(), strict=True):
        if b - a <= 1:
            continue
        short = b - a <= SHORT_EDGE
        sites = [(a + b) // 2] if short else [*range(a + SITE_STEP, b - SITE_STEP, SITE_STEP), b - SITE_STEP]
        rows += sites
        columns += [c] * len(sites)
    y, x = np.array(rows, int), np.array(columns, int)
    outside = printed[y, (x + outward * reach) % nx]
    return int(np.count_nonzero(outside | ~printed[y, (x - outward * reach) % nx]))


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape or a.ndim != 2:
        raise InputError(f"the contest's scores need two rasters of one shape, not {a.shape} and {b.shape}")
