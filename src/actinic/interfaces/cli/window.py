"""`actinic window`: how much focus and dose a layout or its mask can bear."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, number, progress
from .options import (
    Cell,
    CutLines,
    Dof,
    Drawn,
    FocusSeries,
    Force,
    Layer,
    MaskType,
    Optics,
    PhaseLayer,
    ResistKind,
    Settings,
    Tolerance,
    Window,
)
from .summary import effort, files


def window(
    context: typer.Context,
    layout: Drawn,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder goes.")],
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    phase_layer: PhaseLayer = None,
    resist: ResistKind = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A mask to judge, beside the layout as drawn.")
    ] = None,
    gauges: CutLines = None,
    focus: FocusSeries = None,
    dose: Annotated[
        str | None, typer.Option(metavar="A:B:STEP", help="Doses of the Bossung curves.  [default: best +-10 %]")
    ] = None,
    tolerance: Tolerance = 10.0,
    dof: Dof = None,
    most: Annotated[int, typer.Option(min=1, metavar="N", help="Most gauges to take from the layout.")] = 100,
    force: Force = False,
) -> Outcome:
    """Measure the process window: exposure latitude, depth of focus, MEEF.

    Writes report.html, gauges.csv, plots.npz, run.toml and provenance.json into a run folder. Out of spec: the
    range of focus and dose of the process's corners does not fit, a gauge prints in tolerance nowhere, or phases
    conflict.
    """
    from ... import jobs

    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), mask_type, phase_layer, resist)
    sweep = jobs.Sweep(focus, dose, tolerance, dof, most)
    with progress() as report:
        result = jobs.window(
            work, out, sweep, mask=mask, gauges=gauges, force=force, command=context.obj or "", progress=report
        )
    verdict = textwrap.fill(result["verdict"], 80)
    parts = [verdict, _numbers(result), _limits(result), effort(result), files(result)]
    return Outcome(result, "\n\n".join(filter(None, parts)), DONE if result["in_spec"] else OUT_OF_SPEC)


def _numbers(result: dict) -> str:
    need = result["required"]
    rows = [
        ("best focus", lambda r: r["best_focus_nm"], 0, "nm"),
        ("best dose", lambda r: r["best_dose"], 4, ""),
        ("DOF at 5 % EL, ellipse", lambda r: r["dof_nm"]["ellipse"]["5"], 0, "nm"),
        ("DOF at 10 % EL, ellipse", lambda r: r["dof_nm"]["ellipse"]["10"], 0, "nm"),
        (f"EL over {need['dof_nm']:g} nm, rectangle", lambda r: r["el_percent"]["rectangle"], 2, "%"),
    ]
    drawn = result["uncorrected"]
    if not drawn:
        return columns([(name, number(get(result), digits), unit) for name, get, digits, unit in rows], "<><")
    table = [(name, number(get(drawn), d), "->", number(get(result), d), unit) for name, get, d, unit in rows]
    return columns([("", "as drawn", "", "with mask", ""), *table], "<>>><")


def _limits(result: dict) -> str:
    limiting = result["limiting"]
    return columns([(f"bounded at {side.replace('_', ' ')} by", limiting[side]) for side in limiting], "<<")
