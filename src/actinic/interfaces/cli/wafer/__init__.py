"""`actinic wafer`: wafers that come back measured, one verb a file."""

import typer

from ..options import NOTES, deferred
from .control import control
from .convert import convert
from .diagnose import diagnose
from .export import export
from .features import features
from .fit import fit
from .focus import focus
from .incident import incident
from .ingest import ingest
from .inspect import inspect
from .invalidate import invalidate
from .ledger import ledger
from .lots import lots
from .monitor import monitor
from .plan import plan
from .predict import predict
from .replay import replay
from .simulate import simulate
from .uniformity import uniformity

wafer = typer.Typer(help="Measured wafers: keep what was measured, fit, plan, control, watch.", rich_markup_mode=None)
VERBS = (
    fit, plan, focus, features, uniformity, control, replay, simulate, ledger, monitor, predict, diagnose, incident,
    inspect, ingest, export, lots, invalidate, convert,
)  # fmt: skip
for verb in VERBS:
    wafer.command(epilog=NOTES)(deferred(verb))
