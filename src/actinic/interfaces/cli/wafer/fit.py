"""`actinic wafer fit`: which overlay a wafer has, and what the machine can correct of it."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number
from ..options import Force

_MOST = 12


def fit(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Overlay marks with a header; columns: docs/overlay.md.")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="linear, field-linear, third-order, howa3, howa4, howa5, each with +field3, +chuck, +scan; or auto.",
        ),
    ] = "auto",
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="What the machine can set: a TOML file, or slit-scanner.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.  [default: none]")] = None,
    prior: Annotated[
        list[Path] | None, typer.Option(metavar="RESULT.json", help="Earlier results to lean on; repeatable.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain least squares: outliers count in full.")] = False,
    notch: Annotated[
        float, typer.Option(metavar="DEG", help="How the wafer lay: turned counter-clockwise from notch down.")
    ] = 0.0,
    per_field: Annotated[bool, typer.Option("--per-field", help="Six terms for each field too: fields.csv.")] = False,
    force: Force = False,
) -> Outcome:
    """Fit an overlay model and propose the correction: minus the fitted error, within what the machine can set.

    Out of spec: marks that do not give every term, a clipped term, or a correction refused since the marks do not
    reach where it would work. With --out: report.html, correction.csv, corrected.csv and more in a run folder.
    """
    from .... import jobs

    found = jobs.OverlayModel(model, profile, tuple(prior or ()), not plain, per_field)
    result = jobs.wafer_fit(jobs.OverlayFile(file, notch), found, out, force=force, command=context.obj or "")
    return Outcome(result, _text(result), DONE if result["in_spec"] else OUT_OF_SPEC)


def _text(result: dict) -> str:
    notes = [textwrap.fill(f"- {note}", 80, subsequent_indent="  ") for note in result["notes"]]
    places = {"run": result["run"], "report": result["run"] and Path(result["run"]) / "report.html"}
    rows = [(name, str(place)) for name, place in places.items() if place]
    parts = [textwrap.fill(result["verdict"], 80), _terms(result), "\n".join(notes), _rejected(result["rejected"])]
    return "\n\n".join(filter(None, [*parts, columns(rows, "<<") if rows else ""]))


def _terms(result: dict) -> str:
    rows = [("", "fitted", "std. error", "correction", "", "")]
    for name, found in result["terms"].items():
        state = "clipped" if name in result["clipped"] else ""
        state = "not correctable" if name in result["not_correctable"] else state
        point = result["correction"].get(name)
        shown = "-" if point is None else f"{point:+.4g}"
        error = found["sigma"]
        rows.append(
            (name, f"{found['value']:+.4g}", f"{error:.2g}" if error == error else "-", shown, found["unit"], state)
        )
    return columns(rows, "<>>><<")


def _rejected(rejected: list[dict]) -> str:
    lines = [f"line {one['line']}: {one['reason']}" for one in rejected[:_MOST]]
    if len(rejected) > _MOST:
        lines.append(f"... and {number(len(rejected) - _MOST)} more, all of them with --json")
    return "\n".join([f"{number(len(rejected))} rows with complaints:", *lines]) if rejected else ""
