"""`actinic wafer ingest`: measurements into a store."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import DONE, OUT_OF_SPEC, USAGE
from ..console import Outcome, columns, number
from ..options import Store, Wait

SHOWN = 10


def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Measurements: CSV, gzipped CSV or Parquet.")],
    store: Store,
    wait: Wait = 30.0,
) -> Outcome:
    """Take measurements into a store: good rows once, bad ones told with line and reason.

    Each file goes in whole or not at all. Rejected rows leave with code 1; files that cannot be used at all, with 2.
    """
    from .... import jobs

    result = jobs.ingest(files, store, wait_s=wait)
    code = USAGE if result["refused"] else OUT_OF_SPEC if result["rejected"] else DONE
    return Outcome(result, _text(result), code)


def _text(result: dict[str, Any]) -> str:
    rows = [("", "rows", "added", "there already", "measured again", "rejected")]
    notes = []
    for entry in result["files"]:
        name = Path(entry["file"]).name
        if "error" in entry:
            notes.append(entry["error"])
            continue
        counts = (entry["rows"], entry["added"], entry["repeated"], entry["remeasured"], len(entry["rejected"]))
        rows.append((name, *map(number, counts)))
        notes += [f"{name}: line {row['line']}: {row['reason']}" for row in entry["rejected"][:SHOWN]]
        if len(entry["rejected"]) > SHOWN:
            notes.append(f"{name}: and {number(len(entry['rejected']) - SHOWN)} more; --json has them all")
        if entry["known"]:
            notes.append(f"{name}: this very file was ingested before")
        if entry["older"]:
            notes.append(
                f"{name}: {number(entry['older'])} marks were measured again later; kept, the later ones count"
            )
        if entry["ignored"]:
            notes.append(f"{name}: columns without a meaning here: {', '.join(entry['ignored'])}")
    return "\n\n".join(part for part in (columns(rows, "<>>>>>"), "\n".join(notes)) if part)
