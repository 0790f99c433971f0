"""Runs and what was measured of them, out of files.

Signals, .npz: `signals` (names) and an array (samples, signals) for each wafer, named `lotL_waferW`, W its place in
the lot. Values, .csv: `lot,wafer` and one more column, the quantity with its unit in its name; empty where it was not
measured.
"""

import re
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..archive import read_archive
from ..rows import Row, read_table
from .features import Run

_NAME = re.compile(r"lot_?(\w+?)_wafer_?(\d+)")


def read_runs(path: Path) -> tuple[list[Run], tuple[str, ...]]:
    """Runs in order of lot and place, and the signals' names."""
    arrays = read_archive(path)
    name = next((n for n in ("signals", "variables") if n in arrays), None)
    if name is None:
        raise InputError(f"{path}: holds no array `signals` with the names of the columns")
    signals = tuple(str(v) for v in np.atleast_1d(arrays[name]))
    runs = []
    for key, values in arrays.items():
        found = _NAME.fullmatch(key)
        if not found:
            continue
        if values.ndim != 2 or values.shape[1] != len(signals) or values.dtype.kind not in "fiu" or len(values) < 2:
            raise InputError(f"{path}, {key}: {values.dtype} {values.shape}, and (samples, {len(signals)}) is wanted")
        runs.append(Run(lot_name(found[1]), int(found[2]), values.astype(np.float64)))
    if not runs:
        raise InputError(f"{path}: holds no runs: arrays lotL_waferW")
    return sorted(runs, key=lambda run: (run.lot.zfill(20), run.place)), signals


def read_values(path: Path) -> tuple[dict[tuple[str, int], float], str]:
    """What was measured, by (lot, place), and the column's name."""
    table = read_table(path, ("lot", "wafer"))
    quantity = [name for name in table.columns if name and name not in ("lot", "wafer")]
    if len(quantity) != 1:
        raise InputError(f"{path}: one column beside lot and wafer is wanted, and there are {len(quantity)}")
    values: dict[tuple[str, int], float] = {}

    def keep(row: Row) -> None:
        if not row.cells[quantity[0]]:
            return
        key = lot_name(row.text("lot")), row.whole("wafer")
        if key in values:
            raise ValueError("the wafer is there twice")
        values[key] = row.number(quantity[0])

    table.each(keep)
    return values, quantity[0]


def lot_name(text: str) -> str:
    """Lots that are numbers are the same with and without leading zeros."""
    return str(int(text)) if text.isdigit() else text
