"""A million measurements: into the store from CSV, out of it, a linear model fitted to every wafer, the same again.

The data are made with a seed: wafers of 25-wafer lots, 49 marks in every whole field, known linear terms, noise of
0.5 nm. CPU seconds are of all threads, wall seconds of a machine with others on it.
"""

from common import report  # noqa: I001 sets the environment before JAX starts

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from actinic.operate.overlay import fit
from actinic.operate.store import Wanted, export, ingest, lots, marks
from actinic.wafer import COLUMNS, ExposureMap, Model, Places, evaluate

MARKS, SEED = 1_000_000, 11
TERMS = {"k1": 3.0, "k2": -2.0, "k3": 0.05, "k4": -0.03, "k5": 0.02, "k6": 0.01}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, store = Path(folder) / "marks.csv", Path(folder) / "store.duckdb"
        wafers = _write(file)
        report("store: the file", marks=MARKS, wafers=wafers, megabytes=file.stat().st_size / 1e6)
        took: dict[str, float] = {}
        result = _timed(took, "ingest", lambda: ingest(file, store))
        assert (result.added, result.rejected) == (MARKS, ())
        error = _timed(took, "query and fit", lambda: _fit(store))
        assert _timed(took, "the same file again", lambda: ingest(file, store)).known
        # Another file with the same rows: all are compared.
        _timed(took, "export to Parquet", lambda: export(store, Path(folder) / "all.parquet"))
        same = _timed(took, "the same rows again", lambda: ingest(Path(folder) / "all.parquet", store))
        assert (same.added, same.repeated) == (0, MARKS)
        wall = took["ingest, wall s"] + took["query and fit, wall s"]
        cpu = took["ingest, CPU s"] + took["query and fit, CPU s"]
        report(
            "store: a million measurements ingested and fitted", wall_s=wall, cpu_s=cpu, asked_wall_s=60,
            store_megabytes=store.stat().st_size / 1e6, largest_error_nm=error, **took,
        )  # fmt: skip


def _timed(took: dict[str, float], name: str, work):
    cpu, wall = sum(os.times()[:4]), time.perf_counter()
    found = work()
    took[f"{name}, CPU s"] = sum(os.times()[:4]) - cpu
    took[f"{name}, wall s"] = time.perf_counter() - wall
    return found


def _write(file: Path) -> int:
    """The measurements as CSV; how many wafers they are of."""
    random = np.random.default_rng(SEED)
    grid = ExposureMap()
    fields = grid.fields()
    which, X, Y, x, y = grid.points(fields)
    place = Places(X, Y, x, y)
    dx, dy = evaluate(TERMS, place)
    head = [f"{c},{r}" for c, r in zip(fields.column[which], fields.row[which], strict=True)]
    head = [f"{h},{a:.6g},{b:.6g},{c:.6g},{d:.6g}" for h, a, b, c, d in zip(head, X, Y, x, y, strict=True)]
    done = wafer = 0
    with open(file, "w") as out:
        out.write(",".join([*COLUMNS, "time"]) + "\n")
        while done < MARKS:
            noise = 0.5 * random.standard_normal((2, len(head)))
            start = f"LOT{wafer // 25:03d},W{wafer % 25 + 1:02d},{wafer % 2 + 1}"
            when = np.datetime64("2026-01-01") + np.timedelta64(5 * wafer, "m")
            rows = zip(head, dx + noise[0], dy + noise[1], strict=True)
            lines = [f"{start},{h},{a:.4f},{b:.4f},1,{when}\n" for h, a, b in rows]
            out.writelines(lines[: MARKS - done])
            done, wafer = done + len(lines), wafer + 1
    return wafer


def _fit(store: Path) -> float:
    """A robust linear model for every wafer, lot by lot: the largest error of a whole wafer's translation, in nm."""
    model, worst = Model.named("linear"), 0.0
    for lot in lots(store):
        found = marks(store, Wanted(lot=lot.lot))
        order = np.argsort(found.wafer, kind="stable")
        starts = np.flatnonzero(found.wafer[order][1:] != found.wafer[order][:-1]) + 1
        for rows in np.split(order, starts):
            one = found[rows]
            values = fit(one, model).values
            if len(rows) > 2000:  # the last wafer is cut off
                worst = max(worst, *(abs(values[name] - TERMS[name]) for name in ("k1", "k2")))
    return worst


if __name__ == "__main__":
    main()
