"""`actinic calibrate`: which state of scanner and resist explains measured gauges."""

import math
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, number, progress
from .options import Cell, Force, Layer, Optics, Settings


def calibrate(
    context: typer.Context,
    gauges: Annotated[Path, typer.Argument(metavar="GAUGES", help="Measured gauges: CSV or .gg.")],
    free: Annotated[
        list[str],
        typer.Option(metavar="KEY[,KEY..]", help="What to find: keys of the process, focus_offset_nm, dose_scale."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder goes.")],
    optics: Optics = "krf-dry",
    settings: Settings = None,
    prior: Annotated[
        list[str] | None, typer.Option(metavar="KEY=MEAN:SIGMA", help="What is known of a free setting; repeatable.")
    ] = None,
    bound: Annotated[
        list[str] | None, typer.Option(metavar="KEY=LOW:HIGH", help="Bounds of a free setting; repeatable.")
    ] = None,
    robust: Annotated[bool, typer.Option("--robust", help="Let outliers count less (Huber's loss).")] = False,
    hold_out: Annotated[
        float, typer.Option(min=0, max=0.5, metavar="X", help="Share of structures to leave out in turn; 0: none.")
    ] = 0.2,
    layout: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The layout that cut lines refer to: GDSII, OASIS or .glp.")
    ] = None,
    layer: Layer = "",
    cell: Cell = None,
    coordinate_nm: Annotated[
        float, typer.Option(metavar="NM", help="Unit of layout coordinates that state none, in nm.")
    ] = 1.0,
    force: Force = False,
) -> Outcome:
    """Fit scanner and resist to measured gauges.

    Writes the calibrated process as TOML, report.html, a table of all gauges, run.toml and provenance.json into a run
    folder.
    """
    from ... import jobs

    data = jobs.GaugeFile(gauges, optics, tuple(settings or ()), layout, layer, cell, coordinate_nm)
    wanted = jobs.Wanted(tuple(free), tuple(prior or ()), tuple(bound or ()), robust, hold_out)
    with progress() as report:
        return _summary(jobs.calibrate(data, wanted, out, force=force, command=context.obj or "", progress=report))


def _summary(result: dict[str, Any]) -> Outcome:
    warnings = "\n".join(textwrap.fill(text, 78, subsequent_indent="  ") for text in result["warnings"])
    places = {"calibrated": result["calibrated"], "report": Path(result["run"]) / "report.html"}
    files = columns([(name, str(place)) for name, place in places.items()], "<<")
    parts = [textwrap.fill(result["verdict"], 78), _settings(result["settings"]), warnings, _quality(result), files]
    code = DONE if result["in_spec"] else OUT_OF_SPEC
    return Outcome(result, "\n\n".join(part for part in parts if part), code)


def _settings(settings) -> str:
    rows = [("", "value", "std. error", "95 % from", "to")]
    for s in settings:
        digits = (("value", 6), ("standard_error", 2), ("low_95", 6), ("high_95", 6))
        rows.append((s["name"].removeprefix("process."), *(_significant(s[key], n) for key, n in digits)))
    return columns(rows, "<>>>>")


def _quality(result) -> str:
    freedom = f"{result['degrees_of_freedom']} degrees of freedom"
    rows = [
        (
            "rms, predicted - measured",
            number(result["rms_after_nm"]),
            "nm",
            f"before {number(result['rms_before_nm'])}",
        ),
        ("rms of gauges left out", number(result["held_out_rms_nm"]), "nm", ""),
        ("chi-square", number(result["chi_square"], 1), "", freedom),
        ("gauges", number(result["gauges"]), "", f"{len(result['rejected'])} rows of the file rejected"),
        ("outliers", number(len(result["outliers"])), "", f"{len(result['not_printed'])} gauges do not print"),
    ]
    return columns(rows, "<><<")


def _significant(value: float | None, digits: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"
