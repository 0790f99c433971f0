"""`actinic wafer`: overlay of wafers that come back measured, one verb a file."""

import typer

from ..options import NOTES, deferred
from .fit import fit

wafer = typer.Typer(help="Overlay of measured wafers: fit, plan.", rich_markup_mode=None)
for verb in (fit,):
    wafer.command(epilog=NOTES)(deferred(verb))
