"""Measured line widths from a CSV file: one row a measurement, good rows kept, bad ones rejected with line and reason.

`lot,wafer,field_column,field_row,feature,x_mm,y_mm,cd_nm`, with `sigma_nm` if it is known; x_mm, y_mm are the place in
the field, from its centre. Empty cd_nm: the feature was not there to be measured.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import InputError
from .rows import Rejected, Row, read_table

COLUMNS = ("lot", "wafer", "field_column", "field_row", "feature", "x_mm", "y_mm", "cd_nm")


@dataclass(frozen=True)
class Widths:
    """Measured widths: arrays (n,); `sigma_nm` is NaN where the file gives none, `line` is where each stood."""

    lot: np.ndarray
    wafer: np.ndarray
    field_column: np.ndarray
    field_row: np.ndarray
    feature: np.ndarray
    x_mm: np.ndarray
    y_mm: np.ndarray
    cd_nm: np.ndarray
    sigma_nm: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        return len(self.lot)

    def __getitem__(self, rows) -> "Widths":
        return Widths(*(getattr(self, one.name)[rows] for one in fields(self)))

    def by_field(self) -> list[np.ndarray]:
        """Rows of each exposed field, in the order of their first row."""
        keys = list(zip(self.lot.tolist(), self.wafer.tolist(), self.field_column.tolist(), self.field_row.tolist(),
                        strict=True))  # fmt: skip
        found: dict[tuple, list[int]] = {}
        for n, key in enumerate(keys):
            found.setdefault(key, []).append(n)
        return [np.array(rows) for rows in found.values()]


def read_widths(path: Path) -> tuple[Widths, list[Rejected]]:
    """Widths of a file and the rows rejected. InputError where it is no such table or has no good row."""
    seen: dict[tuple[str, ...], int] = {}

    def width(row: Row) -> tuple:
        cells = tuple(row.cells.values())
        if seen.setdefault(cells, row.line) != row.line:
            raise ValueError(f"repeats line {seen[cells]}")
        if not row.cells["cd_nm"]:
            raise ValueError("not measured")
        sigma = row.number("sigma_nm", 0, 1000, np.nan) if "sigma_nm" in row.cells else np.nan
        if sigma == 0:
            raise ValueError("sigma_nm is 0: no measurement is exact")
        return (row.text("lot"), row.text("wafer"), row.whole("field_column"), row.whole("field_row"),
                row.text("feature"), row.number("x_mm", -26, 26), row.number("y_mm", -33, 33),
                row.number("cd_nm", 0.1, 1e5), sigma, row.line)  # fmt: skip

    good, rejected = read_table(path, COLUMNS).sorted_out(width)
    if not good:
        raise InputError(f"{path}: no row can be used (line {rejected[0].line}: {rejected[0].reason})")
    return Widths(*map(np.array, zip(*good, strict=True))), rejected
