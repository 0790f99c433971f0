"""From a file to numbers: tables and pictures of edges."""

import json

import numpy as np
import pytest

import rough_lines
from actinic import jobs
from actinic.errors import ConfigError, InputError
from actinic.interfaces.cli.app import main
from actinic.metrology.sem import Sem, grey_png, line_distance, sem_image
from actinic.types import Grid


@pytest.fixture(scope="module")
def edges():
    random = np.random.default_rng(21)
    lines = rough_lines.Lines(1200, 1.0, 1.0, 12.0)
    rough = rough_lines.noisy(lines(16, random), 0.4, random)
    return rough + 24.0 * np.arange(16)[:, None]


def table(path, edges, header="", step=None):
    rows = edges.T if step is None else np.column_stack([step * np.arange(edges.shape[1]), edges.T])
    np.savetxt(path, rows, "%.6f", delimiter=",", header=header, comments="")
    return path


def test_a_table_gives_the_truth(edges, tmp_path):
    found = jobs.roughness(table(tmp_path / "a.csv", edges), step_nm=1.0)
    assert found["given"] and found["flags"] == [] and found["width"] is None and found["edges"] == 16
    low, high = found["sigma_95_nm"]
    assert low < 1.0 < high and low < found["sigma_nm"] < high
    assert found["noise_nm"] == pytest.approx(0.4, rel=0.1)
    assert f"{3 * found['sigma_nm']:.2f} nm" in found["verdict"]
    assert len(found["spectrum"]["psd_nm3"]) == 600


def test_pairs_and_a_column_of_places(edges, tmp_path):
    names = ",".join(["y_nm", *(f"edge{k}" for k in range(16))])
    found = jobs.roughness(table(tmp_path / "a.csv", edges, names, step=1.0), pairs=True)
    assert found["step_nm"] == pytest.approx(1.0) and found["width"]["edges"] == 8
    assert found["width"]["mean_nm"] == pytest.approx(24.0, abs=0.2)
    assert found["width"]["sigma_nm"] == pytest.approx(np.sqrt(2), rel=0.2)
    assert abs(found["correlation"]) < 0.2


def test_a_picture_by_the_command_line(tmp_path, capsys):
    grid = Grid((1600, 6 * 88), 0.5)
    random = np.random.default_rng(22)
    rough = rough_lines.Lines(1600, 0.5, 1.0, 12.0)(12, random)
    middle = 44.0 * (np.arange(6)[:, None] + 0.5)
    distance = line_distance(middle - 11 + rough[:6], middle + 11 + rough[6:], grid)
    (tmp_path / "sem.png").write_bytes(grey_png(sem_image(distance, grid, Sem(electrons=60.0), seed=3)))
    line = ["roughness", str(tmp_path / "sem.png"), "--step", "1", "--blur", "1", "--json"]
    assert main([*line, "--plot", str(tmp_path / "psd.png")]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["sigma_95_nm"][0] < 1 < found["sigma_95_nm"][1] and found["width"]["edges"] == 6
    assert found["blur_nm"] == pytest.approx(np.hypot(1.0, 12**-0.5))
    assert "12 edges" in err and "6 widths" in err
    assert (tmp_path / "psd.png").read_bytes().startswith(b"\x89PNG")
    assert main([*line, "--plot", str(tmp_path / "psd.png")]) == 2
    assert main([*line, "--plot", str(tmp_path / "psd.txt")]) == 2


def test_flagged_edges_give_reasons_and_code_1(edges, tmp_path, capsys):
    bent = table(tmp_path / "a.csv", rough_lines.drifted(edges, 0.6))
    assert main(["roughness", str(bent), "--step", "1", "--json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["sigma_nm"] is None and found["sigma_95_nm"] is None and found["line_sigma_nm"] is None
    assert "drift" in {flag["name"] for flag in found["flags"]} and "No roughness given" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2\n3\n", "line 2: 1 columns where the first row has 2"),
        ("1,2\n3,x\n", "line 2: 'x' is not a number"),
        ("left,right\n", "two rows of numbers"),
        ("y_nm,left\n0,1\n1,2\n5,3\n", "even steps"),
        ("y_nm\n0\n1\n2\n", "even steps"),
    ],
)
def test_faulty_tables_are_named(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        jobs.roughness(tmp_path / "a.csv", step_nm=1.0)


def test_what_is_missing_is_said(edges, tmp_path):
    path = table(tmp_path / "a.csv", edges[:3])
    with pytest.raises(ConfigError, match="how far apart the rows are"):
        jobs.roughness(path)
    with pytest.raises(InputError, match="3 columns are not pairs"):
        jobs.roughness(path, step_nm=1.0, pairs=True)
    with pytest.raises(ConfigError, match="how large its pixels"):
        jobs.roughness(tmp_path / "a.png")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not a table"):
        jobs.roughness(tmp_path / "b.csv", step_nm=1.0)
