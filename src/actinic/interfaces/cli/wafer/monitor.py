"""`actinic wafer monitor`: which wafers are not like the ones before."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number
from ..options import Force


def monitor(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Traces (.npz) or a table of wafers (.csv).")],
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What sets the scale.  [default: the file's other regimes]")
    ] = None,
    chart: Annotated[Literal["shewhart", "ewma", "cusum"], typer.Option(help="Single wafers, or lasting shifts.")] = (
        "shewhart"
    ),
    arl: Annotated[float, typer.Option(metavar="WAFERS", help="Wafers between false alarms, on average.")] = 370.0,
    recentre: Annotated[int, typer.Option(metavar="N", help="Normal wafers to re-centre a regime on.")] = 3,
    carried: Annotated[
        float, typer.Option(metavar="NU", help="Degrees of freedom that the reference's scale is worth.")
    ] = 4.0,
    memory: Annotated[float, typer.Option(metavar="WAFERS", help="The mean follows drift slower than this.")] = 10.0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder with charts.  [default: none]")] = None,
    force: Force = False,
) -> Outcome:
    """Watch wafers one by one; tell which are not like the ones before, and which sensors say so.

    A regime (from one maintenance to the next) is re-centred on its first normal wafers. Leaves with code 1 where a
    wafer alarms or is incomplete.
    """
    from .... import jobs

    settings = jobs.MonitorSettings(chart=chart, arl=arl, recentre=recentre, carried=carried, memory=memory)
    result = jobs.monitor(file, reference, settings, out=out, force=force, command=context.obj or "")
    seen = result["counts"]
    return Outcome(result, _text(result), OUT_OF_SPEC if seen["alarms"] or seen["incomplete"] else DONE)


def _text(result: dict[str, Any]) -> str:
    rows = [("wafer", "label", "", "sigma", "like", "sensors")]
    for one in result["wafers"]:
        if one["status"] in ("alarm", "incomplete"):
            sensors = ", ".join(f"{s['sensor']} {s['value']:+.1f}" for s in one["sensors"][:3])
            worst = number(one["worst"], 1) if one["worst"] is not None else ""
            like = f"{one['resembles'][0]['fault']} {one['resembles'][0]['cosine']:.2f}" if one["resembles"] else ""
            rows.append((one["wafer"], one["label"], one["status"], worst, like, sensors))
    n = result["counts"]
    said = []
    if n["normal"]:
        said.append(f"{n['false_alarms']} false alarms in {n['normal']} wafers labelled normal")
    if n["faults"]:
        said.append(f"{n['found']} of {n['faults']} labelled faults found")
    head = f"{result['verdict']} Limit {result['limit']:.2f} sigma, one false alarm in {result['arl']:g} wafers."
    parts = [head, columns(rows, "<<<><<") if len(rows) > 1 else "", "; ".join(said), str(result["run"] or "")]
    return "\n\n".join(part for part in parts if part)
