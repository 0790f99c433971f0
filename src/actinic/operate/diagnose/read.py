"""A case out of files.

Events, .csv: `time_s,source,severity,code,text`, by the source's own clock; severity info, warning or alarm. Lines
with code LOT and the same text were written by all sources at the same moment, and set their clocks right.

Maps, .csv: `wafer,time_s,chuck,scan,X_mm,Y_mm,x_mm,y_mm,dx_nm,dy_nm,focus_nm,cd_nm`, residuals of measured wafers; scan
up or down. Innovations, .csv: `time_s,leaf,value`, errors of the controller's forecasts, in units of a point's noise.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...wafer.faults import LEAVES, Residuals
from ...wafer.terms import Places
from ..tables import read_csv
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
    found = []
    for line, row in read_csv(path, EVENTS)[1]:
        if row["severity"] not in (INFO, WARNING, ALARM):
            raise InputError(
                f"{path}, line {line}: severity is info, warning or alarm, not {row['severity'] or 'empty'}"
            )
        if not row["source"]:
            raise InputError(f"{path}, line {line}: source is missing")
        found.append(Line(_number(path, line, row, "time_s"), *(row[name] for name in EVENTS[1:])))
    if not found:
        raise InputError(f"{path}: has no events")
    return tuple(sorted(found, key=lambda one: one.time_s))


def _maps(path: Path) -> Residuals:
    _, rows = read_csv(path, MAPS)
    if not rows:
        raise InputError(f"{path}: has no points")
    table = np.array([[_number(path, line, row, name) for name in NUMBERS] for line, row in rows])
    bad = next(((line, row["scan"]) for line, row in rows if row["scan"].lower() not in SCANS), None)
    if bad:
        raise InputError(f"{path}, line {bad[0]}: scan is up or down, not {bad[1] or 'empty'}")
    scan = np.array([SCANS[row["scan"].lower()] for _, row in rows])
    chuck = np.array([row["chuck"] for _, row in rows])
    places = Places(*table[:, 1:5].T, chuck, scan)
    return Residuals(np.array([row["wafer"] for _, row in rows]), table[:, 0], places, *table[:, 5:].T)


def _innovations(path: Path) -> tuple[np.ndarray, np.ndarray]:
    found: dict[float, dict[str, float]] = {}
    for line, row in read_csv(path, INNOVATIONS)[1]:
        if row["leaf"] not in LEAVES:
            raise InputError(
                f"{path}, line {line}: there is no leaf {row['leaf'] or '(empty)'}: {', '.join(LEAVES[:4])}, ..."
            )
        found.setdefault(_number(path, line, row, "time_s"), {})[row["leaf"]] = _number(path, line, row, "value")
    times = np.array(sorted(found))
    values = np.array([[found[at].get(leaf, 0.0) for leaf in LEAVES] for at in times]).reshape(len(times), len(LEAVES))
    return times, values


def _number(path: Path, line: int, row: dict[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{path}, line {line}: {name} is no number: {row[name] or 'empty'}")
    return value
