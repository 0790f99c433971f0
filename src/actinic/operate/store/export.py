"""Marks of a store as files: CSV of the stated schema, or Parquet."""

from os import PathLike
from pathlib import Path

import duckdb

from ...errors import ConfigError
from ...wafer import OPTIONAL
from ...writing import appearing
from .columns import KEPT
from .database import WAIT_S
from .query import ORDER, Wanted, selected

_FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv",
    ".gz": "FORMAT csv, COMPRESSION gzip",
}


def export(
    store: str | PathLike[str], path: str | PathLike[str], wanted: Wanted = Wanted(), wait_s: float = WAIT_S  # noqa: B008
) -> int:  # fmt: skip
    """Write marks to a .csv, .csv.gz or .parquet file, which appears whole; returns how many there are.

    Columns that no mark fills are left out. In Parquet the positions are spelled out, wafer_x_mm and field_x_mm: few
    of its readers tell X_mm from x_mm. ConfigError for another ending; InputError where it cannot be written.
    """
    options = _FORMATS.get(Path(path).suffix.lower())
    if options is None:
        raise ConfigError(f"{path}: marks are written as {', '.join(_FORMATS)}")
    with selected(store, wanted, wait_s) as connection:
        names = [name for name in KEPT if name not in OPTIONAL or _filled(connection, KEPT[name])]
        if "parquet" not in options:
            # DuckDB would write the header with its own names.
            options += (
                f", HEADER false, PREFIX '{','.join(names)}\n', SUFFIX '\n', TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%f'"
            )
        chosen = f"SELECT {', '.join(KEPT[name] for name in names)} FROM chosen ORDER BY {ORDER}"
        with appearing(path, parents=True) as part:
            where = str(part).replace("'", "''")
            connection.execute(f"COPY ({chosen}) TO '{where}' ({options})")
        (count,) = connection.execute("SELECT count(*) FROM chosen").fetchone() or (0,)
    return count


def _filled(connection: duckdb.DuckDBPyConnection, column: str) -> bool:
    (count,) = connection.execute(f"SELECT count({column}) FROM chosen").fetchone() or (0,)
    return count > 0
