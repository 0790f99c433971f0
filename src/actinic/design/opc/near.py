"""Which boxes lie near which, and groups of boxes that lie far from each other."""

import numpy as np

# Boxes looked at together: few enough that most of what they are compared with is near one of them.
TOGETHER = 64


def within(box_nm: np.ndarray, other_nm: np.ndarray, reach_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the pairs (box, other) nearer than the reach; boxes are (n, 4) of x0, y0, x1, y1 in nm, or points."""
    boxes, others = [], []
    # Along the axis in which they are narrow, few of the others reach as far as a box does.
    wide = np.ptp(other_nm[:, ::2], axis=1) > np.ptp(other_nm[:, 1::2], axis=1)
    for axis, members in ((1, np.flatnonzero(wide)), (0, np.flatnonzero(~wide))):
        members = members[np.argsort(other_nm[members, axis], kind="stable")]
        theirs = other_nm[members]
        starts, ends = theirs[:, axis], np.maximum.accumulate(theirs[:, axis + 2])
        asked = np.argsort(box_nm[:, axis], kind="stable")
        for k in range(0, len(asked), TOGETHER):
            mine = asked[k : k + TOGETHER]
            own = box_nm[mine]
            first = np.searchsorted(ends, own[:, axis].min() - reach_nm)
            last = np.searchsorted(starts, own[:, axis + 2].max() + reach_nm)
            i, j = np.nonzero(_apart(own[:, None], theirs[None, first:last]) < reach_nm)
            boxes.append(mine[i])
            others.append(members[first + j])
    box, other = (np.concatenate(found) if found else np.zeros(0, int) for found in (boxes, others))
    order = np.lexsort((other, box))
    return box[order], other[order]


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance in nm of boxes (..., 4), zero where they touch."""
    x, y = (np.maximum(np.maximum(a[..., k] - b[..., k + 2], b[..., k] - a[..., k + 2]), 0) for k in (0, 1))
    return np.hypot(x, y)


def grouped(box_nm: np.ndarray, apart_nm: float) -> np.ndarray:
    """A group (n,) for every box so that two of one group are at least so far apart; the crowded ones come first."""
    box, other = within(box_nm, box_nm, apart_nm)
    bounds = np.searchsorted(box, np.arange(len(box_nm) + 1))
    close = np.split(other, bounds[1:-1])
    group = np.full(len(box_nm), -1)
    for k in np.argsort(-np.diff(bounds), kind="stable"):
        taken = np.zeros(len(box_nm) + 1, bool)
        taken[group[close[k]]] = True  # -1, not grouped yet, marks the spare last one
        group[k] = int(np.argmin(taken[:-1]))
    return group
