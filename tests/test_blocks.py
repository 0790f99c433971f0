"""Edge-based correction of large windows: block by block and part by part, interrupted, gone on with and taken over."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import klayout.db as db
import numpy as np
import pytest

from actinic import jobs, layout, scale
from actinic.design.hotspots import Spot
from actinic.errors import ConfigError
from actinic.jobs import blocks, parts
from actinic.jobs.checked import read_mask
from actinic.jobs.condemned import condemned
from actinic.metrology import Gauges, summary

# The package holds the function of this name.
correct = sys.modules["actinic.jobs.correct"]
SETTINGS = ("opc.block_nm=1000", "opc.ambit_nm=800", "opc.context_nm=200", "opc.rounds=1", "tiles.halo_nm=600")


def drawn(shift: int = 0):
    """Two rows of bars a block and more apart; the last one may be moved."""
    boxes = [(x, y, x + 200, y + 900) for y in (100, 1500) for x in range(0, 2800, 400)]
    x0, y0, x1, y1 = boxes[-1]
    boxes[-1] = (x0 + shift, y0, x1 + shift, y1)
    return layout.Layout(layout.rings([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]), 1.0)


def work(folder: Path, name: str = "drawn.oas", shift: int = 0) -> jobs.Work:
    layout.write_layout(folder / name, {(1, 0): drawn(shift)})
    return jobs.Work(folder / name, "1/0", window="0,0,2.6,2.4", settings=SETTINGS, method="opc")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, its folder and its result."""
    folder = tmp_path_factory.mktemp("run")
    return folder, jobs.correct(work(folder), folder / "out", workers=1)


@pytest.mark.slow
def test_a_changed_corner_costs_its_own_blocks(run, tmp_path):
    folder, first = run
    earlier = jobs.Elsewhere(reuse=folder / "out")
    again = jobs.correct(work(tmp_path, shift=40), tmp_path / "new", workers=1, elsewhere=earlier)
    told, before = jobs.status(tmp_path / "new"), jobs.status(folder / "out")
    assert before["reused"] == 0 and before["computed"] == first["tiles"]
    assert told["reused"] >= first["tiles"] // 2 and told["computed"] >= 1
    alone = jobs.correct(work(tmp_path, shift=40), tmp_path / "alone", workers=1)
    assert Path(again["mask"]).read_bytes() == Path(alone["mask"]).read_bytes()
    with pytest.raises(ConfigError, match="method opc"):
        ilt = jobs.Work(tmp_path / "drawn.oas", "1/0", window="0,0,2.6,2.4")
        jobs.correct(ilt, tmp_path / "ilt", elsewhere=earlier)


@pytest.mark.slow
def test_blocks_that_another_model_condemns_are_corrected_anew(run, tmp_path):
    """All kept: the mask as it was. All condemned: the other model's own mask. Some: each block is of one of both."""
    folder, first = run
    asked = work(tmp_path)
    asked = replace(asked, settings=(*SETTINGS, "process.scanner.source.sigma_out=0.74"))
    alone = jobs.correct(asked, tmp_path / "alone", workers=1)
    masks, condemned_of, means, limits = {}, {}, np.zeros(1), {"all": 90.0, "some": 0.0, "none": 1e-9}
    for name in limits:
        if name == "some":  # between the blocks that print best and worst
            limits[name] = float(np.median(means[means > 0]))
        keep = limits[name]
        earlier = jobs.Elsewhere(reuse=folder / "out", keep_nm=keep)
        result = jobs.correct(asked, tmp_path / name, workers=1, elsewhere=earlier)
        masks[name] = read_mask(Path(result["mask"]), (1, 0))
        anew = result["anew"]
        assert [one["step"] for one in anew["steps"]] == [
            "old mask verified", "condemned blocks corrected", "new mask verified",
        ]  # fmt: skip
        condemned_of[name] = anew["blocks_condemned"]
        if name == "all":
            assert not condemned_of[name]
            means = _means(asked, masks["all"])
    old, new = read_mask(Path(first["mask"]), (1, 0)), read_mask(Path(alone["mask"]), (1, 0))
    window = asked.window_nm()
    assert not layout.boolean(old, masks["all"], "xor").contours
    assert 0 < condemned_of["some"] < condemned_of["none"] == np.count_nonzero(means)
    for tile, mean in zip(correct.design.edge_tiling(asked.setup(), window).tiles, means, strict=True):
        inner = tuple(v + 300 * s for v, s in zip(tile.core_nm, (1, 1, -1, -1), strict=True))  # seams are mended
        for name, keep in limits.items():
            like = new if mean > keep else old
            both = (layout.clipped(one, inner) for one in (like, masks[name]))
            assert not layout.boolean(*both, "xor").contours, (name, tile.core_nm, mean)
    assert layout.boolean(old, new, "xor").contours


def _means(asked: jobs.Work, mask) -> np.ndarray:
    """Mean |EPE| of each block by a verification of its own, 0 where it has no gauge."""
    setup, window = asked.setup(), asked.window_nm()
    far = parts.surroundings_nm(setup)
    (v,) = correct.design.verify(asked.read(far), [mask], setup.process, window, pitch_nm=setup.check_nm,
                                 halo_nm=setup.tiles.halo_nm)  # fmt: skip
    means = []
    for tile in correct.design.edge_tiling(setup, window).tiles:
        x0, y0, x1, y1 = tile.core_nm
        at = v.gauges
        here = (at.x_nm >= x0) & (at.x_nm < x1) & (at.y_nm >= y0) & (at.y_nm < y1) & (at.kind == 0)
        means.append(np.abs(v.epe_nm[here]).mean() if here.any() else 0.0)
    return np.array(means)


def test_blocks_are_condemned_by_gauges_failures_and_places():
    tiles = scale.split((0.0, 0.0, 3000.0, 1000.0), 10.0, 1000.0, 0.0).tiles
    x = np.repeat([500.0, 1500.0, 2500.0], 4)
    sites = Gauges(x, np.full(12, 500.0), np.ones(12), np.zeros(12), np.tile(np.array([0, 0, 0, 1], np.int8), 3))
    epe = np.array([1.0, -1.0, 1.0, 50.0] + [1.4, 1.4, 1.4, 0.0] + [0.0] * 4)  # line ends do not count in the mean

    def found(failed=(), spots=()):
        lost = np.isin(np.arange(12), failed)
        return parts.Figures(summary(epe, lost, sites.kind), sites, epe, lost, 0.0, 0.0, {}, list(spots), 1)

    assert condemned(tiles, found(), 1.2) == [1]
    assert condemned(tiles, found(), 0.5) == [0, 1]
    assert condemned(tiles, found(failed=[11]), 1.2) == [1, 2]
    spot = Spot("pinch", (10.0, 10.0), (0.0, 0.0, 20.0, 20.0), 1.0, 2.0, "nm", 1.0, "nominal", 1, "")
    assert condemned(tiles, found(spots=[spot]), 1.2) == [0, 1]
    assert condemned(tiles, found(spots=[replace(spot, kind="PV band")]), 1.2) == [1]
    assert condemned(tiles, found(), 1.2, [(2999.0, 999.0)]) == [1, 2]
    with pytest.raises(ConfigError, match="--reuse"):
        jobs.Elsewhere(keep_nm=1.0)


@pytest.mark.slow
def test_an_interrupted_run_goes_on(run, tmp_path, monkeypatch):
    _, first = run
    asked = work(tmp_path)
    solved = correct.design.solve_block
    count = 0

    def dies(shared, block):
        nonlocal count
        count += 1
        if count > 4:
            raise KeyboardInterrupt
        return solved(shared, block)

    monkeypatch.setattr(blocks.design, "solve_block", dies)
    with pytest.raises(KeyboardInterrupt):
        jobs.correct(asked, tmp_path / "out", workers=1)
    assert jobs.status(tmp_path / "out")["state"] == "interrupted"
    monkeypatch.undo()
    other = jobs.Work(asked.layout, "1/0", window="0,0,2.5,2.4", settings=SETTINGS, method="opc")
    with pytest.raises(ConfigError, match="other inputs \\(window\\)"):
        jobs.correct(other, tmp_path / "out", workers=1)
    result = jobs.correct(asked, tmp_path / "out", workers=1)
    told = jobs.status(tmp_path / "out")
    assert (told["reused"], told["computed"], told["state"]) == (4, first["tiles"] - 4, "done")
    assert Path(result["mask"]).read_bytes() == Path(first["mask"]).read_bytes()


@pytest.mark.slow
def test_a_block_that_fails_stays_as_drawn(run, tmp_path, monkeypatch):
    solved = correct.design.solve_block

    def refuses(shared, block):
        if block.at_nm == first:
            raise ValueError("no")
        return solved(shared, block)

    asked = work(tmp_path)
    setup = asked.setup()
    first = correct.design.edge_tiling(setup, asked.window_nm()).tiles[0].core_nm[:2]
    monkeypatch.setattr(blocks.design, "solve_block", refuses)
    result = jobs.correct(asked, tmp_path / "out", workers=1)
    (failed,) = result["failed"]
    assert not result["in_spec"] and failed["where"].startswith("block ") and failed["attempts"] == 3
    assert "1 blocks or parts failed" in result["verdict"] and "no" in failed["error"]
    x, y = first
    corner = (x, y, x + 700, y + 700)
    masks = [layout.clipped(mask, corner) for mask in (read_mask(Path(result["mask"]), (1, 0)), drawn())]
    assert not layout.boolean(*masks, "xor").contours
    assert jobs.status(tmp_path / "out")["state"] == "failed"


@pytest.mark.slow
def test_parts_add_up_to_the_whole(run, tmp_path, monkeypatch):
    """The same mask verified in one piece and in parts: every gauge once, at the same place, with the same error."""
    _, whole = run
    monkeypatch.setattr(correct, "WHOLE_UM2", 0.0)
    monkeypatch.setattr(parts, "PART", 4.0)
    result = jobs.correct(work(tmp_path), tmp_path / "out", workers=1)
    assert Path(result["mask"]).read_bytes() == Path(whole["mask"]).read_bytes()
    for name in ("gauges", "line_ends", "open_gauges", "rule_violations", "hotspots", "missing", "bridges"):
        assert result[name] == whole[name], name
    assert result["mean_abs_epe_nm"] == pytest.approx(whole["mean_abs_epe_nm"], abs=0.1)
    assert result["uncorrected"]["parts"] == 4 and result["in_spec"] == whole["in_spec"]
    assert (tmp_path / "out" / "report.html").is_file()
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result


def test_a_store_looks_in_others(tmp_path):
    key = "ab" * 32
    old, new = scale.Store(tmp_path / "old"), blocks.Reusing(tmp_path / "new", [tmp_path / "none", tmp_path / "old"])
    assert new.get(key) is None
    old.put(key, {"a": np.arange(3)})
    np.testing.assert_array_equal(new.get(key)["a"], np.arange(3))
    assert key in new


@pytest.mark.slow
def test_plan_knows_what_is_the_same(tmp_path):
    cell = [(x, y, x + 200, y + 400) for x in (200, 600) for y in (300,)]
    boxes = [
        (a + 1000 * i, b + 1000 * j, c + 1000 * i, d + 1000 * j)
        for i in range(12)
        for j in range(10)
        for a, b, c, d in cell
    ]
    drawn = layout.Layout(layout.rings([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]), 1.0)
    layout.write_layout(tmp_path / "array.oas", {(1, 0): drawn})
    asked = jobs.Work(tmp_path / "array.oas", "1/0", window="3.9,3.9,8.1,7.1", settings=SETTINGS, method="opc")
    found = jobs.plan(asked)
    assert found["unique_blocks"] < found["blocks"]
    assert found["correct_cpu_s"] > 0 and found["core_hours"] * 3600 == pytest.approx(
        found["correct_cpu_s"] + found["verify_cpu_s"]
    )
    assert found["wall_s"]["10000"] < found["wall_s"]["1"]
    with pytest.raises(ConfigError, match="method opc"):
        jobs.plan(jobs.Work(tmp_path / "array.oas", "1/0"))


def array(folder: Path, columns: int, rows: int) -> Path:
    """Cells of 1000 x 1000 nm with one bar each, as an array in the file."""
    chip = db.Layout()
    chip.dbu = 0.001
    cell, top = chip.create_cell("BAR"), chip.create_cell("TOP")
    cell.shapes(chip.layer(1, 0)).insert(db.Box(300, 200, 500, 800))
    step = db.Vector(1000, 0), db.Vector(0, 1000)
    top.insert(db.CellInstArray(cell.cell_index(), db.Trans(0, 0), *step, columns, rows))
    path = folder / f"array{columns}.oas"
    chip.write(str(path))
    return path


def test_blocks_stand_on_what_repeats(tmp_path):
    found = layout.repeats(array(tmp_path, 5, 4), (1, 0))
    assert found == layout.Repeats((1000.0, 1000.0), (300.0, 200.0), (300.0, 200.0, 4500.0, 3800.0))
    assert layout.repeats(work(tmp_path).layout, (1, 0)) is None
    setup = work(tmp_path).setup()
    counts = []
    for n in (12, 20):
        asked = jobs.Work(array(tmp_path, n, n), "1/0", settings=SETTINGS, method="opc")
        window = asked.window_nm()
        tiling = correct.design.edge_tiling(setup, window, asked.repeats())
        assert tiling.core_px == (50, 50)  # 1000 nm of 20 nm
        x0, _, x1, _ = tiling.cores_nm
        far = 2 * setup.opc.answer_nm
        assert x0 <= window[0] - far and x1 >= window[2] + far and (x0 - 300) % 1000 == 0
        reach = 2 * tiling.halo_px * tiling.pixel_nm
        todo = correct.design.edge_work(asked.read(reach), window, setup, asked.repeats())
        counts.append(len({scale.content_key(b.size_nm, b.rings) for b in todo.blocks()}))
        # Blocks that do not see the border are one; k blocks and what lies beyond the window make the others.
        k = int(np.ceil(tiling.halo_px * tiling.pixel_nm / 1000)) + 1
        assert counts[-1] <= (2 * k + 2) ** 2
    assert counts[0] == counts[1]


def test_parts_cover_the_window_once_and_repeat_where_blocks_do(tmp_path):
    setup = work(tmp_path).setup()
    counts = []
    for n in (100, 140):
        asked = jobs.Work(array(tmp_path, n, n), "1/0", settings=SETTINGS, method="opc")
        x0, y0, x1, y1 = window = asked.window_nm()
        tiling = correct.design.edge_tiling(setup, window, asked.repeats())
        drawn = asked.read(parts.surroundings_nm(setup))
        cut = list(parts.parts(drawn, drawn, setup, window, tiling))
        assert len(cut) == parts.parts_in(setup, window, tiling) - len(parts.sample(cut))
        covered = [(*one.at_nm, *np.add(one.at_nm, one.size_nm)) for one in cut]
        area = sum((c - a) * (d - b) for a, b, c, d in covered)
        assert area == pytest.approx((x1 - x0) * (y1 - y0))
        assert min(a for a, *_ in covered) == x0 and max(d for *_, d in covered) == y1
        inside = boolean_area([(a, b, c, d) for a, b, c, d in covered])
        assert inside == pytest.approx(area)
        counts.append(len({scale.content_key(one.size_nm, one.target, one.mask) for one in cut}))
    assert counts[0] == counts[1] <= 16 < len(cut)


def boolean_area(boxes) -> float:
    return layout.merged(layout.rings([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]), 1.0).area_nm2
