"""`actinic wafer replay`: what a controller would have made of a history."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number, progress
from ..options import ControllerFile, Force, LotsFile, ResultsFile


def replay(
    context: typer.Context,
    lots: LotsFile,
    results: ResultsFile,
    controller: ControllerFile,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder with charts.  [default: none]")] = None,
    skip: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out so many measured lots at the start.")] = 30,
    force: Force = False,
) -> Outcome:
    """Replay a history lot by lot as it arrived, before and after.

    Leaves with code 1 where the controller would have been worse than what was done, or stopped.
    """
    from .... import jobs
    from ....jobs.replay import verdict

    with progress() as report:
        result = jobs.replay(
            lots, results, controller, out=out, skip=skip, force=force, command=context.obj or "", progress=report
        )
    good = result["better"] and not result["stopped"]
    return Outcome(result, _text(result, verdict(result)), DONE if good else OUT_OF_SPEC)


def _text(result: dict[str, Any], verdict: str) -> str:
    rows = [("term", "before", "after", "interval covers", "measured lots", "alarms")]
    for name, one in result["terms"].items():
        if one:
            spreads = number(one["was_3sigma"]), number(one["would_3sigma"])
            cover = f"{100 * one['covered']:.0f} %"
            rows.append((name, *spreads, cover, number(one["measured"]), number(result["alarms"][name])))
    parts = [verdict, columns(rows, "<>>>>>"), str(result["run"] or "")]
    return "\n\n".join(part for part in parts if part)
