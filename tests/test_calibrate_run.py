"""The verb calibrate for real: what it writes, what it says, what it refuses."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import calibration_draws as made
from actinic import jobs, layout
from actinic.errors import ActinicError
from actinic.interfaces.cli import app
from actinic.operate.calibration import Cut, Free, Lines, Measurement, Problem, read_gauges, scenes, to_csv

FREE = "process.resist.threshold,focus_offset_nm"
TRUE = {"threshold": 0.335, "focus_offset_nm": 40.0}
Z9 = ("--set", "process.scanner.projector.zernikes_nm.Z9=6")


def values(measurements, machine):
    one = Problem(measurements, scenes(measurements, machine.process), machine, [Free("dose_scale")])
    return one.predict(one.start)


@pytest.fixture(scope="module")
def gauges(tmp_path_factory):
    """Widths of a machine with the state TRUE, 0.3 nm of noise, one gross outlier on line 6 and one bad row."""
    wanted = made.measurements(((340, 170), (480, 180)), (-160.0, 60.0, 200.0), (0.96, 1.04))
    rows = made.noisy(wanted, values(wanted, made.machine(**TRUE, Z9=6.0)), 5, noise_nm=0.3)
    rows = [replace(m, sigma_nm=0.3, plot_nm=m.site.pitch_nm, name=f"g{n}") for n, m in enumerate(rows)]
    rows[4] = replace(rows[4], value_nm=rows[4].value_nm + 12)
    file = tmp_path_factory.mktemp("gauges") / "gauges.csv"
    file.write_text(to_csv(rows) + "bad,line,,,0.3,,,,170,340,y\n")
    return file


@pytest.fixture(scope="module")
def run(gauges, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["calibrate", str(gauges), "--free", FREE, *Z9, "--robust", "--hold-out", "0.5", "--out", str(out)]
    code = app.main(words)
    return code, out, json.loads((out / "result.json").read_text())


def test_a_run_folder_is_whole(run, gauges):
    code, out, result = run
    assert code == 0 and result["in_spec"] and result["verdict"].startswith("Calibrated: 12 gauges")
    names = {"calibrated.toml", "gauges.csv", "report.html", "run.toml", "provenance.json", "result.json"}
    assert {path.name for path in out.iterdir()} == names and out.stat().st_mode & 0o777 == 0o700
    found = {s["name"].rpartition(".")[2]: s for s in result["settings"]}
    for name, value in TRUE.items():
        assert found[name]["low_95"] - found[name]["standard_error"] < value
        assert value < found[name]["high_95"] + found[name]["standard_error"]
    assert [(o["gauge"], o["line"]) for o in result["outliers"]] == [("g4", 6)]
    assert result["rejected"] == [{"line": 14, "gauge": "bad", "reason": "not measured"}]
    assert result["warnings"][0] == "outliers (1): g4 (line 6)"
    assert result["rms_after_nm"] < 0.5 < result["rms_before_nm"] and result["held_out_folds"] == 2
    assert np.shape(result["correlation"]) == (2, 2)
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["inputs"]["gauges"]["file"] == gauges.name and provenance["command"].startswith(
        "actinic calibrate"
    )
    page = (out / "report.html").read_text()
    assert "Settings found" in page and "focus_offset_nm" in page and "http" not in page.split("<body")[1]


def test_the_table_of_gauges_has_them_all(run, gauges):
    _, out, result = run
    rows = list(csv.DictReader((out / "gauges.csv").read_text().splitlines()))
    assert len(rows) == 12 and [r["state"] for r in rows].count("outlier") == 1 and rows[4]["state"] == "outlier"
    left = [(float(r["predicted_nm"]) - float(r["measured_nm"])) / 0.3 for r in rows]
    np.testing.assert_allclose(left, [float(r["residual_sigmas"]) for r in rows], atol=1e-6)
    inner = np.delete(left, 4)
    assert np.sum(inner**2) == pytest.approx(result["chi_square"], rel=1e-6)
    assert read_gauges(out / "gauges.csv")[0][0].site == read_gauges(gauges)[0][0].site


def test_the_calibrated_setup_prints_what_was_predicted(run):
    """`--optics calibrated.toml` is the calibrated machine: its corners carry focus offset and dose scale."""
    _, out, result = run
    setup, before = jobs.load_setup(str(out / "calibrated.toml")), jobs.load_setup(str(out / "run.toml"))
    value = {s["name"]: s["value"] for s in result["settings"]}
    offset = value["focus_offset_nm"]
    for corner, old in zip(setup.process.corners, before.process.corners, strict=True):
        assert float(corner.focus_nm) == pytest.approx(float(old.focus_nm) + offset, abs=1e-4)
        assert float(corner.dose) == pytest.approx(float(old.dose))
    rows = list(csv.DictReader((out / "gauges.csv").read_text().splitlines()))
    gauges, _ = read_gauges(out / "gauges.csv")
    moved = [replace(m, focus_nm=m.focus_nm + offset) for m in gauges]
    machine = made.machine(Z9=6.0)
    again = values(moved, replace(machine, process=setup.process))
    np.testing.assert_allclose(again, [float(r["predicted_nm"]) for r in rows], atol=1e-3)
    text = (out / "calibrated.toml").read_text()
    assert text.startswith("# Calibrated") and "+-" in text.splitlines()[1]


def test_what_is_not_determined_leaves_with_1(gauges, tmp_path, capsys):
    free = "process.resist.threshold,dose_scale"
    words = ["calibrate", str(gauges), "--free", free, "--hold-out", "0", "--out", str(tmp_path / "run"), "--json"]
    assert app.main(words) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["inseparable"][0]["names"] == free.split(",") and "cannot be told apart" in err
    assert "cannot be told apart" in (tmp_path / "run" / "report.html").read_text()
    prior = ["--prior", "dose_scale=1:0.001"]
    app.main([*words[:-1], "--force", *prior])
    told = json.loads((tmp_path / "run" / "result.json").read_text())
    assert told["inseparable"] == [] and "dose_scale is what its prior says" in told["warnings"][0]


def test_gauges_on_a_layout(tmp_path, capsys):
    chip = tmp_path / "chip.oas"
    layout.write_layout(chip, {(1, 0): layout.lines(170, 340, (-4080.0, -4080.0, 4080.0, 4080.0))})
    machine = made.machine(threshold=0.335)
    conditions = [(focus, dose) for focus in (0.0, 150.0) for dose in (0.97, 1.03)]
    drawn = [Measurement("n", "line", Lines(170.0, 340.0), 1.0, 0.5, 1.0, f, d) for f, d in conditions]
    printed = values(drawn, machine)
    cuts = [replace(m, site=Cut(-170.0, 0.0, 170.0, 0.0), value_nm=v) for m, v in zip(drawn, printed, strict=True)]
    file = tmp_path / "gauges.csv"
    file.write_text(to_csv(cuts))
    words = [
        "calibrate",
        str(file),
        "--free",
        "process.resist.threshold",
        "--hold-out",
        "0",
        "--out",
        str(tmp_path / "run"),
    ]
    assert app.main(words) == 2 and "--layout" in capsys.readouterr().err
    assert app.main([*words, "--layout", str(chip)]) == 2 and "--layer" in capsys.readouterr().err
    app.main([*words, "--layout", str(chip), "--layer", "1/0"])
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    # Half a nanometre for the coarser source lattice of a tile.
    assert result["settings"][0]["value"] == pytest.approx(0.335, abs=0.002)
    assert (tmp_path / "run" / "gauges.gg").read_text().startswith("gauge\ttone_sgn\tbase_x_nm")


BAD = [
    (["--free", "process.scanner.projector.nna"], "did you mean na"),
    (["--free", "dose_scale,dose_scale"], "twice"),
    (["--free", ","], "name what is free"),
    (["--free", "dose_scale", "--prior", "dose_scale=1"], "KEY=mean:sigma"),
    (["--free", "dose_scale", "--bound", "dose_scale"], "KEY=low:high"),
    (["--free", "dose_scale", "--prior", "process.resist.threshold=1:1"], "not free"),
    (["--free", "dose_scale", "--optics", "iccad13"], "only a scanner"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_wrong_usage_is_one_line(gauges, tmp_path, capsys, words, message):
    assert app.main(["calibrate", str(gauges), "--out", str(tmp_path / "run"), *words]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1 and not (tmp_path / "run").exists()


def test_what_is_there_is_not_written_over(gauges, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(ActinicError, match="not empty"):
        jobs.calibrate(jobs.GaugeFile(gauges), jobs.Wanted(("dose_scale",)), tmp_path / "run")
