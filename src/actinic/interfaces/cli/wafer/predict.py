"""`actinic wafer predict`: what a wafer would measure, from its traces."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import DONE, OUT_OF_SPEC, ConfigError
from ..console import Outcome, columns
from ..options import Force, pair


def predict(
    context: typer.Context,
    signals: Annotated[Path, typer.Argument(metavar="SIGNALS", help="Signals of the runs, .npz.")],
    values: Annotated[Path, typer.Argument(metavar="VALUES", help="What was measured of them: lot,wafer,VALUE, .csv.")],
    new: Annotated[
        Path | None, typer.Option(metavar="SIGNALS", help="Runs to foretell.  [default: those without a value]")
    ] = None,
    new_values: Annotated[
        Path | None, typer.Option("--new-values", metavar="VALUES", help="Theirs, to compare with, not to learn from.")
    ] = None,
    level: Annotated[float, typer.Option(metavar="SHARE", help="What the intervals are to cover.")] = 0.9,
    spec: Annotated[
        str | None, typer.Option(metavar="LOW,HIGH", help="Limits: tells which wafers need not be measured.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder with charts.  [default: none]")] = None,
    force: Force = False,
) -> Outcome:
    """Foretell measurements from traces, with intervals that hold for a lot not seen before.

    Every measured lot is foretold by the others first. Leaves with code 1 where a new wafer has to be measured, or
    is out of spec.
    """
    from .... import jobs

    wanted = "two numbers with a comma between, for example 43.2,44.8"
    limits = None if spec is None else pair("--spec", spec, float, wanted)
    if new is None and new_values is not None:
        raise ConfigError("--new-values needs --new, the signals they belong to")
    runs = None if new is None else jobs.NewRuns(new, new_values)
    result = jobs.predict(
        signals, values, new=runs, level=level, spec=limits, out=out, force=force, command=context.obj or ""
    )
    asked = [row for row in result["wafers"] if row["how"] == "new"]
    doubtful = any(row["decision"] in ("measure", "out of spec") for row in asked)
    return Outcome(result, _text(result, asked), OUT_OF_SPEC if doubtful else DONE)


def _text(result: dict[str, Any], asked: list[dict[str, Any]]) -> str:
    rows = [("lot", "wafers", "in interval", "RMSE", "ridge on plain means")]
    for one in result["lots"]:
        counts = str(one["wafers"]), str(one["covered"])
        rows.append((one["lot"], *counts, f"{one['rmse']:.3f}", f"{one['baseline_rmse']:.3f}"))
    parts = [result["verdict"], columns(rows, "<>>>>"), f"learnt from {'; '.join(result['features'])}"]
    if result["new_lots"]:
        table = [("new lot", "wafers", "in interval", "RMSE")]
        for one in result["new_lots"]:
            table.append((one["lot"], str(one["wafers"]), str(one["covered"]), f"{one['rmse']:.3f}"))
        said = result["new_lots"][-1]
        r2 = f"\nR2 {said['r2']:.3f}, ridge on plain means {said['baseline_r2']:.3f}" if "r2" in said else ""
        parts.append(columns(table, "<>>>") + r2)
    if result["spec"]:
        n = result["spec"]
        parts.append(f"{n['skipped']} need not be measured; {n['out_of_spec_among_them']} of them are out of spec")
    if asked:
        new = [("new", result["quantity"], "low", "high", "")]
        for row in asked:
            sizes = (f"{row[k]:.3f}" for k in ("value", "low", "high"))
            new.append((f"lot {row['lot']} wafer {row['wafer']}", *sizes, row["decision"]))
        parts.append(columns(new, "<>>><"))
    return "\n\n".join([*parts, *([result["run"]] if result["run"] else [])])
