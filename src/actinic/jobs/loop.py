"""The closed loop on files: a product through a drifting fab with nothing, some and all of it corrected; the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from .. import design, loop, scale
from ..config import build, dump, load_toml, override, placed, to_toml
from ..design import Setup
from ..errors import ConfigError, InputError
from ..forward import anchored
from ..layout import Layout, clipped, packed, unpacked, write_layout
from ..loop import Scenario
from ..loop.scenario import DIFFUSION
from ..loop.tables import blur_nm
from ..mask import reach_nm
from ..metrology import Cuts, find_cuts
from ..operate import calibration
from ..operate.calibration import Free, Machine, Measurement
from ..operate.inspection.files import plan_csv
from ..plain import csv_text
from ..scale import Tiling
from ..timing import Clock
from ..wafer.widths import WidthTable
from ..writing import write_file
from .blocks import Reusing, Spread, code, corrected_blocks, verified_parts
from .condemned import corrected_anew
from .folder import write_records
from .loop_book import Book
from .loop_report import origin_of, report
from .runs import resumable
from .work import Progress, Window, Work, quiet

LEDGER, EVIDENCE = "ledger.jsonl", "evidence.csv"
# Cut-lines reach over this part of a tile's halo.
_CUT = 0.45


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario's TOML file, which may leave out whatever it likes, and `key=value` changes.

    `reuse` are earlier runs of the loop, whose masks, models and tables are taken over where they are the same.
    """

    file: Path | None = None
    changes: tuple[str, ...] = ()
    reuse: tuple[Path, ...] = ()

    def read(self) -> Scenario:
        data = dump(Scenario())
        if self.file is not None:
            for name, value in load_toml(self.file).items():
                known = data.get(name)
                data[name] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
        return build(Scenario, override(data, self.changes), str(self.file or "scenario"))


def run_loop(
    work: Work, out: Path, scenario: ScenarioFile = ScenarioFile(), *, seed: int = 0, workers: int = 1,
    force: bool = False, command: str = "", progress: Progress = quiet,
) -> dict:  # fmt: skip
    """Run the four arms of the loop and write the run folder: ledger, masks, evidence, report.

    In spec means that all corrections together have more gauges in spec than none, and the interval says so. A run
    that was interrupted goes on in its folder.
    """
    clock, told = Clock(), scenario.read()
    if work.method != "opc":
        raise ConfigError("the loop corrects blocks that stand alone: it takes the edge-based method, opc")
    setup = work.setup()
    setup = replace(setup, process=anchored(setup.process))
    real = build(Setup, override(dump(setup), told.truth), "truth")
    for machine in (setup, real):
        blur_nm(machine.process)
    known = {name: scale.content_key(value) for name, value in _inputs(work, setup, told, seed).items()}
    with resumable(Path(out), known, to_toml(setup), force) as run, scale.spreading(workers) as engine:
        run.journal.begin(None, lambda: engine.workers)
        write_file(run.folder / "scenario.toml", to_toml(told).encode())
        book = Book(run.folder / LEDGER)
        mill = _Mill(
            work,
            setup,
            real,
            told,
            Spread(engine, run, Reusing(run.store.root, [Path(one) / "store" for one in scenario.reuse]), progress),
            book,
        )
        mill.begin(seed)
        for arm in loop.ARMS:
            _Arm(mill, arm, seed).run()
        book.close()
        numbers = loop.numbers(book.entries())
        result = _result(numbers, told, seed, book, out)
        cost = clock.cost()
        result |= {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "run": str(out)}
        write_file(run.folder / EVIDENCE, _evidence(numbers).encode())
        origin = origin_of(work, seed, command)
        report(run.folder, book.entries(), numbers, result, told, to_toml(setup), origin)
        write_records(run.folder, result, origin)
    return result


def check_loop(run: Path) -> dict:
    """Compute every number of a run's report again from its ledger, and compare them with the evidence file."""
    book = Book(Path(run) / LEDGER)
    if not (Path(run) / EVIDENCE).is_file():
        raise InputError(f"{run} holds no finished loop: there is no {EVIDENCE}")
    numbers = loop.numbers(book.entries())
    same = _evidence(numbers) == (Path(run) / EVIDENCE).read_text()
    verdict = f"{len(numbers)} numbers from {len(book.entries())} entries of the ledger, "
    verdict += "the same as reported." if same else "NOT those reported: the evidence or the ledger was changed."
    return {"verdict": verdict, "in_spec": same, "numbers": len(numbers), "entries": len(book.entries()),
            "head": book.head, "run": str(run)}  # fmt: skip


def _inputs(work: Work, setup: Setup, told: Scenario, seed: int) -> dict:
    return {
        "layout": Path(work.layout).read_bytes(),
        "layer": work.layer,
        "window": work.window,
        "cell": work.cell,
        "setup": dump(setup),
        "scenario": dump(told),
        "seed": seed,
        "code": code(("interfaces/",)),
    }


class _Mill:
    """What makes masks, tables and models for the arms. Each is made once: a result is in the run's store."""

    def __init__(self, work: Work, setup: Setup, real: Setup, scenario: Scenario, spread: Spread, book: Book):
        self.work, self.setup, self.real, self.scenario = work, setup, real, scenario
        self.spread, self.book = spread, book
        self.window: Window = work.window_nm()
        self.repeats = work.repeats()
        self.features = scenario.monitor.listed()
        tiling = design.edge_tiling(setup, self.window, self.repeats)
        halo = max(setup.tiles.halo_nm, tiling.halo_px * tiling.pixel_nm)
        self.layout = work.read(2 * halo + design.MARGIN_NM + reach_nm(setup.process.mask))
        if not clipped(self.layout, self.window).contours:
            raise ConfigError(f"{work.layout}: layer {work.layer} is empty in the window {work.window}")
        self.cuts = self._cuts()
        self.base = scale.content_key("loop", code(("interfaces/",)), dump(setup), dump(real), work.window)

    def _cuts(self) -> Cuts:
        far, apart = _CUT * self.setup.tiles.halo_nm, design.corner_distance_nm(self.setup.process)
        percent, most = self.scenario.spec.cd_percent, self.scenario.spec.gauges
        return find_cuts(self.layout, self.window, 0.01 * percent, corner_nm=apart, reach_nm=far, most=most)

    def begin(self, seed: int) -> None:
        """Write what the loop goes by, and the first mask."""
        keep = self.book.keep
        texts = {"setup": self.setup, "truth": self.real, "scenario": self.scenario}
        kept = {name: keep(to_toml(one).encode()) for name, one in texts.items()}
        kept["layout"] = keep(Path(self.work.layout).read_bytes())
        asked = {"layer": self.work.layer, "window": self.work.window, "cell": self.work.cell, "seed": seed}
        self.book.write(loop.evidence.INPUTS, {"kept": kept, **asked, "gauges": list(self.cuts.names)}, 0.0)

    def kept(self, what: str, parts, make: Callable[[], dict]) -> dict:
        """A result from the store, or made and put there with what it took."""
        key = scale.content_key(self.base, what, *parts)
        found = self.spread.store.get(key)
        if found is None:
            self.spread.progress(what, 0, 1)
            clock = Clock()
            value = make()
            cost = clock.cost()
            self.spread.store.put(key, {"value": value, "cpu_s": cost.cpu_s, "wall_s": cost.wall_s})
            found = self.spread.store.get(key)
            self.spread.progress(what, 1, 1)
        if found is None:
            raise InputError(f"{self.spread.run.folder}: what was stored cannot be read again")
        return found

    def table(self, what: str, parts, make: Callable[[], WidthTable]) -> WidthTable:
        """A table of widths likewise."""
        names = ("focus_nm", "log_dose", "width_nm", "slope", "bend", "shift")

        def packed_table() -> dict:
            table = make()
            lists = {"names": list(table.names), "zernikes": list(table.zernikes)}
            return lists | {name: getattr(table, name) for name in names}

        data = self.kept(what, parts, packed_table)["value"]
        arrays = {name: data[name] for name in names}
        return WidthTable(names=tuple(data["names"]), zernikes=tuple(data["zernikes"]), **arrays)

    def monitor(self, setup: Setup, real: bool = False) -> WidthTable:
        """Widths of the monitor's lines by a model, or by the real process, whose resist drifts."""

        def make() -> WidthTable:
            if real:
                return loop.with_blur(setup.process, lambda one: loop.monitor_table(one, self.features))
            return loop.monitor_table(setup.process, self.features)

        return self.table("monitor's widths", (dump(setup), real, self.scenario.monitor), make)

    def gauges(self, mask: Layout, setup: Setup, real: bool = False) -> WidthTable:
        """Widths of the product's gauges likewise."""

        def make() -> WidthTable:
            def of(process) -> WidthTable:
                return loop.gauge_table(mask, replace(setup, process=process), self.window, self.cuts)

            return loop.with_blur(setup.process, of) if real else of(setup.process)

        return self.table("gauges' widths", (packed(mask), dump(setup), real, self.cuts), make)

    def first_mask(self) -> dict:
        """The mask by the setup, verified by it."""

        def make() -> dict:
            clock, todo = Clock(), design.edge_work(self.layout, self.window, self.setup, self.repeats)
            mask, failed = corrected_blocks(todo, self.spread)
            told = {"steps": [clock.cost().step("blocks corrected")]}
            return self._verified(mask, self.setup, failed, told, todo.tiling, clock)

        return self.kept("first mask", (), make)["value"]

    def next_mask(self, old: Layout, setup: Setup, places: np.ndarray) -> dict:
        """The old mask with what a new model, or inspection, condemns corrected by that model; verified by it."""

        def make() -> dict:
            clock, todo = Clock(), design.edge_work(self.layout, self.window, setup, self.repeats)
            judged, keep = self._judged(setup), self.scenario.calibration.keep_nm
            mask, failed, told = corrected_anew(todo, old, judged, self.window, self.spread, keep, places)
            return self._verified(mask, setup, failed, told, todo.tiling, clock)

        parts = packed(old), dump(setup), places, self.scenario.calibration.keep_nm
        return self.kept("next mask", parts, make)["value"]

    def _judged(self, setup: Setup) -> Setup:
        return replace(setup, limits=design.opc_of(setup).limits)

    def _verified(self, mask: Layout, setup: Setup, failed, told: dict, blocks: Tiling, clock: Clock) -> dict:
        if failed:
            raise InputError(f"{failed[0].where}: {failed[0].error}; the loop needs every block")
        before = clock.cost()
        found, _, _, lost = verified_parts(self.layout, mask, self._judged(setup), self.window, blocks, self.spread)
        if lost:
            raise InputError(f"{lost[0].where}: {lost[0].error}; the loop needs every part")
        last = clock.cost().step("new mask verified", before)
        return {"mask": packed(mask), **told, "steps": [*told["steps"], last], "figures": found.json}

    def fitted(self, setup: Setup, rows: list[tuple[str, float, float, float]]) -> dict:
        """The free settings that explain a focus-exposure matrix; focus and dose are fitted beside them."""
        sites = {feature.name: feature for feature in self.features}
        nominal = setup.process.corners[0]
        measured = [
            Measurement(name, sites[name].kind, sites[name].lines, value, self.scenario.monitor.sigma_nm, 1.0,
                        float(nominal.focus_nm) + focus, float(nominal.dose) * dose)
            for name, focus, dose, value in rows
        ]  # fmt: skip

        def make() -> dict:
            free = [Free(n) for n in (*self.scenario.calibration.free, "focus_offset_nm", "dose_scale")]
            found = calibration.calibrate(measured, Machine(setup.process), free)
            before, after = found.rms_nm
            return {"names": [f.name for f in free], "value": found.value, "sigma": found.sigma,
                    "chi_square": found.chi_square, "freedom": found.freedom, "determined": bool(found.determined),
                    "rms_before_nm": before, "rms_after_nm": after}  # fmt: skip

        asked = self.scenario.monitor, self.scenario.calibration.free
        return self.kept("calibration", (dump(setup), rows, *asked), make)

    def write_mask(self, name: str, mask: Layout) -> str:
        """The mask's file in the run folder, kept by the ledger; its hash."""
        file = self.spread.run.folder / f"mask-{name.replace(' ', '-')}.oas"
        write_layout(file, {self.work.layer_number(): mask})
        return self.book.keep(file.read_bytes())


class _Arm:
    """One way to run the product: with set-points, or with recalibration, or both, or none."""

    def __init__(self, mill: _Mill, arm: str, seed: int):
        self.mill, self.arm, told = mill, arm, mill.scenario
        self.controlled, self.learns = arm in ("control", "all"), arm in ("recalibrate", "all")
        self.inspects = arm == "all"
        self.setup = mill.setup
        self.plant = loop.Plant(told, seed, mill.monitor(mill.real, real=True))
        self.steering = loop.Steering(self.plant, mill.monitor(self.setup), self.controlled)
        first = mill.first_mask()
        self.masks = [unpacked(first["mask"])]
        self.models = [self.setup]
        self.product = loop.Product(mill.cuts, [(0, mill.gauges(self.masks[0], mill.real, real=True))])
        self.inspector, self.looked_at = self._inspector(), 0
        if arm == loop.ARMS[0]:
            hash_ = mill.write_mask("0", self.masks[0])
            figures = {"mask": "0", "from": 0, "file": hash_, "mean_abs_epe_nm": first["figures"]["mean_abs_epe_nm"]}
            mill.book.write(loop.evidence.MASK, figures, 0.0)
            mill.book.write(loop.evidence.COST, {"what": "mask 0", "steps": first["steps"]}, 0.0)

    def _inspector(self) -> loop.Inspector:
        told = self.mill.scenario
        return loop.Inspector(self.mill.cuts, told.spec.cd_percent, told.inspection.sigma_nm)

    def run(self) -> None:
        """All lots, with what comes between them."""
        told, lots = self.mill.scenario, self.mill.scenario.twin.lots
        every, looks = told.calibration.lots, told.inspection.lots
        stops = sorted({*range(0, lots, every), *range(0, lots, looks), lots})
        for start, end in pairwise(stops):
            if self.learns and start and start % every == 0 and start + told.calibration.delay < lots:
                self._calibrate(start)
            if self.inspects and start and start % looks == 0:
                self._inspect(start)
            records = loop.exposed(self.plant, self.steering, self.product, range(start, end))
            hour = records[-1]["hour"]
            self.mill.book.write(loop.evidence.LOTS, {"arm": self.arm, "lots": records}, hour)
            self.mill.spread.progress(f"lots, {loop.evidence.TOLD[self.arm]}", end, lots)

    def _calibrate(self, n: int) -> None:
        """A new model by a focus-exposure matrix, and a new mask where it condemns the old one."""
        mill, rows, hour = self.mill, self.plant.matrix(n), self.plant.fab.lots[n].hour
        found = mill.fitted(self.setup, rows)
        fit, setup = found["value"], self.setup
        for name, value in zip(fit["names"], fit["value"].tolist(), strict=True):
            if name in mill.scenario.calibration.free:
                setup = replace(setup, process=placed(Machine(setup.process), name, np.float64(f"{value:.8g}")).process)
        table = csv_text(["feature", "focus_nm", "dose", "cd_nm"], rows)
        settings = [
            {"name": name, "value": float(value), "standard_error": float(sigma), "truth": self._truth(name, n)}
            for name, value, sigma in zip(fit["names"], fit["value"], fit["sigma"], strict=True)
        ]
        body = {"arm": self.arm, "n": n, "matrix": mill.book.keep(table.encode()), "gauges": len(rows)}
        body |= {"settings": settings} | {k: fit[k] for k in ("determined", "rms_before_nm", "rms_after_nm")}
        entry = mill.book.write(loop.evidence.CALIBRATION, body, hour)
        if not fit["determined"]:
            return
        self.setup = setup
        self.steering.believe(mill.monitor(setup))
        places = self.inspector.suspects() if self.inspects else np.zeros((0, 2))
        made = mill.next_mask(self.masks[-1], setup, places)
        step = {"step": "model fitted", "cpu_s": found["cpu_s"], "wall_s": found["wall_s"]}
        name = f"{self.arm} {len(self.masks)}"
        if made["blocks_condemned"]:
            self.masks.append(unpacked(made["mask"]))
            real = mill.gauges(self.masks[-1], mill.real, real=True)
            self.product.masks.append((n + mill.scenario.calibration.delay, real))
            self.models.append(setup)
        figures = {"mask": name, "arm": self.arm, "from": n + mill.scenario.calibration.delay, "calibration": entry,
                   "file": mill.write_mask(name, self.masks[-1]), "blocks": made["blocks"],
                   "condemned": made["blocks_condemned"], "suspects": len(places),
                   "mean_abs_epe_nm": made["figures"]["mean_abs_epe_nm"],
                   "old_mean_abs_epe_nm": made["old_mask"]["mean_abs_epe_nm"]}  # fmt: skip
        mill.book.write(loop.evidence.MASK, figures, hour)
        mill.book.write(loop.evidence.COST, {"what": f"mask {name}", "steps": [step, *made["steps"]]}, hour)

    def _truth(self, name: str, n: int) -> float:
        """What a setting really is as lot n comes: of the twin, which knows."""
        process = self.mill.real.process
        if name == "focus_offset_nm":
            return float(self.plant.fab.disturbance[n, self.plant.fab.terms.index("focus_nm")])
        if name == "dose_scale":
            return float(1 + self.plant.fab.disturbance[n, self.plant.fab.terms.index("dose_percent")] / 100)
        drift = float(self.plant.blur_nm[n]) if name == DIFFUSION else 0.0
        return drift + float(loop.tables.setting(process, name))

    def _inspect(self, n: int) -> None:
        """Look at one wafer of the last lot of the product that was exposed since the last time, if there is one."""
        mill, plant = self.mill, self.plant
        since = [
            k for k in range(self.looked_at, n) if plant.fab.lots[k].context.get("product") == mill.scenario.product
        ]
        if not since:
            return
        lot = since[-1]
        mask = self.product.mask(lot)
        if mask != self.product.mask(max(self.looked_at - 1, 0)):
            self.inspector = self._inspector()
        self.looked_at = n
        predicted = mill.gauges(self.masks[mask], self.setup)
        corners = mill.setup.process.corners
        off = [(float(c.focus_nm - corners[0].focus_nm), 100 * float(c.dose / corners[0].dose - 1)) for c in corners]
        states = self.steering.states(lot)
        plan = self.inspector.plan(plant.map, predicted, off, states, mill.scenario.inspection.sites)
        found = self.inspector.look(plant, plan, self.product.masks[mask][1], lot)
        body = {"arm": self.arm, "mask": mask, "plan": mill.book.keep(plan_csv(plan).encode()), **found}
        mill.book.write(loop.evidence.INSPECTION, body, plant.fab.lots[n].hour)


def _evidence(numbers: list[loop.Number]) -> str:
    rows = [[one.name, one.value, one.unit, one.low, one.high, " ".join(map(str, one.entries)), one.how]
            for one in numbers]  # fmt: skip
    return csv_text(["number", "value", "unit", "low_95", "high_95", "ledger_entries", "how"], rows, digits=None)


def _result(numbers: list[loop.Number], told: Scenario, seed: int, book: Book, out: Path) -> dict:
    of = {one.name: one for one in numbers}
    words = loop.evidence.TOLD
    shares = {arm: of[f"gauges in spec, {words[arm]}"].value for arm in loop.ARMS}
    gains = {f"{arm} over {base}": of[f"gain, {words[arm]} over {words[base]}"] for arm, base in loop.evidence.GAINS}
    whole = gains["all over none"]
    verdict = f"{shares['all']:.1f} % of the product's gauges in spec with everything on, {shares['none']:.1f} % with "
    verdict += f"nothing: set-points alone bring {gains['control over none'].value:+.1f} points, model and mask alone "
    verdict += f"{gains['recalibrate over none'].value:+.1f}, together {whole.value:+.1f}."
    return {
        "verdict": verdict,
        "in_spec": whole.low is not None and whole.low > 0,
        "seed": seed,
        "lots": told.twin.lots,
        "yield_percent": shares,
        "gain_points": {name: {"value": g.value, "low_95": g.low, "high_95": g.high} for name, g in gains.items()},
        "numbers": len(numbers),
        "ledger": str(Path(out) / LEDGER),
        "entries": len(book.entries()),
        "head": book.head,
    }
