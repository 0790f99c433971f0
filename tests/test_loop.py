"""The closed loop: the twin's lots, what steers them, inspection, the ledger, the whole killed and gone on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actinic import jobs, layout, loop
from actinic.config import dump, placed
from actinic.errors import ConfigError, InputError
from actinic.forward import anchored
from actinic.jobs import loop_book
from actinic.jobs.loop import LEDGER
from actinic.jobs.loop_book import Book
from actinic.loop import evidence
from actinic.loop.lots import in_width, judged
from actinic.loop.tables import BLUR, blur_nm, blurred
from actinic.metrology import Cuts
from actinic.operate.calibration import Machine
from actinic.operate.inspection import States
from actinic.operate.ledger import Entry, Ledger
from actinic.wafer.widths import WidthTable

FEW = replace(loop.Scenario().monitor, features=("line 170 340 y", "line 200 1200 y", "space 180 400 y"))
SMALL = replace(loop.Scenario(), twin=replace(loop.Scenario().twin, lots=24), monitor=FEW)


def table(names: int, slope: float = 0.0, size: float = 100.0, curve: float = 1e-3) -> WidthTable:
    """Widths of `size` that fall with the square of focus, grow with the dose, and by `slope` with the blur."""
    focus, dose = np.arange(-300.0, 301.0, 50.0), np.arange(-0.14, 0.141, 0.02)
    width = size - curve * focus[:, None] ** 2 + 50 * dose
    width = np.repeat(width[None], names, axis=0)
    steep = np.full((names, 1, *width.shape[1:]), slope)
    zero = np.zeros_like(steep)
    return WidthTable(tuple(f"g{n}" for n in range(names)), focus, dose, width, (BLUR,), steep, zero, zero)


def cuts(names: int, target: float = 100.0) -> Cuts:
    at = np.stack([1000.0 * np.arange(names), np.zeros(names)], 1)
    half = np.array([100.0, 0.0])
    listed = tuple(f"g{n}" for n in range(names))
    return Cuts(listed, at - half, at + half, np.full(names, target), np.full(names, 0.05), np.ones(names, bool))


@pytest.fixture(scope="module")
def monitors() -> tuple[WidthTable, WidthTable]:
    """The monitor's widths by the preset's model, and by a process whose resist drifts and is another."""
    process = anchored(jobs.load_setup("krf-dry").process)
    other = blurred(placed(Machine(process), "process.scanner.source.sigma_out", np.float64(0.77)).process, 30.0)
    features = SMALL.monitor.listed()
    return loop.monitor_table(process, features), loop.with_blur(other, lambda one: loop.monitor_table(one, features))


def test_a_table_knows_the_blur(monitors):
    """At the three blurs it is laid through it is exact, between them to a hundredth of a nm."""
    real, process = monitors[1], blurred(anchored(jobs.load_setup("krf-dry").process), 30.0)
    process = placed(Machine(process), "process.scanner.source.sigma_out", np.float64(0.77)).process
    n = np.arange(len(real.names))
    at = np.full(len(n), 100.0), np.full(len(n), 0.02)
    for off, within in ((-4.5, 1e-6), (4.5, 1e-6), (2.0, 0.03)):
        direct = loop.monitor_table(blurred(process, blur_nm(process) + off), SMALL.monitor.listed())
        found, _ = real.widths(n, *at, np.full((len(n), 1), off))
        np.testing.assert_allclose(found, direct.widths(n, *at)[0], atol=within)
        assert np.abs(found - real.widths(n, *at)[0]).max() > 0.05, "nothing depends on the blur"


def test_set_points_move_lots_and_nothing_else_does():
    plants = [loop.Plant(SMALL, 3, table(5)) for _ in range(3)]
    moves = [{}, {}, {"focus_nm": 20.0, "dose_percent": -1.5, "k1": 4.0}]
    seen = [plant.expose(0, move) for plant, move in zip(plants, moves, strict=True)]
    for name in ("focus_nm", "dose_percent", "overlay_nm"):
        np.testing.assert_array_equal(getattr(seen[0], name), getattr(seen[1], name))
    np.testing.assert_allclose(seen[2].focus_nm - seen[0].focus_nm, 20.0)
    np.testing.assert_allclose(seen[2].dose_percent - seen[0].dose_percent, -1.5)
    other = loop.Plant(SMALL, 4, table(5)).expose(0, {})
    assert np.abs(other.focus_nm - seen[0].focus_nm).max() > 1
    assert len(plants[0].blur_nm) == 24 and len(set(plants[0].blur_nm)) == 2, "one blur a batch of 20 lots"


def test_gauges_are_judged_by_width_and_overlay():
    width = np.array([100.0, 105.0, 105.1, 94.9, np.nan])
    assert in_width(width, cuts(5), 5.0).tolist() == [True, True, False, False, False]
    plant = loop.Plant(SMALL, 0, table(2))
    product = loop.Product(cuts(2), [(0, table(2, curve=0.0)), (10, table(2, size=80.0))])
    seen = plant.expose(0, {})
    even = np.zeros_like(seen.focus_nm)
    seen = replace(seen, focus_nm=even, dose_percent=even, blur_nm=0.0, overlay_nm=even)
    all_in, places = judged(plant, product, seen, 0), even.size
    assert all_in == {"gauges": 2 * places, "in_spec": 2 * places, "width_in": 2 * places,
                      "overlay_in": 2 * places, "mask": 0}  # fmt: skip
    assert judged(plant, product, seen, 12)["in_spec"] == 0, "the second mask prints 80 nm"
    off = even.copy()
    off[0, 0] = 31.0
    told = judged(plant, product, replace(seen, overlay_nm=off), 0)
    assert (told["in_spec"], told["width_in"], told["overlay_in"]) == (2 * places - 2, 2 * places, 2 * places - 2)


def test_focus_and_dose_are_read_off_the_monitor(monitors):
    """By the true model at its word, by another one from the qualification wafer; true values within 4 sigma."""
    model, real = monitors
    plain = replace(real, zernikes=(), slope=real.slope[:, :0], bend=real.bend[:, :0], shift=real.shift[:, :0])
    plant = loop.Plant(replace(SMALL, batch_nm=0.0), 1, real)
    seen = plant.expose(0, {})
    steering = loop.Steering(plant, model, controlled=True)
    true = np.array([seen.focus_nm.mean(), seen.dose_percent.mean()])
    of_field = 15.0 / 3 + 25.0 / 3  # the mean of nine fields is not the wafer's
    off = abs(steering.zero[0] - SMALL.monitor.focus_nm)
    assert off > 10, "the other model reads a focus that is not there"
    for _ in range(2):
        found = steering.measured(0, {"k1": 1.0, "focus_nm": 1e9})
        assert found["k1"] == 1.0
        assert abs(found["focus_nm"] - true[0]) < 2 * of_field and abs(found["dose_percent"] - true[1]) < 0.8
        steering.believe(plain)
    states = steering.states(0)
    assert len(states.focus_nm) == len(plant.fields)


def test_inspection_learns_what_the_model_does_not_know():
    """Gauge 2 fails everywhere, which the model does not see: it moves up in the plan and is suspected."""
    plant = loop.Plant(SMALL, 2, table(6))
    plant.expose(0, {})
    model = table(6, curve=5e-5)
    real = replace(model, width_nm=model.width_nm - 12.0 * (np.arange(6) == 2)[:, None, None])
    corners = [(0.0, 0.0), (150.0, -3.0), (150.0, 3.0)]
    inspector = loop.Inspector(cuts(6), 5.0, 4.0)
    before = {h.rank: h.nominal_nm for h in inspector.hotspots(model, corners)}
    assert len(set(before.values())) == 1 and not len(inspector.suspects())
    for _ in range(3):
        plan = inspector.plan(plant.map, model, corners, States(), 60)
        found = inspector.look(plant, plan, real, 0)
    after = {h.rank: h.nominal_nm for h in inspector.hotspots(model, corners)}
    assert after[3] > before[3] and all(after[n] <= before[n] for n in (1, 2, 4, 5, 6))
    assert found["found"] > 40 and found["found"] / found["sites"] > 3 * found["failing"] / found["of"]
    np.testing.assert_array_equal(inspector.suspects(), [[2000.0, 0.0]])


def entry(n: int, kind: str, body: dict) -> Entry:
    return Entry(n, "", kind, "", body, "")


def test_numbers_follow_from_the_ledger():
    lots = {"none": [(10, 5), (10, 7)], "control": [(10, 8), (10, 9)], "recalibrate": [(10, 5), (10, 8)],
            "all": [(10, 10), (10, 9)]}  # fmt: skip
    entries = [entry(0, "inputs", {})]
    for arm, counts in lots.items():
        for total, hits in counts:
            lot = {"gauges": total, "in_spec": hits, "width_in": total, "overlay_in": hits}
            entries.append(entry(len(entries), "lots", {"arm": arm, "lots": [lot, {"lot": "another product's"}]}))
    body = {"sites": 50, "found": 10, "expected": 12.5, "failing": 4, "of": 100}
    entries.append(entry(9, "inspection", body))
    of = {one.name: one for one in evidence.numbers(entries)}
    assert of["gauges in spec, nothing corrected"].value == 60 and of["gauges in spec, all together"].value == 95
    gain = of["gain, all together over nothing corrected"]
    assert gain.value == pytest.approx(35) and gain.entries == (7, 8, 1, 2)
    assert gain.low == pytest.approx(20) and gain.high == pytest.approx(50), "both lots the first, both the second"
    assert of["inspected sites out of spec"].value == 20 and of["sites out of spec, foretold"].value == 25
    assert of["sites out of spec, had they been drawn"].value == 4


def test_a_ledger_is_gone_on_with_only_where_it_follows(tmp_path):
    first = Book(tmp_path / LEDGER)
    for kind, body in (("lots", {"a": 1.5}), ("cost", {"s": 1.0}), ("lots", {"b": 2})):
        first.write(kind, body, 3.0)
    again = Book(tmp_path / LEDGER)
    assert again.write("lots", {"a": 1.5}, 3.0) == 0 and again.write("cost", {"s": 9.0}, 3.0) == 1
    with pytest.raises(InputError, match="goes on after the loop's end"):
        again.close()
    with pytest.raises(InputError, match="entry 2 does not follow"):
        again.write("lots", {"b": 3}, 3.0)
    assert Ledger(tmp_path / LEDGER).verify() == [] and first.head == again.head


def test_what_a_scenario_must_have():
    with pytest.raises(ConfigError, match="the loop needs dose_percent"):
        jobs.ScenarioFile(None, ("twin.terms={focus_nm=1.0}",)).read()
    with pytest.raises(ConfigError, match='write "line 170 340 y"'):
        jobs.ScenarioFile(None, ('monitor.features=["line 170"]',)).read()
    told = jobs.ScenarioFile(None, ("twin.lots=7", "spec.cd_percent=3")).read()
    assert told.twin.lots == 7 and told.twin.tools == loop.Scenario().twin.tools and dump(told)["product"] == "P0"


def product(folder: Path) -> jobs.Work:
    boxes = [(x, 100, x + 170, 2300) for x in range(100, 2500, 340)]
    bars = layout.rings([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes])
    layout.write_layout(folder / "bars.oas", {(1, 0): layout.Layout(bars, 1.0)})
    settings = ("opc.block_nm=1600", "opc.ambit_nm=800", "opc.context_nm=200", "opc.rounds=1", "tiles.halo_nm=800")
    return jobs.Work(folder / "bars.oas", "1/0", window="0,0,2.6,2.4", settings=settings, method="opc")


@pytest.mark.slow
def test_a_loop_killed_at_any_step_goes_on_to_the_same_ledger(tmp_path, monkeypatch):
    plot = jobs.ScenarioFile(None, ("twin.lots=24", "calibration.lots=10", "inspection.lots=8", "spec.gauges=8",
                                    "calibration.keep_nm=0.3", "calibration.delay=2"))  # fmt: skip
    asked = product(tmp_path)
    whole = jobs.run_loop(asked, tmp_path / "whole", plot, seed=5)
    lines = [json.loads(line) for line in (tmp_path / "whole" / LEDGER).read_text().splitlines()]
    kinds = [line["kind"] for line in lines]
    assert {"inputs", "mask", "lots", "calibration", "inspection", "cost"} == set(kinds)
    assert any(line["body"].get("condemned") for line in lines), "no mask was made anew"
    write, step = loop_book.Book.write, 0
    for stop in (0, 3, 9, len(lines) // 2, len(lines) - 1):

        def dies(self, kind, body, hour, stop=stop):
            nonlocal step
            step += 1
            if step > stop:
                raise KeyboardInterrupt
            return write(self, kind, body, hour)

        step = 0
        monkeypatch.setattr(loop_book.Book, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            jobs.run_loop(asked, tmp_path / "killed", replace(plot, reuse=(tmp_path / "whole",)), seed=5)
        assert jobs.status(tmp_path / "killed")["state"] == "interrupted"
    monkeypatch.undo()
    again = jobs.run_loop(asked, tmp_path / "killed", plot, seed=5)
    other = [json.loads(line) for line in (tmp_path / "killed" / LEDGER).read_text().splitlines()]
    assert [(a["kind"], a["at"]) for a in lines] == [(b["kind"], b["at"]) for b in other]
    assert [a["body"] for a in lines if a["kind"] != "cost"] == [b["body"] for b in other if b["kind"] != "cost"]
    assert again["yield_percent"] == whole["yield_percent"]
    assert jobs.check_loop(tmp_path / "killed")["in_spec"]
    text = (tmp_path / "killed" / "evidence.csv").read_text()
    (tmp_path / "killed" / "evidence.csv").write_text(text.replace("1", "2", 1))
    assert not jobs.check_loop(tmp_path / "killed")["in_spec"]
