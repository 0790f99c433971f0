"""Overlay: what models leave of a wafer, choice of the order, sampling plans, and a million marks."""

from common import report  # noqa: I001 sets the environment before JAX starts

import sys
import tempfile
from pathlib import Path

import numpy as np

import overlay_wafers as made
from actinic import jobs
from actinic.errors import NumericalError
from actinic.operate.overlay import Spread, choose, fit
from actinic.operate.overlay.order import CANDIDATES
from actinic.operate.sample import Limits, plan
from actinic.wafer import Marks, Model

WAFERS = 50
POINTS = (40, 60, 100, 200, 400, 1000, 3000)


def left(found, marks: Marks, dx: np.ndarray, dy: np.ndarray) -> tuple[float, float]:
    """|mean| + 3 sigma of what a correction leaves of the whole map's truth."""
    p = found.predict(marks.places)
    return Spread.of(dx - p["x"]).mean_3sigma_nm, Spread.of(dy - p["y"]).mean_3sigma_nm


def models(wafers: int) -> None:
    names = ("linear", "howa3", "howa3+field3", "howa5+field3")
    table = {name: [] for name in ("raw", *names)}
    for seed in range(wafers):
        marks, dx, dy = made.measured(made.drawn_terms(np.random.default_rng(seed)), seed)
        table["raw"].append((Spread.of(dx).mean_3sigma_nm, Spread.of(dy).mean_3sigma_nm))
        for name in names:
            table[name].append(left(fit(marks, Model.named(name)), marks, dx, dy))
    for name, rows in table.items():
        middle, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
        report("overlay models", model=name, wafers=wafers, points=3087, left_nm=middle.round(3).tolist(),
               interval_95=(1.96 * spread / np.sqrt(wafers)).round(3).tolist())  # fmt: skip


def order(wafers: int) -> None:
    for n in POINTS:
        fixed, auto, picked = [], [], {}
        for seed in range(wafers):
            marks, dx, dy = made.measured(made.drawn_terms(np.random.default_rng(seed)), seed)
            some = marks[np.random.default_rng(1000 + seed).permutation(len(marks))[:n]]
            row = []
            for name in CANDIDATES:
                try:
                    row.append(np.mean(left(fit(some, Model.named(name)), marks, dx, dy)))
                except NumericalError:
                    row.append(np.nan)
            found = choose(some).found
            fixed.append(row)
            auto.append(np.mean(left(found, marks, dx, dy)))
            picked[found.model.name] = picked.get(found.model.name, 0) + 1
        mean = np.mean(fixed, axis=0)
        best = int(np.nanargmin(mean))
        # By wafer: over the best fixed order's mean, so that the interval is that of the ratio of means.
        ratio = np.array(auto) / mean[best]
        paired = (np.array(auto) - np.array(fixed)[:, best]) / mean[best]
        report("overlay order", points=n, wafers=wafers, best_fixed=CANDIDATES[best], best_nm=round(mean[best], 4),
               auto_nm=round(float(np.mean(auto)), 4), ratio=round(float(ratio.mean()), 4),
               interval_95=round(float(1.96 * paired.std(ddof=1) / np.sqrt(wafers)), 4), picked=picked)  # fmt: skip
        sys.stdout.flush()


def sampling(wafers: int) -> None:
    places, column, row = made.full_map()
    field, model = np.stack([column, row], axis=1), Model.named("howa3+field3")
    balance = Limits(scan_balance=True)
    for n in (40, 60, 120):
        plans = {
            "I, scans balanced": plan(model, places, field, n, limits=balance).chosen,
            "D, scans balanced": plan(model, places, field, n, criterion="D", limits=balance).chosen,
            "D": plan(model, places, field, n, criterion="D").chosen,
        }
        rms: dict[str, list] = {name: [] for name in ("random", *plans)}
        for seed in range(wafers):
            marks, dx, dy = made.measured(made.drawn_terms(np.random.default_rng(seed)), seed)
            for name in rms:
                rows = plans.get(name, np.random.default_rng(1000 + seed).permutation(len(marks))[:n])
                p = fit(marks[rows], model, robust=False).predict(places)
                rms[name].append(np.sqrt(np.mean((dx - p["x"]) ** 2 + (dy - p["y"]) ** 2) / 2))
        for name, values in rms.items():
            over = np.array(values) / np.mean(rms["random"])
            report("overlay sampling", plan=name, points=n, wafers=wafers, rms_nm=round(float(np.mean(values)), 4),
                   of_random=round(float(over.mean()), 4),
                   interval_95=round(float(1.96 * np.std(values, ddof=1) / np.sqrt(wafers)), 4))  # fmt: skip


def million() -> None:
    """324 wafers of 3087 marks in one file: read and fitted."""
    parts = []
    for seed in range(324):
        marks, *_ = made.measured(made.drawn_terms(np.random.default_rng(0)), seed)
        parts.append(marks.with_(wafer=np.full(len(marks), str(seed % 25)), lot=np.full(len(marks), f"L{seed // 25}")))
    names = [name for name in ("lot", "wafer", "chuck", "field_column", "field_row", "X_mm", "Y_mm", "x_mm", "y_mm",
                               "dx_nm", "dy_nm", "quality")]  # fmt: skip
    whole = Marks(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        made.write_csv(path, whole)
        for model in sys.argv[2:] or ("howa3+field3", "howa5+field3", "auto"):
            result = jobs.wafer_fit(jobs.OverlayFile(path), jobs.OverlayModel(model))
            report("overlay million", model=model, marks=len(whole), cpu_s=round(result["cpu_s"], 1),
                   wall_s=round(result["wall_s"], 1), picked=result["model"])  # fmt: skip


def main() -> None:
    parts = sys.argv[1:] or ["models", "order", "sampling", "million"]
    if "models" in parts:
        models(WAFERS)
    if "order" in parts:
        order(WAFERS)
    if "sampling" in parts:
        sampling(WAFERS)
    if "million" in parts:
        million()


if __name__ == "__main__":
    main()
