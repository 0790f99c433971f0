"""Process windows of a layout, as drawn and with a mask made for it, at given or found cut-lines."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import design
from ..config import to_toml
from ..design import Setup
from ..errors import ConfigError
from ..forward import distinct_focus
from ..interfaces import window_plots as plots
from ..interfaces.report import Report, write_report
from ..layout import Layout, boolean, clipped
from ..metrology import Cuts, find_cuts, read_cuts
from ..plain import csv_text
from ..timing import Clock
from ..types import double
from .checked import read_mask
from .folder import provenance, refuse_existing, run_folder, write_records
from .window_figures import figures as figures_of
from .work import Progress, Work, area_um2, mask_figures, quiet, with_phases

# The focus series if none is asked for: so many, to +-0.6 lambda / NA^2, the step rounded to two digits.
FOCUSES, REACH = 13, 0.6
MOST_VALUES = 401


@dataclass(frozen=True)
class Sweep:
    """What a window is asked for: ranges as "from:to:step", the tolerance of widths in percent, gauges at most.

    `focus` in nm; `dose` relative, for the Bossung curves only. Left out, they are +-0.6 lambda / NA^2 and +-10 %
    about the best dose. `dof_nm` is the depth of focus at which the exposure latitude is given, by default the
    range of the setup's corners.
    """

    focus: str | None = None
    dose: str | None = None
    tolerance_percent: float = 10.0
    dof_nm: float | None = None
    most: int = 100

    def __post_init__(self):
        if self.dof_nm is not None and not 0 <= self.dof_nm <= 10000:
            raise ConfigError(f"a depth of focus of {self.dof_nm:g} nm must lie between 0 and 10000 nm")

    def tolerance(self) -> float:
        """As a fraction; ConfigError where it is none."""
        if not 0 < self.tolerance_percent < 100:
            raise ConfigError(f"a tolerance of {self.tolerance_percent:g} % must lie between 0 and 100 %")
        return 0.01 * self.tolerance_percent


def window(
    work: Work,
    out: Path,
    sweep: Sweep | None = None,
    *,
    mask: Path | None = None,
    gauges: Path | None = None,
    force: bool = False,
    command: str = "",
    progress: Progress = quiet,
) -> dict:
    """Measure process windows, write the run folder and return its summary.

    The layout is its own mask; with `mask` that is judged, and the layout as drawn stands beside it. The phase layer is
    that of the mask that is judged; a phase conflict of it is out of spec. `gauges` is a CSV file of cut-lines (see
    `metrology.read_cuts`), by default widths of lines and spaces are taken from the layout.
    """
    clock = Clock()
    sweep = sweep or Sweep()
    refuse_existing(Path(out), force)
    setup, number = work.setup(), work.layer_number()
    focus, _ = focus_series(sweep, setup), _doses(sweep, 1.0)  # what is wrong is told before any work
    tolerance = sweep.tolerance()
    area = work.window_nm()
    layout = work.read(setup.tiles.halo_nm + 100)
    judged = layout
    if mask is not None:
        judged = read_mask(mask, number)
        if not clipped(judged, area).contours:
            raise ConfigError(f"{mask}: the mask has nothing in the window {work.window}: is it the right one?")
    shifted = work.read_shifted(mask or work.layout, setup.tiles.halo_nm + 100)
    layers, conflicts = with_phases(setup.process, judged, shifted)
    masks, dark = [layers], setup.process.mask.drawn == "dark"
    if mask is not None:
        # The shifted glass under another chrome is the same; drawn openings are shared out anew.
        masks.insert(0, with_phases(setup.process, layout, shifted if dark else None)[0])
    elif shifted is not None and not dark:
        layout = boolean(layout, shifted, "or")
    cuts = found_cuts(sweep, setup, layout, area) if gauges is None else read_cuts(gauges, layout, tolerance)
    found = design.focus_dose(masks, setup, area, cuts, focus, progress)
    need = required(setup, sweep)
    sides = []
    for polygons, matrix in zip(masks, found, strict=True):
        best = matrix.largest["ellipse"]
        at = (best.focus_nm, best.dose) if best else _nominal(setup)
        progress("gauges", len(sides), len(masks))
        point = design.at_point(polygons, setup, area, cuts, *at)
        sides.append((matrix, point, figures_of(matrix, point, need)))
    progress("gauges", len(masks), len(masks))
    matrix, point, figures = sides[-1]
    cost = clock.cost()
    if conflicts:
        verdict = figures["verdict"].replace("In spec", "Out of spec", 1)
        figures = figures | {"verdict": f"{verdict} {len(conflicts)} phase conflicts.", "in_spec": False}
    result = {
        **figures,
        **mask_figures(setup.process, conflicts),
        "uncorrected": sides[0][2] if mask is not None else None,
        "area_um2": area_um2(area),
        "simulated_focus_nm": focus.tolist(),
        "images_computed": len(distinct_focus(setup.process, focus.tolist())[1]),
        "cpu_s": cost.cpu_s,
        "wall_s": cost.wall_s,
        "run": str(Path(out)),
    }
    with run_folder(Path(out), force) as folder:
        _write_run(folder, work, setup, sides, result, sweep, {"mask": mask, "gauges": gauges}, command)
    return result


def parse_range(text: str, what: str) -> np.ndarray:
    """Numbers from "from:to:step", both ends included, or of one number; ConfigError says what is wrong."""
    try:
        values = [float(part) for part in text.split(":")]
        if len(values) == 1:
            return np.array(values)
        start, end, step = values
    except ValueError:
        raise ConfigError(f"{what} {text!r}: write from:to:step, for example -300:300:50") from None
    if not (step > 0 and start <= end and (end - start) / step < MOST_VALUES):
        raise ConfigError(f"{what} {text!r}: needs from <= to, a positive step and at most {MOST_VALUES} values")
    # Rounded, so that +z and -z of a symmetric series are equal and imaged once.
    return np.round(start + step * np.arange(int(np.floor((end - start) / step + 1e-9)) + 1), 9)


def focus_series(sweep: Sweep, setup: Setup) -> np.ndarray:
    """The focuses (n,) in nm that are asked for; ConfigError where they are too few or too far."""
    if sweep.focus is not None:
        focus = parse_range(sweep.focus, "focus")
        if focus.size < 4 or np.abs(focus).max() > 5000:
            raise ConfigError(f"focus {sweep.focus!r}: give four or more values within 5000 nm")
        return focus
    scanner = design.scanner_of(setup.process)
    step = REACH / (scanner.na_over_lambda * float(double(scanner.projector.na))) / (FOCUSES // 2)
    return float(f"{step:.2g}") * np.arange(-(FOCUSES // 2), FOCUSES // 2 + 1)


def _doses(sweep: Sweep, best: float) -> np.ndarray:
    """Doses of the Bossung curves."""
    if sweep.dose is None:
        return best * np.linspace(0.9, 1.1, 11)
    dose = parse_range(sweep.dose, "dose")
    if not (dose > 0).all() or dose.max() >= 10:
        raise ConfigError(f"dose {sweep.dose!r} must lie between 0 and 10; 1 is nominal")
    return dose


def found_cuts(sweep: Sweep, setup: Setup, layout: Layout, area) -> Cuts:
    """Cut-lines of the lines and spaces in an area of a layout."""
    corner, reach = design.corner_distance_nm(setup.process), widest_nm(setup)
    return find_cuts(layout, area, sweep.tolerance(), corner_nm=corner, reach_nm=reach, most=sweep.most)


def widest_nm(setup: Setup) -> float:
    """How far cut-lines are looked for across a line or space."""
    return min(2 / design.scanner_of(setup.process).na_over_lambda, 0.5 * setup.tiles.halo_nm)


def _nominal(setup: Setup) -> tuple[float, float]:
    corner = double(setup.process.corners[0])
    return float(corner.focus_nm), float(corner.dose)


def required(setup: Setup, sweep: Sweep) -> tuple[float, float]:
    """DOF in nm and EL in percent that the setup's corners span, the DOF replaced by the one asked for."""
    corners = [double(corner) for corner in setup.process.corners]
    focus, dose = ([float(getattr(c, name)) for c in corners] for name in ("focus_nm", "dose"))
    el = 200 * (max(dose) - min(dose)) / (max(dose) + min(dose))
    return (max(focus) - min(focus) if sweep.dof_nm is None else sweep.dof_nm), el


def _write_run(folder: Path, work: Work, setup: Setup, sides, result: dict, sweep: Sweep, files, command: str) -> None:
    configuration, dose = to_toml(setup), _doses(sweep, result["at"]["dose"])
    inputs = {"layout": work.layout, **{name: path for name, path in files.items() if path is not None}}
    origin = provenance(
        inputs, layer=work.layer, window_um=work.window, cell=work.cell, sweep=vars(sweep), command=command
    )
    (folder / "run.toml").write_text(configuration)
    write_records(folder, result, origin)
    rows = result["per_gauge"]
    (folder / "gauges.csv").write_text(csv_text(list(rows[0]), [[row.get(name) for name in rows[0]] for row in rows]))
    np.savez_compressed(folder / "plots.npz", **plots.plot_data([matrix for matrix, *_ in sides], dose))
    write_report(folder / "report.html", _report(work, sides, result, dose, configuration, origin, command))


def _report(work, sides, result: dict, dose, configuration, origin, command) -> Report:
    matrices = [matrix for matrix, *_ in sides]
    matrix, before = matrices[-1], result["uncorrected"]

    def shown(label, get, digits, unit):
        value, old = get(result), get(before) if before else None
        text = "-" if value is None else f"{value:.{digits}f}"
        drawn = "" if before is None else "as drawn: none" if old is None else f"as drawn {old:.{digits}f}"
        return label, text, unit, drawn

    need = result["required"]["dof_nm"]
    numbers = [
        shown(f"Exposure latitude over {need:g} nm", lambda r: r["el_percent"]["rectangle"], 1, "%"),
        shown("DOF at 10 % EL", lambda r: r["dof_nm"]["ellipse"]["10"], 0, "nm"),
        shown("DOF at 5 % EL", lambda r: r["dof_nm"]["ellipse"]["5"], 0, "nm"),
        shown("Best focus", lambda r: r["best_focus_nm"], 0, "nm"),
        shown("Best dose", lambda r: r["best_dose"], 3, ""),
    ]
    pictures = [
        ("Windows of the gauges (grey), what they have in common, and what fits in it.", plots.window_map(matrices)),
        ("Exposure latitude against depth of focus of the common window.", plots.latitude_plot(matrices)),
    ]
    limiting = [matrix.cuts.names.index(name) for name in dict.fromkeys(result["limiting"].values())]
    for cut in limiting:
        caption = f"Bossung curves of a limiting gauge, {matrix.cuts.names[cut]} (um)."
        pictures.append((caption, plots.bossung_plot(matrix, cut, dose)))
    kind = work.setup().process.resist.kind
    doses = (
        "Every dose is exact" if kind == "threshold" else "Doses are interpolated between nine exposures of each image"
    )
    too_short = ["The focus series ends inside the window: depths of focus are lower limits."]
    notes = [
        f"{result['gauges']} gauges, {result['images_computed']} images of each tile. {doses}; between "
        f"focuses a limit of dose is off by at most {result['focus_error_percent']:.2g} %.",
        *(too_short if result["focus_series_too_short"] else []),
        "Width only, within its tolerance: no resist loss, side wall, side lobe or bridging elsewhere is looked at.",
        f"Thin mask, {kind} resist, one image plane. Not validated against wafers.",
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
