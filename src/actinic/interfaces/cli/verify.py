"""`actinic verify`: whether a mask prints a layout."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Outcome
from .options import Cell, Drawn, Force, Layer, MaskType, Optics, PhaseLayer, Retarget, RetargetHold, Settings, Window
from .summary import summary


def verify(
    context: typer.Context,
    layout: Drawn,
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="The mask to check: GDSII, OASIS or .glp.")],
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    phase_layer: PhaseLayer = None,
    mask_layer: Annotated[
        str | None, typer.Option(metavar="L/D", help="Layer of the mask's file.  [default: as the layout]")
    ] = None,
    lyrdb: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the hotspots as a KLayout marker file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report with pictures as HTML.")] = None,
    cover: Annotated[
        list[str] | None,
        typer.Option(
            metavar="L/D[:NM]", help="A layer that the print must cover, by so many nm; repeatable.  [default nm: 0]"
        ),
    ] = None,
    end_cap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="L/D[:NM]", help="A layer beyond which lines that cross it must reach; repeatable.  [default nm: 0]"
        ),
    ] = None,
    against: Annotated[Path | None, typer.Option(metavar="MASK", help="Another mask to compare with.")] = None,
    margin_nm: Annotated[
        float, typer.Option(metavar="NM", help="Difference of mean |EPE| of masks that count as the same.")
    ] = 0.1,
    retarget: Retarget = None,
    retarget_hold: RetargetHold = False,
    force: Force = False,
) -> Outcome:
    """Check a mask against a layout: EPE, PV band, rules, hotspots.

    Measures what the mask prints at every corner of the process, by code that no optimiser uses; docs/verify.md says
    how each hotspot is defined. Broken mask rules are counted and do not change the exit code.
    """
    from ... import jobs

    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), mask_type, phase_layer)
    beyond = jobs.Beyond(tuple(cover or ()), tuple(end_cap or ()), against, margin_nm, report, context.obj or "")
    given = {"mask_layer": mask_layer, "lyrdb": lyrdb, "retarget": retarget, "hold": retarget_hold, "force": force}
    return summary(jobs.verify(work, mask, **given, beyond=beyond))
