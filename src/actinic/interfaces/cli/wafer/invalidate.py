"""`actinic wafer invalidate`: a lot left out of what counts."""

from typing import Annotated

import typer

from ..console import Outcome
from ..options import Store, Wait


def invalidate(
    lot: Annotated[str, typer.Argument(metavar="LOT", help="The lot.")],
    store: Store,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let the lot count again.")] = False,
    wait: Wait = 30.0,
) -> Outcome:
    """Leave a lot out of everything that is asked of a store. Its marks are kept."""
    from .... import jobs

    result = jobs.invalidate(store, lot, reason, undo=undo, wait_s=wait)
    return Outcome(result, f"{lot} {'counts again' if undo else 'no longer counts'}")
