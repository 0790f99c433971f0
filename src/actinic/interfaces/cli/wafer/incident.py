"""`actinic wafer incident`: something breaks, and the truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import Outcome
from ..options import Force


def incident(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")] = Path("incident"),
    seed: Annotated[int, typer.Option(min=0, help="The machine: its causal graph, clocks, alarms.")] = 0,
    cause: Annotated[str | None, typer.Option(metavar="NAME", help="What breaks (docs/diagnose.md).")] = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="A fault that is in no catalogue.")] = False,
    draw: Annotated[int, typer.Option(min=0, metavar="N", help="One of many incidents of the machine.")] = 0,
    force: Force = False,
) -> Outcome:
    """Simulate an incident: logs with clock skew and cascades, residual maps, innovations, and the truth."""
    from .... import jobs

    result = jobs.incident(out, seed=seed, cause=cause, unseen=unseen, draw=draw, force=force)
    said = f"{result['truth']['cause']}: {result['events']} events, {result['wafers']} wafers in {out}"
    return Outcome(result, said)
