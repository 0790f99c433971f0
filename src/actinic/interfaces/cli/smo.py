"""`actinic smo`: the source and the mask with the largest common process window."""

import textwrap
from pathlib import Path
from typing import Annotated, Literal

import typer

from ...errors import DONE, OUT_OF_SPEC, ConfigError
from .console import Outcome, columns, number, progress
from .options import Cell, CutLines, Dof, Drawn, FocusSeries, Force, Layer, MaskType, Optics, Settings, Tolerance
from .summary import effort, files


def smo(
    context: typer.Context,
    layout: Drawn,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder goes.")],
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Annotated[
        list[str] | None,
        typer.Option(metavar="X0,Y0,X1,Y1", help="A clip, in um, a periodic tile; repeatable.  [default: all of it]"),
    ] = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="The mask to begin with.  [default: drawn]")] = None,
    gauges: CutLines = None,
    source: Annotated[
        Literal["pixelated", "conventional", "annular", "dipole", "quasar", "given"],
        typer.Option(help="What the source may be; given: only the mask changes."),
    ] = "pixelated",
    symmetry: Annotated[
        Literal["xy", "diagonal", "point", "none"], typer.Option(help="Mirrors that leave a pixelated source as it is.")
    ] = "xy",
    pitch: Annotated[float, typer.Option(metavar="SIGMA", help="Pitch of the source's pixels.")] = 0.05,
    sigma_max: Annotated[float, typer.Option(metavar="SIGMA", help="Where the source ends.")] = 0.95,
    pole: Annotated[float, typer.Option(metavar="SIGMA", help="Diameter of the smallest pole.")] = 0.1,
    fill: Annotated[str, typer.Option(metavar="LEAST:MOST", help="Share of the pupil that is used.")] = "0.05:0.6",
    reach: Annotated[float, typer.Option(metavar="NM", help="How far mask edges may move.")] = 30.0,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds of each start.")] = 20,
    starts: Annotated[int, typer.Option(min=1, metavar="N", help="Starts, all but the first from random masks.")] = 1,
    tail: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the corners' probability that counts, the worst; 0: one.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of everything random.")] = 0,
    max_dose: Annotated[float, typer.Option(metavar="RATIO", help="Largest dose over the setup's.")] = 1.5,
    focus: FocusSeries = None,
    tolerance: Tolerance = 10.0,
    dof: Dof = None,
    most: Annotated[int, typer.Option(min=1, metavar="N", help="Most gauges to take from each clip.")] = 100,
    force: Force = False,
) -> Outcome:
    """Optimise source and mask together for the process window.

    Writes source.csv, mask.oas, report.html, run.toml and provenance.json into a run folder; --optics run.toml images
    with the new source. Out of spec: the range of focus and dose of the process's corners does not fit.
    """
    from ... import jobs

    work = jobs.Work(layout, layer, optics, None, cell, tuple(settings or ()), mask_type)
    rules = {"kind": source, "symmetry": symmetry, "pitch": pitch, "sigma_max": sigma_max, "pole": pole}
    goal = jobs.Goal(
        tuple(window or ()),
        jobs.SourceRules(**rules, fill=_range(fill)),
        jobs.Effort(rounds, starts, reach, tail, seed, max_dose),
        jobs.Sweep(focus, None, tolerance, dof, most),
    )
    given = {"mask": mask, "gauges": gauges, "force": force, "command": context.obj or ""}
    with progress() as report:
        result = jobs.smo(work, out, goal, **given, progress=report)
    parts = [textwrap.fill(result["verdict"], 80), _numbers(result), effort(result), files(result)]
    return Outcome(result, "\n\n".join(filter(None, parts)), DONE if result["in_spec"] else OUT_OF_SPEC)


def _range(text: str) -> tuple[float, float]:
    try:
        least, most = map(float, text.split(":"))
    except ValueError:
        raise ConfigError(f"fill {text!r}: write least:most, for example 0.05:0.6") from None
    return least, most


def _numbers(result: dict) -> str:
    before, source, need = result["before"], result["source"], result["required"]["dof_nm"]
    rows = [("", "before", "", "after", "")]
    for shape in ("rectangle", "ellipse"):
        rows.append((f"EL over {need:g} nm, {shape}", number(before["el_percent"][shape]), "->",
                     number(result["el_percent"][shape]), "%"))  # fmt: skip
    for shape in ("rectangle", "ellipse"):
        rows.append((f"largest {shape}, DOF x EL", number(before["area_nm_percent"][shape], 0), "->",
                     number(result["area_nm_percent"][shape], 0), "nm %"))  # fmt: skip
    if "fill" in source:
        rows.append(("pupil fill", "", "", number(100 * source["fill"], 1), "%"))
        rows.append(("lit", "", "", number(100 * source["lit"], 1), "%"))
    rows.append(("dose over the setup's", "", "", number(result["dose_ratio"]), ""))
    rows.append(("mask rule violations", "", "", number(result["rule_violations"]), ""))
    return columns(rows, "<>>><")
