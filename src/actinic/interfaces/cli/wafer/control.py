"""`actinic wafer control`: set-points for the lots to come."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number
from ..options import By, ControllerFile, LotsFile, ResultsFile, Why

REJECTED = 10


def control(
    lots: LotsFile,
    results: ResultsFile,
    controller: ControllerFile,
    ledger: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the proposals to this ledger, which keeps the stage.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Go to the next stage, if its gates hold.")] = False,
    demote: Annotated[
        Literal["replay", "shadow", "advisory"] | None, typer.Option(help="Go back to an earlier stage.")
    ] = None,
    rearm: Annotated[bool, typer.Option("--rearm", help="Start again after a stop.")] = False,
    by: By = None,
    why: Why = "",
) -> Outcome:
    """Propose set-points for the lots that have none yet.

    Lots that were exposed have their set-points in columns set_TERM. Leaves with code 1 where the loop is stopped.
    """
    from .... import jobs

    person = jobs.Person(by, why)
    result = jobs.control(
        lots, results, controller, ledger=ledger, promote=promote, demote=demote, rearm=rearm, person=person
    )
    return Outcome(result, _text(result), OUT_OF_SPEC if result["stopped"] else DONE)


def _text(result: dict[str, Any]) -> str:
    use = "apply" if result["apply"] else "do not apply without a person"
    parts = [f"stage {result['stage']}: {use}", *result["stopped"].values()]
    rows = [("lot", "term", "set-point", "will measure", "interval", "")]
    for proposal in result["proposals"]:
        for name, term in proposal["terms"].items():
            said = "; ".join(filter(None, [term["fallback"], term["why"], *term["clamps"]]))
            band = f"{number(term['low'])} to {number(term['high'])}"
            rows.append((proposal["lot"], name, number(term["setpoint"], 3), number(term["mean"]), band, said))
    parts.append(columns(rows, "<<>>><") if len(rows) > 1 else "no lot is still to come: all have their set-points")
    for row in result["rejected"][:REJECTED]:
        parts.append(f"{row['file']}, line {row['line']}: {row['reason']}")
    if result["entry"] is not None:
        parts.append(f"entry {result['entry']} of {result['ledger']}, {result['hash']}")
    return "\n\n".join(parts)
