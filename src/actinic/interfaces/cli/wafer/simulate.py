"""`actinic wafer simulate`: a fab with the truth known."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import Outcome, columns, number, progress
from ..options import Force, Optics


def simulate(
    twin: Annotated[str, typer.Argument(metavar="TWIN", help="A twin by name (see docs/control.md), or a TOML file.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Run folder.")] = Path("wafer-run"),
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything that is drawn.")] = 0,
    controller: Annotated[
        Path | None, typer.Option(metavar="TOML", help="Close the loop with it.  [default: no control]")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a size of the twin; repeatable.")
    ] = None,
    marks: Annotated[bool, typer.Option("--marks", help="Write the marks of measured lots too.")] = False,
    features: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write widths of these features too, with the true states.")
    ] = None,
    optics: Optics = "arf-immersion",
    force: Force = False,
) -> Outcome:
    """Simulate a drifting fab: lots.csv, results.csv and the truth, under a controller or none.

    With --features also cds.csv, as the imaging model prints them, and cds_truth.csv.
    """
    from .... import jobs

    listed = jobs.FeatureFile(features, optics, range_nm=120.0) if features else None
    with progress() as report:
        result = jobs.simulate(
            twin, seed=seed, out=out, controller=controller, changes=tuple(changes or ()), force=force,
            metrology=jobs.Metrology(marks, listed), progress=report,
        )  # fmt: skip
    rows = [(name, number(value), "nm") for name, value in result["true_mean_3sigma_nm"].items()]
    head = f"{number(result['lots'])} lots, {number(result['results'])} results: {out}"
    return Outcome(result, f"{head}\n\ntrue |mean| + 3 sigma\n{columns(rows, '<><')}")
