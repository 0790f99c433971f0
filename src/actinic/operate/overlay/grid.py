"""The dense grid that a correction is judged on."""

import numpy as np

from ...wafer import ExposureMap, Marks, Places

PER_AXIS = 7


def dense_grid(marks: Marks, exposure: ExposureMap | None = None) -> tuple[Places, np.ndarray, np.ndarray]:
    """Points in every field, 7 x 7 each, and the fields' columns and rows (n,).

    With an exposure map they lie in its fields, partial ones too; without, in the fields that were measured, over
    what the marks span of a field. Chuck and scan are those of the marks: the first chuck, where more were measured,
    and the scan of each field's marks.
    """
    if exposure is not None:
        fields = exposure.fields(partial=True)
        which, X, Y, x, y = exposure.points(fields, PER_AXIS)
        column, row, scan = fields.column[which], fields.row[which], fields.scan[which]
    else:
        _, first, index = np.unique(marks.position, return_index=True, return_inverse=True)
        moved_x, moved_y = field_centres(marks, index)
        sides = [np.linspace(v.min(), v.max(), PER_AXIS) for v in (marks.x_mm, marks.y_mm)]
        x, y = (np.tile(part.ravel(), len(first)) for part in np.meshgrid(*sides))
        repeat = PER_AXIS**2
        inside = 0.0 if centred(marks) else 1.0
        X, Y = np.repeat(moved_x, repeat) + inside * x, np.repeat(moved_y, repeat) + inside * y
        column, row = (np.repeat(part[first], repeat) for part in (marks.field_column, marks.field_row))
        scan = None if marks.scan is None else np.repeat(marks.scan[first], repeat)
    chuck = np.full(len(x), min(set(marks.chuck.tolist())))
    return Places(X, Y, x, y, chuck, scan), column, row


def centred(marks: Marks) -> bool:
    """Whether X_mm, Y_mm are the same for all marks of a field though these lie apart: the centres of fields."""
    order = np.argsort(marks.field, kind="stable")
    same = np.diff(marks.field[order]) == 0
    if not same.any():
        return False
    apart = np.hypot(np.diff(marks.x_mm[order]), np.diff(marks.y_mm[order]))[same]
    moved = np.hypot(np.diff(marks.X_mm[order]), np.diff(marks.Y_mm[order]))[same]
    return bool(apart.max() > 0.1 and moved.max() < 1e-3)


def field_centres(marks: Marks, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean centre of each field by its number."""
    inside = 0.0 if centred(marks) else 1.0
    count = np.bincount(index)
    return (
        np.bincount(index, marks.X_mm - inside * marks.x_mm) / count,
        np.bincount(index, marks.Y_mm - inside * marks.y_mm) / count,
    )
