"""Whole chips edge by edge: cost, memory and quality; cost against area, arrays, and what `plan` predicted.

Each run is the command itself in a process of its own, so its CPU time and the largest memory of any of its processes
are the system's. Arguments choose parts by name: `chips`, `area`, `array`, `plan`; without any all are run.
"""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import klayout.db as db

from actinic import layout

CHIPS = ("tt_um_factory_test", "tt_um_i2c", "tt_um_CPU", "tt_um_currymottled")
KEPT = ("mean_abs_epe_nm", "epe_3sigma_nm", "max_epe_nm", "gauges", "open_gauges", "line_ends",
        "line_end_mean_abs_nm", "rule_violations", "in_spec", "tiles", "failed", "area_um2")  # fmt: skip
WINDOWS = {"20 x 20 um": "40,30,60,50", "40 x 40 um": "30,20,70,60", "80 x 80 um": "20,10,100,90"}
PITCH_NM = 2400.0


def actinic(*arguments: str) -> tuple[dict, dict]:
    """The answer of a command, and what it took: seconds, and MiB of its largest process."""
    began = time.perf_counter()
    program = [sys.executable, "-c", "from actinic.interfaces.cli.app import main; main()", *arguments, "--json"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    answer = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if not answer:
        raise SystemExit(f"{' '.join(arguments)} ended with status {status}")
    cost = {
        "cpu_s": used.ru_utime + used.ru_stime,
        "wall_s": time.perf_counter() - began,
        "largest_process_mib": used.ru_maxrss / 1024,
    }
    return json.loads(answer), cost


def corrected(file: Path, out: Path, *more: str, workers: int = 2) -> tuple[dict, dict]:
    spread = ("--workers", str(workers), "--out", str(out))
    return actinic("correct", str(file), "--optics", "krf-dry", "--method", "opc", *spread, *more)


def chips(folder: Path, out: Path, names) -> None:
    for name in names:
        found, cost = corrected(folder / f"chips/{name}.oas", out / name, "--layer", "67/20")
        told = {key: found[key] for key in KEPT}
        report(f"whole chip {name}, li1", **told, klayout_violations=found["rule_violations_klayout"], **cost)


def area(folder: Path, out: Path) -> None:
    """The same chip in windows of more and more area, one worker."""
    file = folder / "chips/tt_um_factory_test.oas"
    for name, window in WINDOWS.items():
        found, cost = corrected(file, out / name, "--layer", "67/20", "--window", window, workers=1)
        um2 = found["area_um2"]
        report(f"cost against area, {name}", area_um2=um2, cpu_s_a_um2=cost["cpu_s"] / um2,
               correct_cpu_s_a_um2=found["correct_cpu_s"] / um2, **cost)  # fmt: skip


def array(out: Path) -> None:
    """One cell of bars and contacts n x n times."""
    drawn = layout.manhattan(11, (0.0, 0.0, PITCH_NM - 340, PITCH_NM - 340), 170, 170)
    for n in (10, 100):
        chip = db.Layout()
        chip.dbu = 0.001
        cell, top = chip.create_cell("CELL"), chip.create_cell("TOP")
        for ring in drawn.contours:
            cell.shapes(chip.layer(1, 0)).insert(db.Polygon([db.Point(*map(int, p)) for p in ring.tolist()]))
        step = db.Vector(int(PITCH_NM), 0), db.Vector(0, int(PITCH_NM))
        top.insert(db.CellInstArray(cell.cell_index(), db.Trans(0, 0), *step, n, n))
        file = out / f"array{n}.oas"
        chip.write(str(file))
        found, cost = corrected(file, out / f"array{n}", "--layer", "1/0", workers=1)
        told, _ = actinic("status", str(out / f"array{n}"))
        size = (out / f"array{n}" / "mask.oas").stat().st_size
        report(f"array {n} x {n}", area_um2=found["area_um2"], blocks=found["tiles"], computed=told["computed"],
               mask_bytes=size, correct_cpu_s=found["correct_cpu_s"], **cost)  # fmt: skip


def plans(folder: Path, out: Path) -> None:
    """Predicted against measured for two windows and a chip."""
    wanted = (("tt_um_CPU", "40,30,100,90"), ("tt_um_i2c", "20,20,80,80"), ("tt_um_factory_test", None))
    for name, window in wanted:
        file, cut = folder / f"chips/{name}.oas", () if window is None else ("--window", window)
        layer = ("--layer", "67/20", *cut)
        told, _ = actinic("plan", str(file), "--optics", "krf-dry", "--method", "opc", *layer)
        _, cost = corrected(file, out / f"plan {name}", *layer, workers=1)
        predicted = 3600 * told["core_hours"]
        report(f"plan {name} {window or 'whole'}", predicted_cpu_s=predicted, ratio=predicted / cost["cpu_s"],
               predicted_mib=1024 * told["memory_gib_per_process"], **cost)  # fmt: skip


def main() -> None:
    wanted = sys.argv[1:] or ["chips", "area", "array", "plan"]
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        if "array" in wanted:
            array(out)
        folder = data_folder()
        if folder is None:
            return
        if "chips" in wanted:
            chips(folder, out, [name for name in CHIPS if name in wanted] or CHIPS)
        if "area" in wanted:
            area(folder, out)
        if "plan" in wanted:
            plans(folder, out)


if __name__ == "__main__":
    main()
