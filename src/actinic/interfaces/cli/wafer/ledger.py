"""`actinic wafer ledger`: what was proposed, approved and taken back."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns
from ..options import By, Why

SHOWN = 20


def ledger(
    file: Annotated[Path, typer.Argument(metavar="LEDGER", help="The ledger of wafer control.")],
    rollback: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Put entry N in force again; the loop opens.")
    ] = None,
    reproduce: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Compute entry N again and compare to the bit.")
    ] = None,
    by: By = None,
    why: Why = "",
) -> Outcome:
    """Verify a ledger, list it, go back to an entry, or reproduce one.

    Leaves with code 1 where a line was changed, or an entry comes out otherwise.
    """
    from .... import jobs

    result = jobs.ledger(file, rollback=rollback, reproduce=reproduce, person=jobs.Person(by, why))
    return Outcome(result, _text(result), DONE if result["good"] else OUT_OF_SPEC)


def _text(result: dict[str, Any]) -> str:
    parts = [f"line {fault['line']}: {fault['what']}" for fault in result["faults"]]
    if not result["faults"]:
        parts.append(f"every line follows from the one before: {len(result['entries'])} entries")
    rows = [("n", "at", "kind", "by", "hash")]
    rows += [(str(e["n"]), e["at"], e["kind"], e["who"], e["hash"][:12]) for e in result["entries"][-SHOWN:]]
    if len(rows) > 1:
        parts.append(columns(rows, "><<<<"))
    if "reproduced" in result:
        found = result["reproduced"]
        same = "the same to the bit" if found["same"] else f"not the same: then {found['then']}, now {found['now']}"
        parts.append(f"entry {found['n']} computed again: {same}")
    force = result["in_force"]
    if force:
        back = "" if force["rolled_back_to"] is None else f", rolled back to entry {force['rolled_back_to']}"
        parts.append(f"in force: entry {force['n']}{back}, by {force['who']}")
    return "\n\n".join(parts)
