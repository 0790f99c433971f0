"""`actinic federate`: sites that learn together without moving their data."""

import typer

from ..options import NOTES, deferred
from .server import server
from .simulate import simulate
from .site import site

federate = typer.Typer(help="Sites that learn together without moving their data.", rich_markup_mode=None)
for verb in (simulate, server, site):
    federate.command(epilog=NOTES)(deferred(verb))
