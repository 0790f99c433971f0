"""`actinic federate`: sites that learn together without moving their data."""

import typer

from ..options import NOTES, deferred
from .simulate import simulate

federate = typer.Typer(help="Sites that learn together without moving their data.", rich_markup_mode=None)
for verb in (simulate,):
    federate.command(epilog=NOTES)(deferred(verb))
