"""The report of a closed loop: the verdict and a page for who runs the fab, then where every number comes from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..interfaces import loop_plots
from ..interfaces.report import Report, write_report
from ..loop import ARMS, Number, Scenario
from ..loop.evidence import GAINS, LOTS, MASK, TOLD, shares
from ..operate.control import MODEL
from ..operate.ledger import Entry
from .folder import provenance
from .work import Work


def origin_of(work: Work, seed: int, command: str) -> dict:
    return provenance({"layout": work.layout}, layer=work.layer, window_um=work.window, cell=work.cell, seed=seed,
                      command=command, controller=MODEL)  # fmt: skip


def report(
    folder: Path, entries: Sequence[Entry], numbers: Sequence[Number], result: dict, scenario: Scenario,
    configuration: str, origin: dict,
) -> None:  # fmt: skip
    """Write report.html."""
    of = {one.name: one for one in numbers}
    gain = {pair: of[f"gain, {TOLD[pair[0]]} over {TOLD[pair[1]]}"] for pair in GAINS}
    names = {("control", "none"): "Set-points bring", ("recalibrate", "none"): "Model and mask bring",
             ("all", "control"): "Model and mask bring on top"}  # fmt: skip
    shown = [
        ("In spec, everything on", f"{result['yield_percent']['all']:.1f}", "%", "share of the product's gauges"),
        ("In spec, nothing on", f"{result['yield_percent']['none']:.1f}", "%", "same lots, same drifts"),
        *(
            (label, f"{gain[pair].value:+.1f}", "points", f"{gain[pair].low:+.1f} to {gain[pair].high:+.1f}")
            for pair, label in names.items()
        ),
    ]
    lots = {TOLD[arm]: _series(entries, arm) for arm in ARMS}
    changed = [e.body["from"] for e in entries if e.kind == MASK and e.body.get("arm") == "all" and e.body["condemned"]]
    figures = [
        ("Gauges in spec, lot by lot of the product.", loop_plots.in_spec(lots, changed).figure),
        ("Focus, with and without set-points.", loop_plots.focus(
            {TOLD[arm]: _focus(entries, arm) for arm in ("none", "all")}).figure),
    ]  # fmt: skip
    write_report(folder / "report.html", Report(
        title=f"Closed loop, {Path(origin['inputs']['layout']['file']).name}, seed {origin['seed']}",
        verdict=result["verdict"], good=result["in_spec"], numbers=shown, figures=figures,
        notes=_notes(scenario, result),
        configuration=configuration, provenance=origin, reproduce=origin["command"],
        tables=[("What each kind of correction is worth", _worth(of)), ("From new widths to a new verified mask",
                _steps(numbers)), ("Where every number comes from", _sources(numbers))],
    ))  # fmt: skip


def _series(entries: Sequence[Entry], arm: str) -> tuple[np.ndarray, np.ndarray]:
    hits, total, _ = shares(entries, arm)
    return _numbers_of(entries, arm), 100 * hits / total


def _numbers_of(entries: Sequence[Entry], arm: str) -> np.ndarray:
    return np.array([one["n"] for one in _lots(entries, arm) if "gauges" in one])


def _focus(entries: Sequence[Entry], arm: str) -> tuple[np.ndarray, np.ndarray]:
    every = _lots(entries, arm)
    return np.array([one["n"] for one in every]), np.array([one["focus_nm"] for one in every])


def _lots(entries: Sequence[Entry], arm: str) -> list[dict]:
    return [one for e in entries if e.kind == LOTS and e.body["arm"] == arm for one in e.body["lots"]]


def _worth(of: dict[str, Number]) -> list[list[str]]:
    rows = [["", "in spec, %", "by width, %", "by overlay, %", "gain over nothing, points", "95 % interval"]]
    for arm in ARMS:
        head = f"gauges in spec, {TOLD[arm]}"
        cells = [f"{of[head + part].value:.2f}" for part in ("", ", by width", ", by overlay")]
        gain = of.get(f"gain, {TOLD[arm]} over {TOLD['none']}")
        interval = ["", ""] if gain is None else [f"{gain.value:+.2f}", f"{gain.low:+.2f} to {gain.high:+.2f}"]
        rows.append([TOLD[arm], *cells, *interval])
    return rows


def _steps(numbers: Sequence[Number]) -> list[list[str]]:
    rows = [["step", "s", ""]]
    return rows + [[one.name, f"{one.value:.1f}", one.how] for one in numbers if one.unit == "s"]


def _sources(numbers: Sequence[Number]) -> list[list[str]]:
    rows = [["number", "value", "unit", "95 % interval", "how", "ledger entries"]]
    for one in numbers:
        interval = "" if one.low is None else f"{one.low:.5g} to {one.high:.5g}"
        rows.append([one.name, f"{one.value:.5g}", one.unit, interval, one.how, _ranges(one.entries)])
    return rows


def _ranges(entries: Sequence[int]) -> str:
    """Numbers as ranges: 3-5, 9."""
    found: list[list[int]] = []
    for n in sorted(set(entries)):
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in found)


def _notes(scenario: Scenario, result: dict) -> list[str]:
    spec = scenario.spec
    return [
        f"In spec: width within {spec.cd_percent:g} % of the drawn one, overlay within {spec.overlay_nm:g} nm, at five "
        "places of every whole field, one wafer a lot. It stands for yield and is not yield.",
        f"The fab is a twin and knows the truth: its process differs from the model's by {', '.join(scenario.truth)}. "
        "All sizes are invented; what a step is worth depends on them.",
        "The intervals draw this run's lots again; another run of the same fab (--seed) may lie outside.",
        "Other products share tools and lenses; only their overlay and monitors count here.",
        f"Every number can be computed again from ledger.jsonl, whose head is {result['head']}: "
        "actinic loop --check RUN.",
    ]
