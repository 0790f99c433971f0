"""Virtual metrology on files: how well lots foretell each other, and what the wafers not measured would measure."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, InputError
from ..interfaces import operation_plots
from ..interfaces.report import Report, write_report
from ..operate import predict as foretold
from ..operate.predict.features import switched
from ..operate.predict.trust import MEASURE
from ..plain import csv_text
from .folder import provenance, refuse_existing, run_folder, write_records

HEADER = ["lot", "wafer", "how", "value", "low", "high", "decision", "measured"]
LEFT_OUT, NEW = "lot left out", "new"


@dataclass(frozen=True)
class NewRuns:
    """Signals of runs to foretell, and if they were measured after all, their values to compare with."""

    signals: Path
    values: Path | None = None


def predict(
    signals: Path, values: Path, *, new: "NewRuns | None" = None, level: float = 0.9,
    spec: tuple[float, float] | None = None, out: Path | None = None, force: bool = False, command: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Learn from the runs of `signals` that have one of `values`; foretell every lot by the others, and the rest.

    The rest are the runs of `new`, whose values are compared and not learnt from, else those of `signals` without one.
    """
    if not 0.5 <= level < 1:
        raise ConfigError(f"level {level:g}: take one of 0.5 to 1")
    if spec is not None and not spec[0] < spec[1]:
        raise ConfigError(f"spec {spec[0]:g},{spec[1]:g}: the first must be lower")
    if out is not None:
        refuse_existing(Path(out), force)
    runs, names = foretold.read_runs(signals)
    known, quantity = foretold.read_values(values)
    learnt = [run for run in runs if (run.lot, run.place) in known]
    rest = [run for run in runs if (run.lot, run.place) not in known]
    if not learnt:
        raise InputError(f"{values}: has no value of a run of {signals}")
    asked: dict[tuple[str, int], float] = {}
    if new is not None:
        more, other = foretold.read_runs(new.signals)
        if other != names:
            raise InputError(f"{new.signals}: has other signals than {signals}")
        if new.values is not None:
            asked, _ = foretold.read_values(new.values)
        rest = more
    switch = switched(learnt)
    table = foretold.signal_features(learnt, names, switch)
    measured = np.array([known[run.lot, run.place] for run in learnt])
    model = foretold.fit(table, measured)
    tried, _ = foretold.leave_one_lot_out(table, measured, level)
    rows = _rows(learnt, tried, foretold.decide(tried, spec), LEFT_OUT, known)
    compared: list[dict[str, Any]] = []
    if rest:
        others = foretold.signal_features(rest, names, switch)
        later = model.predict(others.values, level)
        rows += _rows(rest, later, foretold.decide(later, spec), NEW, asked)
        compared = _compared(others, later, asked, foretold.ridge_baseline(table, measured, others))
    result = _result(table, measured, tried, model, rows, spec) | {
        "new_lots": compared,
        "quantity": quantity, "level": level, "switched": None if switch is None else names[switch[0]],
        "run": None if out is None else str(out),
    }  # fmt: skip
    result["verdict"] = verdict(result)
    if out is not None:
        more_inputs = {} if new is None else {"new": new.signals, "new_values": new.values}
        inputs = {"signals": Path(signals), "values": Path(values)} | {k: Path(p) for k, p in more_inputs.items() if p}
        origin = provenance(inputs, precision="float64")
        settings = f"level = {level:g}\n" + ("" if spec is None else f"spec = [{spec[0]:g}, {spec[1]:g}]\n")
        with run_folder(Path(out), force) as folder:
            (folder / "run.toml").write_text(settings)
            write_records(folder, result, origin)
            (folder / "wafers.csv").write_text(csv_text(HEADER, [[row[name] for name in HEADER] for row in rows]))
            write_report(folder / "report.html", _report(result, settings, origin, command))
    return result


def verdict(result: dict[str, Any]) -> str:
    """The first sentence of a report."""
    whole = result["lots"][-1]
    said = f"Lots foretold by the others: R2 {result['r2']:.3f}, {whole['covered']} of {whole['wafers']} in intervals"
    asked = [row for row in result["wafers"] if row["how"] == NEW]
    if result["new_lots"]:
        n = result["new_lots"][-1]
        said += f"; new lots {n['covered']} of {n['wafers']}"
    if asked:
        said += f"; {sum(row['decision'] == MEASURE for row in asked)} of {len(asked)} new wafers are to be measured"
    return f"{said}."


def _compared(table, found, values, baseline) -> list[dict[str, Any]]:
    """Coverage and error of the new lots that were measured after all, as for those left out, with R2 at the end."""
    measured = np.array(
        [values.get((str(lot), int(n)), np.nan) for lot, n in zip(table.lots, table.place, strict=True)]
    )
    here = np.isfinite(measured)
    if not here.any():
        return []
    some = foretold.Prediction(found.value[here], found.half[here], found.known[here])
    lots = [asdict(one) for one in foretold.coverage(some, measured[here], table.lots[here])]
    if here.sum() > 2:
        lots[-1] |= {
            "r2": foretold.r2(some.value, measured[here]),
            "baseline_r2": foretold.r2(baseline[here], measured[here]),
        }
    return lots


def _result(table, measured, tried, model, rows, spec) -> dict[str, Any]:
    baseline = foretold.ridge_baseline(table, measured)
    plain = np.array([measured[table.lots != lot].mean() for lot in table.lots])
    lots = [asdict(one) for one in foretold.coverage(tried, measured, table.lots)]
    for one in lots:
        of = table.lots == one["lot"] if one["lot"] != "all" else np.ones(len(measured), bool)
        one["baseline_rmse"] = float(np.sqrt(np.mean((measured - baseline)[of] ** 2)))
    decided = None
    if spec is not None:
        bad = (measured < spec[0]) | (measured > spec[1])
        sure = np.array([row["decision"] == "in spec" for row in rows if row["how"] == LEFT_OUT])
        among = {"out_of_spec_among_them": int((sure & bad).sum()), "out_of_spec": int(bad.sum())}
        decided = {"skipped": int(sure.sum()), **among}
    return {
        "r2": foretold.r2(tried.value, measured),
        "baseline_r2": foretold.r2(baseline, measured),
        "features": list(model.names),
        "sigma": model.sigma,
        "lots": lots,
        "risk": foretold.risk(tried, measured, plain),
        "spec": decided,
        "wafers": rows,
    }


def _rows(runs, found, decisions, how, known) -> list[dict[str, Any]]:
    return [
        {"lot": run.lot, "wafer": run.place, "how": how, "value": float(found.value[n]), "low": float(found.low[n]),
         "high": float(found.high[n]), "decision": decisions[n], "measured": known.get((run.lot, run.place))}
        for n, run in enumerate(runs)
    ]  # fmt: skip


def _report(result, settings, origin, command) -> Report:
    whole, asked = result["lots"][-1], [row for row in result["wafers"] if row["how"] == NEW]
    least = min(result["lots"][:-1], key=lambda one: one["covered"] / one["wafers"])
    numbers = [
        ("R²", f"{result['r2']:.3f}", "", f"{result['baseline_r2']:.3f} ridge on plain means"),
        ("RMSE", f"{whole['rmse']:.3f}", "", f"{whole['baseline_rmse']:.3f} ridge on plain means"),
        ("In their intervals", f"{whole['covered']}", "", f"of {whole['wafers']}, {100 * result['level']:g} % asked"),
        ("Least covered lot", f"{least['covered']}", "", f"of {least['wafers']}, lot {least['lot']}"),
    ]
    if asked:
        n = sum(row["decision"] == MEASURE for row in asked)
        numbers.append(("To be measured", str(n), "", f"of {len(asked)} new wafers"))
    lots = [("lot", "wafers", "in interval", "RMSE", "ridge on plain means")]
    lots += [
        (o["lot"], str(o["wafers"]), str(o["covered"]), f"{o['rmse']:.3f}", f"{o['baseline_rmse']:.3f}")
        for o in result["lots"]
    ]
    risks = [("relied on", "RMSE", "largest error", "outside interval", "score")]
    for row in result["risk"]:
        sizes = [f"{row[k]:.3f}" if row[k] is not None else "" for k in ("rmse", "worst")]
        risks.append((str(row["relied_on"]), *sizes, str(row["misses"]), f"{row['score']:.3f}"))
    tables = [("By lot, each foretold by the others", lots), ("Relying on the narrowest intervals only", risks)]
    if asked:
        new = [("wafer", result["quantity"], "low", "high", "decision")]
        new += [
            (f"lot {r['lot']} wafer {r['wafer']}", *(f"{r[k]:.3f}" for k in ("value", "low", "high")), r["decision"])
            for r in asked
        ]  # fmt: skip
        tables.append(("New wafers", new))
    notes = [
        f"Learnt from: {', '.join(result['features'])}.",
        "Intervals take lots as they were; after a maintenance or with another recipe learn anew.",
        "A wafer further from what was learnt from than any lot left out was is to be measured, whatever its interval.",
    ]
    figures = [("Foretold by the other lots, with intervals", operation_plots.foretold(result).figure),
               ("Error along each lot", operation_plots.errors_by_lot(result).figure)]  # fmt: skip
    good = not any(row["decision"] == MEASURE for row in asked)
    return Report(
        "Virtual metrology", result["verdict"], good, numbers, figures, notes, settings, origin, command, tables
    )
