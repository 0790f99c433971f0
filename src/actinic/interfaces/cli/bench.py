"""`actinic bench`: correct a benchmark's clips and score the masks."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import Outcome, progress
from .options import Benchmark, Dialect, Force
from .score import scoreboard


def bench(
    benchmark: Benchmark,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the masks go.")],
    dialect: Dialect = "O",
    setting: Annotated[Literal["fast", "fine"], typer.Option(help="How long to work on a clip.")] = "fast",
    force: Force = False,
) -> Outcome:
    """Correct the clips of a benchmark and score the masks."""
    from ... import jobs

    with progress() as report:
        return scoreboard(
            jobs.bench(benchmark, dialect=dialect, setting=setting, out=out, force=force, progress=report)
        )
