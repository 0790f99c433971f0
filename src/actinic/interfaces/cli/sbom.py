"""`actinic sbom`: what this installation is made of, and under which licences."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns
from .options import Force


def sbom(
    out: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Write a CycloneDX 1.6 document.  [default: only tell]")
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Count what an extra needs too; repeatable.  [default: all]"),
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(metavar="SPDX", help="Allow another licence; repeatable.")] = None,
    force: Force = False,
) -> Outcome:
    """Bill of materials of this installation, and the licence of every package; refuses what is not allowed.

    From the metadata of what is installed: needs no network. A refused licence leaves with code 1.
    """
    from ... import jobs

    result = jobs.sbom(out, tuple(extra or ("all",)), tuple(allow or ()), force)
    rows = [
        (p["package"], p["version"], p["licence"], p["why"] if p["allowed"] else "REFUSED") for p in result["packages"]
    ]
    files = f"\n\nsbom  {result['file']}" if result["file"] else ""
    text = f"{result['verdict']}\n\n{columns(rows, '<<<<')}{files}"
    return Outcome(result, text, DONE if result["in_spec"] else OUT_OF_SPEC)
