"""Lots and results in CSV.

Lots: `lot,time`, then the context, one column each (tool, product, ...), `upset` (names with spaces between, if any),
and `set_TERM` for what was applied; empty where a lot is still to come. Results, one term a row:
`lot,time,term,value`, with `sigma` and `status` (valid, invalid) if there are any. Times are hours, or ISO 8601.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from ..tables import read_csv
from .history import INVALID, VALID, Result

SET = "set_"
LOT_COLUMNS, RESULT_COLUMNS = ("lot", "time"), ("lot", "time", "term", "value")


@dataclass(frozen=True)
class Rejected:
    """A row that was not used: where it stands in its file, counted from 1, and why."""

    line: int
    why: str


@dataclass(frozen=True)
class LotRow:
    """A lot of a file; `setpoint` has the terms that were applied, none for a lot still to come."""

    lot: str
    time: float
    context: dict[str, str]
    upset: tuple[str, ...] = ()
    setpoint: dict[str, float] = field(default_factory=dict)


def read_lots(path: Path) -> tuple[list[LotRow], list[Rejected]]:
    """Lots in order of time; a bad row is rejected, the others kept. InputError where the file is no table of lots."""
    names, rows = read_csv(path, LOT_COLUMNS)
    context = [n for n in names if n not in (*LOT_COLUMNS, "upset") and not n.startswith(SET)]
    lots, rejected, seen = [], [], set()
    for line, row in rows:
        try:
            lot = _text(row, "lot")
            if lot in seen:
                raise ValueError(f"lot {lot} was there before")
            applied = {n[len(SET) :]: _number(row, n) for n in names if n.startswith(SET) and row[n]}
            upset = tuple(row.get("upset", "").split())
            lots.append(LotRow(lot, _time(row), {k: row[k] for k in context}, upset, applied))
            seen.add(lot)
        except ValueError as error:
            rejected.append(Rejected(line, str(error)))
    return sorted(lots, key=lambda one: (one.time, one.lot)), rejected


def read_results(path: Path) -> tuple[list[Result], list[Rejected]]:
    """Results in order of time, one for each row; otherwise as `read_lots`."""
    _, rows = read_csv(path, RESULT_COLUMNS)
    results, rejected = [], []
    for line, row in rows:
        try:
            term, status = _text(row, "term"), row.get("status") or VALID
            if status not in (VALID, INVALID):
                raise ValueError(f'status is "{VALID}" or "{INVALID}", not "{status}"')
            sigma = {term: _number(row, "sigma")} if row.get("sigma") else {}
            if any(value < 0 for value in sigma.values()):
                raise ValueError("sigma must not be negative")
            values = {} if status == INVALID and not row["value"] else {term: _number(row, "value")}
            results.append(Result(_text(row, "lot"), _time(row), values, sigma, status))
        except ValueError as error:
            rejected.append(Rejected(line, str(error)))
    return sorted(results, key=lambda one: (one.time, one.lot)), rejected


def together(results: list[Result]) -> list[Result]:
    """Rows of the same lot, time and status as one result."""
    found: dict[tuple, Result] = {}
    for one in results:
        key = (one.time, one.lot, one.status)
        old = found.get(key)
        values, sigma = (old.values, old.sigma) if old else ({}, {})
        found[key] = Result(one.lot, one.time, {**values, **one.values}, {**sigma, **one.sigma}, one.status)
    return [found[key] for key in sorted(found)]


def _text(row: dict[str, str], name: str) -> str:
    if not row[name]:
        raise ValueError(f"{name} is missing")
    return row[name]


def _number(row: dict[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ValueError(f"{name} = {row[name]!r} is not a number")
    return value


def _time(row: dict[str, str]) -> float:
    return hours(_text(row, "time"))


def hours(text: str) -> float:
    """Hours as given, or those of a date since 1970, UTC unless it says otherwise; ValueError where it is neither."""
    try:
        when = float(text)
    except ValueError:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"time = {text!r} is neither hours nor a date") from None
        when = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() / 3600
    if not isfinite(when):
        raise ValueError(f"time = {text!r} is not a number")
    return when
