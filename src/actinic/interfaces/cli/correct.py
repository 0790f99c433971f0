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
    cluster: Annotated[
        str | None, typer.Option(metavar="URL", help="Dask's workers: tls://HOST:PORT, or local:N. For opc.")
    ] = None,
    reuse: Annotated[
        Path | None, typer.Option(metavar="RUN", help="An earlier run: what has not changed is taken over. For opc.")
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(
            metavar="NM",
            help="With --reuse, of a run made by another model: keep blocks whose mean |EPE| is within this by ours.",
        ),
    ] = None,
    retarget: Retarget = None,
    retarget_hold: RetargetHold = False,
    force: Force = False,
) -> Outcome:
    """Find the mask that prints a layer over the process window.

    Writes the mask as OASIS, report.html, run.toml and provenance.json into a run folder. Edge by edge (--method opc),
    a run that was interrupted goes on when it is given the same folder again; see also `actinic status`.
    """
    from ... import jobs

    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), mask_type, method=method)
    with progress() as report:
        given = {
            "workers": workers,
            "elsewhere": jobs.Elsewhere(cluster, reuse, keep),
            "etched": None if retarget is None else jobs.Etched(retarget, retarget_hold),
        }
        return summary(jobs.correct(work, out, **given, force=force, command=context.obj or "", progress=report))
