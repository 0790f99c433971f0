"""A drifting fab on files: lots, results, marks, and the truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..config import build, load_toml, override, to_toml
from ..errors import ConfigError
from ..operate.control import Controller, Settings
from ..operate.widths import COLUMNS as WIDTHS
from ..plain import csv_text
from ..wafer.exposure import ExposureMap
from ..wafer.marks import COLUMNS
from ..wafer.terms import Places, design, term
from ..wafer.twin import VARIANTS, Fab, Prints, Twin
from .focus import FeatureFile
from .folder import provenance, run_folder

START = datetime(2026, 1, 1)
MARKS_PER_LOT = 40
_STATES = ["lot", "wafer", "field_column", "field_row", "focus_nm", "dose_percent", "tilt_x", "tilt_y"]
_SHIFTS = ["placement_x_nm", "placement_y_nm"]
MARK_NM = 0.35  # noise of one mark, on top of the lot's


@dataclass(frozen=True)
class Metrology:
    """What is written of measured lots beside their terms: overlay marks, widths of features and their truth."""

    marks: bool = False
    features: FeatureFile | None = None


def simulate(
    twin: str = "well-specified", *, seed: int = 0, out: Path, controller: Path | None = None,
    changes: tuple[str, ...] = (), metrology: Metrology = Metrology(), force: bool = False,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Run a twin (a name of `VARIANTS` or a TOML file) and write its folder.

    Without a `controller` (TOML) all set-points are 0. Marks are those of one wafer a measured lot, 40 of them, whose
    overlay is the measured terms with 0.35 nm of noise each; the terms must then be overlay terms. Features are
    measured on one wafer a measured lot as the imaging model prints them, and where there are marks too these are
    displaced by the placement of the first feature of either direction.
    """
    made = load_twin(twin, changes)
    settings = None if controller is None else build(Settings, load_toml(controller), str(controller))
    if settings is not None:
        settings = replace(settings, stage="closed")
        missing = settings.terms.keys() - made.terms.keys()
        if missing:
            raise ConfigError(f"{controller}: the twin has no term {', '.join(sorted(missing))}")
    if metrology.marks:
        for name in made.terms:
            term(name)
    fab = Fab(made, seed)
    prints, sigma = _prints(fab, seed, metrology.features) if metrology.features else (None, np.zeros(0))
    with run_folder(out, force) as folder:
        (folder / "run.toml").write_text(to_toml(made))
        loop = Controller(settings) if settings else None
        results = []
        for lot in fab.lots:
            for one in fab.arrived(lot.n):
                results.append(one)
                if loop:
                    loop.observe(one.lot, one.hour, one.values, status=one.status)
            upset = ("tool",) if lot.maintained else ()
            chosen = loop.propose(lot.lot, lot.hour, lot.context, upset).setpoint if loop else {}
            fab.expose(lot.n, chosen)
            progress("lots", lot.n + 1, made.lots)
        _write(folder / "lots.csv", *_lots(fab))
        _write(folder / "results.csv", ["lot", "time", "term", "value", "status"], [
            [one.lot, _date(one.hour), name, value, one.status] for one in results for name, value in one.values.items()
        ])  # fmt: skip
        _write(folder / "truth.csv", *_truth(fab))
        if metrology.marks:
            _write(folder / "marks.csv", [*COLUMNS, "tool", "product", "time"], _marks(fab, results, seed, prints))
        if prints:
            cds, states = _widths(fab, results, prints, sigma)
            _write(folder / "cds.csv", [*WIDTHS, "sigma_nm"], cds)
            _write(folder / "cds_truth.csv", _STATES + list(prints.table.zernikes) + _SHIFTS, states)
        files = {"controller": controller, "features": metrology.features and metrology.features.file}
        inputs = {name: file for name, file in files.items() if file is not None}
        origin = provenance(inputs, seed=seed, twin=twin, precision="float64")
        (folder / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n")
    truth = fab.truth()
    spreads = np.abs(truth.mean(axis=0)) + 3 * truth.std(axis=0)
    return {
        "run": str(out),
        "lots": made.lots,
        "results": len(results),
        "seed": seed,
        "controlled": settings is not None,
        "true_mean_3sigma_nm": dict(zip(fab.terms, spreads.tolist(), strict=True)),
    }


def _prints(fab: Fab, seed: int, features: FeatureFile) -> tuple[Prints, np.ndarray]:
    """What the fab prints of features, and the sigma of each."""
    listed, table = features.table(tuple(fab.twin.zernikes_nm))
    first = {f.lines.axis: n for n, f in reversed(list(enumerate(listed)))}
    sigma = np.array([f.sigma_nm for f in listed])
    return Prints(fab, seed, table, first.get("y"), first.get("x")), sigma


def _widths(fab: Fab, results, prints: Prints, sigma: np.ndarray) -> tuple[list[list], list[list]]:
    """Rows of measured widths and of the states that made them, of each lot that was measured."""
    rows, states = [], []
    for n in sorted({int(one.lot[1:]) for one in results}):
        lot, printed = fab.lots[n].lot, prints.lot(n)
        width = prints.widths(printed, sigma, n)
        for k in range(len(printed.fields)):
            place = [lot, "1", printed.fields.column[k], printed.fields.row[k]]
            own = (printed.focus_nm[k], printed.dose_percent[k], printed.tilt_x[k], printed.tilt_y[k])
            states.append([*place, *own, *printed.path_nm.values(), *printed.shift_nm])
            for at in range(len(printed.x_mm)):
                for f, name in enumerate(prints.table.names):
                    value = width[k, at, f]
                    cell = f"{value:.4f}" if np.isfinite(value) else ""
                    rows.append([*place, name, printed.x_mm[at], printed.y_mm[at], cell, sigma[f]])
    return rows, states


def load_twin(name: str, changes: tuple[str, ...] = ()) -> Twin:
    """A twin by name or TOML file, with `key=value` changes."""
    if name in VARIANTS:
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in VARIANTS[name].items()}
        return build(Twin, override(plain, changes), name)
    path = Path(name)
    if not path.is_file():
        raise ConfigError(f"{name} is neither a file nor a twin: {', '.join(VARIANTS)}")
    return build(Twin, override(load_toml(path), changes), name)


def _lots(fab: Fab) -> tuple[list[str], list[list]]:
    keys = list(fab.lots[0].context)
    header = ["lot", "time", *keys, "upset", *(f"set_{name}" for name in fab.terms)]
    rows = [
        [
            lot.lot,
            _date(lot.hour),
            *lot.context.values(),
            "tool" if lot.maintained else "",
            *fab.applied[lot.n].tolist(),
        ]
        for lot in fab.lots
    ]
    return header, rows


def _truth(fab: Fab) -> tuple[list[str], list[list]]:
    """Disturbance at set-point 0, after develop, after etch."""
    header = ["lot", "term", "disturbance_nm", "developed_nm", "etched_nm"]
    parts = np.stack([fab.disturbance, fab.developed(), fab.truth()], axis=2)
    return header, [[lot.lot, name, *parts[lot.n, i].tolist()] for lot in fab.lots for i, name in enumerate(fab.terms)]


def _marks(fab: Fab, results, seed: int, prints: Prints | None = None) -> list[list]:
    random, fields = np.random.default_rng((seed, 1)), ExposureMap().fields()
    names = [term(name) for name in fab.terms]
    rows = []
    for one in results:
        lot = fab.lots[int(one.lot[1:])]
        n = random.choice(len(fields), min(MARKS_PER_LOT, len(fields)), replace=False)
        x, y = random.uniform(-12, 12, n.size), random.uniform(-15, 15, n.size)
        X, Y = fields.X_mm[n] + x, fields.Y_mm[n] + y
        shift = prints.lot(lot.n).shift_nm if prints else (0.0, 0.0)
        chuck = lot.context.get("chuck") or "1"
        at = Places(X, Y, x, y, np.full(n.size, chuck), fields.scan[n])
        made = design(names, at) * np.array([one.values[name] for name in fab.terms])
        for i in range(n.size):
            along = {axis: sum(made[i, j] for j, t in enumerate(names) if t.axis == axis) for axis in "xy"}
            dx, dy = (along["xy"[k]] + shift[k] + MARK_NM * random.standard_normal() for k in range(2))
            place = [fields.column[n[i]], fields.row[n[i]], X[i], Y[i], x[i], y[i], dx, dy, 1.0]
            rows.append(
                [
                    one.lot,
                    "1",
                    chuck,
                    *place,
                    lot.context.get("tool", ""),
                    lot.context.get("product", ""),
                    _date(one.hour),
                ]
            )
    return rows


def _date(hour: float) -> str:
    return (START + timedelta(hours=hour)).isoformat(timespec="seconds")


def _write(path: Path, header: list[str], rows: list[list]) -> None:
    path.write_text(csv_text(header, rows, digits=None))
