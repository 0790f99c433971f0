"""`actinic wafer lots` and `actinic wafer invalidate`: what a store holds, and what of it counts."""

from typing import Annotated

import typer

from .console import Outcome, columns, number
from .options import Store, Wait


def lots(store: Store, wait: Wait = 30.0) -> Outcome:
    """List the lots of a store."""
    from ... import jobs

    found = jobs.lots(store, wait_s=wait)
    rows = [("lot", "wafers", "marks", "first", "last", "invalid")]
    for lot in found:
        times = [str(lot[key] or "-") for key in ("first", "last")]
        rows.append((lot["lot"], number(lot["wafers"]), number(lot["marks"]), *times, lot["invalid"] or ""))
    return Outcome(found, columns(rows, "<>><<<"))


def invalidate(
    lot: Annotated[str, typer.Argument(metavar="LOT", help="The lot.")],
    store: Store,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let the lot count again.")] = False,
    wait: Wait = 30.0,
) -> Outcome:
    """Leave a lot out of everything that is asked of a store. Its marks are kept."""
    from ... import jobs

    result = jobs.invalidate(store, lot, reason, undo=undo, wait_s=wait)
    return Outcome(result, f"{lot} {'counts again' if undo else 'no longer counts'}")
