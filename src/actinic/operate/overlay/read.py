"""Overlay measurements from a CSV file: a header, good rows kept, bad ones rejected with line and reason.

The columns are those of `wafer.marks`, in any order; names but X_mm, Y_mm, x_mm, y_mm are compared without case, spaces
and underscores. Columns that mean nothing here are ignored, and said.
"""

import csv
import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...wafer import COLUMNS, OPTIONAL, Marks
from ...wafer.marks import CONTEXT, LABELS, NUMBERS, OFFSETS
from ..rows import Rejected

_ROWS = 50_000  # read at a time
_ALIASES = {"fieldcol": "field_column", "column": "field_column", "col": "field_column", "row": "field_row",
            "lotid": "lot", "waferid": "wafer", "chuckid": "chuck"}  # fmt: skip
_REACH = {
    **dict.fromkeys(("X_mm", "Y_mm"), (230.0, "mm from the wafer's centre")),
    **dict.fromkeys(("x_mm", "y_mm"), (75.0, "mm from the field's centre")),
    **dict.fromkeys(("dx_nm", "dy_nm", *OFFSETS), (1e6, "nm")),
    **dict.fromkeys(("field_column", "field_row"), (1e6, "")),
}
_SCANS = {"": 0, "up": 1, "u": 1, "+": 1, "1": 1, "+1": 1, "1.0": 1, "down": -1, "d": -1, "-": -1, "-1": -1, "-1.0": -1}
_ABSENT = {"", "na", "n/a", "nan", "none", "null", "-"}


def read_marks(path: Path) -> tuple[Marks, list[Rejected], list[str]]:
    """Marks of a file, the rows rejected, and notes on what was ignored.

    A row without a number for one of dx_nm, dy_nm is used along the other axis, and is in the list too. A row that
    repeats another to the letter counts once. InputError where the file cannot be read, has no header, lacks a
    column, or has no good row.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return _marks(Path(path), file)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not CSV: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _marks(path: Path, file) -> tuple[Marks, list[Rejected], list[str]]:
    lines = ((n, line) for n, line in enumerate(file, 1) if line.strip() and not line.startswith("#"))
    before, head = next(lines, (0, None))
    if head is None:
        raise InputError(f"{path}: the file is empty; its first line must name the columns {','.join(COLUMNS)}")
    delimiter = next((d for d in ",;\t" if d in head), ",")
    header, notes = _header(next(csv.reader([head], delimiter=delimiter)), path)
    reader = csv.reader(file, delimiter=delimiter)
    seen: dict[int, int] = {}
    parts: list[dict[str, np.ndarray]] = []
    rejected: list[Rejected] = []
    while rows := [(reader.line_num + before, row) for row in islice(reader, _ROWS)]:
        good, bad = _whole(rows, max(header.values()) + 1, seen)
        rejected += bad
        if good:
            part, bad = _parsed(good, header)
            parts.append(part)
            rejected += bad
    rejected.sort(key=lambda one: one.line)
    if not sum(len(part["line"]) for part in parts):
        why = f"line {rejected[0].line}: {rejected[0].reason}" if rejected else "there is only a header"
        raise InputError(f"{path}: no row can be used ({why})")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Marks(**columns), rejected, notes


def _header(cells: Sequence[str], path: Path) -> tuple[dict[str, int], list[str]]:
    """Where each known column stands, and a note on the unknown."""
    exact = {name: name for name in ("X_mm", "Y_mm", "x_mm", "y_mm")}
    loose = {_bare(name): name for name in (*COLUMNS, *OPTIONAL) if name not in exact} | _ALIASES
    found: dict[str, int] = {}
    unknown = []
    for place, cell in enumerate(cells):
        cell = cell.strip()
        name = exact.get(cell.replace(" ", "_")) or loose.get(_bare(cell))
        if name is None:
            unknown += [cell] if cell else []
        elif name in found:
            raise InputError(f"{path}: the header names {name} twice")
        else:
            found[name] = place
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        near = {name: difflib.get_close_matches(name, unknown, 1, 0.6) for name in missing}
        said = [f"{name} ({near[name][0]!r} is not known)" if near[name] else name for name in missing]
        raise InputError(f"{path}: the first line must name the columns; it lacks {', '.join(said)}")
    notes = [f"columns ignored: {', '.join(unknown)}"] if unknown else []
    return found, notes


def _bare(name: str) -> str:
    return re.sub(r"[\s_]", "", name.lower())


def _whole(rows, width: int, seen: dict[int, int]) -> tuple[list, list[Rejected]]:
    """Rows with all their cells, each once."""
    good, bad = [], []
    for line, row in rows:
        if not row or (len(row) == 1 and not row[0].strip()) or row[0].startswith("#"):
            continue
        if len(row) < width:
            bad.append(Rejected(line, f"{len(row)} cells where the header needs {width}"))
            continue
        first = seen.setdefault(hash(tuple(row)), line)
        if first != line:
            bad.append(Rejected(line, f"repeats line {first}"))
        else:
            good.append((line, row))
    return good, bad


def _parsed(rows, header: dict[str, int]) -> tuple[dict[str, np.ndarray], list[Rejected]]:
    """Columns of the rows that can be used."""
    line = np.array([n for n, _ in rows], np.int64)
    table = list(zip(*(row for _, row in rows), strict=False))
    reasons: dict[int, str] = {}  # the first for each row, by its place

    def reject(places: Iterator[int] | np.ndarray, say) -> None:
        for place in places:
            reasons.setdefault(int(place), say(int(place)))

    columns: dict[str, np.ndarray] = {}
    for name, place in header.items():
        cells = table[place]
        if name in LABELS or name in CONTEXT:
            text = np.array([cell.strip() for cell in cells], np.str_)
            if name in ("lot", "wafer"):
                reject(np.flatnonzero(text == ""), lambda _, name=name: f"no {name}")
            columns[name] = text
        elif name == "scan":
            signs = [_SCANS.get(cell.strip().lower()) for cell in cells]
            wrong = [n for n, sign in enumerate(signs) if sign is None]
            reject(iter(wrong), lambda n, cells=cells: f"scan {cells[n]!r} is neither up nor down")
            columns[name] = np.array([sign or 0 for sign in signs], np.int8)
        else:
            values, wrong = _numbers(cells)
            reject(iter(wrong), lambda n, name=name, cells=cells: f"{name} {cells[n].strip()!r} is not a number")
            columns[name] = values
    _checked(columns, reject, table, header)
    dx, dy = columns["dx_nm"], columns["dy_nm"]
    use = np.ones(len(rows), bool)
    use[list(reasons)] = False
    bad = [Rejected(int(line[n]), reason) for n, reason in reasons.items()]
    for missing, name, other in ((np.isnan(dx), "dx_nm", "y"), (np.isnan(dy), "dy_nm", "x")):
        bad += [Rejected(int(n), f"{name} is not measured; used along {other} only") for n in line[missing & use]]
    for name in ("field_column", "field_row"):
        columns[name] = np.where(use, columns[name], 0).astype(np.int64)
    return {name: values[use] for name, values in (columns | {"line": line}).items()}, bad


def _numbers(cells: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """Numbers, NaN where there is none, and the places of what is no number."""
    try:
        return np.array([cell or "nan" for cell in cells], np.float64), []
    except ValueError:
        pass
    values, wrong = np.full(len(cells), np.nan), []
    for n, cell in enumerate(cells):
        if cell.strip().lower() not in _ABSENT:
            try:
                values[n] = float(cell)
            except ValueError:
                wrong.append(n)
    return values, wrong


def _checked(columns: dict[str, np.ndarray], reject, table, header) -> None:
    """Reject what is out of range; fill in what may be left empty."""

    def shown(name: str, n: int) -> str:
        return f"{name} {table[header[name]][n].strip()}"

    for name in ("field_column", "field_row"):
        values = columns[name]
        reject(np.flatnonzero(np.isnan(values)), lambda _, name=name: f"no {name}")
        reject(
            np.flatnonzero(np.mod(np.nan_to_num(values), 1) != 0), lambda n, name=name: f"{shown(name, n)} is not whole"
        )
    for name in NUMBERS[:4]:
        reject(np.flatnonzero(np.isnan(columns[name])), lambda _, name=name: f"no {name}")
    for name, (reach, what) in _REACH.items():
        if name in columns:
            far = np.flatnonzero(np.abs(columns[name]) > reach)
            reject(
                far,
                lambda n, name=name, reach=reach, what=what: f"{shown(name, n)} is beyond {reach:g} {what}".rstrip(),
            )
    nothing = np.isnan(columns["dx_nm"]) & np.isnan(columns["dy_nm"])
    reject(np.flatnonzero(nothing), lambda _: "neither dx_nm nor dy_nm is measured")
    for name in OFFSETS:
        if name in columns:
            columns[name] = np.nan_to_num(columns[name])
    quality = np.where(np.isnan(columns["quality"]), 1.0, columns["quality"])
    reject(np.flatnonzero((quality < 0) | (quality > 1)), lambda n: f"{shown('quality', n)} is not within 0 to 1")
    reject(np.flatnonzero(quality == 0), lambda n: "quality 0: the file says not to use it")
    columns["quality"] = quality
