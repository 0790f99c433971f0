"""A case out of files.

Events, .csv: `time_s,source,severity,code,text`, by the source's own clock; severity info, warning or alarm. Lines
with code LOT and the same text were written by all sources at the same moment, and set their clocks right.

Maps, .csv: `wafer,time_s,chuck,scan,X_mm,Y_mm,x_mm,y_mm,dx_nm,dy_nm,focus_nm,cd_nm`, residuals of measured wafers; scan
up or down. Innovations, .csv: `time_s,leaf,value`, errors of the controller's forecasts, in units of a point's noise.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...wafer.faults import LEAVES, Residuals
from ...wafer.terms import Places
from ..rows import Row, read_table
from .logs import ALARM, INFO, WARNING, Line

EVENTS = ("time_s", "source", "severity", "code", "text")
NUMBERS = ("time_s", "X_mm", "Y_mm", "x_mm", "y_mm", "dx_nm", "dy_nm", "focus_nm", "cd_nm")
MAPS = ("wafer", "time_s", "chuck", "scan", *NUMBERS[1:])
INNOVATIONS = ("time_s", "leaf", "value")
SCANS = {"up": 1.0, "1": 1.0, "+1": 1.0, "down": -1.0, "-1": -1.0}


@dataclass(frozen=True)
class Case:
    """What a diagnosis starts from; `innovations` is (wafer, leaf) at `time_s`."""

    events: tuple[Line, ...]
    maps: Residuals
    time_s: np.ndarray
    innovations: np.ndarray


def read_case(events: Path, maps: Path, innovations: Path) -> Case:
    """Three files; InputError tells which line of which cannot be used."""
    time_s, values = _innovations(innovations)
    return Case(_events(events), _maps(maps), time_s, values)


def _events(path: Path) -> tuple[Line, ...]:
    def line(row: Row) -> Line:
        if row.cells["severity"] not in (INFO, WARNING, ALARM):
            raise ValueError(f"severity is info, warning or alarm, not {row.cells['severity'] or 'empty'}")
        return Line(row.number("time_s"), row.text("source"), *(row.cells[name] for name in EVENTS[2:]))

    return tuple(sorted(read_table(path, EVENTS).each(line), key=lambda one: one.time_s))


def _maps(path: Path) -> Residuals:
    def point(row: Row) -> list[float]:
        if row.cells["scan"].lower() not in SCANS:
            raise ValueError(f"scan is up or down, not {row.cells['scan'] or 'empty'}")
        return [SCANS[row.cells["scan"].lower()], *(row.number(name) for name in NUMBERS)]

    table = read_table(path, MAPS)
    scan, time_s, *numbers = np.array(table.each(point)).T
    wafer, chuck = (np.array([row.cells[name] for row in table.rows]) for name in ("wafer", "chuck"))
    return Residuals(wafer, time_s, Places(*numbers[:4], chuck, scan), *numbers[4:])


def _innovations(path: Path) -> tuple[np.ndarray, np.ndarray]:
    found: dict[float, dict[str, float]] = {}

    def keep(row: Row) -> None:
        leaf = row.cells["leaf"]
        if leaf not in LEAVES:
            raise ValueError(f"there is no leaf {leaf or '(empty)'}: {', '.join(LEAVES[:4])}, ...")
        found.setdefault(row.number("time_s"), {})[leaf] = row.number("value")

    read_table(path, INNOVATIONS, may_be_empty=True).each(keep)
    times = np.array(sorted(found))
    values = np.array([[found[at].get(leaf, 0.0) for leaf in LEAVES] for at in times]).reshape(len(times), len(LEAVES))
    return times, values
