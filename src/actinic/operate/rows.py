"""Small tables in CSV: rows with their line numbers, cells as text or numbers within limits."""

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..errors import InputError


@dataclass(frozen=True)
class Row:
    """One row: where it stands in its file, counted from 1, and its cells by column."""

    line: int
    cells: dict[str, str]

    def text(self, name: str) -> str:
        """A cell that must not be empty; ValueError where it is."""
        value = self.cells.get(name, "")
        if not value:
            raise ValueError(f"no {name}")
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """A number within limits; the default where the cell is empty. ValueError says what is wrong."""
        text = self.cells.get(name, "")
        if not text and default is not None:
            return default
        try:
            value = float(self.text(name))
        except ValueError as error:
            raise ValueError(str(error) if not text else f"{name} {text!r} is not a number") from None
        if not isfinite(value) or not low <= value <= high:
            raise ValueError(f"{name} {text} is not within {low:g} to {high:g}")
        return value

    def whole(self, name: str) -> int:
        """A whole number."""
        value = self.number(name, -1e6, 1e6)
        if value % 1:
            raise ValueError(f"{name} {value:g} is not a whole number")
        return int(value)


@dataclass(frozen=True)
class Table:
    """The columns and rows of a file."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """A table with a header that has the needed columns, in any order; empty lines and # are skipped.

    InputError, one line, where the file is no such table, and where it has no row at all.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = ((reader.line_num, cells) for cells in reader)
            rows = [(n, c) for n, c in lines if any(x.strip() for x in c) and not c[0].lstrip().startswith("#")]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is not a table in CSV ({error})") from None
    if not rows:
        raise InputError(f"{path}: the file is empty; its first line must name the columns {','.join(needed)}")
    head, names = rows[0][0], [cell.strip() for cell in rows[0][1]]
    lacking = [name for name in needed if name not in names]
    if lacking:
        near = {name: difflib.get_close_matches(name, names, 1, 0.6) for name in lacking}
        said = [f"{name} (is {near[name][0]!r} meant?)" if near[name] else name for name in lacking]
        raise InputError(f"{path}, line {head}: no column {', '.join(said)}; a header is required")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{path}, line {head}: column {', '.join(twice)} is named twice")
    if len(rows) == 1:
        raise InputError(f"{path}: there is only a header")
    filled = ((n, [c.strip() for c in cells] + [""] * (len(names) - len(cells))) for n, cells in rows[1:])
    return Table(tuple(names), tuple(Row(n, dict(zip(names, cells, strict=False))) for n, cells in filled))
