"""`actinic wafer`: wafers that come back measured, one verb a file."""

import typer

from ..options import NOTES, deferred
from .control import control
from .convert import convert
from .export import export
from .features import features
from .fit import fit
from .focus import focus
from .ingest import ingest
from .inspect import inspect
from .invalidate import invalidate
from .ledger import ledger
from .lots import lots
from .plan import plan
from .replay import replay
from .simulate import simulate
from .uniformity import uniformity

wafer = typer.Typer(help="Measured wafers: keep what was measured, fit, plan, control.", rich_markup_mode=None)
for verb in (
    *(fit, focus, features, uniformity, inspect, plan, control, replay, simulate, ledger),
    *(ingest, export, lots, invalidate, convert),
):
    wafer.command(epilog=NOTES)(deferred(verb))
