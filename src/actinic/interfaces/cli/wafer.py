"""`actinic wafer`: measured wafers."""

import typer

from .options import NOTES, deferred
from .wafer_control import control
from .wafer_convert import convert
from .wafer_export import export
from .wafer_ingest import ingest
from .wafer_ledger import ledger
from .wafer_lots import invalidate, lots
from .wafer_replay import replay
from .wafer_simulate import simulate

wafer = typer.Typer(help="Measured wafers: keep what was measured, and correct by it.", rich_markup_mode=None)
for verb in (ingest, export, lots, invalidate, convert, simulate, control, replay, ledger):
    wafer.command(epilog=NOTES)(deferred(verb))
