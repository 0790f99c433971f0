"""Overlay files as they come, and `actinic wafer`: good rows kept, bad ones told with line and reason."""

import csv
import json

import numpy as np
import pytest

import overlay_wafers as made
from actinic.errors import InputError
from actinic.interfaces.cli import app
from actinic.operate.overlay import read_marks, read_prior
from actinic.wafer import COLUMNS, Places, evaluate

HEADER = ",".join(COLUMNS)
GOOD = "L1,7,1,0,-2,10.5,-60.25,3.5,5.75,1.25,-0.5,0.9"


def written(tmp_path, *lines, header=HEADER, end="\n", encoding="utf-8"):
    path = tmp_path / "marks.csv"
    path.write_bytes(end.join([header, *lines, ""]).encode(encoding))
    return path


def injected(tmp_path, values, **columns):
    places, column, row = made.full_map()
    random = np.random.default_rng(1)
    dx, dy = (v + 0.1 * random.standard_normal(len(v)) for v in evaluate(values, places))
    path = tmp_path / "injected.csv"
    made.write_csv(path, made.marks_at(places, dx, dy, column, row, **columns))
    return path


def test_a_row_is_read_as_written(tmp_path):
    marks, rejected, notes = read_marks(written(tmp_path, GOOD))
    assert (marks.lot[0], marks.wafer[0], marks.chuck[0], marks.line[0]) == ("L1", "7", "1", 2)
    assert (marks.field_column[0], marks.field_row[0], marks.Y_mm[0], marks.y_mm[0]) == (0, -2, -60.25, 5.75)
    assert (marks.dx_nm[0], marks.dy_nm[0], marks.quality[0]) == (1.25, -0.5, 0.9)
    assert rejected == [] and notes == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_line_ends_marks_of_order_and_delimiters(tmp_path, end, encoding, delimiter):
    lines = [line.replace(",", delimiter) for line in (HEADER, GOOD)]
    marks, rejected, _ = read_marks(written(tmp_path, lines[1], header=lines[0], end=end, encoding=encoding))
    assert len(marks) == 1 and not rejected and marks.line[0] == 2


def test_columns_in_any_order_and_spelling(tmp_path):
    header = "Quality, dy_nm ,DX_nm,y_mm,x_mm,Y_mm,X_mm,Field Row,FieldColumn,Chuck,Wafer,LOT,scan,operator"
    row = ",".join([*reversed(GOOD.split(",")), "up", "me"])
    marks, _, notes = read_marks(written(tmp_path, "", "# a remark", row, header=header))
    assert marks.X_mm[0] == 10.5 and marks.x_mm[0] == 3.5 and marks.scan[0] == 1 and marks.line[0] == 4
    assert notes == ["columns ignored: operator"]


@pytest.mark.parametrize(
    ("place", "cell", "reason"),
    [
        (0, "", "no lot"),
        (1, " ", "no wafer"),
        (3, "1.5", "field_column 1.5 is not whole"),
        (4, "", "no field_row"),
        (5, "105000", "X_mm 105000 is beyond 230 mm from the wafer's centre"),
        (5, "inf", "X_mm inf is beyond 230 mm"),
        (7, "here", "x_mm 'here' is not a number"),
        (8, "nan", "no y_mm"),
        (9, "1e9", "dx_nm 1e9 is beyond 1e+06 nm"),
        (11, "1.5", "quality 1.5 is not within 0 to 1"),
        (11, "0", "quality 0: the file says not to use it"),
    ],
)
def test_bad_rows_are_told_and_the_others_kept(tmp_path, place, cell, reason):
    bad = GOOD.split(",")
    bad[place] = cell
    other = GOOD.replace("1.25", "1.5")
    marks, rejected, _ = read_marks(written(tmp_path, GOOD, ",".join(bad), other))
    assert marks.dx_nm.tolist() == [1.25, 1.5] and [r.line for r in rejected] == [3]
    assert rejected[0].reason.startswith(reason)


def test_short_and_repeated_rows(tmp_path):
    marks, rejected, _ = read_marks(written(tmp_path, GOOD, "L1,7,1", GOOD, GOOD.replace("1.25", "2")))
    assert marks.dx_nm.tolist() == [1.25, 2.0]
    assert [(r.line, r.reason) for r in rejected] == [(3, "3 cells where the header needs 12"), (4, "repeats line 2")]


def test_one_axis_alone(tmp_path):
    row = GOOD.split(",")
    rows = [",".join([*row[:9], dx, dy, "1"]) for dx, dy in (("", "1"), ("NaN", "2"), ("3", "n/a"), ("", ""))]
    marks, rejected, _ = read_marks(written(tmp_path, *rows))
    np.testing.assert_array_equal(marks.dx_nm, [np.nan, np.nan, 3])
    assert [r.reason for r in rejected] == [
        *["dx_nm is not measured; used along y only"] * 2,
        "dy_nm is not measured; used along x only",
        "neither dx_nm nor dy_nm is measured",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty; its first line must name the columns lot,wafer,chuck"),
        (b"\n\n", "the file is empty"),
        (HEADER.encode(), "no row can be used \\(there is only a header\\)"),
        (HEADER.replace("quality", "qualty").encode() + b"\n1", "it lacks quality \\('qualty' is not known\\)"),
        (HEADER.encode() + b",dx_nm\n1", "the header names dx_nm twice"),
        (GOOD.encode(), "it lacks lot, wafer"),
        (b"\xff\xfe\x00lot", "is not text in UTF-8"),
        (HEADER.encode() + b"\n" + GOOD.replace("L1", "").encode(), "no row can be used \\(line 2: no lot\\)"),
    ],
)
def test_files_that_are_none(tmp_path, content, said):
    path = tmp_path / "marks.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        read_marks(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_marks(tmp_path / "absent.csv")


def run(capsys, *words):
    code = app.main([*map(str, words), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_wafer_fit(tmp_path, capsys):
    path = injected(tmp_path, {"k1": 3.0, "k3": 1.0, "k6": -0.2, "f_k3": 0.5, "k13": 2e-6})
    code, result, _ = run(capsys, "wafer", "fit", path, "--model", "howa3")
    assert code == 0 and result["model"] == "howa3" and result["rejected"] == []
    assert result["terms"]["k3"]["value"] == pytest.approx(1.0, abs=5 * result["terms"]["k3"]["sigma"])
    assert result["terms"]["f_k3"]["unit"] == "nm/mm" and result["terms"]["k1"]["unit"] == "nm"
    assert result["correctable"]["k3"]["value"] == pytest.approx(-1.0, abs=1e-3) and result["clipped"] == {}
    assert set(result["residual"]["x"]) >= {"mean_nm", "sigma_nm", "mean_3sigma_nm", "p997_nm", "max_nm"}
    assert result["residual"]["x"]["sigma_nm"] == pytest.approx(0.1, rel=0.05)


def test_wafer_fit_leaves_a_run(tmp_path, capsys):
    path, out = injected(tmp_path, {"k1": 300.0, "k4": 0.1}), tmp_path / "run"
    words = ("wafer", "fit", path, "--model", "linear", "--profile", "slit-scanner", "--per-field", "--out", out)
    code, result, said = run(capsys, *words)
    assert code == 1 and result["clipped"]["k1"]["value"] == -200 and result["clipped"]["k1"]["wanted"] < -299
    assert "clipped" in said and {p.name for p in out.iterdir()} == {
        *("report.html", "result.json", "provenance.json", "run.toml", "correction.csv", "corrected.csv", "fields.csv"),
    }
    rows = {row["term"]: row for row in csv.DictReader((out / "correction.csv").read_text().splitlines())}
    assert rows["k1"]["state"] == "clipped" and float(rows["k4"]["set"]) == pytest.approx(-0.1, abs=1e-3)
    assert "300" in (out / "result.json").read_text() and "<img" in (out / "report.html").read_text()
    points = list(csv.DictReader((out / "corrected.csv").read_text().splitlines()))
    assert len(points) == 3087 and float(points[0]["sigma_x_nm"]) > 0
    code, result, _ = run(capsys, *words)
    assert code == 2 and "--force" in result["error"]


@pytest.mark.parametrize(
    ("lines", "words", "code", "said"),
    [
        ([], (), 2, "only a header"),
        ([GOOD], ("--model", "howa9"), 2, "there is no model 'howa9'"),
        ([GOOD, GOOD.replace("10.5", "12")], ("--model", "linear"), 3, "3 terms along x need as many marks"),
        ([GOOD], ("--model", "linear+chuck"), 2, "two chucks"),
        ([GOOD], ("--profile", "none.toml"), 2, "built in: slit-scanner"),
        ([GOOD], ("--prior", "none.json"), 2, "--prior needs a model by name"),
        ([GOOD], ("--prior", "none.json", "--model", "linear"), 2, "none.json: cannot be read"),
        ([GOOD], (), 3, "3 terms along x"),
    ],
)
def test_what_cannot_be_fitted(tmp_path, capsys, lines, words, code, said):
    got, result, _ = run(capsys, "wafer", "fit", written(tmp_path, *lines), *words)
    assert (got, result["exit_code"]) == (code, code) and said in result["error"] and "\n" not in result["error"]


def test_collinear_marks_name_the_terms(tmp_path, capsys):
    rows = [f"L1,1,1,{n},{n},{10 * n},{10 * n},0,0,{n},{n},1" for n in range(-5, 6)]
    code, result, _ = run(capsys, "wafer", "fit", written(tmp_path, *rows), "--model", "linear")
    assert code == 3 and "k3 and k5" in result["error"]


def test_centres_of_fields_are_noticed(tmp_path, capsys):
    places, column, row = made.full_map()
    centred = Places(places.X_mm - places.x_mm, places.Y_mm - places.y_mm, places.x_mm, places.y_mm)
    dx, dy = evaluate({"k3": 1.0, "f_k3": 0.25}, centred)
    path = tmp_path / "centred.csv"
    noise = 0.1 * np.random.default_rng(1).standard_normal((2, len(dx)))
    made.write_csv(path, made.marks_at(centred, dx + noise[0], dy + noise[1], column, row))
    _, result, _ = run(capsys, "wafer", "fit", path, "--model", "field-linear")
    assert result["terms"]["k3"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert result["terms"]["f_k3"]["value"] == pytest.approx(0.25, abs=2e-3)
    assert any("fields' centres" in note for note in result["notes"])


def test_different_chucks_are_noticed(tmp_path, capsys):
    path = injected(tmp_path, {"k1": 1.0}, chuck=np.where(np.arange(3087) % 2, "1", "2"))
    text = path.read_text().splitlines()
    moved = [text[0]]
    for line in text[1:]:
        cells = line.split(",")
        cells[9] = f"{float(cells[9]) + 2 * (cells[2] == '2'):.6f}"
        moved.append(",".join(cells))
    path.write_text("\n".join(moved))
    _, result, _ = run(capsys, "wafer", "fit", path, "--model", "linear")
    assert any("add +chuck" in note for note in result["notes"])
    _, result, _ = run(capsys, "wafer", "fit", path, "--model", "linear+chuck")
    assert result["terms"]["c2_k1"]["value"] == pytest.approx(2.0, abs=0.02)


def test_a_prior_from_earlier_wafers(tmp_path, capsys):
    files = []
    for seed in range(4):
        values = {"k1": 1.0 + 0.1 * seed, "k3": 0.5, "k13": 1e-6}
        path = injected(tmp_path, values)
        _, result, _ = run(capsys, "wafer", "fit", path, "--model", "howa3")
        (file := tmp_path / f"{seed}.json").write_text(json.dumps(result))
        files += ["--prior", file]
    prior = read_prior(files[1::2])
    assert prior["k1"] == (pytest.approx(1.15, abs=0.01), pytest.approx(0.129 * np.sqrt(1.25), rel=0.05))
    few = tmp_path / "few.csv"
    few.write_text("\n".join(path.read_text().splitlines()[:9]))
    _, result, _ = run(capsys, "wafer", "fit", few, "--model", "howa3", *files)
    assert result["terms"]["k3"]["value"] == pytest.approx(0.5, abs=0.01)


def test_wafer_plan(tmp_path, capsys):
    out = tmp_path / "plan.csv"
    code, result, _ = run(
        capsys, "wafer", "plan", "--points", "30", "--scan-balance", "--mandatory", "0,0", "--out", out
    )
    assert code == 0 and result["points"] == len(result["marks"]) == 30
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["scan"] for row in rows].count("up") == 15
    assert any((row["field_column"], row["field_row"]) == ("0", "0") for row in rows)
    more = tmp_path / "more.csv"
    code, bigger, _ = run(capsys, "wafer", "plan", "--points", "36", "--augment", out, "--out", more)
    assert code == 0 and bigger["predicted"]["rms_nm"] < result["predicted"]["rms_nm"]
    assert sum(int(row["existing"]) for row in csv.DictReader(more.read_text().splitlines())) == 30
    code, short, _ = run(capsys, "wafer", "plan", "--points", "60", "--time", "30")
    assert code == 1 and short["points"] < 60 and short["predicted"]["time_s"] <= 30


def test_a_plan_of_measured_marks(tmp_path, capsys):
    path = injected(tmp_path, {})
    code, result, _ = run(capsys, "wafer", "plan", path, "--points", "25", "--model", "howa3")
    assert code == 0 and len({(m["X_mm"], m["Y_mm"]) for m in result["marks"]}) == 25
    (tmp_path / "odd.csv").write_text("X_mm,Y_mm,x_mm,y_mm\n1,2,3,4\n")
    code, result, _ = run(capsys, "wafer", "plan", path, "--points", "25", "--augment", tmp_path / "odd.csv")
    assert code == 2 and "line 2: there is no such mark" in result["error"]
    code, result, _ = run(capsys, "wafer", "plan", "--points", "25", "--mandatory", "x")
    assert code == 2 and "COLUMN,ROW" in result["error"]
