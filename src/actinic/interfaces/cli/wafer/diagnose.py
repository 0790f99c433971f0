"""`actinic wafer diagnose`: what broke."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns
from ..options import Force


def diagnose(
    context: typer.Context,
    events: Annotated[Path, typer.Argument(metavar="EVENTS", help="Logs of all parts, .csv.")],
    maps: Annotated[Path, typer.Argument(metavar="MAPS", help="Residuals of overlay, focus, width by point, .csv.")],
    innovations: Annotated[Path, typer.Argument(metavar="INNOVATIONS", help="The controller's, wafer by wafer, .csv.")],
    threshold: Annotated[
        float, typer.Option(metavar="P", help="Name no cause above this probability of a fault in no catalogue.")
    ] = 0.18,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder with charts.  [default: none]")] = None,
    force: Force = False,
) -> Outcome:
    """Rank what may have broken, with evidence, or say that it is not known.

    Leaves with code 1 where something happened, known or not.
    """
    from .... import jobs

    result = jobs.diagnose(
        events, maps, innovations, threshold=threshold, out=out, force=force, command=context.obj or ""
    )
    return Outcome(result, _text(result), OUT_OF_SPEC if result["happened"] else DONE)


def _text(result: dict[str, Any]) -> str:
    if not result["happened"]:
        return result["verdict"]
    rows = [("cause", "", "leaves it explains")]
    for one in result["ranked"][:3]:
        rows.append((one["cause"], f"{100 * one['probability']:.1f} %", ", ".join(one["leaves"])))
    best = result["ranked"][0]
    leaves = ", ".join(f"{one['leaf']} {one['value']:+.2f} ± {one['sigma']:.2f}" for one in result["leaves"])
    said = [("before it, s", "", "", "")]
    said += [(f"{e['time_s'] - result['onset_s']:.0f}", e["source"], e["severity"], e["code"]) for e in best["events"]]
    parts = [result["verdict"], columns(rows, "<><"), f"moved (a point's noise): {leaves}"]
    parts.append(columns(said, "><<<") if best["events"] else "no event of that part precedes it")
    return "\n\n".join([*parts, *([result["run"]] if result["run"] else [])])
