"""Measurements out of a store: the current version of every mark, or all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike

import duckdb
import numpy as np

from ...errors import ConfigError
from ...wafer import OPTIONAL, Marks
from .columns import KEPT, MARK, TYPES
from .database import WAIT_S, reading


@dataclass(frozen=True)
class Wanted:
    """Which marks: all, or those of a lot, a wafer, a layer, measured from `since` on and before `until` (UTC).

    A mark measured again is given once, as it was measured last; with `versions`, as often as it was measured. The
    marks of a lot that was declared invalid are left out, unless `invalid`.
    """

    lot: str | None = None
    wafer: str | None = None
    layer: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    versions: bool = False
    invalid: bool = False


@dataclass(frozen=True)
class Lot:
    """A lot of the store: its wafers, current marks, first and last time (UTC), and why it is invalid, or None."""

    lot: str
    wafers: int
    marks: int
    first: datetime | None
    last: datetime | None
    invalid: str | None


def marks(store: str | PathLike[str], wanted: Wanted = Wanted(), wait_s: float = WAIT_S) -> Marks:
    """Marks by lot, wafer, file and line. What no mark has is None; a number that one lacks is NaN, a time NaT.

    InputError where there is no store or it is being written to for longer than `wait_s`.
    """
    with selected(store, wanted, wait_s) as connection:
        columns = connection.execute(
            f"SELECT {', '.join(KEPT.values())}, line FROM chosen ORDER BY {ORDER}"
        ).fetchnumpy()
    found = {name: _array(columns[kept], TYPES[name]) for name, kept in KEPT.items()}
    found = {name: values if name not in OPTIONAL or _any(values) else None for name, values in found.items()}
    return Marks(**found, line=np.asarray(columns["line"], dtype=np.int64))


ORDER = "lot, wafer, ingest, line"
# The latest version of a mark: by its time, not by its arrival. Without times, or at the same, the last to arrive.
_CURRENT = (
    f"QUALIFY row_number() OVER (PARTITION BY {', '.join(KEPT[name] for name in MARK)} "
    "ORDER BY time DESC NULLS LAST, ingest DESC, line DESC) = 1"
)
_INVALID = "SELECT lot FROM (SELECT lot, arg_max(invalid, number) AS invalid FROM flags GROUP BY lot) WHERE invalid"


@contextmanager
def selected(store: str | PathLike[str], wanted: Wanted, wait_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose table `chosen` holds the wanted marks."""
    same = {name: getattr(wanted, name) for name in ("lot", "wafer", "layer")}
    tests = [f"{name} = ${name}" for name, value in same.items() if value is not None]
    after = []
    values: dict = {name: value for name, value in same.items() if value is not None}
    for name, sign in (("since", ">="), ("until", "<")):
        when = getattr(wanted, name)
        if when is not None:
            values[name] = when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
            after.append(f"time {sign} ${name}")
    if len(after) == 2 and values["since"] >= values["until"]:
        raise ConfigError(f"no time lies from {values['since']} on and before {values['until']}")
    if not wanted.invalid:
        tests.append(f"lot NOT IN ({_INVALID})")
    # The times choose among the versions that count: one outside them does not bring back an older one.
    inner = f"SELECT * FROM marks {_where(tests)} {'' if wanted.versions else _CURRENT}"
    with reading(store, wait_s) as connection:
        connection.execute(f"CREATE TEMP TABLE chosen AS SELECT * FROM ({inner}) {_where(after)}", values)
        yield connection


def lots(store: str | PathLike[str], wait_s: float = WAIT_S) -> list[Lot]:
    """The lots of a store, by name, the invalid ones too."""
    with selected(store, Wanted(invalid=True), wait_s) as connection:
        rows = connection.execute(
            "SELECT lot, count(DISTINCT wafer), count(*), min(time), max(time), any_value(reason) "
            "FROM chosen LEFT JOIN (SELECT lot, arg_max(reason, number) AS reason FROM flags "
            "GROUP BY lot HAVING arg_max(invalid, number)) USING (lot) GROUP BY lot ORDER BY lot"
        ).fetchall()
    return [Lot(*row) for row in rows]


def _where(tests: list[str]) -> str:
    return f"WHERE {' AND '.join(tests)}" if tests else ""


def _array(values, kind: str) -> np.ndarray:
    """A column of DuckDB, masked where it is NULL, as a plain array."""
    masked = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else np.zeros(len(values), dtype=bool)
    plain = np.ma.getdata(values)
    match kind:
        case "VARCHAR":
            text = np.array(plain, dtype=object)
            text[masked] = None
            return text.astype(np.str_) if not masked.any() else text
        case "TIMESTAMP":
            times = plain.astype("datetime64[us]")
            times[masked] = np.datetime64("NaT")
            return times
        case "INTEGER" if not masked.any():
            return plain.astype(np.int64)
    numbers = plain.astype(np.float64)
    numbers[masked] = np.nan
    return numbers


def _any(values: np.ndarray) -> bool:
    """Whether a column has any value."""
    # What is not itself is NaN or NaT.
    return any(value is not None for value in values) if values.dtype == object else bool((values == values).any())
