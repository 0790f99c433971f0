"""Lots and results in CSV.

Lots: `lot,time`, then the context, one column each (tool, product, ...), `upset` (names with spaces between, if any),
and `set_TERM` for what was applied; empty where a lot is still to come. Results, one term a row:
`lot,time,term,value`, with `sigma` and `status` (valid, invalid) if there are any. Times are hours, or ISO 8601.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from ..rows import Rejected, Row, read_table
from .history import INVALID, VALID, Result

SET = "set_"
LOT_COLUMNS, RESULT_COLUMNS = ("lot", "time"), ("lot", "time", "term", "value")


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
    table, seen = read_table(path, LOT_COLUMNS), set()
    columns = [n for n in table.columns if n and n not in (*LOT_COLUMNS, "upset")]
    context = [n for n in columns if not n.startswith(SET)]

    def lot(row: Row) -> LotRow:
        name = row.text("lot")
        if name in seen:
            raise ValueError(f"lot {name} was there before")
        applied = {n[len(SET) :]: row.number(n) for n in columns if n.startswith(SET) and row.cells[n]}
        found = LotRow(
            name, _time(row), {k: row.cells[k] for k in context}, tuple(row.cells.get("upset", "").split()), applied
        )
        seen.add(name)
        return found

    lots, rejected = table.sorted_out(lot)
    return sorted(lots, key=lambda one: (one.time, one.lot)), rejected


def read_results(path: Path) -> tuple[list[Result], list[Rejected]]:
    """Results in order of time, one for each row, perhaps none; otherwise as `read_lots`."""
    results, rejected = read_table(path, RESULT_COLUMNS, may_be_empty=True).sorted_out(_result)
    return sorted(results, key=lambda one: (one.time, one.lot)), rejected


def _result(row: Row) -> Result:
    term, status = row.text("term"), row.cells.get("status") or VALID
    if status not in (VALID, INVALID):
        raise ValueError(f'status is "{VALID}" or "{INVALID}", not "{status}"')
    sigma = {term: row.number("sigma")} if row.cells.get("sigma") else {}
    if any(value < 0 for value in sigma.values()):
        raise ValueError("sigma must not be negative")
    values = {} if status == INVALID and not row.cells["value"] else {term: row.number("value")}
    return Result(row.text("lot"), _time(row), values, sigma, status)


def together(results: list[Result]) -> list[Result]:
    """Rows of the same lot, time and status as one result."""
    found: dict[tuple, Result] = {}
    for one in results:
        key = (one.time, one.lot, one.status)
        old = found.get(key)
        values, sigma = (old.values, old.sigma) if old else ({}, {})
        found[key] = Result(one.lot, one.time, {**values, **one.values}, {**sigma, **one.sigma}, one.status)
    return [found[key] for key in sorted(found)]


def _time(row: Row) -> float:
    return hours(row.text("time"))


def hours(text: str) -> float:
    """Hours as given, or those of a date since 1970, UTC unless it says otherwise; ValueError where it is neither."""
    try:
        when = float(text)
    except ValueError:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"time {text!r} is neither hours nor a date") from None
        when = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() / 3600
    if not isfinite(when):
        raise ValueError(f"time {text!r} is not a number")
    return when
