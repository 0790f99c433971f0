"""`actinic wafer simulate`, `control`, `replay` and `ledger` on files, as a person would use them."""

import csv
import json

import pytest

from actinic.interfaces.cli.app import main
from actinic.operate.control.files import read_lots, read_results
from actinic.operate.ledger import Ledger

CONTROLLER = """
stage = "shadow"

[terms.k1]
minimum = -40.0
maximum = 40.0

[gates]
lots = 10
coverage = [0.5, 1.0]
alarms = 1.0
"""


@pytest.fixture(scope="module")
def fab(tmp_path_factory):
    """A simulated history without control, its last two lots still to come, and a controller."""
    folder = tmp_path_factory.mktemp("fab")
    assert (
        main(["wafer", "simulate", "well-specified", "--set", "lots=90", "--seed", "4", "--out", str(folder / "sim")])
        == 0
    )
    with open(folder / "sim" / "lots.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[-2:]:
        row["set_k1"] = ""
    with open(folder / "lots.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "controller.toml").write_text(CONTROLLER)
    return folder


def _run(capsys, *words):
    code = main([*map(str, words), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def _control(capsys, fab, ledger, *more):
    files = [fab / "lots.csv", fab / "sim" / "results.csv", "--controller", fab / "controller.toml"]
    return _run(capsys, "wafer", "control", *files, "--ledger", ledger, *more)


def test_simulate_writes_what_it_says(fab):
    made = {path.name for path in (fab / "sim").iterdir()}
    assert made == {"lots.csv", "results.csv", "truth.csv", "run.toml", "provenance.json"}
    lots, bad = read_lots(fab / "sim" / "lots.csv")
    results, worse = read_results(fab / "sim" / "results.csv")
    assert len(lots) == 90 and 30 < len(results) < 60 and not bad and not worse
    assert lots[0].context.keys() == {"tool", "product"} and lots[0].setpoint == {"k1": 0.0}


def test_marks_are_the_terms_that_were_measured(tmp_path, capsys):
    words = ["--set", "lots=8", "--set", "sampled=1.0", "--set", "terms.k1=1.0", "--set", "terms.k3=0.01", "--marks"]
    assert main(["wafer", "simulate", "well-specified", *words, "--out", str(tmp_path / "sim")]) == 0
    capsys.readouterr()
    with open(tmp_path / "sim" / "marks.csv", newline="") as file:
        marks = [row for row in csv.DictReader(file) if row["lot"] == "L00000"]
    results, _ = read_results(tmp_path / "sim" / "results.csv")
    terms = {k: v for one in results if one.lot == "L00000" for k, v in one.values.items()}
    off = [float(m["dx_nm"]) - terms["k1"] - terms["k3"] * float(m["X_mm"]) for m in marks]
    assert len(marks) == 40 and abs(sum(off) / 40) < 0.35 / 40**0.5 * 4


def test_marks_do_in_place_of_results(tmp_path, capsys):
    words = ["--set", "lots=40", "--set", "sampled=1.0", "--set", "terms.k1=1.0", "--set", "terms.k4=0.02", "--marks"]
    assert main(["wafer", "simulate", "well-specified", *words, "--out", str(tmp_path / "sim")]) == 0
    (tmp_path / "c.toml").write_text("[terms.k1]\n[terms.k4]\n")
    capsys.readouterr()
    spreads = []
    for file in ("results.csv", "marks.csv"):
        files = [tmp_path / "sim" / "lots.csv", tmp_path / "sim" / file, "--controller", tmp_path / "c.toml"]
        _, result, _ = _run(capsys, "wafer", "replay", *files, "--skip", 5)
        assert not result["rejected"]
        spreads.append([result["terms"][name]["was_3sigma"] for name in ("k1", "k4")])
    assert spreads[1] == pytest.approx(spreads[0], rel=0.1)


def test_replay_is_better_than_no_control_and_draws_it(fab, tmp_path, capsys):
    files = [fab / "lots.csv", fab / "sim" / "results.csv", "--controller", fab / "controller.toml"]
    code, result, _ = _run(capsys, "wafer", "replay", *files, "--out", tmp_path / "run", "--skip", 15)
    assert (
        code == 0
        and result["better"]
        and result["terms"]["k1"]["would_3sigma"] < 0.5 * result["terms"]["k1"]["was_3sigma"]
    )
    page = (tmp_path / "run" / "report.html").read_text()
    assert "before → after" in page and page.count("<img") == 2
    assert len((tmp_path / "run" / "proposals.jsonl").read_text().splitlines()) == 90
    assert main(["wafer", "replay", *map(str, files), "--out", str(tmp_path / "run")]) == 2
    assert "add --force" in capsys.readouterr().err


def test_a_proposal_goes_to_the_ledger_and_comes_out_the_same_to_the_bit(fab, tmp_path, capsys):
    ledger = tmp_path / "ledger.jsonl"
    code, result, _ = _control(capsys, fab, ledger)
    assert code == 0 and result["stage"] == "shadow" and not result["apply"]
    assert [p["lot"] for p in result["proposals"]] == ["L00088", "L00089"]
    code, found, _ = _run(capsys, "wafer", "ledger", ledger, "--reproduce", 0)
    assert code == 0 and found["reproduced"]["same"]
    assert found["in_force"]["setpoints"]["L00088"]["k1"] == result["proposals"][0]["terms"]["k1"]["setpoint"]
    kept = Ledger(ledger).entries()[0].body["inputs"]["results"]
    assert Ledger(ledger).kept(kept) == (fab / "sim" / "results.csv").read_bytes()


def test_stages_are_kept_and_a_rollback_opens_the_loop(fab, tmp_path, capsys):
    ledger = tmp_path / "ledger.jsonl"
    code, _, said = _control(capsys, fab, ledger, "--promote")
    assert code == 2 and "add --by NAME" in said
    assert _control(capsys, fab, ledger, "--promote", "--by", "Ada")[1]["stage"] == "advisory"
    code, _, said = _control(capsys, fab, ledger, "--promote", "--by", "Ada")
    assert code == 2 and "measured lots 0, asked >= 10" in said, "the next stage has its own lots to prove itself on"
    book = Ledger(ledger)
    book.append("stage", {"stage": "closed", "time": 44.0, "why": "by hand", "gates": []}, "Ada")
    assert _control(capsys, fab, ledger)[1]["apply"]
    last = len(book.entries()) - 1
    code, found, _ = _run(capsys, "wafer", "ledger", ledger, "--rollback", 1, "--by", "Grace", "--why", "scrap")
    assert code == 0 and found["in_force"] == {
        "n": last + 1, "rolled_back_to": 1, "who": "Grace", "setpoints": found["in_force"]["setpoints"],
    }  # fmt: skip
    code, result, _ = _control(capsys, fab, ledger)
    assert result["stage"] == "advisory" and not result["apply"]
    assert _control(capsys, fab, ledger, "--demote", "shadow", "--by", "Ada")[1]["stage"] == "shadow"


def test_a_ledger_that_was_changed_is_told_by_line(fab, tmp_path, capsys):
    ledger = tmp_path / "ledger.jsonl"
    for _ in range(2):
        _control(capsys, fab, ledger)
    ledger.write_bytes(ledger.read_bytes().replace(b'"shadow"', b'"closed"', 1))
    code, found, said = _run(capsys, "wafer", "ledger", ledger)
    assert code == 1 and found["faults"][0]["line"] == 1 and "edited" in said
    code, _, said = _control(capsys, fab, ledger)
    assert code == 2 and "line 1: edited" in said


@pytest.mark.parametrize(
    ("lots", "said"),
    [
        ("lot,when\nA,1\n", "no column time; a header is required"),
        ("lot,time,tool,set_k1\nA,nan,T,1\nB,2,T,x\nA,3,T,1\n", None),
        ("lot,time,time\nA,1,1\n", "named twice"),
        ("", "the file is empty; its first line must name the columns lot,time"),
        ("lot,time\n", "there is only a header"),
        ("lot,time\n,1\n", "no lot can be used"),
    ],
)
def test_bad_lots_are_told_by_line_and_good_ones_kept(tmp_path, fab, capsys, lots, said):
    (tmp_path / "lots.csv").write_text(lots)
    files = [tmp_path / "lots.csv", fab / "sim" / "results.csv", "--controller", fab / "controller.toml"]
    code, result, err = _run(capsys, "wafer", "control", *files)
    if said:
        assert code == 2 and said in err
    else:
        why = [(row["line"], row["reason"]) for row in result["rejected"]]
        assert why == [(2, "time 'nan' is not a number"), (3, "set_k1 'x' is not a number")]


def test_bad_results_and_controllers_are_told(tmp_path, fab, capsys):
    (tmp_path / "r.csv").write_text(
        "lot,time,term,value,status\nL1,1,k1,,valid\nL2,2,k1,1,odd\nL3,2025-01-01T00:00,k1,2,\n"
    )
    results, rejected = read_results(tmp_path / "r.csv")
    assert len(results) == 1 and results[0].time == 482136.0
    assert [(r.line, r.reason) for r in rejected] == [
        (2, "value is missing"), (3, 'status is "valid" or "invalid", not "odd"'),
    ]  # fmt: skip
    (tmp_path / "c.toml").write_text("[terms.k1]\nminimun = 3.0\n")
    words = [
        "wafer",
        "control",
        str(fab / "lots.csv"),
        str(tmp_path / "r.csv"),
        "--controller",
        str(tmp_path / "c.toml"),
    ]
    assert main(words) == 2 and "did you mean minimum" in capsys.readouterr().err
