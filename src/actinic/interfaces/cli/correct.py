"""`actinic correct`: from a drawn layer to a mask that prints it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import Outcome, progress
from .options import Cell, Drawn, Force, Layer, MaskType, Optics, Retarget, RetargetHold, Settings, Window, Workers
from .summary import summary


def correct(
    context: typer.Context,
    layout: Drawn,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder goes.")],
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    method: Annotated[Literal["ilt", "opc"], typer.Option(help="Inverse lithography, or edges moved.")] = "ilt",
    workers: Workers = 0,
    retarget: Retarget = None,
    retarget_hold: RetargetHold = False,
    force: Force = False,
) -> Outcome:
    """Find the mask that prints a layer over the process window.

    Writes the mask as OASIS, report.html, run.toml and provenance.json into a run folder.
    """
    from ... import jobs

    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), mask_type, method=method)
    with progress() as report:
        given = {"workers": workers, "retarget": retarget, "hold": retarget_hold, "force": force}
        return summary(jobs.correct(work, out, **given, command=context.obj or "", progress=report))
