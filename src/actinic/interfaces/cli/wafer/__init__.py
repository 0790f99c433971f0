"""`actinic wafer`: overlay of wafers that come back measured, one verb a file."""

import typer

from ..options import NOTES, deferred
from .fit import fit
from .plan import plan

wafer = typer.Typer(help="Overlay of measured wafers: fit, plan.", rich_markup_mode=None)
for verb in (fit, plan):
    wafer.command(epilog=NOTES)(deferred(verb))
