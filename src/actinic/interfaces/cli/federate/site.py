"""`actinic federate site`: take part in a training with data that stay here."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..console import Outcome
from ..options import Optics


def site(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The site's name, as the server has it.")],
    data: Annotated[Path, typer.Option(metavar="FILE", help="The site's own data: for calibration a gauge file.")],
    server: Annotated[str, typer.Option(metavar="HOST:PORT", help="The server.")],
    ca: Annotated[Path, typer.Option(metavar="PEM", help="The authority that signed the server's certificate.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The node's private key (OpenSSH, ECDSA).")],
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Take part in so many rounds at most.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The site's state, and every reply as it left.")],
    task: Annotated[Literal["calibration"], typer.Option(help="What is learnt.")] = "calibration",
    epsilon: Annotated[
        float | None, typer.Option(metavar="EPS", help="Protect every example, delta = 1/n.  [default: no]")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="N", help="For Flower on this machine.")] = 9094,
    optics: Optics = "krf-dry",
) -> Outcome:
    """Take part in a training over Flower until interrupted; the data stay on this machine.

    Runs the code that the server sends: see docs/federated.md before you take part in a server's training.
    """
    from .... import jobs

    part = jobs.Participation(name, data, key, rounds, epsilon)
    result = jobs.federate_site(jobs.Learning(task, optics), part, server, ca, out, port)
    return Outcome(result, result["run"])
