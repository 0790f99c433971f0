"""The run folder of focus and dose: its result, provenance and report with wafer maps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..interfaces import focus_plots
from ..interfaces.report import Report, write_report
from ..operate.focus.correct import Setpoints
from ..operate.focus.estimate import Estimate
from ..operate.focus.problem import Fields
from ..operate.widths import Widths
from ..wafer import ExposureMap
from .folder import provenance, write_records

_MOST_ROWS = 40


@dataclass(frozen=True)
class Found:
    """Fields of a file with what was found of each."""

    measured: Widths
    groups: list[np.ndarray]
    fields: Fields
    estimates: list[Estimate | None]
    setpoints: list[Setpoints]

    @property
    def names(self) -> tuple[str, ...]:
        return self.fields.names


def write_run(folder: Path, files: dict[str, Path], found: Found, result: dict, command: str) -> None:
    """Fill a run folder."""
    origin = provenance(files, command=command, precision="float64")
    write_records(folder, result, origin)
    write_report(folder / "report.html", _report(found, result, origin, (folder / "run.toml").read_text()))


def _report(found: Found, result: dict, origin: dict, configuration: str) -> Report:
    listed = result["field_list"]
    known = np.array([one["determined"] for one in listed])
    place = ExposureMap()
    X, Y = place.centre_mm(*(np.array([one[key] for one in listed]) for key in ("field_column", "field_row")))
    focus, dose = (np.array([one[key]["value"] for one in listed]) for key in ("focus_nm", "dose_percent"))
    sigma = np.array([one["focus_nm"]["sigma"] for one in listed])
    numbers = [
        ("Fields determined", f"{result['determined']}", "", f"of {result['fields']}"),
        ("Focus, mean", _number(result["focus_mean_nm"]), "nm", f"3 sigma {_number(result['focus_3sigma_nm'])} nm"),
        ("Standard error of focus", _number(_median(sigma[known])), "nm", "median of the fields determined"),
        ("Dose, mean", _number(result["dose_mean_percent"], 2), "%",
         f"3 sigma {_number(result['dose_3sigma_percent'], 2)} %"),
        ("Fields clipped", f"{result['clipped']}", "", f"{result['doubted']} not explained by the model"),
    ]  # fmt: skip
    figures = []
    wafers = sorted({(one["lot"], one["wafer"]) for one in listed})
    here = np.array([(one["lot"], one["wafer"]) == wafers[0] for one in listed])
    of = f"lot {wafers[0][0]}, wafer {wafers[0][1]}" + (f", the first of {len(wafers)}" if len(wafers) > 1 else "")
    for label, value, unit in (("Focus", focus, "focus (nm)"), ("Dose", dose, "dose (%)")):
        axes = focus_plots.field_map(X[here], Y[here], value[here], known[here], unit)
        figures.append((f"{label} of the fields of {of}; crossed: not determined.", axes.figure))
    axes = focus_plots.through_focus(found.fields.table, focus[known])
    figures.append(("Widths of the features through focus, and the focus of the fields determined.", axes.figure))
    rows = [["lot", "wafer", "field", "focus (nm)", "sigma", "dose (%)", "sigma", "95 % set (nm)", ""]]
    for one in sorted(listed, key=lambda one: one["determined"])[:_MOST_ROWS]:
        pieces = " or ".join(f"{low:.1f} to {high:.1f}" for low, high in one["focus_set_nm"])
        values = [_number(one[key][part], 2) for key in ("focus_nm", "dose_percent") for part in ("value", "sigma")]
        place_of = f"{one['field_column']}, {one['field_row']}"
        rows.append([one["lot"], one["wafer"], place_of, *values, pieces, one["not_corrected"]])
    more = f" The first {_MOST_ROWS} of {len(listed)}." if len(listed) > _MOST_ROWS else ""
    notes = [
        "Focus and dose are errors about the nominal ones of the process; positive focus is away from the lens.",
        "Standard errors are those of the stated sigmas; what the imaging model gets wrong is not in them.",
        *(f"Line {one['line']}: {one['reason']}." for one in result["rejected"][:10]),
    ]
    return Report(
        "Focus and dose from line widths", result["verdict"], result["in_spec"], numbers, figures, notes,
        configuration, origin, origin["command"], [(f"Fields, those not determined first.{more}", rows)],
    )  # fmt: skip


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if values.size else None
