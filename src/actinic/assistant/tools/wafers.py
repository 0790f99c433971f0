"""Tools on measured wafers and machines: overlay, focus, uniformity, control, monitoring, prediction, diagnosis."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ... import jobs
from ...operate.monitor import designed
from ..files import FileId
from .registry import Arguments, Bench, Tool

OverlayName = Literal[
    "auto", "linear", "field-linear", "third-order", "howa3", "howa4", "howa5", "howa3+field3", "howa4+field3",
    "howa5+field3",
]  # fmt: skip


class Overlay(Arguments):
    marks: FileId = Field(description="overlay marks, CSV")
    model: OverlayName = "auto"
    profile: Literal["slit-scanner"] | None = Field(None, description="limits of a machine")
    robust: bool = True


class Sampling(Arguments):
    model: Annotated[OverlayName, Field(description="the model that the marks have to tell; not auto")] = "howa3"
    points: Annotated[int, Field(ge=6, le=2000)] = Field(description="marks to choose")
    criterion: Literal["D", "I"] = "I"
    marks: FileId | None = Field(None, description="a measured file to choose from; left out: a usual grid")


class Focus(Arguments):
    widths: FileId = Field(description="measured line widths, CSV")
    features: FileId = Field(description="the features they belong to, CSV")
    preset: Literal["krf-dry", "arf-dry", "arf-immersion"] = "arf-immersion"


class Widths(Arguments):
    widths: FileId = Field(description="measured line widths, CSV")
    spec_nm: Annotated[float, Field(gt=0, le=1000)] | None = Field(None, description="allowed 3 sigma")


class History(Arguments):
    lots: FileId = Field(description="lots with context and set-points, CSV")
    results: FileId = Field(description="what was measured of them, CSV")
    controller: FileId = Field(description="terms, limits, context, TOML")


class Recorded(History):
    ledger: FileId = Field(description="the ledger to write to")


class Traces(Arguments):
    file: FileId = Field(description="traces .npz or a table .csv")
    reference: FileId | None = None
    chart: Literal["shewhart", "ewma", "cusum"] = "shewhart"
    arl: Annotated[float, Field(ge=10, le=1e6)] = Field(1000.0, description="wafers between false alarms")


class Charted(Arguments):
    chart: Literal["shewhart", "ewma", "cusum"]
    arl: Annotated[float, Field(ge=10, le=1e6)] = Field(370.4, description="points between false alarms")
    shift_sigma: Annotated[float, Field(ge=0, le=10)] = Field(0.0, description="lasting shift of the mean")
    weight: Annotated[float, Field(gt=0, le=1)] = Field(0.2, description="of the newest point, EWMA")
    reference: Annotated[float, Field(gt=0, le=5)] = Field(0.5, description="of a CUSUM: half the shift looked for")


class Signals(Arguments):
    signals: FileId = Field(description="traces or signals of the runs")
    values: FileId = Field(description="measured values, CSV")
    level: Annotated[float, Field(ge=0.5, le=0.99)] = 0.9


class Case(Arguments):
    events: FileId = Field(description="logs of all parts, CSV")
    maps: FileId = Field(description="residuals of overlay, focus and width by point, CSV")
    innovations: FileId = Field(description="the controller's, wafer by wafer, CSV")


class Edges(Arguments):
    file: FileId = Field(description="a table of edges or a picture of lines")
    step_nm: Annotated[float, Field(gt=0, le=100)] | None = Field(None, description="row distance or pixel size")
    pairs: bool = Field(False, description="columns are left and right edges in turn")


class Store(Arguments):
    store: FileId = Field(description="store of measurements, .duckdb")


class Invalid(Store):
    lot: Annotated[str, Field(min_length=1, max_length=80)]
    reason: Annotated[str, Field(min_length=3, max_length=200)]


class LedgerFile(Arguments):
    ledger: FileId


class Plan(Arguments):
    planned: FileId = Field(description="plan.csv of an inspection")
    found: FileId = Field(description="KLARF file of what was found")
    radius_um: Annotated[float, Field(gt=0, le=100)] = 1.0


def fit_overlay(given: Overlay, bench: Bench) -> dict[str, Any]:
    file = jobs.OverlayFile(bench.root.file(given.marks))
    return _clean(jobs.wafer_fit(file, jobs.OverlayModel(given.model, given.profile, robust=given.robust)))


def plan_marks(given: Sampling, bench: Bench) -> dict[str, Any]:
    choice = jobs.MarkChoice(None if given.marks is None else bench.root.file(given.marks))
    return _clean(jobs.wafer_plan(choice, given.model, given.points, criterion=given.criterion))


def estimate_focus(given: Focus, bench: Bench) -> dict[str, Any]:
    features = jobs.FeatureFile(bench.root.file(given.features), given.preset)
    return _clean(jobs.wafer_focus(bench.root.file(given.widths), features, progress=bench.progress))


def split_uniformity(given: Widths, bench: Bench) -> dict[str, Any]:
    found = jobs.wafer_uniformity(bench.root.file(given.widths), spec_nm=given.spec_nm, progress=bench.progress)
    for one in found["features"]:
        del one["slit_profile"], one["scan_profile"]
    return _clean(found)


def propose_control(given: History, bench: Bench) -> dict[str, Any]:
    return _clean(jobs.control(*_history(given, bench)))


def record_setpoints(given: Recorded, bench: Bench) -> dict[str, Any]:
    ledger = bench.root.new(given.ledger) if not _exists(given.ledger, bench) else bench.root.file(given.ledger)
    return _clean(jobs.control(*_history(given, bench), ledger=ledger)) | {"ledger": given.ledger}


def replay_control(given: History, bench: Bench) -> dict[str, Any]:
    return _clean(jobs.replay(*_history(given, bench), progress=bench.progress))


def watch_equipment(given: Traces, bench: Bench) -> dict[str, Any]:
    reference = None if given.reference is None else bench.root.file(given.reference)
    settings = jobs.MonitorSettings(chart=given.chart, arl=given.arl)
    found = jobs.monitor(bench.root.file(given.file), reference, settings)
    order = {"alarm": 0, "incomplete": 1}
    found["wafers"] = sorted(found["wafers"], key=lambda one: order.get(one["status"], 2))
    return _clean(found)


def control_chart(given: Charted, bench: Bench) -> dict[str, Any]:
    chart = designed(given.chart, given.arl, weight=given.weight, reference=given.reference)
    return {
        "chart": given.chart,
        "limit_sigma": chart.limit,
        "arl_in_control": chart.arl(0.0),
        "shift_sigma": given.shift_sigma,
        "arl_at_shift": chart.arl(given.shift_sigma),
    }


def foretell(given: Signals, bench: Bench) -> dict[str, Any]:
    return _clean(jobs.predict(bench.root.file(given.signals), bench.root.file(given.values), level=given.level))


def diagnose(given: Case, bench: Bench) -> dict[str, Any]:
    files = (bench.root.file(name) for name in (given.events, given.maps, given.innovations))
    return _clean(jobs.diagnose(*files))


def measure_roughness(given: Edges, bench: Bench) -> dict[str, Any]:
    found = jobs.roughness(bench.root.file(given.file), step_nm=given.step_nm, pairs=given.pairs)
    return {name: value for name, value in found.items() if name != "spectrum"}


def list_lots(given: Store, bench: Bench) -> dict[str, Any]:
    return {"lots": jobs.lots(bench.root.file(given.store))}


def invalidate_lot(given: Invalid, bench: Bench) -> dict[str, Any]:
    return _clean(jobs.invalidate(bench.root.file(given.store), given.lot, given.reason)) | {"store": given.store}


def read_ledger(given: LedgerFile, bench: Bench) -> dict[str, Any]:
    return jobs.ledger(bench.root.file(given.ledger)) | {"ledger": given.ledger}


def compare_inspection(given: Plan, bench: Bench) -> dict[str, Any]:
    files = bench.root.file(given.planned), bench.root.file(given.found)
    return _clean(jobs.inspection_compare(*files, given.radius_um))


def _history(given: History, bench: Bench) -> tuple[Path, Path, Path]:
    return bench.root.file(given.lots), bench.root.file(given.results), bench.root.file(given.controller)


def _exists(name: str, bench: Bench) -> bool:
    return name in bench.root.ids()


def _clean(found: dict[str, Any]) -> dict[str, Any]:
    """Without what only says where and how long: paths of this machine are no model's affair, times no answer's."""
    return {name: value for name, value in found.items() if name not in ("run", "cpu_s", "wall_s", "ledger", "plan")}


TOOLS = (
    Tool(
        "fit_overlay", "Fit an overlay model to measured marks: terms k1.., residuals, correction, clipped terms.",
        Overlay, fit_overlay, reads=True,
    ),
    Tool("plan_marks", "Choose overlay marks to measure and predict what they will tell.", Sampling, plan_marks),
    Tool(
        "estimate_focus", "Focus and dose of every field from measured line widths.", Focus, estimate_focus, reads=True,
        seconds=900,
    ),
    Tool(
        "split_uniformity", "Split the variance of measured line widths by lot, wafer, field, slit, scan, site.",
        Widths, split_uniformity, reads=True,
    ),
    Tool(
        "propose_control", "Set-points for the lots to come by run-to-run control; nothing is written or applied.",
        History, propose_control, reads=True,
    ),
    Tool(
        "record_setpoints", "The same, written to the ledger from which a machine may take them.", Recorded,
        record_setpoints, writes=True, reads=True,
    ),
    Tool(
        "replay_control", "What run-to-run control would have done for past lots: |mean| + 3 sigma with and without.",
        History, replay_control, reads=True, seconds=900,
    ),
    Tool(
        "watch_equipment", "Wafers of an equipment trace or table that are not like the ones before, and why.",
        Traces, watch_equipment, reads=True,
    ),
    Tool(
        "control_chart", "Limit of a Shewhart, EWMA or CUSUM chart for a false-alarm rate; run length at a shift.",
        Charted, control_chart,
    ),
    Tool("foretell", "Virtual metrology: values foretold from signals, with intervals.", Signals, foretell, reads=True),
    Tool(
        "diagnose", "Causes of an incident from logs, maps and innovations, or not known.", Case, diagnose, reads=True
    ),
    Tool(
        "measure_roughness", "Unbiased line edge and width roughness of a table of edges or a picture.", Edges,
        measure_roughness, reads=True,
    ),
    Tool("list_lots", "Lots of a store of measurements.", Store, list_lots, reads=True),
    Tool(
        "invalidate_lot", "Leave a lot of a store out of what is asked for; its marks are kept.", Invalid,
        invalidate_lot, writes=True,
    ),
    Tool(
        "read_ledger", "Verify a control ledger; entries, and the set-points in force.", LedgerFile, read_ledger,
        reads=True,
    ),
    Tool(
        "compare_inspection", "Predicted hotspots against found defects: precision, recall.", Plan, compare_inspection,
        reads=True,
    ),
)  # fmt: skip
