"""`actinic wafer uniformity`: where the spread of line widths comes from."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number, progress
from ..options import Force

_MOST = 12


def uniformity(
    context: typer.Context,
    cds: Annotated[Path, typer.Argument(metavar="CDS.csv", help="Widths with a header; columns: docs/uniformity.md.")],
    features: Annotated[
        list[str] | None, typer.Option("--feature", metavar="NAME", help="Only this one; repeatable.  [default: all]")
    ] = None,
    spec: Annotated[
        float | None, typer.Option(metavar="NM", help="The most that 3 sigma may be.  [default: no limit]")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.  [default: none]")] = None,
    force: Force = False,
) -> Outcome:
    """Split the spread of line widths by lot, wafer, place on the wafer, field, slit, scan, site and metrology.

    Restricted maximum likelihood with 95 % intervals. Out of spec: 3 sigma above --spec.
    """
    from .... import jobs

    with progress() as report:
        result = jobs.wafer_uniformity(
            cds, features or (), spec, out, force=force, command=context.obj or "", progress=report
        )
    return Outcome(result, _text(result), DONE if result["in_spec"] else OUT_OF_SPEC)


def _text(result: dict) -> str:
    parts = [textwrap.fill(result["verdict"], 80)]
    for one in result["features"]:
        rows = [(one["feature"], "sigma, nm", "95 % from", "to", "share")]
        for part in one["parts"]:
            ends = ("stated", "") if part["low_nm"] is None else (number(part["low_nm"], 3), number(part["high_nm"], 3))
            rows.append((part["name"], number(part["sigma_nm"], 3), *ends, f"{100 * part['share']:.1f} %"))
        notes = [textwrap.fill(f"- {note}", 80, subsequent_indent="  ") for note in one["notes"]]
        parts += [columns(rows, "<>>>>"), "\n".join(notes)]
    bad = result["rejected"]
    if bad:
        lines = [f"line {one['line']}: {one['reason']}" for one in bad[:_MOST]]
        parts.append("\n".join([f"{number(len(bad))} rows rejected:", *lines]))
    if result["run"]:
        parts.append(f"report  {Path(result['run']) / 'report.html'}")
    return "\n\n".join(filter(None, parts))
