"""`actinic wafer inspect`: hotspots to an inspection plan, and what was found back."""

import textwrap
from pathlib import Path
from typing import Annotated, Literal

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number
from ..options import Force, Optics, Settings, pair

_MOST = 8


def inspect(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="The JSON or .lyrdb of verify; with --found a plan or its folder.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.  [default: none]")] = None,
    found: Annotated[Path | None, typer.Option(metavar="KLARF", help="Compare the plan with what was found.")] = None,
    radius: Annotated[float, typer.Option(metavar="UM", help="How far a defect may lie from its site.")] = 1.0,
    budget: Annotated[int, typer.Option(min=1, metavar="N", help="Sites in all.")] = 200,
    each: Annotated[int, typer.Option(min=0, metavar="N", help="Sites of every hotspot at least.")] = 1,
    fields: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Focus and dose of fields: fields.csv of focus.")
    ] = None,
    sigma: Annotated[float, typer.Option(metavar="NM", help="How edges vary from place to place.")] = 2.0,
    exposure: Annotated[
        Path | None, typer.Option(metavar="TOML", help="Exposure map: field size, dies, offset.  [default: 26 x 33 mm]")
    ] = None,
    origin: Annotated[str, typer.Option(metavar="X,Y", help="The die's lower left corner in the layout, um.")] = "0,0",
    optics: Optics = "arf-immersion",
    settings: Settings = None,
    lot: Annotated[str, typer.Option(metavar="NAME", help="For the KLARF file.")] = "LOT",
    wafer: Annotated[str, typer.Option(metavar="NAME", help="For the KLARF file.")] = "1",
    klarf: Annotated[Literal["1.2", "1.8"], typer.Option(help="Version of the KLARF file.")] = "1.8",
    force: Force = False,
) -> Outcome:
    """Plan an inspection from hotspots of verify, or compare a plan with the KLARF file of what was found.

    Out of spec: a hotspot that is not in the plan; with --found a place of the die that failed in two dies or more and
    was not predicted.
    """
    from .... import jobs

    if found is not None:
        result = jobs.inspection_compare(source, found, radius, out, force=force, command=context.obj or "")
        return Outcome(result, _compared(result), DONE if result["in_spec"] else OUT_OF_SPEC)
    spots = jobs.Spots(source, pair("--origin", origin, float, "write X,Y in um"), optics, tuple(settings or ()))
    result = jobs.inspection_plan(
        spots, jobs.Budget(budget, each, fields, sigma), jobs.InspectedWafer(lot, wafer, exposure=exposure), out,
        klarf=klarf, force=force, command=context.obj or "",
    )  # fmt: skip
    return Outcome(result, _text(result, []), DONE if result["in_spec"] else OUT_OF_SPEC)


def _compared(result: dict) -> str:
    rows = [("", "", "share", "95 % from", "to")]
    for name in ("precision", "recall"):
        one = result[name]
        ends = (f"{100 * one[key]:.0f} %" for key in ("low_95", "high_95"))
        value = "-" if one["share"] is None else f"{100 * one['share']:.0f} %"
        rows.append((name, f"{one['hits']} of {one['of']}", value, *ends))
    parts = [columns(rows, "<>>>>")]
    if result["unpredicted"]:
        head = [("not predicted, um in the die", "defects", "dies")]
        head += [
            (f"{one['x_nm'] / 1e3:.2f}, {one['y_nm'] / 1e3:.2f}", number(one["count"]), number(one["dies"]))
            for one in result["unpredicted"][:_MOST]
        ]
        parts.append(columns(head, "<>>"))
    return _text(result, parts)


def _text(result: dict, parts: list[str]) -> str:
    notes = [textwrap.fill(f"- {note}", 80, subsequent_indent="  ") for note in result["notes"]]
    where = f"report  {Path(result['run']) / 'report.html'}" if result["run"] else ""
    return "\n\n".join(filter(None, [textwrap.fill(result["verdict"], 80), *parts, "\n".join(notes), where]))
