"""Wafers of a file watched against a reference: which are not like the ones before, and which sensors say so."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..config import to_toml
from ..errors import InputError
from ..interfaces import operation_plots
from ..interfaces.report import Report, write_report
from ..operate.monitor import (
    Chart,
    Features,
    Finding,
    Traces,
    designed,
    library,
    read_table,
    read_traces,
    resembling,
    suspects,
    trace_features,
    watch,
)
from ..operate.monitor import Settings as MonitorSettings
from ..operate.monitor.features import joined
from ..plain import csv_text
from .folder import provenance, refuse_existing, run_folder, write_records

SHOWN = 5  # sensors of a wafer
HEADER = ["wafer", "regime", "label", "status", "worst", "limit", "sensor_1", "sensor_2", "sensor_3", "missing"]


def monitor(
    file: Path, reference: Path | None = None, settings: MonitorSettings | None = None, *, out: Path | None = None,
    force: bool = False, command: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Watch every wafer of a file of traces (.npz) or of a table (.csv), regime by regime.

    The scale comes from the regimes of `reference`, else from the other regimes of the file, else from the wafers
    themselves. Labels beyond those of the wafers re-centred on are only used to count what was found.
    """
    settings = settings or MonitorSettings()
    if out is not None:
        refuse_existing(Path(out), force)
    file, reference = Path(file), None if reference is None else Path(reference)
    findings, chart, plotted, features, alike = _watched(file, reference, settings)
    result = {
        "verdict": "",
        "wafers": [_plain(one, like) for one, like in zip(findings, alike, strict=True)],
        "limit": chart.limit,
        "chart": asdict(chart),
        "arl": settings.arl,
        "variables": len(features.names),
        "counts": counts(findings),
        "run": None if out is None else str(out),
    }
    result["verdict"] = verdict(result)
    if out is not None:
        inputs = {"file": file} | ({} if reference is None else {"reference": reference})
        origin = provenance(inputs, precision="float64")
        with run_folder(Path(out), force) as folder:
            (folder / "run.toml").write_text(to_toml(settings))
            write_records(folder, result, origin)
            (folder / "wafers.csv").write_text(_csv(findings, chart))
            np.savez_compressed(
                folder / "plotted.npz", wafers=[one.wafer for one in findings], features=features.names, values=plotted
            )
            report = _report(result, findings, chart, to_toml(settings), origin, command)
            write_report(folder / "report.html", report)
    return result


def counts(findings: list[Finding]) -> dict[str, int]:
    """Wafers by what was found, and of the labelled ones how often it was right."""
    judged = [one for one in findings if one.status != "baseline"]
    normal = [one for one in judged if one.label == "normal"]
    faults = [one for one in judged if one.label not in ("", "normal")]
    return {
        "watched": len(judged),
        "alarms": sum(one.status == "alarm" for one in judged),
        "incomplete": sum(one.status == "incomplete" for one in judged),
        "normal": len(normal),
        "false_alarms": sum(one.status == "alarm" for one in normal),
        "normal_incomplete": sum(one.status == "incomplete" for one in normal),
        "faults": len(faults),
        "found": sum(one.status == "alarm" for one in faults),
        "faults_incomplete": sum(one.status == "incomplete" for one in faults),
    }


def verdict(result: dict[str, Any]) -> str:
    """The first sentence of a report."""
    n = result["counts"]
    said = f"{n['alarms']} of {n['watched']} wafers are not like the ones before"
    if n["incomplete"]:
        said += f"; {n['incomplete']} incomplete"
    return f"{said}."


def _watched(file: Path, reference: Path | None, settings: MonitorSettings):
    """Every regime by itself, told its scale by the others."""
    found = [] if reference is None else [_renamed(_read(reference))]
    source = _read(file)
    if found and type(found[0]) is not type(source):
        raise InputError(f"{reference}: traces and tables cannot be compared")
    whole = _together([source, *found])
    regimes = tuple(dict.fromkeys(source.regimes))
    findings, plotted, alike, features, chart = [], [], [], None, None
    for regime in regimes:
        others = [r for r in dict.fromkeys(whole.regimes) if r != regime and (not found or r not in regimes)]
        features = whole if isinstance(whole, Features) else _features(whole, others or [regime])
        some, chart, values = watch(features, [regime], others, settings)
        findings += some
        plotted.append(values)
        known = library(features, others, settings)
        for one, row in zip(some, values, strict=True):
            alike.append(resembling(row, known) if one.status == "alarm" else [])
    if features is None:
        raise InputError(f"{file}: no wafer to watch")
    return findings, chart or designed(settings.chart, settings.arl), np.concatenate(plotted), features, alike


def _read(file: Path) -> Traces | Features:
    if file.suffix.lower() == ".npz":
        return read_traces(file)
    if file.suffix.lower() == ".csv":
        return read_table(file)
    raise InputError(f"{file}: traces are .npz files, tables .csv")


def _renamed(part):
    return replace(part, regimes=tuple(f"reference {regime}".strip() for regime in part.regimes))


def _together(parts):
    if len(parts) == 1:
        return parts[0]
    first, second = parts
    if isinstance(first, Traces):
        return joined(first, second)
    if first.names != second.names:
        raise InputError(f"the reference has other columns: {', '.join(sorted(set(first.names) ^ set(second.names)))}")
    more = {n: getattr(first, n) + getattr(second, n) for n in ("wafers", "regimes", "labels", "missing")}
    return replace(first, table=np.concatenate([first.table, second.table]), least=second.least, **more)


def _features(traces: Traces, regimes) -> Features:
    rows = zip(traces.regimes, traces.labels, strict=True)
    usable = [n for n, (regime, label) in enumerate(rows) if regime in regimes and label in ("", "normal")]
    if not usable:
        raise InputError(f"regime {', '.join(regimes)}: no wafer that may be normal")
    return trace_features(traces, usable)


def _plain(one: Finding, alike: list[tuple[str, float]]) -> dict[str, Any]:
    sensors = [{"sensor": s, "value": v, "feature": name} for s, v, name in one.sensors[:SHOWN]]
    worst = one.worst if np.isfinite(one.worst) else None
    return {
        "wafer": one.wafer,
        "regime": one.regime,
        "label": one.label,
        "status": one.status,
        "worst": worst,
        "sensors": sensors,
        "resembles": [{"fault": name, "cosine": cosine} for name, cosine in alike],
        "suspects": suspects(alike, one.sensors) if one.status == "alarm" else [],
        "missing": one.missing,
    }


def _csv(findings: list[Finding], chart: Chart) -> str:
    rows = []
    for one in findings:
        names = [s for s, *_ in one.sensors[:3]] + [""] * 3
        worst = f"{one.worst:.4f}" if np.isfinite(one.worst) else ""
        rows.append(
            [one.wafer, one.regime, one.label, one.status, worst, f"{chart.limit:.4f}", *names[:3], one.missing]
        )
    return csv_text(HEADER, rows)


def _report(result, findings, chart, configuration, origin, command) -> Report:
    n = result["counts"]
    numbers = [
        ("Alarms", str(n["alarms"]), "", f"of {n['watched']} wafers watched"),
        (
            "Limit",
            f"{chart.limit:.2f}",
            "σ",
            f"one false alarm in {result['arl']:g} wafers",
        ),
        ("Incomplete", str(n["incomplete"]), "", "not or only partly judged"),
    ]
    if n["normal"]:
        numbers.append(("False alarms", str(n["false_alarms"]), "", f"of {n['normal']} wafers labelled normal"))
    if n["faults"]:
        numbers.append(("Faults found", str(n["found"]), "", f"of {n['faults']} labelled faults"))
    rows = [("wafer", "label", "status", "worst, σ", "resembles", "first sensor", "second", "third")]
    for one, plain in zip(findings, result["wafers"], strict=True):
        if one.status in ("alarm", "incomplete"):
            said = [f"{name} ({value:+.1f})" for _, value, name in one.sensors[:3]] + [""] * 3
            worst = f"{one.worst:.1f}" if np.isfinite(one.worst) else ""
            like = [f"{r['fault']} ({r['cosine']:.2f})" for r in plain["resembles"][:1]] + [""]
            rows.append((one.wafer, one.label, one.status, worst, like[0], *said[:3]))
    figures = [("The largest of all features, wafer by wafer", operation_plots.watched(findings, chart).figure)]
    if len(rows) > 1:
        caption = "What each sensor says of the wafers that are not in order"
        figures.append((caption, operation_plots.contributions(findings, chart).figure))
    notes = [
        "A sensor at the top deviates; it need not be what broke: a regulated quantity shows in what regulates it.",
        "The limit is designed for features that are independent; those that go together alarm less often.",
    ]  # fmt: skip
    notes += [f"{one.wafer}: {one.missing}" for one in findings if one.missing][:20]
    return Report(
        "Equipment monitoring", result["verdict"], not (n["alarms"] or n["incomplete"]), numbers, figures, notes,
        configuration, origin, command, [("Wafers not in order", rows)] if len(rows) > 1 else (),
    )  # fmt: skip
