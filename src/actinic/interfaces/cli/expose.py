"""`actinic expose`: what a layout prints as it is drawn."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Outcome, columns, number
from .options import (
    Cell,
    CornerName,
    Defocus,
    Dose,
    Drawn,
    Force,
    Layer,
    MaskModel,
    MaskType,
    Optics,
    PhaseLayer,
    ResistKind,
    Settings,
    Window,
)


def expose(
    layout: Drawn,
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    phase_layer: PhaseLayer = None,
    corner: CornerName = None,
    dose: Dose = None,
    focus_nm: Defocus = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Write every stage as arrays with grid and units.")
    ] = None,
    resist: ResistKind = None,
    mask_model: MaskModel = None,
    force: Force = False,
) -> Outcome:
    """Print a layer as it is drawn: aerial image and printed area."""
    from ... import jobs

    given = mask_type, phase_layer, resist
    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), *given, mask_model=mask_model)
    result = jobs.expose(work, corner=corner, dose=dose, focus_nm=focus_nm, save=save, force=force)
    return Outcome(result, columns([_row(key, value) for key, value in result.items()], "<><"))


def _row(key: str, value) -> tuple[str, str, str]:
    for unit in ("nm2", "um2", "nm", "s"):
        if key.endswith(f"_{unit}"):
            return key.removesuffix(f"_{unit}").replace("_", " "), _cell(value), unit
    return key.replace("_", " "), _cell(value), ""


def _cell(value) -> str:
    if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        return f"{len(value)}, see --json"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return str(value) if isinstance(value, str | bool | dict | Path) else number(value, 4)
