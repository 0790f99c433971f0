"""`actinic federate server`: one training over Flower, from registering the sites to its end."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ....errors import ConfigError
from ..console import Outcome, progress
from ..options import Optics
from .simulate import Proximal, Rounds


def server(
    site: Annotated[
        list[str], typer.Option(metavar="NAME=KEY", help="A site and its node's public key (OpenSSH); repeatable.")
    ],
    cert: Annotated[Path, typer.Option(metavar="PEM", help="The server's certificate.")],
    key: Annotated[Path, typer.Option(metavar="PEM", help="Its key.")],
    ca: Annotated[Path, typer.Option(metavar="PEM", help="The authority that signed it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="State and result; one that was stopped goes on.")],
    task: Annotated[Literal["calibration"], typer.Option(help="What is learnt.")] = "calibration",
    rounds: Rounds = None,
    aggregate: Annotated[Literal["mean", "median", "trimmed"], typer.Option(help="How updates become one.")] = "mean",
    proximal: Proximal = 0.0,
    least: Annotated[int, typer.Option(min=1, metavar="N", help="Sites that make a round.")] = 2,
    patience: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for a site.")] = 600.0,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="N", help="Port for sites and this program.")] = 9092,
    optics: Optics = "krf-dry",
) -> Outcome:
    """Serve one training to sites that keep their data, over Flower with TLS and registered keys."""
    from .... import jobs

    members = []
    for text in site:
        name, _, file = text.partition("=")
        if not name or not file:
            raise ConfigError(f"--site {text}: write NAME=KEY")
        members.append(jobs.Member(name, Path(file)))
    wanted = jobs.Learning(task, optics, rounds, aggregate, proximal)
    serving, certificates = jobs.Serving(port, host, least, patience), jobs.Certificates(ca, cert, key)
    with progress() as report:
        result = jobs.federate_server(wanted, members, serving, certificates, out, progress=report)
    return Outcome(result, _text(result))


def _text(result: dict[str, Any]) -> str:
    refused = [f"refused: {text}" for text in result["refused"][:3]]
    return "\n".join([f"{result['rounds']} rounds with {', '.join(result['sites'])}", *refused, result["run"]])
