"""`actinic wafer features`: which features to measure for focus."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number
from ..options import Force, Optics, Settings


def features(
    pool: Annotated[
        Path,
        typer.Argument(metavar="POOL.csv", help="What could be measured; columns: docs/focus.md."),
    ],
    size: Annotated[int, typer.Option("--choose", min=2, metavar="N", help="Features to take.")] = 4,
    points: Annotated[int, typer.Option(min=1, metavar="N", help="Places in a field where each is measured.")] = 25,
    reach: Annotated[float, typer.Option("--range", metavar="NM", help="Focus errors that count.")] = 40.0,
    optics: Optics = "arf-immersion",
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(metavar="CSV", help="Where the chosen features go.")] = None,
    force: Force = False,
) -> Outcome:
    """Choose the features whose widths tell focus best, its sign included.

    Out of spec: the sign stays untold, or the standard error above 10 nm, over more than a tenth of the range.
    """
    from .... import jobs

    listed = jobs.FeatureFile(pool, optics, tuple(settings or ()), reach + 24)
    result = jobs.focus_features(listed, size, points=points, focus_nm=reach, out=out, force=force)
    rows = [("focus", "std. error at best", "sides apart")]
    for f, bound, apart in zip(result["focus_nm"], result["bound_nm"], result["apart"], strict=True):
        rows.append((f"{f:+.0f}", number(bound), number(apart, 1)))
    lost = ", ".join(result["left_out"])
    left = f"left out, as they do not print over the range: {lost}" if lost else ""
    where = f"features  {result['file']}" if result["file"] else ""
    text = [textwrap.fill(result["verdict"], 80), columns(rows, ">>>"), textwrap.fill(left, 80), where]
    return Outcome(result, "\n\n".join(filter(None, text)), DONE if result["in_spec"] else OUT_OF_SPEC)
