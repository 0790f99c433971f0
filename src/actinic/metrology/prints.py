"""What prints where nothing should, does not print where something should, merges or comes apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..types import Grid

SIDE_LOBE, ASSIST, MISSING, BRIDGE, OPEN = KINDS = ("side lobe", "printed assist", "missing", "bridge", "open")
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Print:
    """What one corner prints: latent samples [y, x], printed above the level or below it."""

    name: str
    values: np.ndarray
    grid: Grid
    level: float
    above: bool

    @property
    def height(self) -> np.ndarray:
        """How far the samples lie on the side of the level that prints."""
        return (self.values - self.level) if self.above else (self.level - self.values)


@dataclass(frozen=True)
class Defect:
    """One place where the print is not connected as the target is.

    `side lobe`: printed off every target; `printed assist`: the same, on a polygon of the mask; `missing`: a target
    of which nothing prints; `bridge`: the part of a print between the targets that it joins; `open`: the part of a
    target between the prints into which it falls. `area_nm2` is the largest over the corners where it is seen.
    """

    kind: str
    box_nm: tuple[float, float, float, float]
    area_nm2: float
    corners: tuple[str, ...]  # the worst first

    @property
    def at_nm(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box_nm
        return (x0 + x1) / 2, (y0 + y1) / 2


def print_defects(
    prints: Iterable[tuple[str, np.ndarray]],
    target: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    window_nm: tuple[float, float, float, float],
    sliver_nm2: float,
) -> list[Defect]:
    """Defects that reach into a window, over all corners, by kind and then the largest first.

    `prints` are the corners' names and bool [y, x]; `target` and `mask` bool [y, x] say where their polygons are.
    All are on the pixels of `grid`, which should reach beyond the window so that what a border cuts off is still
    seen to belong to something. Pixels connect by their sides. Prints and targets smaller than `sliver_nm2` do not
    count. Defects at one place are one over the corners; areas are right to a pixel along the contour.
    """
    least = sliver_nm2 / grid.pitch_nm**2
    wanted, targets = _pieces(target, least)
    corners: list[str] = []
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    for corner, printed in prints:
        corners.append(corner)
        there, pieces = _pieces(printed, least)
        lonely = _of(pieces, _without(pieces, wanted))
        on_mask = _of(pieces, np.setdiff1d(np.unique(pieces[lonely & mask]), [0]))
        found[SIDE_LOBE].append(np.flatnonzero(lonely & ~on_mask))
        found[ASSIST].append(np.flatnonzero(on_mask))
        found[MISSING].append(np.flatnonzero(_of(targets, _without(targets, there))))
        found[BRIDGE].append(np.flatnonzero(_between(there & ~wanted, np.where(there, targets, 0))))
        found[OPEN].append(np.flatnonzero(_between(wanted & ~there, np.where(wanted, pieces, 0))))
    return [defect for kind in KINDS for defect in _grouped(kind, corners, found[kind], grid, window_nm)]


def counted(defects: Iterable[Defect]) -> dict[str, int]:
    """How many of each kind, with names fit for a file: side_lobes, printed_assists, missing, bridges, opens."""
    kinds = [defect.kind for defect in defects]
    names = ("side_lobes", "printed_assists", "missing", "bridges", "opens")
    return {name: kinds.count(kind) for name, kind in zip(names, KINDS, strict=True)}


def _pieces(part: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """The part without pieces of fewer pixels, and the labels of the others."""
    labels, _ = ndimage.label(part)  # type: ignore[misc]
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    labels = np.where(large[labels], labels, 0)
    return labels > 0, labels


def _without(labels: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Labels of pieces that hold nothing of the part."""
    return np.setdiff1d(np.unique(labels), [0, *np.unique(labels[part])])


def _of(labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Pixels [y, x] of the chosen pieces."""
    is_chosen = np.zeros(int(labels.max()) + 1, bool)
    is_chosen[chosen] = True
    return is_chosen[labels]


def _between(part: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pixels of those pieces of a part that have at least two labels for neighbours."""
    pieces, count = ndimage.label(part)  # type: ignore[misc]
    pairs = []
    for ours, theirs in ((pieces, labels), (pieces.T, labels.T)):
        for a, b in ((ours[1:], theirs[:-1]), (ours[:-1], theirs[1:])):
            meet = (a > 0) & (b > 0)
            pairs.append(np.stack([a[meet], b[meet]], 1))
    pairs = np.unique(np.concatenate(pairs), axis=0)
    return _of(pieces, np.flatnonzero(np.bincount(pairs[:, 0], minlength=count + 1) >= 2))


def _grouped(kind: str, corners: Sequence[str], found: Sequence[np.ndarray], grid: Grid, window_nm) -> list[Defect]:
    """Defects from their pixels (flat indices) by corner: pixels that touch, at whatever corner, are one."""
    if not any(pixels.size for pixels in found):
        return []
    seen = np.zeros(grid.shape, bool)
    for pixels in found:
        seen.flat[pixels] = True
    labels, count = ndimage.label(seen, _EIGHT)  # type: ignore[misc]
    sizes = np.stack([np.bincount(labels.flat[pixels], minlength=count + 1) for pixels in found])
    x0, y0, x1, y1 = window_nm
    columns, rows = (grid.x_nm > x0) & (grid.x_nm < x1), (grid.y_nm > y0) & (grid.y_nm < y1)
    inside = np.setdiff1d(np.unique(labels[np.ix_(rows, columns)]), [0])
    boxes, (left, low), pitch = ndimage.find_objects(labels), grid.origin_nm, grid.pitch_nm
    defects = []
    for label in inside.tolist():
        y, x = boxes[label - 1]
        box = left + x.start * pitch, low + y.start * pitch, left + x.stop * pitch, low + y.stop * pitch
        size = sizes[:, label]
        worst = [k for k in np.argsort(-size, kind="stable") if size[k]]
        defects.append(Defect(kind, box, float(size.max() * pitch**2), tuple(corners[k] for k in worst)))
    return sorted(defects, key=lambda defect: -defect.area_nm2)
