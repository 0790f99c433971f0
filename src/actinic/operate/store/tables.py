"""Tables of measurements as text: CSV of every make and Parquet, row by row with the line each stands on.

A row that cannot be one is given back with its line (its number in a Parquet file) and the reason; a file that cannot
be a table is refused.
"""

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ...errors import InputError
from ..rows import Rejected

BLOCK = 1 << 23  # bytes; also the longest line
_STARTS = {
    b"PK\x03\x04": "a zip file or an Excel workbook; save it as CSV",
    codecs.BOM_UTF16_LE: "UTF-16; save it as CSV in UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16; save it as CSV in UTF-8",
}


@dataclass
class Rows:
    """Some rows of a table: their cells under its header, and the line of each; what had to be rejected."""

    lines: list[int]
    cells: list[Sequence[str]]
    rejected: list[Rejected]


def read_table(path: Path) -> tuple[list[str], Iterator[Rows]]:
    """The header of a table and its rows, in blocks so that a long file needs little memory.

    CSV may be gzipped, begin with a byte order mark, end its lines either way, quote its cells, and separate them by
    commas, semicolons or tabs; empty lines and those that begin with # are left out. InputError where the file cannot
    be read or is no table.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    for magic, what in _STARTS.items():
        if start.startswith(magic):
            raise InputError(f"{path}: the file is {what}")
    return _parquet(path) if start == b"PAR1" else _csv(path, start[:2] == b"\x1f\x8b")


def _csv(path: Path, zipped: bool) -> tuple[list[str], Iterator[Rows]]:
    blocks = _blocks(path, zipped)
    for first, lines in blocks:
        for place, raw in enumerate(lines):
            if not raw.strip() or raw.startswith(b"#"):
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                raise InputError(f"{path}: line {first + place}: the header is not UTF-8") from None
            delimiter = next((d for d in ",;\t" if d in text), ",")
            try:
                header = [cell.strip() for cell in _quoted(text, delimiter)]
            except csv.Error:
                raise InputError(f"{path}: line {first + place}: quotation marks that do not match") from None
            return header, _rows(path, header, delimiter, first + place + 1, lines[place + 1 :], blocks)
    raise InputError(f"{path}: the file is empty")


def _rows(path, header, delimiter, first, lines, blocks) -> Iterator[Rows]:
    yield _split(header, delimiter, first, lines)
    for first, lines in blocks:
        yield _split(header, delimiter, first, lines)


def _blocks(path: Path, zipped: bool) -> Iterator[tuple[int, list[bytes]]]:
    """The file's lines, in lists, each with the number of its first line. A byte order mark is taken off."""
    number, rest = 1, b""
    try:
        with gzip.open(path) if zipped else open(path, "rb") as file:
            while block := file.read(BLOCK):
                if number == 1 and not rest:
                    block = block.removeprefix(codecs.BOM_UTF8)
                head, mark, tail = block.rpartition(b"\n")
                if not mark and len(rest) + len(tail) > BLOCK:
                    raise InputError(f"{path}: line {number} is longer than {BLOCK >> 20} MiB: this is no CSV")
                if not mark:
                    rest += tail
                    continue
                lines, rest = (rest + head).split(b"\n"), tail
                yield number, lines
                number += len(lines)
            if rest:
                yield number, [rest]
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _split(header: list[str], delimiter: str, first: int, raw: list[bytes]) -> Rows:
    """Lines of bytes as rows of cells. A line at fault is rejected alone: what it holds never spreads to the next."""
    rows = Rows([], [], [])
    for number, line in enumerate(raw, first):
        if not line.strip() or line[:1] == b"#":
            continue
        try:
            text = line.removesuffix(b"\r").decode()
            cells = text.split(delimiter) if '"' not in text else _quoted(text, delimiter)
        except UnicodeDecodeError:
            rows.rejected.append(Rejected(number, "not UTF-8"))
        except csv.Error:
            rows.rejected.append(Rejected(number, "quotation marks that do not match on the line"))
        else:
            if len(cells) == len(header):
                rows.lines.append(number)
                rows.cells.append(cells)
            else:
                rows.rejected.append(Rejected(number, f"{len(cells)} cells, where the header has {len(header)}"))
    return rows


def _quoted(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter, strict=True))


def _parquet(path: Path) -> tuple[list[str], Iterator[Rows]]:
    """A Parquet file by the same door: every value as its shortest text that reads the same."""
    connection = duckdb.connect()
    try:
        # DuckDB renames columns that differ in case alone; the file's own names are in its schema, in the same order.
        names = connection.execute("SELECT name FROM parquet_schema(?) OFFSET 1", [str(path)]).fetchall()
        connection.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet(?)", [str(path)])
    except duckdb.Error as error:
        connection.close()
        raise InputError(f"{path}: this Parquet file cannot be read: {str(error).splitlines()[0]}") from None
    return [name for (name,) in names], _parquet_rows(path, connection)


def _parquet_rows(path: Path, connection: duckdb.DuckDBPyConnection) -> Iterator[Rows]:
    number = 1
    try:
        while batch := connection.fetchmany(100_000):
            cells = [["" if cell is None else cell for cell in row] for row in batch]
            yield Rows(list(range(number, number + len(batch))), cells, [])
            number += len(batch)
    except duckdb.Error as error:
        raise InputError(f"{path}: this Parquet file cannot be read: {str(error).splitlines()[0]}") from None
    finally:
        connection.close()
