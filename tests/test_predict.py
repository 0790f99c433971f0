"""Virtual metrology: features of switched signals, intervals for lots not seen, abstention; and its verb."""

import csv
import json

import numpy as np
import pytest

from actinic import jobs
from actinic.errors import InputError
from actinic.interfaces.cli.app import main
from actinic.operate.predict import Run, Table, coverage, decide, fit, leave_one_lot_out, r2, risk, signal_features
from actinic.operate.predict.features import switched

SIGNALS = ("gas", "power", "reflected")


def _run(lot, place, cycles=50, reflected=400.0, seed=0):
    """Cycles of 7 samples with gas and 3 without, the machine idle with gas at both ends."""
    random = np.random.default_rng(seed)
    gas = np.concatenate([np.full(30, 600.0), np.tile([600.0] * 7 + [0.0] * 3, cycles), np.full(30, 600.0)])
    works = np.concatenate([np.zeros(30), np.ones(10 * cycles), np.zeros(30)])
    power = 2800 * works + random.standard_normal(gas.size)
    back = works * np.where(gas > 300, 40.0, reflected) + 0.3 * random.standard_normal(gas.size)
    return Run(str(lot), place, np.column_stack([gas, power, back]))


def test_the_switched_signal_counts_only_while_the_machine_works():
    runs = [_run(1, n, cycles=40 + n) for n in range(1, 5)]
    switch = switched(runs)
    assert switch == (0, 0.0, 600.0)
    table = signal_features(runs, SIGNALS, switch)
    at = table.names.index("gas total")
    assert np.allclose(table.values[:, at], [7 * (40 + n) for n in range(1, 5)])
    assert table.values[:, table.names.index("reflected, gas off")] == pytest.approx(400, abs=0.5)
    assert table.values[:, table.names.index("reflected, gas on")] == pytest.approx(40, abs=0.5)


def test_signals_that_do_not_switch_give_means():
    runs = [Run("1", n, np.full((50, 2), n) + np.arange(50)[:, None]) for n in range(3)]
    assert switched(runs) is None
    assert signal_features(runs, ("a", "b"), None).names == ("wafer's place in the lot", "a mean", "b mean")


def _lots(lots=6, wafers=10, between=0.3, within=0.3, seed=0, useless=6):
    """Two features that matter, some that do not, an offset for each lot that none tells."""
    random = np.random.default_rng(seed)
    n = lots * wafers
    lot, place = np.repeat(np.arange(lots), wafers).astype(str), np.tile(np.arange(1, wafers + 1), lots)
    values = np.column_stack([place, random.standard_normal((n, 2 + useless))])
    offsets = between * np.repeat(random.standard_normal(lots), wafers)
    measured = 40 - 0.2 * place + values[:, 1] - 0.7 * values[:, 2] + offsets + within * random.standard_normal(n)
    names = ("wafer's place in the lot", *(f"f{k}" for k in range(1, 3 + useless)))
    return Table(lot, place, names, values, values[:, 1:]), measured


def test_the_features_that_matter_are_chosen():
    table, measured = _lots(between=0.1)
    assert set(fit(table, measured).names) == {"wafer's place in the lot", "f1", "f2"}


def test_intervals_hold_for_lots_not_seen():
    # Lots differ by an offset as large as the wafers' own scatter: intervals from wafers alone would be too narrow.
    inside = total = 0
    for seed in range(25):
        table, measured = _lots(seed=seed, between=0.4, useless=1)
        found, _ = leave_one_lot_out(table, measured)
        inside, total = inside + (np.abs(measured - found.value) <= found.half).sum(), total + len(measured)
    assert 0.88 <= inside / total <= 0.97


def test_a_lot_s_own_values_do_not_reach_its_predictions():
    table, measured = _lots()
    changed = np.where(table.lots == "2", measured + 5.0, measured)
    first, second = (leave_one_lot_out(table, m)[0] for m in (measured, changed))
    own = table.lots == "2"
    assert np.array_equal(first.value[own], second.value[own]) and not np.array_equal(first.value, second.value)


def test_what_is_unlike_anything_learnt_from_is_to_be_measured():
    table, measured = _lots()
    model = fit(table, measured)
    values = table.values[:2].copy()
    values[1, 1] += 40.0
    found = model.predict(values)
    assert decide(found, None) == ["rely on it", "measure"]
    assert decide(found, (0.0, 100.0)) == ["in spec", "measure"]
    assert decide(found, (float(found.value[0]), 100.0))[0] == "measure"
    assert decide(found, (90.0, 100.0))[0] == "out of spec"


def test_abstaining_on_everything_scores_nothing():
    table, measured = _lots()
    found, _ = leave_one_lot_out(table, measured)
    plain = np.array([measured[table.lots != lot].mean() for lot in table.lots])
    rows = risk(found, measured, plain)
    assert rows[0]["relied_on"] == 0 and rows[0]["score"] <= 0
    assert rows[-1]["score"] == pytest.approx(r2(found.value, measured)) and rows[-1]["score"] > 0.6
    whole = coverage(found, measured, table.lots)[-1]
    assert rows[-1]["misses"] == whole.wafers - whole.covered


def test_two_lots_are_not_enough():
    table, measured = _lots(lots=2)
    with pytest.raises(InputError, match="2 measured lots"):
        fit(table, measured)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Five lots of six wafers whose depth follows cycles and reflected power; lot 5 is not measured."""
    folder, random = tmp_path_factory.mktemp("etch"), np.random.default_rng(1)
    arrays, rows = {"signals": np.array(SIGNALS)}, []
    for lot in range(1, 6):
        for place in range(1, 7):
            cycles, back = int(random.integers(45, 55)), float(random.uniform(380, 420))
            arrays[f"lot{lot:02d}_wafer{place:02d}"] = _run(lot, place, cycles, back, seed=lot * 10 + place).values
            depth = 0.8 * cycles - 0.05 * (back - 400) - 0.1 * place + 0.05 * random.standard_normal()
            rows.append((lot, place, f"{depth:.4f}" if lot < 5 else ""))
    np.savez(folder / "signals.npz", **arrays)
    with open(folder / "depth.csv", "w", newline="") as opened:
        csv.writer(opened).writerows([("lot", "wafer", "depth_um"), *rows])
    return folder


def _cli(capsys, *words):
    code = main([*map(str, words), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def test_predict_foretells_lots_and_wafers_not_measured(files, tmp_path, capsys):
    words = (files / "signals.npz", files / "depth.csv", "--spec", "10,70", "--out", tmp_path / "run")
    code, result, _ = _cli(capsys, "wafer", "predict", *words)
    assert code == 0 and result["r2"] > 0.98
    new = [row for row in result["wafers"] if row["how"] == "new"]
    assert len(new) == 6 and {row["lot"] for row in new} == {"5"} and all(row["measured"] is None for row in new)
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert made == {"run.toml", "result.json", "wafers.csv", "provenance.json", "report.html"}


def test_new_lots_measured_after_all_are_compared_and_not_learnt_from(files, tmp_path, capsys):
    arrays = np.load(files / "signals.npz")
    new = {k: arrays[k] for k in arrays if k == "signals" or k.startswith("lot05")}
    np.savez(tmp_path / "new.npz", **new)
    (tmp_path / "new.csv").write_text("lot,wafer,depth_um\n5,1,39.5\n5,2,41\n5,4,40\n")
    words = (files / "signals.npz", files / "depth.csv", "--new", tmp_path / "new.npz")
    _, result, _ = _cli(capsys, "wafer", "predict", *words, "--new-values", tmp_path / "new.csv")
    _, without, _ = _cli(capsys, "wafer", "predict", *words)
    assert result["new_lots"][-1]["wafers"] == 3 and "r2" in result["new_lots"][-1] and not without["new_lots"]
    assert [w["value"] for w in result["wafers"]] == [w["value"] for w in without["wafers"]]


def test_a_wafer_that_must_be_measured_leaves_with_1(files, capsys):
    code, result, _ = _cli(capsys, "wafer", "predict", files / "signals.npz", files / "depth.csv", "--spec", "10,38")
    assert code == 1 and any(row["decision"] != "in spec" for row in result["wafers"] if row["how"] == "new")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{f}/no.npz", "{f}/depth.csv"), "cannot be read"),
        (("{f}/depth.csv", "{f}/depth.csv"), "not a .npz"),
        (("{f}/signals.npz", "{f}/signals.npz"), "not a table in CSV"),
        (("{f}/signals.npz", "{f}/depth.csv", "--spec", "3"), "two numbers"),
        (("{f}/signals.npz", "{f}/depth.csv", "--level", "2"), "level 2"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_code_2(files, capsys, words, said):
    code, _, err = _cli(capsys, "wafer", "predict", *(word.format(f=files) for word in words))
    assert code == 2 and said in err and err.count("\n") == 1


@pytest.mark.published
def test_etch_depths_of_real_lots(data):
    found = jobs.predict(data / "bosch_etch" / "traces_5hz.npz", data / "bosch_etch" / "depth.csv")
    *lots, whole = found["lots"]
    assert found["r2"] >= 0.92 and sum(one["rmse"] < one["baseline_rmse"] for one in lots) >= 4
    assert 51 <= whole["covered"] <= 57 and whole["wafers"] == 59 and min(one["covered"] for one in lots) >= 7
