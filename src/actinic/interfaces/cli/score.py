"""`actinic score`: a benchmark's numbers for masks that anyone made."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Outcome, columns, number, progress
from .options import Benchmark, Dialect

COLUMNS = {
    "l2": "L2",
    "pvb": "PVB",
    "epe15": "EPE15",
    "epe5": "EPE5",
    "epe3": "EPE3",
    "min_width_nm": "width",
    "min_space_nm": "space",
    "components": "parts",
    "shots": "shots",
    "cpu_s": "CPU s",
}


def score(
    benchmark: Benchmark,
    masks: Annotated[Path, typer.Argument(metavar="MASKS", help="A folder, or one file: PNG, OASIS, GDSII or .glp.")],
    dialect: Dialect = "O",
) -> Outcome:
    """Score masks on a benchmark, whoever made them."""
    from ... import jobs

    with progress() as report:
        return scoreboard(jobs.score(benchmark, masks, dialect=dialect, progress=report))


def scoreboard(result: dict[str, Any]) -> Outcome:
    """The outcome of `score` and `bench`: the mean first, then a row for each clip."""
    keys = [key for key in COLUMNS if key in result["mean"] or any(key in clip for clip in result["clips"])]
    rows = [("clip", *(COLUMNS[key] for key in keys))]
    for clip in (*result["clips"], {"clip": "mean", **result["mean"]}):
        digits = [2 if key == "cpu_s" else 1 for key in keys]
        rows.append((str(clip["clip"]), *(number(clip.get(k), d) for k, d in zip(keys, digits, strict=True))))
    mean = f"mean L2 {number(result['mean'].get('l2'), 1)}, mean PVB {number(result['mean'].get('pvb'), 1)}"
    setting = f", {result['setting']}" if result.get("setting") else ""
    compiled = f"\n\ncompilation took {number(result['compile_s'], 1)} s" if result.get("compile_s") else ""
    title = f"{mean} (nm2; dialect {result['dialect']}{setting})"
    return Outcome(result, f"{title}\n\n{columns(rows, '<' + '>' * len(keys))}{compiled}")
