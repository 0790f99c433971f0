"""A history replayed: what a controller would have set, lot by lot, and what that would have changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config import to_toml
from ..interfaces import control_plots
from ..interfaces.report import Report, write_report
from ..operate.control import MODEL
from ..operate.control.replay import before_after
from ..operate.control.replay import replay as replayed
from .control import History
from .folder import provenance, refuse_existing, run_folder, write_records

PRINTED = ("was_3sigma", "would_3sigma", "covered")


def replay(
    lots: Path, results: Path, controller: Path, *, out: Path | None = None, skip: int = 30, force: bool = False,
    command: str = "", progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Replay lots and results as they would have arrived; with `out` write a run folder with charts.

    Of each term: |mean| + 3 sigma of what was measured as exposed and as it would have been at the set-points proposed
    (the gain as the controller saw it then), without the first `skip` measured lots, and what the intervals covered.
    """
    if out is not None:
        refuse_existing(Path(out), force)
    history = History.read(lots, results, controller)
    found = replayed(history.lots, history.results, history.settings, None, lambda n, of: progress("lots", n, of))
    loop = found.controller
    terms = {name: before_after(found, name, skip) for name in history.settings.terms}
    result: dict[str, Any] = {
        "lots": len(history.lots),
        "terms": {
            name: None if one is None else {key: one[key] for key in PRINTED} | {"measured": len(one["lots"])}
            for name, one in terms.items()
        },
        "alarms": {name: len(loop.alarms(name)) for name in history.settings.terms},
        "gates": [gate.__dict__ for gate in loop.gates()],
        "stopped": loop.stopped,
        "state": loop.state(),
        "rejected": history.rejections(),
        "better": all(one is None or one["would_3sigma"] <= one["was_3sigma"] for one in terms.values()),
        "run": None if out is None else str(out),
    }
    if out is not None:
        origin = provenance(history.files, precision="float64", model=MODEL)
        with run_folder(Path(out), force) as folder:
            (folder / "run.toml").write_text(to_toml(history.settings))
            write_records(folder, result, origin)
            plain = [p.plain() for p in found.proposals]
            (folder / "proposals.jsonl").write_text("".join(json.dumps(p) + "\n" for p in plain))
            write_report(folder / "report.html", _report(result, terms, to_toml(history.settings), origin, command))
    return result


def verdict(result: dict[str, Any]) -> str:
    """The first sentence of a report."""
    if result["stopped"]:
        return f"The loop would have stopped: {'; '.join(result['stopped'].values())}."
    known = {name: one for name, one in result["terms"].items() if one}
    if not known:
        return "Too few lots were measured to say anything."
    parts = [f"{name} {one['was_3sigma']:.2f} → {one['would_3sigma']:.2f} nm" for name, one in known.items()]
    return f"|mean| + 3 sigma, before → after: {', '.join(parts)}."


def _report(result, terms, configuration, origin, command) -> Report:
    numbers, figures = [], []
    for name, one in terms.items():
        if one is None:
            continue
        numbers.append(
            (f"{name}, |mean| + 3σ", f"{one['would_3sigma']:.2f}", "nm", f"{one['was_3sigma']:.2f} nm before")
        )
        covered = f"{100 * one['covered']:.0f}"
        numbers.append((f"{name}, interval covers", covered, "%", f"of {len(one['lots'])} measured lots"))
        figures.append((f"{name}: errors as exposed and at the set-points proposed", control_plots.errors(one).figure))
        figures.append((f"{name}: the controller's own innovations", control_plots.chart(one).figure))
    rows = [("gate", "asked", "measured", "holds")]
    rows += [(g["name"], g["asked"], g["measured"], "yes" if g["holds"] else "no") for g in result["gates"]]
    levels = [("term", "level", "nm", "± sigma")]
    for name, state in result["state"].items():
        found = state.get("levels", {})
        largest = sorted(found, key=lambda k: -abs(found[k]))[:20]
        levels += [(name, k, f"{found[k]:.2f}", f"{state['sigma'][k]:.2f}") for k in largest]
    notes = [
        "What would have been is the measurement moved by the gain the controller saw, not a second experiment.",
        "Measured values hold metrology noise and flyers, before and after alike.",
    ]
    notes += [f"{row['file']}, line {row['line']}: {row['reason']}" for row in result["rejected"][:10]]
    return Report(
        "Replay of a history", verdict(result), result["better"] and not result["stopped"], numbers, figures, notes,
        configuration, origin, command, [("Gates to the next stage", rows), ("Largest levels", levels)],
    )  # fmt: skip
