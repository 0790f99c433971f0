"""The run folder of an overlay fit: its result, provenance and report with wafer maps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..interfaces.report import Report, write_report
from ..interfaces.wafer_plots import arrow_nm, term_bars, vector_map
from ..operate.overlay import Correction, Fingerprint
from ..wafer import Marks, Places, design, term
from .folder import provenance, write_records

_MOST_ROWS = 30


@dataclass(frozen=True)
class Fitted:
    """Marks, their fit, and the correction over the grid of places."""

    marks: Marks
    found: Fingerprint
    correction: Correction
    at: Places


def write_run(folder: Path, file: Path, fitted: Fitted, result: dict, command: str) -> None:
    """Fill a run folder."""
    origin = provenance({"marks": file}, command=command)
    origin["precision"] = "float64"
    write_records(folder, result, origin)
    report = _report(file, fitted, result, origin, (folder / "run.toml").read_text())
    write_report(folder / "report.html", report)


def _report(file: Path, fitted: Fitted, result: dict, origin: dict, configuration: str) -> Report:
    marks, found, correction, at = fitted.marks, fitted.found, fitted.correction, fitted.at
    before, after, corrected = result["measured"], result["residual"], result["corrected"]

    def worse(label: str, table: dict, beside: str) -> tuple[str, str, str, str]:
        x, y = (table[axis]["mean_3sigma_nm"] for axis in "xy")
        return (
            label,
            f"{np.nanmax([x, y]):.2f}" if np.isfinite([x, y]).any() else "-",
            "nm",
            f"x {x:.2f}, y {y:.2f} nm{beside}",
        )

    numbers = [
        worse("Measured, |mean| + 3 sigma", before, ""),
        worse("Left by the model", after, ""),
        worse("After the correction, over the fields", corrected, ", its uncertainty in it"),
        ("Marks", f"{result['marks']:,}", "", f"{result['fields']} fields, {result['wafers']} wafers"),
        ("Outliers", f"{len(result['outliers']):,}", "", f"{len(result['rejected'])} rows with complaints"),
    ]
    far = found.outliers()
    error, left = found.error_nm, found.residual_nm
    captions = [
        ("Measured overlay, less targets and TIS.", error, arrow_nm(error["x"][~far], error["y"][~far])),
        ("What the model leaves.", left, arrow_nm(left["x"][~far], left["y"][~far])),
    ]
    figures = []
    for caption, v, scale in captions:
        figures.append((caption, vector_map(marks.X_mm, marks.Y_mm, v["x"], v["y"], scale, far).figure))
    if correction.impossible or correction.clipped:
        rest = vector_map(at.X_mm, at.Y_mm, correction.left["x"], correction.left["y"])
        figures.append(("What the machine cannot correct of the fitted overlay, over the fields.", rest.figure))
    figures.append(("The terms by what they amount to.", term_bars(_effects(found, at)).figure))
    notes = [f"{note[0].upper()}{note[1:]}." for note in result["notes"]]
    notes.append(
        "Standard errors hold for marks that err independently; what a model leaves inside a field in common makes "
        "them too small."
    )
    return Report(
        title=f"Overlay of {Path(file).name}: {found.model.name}",
        verdict=result["verdict"],
        good=result["in_spec"],
        numbers=numbers,
        figures=figures,
        notes=notes,
        configuration=configuration,
        provenance=origin,
        reproduce=origin["command"],
        tables=[table for table in _tables(found, correction, result) if len(table[1]) > 1],
    )


def _effects(found: Fingerprint, at: Places) -> dict[str, tuple[float, float]]:
    """Rms over the grid of each term, with its standard error, nm."""
    effects = {}
    for name, value in found.values.items():
        rms = float(np.sqrt(np.mean(design([term(name)], at) ** 2)))
        effects[name] = abs(value) * rms, found.sigmas[name] * rms
    return effects


def _tables(found: Fingerprint, correction: Correction, result: dict) -> list[tuple[str, list[list[str]]]]:
    terms = [["term", "fitted", "standard error", "unit", "correction", ""]]
    for name, value in found.values.items():
        state = "clipped" if name in correction.clipped else "not correctable" if name in correction.impossible else ""
        point = correction.values.get(name)
        shown = "-" if point is None else f"{point:+.5g}"
        terms.append([name, f"{value:+.5g}", f"{found.sigmas[name]:.2g}", term(name).unit, shown, state])
    spreads = [["", "mean", "sigma", "|mean| + 3 sigma", "99.7 %", "max"]]
    for label, table in (
        ("measured", "measured"),
        ("left by the model", "residual"),
        ("after correction", "corrected"),
    ):
        for axis in "xy":
            s = result[table][axis]
            keys = ("mean_nm", "sigma_nm", "mean_3sigma_nm", "p997_nm", "max_nm")
            spreads.append([f"{label}, {axis} (nm)", *(f"{s[key]:.3f}" for key in keys)])
    orders = [["model", "rms of fields left out (nm)"]]
    for name, value in (result["left_out_nm"] or {}).items():
        orders.append([name, "-" if value is None else f"{value:.4f}"])
    rejected = [["line", "reason"]] + [[str(r["line"]), r["reason"]] for r in result["rejected"][:_MOST_ROWS]]
    outliers = [["line", "residual x (nm)", "residual y (nm)"]]
    for one in sorted(result["outliers"], key=lambda o: -np.nanmax(np.abs([o["residual_x_nm"], o["residual_y_nm"]]))):
        outliers.append([str(one["line"]), f"{one['residual_x_nm']:.2f}", f"{one['residual_y_nm']:.2f}"])
    return [
        ("Terms, and what to set", terms),
        ("Overlay", spreads),
        ("Orders", orders),
        (f"Rows with complaints ({len(result['rejected'])})", rejected),
        (f"Outliers ({len(result['outliers'])})", outliers[: _MOST_ROWS + 1]),
    ]
