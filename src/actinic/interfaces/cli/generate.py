"""`actinic generate`: layout patterns that keep design rules."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, number, progress
from .options import Force


def generate(
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many patterns.")],
    width: Annotated[float, typer.Option(metavar="NM", help="Least width of what is drawn.")],
    space: Annotated[float, typer.Option(metavar="NM", help="Least space, notches and corners too.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where they go: .oas, .gds or .gds.gz.")],
    area: Annotated[
        float | None, typer.Option(metavar="NM2", help="Least area, of holes too.  [default: 2 x width^2]")
    ] = None,
    grid: Annotated[float, typer.Option(metavar="NM", help="All corners lie on it.")] = 1.0,
    style: Annotated[
        Literal["li1", "poly", "wires", "all"], typer.Option(help="Whose topologies they are like.")
    ] = "all",
    seed: Annotated[int, typer.Option(min=0, help="The same one gives the same file.")] = 0,
    layer: Annotated[str, typer.Option(metavar="L/D", help="Layer and datatype to draw on.")] = "1/0",
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a training of your own (actinic train patterns).")
    ] = None,
    force: Force = False,
) -> Outcome:
    """Make layout patterns that keep design rules, as cells side by side under one top cell.

    A network makes the topology, in the style of the local interconnect or the gates of standard cells or of random
    wires; lengths are solved for. The file is read back and checked by KLayout.
    """
    from ... import jobs

    wish = jobs.Wish(width, space, 2 * width**2 if area is None else area, grid, style)
    with progress() as report:
        given = {"seed": seed, "layer": layer, "weights": weights, "force": force}
        result = jobs.generate(count, wish, out, **given, progress=report)
    fate = result["topologies"]
    rows = [
        ("patterns", number(result["count"], 0), f"of {number(result['window_nm'], 0)} nm"),
        ("legal by KLayout", number(result["legal"], 0), ""),
        ("different topologies", number(result["distinct"], 0), f"H = {number(result['entropy_bits'], 2)} bits"),
        ("topologies tried", number(fate["tried"], 0), f"{fate['touching']} touched in corners"),
        ("without a solution", number(fate["unsolved"], 0), ""),
    ]
    text = f"{columns(rows, '<><')}\n\nwritten to {result['file']}"
    return Outcome(result, text, DONE if result["legal"] == result["count"] else OUT_OF_SPEC)
