"""Rows of text as columns of measurements, and what is wrong with those that are none."""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...wafer import COLUMNS
from ..rows import Rejected
from .columns import KEPT, LIMITS, PRESENT, RADIUS_MM, SPELLED, TYPES
from .tables import Rows

Columns = dict[str, np.ndarray]
_ABSENT = {"", "na", "nan", "n/a", "none", "null", "-"}
_LONGEST = 200
# Wafer and field positions by their long names; their short ones differ in case alone.
_MEANT = {KEPT[name].replace("_", ""): name for name in TYPES} | {
    "lotid": "lot",
    "waferid": "wafer",
    "chuckid": "chuck",
}
_SCANS = {"up": "1", "+": "1", "down": "-1", "-": "-1"}


def places(header: Sequence[str], path: Path) -> dict[str, int]:
    """For each known column its place in the header. Case, spaces and underscores do not matter, but X is not x.

    InputError where a needed one is missing or a known one comes twice.
    """
    names = [_column(cell) for cell in header]
    twice = [name for name in TYPES if names.count(name) > 1]
    if twice:
        raise InputError(f"{path}: the header names {', '.join(twice)} twice")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        others = [cell for cell, name in zip(header, names, strict=True) if cell and name is None]
        near = {name: difflib.get_close_matches(name, others, 1, 0.6) for name in missing}
        told = [f"{name} (not {near[name][0]})" if near[name] else name for name in missing]
        raise InputError(f"{path}: the first line must name the columns; it lacks {', '.join(told)}")
    return {name: names.index(name) for name in TYPES if name in names}


def _column(cell: str) -> str | None:
    """The column that a cell of a header means."""
    if cell in SPELLED:
        return cell
    return _MEANT.get(re.sub(r"[\s_]", "", cell).lower())


def check(rows: Rows, where: dict[str, int]) -> tuple[Columns, np.ndarray, list[Rejected]]:
    """The rows that are measurements, as an array for each column, their lines, and the rows rejected with the reason.

    Absent numbers are NaN, absent times NaT, absent texts None.
    """
    cells = list(zip(*rows.cells, strict=True))
    if not cells:
        return {name: np.empty(0) for name in where}, np.empty(0, dtype=np.int64), rows.rejected
    faults: dict[int, str] = {}
    columns: Columns = {}
    for name, place in where.items():
        needed = name in PRESENT
        match TYPES[name]:
            case "VARCHAR":
                columns[name] = _each(name, cells[place], lambda text, needed=needed: _text(text, needed), faults)
            case "TIMESTAMP":
                columns[name] = _each(name, cells[place], _time, faults).astype("datetime64[us]")
            case kind:
                said = (
                    cells[place]
                    if name != "scan"
                    else [_SCANS.get(cell.strip().lower(), cell) for cell in cells[place]]
                )
                columns[name] = _numbers(name, said, needed, kind == "INTEGER", faults)
    columns["quality"] = np.where(np.isnan(columns["quality"]), 1.0, columns["quality"])
    for place in np.flatnonzero(np.isnan(columns["dx_nm"]) & np.isnan(columns["dy_nm"])):
        faults.setdefault(place, "neither dx_nm nor dy_nm is given")
    for place in np.flatnonzero(np.hypot(columns["X_mm"], columns["Y_mm"]) > RADIUS_MM):
        faults.setdefault(place, "X_mm and Y_mm lie outside a 300 mm wafer")
    good = np.ones(len(rows.lines), dtype=bool)
    good[list(faults)] = False
    lines = np.array(rows.lines, dtype=np.int64)
    rejected = [*rows.rejected, *(Rejected(rows.lines[place], reason) for place, reason in faults.items())]
    return {name: column[good] for name, column in columns.items()}, lines[good], sorted(rejected)


def _numbers(name: str, cells: Sequence[str], needed: bool, whole: bool, faults: dict[int, str]) -> np.ndarray:
    try:
        # Python reads 1_000 as a number; no file means it so.
        values = np.array(list(map(float, cells if "_" not in "".join(cells) else ("_",))))
    except ValueError:
        values = np.array([_number(name, cell, place, needed, faults) for place, cell in enumerate(cells)])
    low, high, beyond = LIMITS[name]
    with np.errstate(invalid="ignore"):
        odd = ~np.isfinite(values) if needed else np.isinf(values)
        far = (values < low) | (values > high)
        split = whole & (values != np.round(values)) & ~np.isnan(values)
    for place in np.flatnonzero(odd | far | split):
        said = cells[place].strip()
        why = "is not a number" if odd[place] else f"is {beyond}" if far[place] else "is not a whole number"
        faults.setdefault(place, f"{name} {said} {why}" if said else f"{name} is missing")
    return values


def _number(name: str, cell: str, place: int, needed: bool, faults: dict[int, str]) -> float:
    text = cell.strip()
    if text.lower() in _ABSENT:
        return math.nan
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    faults.setdefault(place, f"{name} {text[:40]!r} is not a number")
    return math.nan


def _each(name: str, cells: Sequence[str], read: Callable, faults: dict[int, str]) -> np.ndarray:
    """A column whose few different values repeat: each is read once."""
    values, wrong = {}, {}
    for cell in set(cells):
        try:
            values[cell] = read(cell)
        except ValueError as error:
            values[cell], wrong[cell] = None, f"{name} {error}"
    if wrong:
        for place, cell in enumerate(cells):
            if cell in wrong:
                faults.setdefault(place, wrong[cell])
    column = np.empty(len(cells), dtype=object)
    column[:] = [values[cell] for cell in cells]
    return column


def _text(cell: str, needed: bool) -> str | None:
    text = cell.strip()
    if not text and needed:
        raise ValueError("is missing")
    if len(text) > _LONGEST or not text.isprintable():
        raise ValueError(f"{text[:40]!r} is no name: too long, or with characters that do not print")
    return text or None


def _time(cell: str) -> datetime | None:
    """A time as ISO 8601; without a zone it is UTC."""
    text = cell.strip()
    if text.lower() in _ABSENT:
        return None
    try:
        when = datetime.fromisoformat(text)
        when = when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time as in 2026-01-31T12:00:00") from None
    if not 1970 <= when.year < 2200:
        raise ValueError(f"{text} lies outside 1970 to 2200")
    return when
