"""`actinic wafer plan`: which marks to measure."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number
from ..options import Force, pair


def plan(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE.csv]", help="Marks to choose from: a measured file.  [default: a grid]"),
    ] = None,
    points: Annotated[int, typer.Option(min=1, metavar="N", help="Marks in all.")] = 40,
    model: Annotated[str, typer.Option(metavar="NAME", help="The model to fit, as of fit.")] = "howa3+field3",
    criterion: Annotated[
        Literal["D", "I"], typer.Option(help="D: terms well known; I: least error over the fields.")
    ] = "I",
    profile: Annotated[
        str | None, typer.Option(metavar="FILE", help="A machine's profile, for its exposure map.")
    ] = None,
    scan_balance: Annotated[bool, typer.Option("--scan-balance", help="As many marks of scans up as down.")] = False,
    quadrants: Annotated[bool, typer.Option("--quadrants", help="About a quarter in each quadrant.")] = False,
    mandatory: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN,ROW", help="A field that must have a mark; repeatable.")
    ] = None,
    per_field: Annotated[int | None, typer.Option(min=1, metavar="N", help="Most marks in one field.")] = None,
    time: Annotated[float | None, typer.Option(min=0, metavar="S", help="Most seconds the plan may take.")] = None,
    mark_time: Annotated[float, typer.Option(min=0, metavar="S", help="Seconds a mark takes.")] = 0.5,
    field_time: Annotated[float, typer.Option(min=0, metavar="S", help="Seconds a field takes to go to.")] = 0.5,
    augment: Annotated[
        Path | None, typer.Option(metavar="PLAN.csv", help="Marks that stay: a plan or measured file.")
    ] = None,
    noise: Annotated[float, typer.Option(metavar="NM", help="Standard deviation of one mark.")] = 0.6,
    local: Annotated[float, typer.Option(metavar="NM", help="What no model reaches, rms.")] = 0.0,
    out: Annotated[Path | None, typer.Option(metavar="PLAN.csv", help="Where the plan goes.")] = None,
    force: Force = False,
) -> Outcome:
    """Choose the marks that tell most, within limits, and predict what a correction from them leaves.

    Out of spec: fewer marks than wanted fit the limits.
    """
    from .... import jobs

    fields = tuple(pair("--mandatory", one, int, "write COLUMN,ROW") for one in mandatory or ())
    limits = jobs.Limits(scan_balance, quadrants, fields, per_field, time, mark_time, field_time)
    result = jobs.wafer_plan(
        jobs.MarkChoice(file, profile, augment), model, points, criterion=criterion, limits=limits,
        noise_nm=(noise, local), out=out, force=force,
    )  # fmt: skip
    return Outcome(result, _text(result), DONE if result["points"] == points else OUT_OF_SPEC)


def _text(result: dict) -> str:
    predicted = result["predicted"]
    rows = [
        ("marks", f"{result['points']} of {result['wanted']}", ""),
        ("fields", number(result["fields"]), ""),
        ("standard error of the prediction, rms", number(predicted["rms_nm"], 3), "nm"),
        ("largest", number(predicted["max_nm"], 3), "nm"),
        ("left after the correction, rms", number(predicted["residual_rms_nm"], 3), "nm"),
        ("time", number(predicted["time_s"], 0), "s"),
    ]
    where = f"plan  {result['plan']}" if result["plan"] else ""
    return "\n\n".join(filter(None, [result["verdict"], columns(rows, "<><"), where]))
