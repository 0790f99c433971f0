"""Diagnosis on files: what broke, by maps, innovations and logs; and incidents with the truth known, to try it on."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..interfaces import diagnosis_plots
from ..interfaces.report import Report, write_report
from ..operate import diagnose as found_by
from ..operate.diagnose.read import EVENTS, INNOVATIONS, MAPS
from ..plain import csv_text
from ..wafer.faults import CAUSES, LEAVES
from ..wafer.twin import Machine
from .folder import provenance, refuse_existing, run_folder, write_records

SHOWN = 5
THRESHOLD = 0.18  # gives up one known fault in twenty on the twin's machines


def diagnose(
    events: Path, maps: Path, innovations: Path, *, threshold: float = THRESHOLD, out: Path | None = None,
    force: bool = False, command: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Rank the causes of a case by their probability, with evidence; `cause` is None where it is not known.

    A cause is not named where the probability of a fault in no catalogue passes `threshold`.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"threshold {threshold:g}: take one above 0, up to 1")
    if out is not None:
        refuse_existing(Path(out), force)
    case = found_by.read_case(events, maps, innovations)
    found = found_by.diagnose(case, threshold=threshold)
    quiet = not found.leaves
    result = {
        "verdict": "",
        "cause": None if quiet or not found.known else found.ranked[0].cause,
        "happened": not quiet,
        "unknown": found.unknown,
        "threshold": threshold,
        "began_after_s": found.effect.after_s,
        "onset_s": found.effect.onset_s,
        "leaves": [{"leaf": n, "value": v, "sigma": s} for n, v, s in found.leaves],
        "ranked": [_plain(one) for one in found.ranked[:SHOWN]],
        "clocks_s": {s: {"ahead": a, "sigma": e if np.isfinite(e) else None} for s, (a, e) in found.clocks.items()},
        "first_to_warn": dict(sorted(found.parts.items(), key=lambda one: -one[1])),
        "run": None if out is None else str(out),
    }
    result["verdict"] = verdict(result)
    if out is not None:
        inputs = {"events": Path(events), "maps": Path(maps), "innovations": Path(innovations)}
        origin = provenance(inputs, precision="float64")
        settings = f"threshold = {threshold:g}\n"
        with run_folder(Path(out), force) as folder:
            (folder / "run.toml").write_text(settings)
            write_records(folder, result, origin)
            write_report(folder / "report.html", _report(result, case, found, settings, origin, command))
    return result


def incident(
    out: Path, *, seed: int = 0, cause: str | None = None, unseen: bool = False, draw: int = 0, force: bool = False
) -> dict[str, Any]:
    """Write an incident of the machine `seed` as a diagnosis takes it, with its truth; a cause not named is drawn."""
    chosen = None
    if not unseen:
        names = {one.name: one for one in CAUSES}
        if cause is not None and cause not in names:
            raise ConfigError(f"there is no cause {cause!r}: {'; '.join(sorted(names))}")
        chosen = names[cause] if cause else CAUSES[int(np.random.default_rng([seed, draw]).integers(len(CAUSES)))]
    made = Machine(seed).incident(chosen, draw)
    scan = np.where(np.asarray(made.maps.places.scan) > 0, "up", "down")
    with run_folder(Path(out), force) as folder:
        events = [(f"{e.time_s:.3f}", e.source, e.severity, e.code, e.text) for e in made.events]
        (folder / "events.csv").write_text(csv_text(EVENTS, events))
        p, m = made.maps.places, made.maps
        numbers = zip(p.X_mm, p.Y_mm, p.x_mm, p.y_mm, m.dx_nm, m.dy_nm, m.focus_nm, m.cd_nm, strict=True)
        heads = zip(m.wafer, m.time_s, p.chuck, scan, strict=True)
        points = [(*h, *(f"{v:.5f}" for v in n)) for h, n in zip(heads, numbers, strict=True)]
        (folder / "maps.csv").write_text(csv_text(MAPS, points, digits=None))
        rows = [
            (at, leaf, f"{v:.5f}") for at, row in zip(made.wafer_s, made.innovations, strict=True)
            for leaf, v in zip(LEAVES, row, strict=True)
        ]  # fmt: skip
        (folder / "innovations.csv").write_text(csv_text(INNOVATIONS, rows, digits=None))
        truth = {"cause": made.cause.name, "known": made.known, "began_s": made.began_s, "onset_s": made.onset_s,
                 "clocks_s": made.skew_s, "leaves": dict(made.cause.leaves)}  # fmt: skip
        (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")
    return {"run": str(out), "events": len(made.events), "wafers": len(made.wafer_s), "truth": truth}


def verdict(result: dict[str, Any]) -> str:
    """The first sentence of a report."""
    if not result["happened"]:
        return "Nothing happened that the wafers show."
    if result["cause"] is None:
        return f"Not known: a fault in no catalogue at {100 * result['unknown']:.0f} %."
    return f"{result['cause']}, at {100 * result['ranked'][0]['probability']:.0f} %."


def _plain(one) -> dict[str, Any]:
    keys = ("time_s", "source", "severity", "code", "text")
    return {
        "cause": one.cause,
        "part": one.part,
        "probability": one.probability,
        "leaves": [name for name, *_ in one.leaves],
        "events": [dict(zip(keys, event, strict=True)) for event in one.events],
    }


def _report(result, case, found, settings, origin, command) -> Report:
    best = result["ranked"][0]
    numbers = [
        ("Best cause", f"{100 * best['probability']:.0f}", "%", best["cause"]),
        ("Not known", f"{100 * result['unknown']:.0f}", "%", f"no cause named above {100 * result['threshold']:.0f} %"),
        ("Effect since", f"{result['onset_s']:.0f}", "s", f"surely not before {result['began_after_s']:.0f} s"),
    ]
    ranks = [("cause", "probability", "leaves it explains", "events before the effect")]
    ranks += [
        (r["cause"], f"{100 * r['probability']:.1f} %", ", ".join(r["leaves"]), str(len(r["events"])))
        for r in result["ranked"]
    ]  # fmt: skip
    leaves = [("leaf", "moved by", "±")]
    leaves += [(one["leaf"], f"{one['value']:+.2f}", f"{one['sigma']:.2f}") for one in result["leaves"]]
    cited = [("time, s", "source", "", "code", "text")]
    cited += [(f"{e['time_s']:.0f}", e["source"], e["severity"], e["code"], e["text"]) for e in best["events"]]
    tables = [("Causes, likeliest first", ranks), ("Leaves that explain the maps, in units of a point's noise", leaves),
              (f"Before the effect, from {best['part']}, by the common clock", cited)]  # fmt: skip
    figures = [
        ("The wafers: innovations of the leaves that moved", diagnosis_plots.innovations(case, found).figure),
        ("The logs: warnings by the common clock", diagnosis_plots.warnings(case, found).figure),
        ("First to warn, whatever the maps say", diagnosis_plots.parts(found).figure),
    ]
    notes = [
        "One fault at a time is looked for; two at once look like one that is in no catalogue.",
        "What a part's failure sets off elsewhere is not known, only that it comes later.",
    ]
    good = not result["happened"]
    return Report("Diagnosis", result["verdict"], good, numbers, figures, notes, settings, origin, command, tables)
