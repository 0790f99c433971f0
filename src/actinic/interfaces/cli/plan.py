"""`actinic plan`: what a correction will take."""

from typing import Any

import typer

from .console import Outcome, columns, number, progress
from .options import Cell, Drawn, Layer, MaskType, Optics, Settings, Window


def plan(
    context: typer.Context,
    layout: Drawn,
    layer: Layer = "",
    optics: Optics = "krf-dry",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
) -> Outcome:
    """Predict what correcting a layer edge by edge will take, from a few of its blocks.

    Core-hours and memory of `correct --method opc` on this window, and of a field of 26 x 33 mm filled with it.
    """
    from ... import jobs

    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), mask_type, method="opc")
    with progress() as report:
        result = jobs.plan(work, progress=report)
    return Outcome(result, _text(result))


def _text(result: dict[str, Any]) -> str:
    field = result["field"]
    rows = [
        ("area", number(result["area_um2"], 1), "um2", number(field["size_mm"][0] * field["size_mm"][1], 0), "mm2"),
        ("blocks", number(result["blocks"], 0), "", "", ""),
        ("of them different", number(result["unique_blocks"], 0), "", "", ""),
        ("correction", number(result["correct_cpu_s"], 1), "CPU-s", "", ""),
        ("verification", number(result["verify_cpu_s"], 1), "CPU-s", "", ""),
        ("together", number(result["core_hours"], 3), "core-h", number(field["core_hours"], 0), "core-h"),
        ("memory", number(result["memory_gib_per_process"], 1), "GiB a process", "", ""),
    ]
    for cores, seconds in result["wall_s"].items():
        rows.append((f"on {cores} cores", *_time(seconds), *_time(field["wall_s"][cores])))
    told = columns([("", "this window", "", "a field", ""), *rows], "<><><")
    return f"{told}\n\nAssumed of the field: {field['assumed']}."


def _time(seconds: float) -> tuple[str, str]:
    for least, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * least:
            return number(seconds / least, 1), unit
    return number(seconds, 1), "s"
