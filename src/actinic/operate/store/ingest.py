"""Files of measurements into the store: each whole or not at all, and nothing twice."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

import duckdb

from ...errors import InputError
from ..rows import Rejected
from .check import check, places
from .columns import KEPT, MARK, TYPES
from .database import WAIT_S, writing
from .tables import Rows, read_table

_COLUMNS = ", ".join(KEPT.values())
_MARK = [KEPT[name] for name in MARK]


@dataclass(frozen=True)
class Ingested:
    """What became of a file.

    `added` rows are new; `repeated` ones were there already, or come twice in the file. Of the added, `remeasured` are
    of a mark that had a measurement, and `older` are so, but measured before it: they are kept, and the later one stays
    the current one. `known` tells that the very same file was ingested before. `ignored` are columns without a meaning.
    """

    file: str
    rows: int
    added: int
    repeated: int
    remeasured: int
    older: int
    rejected: tuple[Rejected, ...]
    ignored: tuple[str, ...]
    known: bool = False


def ingest(file: str | PathLike[str], store: str | PathLike[str], wait_s: float = WAIT_S) -> Ingested:
    """Take the good rows of a CSV or Parquet file into a store, in one transaction; the store is made if need be.

    InputError where the file is no table of measurements or has no good row, or where the store cannot be written.
    """
    path = Path(file)
    header, blocks = read_table(path)
    where = places(header, path)
    ignored = tuple(name for place, name in enumerate(header) if place not in where.values())
    digest = _sha256(path)
    with writing(store, wait_s) as connection:
        earlier = connection.execute(
            "SELECT added + repeated, rejected FROM ingests WHERE sha256 = ?", [digest]
        ).fetchone()
        if earlier:
            again = connection.execute(
                "SELECT line, reason FROM rejected JOIN ingests USING (ingest) WHERE sha256 = ? ORDER BY line", [digest]
            )
            rejected = tuple(Rejected(*row) for row in again.fetchall())
            return Ingested(str(file), sum(earlier), 0, earlier[0], 0, 0, rejected, ignored, known=True)
        good, rejected = _stage(connection, blocks, where)
        if not good:
            why = f"line {rejected[0].line}: {rejected[0].reason}" if rejected else "there is only a header"
            raise InputError(f"{path}: no row can be used ({why})")
        number = _scalar(connection, "SELECT coalesce(max(ingest), 0) + 1 FROM ingests")
        added, remeasured, older = _add(connection, number)
        now = datetime.now(UTC).replace(tzinfo=None)
        record = [number, path.name, digest, now, added, good - added, len(rejected)]
        connection.execute("INSERT INTO ingests VALUES (?, ?, ?, ?, ?, ?, ?)", record)
        if rejected:
            _insert_rejected(connection, number, rejected)
    return Ingested(
        str(file), good + len(rejected), added, good - added, remeasured, older, tuple(rejected), ignored
    )  # fmt: skip


def _stage(
    connection: duckdb.DuckDBPyConnection, blocks: Iterator[Rows], where: dict[str, int]
) -> tuple[int, list[Rejected]]:
    """The good rows in a temporary table: how many, and the rejected ones."""
    columns = ", ".join(f"{KEPT[name]} {kind}" for name, kind in TYPES.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged ({columns}, line BIGINT)")
    known = [KEPT[name] for name in TYPES if name in where]
    # A number that is absent is none, and equals another that is.
    chosen = ", ".join(f"nullif({KEPT[n]}, 'nan')" if TYPES[n] == "DOUBLE" else KEPT[n] for n in TYPES if n in where)
    good, rejected = 0, []
    for rows in blocks:
        values, lines, bad = check(rows, where)
        rejected += bad
        if len(lines):
            connection.register("block", {**{KEPT[name]: column for name, column in values.items()}, "line": lines})
            connection.execute(f"INSERT INTO staged ({', '.join(known)}, line) SELECT {chosen}, line FROM block")
            connection.unregister("block")
            good += len(lines)
    return good, rejected


def _add(connection: duckdb.DuckDBPyConnection, number: int) -> tuple[int, int, int]:
    """The staged rows that the store does not hold yet, added: how many, of marks it knows, measured before those."""
    same = " AND ".join(f"m.{name} IS NOT DISTINCT FROM s.{name}" for name in KEPT.values())
    mark = " AND ".join(f"m.{name} IS NOT DISTINCT FROM s.{name}" for name in _MARK)
    lots = "(SELECT * FROM marks WHERE lot IN (SELECT DISTINCT lot FROM staged))"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh AS "
        f"SELECT * FROM (SELECT {_COLUMNS}, min(line) AS line FROM staged GROUP BY ALL) s "
        f"WHERE NOT EXISTS (SELECT 1 FROM {lots} m WHERE {same})"
    )
    latest = f"(SELECT {', '.join(_MARK)}, max(time) AS time FROM {lots} GROUP BY ALL)"
    remeasured, older = connection.execute(
        f"SELECT count(*), count(*) FILTER (s.time < m.time) FROM fresh s JOIN {latest} m ON {mark}"
    ).fetchone() or (0, 0)
    # Together what is asked for together: the lots, then the wafers.
    connection.execute(f"INSERT INTO marks SELECT {_COLUMNS}, {number}, line FROM fresh ORDER BY lot, wafer, line")
    return _scalar(connection, "SELECT count(*) FROM fresh"), remeasured, older


def _insert_rejected(connection: duckdb.DuckDBPyConnection, number: int, rejected: list[Rejected]) -> None:
    lines, reasons = zip(*rejected, strict=True)
    connection.execute(
        "INSERT INTO rejected SELECT ?, unnest(?::BIGINT[]), unnest(?::VARCHAR[])", [number, lines, reasons]
    )


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _scalar(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    (value,) = connection.execute(query).fetchone() or (0,)
    return value
