"""`actinic wafer`: measured wafers."""

import typer

from .options import NOTES, deferred
from .wafer_convert import convert
from .wafer_export import export
from .wafer_ingest import ingest
from .wafer_lots import invalidate, lots

wafer = typer.Typer(help="Measured wafers: keep what was measured, and correct by it.", rich_markup_mode=None)
for verb in (ingest, export, lots, invalidate, convert):
    wafer.command(epilog=NOTES)(deferred(verb))
