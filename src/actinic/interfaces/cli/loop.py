"""`actinic loop`: a product through a drifting fab, with nothing and with everything corrected."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import DONE, OUT_OF_SPEC, ConfigError
from .console import Outcome, columns, number, progress
from .options import Cell, Force, Layer, Optics, Settings, Window


def loop(
    context: typer.Context,
    layout: Annotated[
        Path | None, typer.Argument(metavar="LAYOUT", help="The product's layer: GDSII, OASIS or .glp.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder goes.")] = Path("loop-run"),
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    scenario: Annotated[
        Path | None, typer.Option(metavar="TOML", help="The fab and its drifts.  [default: see docs/loop.md]")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Change a value of the scenario; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything that is drawn.")] = 0,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN", help="An earlier run: masks and tables that are the same are taken over; repeatable."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 means one for each core.")] = 0,
    check: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Compute a run's numbers again from its ledger, and nothing else."),
    ] = None,
    force: Force = False,
) -> Outcome:
    """Close the loop: mask, lots with drifting focus, dose, overlay and resist, measurements, and back.

    Runs a simulated fab four times, with nothing corrected, set-points only, model and mask only, and all; tells what
    each is worth in gauges in spec. Every number comes from the ledger in the run folder. A run that was interrupted
    goes on when it is given the same folder again.
    """
    from ... import jobs

    if check is not None:
        found = jobs.check_loop(check)
        return Outcome(found, found["verdict"], DONE if found["in_spec"] else OUT_OF_SPEC)
    if layout is None:
        raise ConfigError("name the LAYOUT, or --check RUN")
    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), method="opc")
    plot = jobs.ScenarioFile(scenario, tuple(change or ()), tuple(reuse or ()))
    with progress() as report:
        given = {"seed": seed, "workers": workers, "force": force, "command": context.obj or "", "progress": report}
        result = jobs.run_loop(work, out, plot, **given)
    shares = [(name, number(value), "%") for name, value in result["yield_percent"].items()]
    gains = [
        (name, f"{g['value']:+.2f}", "points", f"({g['low_95']:+.2f} to {g['high_95']:+.2f})")
        for name, g in result["gain_points"].items()
    ]
    places = [
        ("run", result["run"]),
        ("report", str(Path(result["run"]) / "report.html")),
        ("ledger", f"{result['ledger']}, {result['entries']} entries, head {result['head']}"),
    ]
    tables = columns([("in spec", "", ""), *shares], "<><"), columns([("gain", "", "", ""), *gains], "<><<")
    text = "\n\n".join([result["verdict"], *tables, columns(places, "<<")])
    return Outcome(result, text, DONE if result["in_spec"] else OUT_OF_SPEC)
