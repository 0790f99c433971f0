"""Process windows of layouts: three beams through the whole chain, doses simulated anew, and the verb."""

import dataclasses
import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from actinic import design, jobs, layout
from actinic.config import double
from actinic.errors import ConfigError
from actinic.forward import Corner, Process, anchored, expose, prepare
from actinic.interfaces.cli import app
from actinic.jobs.window import parse_range
from actinic.mask import Binary
from actinic.metrology import cd, find_cuts
from actinic.resist import ThresholdResist
from actinic.scale import split
from test_truths import scanner

FRAME = (0.0, 0.0, 6000.0, 6000.0)
AREA = (2200.0, 2200.0, 3800.0, 3800.0)  # with the halo ten periods of 400 nm
FOCUS = 50.0 * np.arange(-3, 4)
LIMITS = dict(corner_nm=100.0, reach_nm=500.0)
SMALL = ("tiles.core_nm=2000", "tiles.halo_nm=700")


def three_beams(**waves):
    """A coherent process at 193 nm with threshold 1/4, on tiles that hold whole periods."""
    resist = ThresholdResist(threshold=np.float64(0.25))
    process = Process(scanner(0.85, **waves), Binary(), resist, (Corner("nominal"),))
    return dataclasses.replace(jobs.load_setup("krf-dry"), process=process, tiles=design.Tiles(1600.0, 1200.0))


@pytest.fixture(scope="module")
def dense():
    drawn = layout.lines(200, 400, FRAME)
    return drawn, find_cuts(drawn, AREA, 0.1, **LIMITS)


def test_three_beams_from_the_layout(dense):
    """Rows 1, 15, 24: isofocal CD = p / 2 at threshold 1/4, NILS 8, MEEF 1/2, for bright lines and dark spaces."""
    drawn, cuts = dense
    assert cuts.line.any() and not cuts.line.all()
    [found] = design.focus_dose([drawn], three_beams(), AREA, cuts, FOCUS)
    np.testing.assert_allclose(found.cd_nm([1.0]), 200.0, atol=1e-4)
    np.testing.assert_allclose(found.dose_to_size(), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.isofocal_dose, 1.0, atol=1e-4)
    np.testing.assert_allclose(found.isofocal_nm, 200.0, atol=1e-2)
    np.testing.assert_allclose(found.best_focus_nm, 0.0, atol=1e-9)
    point = design.at_point(drawn, three_beams(), AREA, cuts, 0.0, 1.0)
    np.testing.assert_allclose(point.nils, 8.0, rtol=1e-3)  # the mask is a raster of 5 nm
    np.testing.assert_allclose(point.meef, 0.5, atol=1e-3)
    np.testing.assert_allclose(point.cd_nm, 200.0, atol=1e-4)
    # A line 10 % too wide: dose 0.25 / |1/2 + 2/pi cos(pi 220/400)|^2, which is less than a space 10 % too narrow.
    wide = 0.25 / (0.5 + 2 / np.pi * np.cos(np.pi * 220 / 400)) ** 2
    np.testing.assert_allclose(found.high[cuts.line, 200], wide, rtol=3e-4)
    narrow = 0.25 / (0.5 - 2 / np.pi * np.cos(np.pi * 180 / 400)) ** 2
    np.testing.assert_allclose(found.high[~cuts.line, 200], narrow, rtol=3e-4)
    assert found.common.high[200] == pytest.approx(min(wide, narrow), rel=3e-4)


@pytest.mark.parametrize(("waves", "expected"), [({"Z5": 0.03}, 15.03), ({"Z9": 0.03}, -61.13)])
def test_rows_22_and_23_from_the_layout(dense, waves, expected):
    if "Z9" in waves:  # row 23's formula at a period of 400 nm
        r2 = (193 / (400 * 0.85)) ** 2
        assert 0.03 * 193 * (6 * r2**2 - 6 * r2) / (1 - np.sqrt(1 - 0.85**2 * r2)) == pytest.approx(expected, abs=0.01)
    drawn, cuts = dense
    [found] = design.focus_dose([drawn], three_beams(**waves), AREA, cuts, 40.0 * np.arange(-6, 7) + expected + 11)
    assert found.best_focus_nm == pytest.approx(expected, abs=0.2)


@pytest.fixture(scope="module")
def wires():
    # Lines along y of several widths and distances, one of them ending in the window.
    left, boxes = 1000, []
    for cd_nm, space in (
        (170, 170),
        (180, 240),
        (260, 180),
        (170, 400),
        (200, 190),
        (170, 170),
        (300, 170),
        (170, 300),
    ):
        boxes.append((left, 0, left + cd_nm, 3000 if space == 400 else 6000))
        left += cd_nm + space
    drawn = layout.merged([np.array([(a, b), (c, b), (c, d), (a, d)]) for a, b, c, d in boxes], 1.0)
    setup = jobs.load_setup("krf-dry", SMALL)
    area = (1500.0, 2400.0, 3100.0, 3400.0)
    cuts = find_cuts(drawn, area, 0.1, corner_nm=124.0, reach_nm=340.0)
    [found] = design.focus_dose([drawn], setup, area, cuts, 50.0 * np.arange(-6, 7))
    return drawn, setup, area, cuts, found


def test_doses_are_those_of_an_exposure_at_that_dose(wires):
    """Another code path: SOCS in float32, the dose on the image, `cd` on a spline through its pixels."""
    drawn, setup, area, cuts, found = wires
    tile = split(area, 10.0, 2000.0, 700.0).tiles[0].grid.with_pitch(5.0)
    for dose, focus in ((1.13, 150.0),):
        process = dataclasses.replace(anchored(setup.process), corners=(Corner("here", dose, focus),))
        image = expose(process, layout.clipped(drawn, tile.window_nm), tile).latent.values
        level = float(double(process.resist.threshold))
        ours = found.cd_nm([dose])[:, list(found.focus_nm).index(focus), 0]
        theirs = np.array(
            [
                cd(image, tile, level, start, end, bool(line))
                for start, end, line in zip(cuts.start_nm, cuts.end_nm, cuts.line, strict=True)
            ]
        )
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        np.testing.assert_allclose(ours, theirs, atol=0.01)
        assert np.isfinite(ours).sum() > 5


@pytest.mark.parametrize("kind", ["compact", "chemistry"])
def test_doses_of_a_resist_that_is_not_linear(kind):
    """Widths at three doses and two focuses as exposed at each of them, and the dose of a width the other way round."""
    coarse = ("process.resist.pitch_nm=10", "process.resist.bake.steps=4", "process.resist.quencher=0.35")
    settings = (*SMALL, *(coarse if kind == "chemistry" else ["process.resist.slope=2.0"]))
    setup = jobs.load_setup("krf-dry", settings, resist=kind)
    drawn, area = layout.lines(180, 400, (0, 0, 2400, 2000)), (800.0, 900.0, 1600.0, 1100.0)
    cuts, focus = find_cuts(drawn, area, 0.1, corner_nm=124.0, reach_nm=340.0), np.array([-200.0, 0.0, 100.0, 200.0])
    [found] = design.focus_dose([drawn], setup, area, cuts, focus)
    tile = split(area, 10.0, 2000.0, 700.0).tiles[0].grid.with_pitch(5.0)
    doses, places = (0.8, 1.0, 1.25), (1, 3)
    corners = tuple(Corner(f"{d} {z}", d, z) for z in focus[list(places)] for d in doses)
    process = dataclasses.replace(anchored(setup.process), corners=corners)
    imaging = prepare(process, tile)
    covered = jnp.asarray(layout.coverage(layout.clipped(drawn, tile.window_nm), tile))
    images = np.asarray(imaging.pixels(imaging.latent(covered)), float)
    level = float(double(process.resist).threshold)
    ends = list(zip(cuts.start_nm, cuts.end_nm, cuts.line, strict=True))
    theirs = np.array([[cd(image, tile, level, a, b, bool(line)) for a, b, line in ends] for image in images])
    ours = found.cd_nm(doses)[:, list(places)]
    assert np.ptp(ours[:, 0], axis=1).min() > 20
    np.testing.assert_allclose(ours.reshape(len(cuts), -1), theirs.T, atol=0.05)
    # The dose for a width prints that width.
    size = found.size[:, np.argmin(np.abs(found.common.focus_nm))]
    for k, dose in enumerate(size):
        assert found.cd_nm([dose])[k, 1, 0] == pytest.approx(cuts.target_nm[k], abs=0.01)
    # Not what scaling the image of dose 1 gives.
    ratio = images[2] / images[1] / 1.25
    assert np.abs(ratio - 1).max() > 0.004


def test_a_limit_is_where_the_width_leaves_its_tolerance(wires):
    *_, cuts, found = wires
    assert not found.lost.any() and cuts.line.any() and not cuts.line.all()
    at = [int(np.argmin(np.abs(found.common.focus_nm - z))) for z in found.focus_nm]
    for k in range(len(cuts)):
        for limit, share in ((found.low, -1), (found.size, 0), (found.high, 1)):
            dose = limit[k, at[6]]
            expected = cuts.target_nm[k] * (1 + 0.1 * share * (1 if cuts.line[k] else -1))
            assert found.cd_nm([dose])[k, 6, 0] == pytest.approx(expected, abs=0.01)


def test_interpolation_in_focus_against_more_focuses(wires):
    drawn, setup, area, cuts, found = wires
    [fine] = design.focus_dose([drawn], setup, area, cuts, 37.5 * np.arange(-8, 9))
    inside = (found.low < found.high) & (fine.low < fine.high)
    for a, b in ((found.low, fine.low), (found.high, fine.high)):
        error = np.abs(np.log(a[inside] / b[inside])).max()
        assert error < found.focus_error < 1e-3


def test_tiles_do_not_matter_much(wires):
    drawn, setup, area, cuts, found = wires
    other = dataclasses.replace(setup, tiles=design.Tiles(1000.0, 1000.0))
    [tiled] = design.focus_dose([drawn], other, area, cuts, 100.0 * np.arange(-2, 3))
    middle = found.common.focus_nm.size // 2
    np.testing.assert_allclose(tiled.size[:, middle], found.size[:, middle], rtol=1e-2)


def test_cuts_must_fit(dense):
    drawn, cuts = dense
    with pytest.raises(ConfigError, match="outside the window"):
        design.focus_dose([drawn], three_beams(), (5000.0, 5000.0, 5800.0, 5800.0), cuts, FOCUS)
    short = dataclasses.replace(three_beams(), tiles=design.Tiles(1600.0, 300.0))
    with pytest.raises(ConfigError, match="longer than"):
        design.focus_dose([drawn], short, AREA, cuts, FOCUS)
    with pytest.raises(ConfigError, match="four focuses"):
        design.focus_dose([drawn], three_beams(), AREA, cuts, FOCUS[:3])


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("window")
    drawn = layout.lines(180, 360, FRAME)
    layout.write_layout(folder / "chip.oas", {(1, 0): drawn}, cell="CHIP")
    layout.write_layout(folder / "mask.oas", {(1, 0): layout.sized(drawn, 5)}, cell="CHIP")
    # The second is wider than the pitch, so the lines merge before it is reached; the third is a space.
    lines = [
        "name,x0,y0,x1,y1,cd,tolerance",
        "wide,2.8,3,3.2,3,210,4",
        "hopeless,2.34,3,2.94,3,400,5",
        "space,3,2.9,3.36,2.9",
    ]
    (folder / "gauges.csv").write_text("\n".join(lines) + "\n")
    return folder


def words(chip, out, *more):
    settings = [f"--set={s}" for s in SMALL]
    return [
        "window",
        str(chip / "chip.oas"),
        "--layer",
        "1/0",
        "--window",
        "2.5,2.5,3.5,3.5",
        "--out",
        str(out),
        *settings,
        *more,
    ]


def test_the_verb(chip, tmp_path, capsys):
    out = tmp_path / "run"
    code = app.main(words(chip, out, "--mask", str(chip / "mask.oas"), "--focus", "-150:150:50", "--json"))
    said = json.loads(capsys.readouterr().out)
    assert {path.name for path in out.iterdir()} == {
        "report.html", "gauges.csv", "plots.npz", "run.toml", "provenance.json", "result.json",
    }  # fmt: skip
    assert json.loads((out / "result.json").read_text()) == said
    assert code == (0 if said["in_spec"] else 1) and said["images_computed"] == 4
    # Sized by 5 nm a side, the mask needs less dose than the drawn one.
    assert said["best_dose"] < said["uncorrected"]["best_dose"]
    assert said["best_focus_nm"] == pytest.approx(0.0, abs=1e-3)
    assert said["dof_nm"]["ellipse"]["5"] >= said["dof_nm"]["rectangle"]["5"] >= said["dof_nm"]["rectangle"]["10"]
    assert said["focus_series_too_short"] and said["required"] == {"dof_nm": 300.0, "el_percent": pytest.approx(6.0)}
    for row in said["per_gauge"]:
        assert row["target_nm"] == 180.0 and row["cd_nm"] == pytest.approx(180.0, rel=0.1)
        assert row["nils"] > 1 and 0.5 < row["meef"] < 2.5
    with np.load(out / "plots.npz") as data:
        assert data["cd_nm"].shape == (said["gauges"], 7, 11) and data["drawn_low"].shape == data["high"].shape
        best = data["ellipse"]
    assert best[1] == pytest.approx(said["best_dose"])
    assert len((out / "gauges.csv").read_text().splitlines()) == said["gauges"] + 1
    page = (out / "report.html").read_text()
    assert page.count("<figure>") >= 3 and said["limiting"]["low_dose"] in page
    assert app.main(words(chip, out)) == 2  # not empty


def test_dense_lines_of_the_anchor_print_on_size():
    """krf-dry's threshold is that of 170 nm lines at 340 nm pitch: their dose to size is 1."""
    setup, drawn, area = (
        jobs.load_setup("krf-dry", SMALL),
        layout.lines(170, 340, FRAME),
        (2500.0, 2500.0, 3500.0, 3500.0),
    )
    cuts = find_cuts(drawn, area, 0.1, **LIMITS)
    [found] = design.focus_dose([drawn], setup, area, cuts, FOCUS)
    np.testing.assert_allclose(found.dose_to_size(), 1.0, rtol=5e-3)


def test_gauges_without_a_window_are_named(chip, tmp_path, capsys):
    """One prints in tolerance nowhere, two exclude each other: a space wants less dose than a line."""
    out = tmp_path / "run"
    code = app.main(words(chip, out, "--gauges", str(chip / "gauges.csv"), "--focus=-150:150:50", "--json"))
    said = json.loads(capsys.readouterr().out)
    assert code == 1 and said["in_spec"] is False and (out / "report.html").is_file()
    assert said["lost"] == ["hopeless"] and "nowhere: hopeless." in said["verdict"]
    assert said["best_dose"] is None and said["window"] == [] and said["dof_nm"]["ellipse"]["5"] == 0.0
    assert said["limiting"] == {"low_dose": "wide", "high_dose": "space"}
    assert "wide needs more dose than space allows" in said["verdict"]
    rows = {row["name"]: row for row in said["per_gauge"]}
    assert rows["hopeless"]["dof_nm"] == 0.0 and rows["hopeless"]["best_focus_nm"] is None
    assert rows["space"]["kind"] == "space" and rows["space"]["target_nm"] == 180.0 and rows["space"]["dof_nm"] > 0
    assert said["at"] == {"focus_nm": 0.0, "dose": 1.0}, "figures of the gauges are then nominal"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--focus", "a:b"], "from:to:step"),
        (["--focus", "100:-100:10"], "from <= to"),
        (["--focus", "0:100:50"], "four or more"),
        (["--dose", "0:2:0.1"], "between 0 and 10"),
        (["--tolerance", "0"], "tolerance"),
        (["--dof", "-5"], "depth of focus of -5 nm"),
        (["--mask-type", "altpsm", "--phase-layer", "7/7"], "7/7"),
        (["--phase-layer", "1/0"], "belongs to an alternating mask"),
        (["--mask", "none.oas"], "none.oas"),
        (["--gauges", "none.csv"], "none.csv"),
        (["--optics", "iccad13"], "kernels of one tile"),
    ],
)
def test_bad_input_is_one_clear_line(chip, tmp_path, capsys, more, told):
    settings = [] if "--optics" in more else None
    given = words(chip, tmp_path / "out", *more)
    code = app.main([w for w in given if settings is None or not w.startswith("--set")])
    err = capsys.readouterr().err.strip()
    assert code == 2 and told in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_ranges():
    np.testing.assert_array_equal(parse_range("-0.3:0.3:0.1", "focus"), [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(parse_range("2", "dose"), [2.0])
    np.testing.assert_array_equal(parse_range("0:10:4", "dose"), [0.0, 4.0, 8.0])


def test_drawn_dark_exchanges_bright_and_dark():
    """Drawn = dark: the same chain with bright and dark exchanged; dark lines narrow with dose."""
    setup = jobs.load_setup("krf-dry", (*SMALL, "process.mask.drawn=dark"))
    drawn = layout.lines(180, 360, FRAME)
    area = (2500.0, 2500.0, 3500.0, 3500.0)
    cuts = find_cuts(drawn, area, 0.1, **LIMITS)
    [found] = design.focus_dose([drawn], setup, area, cuts, FOCUS)
    line, space = (np.median(found.cd_nm([0.9, 1.1])[which, 3], axis=0) for which in (cuts.line, ~cuts.line))
    assert line[0] > line[1] and space[0] < space[1]
    assert (found.low < found.high)[~found.lost].any(1).all() and not found.lost.all()


def test_threshold_scales_dose():
    """Half the threshold, half the dose: dose enters nowhere else."""
    setup = jobs.load_setup("krf-dry", SMALL)
    setup = dataclasses.replace(setup, process=anchored(setup.process))
    half = eqx.tree_at(lambda s: s.process.resist.threshold, setup, jnp.asarray(0.5 * setup.process.resist.threshold))
    drawn, area = layout.lines(180, 360, FRAME), (2500.0, 2500.0, 3500.0, 3500.0)
    cuts = find_cuts(drawn, area, 0.1, **LIMITS)
    whole, less = (design.focus_dose([drawn], s, area, cuts, FOCUS)[0] for s in (setup, half))
    np.testing.assert_allclose(less.size, 0.5 * whole.size, rtol=1e-6)
