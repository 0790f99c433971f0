"""`actinic wafer convert`: defect files from one version to the other."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..console import Outcome, number
from ..options import Force


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A KLARF file, 1.1, 1.2 or 1.8.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[Literal["1.2", "1.8"], typer.Option(help="The version to write.")] = "1.8",
    force: Force = False,
) -> Outcome:
    """Write a KLARF file in the other version, and say what that does not hold."""
    from .... import jobs

    result = jobs.convert(file, out, to, force=force)
    lines = [f"{number(sum(result['defects'].values()))} defects on {len(result['defects'])} wafers: {out}"]
    if result["lost"]:
        lines.append(f"left out: {', '.join(result['lost'])}")
    return Outcome(result, "\n".join(lines))
