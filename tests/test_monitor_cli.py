"""`actinic wafer monitor` on files, as a person would use it."""

import csv
import json

import numpy as np
import pytest

from actinic import jobs
from actinic.interfaces.cli.app import main
from test_monitor import _archive


def _run(capsys, *words):
    code = main([*map(str, words), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def test_monitor_names_wafer_and_sensor_and_leaves_with_1(tmp_path, capsys):
    file = _archive(tmp_path / "t.npz", faults=("b09",), offset=40.0)
    code, result, _ = _run(capsys, "wafer", "monitor", file, "--out", tmp_path / "run")
    assert code == 1
    assert [w["wafer"] for w in result["wafers"] if w["status"] == "alarm"] == ["b09"]
    assert result["counts"]["found"] == 1 and result["counts"]["false_alarms"] == 0
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert made == {"run.toml", "result.json", "wafers.csv", "plotted.npz", "provenance.json", "report.html"}
    with open(tmp_path / "run" / "wafers.csv", newline="") as opened:
        rows = {row["wafer"]: row for row in csv.DictReader(opened)}
    assert rows["b09"]["sensor_1"] == "s1" and float(rows["b09"]["worst"]) > float(rows["b09"]["limit"])
    assert np.load(tmp_path / "run" / "plotted.npz")["values"].shape == (28, 18)


def test_a_reference_file_sets_the_scale(tmp_path, capsys):
    reference = _archive(tmp_path / "r.npz", regimes=("a",))
    file = _archive(tmp_path / "t.npz", regimes=("b",), faults=("b09",), offset=40.0)
    code, result, _ = _run(capsys, "wafer", "monitor", file, "--reference", reference)
    assert code == 1 and [w["regime"] for w in result["wafers"]] == ["b"] * 14
    assert [w["wafer"] for w in result["wafers"] if w["status"] == "alarm"] == ["b09"]


def test_wafers_in_order_leave_with_0(tmp_path, capsys):
    code, result, _ = _run(capsys, "wafer", "monitor", _archive(tmp_path / "t.npz"))
    assert code == 0 and result["counts"]["alarms"] == 0 and result["counts"]["normal"] == 22


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.npz",), "cannot be read"),
        (("{t}", "--arl", "1"), "run length"),
        (("{t}", "--recentre", "1"), "recentre"),
        (("{t}", "--reference", "{c}"), "traces and tables"),
        (("{x}",), "traces are .npz"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_code_2(tmp_path, capsys, words, said):
    _archive(tmp_path / "t.npz")
    (tmp_path / "c.csv").write_text("wafer,x\na,1\n")
    (tmp_path / "x.dat").write_text("")
    names = {"t": tmp_path / "t.npz", "c": tmp_path / "c.csv", "x": tmp_path / "x.dat"}
    code, _, err = _run(capsys, "wafer", "monitor", *(word.format(**names) for word in words))
    assert code == 2 and said in err and err.count("\n") == 1


@pytest.mark.published
def test_the_etcher_s_faults_are_found_across_its_maintenance(data):
    # Limits of one experiment, the other re-centred on its first three normal wafers; both ways together.
    file = data / "local_only" / "lam9600" / "lam9600_experiments_29_31.npz"
    if not file.exists():
        pytest.skip("local_only/lam9600 is not there")
    counts = jobs.monitor(file)["counts"]
    assert (counts["normal"], counts["faults"]) == (65, 15)
    assert counts["false_alarms"] + counts["normal_incomplete"] <= 1 and counts["found"] >= 12
