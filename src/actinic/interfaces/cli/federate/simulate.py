"""`actinic federate simulate`: is learning together worth it, and what does protection cost?"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number, progress
from ..options import Force, Optics

Rounds = Annotated[int | None, typer.Option(min=1, max=10000, metavar="N", help="Rounds.  [default: the task's]")]
Proximal = Annotated[float, typer.Option(min=0, metavar="MU", help="Pull to the shared part (FedProx).")]


def simulate(
    sites: Annotated[int, typer.Option(min=2, max=100, metavar="N", help="How many sites.")] = 3,
    task: Annotated[Literal["calibration", "hotspot"], typer.Option(help="What is learnt.")] = "calibration",
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Of the made sites.")] = 0,
    rounds: Rounds = None,
    aggregate: Annotated[
        Literal["mean", "median", "trimmed", "secure"],
        typer.Option(help="How updates become one: robust ones, or secure, where the server sees their sum only."),
    ] = "mean",
    proximal: Proximal = 0.0,
    epsilon: Annotated[
        float | None, typer.Option(metavar="EPS", help="Protect every example, delta = 1/n.  [default: no]")
    ] = None,
    harm: Annotated[
        Literal["scaled", "flipped", "nan"] | None,
        typer.Option(help="Site 1 sends its update 100 times too large, with its sign flipped, or as NaN."),
    ] = None,
    absent: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Site K is away for the middle third of the rounds.")
    ] = None,
    optics: Optics = "krf-dry",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder: what the server has, every byte that left a site.")
    ] = None,
    force: Force = False,
) -> Outcome:
    """Train a task on made sites three ways: each alone, together, and on pooled data.

    Errors are those on examples held back. Leaves with code 1 where a site is no better off together than alone.
    """
    from .... import jobs

    wanted = jobs.Learning(task, optics, rounds, aggregate, proximal)
    trial = jobs.Trial(sites, seed, epsilon, harm, 0, None if absent is None else absent - 1)
    with progress() as report:
        result = jobs.federate_simulate(wanted, trial, out, force=force, progress=report)
    better = all(site["federated_error"] < site["local_error"] for site in result["sites"])
    return Outcome(result, _text(result), DONE if better else OUT_OF_SPEC)


def _text(result: dict[str, Any]) -> str:
    ways = ("start_error", "local_error", "federated_error", "pooled_error")
    rows = [(f"error, {result['unit']}", "examples", "untrained", "alone", "together", "pooled")]
    for site in result["sites"]:
        rows.append((site["site"], str(site["examples"]), *(number(site[way], 3) for way in ways)))
    rows.append(("mean", "", *(number(result[way], 3) for way in ways)))
    said = f"{result['rounds']} rounds, {result['bytes_per_round']} bytes each from all sites"
    if result["epsilon"] is not None:
        said += f"; epsilon {result['epsilon']:g}, delta {result['delta']:.2g} an example"
    refused = [f"refused: {text}" for text in result["refused"][:3]]
    run = [result["run"]] if "run" in result else []
    return "\n\n".join([columns(rows, "<>>>>>"), "\n".join([said, *refused]), *run])
