"""`actinic train`: the networks that ship, made again or made better."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Outcome, number, progress
from .options import NOTES, deferred

train = typer.Typer(help="Train the networks that ship, on standard cells and patterns of our own.")


def patterns(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where weights, card and state go.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the descent.")] = 9000,
    clips: Annotated[int, typer.Option(min=10, help="Clips to learn from.")] = 14000,
    batch: Annotated[int, typer.Option(min=1, help="Clips a step; shared between devices.")] = 16,
    rate: Annotated[float, typer.Option(help="The largest step.")] = 1.5e-3,
    seed: Annotated[int, typer.Option(min=0, help="The same one gives the same weights.")] = 0,
) -> Outcome:
    """Train the maker of patterns; one that was killed goes on from its last state, to the same bits."""
    from ... import jobs

    with progress() as report:
        result = jobs.train_patterns(jobs.Lesson(steps, clips, batch, rate, seed), out, progress=report)
    told = f"{number(result['figures']['loss_nats_per_cell'], 4)} nats a cell"
    return Outcome(result, f"{told}; weights and card in {out}")


train.command(epilog=NOTES)(deferred(patterns))
