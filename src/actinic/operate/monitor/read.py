"""What is watched, out of files.

Traces, .npz: `variables` (names of the columns, one of which may be a step number and one a time), and an array
(samples, columns) for each wafer, named `normal_W`, `fault_W` or `wafer_W`; `label_W` may name the fault. The wafer
W ends in its number, what stands before the last two digits is its regime ("l2903": regime l29);
wafers go in order of their names.

Table, .csv: a row for each wafer in order, with `wafer`, perhaps `regime` and `label` (normal, empty, or a fault), and
a column for each variable.
"""

from pathlib import Path

import numpy as np

from ...errors import InputError
from ..archive import read_archive
from ..rows import Row
from ..rows import read_table as read_rows
from .features import Features, Traces, resolution

PREFIXES = {"normal": "normal", "fault": "fault", "wafer": ""}
_TEXT = ("wafer", "regime", "label")
_ABSENT = ("", "na", "nan", "null", "none")


def read_traces(path: Path) -> Traces:
    """Traces of a .npz file; InputError tells what is wrong with it, and of which wafer."""
    arrays = read_archive(path)
    name = next((n for n in ("variables", "signals") if n in arrays), None)
    if name is None:
        raise InputError(f"{path}: holds no array `variables` with the names of the columns")
    columns = [str(v) for v in np.atleast_1d(arrays[name])]
    lower = [c.lower() for c in columns]
    step = next((n for n, c in enumerate(lower) if c in ("step", "step number", "step_number")), None)
    sensors = [n for n, c in enumerate(lower) if n != step and c not in ("time", "time_s")]
    found = []
    for key in arrays:
        kind, _, wafer = key.partition("_")
        if kind not in PREFIXES or not wafer:
            continue
        values = arrays[key]
        if values.ndim != 2 or values.shape[1] != len(columns) or values.dtype.kind not in "fiu":
            raise InputError(f"{path}, {key}: {values.dtype} {values.shape}, and (samples, {len(columns)}) is wanted")
        said = str(arrays[f"label_{wafer}"]) if f"label_{wafer}" in arrays else ""
        found.append((wafer, said or PREFIXES[kind], values.astype(np.float64)))
    if not found or not sensors:
        raise InputError(f"{path}: holds no traces: arrays normal_W, fault_W or wafer_W for wafers W")
    found.sort(key=lambda one: one[0])
    wafers = tuple(one[0] for one in found)
    if len(set(wafers)) < len(wafers):
        raise InputError(f"{path}: a wafer is there twice, as normal and as fault")
    return Traces(
        tuple(columns[n] for n in sensors),
        wafers,
        tuple(w[:-2] if w[-2:].isdigit() else w.rstrip("0123456789") for w in wafers),
        tuple(one[1] for one in found),
        tuple(one[2][:, sensors] for one in found),
        tuple(np.zeros(len(one[2])) if step is None else one[2][:, step] for one in found),
    )


def read_table(path: Path) -> Features:
    """A table of wafers by variables; a cell that is no number is an error, an empty one a missing value."""
    rows = read_rows(path, ("wafer",))
    variables = tuple(name for name in rows.columns if name and name not in _TEXT)
    if not variables:
        raise InputError(f"{path}: no variables beside {', '.join(_TEXT)}")

    def values(row: Row) -> list[float]:
        return [np.nan if row.cells[n].lower() in _ABSENT else row.number(n) for n in variables]

    table = np.array(rows.each(values))
    level = np.nanmax(np.abs(table), axis=0, initial=0.0)
    least = np.maximum(resolution(table) / np.sqrt(12.0), 1e-9 * level + 1e-300)
    text = {name: tuple(row.cells.get(name, "") for row in rows.rows) for name in _TEXT}
    missing = tuple("no value at all" if np.isnan(row).all() else "" for row in table)
    return Features(text["wafer"], text["regime"], text["label"], variables, variables, table, least, missing)
