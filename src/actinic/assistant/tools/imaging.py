"""Tools that print: processes, lines, layouts, masks, hotspots."""

import base64
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ... import jobs
from ...design import scanner_of
from ...errors import ConfigError
from ...layout import isolated_line, lines, write_layout
from ...types import double
from ..files import FileId
from .registry import Arguments, Bench, Tool

Preset = Literal["krf-dry", "arf-dry", "arf-immersion", "euv-033", "euv-055"]
Sigma = Annotated[float, Field(ge=0, le=1)]
LAYER = "1/0"


class Optics(Arguments):
    """The process that prints. What is left out is the preset's."""

    preset: Preset = Field("krf-dry", description="scanner, mask and resist to begin with")
    na: Annotated[float, Field(ge=0.1, le=1.4)] | None = Field(None, description="numerical aperture")
    source: Literal["conventional", "annular", "dipole-x", "dipole-y", "quasar"] | None = Field(
        None, description="dipole-x prints lines along y"
    )
    sigma_in: Sigma | None = None
    sigma_out: Annotated[float, Field(gt=0, le=1)] | None = None
    opening_deg: Annotated[float, Field(gt=0, le=180)] | None = Field(None, description="of a pole")
    mask_type: Literal["binary", "attpsm:6%:180"] | None = None
    resist: Literal["threshold", "compact", "chemistry"] | None = None

    @model_validator(mode="after")
    def _whole_source(self):
        ring = self.source not in (None, "conventional")
        if ring and (self.sigma_in is None or self.sigma_out is None):
            raise ValueError(f"source {self.source} needs sigma_in and sigma_out")
        if self.source == "conventional" and self.sigma_out is None:
            raise ValueError("source conventional needs sigma_out")
        if self.sigma_in is not None and self.sigma_out is not None and self.sigma_in >= self.sigma_out:
            raise ValueError("sigma_in must be smaller than sigma_out")
        return self

    def settings(self) -> tuple[str, ...]:
        """As `--set` takes them."""
        found = [] if self.na is None else [f"process.scanner.projector.na={self.na!r}"]
        place = "process.scanner.source"
        if self.source is None:
            given = {"sigma_in": self.sigma_in, "sigma_out": self.sigma_out, "opening_deg": self.opening_deg}
            return (*found, *(f"{place}.{name}={value!r}" for name, value in given.items() if value is not None))
        kind, _, axis = self.source.partition("-")
        table = {"kind": f'"{kind}"', "sigma_in": self.sigma_in, "sigma_out": self.sigma_out}
        if kind == "conventional":
            table = {"kind": '"conventional"', "sigma": self.sigma_out}
        elif kind == "dipole":
            table["rotation_deg"] = 90.0 if axis == "y" else 0.0
        if self.opening_deg is not None and kind in ("dipole", "quasar"):
            table["opening_deg"] = self.opening_deg
        said = ", ".join(f"{name} = {value}" for name, value in table.items())
        return (*found, f"{place}={{{said}}}")

    def work(self, layout: Path, layer: str, window: str | None, more: tuple[str, ...] = ()) -> jobs.Work:
        chosen = (*self.settings(), *more)
        return jobs.Work(
            layout, layer, self.preset, window, settings=chosen, mask_type=self.mask_type, resist=self.resist
        )


class Condition(Optics):
    focus_nm: Annotated[float, Field(ge=-2000, le=2000)] | None = Field(
        None, description="defocus; left out: the nominal corner's"
    )
    dose: Annotated[float, Field(ge=0.2, le=5)] | None = Field(None, description="relative to nominal = 1")


class LineShape(Arguments):
    width_nm: Annotated[float, Field(ge=5, le=1000)] = Field(description="drawn width of the line at wafer scale")
    pitch_nm: Annotated[float, Field(ge=10, le=3000)] | None = Field(
        None, description="period of dense lines; left out: an isolated line"
    )

    @model_validator(mode="after")
    def _space(self):
        if self.pitch_nm is not None and self.width_nm >= self.pitch_nm:
            raise ValueError("width_nm must be smaller than pitch_nm")
        return self


class MeasuredLines(Condition, LineShape):
    pass


class SweptLines(Optics, LineShape):
    tolerance_percent: Annotated[float, Field(ge=1, le=30)] = Field(10.0, description="how far the width may be off")
    dof_nm: Annotated[float, Field(ge=0, le=2000)] | None = Field(None, description="latitude is given over this")


class Place(Arguments):
    layout: FileId = Field(description="GDSII or OASIS file")
    layer: Annotated[str, Field(pattern=r"^\d{1,5}/\d{1,5}$")] = Field(description="layer/datatype, such as 67/20")
    x0_um: Annotated[float, Field(ge=-1e5, le=1e5)]
    y0_um: Annotated[float, Field(ge=-1e5, le=1e5)]
    x1_um: Annotated[float, Field(ge=-1e5, le=1e5)]
    y1_um: Annotated[float, Field(ge=-1e5, le=1e5)]

    @model_validator(mode="after")
    def _bounded(self):
        width, height = self.x1_um - self.x0_um, self.y1_um - self.y0_um
        if width <= 0 or height <= 0:
            raise ValueError("the window is empty: x0_um < x1_um and y0_um < y1_um are needed")
        if width * height > 400:
            raise ValueError(f"the window has {width * height:.6g} um2; at most 400 um2 are computed in one call")
        return self

    @property
    def window(self) -> str:
        return f"{self.x0_um!r},{self.y0_um!r},{self.x1_um!r},{self.y1_um!r}"


class PlacedCondition(Condition, Place):
    pass


class PlacedOptics(Optics, Place):
    pass


class PlacedSweep(Optics, Place):
    tolerance_percent: Annotated[float, Field(ge=1, le=30)] = 10.0
    dof_nm: Annotated[float, Field(ge=0, le=2000)] | None = None


class Spot(Optics, Place):
    x_um: Annotated[float, Field(ge=-1e5, le=1e5)]
    y_um: Annotated[float, Field(ge=-1e5, le=1e5)]


class JudgedMask(Optics, Place):
    mask: FileId = Field(description="mask file, GDSII or OASIS")


class Corrected(Optics, Place):
    run: FileId = Field(description="name of the run folder to write")


def process_facts(given: Optics, bench: Bench) -> dict[str, Any]:
    setup = jobs.load_setup(given.preset, given.settings(), given.mask_type, given.resist)
    scanner = scanner_of(setup.process)
    lens = double(scanner.projector)
    wavelength, na = float(lens.wavelength_nm), float(lens.na)
    source = {n: v for n, v in vars(double(scanner.source)).items() if n != "kind"}
    outer = float(source.get("sigma_out", source.get("sigma", 1.0)))
    corners = [double(c) for c in setup.process.corners]
    return {
        "wavelength_nm": wavelength,
        "na": na,
        "immersion_index": float(lens.immersion_index),
        "source": scanner.source.kind,
        **{f"source_{n}": float(v) for n, v in source.items()},
        "rayleigh_resolution_nm": 0.61 * wavelength / na,
        "rayleigh_depth_nm": wavelength / na**2,
        "smallest_pitch_nm": wavelength / (na * (1 + outer)),
        "smallest_coherent_pitch_nm": wavelength / na,
        "mask_type": setup.process.mask.kind,
        "resist": setup.process.resist.kind,
        "corners": [{"name": c.name, "focus_nm": float(c.focus_nm), "dose": float(c.dose)} for c in corners],
    }


def measure_lines(given: MeasuredLines, bench: Bench) -> dict[str, Any]:
    work = _lines(given, given, bench)
    found = jobs.measure(work, focus_nm=given.focus_nm, dose=given.dose, most=20)
    row = min(found["per_gauge"], key=lambda one: (one["kind"] != "line", abs(one["x_um"])))
    kept = {name: row[name] for name in ("target_nm", "cd_nm", "error_nm", "nils", "meef")}
    return {"prints": row["cd_nm"] is not None, **kept, "focus_nm": found["focus_nm"], "dose": found["dose"]}


def lines_window(given: SweptLines, bench: Bench) -> dict[str, Any]:
    work = _lines(given, given, bench)
    cuts = bench.scratch / "cuts.csv"
    halo = work.setup().tiles.halo_nm  # which a cut-line may not exceed
    reach = 1e-3 * min(0.5 * given.pitch_nm if given.pitch_nm else 2 * given.width_nm + 200, 0.49 * halo)
    cuts.write_text(f"line,{-reach:.6f},0,{reach:.6f},0,{given.width_nm:g},{given.tolerance_percent:g}\n")
    sweep = jobs.Sweep(tolerance_percent=given.tolerance_percent, dof_nm=given.dof_nm)
    found = jobs.window(work, bench.scratch / "run", sweep, gauges=cuts, progress=bench.progress)
    return _window(found, bench)


def layout_window(given: PlacedSweep, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    sweep = jobs.Sweep(tolerance_percent=given.tolerance_percent, dof_nm=given.dof_nm)
    return _window(jobs.window(work, bench.scratch / "run", sweep, progress=bench.progress), bench)


def measure_layout(given: PlacedCondition, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    found = jobs.measure(work, focus_nm=given.focus_nm, dose=given.dose)
    return found | {"per_gauge": jobs.worst_first(found["per_gauge"])}


def expose_layout(given: PlacedCondition, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    found = jobs.expose(work, focus_nm=given.focus_nm, dose=given.dose)
    return {name: value for name, value in found.items() if name != "saved"}


def explain_hotspot(given: Spot, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    return jobs.explain(work, given.x_um, given.y_um)


def verify_mask(given: JudgedMask, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    markers = bench.scratch / "hotspots.lyrdb"
    found = jobs.verify(work, bench.root.file(given.mask), lyrdb=markers)
    return {name: value for name, value in found.items() if name not in ("lyrdb", "report")}


def predict_cost(given: PlacedOptics, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    return jobs.plan(work, progress=bench.progress)


def correct_window(given: Corrected, bench: Bench) -> dict[str, Any]:
    work = given.work(bench.root.file(given.layout), given.layer, given.window)
    out = bench.root.new(given.run)
    found = jobs.correct(work, out, workers=1, command="assistant: correct_window", progress=bench.progress)
    return {name: value for name, value in found.items() if name not in ("run", "mask")} | {"run": given.run}


def pictures(report: Path, bench: Bench, most: int = 2) -> None:
    """The first pictures of a report, for those who can look at them."""
    found = re.findall(r'src="data:image/png;base64,([A-Za-z0-9+/=]+)"', report.read_text())
    bench.pictures += [(f"figure {n + 1} of the report", base64.b64decode(text)) for n, text in enumerate(found[:most])]


def _window(found: dict[str, Any], bench: Bench) -> dict[str, Any]:
    pictures(bench.scratch / "run" / "report.html", bench)
    wanted = (
        "verdict", "in_spec", "best_focus_nm", "best_dose", "dof_nm", "el_percent", "required", "limiting", "lost",
        "focus_series_too_short", "gauges", "per_gauge",
    )  # fmt: skip
    return {name: found[name] for name in wanted}


def _lines(shape: LineShape, optics: Optics, bench: Bench) -> jobs.Work:
    """Lines drawn for the job, in tiles of whole periods, so that the tile's own period is no other."""
    setup = jobs.load_setup(optics.preset, optics.settings(), optics.mask_type, optics.resist)
    halo, pitch = setup.tiles.halo_nm, shape.pitch_nm
    step = pitch or halo
    halo, core = step * math.ceil(halo / step), step * (1 if pitch is None else max(1, round(100 / step)))
    reach = step * math.ceil((2 * halo + core + 400) / step)
    frame = (-reach, -reach, reach, reach)
    drawn = isolated_line(shape.width_nm, frame, dbu_nm=0.5) if pitch is None else lines(
        shape.width_nm, pitch, frame, dbu_nm=0.5
    )  # fmt: skip
    if not drawn.contours:
        raise ConfigError(f"a line of {shape.width_nm:g} nm cannot be drawn on a grid of 0.5 nm")
    file = bench.scratch / "lines.oas"
    write_layout(file, {(1, 0): drawn})
    half = 5e-4 * core
    window = f"{-half!r},{-half!r},{half!r},{half!r}"
    tiles = (f"tiles.core_nm={float(core)!r}", f"tiles.halo_nm={float(halo)!r}")
    return optics.work(file, LAYER, window, tiles)


TOOLS = (
    Tool("process_facts", "Wavelength, NA, source, corners and resolution limits of a process.", Optics, process_facts),
    Tool(
        "measure_lines",
        "Printed width (CD), its error, NILS and MEEF of dense or isolated lines at one focus and dose.",
        MeasuredLines, measure_lines,
    ),
    Tool(
        "lines_window",
        "Process window of dense or isolated lines: depth of focus, exposure latitude, best focus and dose.",
        SweptLines, lines_window,
    ),
    Tool(
        "measure_layout",
        "Printed widths (CD) of a window of a layout as drawn, worst error first, with NILS and MEEF.",
        PlacedCondition, measure_layout,
    ),
    Tool(
        "layout_window",
        "Process window common to all lines and spaces in a window of a layout, and what limits it.",
        PlacedSweep, layout_window,
    ),
    Tool(
        "expose_layout",
        "Aerial image of a window of a layout as drawn: intensities, printed and drawn area.",
        PlacedCondition, expose_layout,
    ),
    Tool(
        "explain_hotspot",
        "Why a place of a layout fails: its width at every corner, and what moves it most: mask, focus or dose.",
        Spot, explain_hotspot,
    ),
    Tool(
        "verify_mask",
        "Check a mask against its layout: edge placement, PV band, mask rules and hotspots, worst first.",
        JudgedMask, verify_mask, seconds=900,
    ),
    Tool(
        "predict_cost",
        "CPU time and memory that an edge-based correction of a window would take.",
        PlacedOptics, predict_cost, seconds=900,
    ),
    Tool(
        "correct_window",
        "Make a mask for a window by inverse lithography and write its run folder.",
        Corrected, correct_window, writes=True, seconds=3600,
    ),
)  # fmt: skip
