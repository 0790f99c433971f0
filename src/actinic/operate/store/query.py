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
from ...wafer.marks import OFFSETS
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
    """Marks by lot, wafer, file and line, as `Marks` has them; times are datetime64 (UTC), NaT where there is none.

    A column that no mark fills is None; in one that others fill an absent text is empty, an absent offset or scan 0.

    InputError where there is no store or it is being written to for longer than `wait_s`.
    """
    with selected(store, wanted, wait_s) as connection:
        columns = connection.execute(
            f"SELECT {', '.join(KEPT.values())}, line FROM chosen ORDER BY {ORDER}"
        ).fetchnumpy()
    found = {name: _array(name, columns[kept]) for name, kept in KEPT.items()}
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


def _array(name: str, values: np.ndarray) -> np.ndarray | None:
    """A column of DuckDB, masked where it is NULL, as `Marks` has it; None where no mark has a value."""
    masked, plain = np.ma.getmaskarray(values), np.ma.getdata(values)
    if name in OPTIONAL and masked.all():
        return None
    match TYPES[name]:
        case "VARCHAR":
            return np.where(masked, "", plain).astype(np.str_)
        case "INTEGER":
            return np.where(masked, 0, plain).astype(np.int64)
        case "TIMESTAMP":
            return np.where(masked, np.datetime64("NaT"), plain.astype("datetime64[us]"))
    return np.where(masked, 0.0 if name in OFFSETS else np.nan, plain.astype(np.float64))
