"""`actinic data`: the published data sets that Actinic can use."""

import textwrap

import typer

from .console import Outcome
from .options import NOTES, deferred

data = typer.Typer(help="The published data sets that Actinic can use.", rich_markup_mode=None)


@data.command("list", epilog=NOTES)
@deferred
def list_() -> Outcome:
    """List them: what each is, its licence, and whether it is on this machine."""
    from ... import jobs

    sets = jobs.data_sets()
    return Outcome(sets, "\n\n".join(map(_described, sets)))


def _described(entry: dict) -> str:
    lines = [f"{entry['name']}: {'present' if entry['present'] else 'absent'}"]
    for key in ("what", "licence", "origin", "used_for"):
        text = f"{key.replace('_', ' ')}: {entry[key]}"
        lines += textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)
