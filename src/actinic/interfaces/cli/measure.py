"""`actinic measure`: widths, slopes and mask errors at one focus and dose."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Outcome, columns, number
from .options import (
    Cell,
    CornerName,
    Defocus,
    Dose,
    Drawn,
    Layer,
    MaskType,
    Optics,
    PhaseLayer,
    ResistKind,
    Settings,
    Window,
)

SHOWN = 20


def measure(
    layout: Drawn,
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    phase_layer: PhaseLayer = None,
    resist: ResistKind = None,
    corner: CornerName = None,
    dose: Dose = None,
    focus_nm: Defocus = None,
    gauges: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Cut-lines, as for window.  [default: found in the layout]")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Explain one place, um: corners, slopes, what dominates.")
    ] = None,
) -> Outcome:
    """Measure a layer as drawn: width, error, log-slope and mask error factor at every gauge."""
    from ... import jobs
    from .options import pair

    given = mask_type, phase_layer, resist
    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), *given)
    if at is not None:
        x, y = pair("--at", at, float, "write x,y in um")
        return _explained(jobs.explain(work, x, y))
    result = jobs.measure(work, gauges=gauges, corner=corner, dose=dose, focus_nm=focus_nm)
    rows = [("gauge", "target, nm", "CD, nm", "error, nm", "NILS", "MEEF")]
    for one in jobs.worst_first(result["per_gauge"])[:SHOWN]:
        numbers = [number(one[key]) for key in ("target_nm", "cd_nm", "error_nm", "nils", "meef")]
        rows.append((one["name"], *numbers))
    head = (
        f"{result['gauges']} gauges at dose {result['dose']:g}, focus {result['focus_nm']:g} nm: "
        f"mean error {number(result['mean_error_nm'])} nm, largest {number(result['max_abs_error_nm'])} nm, "
        f"{result['not_printed']} do not print"
    )
    return Outcome(result, f"{head}\n\n{columns(rows, '<>>>>>')}")


def _explained(found: dict[str, Any]) -> Outcome:
    rows = [("corner", "focus, nm", "dose", "CD, nm")]
    rows += [
        (c["corner"], number(c["focus_nm"], 0), number(c["dose"], 3), number(c["cd_nm"])) for c in found["corners"]
    ]
    parts = ", ".join(f"{name} {number(found[f'error_from_{name}_nm'])} nm" for name in ("mask", "focus", "dose"))
    text = (
        f"{found['gauge']}: {number(found['cd_nm'])} nm for {number(found['target_nm'])} nm, "
        f"NILS {number(found['nils'])}, MEEF {number(found['meef'])}, "
        f"{number(found['cd_per_dose_percent_nm'])} nm per % of dose\n"
        f"off by: {parts}; most by {found['dominant']}\n\n{columns(rows, '<>>>')}"
    )
    return Outcome(found, text)
