"""`actinic bench`: correct a benchmark's clips and score the masks."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import Outcome, progress
from .options import Benchmark, Dialect, Force, Settings
from .score import scoreboard


def bench(
    benchmark: Benchmark,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the masks go.")],
    dialect: Dialect = "O",
    setting: Annotated[Literal["fast", "fine"], typer.Option(help="How long to work on a clip.")] = "fast",
    clip: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this clip; repeatable.")] = None,
    settings: Settings = None,
    force: Force = False,
) -> Outcome:
    """Correct the clips of a benchmark and score the masks."""
    from ... import jobs

    wanted = {"dialect": dialect, "setting": setting, "clips": tuple(clip or ()), "settings": tuple(settings or ())}
    with progress() as report:
        return scoreboard(jobs.bench(benchmark, **wanted, out=out, force=force, progress=report))
