"""Optimise source and mask for clips of a layout, and judge what was written by the reference path."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .. import design
from ..config import dump, to_toml
from ..design import Clip, Effort, Setup, SourceRules, Together
from ..errors import ConfigError, InputError
from ..forward import anchored
from ..layout import Layout, clipped, coverage, merged, read_layout, repeated, write_layout
from ..metrology import read_cuts, rule_violations
from ..metrology.window import SHAPES
from ..optics import Freeform, pixels
from ..timing import Clock
from ..types import Grid, double
from . import smo_report
from .checked import read_mask
from .folder import provenance, refuse_existing, run_folder, write_records
from .window import Sweep, focus_series, found_cuts, required, widest_nm
from .work import Progress, Work, load_setup, quiet

SOURCE_FILE = "source.csv"


@dataclass(frozen=True)
class Goal:
    """What a run is to do: its clips as windows "x0,y0,x1,y1" in um, by default the work's one; the source's rules,
    the effort, how process windows are measured.
    """

    windows: tuple[str, ...] = ()

    rules: SourceRules = field(default_factory=SourceRules)
    effort: Effort = field(default_factory=Effort)
    sweep: Sweep = field(default_factory=Sweep)


def smo(
    work: Work,
    out: Path,
    goal: Goal | None = None,
    *,
    mask: Path | None = None,
    gauges: Path | None = None,
    force: bool = False,
    command: str = "",
    progress: Progress = quiet,
) -> dict:
    """Optimise a source and masks for clips, write the run folder and return its summary.

    Every window is a clip and a periodic tile. The optimiser starts from the layout as mask, or from `mask`. `gauges`
    is a CSV of cut-lines (see `metrology.read_cuts`), by default lines and spaces are found. All figures come from the
    written files, read again and imaged by Abbe.
    """
    clock, goal = Clock(), goal or Goal()
    refuse_existing(Path(out), force)
    setup, number = work.setup(), work.layer_number()
    design.scanner_of(setup.process)
    given = setup
    focus = focus_series(goal.sweep, setup)
    goal.sweep.tolerance()  # what is wrong is told before any work
    clips = _clips(work, setup, goal, mask, gauges)
    found = design.source_mask(clips, setup.process, setup.limits, goal.rules, goal.effort, progress)
    need = required(setup, goal.sweep)
    before = measured(clips, [clip.mask for clip in clips], setup, focus, progress)
    with run_folder(Path(out), force) as folder:
        masks = merged([ring for polygons in found.masks for ring in polygons.contours], found.masks[0].dbu_nm)
        write_layout(folder / "mask.oas", {number: masks})
        setup = _write_source(folder, setup, found)
        polygons = read_layout(folder / "mask.oas", number)
        written = [clipped(polygons, clip.window_nm) for clip in clips]
        after = measured(clips, written, setup, focus, progress)
        setup = _on_dose(folder, setup, after)
        violations = sum(_violations(mask, setup, clip.window_nm) for mask, clip in zip(written, clips, strict=True))
        cost = clock.cost()
        good = after.el_percent("rectangle", need[0]) >= need[1]
        result = {
            "verdict": _verdict(after, good, need),
            "in_spec": good,
            **_figures(after, need),
            "before": _figures(before, need),
            "dose_ratio": _threshold(given) / _threshold(setup),
            "source": source_figures(setup, goal.rules),
            "clips": len(clips),
            "gauges": len(after.names),
            "tolerance_percent": goal.sweep.tolerance_percent,
            "optimiser_el_percent": 100 * found.latitude,
            "optimiser_history_percent": [100 * value for value in found.history],
            "image_sets": found.image_sets,
            "rule_violations": violations,
            "seed": goal.effort.seed,
            "cpu_s": cost.cpu_s,
            "wall_s": cost.wall_s,
            "compile_s": cost.compile_s,
            "mask": str(Path(out) / "mask.oas"),
            "run": str(Path(out)),
        }
        inputs = {name: path for name, path in (("mask", mask), ("gauges", gauges)) if path is not None}
        origin = provenance(
            {"layout": work.layout} | inputs,
            layer=work.layer,
            window_um=list(goal.windows) or work.window,
            cell=work.cell,
            **{name: vars(getattr(goal, name)) for name in ("rules", "effort", "sweep")},
            command=command,
        ) | {"seed": goal.effort.seed}
        write_records(folder, result, origin)
        sources = [smo_report.lattice(each, goal.rules.pitch) for each in (given, setup)]
        np.savez_compressed(folder / "plots.npz", **smo_report.plot_data(sources, (before, after)))
        figures = smo_report.pictures(sources, clips, written, (before, after))
        configuration = (folder / "run.toml").read_text()
        smo_report.write(folder / "report.html", work, result, figures, (configuration, origin, command))
    return result


def measured(
    clips: Sequence[Clip], masks: Sequence[Layout], setup: Setup, focus_nm: np.ndarray, progress: Progress = quiet
) -> Together:
    """The common window of all clips' cut-lines with these masks, by the reference path; each clip repeats around."""
    found = []
    for number, (clip, mask) in enumerate(zip(clips, masks, strict=True)):
        progress("windows", number, len(clips))
        whole, area = _periodic(clip, setup)
        around = repeated(mask, clip.window_nm, max(whole.tiles.halo_nm, *clip.period_nm) + max(clip.period_nm))
        found += design.focus_dose([around], whole, area, clip.cuts, focus_nm)
    progress("windows", len(clips), len(clips))
    return design.together(found)


def _periodic(clip: Clip, setup: Setup) -> tuple[Setup, tuple[float, float, float, float]]:
    """A setup whose one tile is a whole number of a clip's periods, and the window about the clip that makes it so.

    Narrow poles see far: a seam of the tile anywhere would count.
    """
    unit = clip.target.dbu_nm
    common = math.gcd(*(round(extent / unit) for extent in clip.period_nm)) * unit
    wanted = setup.check_nm
    pitch = common / math.ceil(common / wanted - 1e-9)
    halo = math.ceil(setup.tiles.halo_nm / pitch - 1e-9) * pitch
    x0, y0, x1, y1 = clip.window_nm
    sides = [math.ceil((extent + 2 * halo) / extent - 1e-9) * extent - 2 * halo for extent in (x1 - x0, y1 - y0)]
    x, y = (0.5 * (low + high - side) for low, high, side in ((x0, x1, sides[0]), (y0, y1, sides[1])))
    stage = replace(setup.recipe.stages[-1], pixel_nm=2 * pitch)
    tiles = replace(setup.tiles, core_nm=max(sides), halo_nm=halo)
    return replace(setup, recipe=replace(setup.recipe, stages=(stage,)), tiles=tiles), (
        x,
        y,
        x + sides[0],
        y + sides[1],
    )


def source_figures(setup: Setup, rules: SourceRules) -> dict:
    """What a setup's source is like; of a file, whether it keeps the rules."""
    source = design.scanner_of(setup.process).source
    found = {"kind": source.kind, **{k: v for k, v in dump(source).items() if k not in ("kind", "file")}}
    if isinstance(source, Freeform):
        found |= {"symmetry": rules.symmetry, "pole": rules.pole, "pitch": round(source.rows()[2], 6)}
        found |= vars(pixels.figures(source, rules.symmetry, rules.pole))
    return found


def _clips(work: Work, setup: Setup, goal: Goal, mask: Path | None, gauges: Path | None) -> list[Clip]:
    works = [replace(work, window=window) for window in goal.windows] or [work]
    areas = [each.window_nm() for each in works]
    for k, a in enumerate(areas):
        for b in areas[:k]:
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                raise ConfigError(
                    f"windows {works[k].window} and another overlap: each clip is a periodic tile of its own"
                )
    start = None if mask is None else read_mask(mask, work.layer_number())
    clips = []
    for each, area in zip(works, areas, strict=True):
        target = clipped(each.read(), area)
        if not target.contours:
            raise ConfigError(
                f"{work.layout}: layer {work.layer} is empty in the window {each.window}: nothing to print"
            )
        around = repeated(target, area, widest_nm(setup) + setup.tiles.halo_nm)
        if gauges is None:
            cuts = found_cuts(goal.sweep, setup, around, area)
        else:
            cuts = read_cuts(gauges, around, goal.sweep.tolerance(), area)
        if not len(cuts):
            told = "in the gauge file" if gauges else "found: give a file of cut-lines with --gauges"
            raise InputError(f"{work.layout}: the window {each.window} has no cut-line {told}")
        clips.append(Clip(target, target if start is None else clipped(start, area), area, cuts))
    return clips


def _write_source(folder: Path, setup: Setup, found: design.Found) -> Setup:
    """Write the source's file, if it has one, and read everything again."""
    scanner = design.scanner_of(setup.process)
    if found.pupil is not None:
        pixels.write_source(folder / SOURCE_FILE, found.pupil, found.weight)
        source = Freeform(SOURCE_FILE)
    else:
        source = found.source
    process = replace(setup.process, scanner=replace(scanner, source=source))
    return _again(folder, replace(setup, process=process))


def _on_dose(folder: Path, setup: Setup, after: Together) -> Setup:
    """The setup with the threshold at which dose 1 is the best one, written as run.toml."""
    best = after.largest["ellipse"]
    if best is None:
        return setup
    process = anchored(setup.process)
    resist = replace(process.resist, threshold=np.float64(_threshold(setup) / best.dose))
    scanner = design.scanner_of(process)
    if isinstance(scanner.source, Freeform):
        scanner = replace(scanner, source=Freeform(SOURCE_FILE))
    return _again(folder, replace(setup, process=replace(process, resist=resist, scanner=scanner)))


def _threshold(setup: Setup) -> float:
    """What dose 1 prints at, clear field = 1: a dose is the inverse of it."""
    return float(double(anchored(setup.process).resist).threshold)


def _again(folder: Path, setup: Setup) -> Setup:
    """A setup written as run.toml and read from there."""
    (folder / "run.toml").write_text(to_toml(setup))
    return load_setup(str(folder / "run.toml"))


def _figures(found: Together, need: tuple[float, float]) -> dict:
    best = found.largest["ellipse"]
    return {
        "el_percent": {shape: found.el_percent(shape, need[0]) for shape in SHAPES},
        "area_nm_percent": {shape: found.area(shape) for shape in SHAPES},
        "best_focus_nm": best.focus_nm if best else None,
        "best_dose": best.dose if best else None,
        "required": {"dof_nm": need[0], "el_percent": need[1]},
        "lost": [found.names[k] for k in np.flatnonzero(found.lost)],
        "focus_error_percent": 100 * found.focus_error,
    }


def _violations(mask: Layout, setup: Setup, window) -> int:
    """Places of a periodic clip that break the mask rules, looked for with half a period around."""
    limits, (x0, y0, x1, y1) = setup.limits, window
    pitch = setup.recipe.stages[-1].pixel_nm / 4
    reach = 0.5 * max(x1 - x0, y1 - y0)
    grid = Grid(
        (round((y1 - y0 + 2 * reach) / pitch), round((x1 - x0 + 2 * reach) / pitch)), pitch, (x0 - reach, y0 - reach)
    )
    opened = coverage(repeated(mask, window, reach), grid) >= 0.5
    opened = opened if setup.process.mask.drawn == "clear" else ~opened
    return sum(rule_violations(opened, pitch, limits.width_nm, limits.space_nm, limits.area_nm2).values())


def _verdict(after: Together, good: bool, need: tuple[float, float]) -> str:
    lost = [after.names[k] for k in np.flatnonzero(after.lost)]
    if lost:
        return (
            f"Out of spec: {len(lost)} of {len(after.names)} gauges print in tolerance nowhere, {lost[0]} among them."
        )
    el = after.el_percent("rectangle", need[0])
    return (
        f"{'In spec' if good else 'Out of spec'}: {el:.1f} % exposure latitude over {need[0]:g} nm of focus "
        f"({need[1]:.1f} % needed)."
    )
