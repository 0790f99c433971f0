"""Small tables in CSV: rows with their line numbers, cells as text or numbers, bad rows told by line and reason."""

import csv
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..errors import InputError

T = TypeVar("T")


class Rejected(NamedTuple):
    """A row that was not used, or only in part, and why; lines are counted from 1."""

    line: int
    reason: str


@dataclass(frozen=True)
class Row:
    """One row: where it stands in its file, counted from 1, and its cells by column."""

    line: int
    cells: dict[str, str]

    def text(self, name: str) -> str:
        """A cell that must not be empty; ValueError where it is."""
        value = self.cells.get(name, "")
        if not value:
            raise ValueError(f"{name} is missing")
        return value

    def number(self, name: str, low: float = -inf, high: float = inf, default: float | None = None) -> float:
        """A finite number within limits; the default where the cell is empty. ValueError says what is wrong."""
        if default is not None and not self.cells.get(name):
            return default
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = inf
        if not isfinite(value):
            raise ValueError(f"{name} {text!r} is not a number")
        if not low <= value <= high:
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

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def each(self, parse: Callable[[Row], T]) -> list[T]:
        """What `parse` makes of every row; where it raises ValueError, InputError with the line."""
        good, rejected = self.sorted_out(parse)
        if rejected:
            raise InputError(f"{self.path}, line {rejected[0].line}: {rejected[0].reason}")
        return good

    def sorted_out(self, parse: Callable[[Row], T]) -> tuple[list[T], list[Rejected]]:
        """What `parse` makes of the rows, without those where it raises ValueError, and these."""
        good, rejected = [], []
        for row in self.rows:
            try:
                good.append(parse(row))
            except ValueError as error:
                rejected.append(Rejected(row.line, str(error)))
        return good, rejected


def read_table(path: Path, needed: Sequence[str], may_be_empty: bool = False) -> Table:
    """A table with a header that has the needed columns, in any order; empty lines and # are skipped.

    InputError, one line, where the file is no such table, and where it has no row at all unless it may be so.
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
    if len(rows) == 1 and not may_be_empty:
        raise InputError(f"{path}: there is only a header")
    filled = ((n, [c.strip() for c in cells] + [""] * (len(names) - len(cells))) for n, cells in rows[1:])
    return Table(path, tuple(names), tuple(Row(n, dict(zip(names, cells, strict=False))) for n, cells in filled))
