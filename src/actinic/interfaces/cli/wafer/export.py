"""`actinic wafer export`: measurements out of a store."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ..console import Outcome, number
from ..options import Force, Store, Wait

_Text = Annotated[str | None, typer.Option(metavar="NAME", help="Only this one.")]


def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .csv, .csv.gz or .parquet.")],
    store: Store,
    lot: _Text = None,
    wafer: _Text = None,
    layer: _Text = None,
    since: Annotated[datetime | None, typer.Option(help="Measured from then on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Measured before then, UTC.")] = None,
    versions: Annotated[bool, typer.Option("--versions", help="All measurements of a mark, not the latest.")] = False,
    invalid: Annotated[bool, typer.Option("--invalid", help="Invalid lots too.")] = False,
    force: Force = False,
    wait: Wait = 30.0,
) -> Outcome:
    """Write measurements of a store as CSV or Parquet."""
    from .... import jobs

    wanted = jobs.WantedMarks(lot, wafer, layer, since, until, versions, invalid)
    result = jobs.export(store, out, wanted, force=force, wait_s=wait)
    return Outcome(result, f"{number(result['marks'])} marks: {out}")
