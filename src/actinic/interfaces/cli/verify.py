"""`actinic verify`: whether a mask prints a layout."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Outcome
from .options import Cell, Drawn, Force, Layer, MaskType, Optics, PhaseLayer, Retarget, RetargetHold, Settings, Window
from .summary import summary


def verify(
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
    retarget: Retarget = None,
    retarget_hold: RetargetHold = False,
    force: Force = False,
) -> Outcome:
    """Check a mask against a layout: EPE, PV band, rules, hotspots."""
    from ... import jobs

    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), mask_type, phase_layer)
    given = {"mask_layer": mask_layer, "lyrdb": lyrdb, "retarget": retarget, "hold": retarget_hold, "force": force}
    return summary(jobs.verify(work, mask, **given))
