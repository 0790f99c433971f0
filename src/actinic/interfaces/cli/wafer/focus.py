"""`actinic wafer focus`: focus and dose of fields from their line widths."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from ....errors import DONE, OUT_OF_SPEC
from ..console import Outcome, columns, number, progress
from ..options import Force, Optics, Settings

_MOST = 12


def focus(
    context: typer.Context,
    cds: Annotated[Path, typer.Argument(metavar="CDS.csv", help="Widths with a header; columns: docs/focus.md.")],
    features: Annotated[
        Path, typer.Option(metavar="FEATURES.csv", help="What was measured: feature,kind,cd_nm,pitch_nm,axis,sigma_nm.")
    ],
    optics: Optics = "arf-immersion",
    settings: Settings = None,
    terms: Annotated[
        list[str] | None,
        typer.Option("--term", metavar="NAME", help="Beside focus and dose: tilt, curvature, Z9, ...; repeatable."),
    ] = None,
    prior: Annotated[
        str | None, typer.Option(metavar="MEAN:SIGMA", help="What is known of the focus beforehand, nm.")
    ] = None,
    reach: Annotated[float, typer.Option("--range", metavar="NM", help="How far focus is looked for.")] = 80.0,
    within: Annotated[float, typer.Option(metavar="NM", help="The largest standard error that counts.")] = 10.0,
    limits: Annotated[Path | None, typer.Option(metavar="TOML", help="What the machine can set.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain least squares: outliers count in full.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.  [default: none]")] = None,
    force: Force = False,
) -> Outcome:
    """Find focus, dose and shape of every field by inverting the imaging model, and propose set-points.

    Out of spec: a field that is not determined (its widths fit on both sides of best focus, or hardly depend on focus),
    one that the model does not explain, or a clipped set-point. With --out: report.html, fields.csv, setpoints.csv.
    """
    from .... import jobs

    listed = jobs.FeatureFile(features, optics, tuple(settings or ()), reach)
    names = tuple(name for given in terms or () for name in given.split(",") if name)
    fit = jobs.FieldFit(names, prior, limits, not plain, within)
    with progress() as report:
        result = jobs.wafer_focus(cds, listed, fit, out, force=force, command=context.obj or "", progress=report)
    return Outcome(result, _text(result), DONE if result["in_spec"] else OUT_OF_SPEC)


def _text(result: dict) -> str:
    rows = [("lot", "wafer", "field", "focus", "sigma", "dose", "sigma", "")]
    for one in sorted(result["field_list"], key=lambda one: one["determined"])[:_MOST]:
        place = f"{one['field_column']},{one['field_row']}"
        values = [number(one[k][part]) for k in ("focus_nm", "dose_percent") for part in ("value", "sigma")]
        rows.append((one["lot"], one["wafer"], place, *values, one["not_corrected"]))
    more = f"{_MOST} of {result['fields']} fields" if result["fields"] > _MOST else ""
    bad = [f"line {one['line']}: {one['reason']}" for one in result["rejected"][:_MOST]]
    bad = [f"{number(len(result['rejected']))} rows rejected:", *bad] if bad else []
    where = [f"report  {Path(result['run']) / 'report.html'}"] if result["run"] else []
    table = columns(rows, "<<<>>>><")
    return "\n\n".join(filter(None, [textwrap.fill(result["verdict"], 80), table, more, "\n".join(bad), *where]))
