"""`actinic wafer` and the store: what a person sees, what a program reads, and the exit codes."""

import json

import numpy as np
import pytest

from actinic.interfaces.cli.app import main
from actinic.wafer import COLUMNS

ROWS = "L1,W1,1,0,0,1,2,1,2,0.5,-0.5,1\nL1,W2,1,0,0,1,2,1,2,0.5,x,1\nL2,W1,1,0,0,1,2,1,2,0.25,0.125,1\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(f"{','.join(COLUMNS)}\n{ROWS}")
    (tmp_path / "good.csv").write_text(f"{','.join(COLUMNS)}\n{ROWS.splitlines()[2].replace('L2', 'L3')}\n")
    return tmp_path


def said(capsys, *line):
    """Exit code, JSON document and text of a command line."""
    code = main(["wafer", *line, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_rejected_rows_leave_with_one_and_are_told(folder, capsys):
    code, result, text = said(capsys, "ingest", "a.csv", "--store", "s.duckdb")
    assert code == 1 and (result["rows"], result["added"], result["rejected"], result["refused"]) == (3, 2, 1, 0)
    assert result["files"][0]["rejected"] == [{"line": 3, "reason": "dy_nm 'x' is not a number"}]
    assert "a.csv: line 3: dy_nm 'x' is not a number" in text
    code, result, text = said(capsys, "ingest", "a.csv", "good.csv", "--store", "s.duckdb")
    assert code == 1 and (result["added"], result["repeated"]) == (1, 2) and "ingested before" in text
    assert said(capsys, "ingest", "good.csv", "--store", "s.duckdb")[0] == 0


def test_a_file_that_cannot_be_used_leaves_with_two_and_keeps_no_other_back(folder, capsys):
    (folder / "empty.csv").touch()
    code, result, text = said(capsys, "ingest", "empty.csv", "good.csv", "--store", "s.duckdb")
    assert code == 2 and (result["added"], result["refused"]) == (1, 1)
    assert result["files"][0] == {"file": "empty.csv", "error": "empty.csv: the file is empty"} and "is empty" in text
    code, result, text = said(capsys, "ingest", "empty.csv", "--store", "s.duckdb")
    assert code == 2 and result == {"error": "empty.csv: the file is empty", "exit_code": 2}
    assert text == "actinic: empty.csv: the file is empty\n"


def test_out_of_the_store(folder, capsys):
    said(capsys, "ingest", "a.csv", "--store", "s.duckdb")
    code, result, text = said(capsys, "export", "out.csv", "--store", "s.duckdb", "--lot", "L1")
    assert (code, result["marks"], text) == (0, 1, "1 marks: out.csv\n")
    assert (folder / "out.csv").read_text() == f"{','.join(COLUMNS)}\nL1,W1,1,0,0,1.0,2.0,1.0,2.0,0.5,-0.5,1.0\n"
    code, result, text = said(capsys, "export", "out.csv", "--store", "s.duckdb")
    assert code == 2 and "add --force" in text
    assert said(capsys, "export", "out.csv", "--store", "s.duckdb", "--since", "2026-01-01", "--force")[1]["marks"] == 0
    assert said(capsys, "export", "x.doc", "--store", "s.duckdb")[0] == 2
    assert said(capsys, "export", "x.csv", "--store", "none.duckdb")[0] == 2


def test_lots_and_what_of_them_counts(folder, capsys):
    said(capsys, "ingest", "a.csv", "--store", "s.duckdb")
    assert said(capsys, "invalidate", "L1", "--store", "s.duckdb", "--reason", "spin")[0] == 0
    code, result, text = said(capsys, "lots", "--store", "s.duckdb")
    assert [(lot["lot"], lot["marks"], lot["invalid"]) for lot in result] == [("L1", 1, "spin"), ("L2", 1, None)]
    assert code == 0 and "spin" in text
    assert said(capsys, "export", "out.csv", "--store", "s.duckdb")[1]["marks"] == 1
    assert said(capsys, "invalidate", "L1", "--store", "s.duckdb", "--reason", "fine", "--undo")[1]["invalid"] is False
    assert said(capsys, "export", "out.parquet", "--store", "s.duckdb")[1]["marks"] == 2
    assert said(capsys, "invalidate", "L9", "--store", "s.duckdb", "--reason", "x")[0] == 2


def test_defect_files_change_their_version(folder, capsys):
    from test_klarf import FLAT

    (folder / "a.klarf").write_text(FLAT)
    code, result, text = said(capsys, "convert", "a.klarf", "b.klarf")
    assert code == 0 and result["defects"] == {"W01": 4} and "image lists of 2 defects" in result["lost"]
    assert "4 defects on 1 wafers: b.klarf" in text and "left out: image lists" in text
    code, back, _ = said(capsys, "convert", "b.klarf", "c.klarf", "--to", "1.2")
    assert code == 0 and back["defects"] == result["defects"] and back["lost"] == []
    assert said(capsys, "convert", "a.klarf", "b.klarf")[0] == 2, "what is there is kept"
    (folder / "a.klarf").write_text("nothing")
    assert said(capsys, "convert", "a.klarf", "d.klarf")[0] == 2 and not (folder / "d.klarf").exists()


def test_a_program_reads_what_was_measured(folder):
    from actinic.operate import store

    store.ingest("a.csv", "s.duckdb")
    found = store.marks("s.duckdb")
    assert found.dx_nm.tolist() == [0.5, 0.25] and found.dx_nm.dtype == np.float64
