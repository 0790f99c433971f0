"""A corrected or verified mask in a few lines: verdict, the numbers, where the files are."""

from pathlib import Path
from typing import Any

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, number

NUMBERS = {
    "mean_abs_epe_nm": ("mean |EPE|", "nm"),
    "epe_3sigma_nm": ("EPE 3 sigma", "nm"),
    "max_epe_nm": ("max |EPE|", "nm"),
    "pv_band_nm": ("PV band", "nm"),
    "rule_violations": ("mask rule violations", ""),
    "side_lobes": ("side lobes", ""),
    "printed_assists": ("printed assists", ""),
    "missing": ("missing", ""),
    "bridges": ("bridges", ""),
    "opens": ("opens", ""),
    "phase_conflicts": ("phase conflicts", ""),
    "hotspots": ("hotspots", ""),
    "shots": ("shots", ""),
}


def summary(result: dict[str, Any]) -> Outcome:
    """The outcome of `correct`, `demo` and `verify`; out of spec leaves with code 1."""
    verdict = result.get("verdict") or ("in spec" if result["in_spec"] else "out of spec")
    parts = [verdict, _numbers(result), effort(result), _anew(result.get("anew")), files(result)]
    text = "\n\n".join(part for part in parts if part)
    return Outcome(result, text, DONE if result["in_spec"] else OUT_OF_SPEC)


def _numbers(result) -> str:
    before = result.get("uncorrected")
    known = {key: names for key, names in NUMBERS.items() if key in result}
    if not before:
        return columns([(name, number(result[key]), unit) for key, (name, unit) in known.items()], "<><")
    rows = [("", "before", "", "after", "")]
    for key, (name, unit) in known.items():
        change = (number(before[key]), "->") if key in before else ("", "")
        rows.append((name, *change, number(result[key]), unit))
    return columns(rows, "<>>><")


def effort(result) -> str:
    """What a result took, in one line."""
    said = [
        f"{number(result[key], digits)} {what}"
        for key, digits, what in (
            ("area_um2", 1, "um2"),
            ("gauges", 0, "gauges"),
            ("wall_s", 1, "s"),
            ("cpu_s", 1, "CPU-s"),
            ("compile_s", 1, "s of it compiling"),
        )
        if result.get(key) is not None
    ]
    return ", ".join(said)


def _anew(anew) -> str:
    """What was kept of an earlier mask, and what each step took."""
    if not anew:
        return ""
    rows = [(one["step"], number(one["wall_s"], 1), "s", number(one["cpu_s"], 1), "CPU-s") for one in anew["steps"]]
    return f"{anew['blocks_condemned']} of {anew['blocks']} blocks corrected anew\n" + columns(rows, "<><><")


def files(result) -> str:
    """Where a result's files are."""
    places = {name: result.get(name) for name in ("mask", "lyrdb", "run", "report")}
    if places["run"]:
        places["report"] = Path(places["run"]) / "report.html"
    rows = [(name, str(place)) for name, place in places.items() if place]
    return columns(rows, "<<") if rows else ""
