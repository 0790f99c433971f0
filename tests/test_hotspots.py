"""Hotspots: one list over all kinds, and the verb that writes it, on small layouts."""

import json
from dataclasses import replace
from pathlib import Path

import klayout.rdb as rdb
import numpy as np
import pytest

from actinic import design, jobs, layout
from actinic.design import Covered, Limits, Verification, ranked
from actinic.design.verify import _across
from actinic.errors import ConfigError
from actinic.interfaces import plots
from actinic.interfaces.cli import app
from actinic.metrology import EDGE, LINE_END, Cover, Defect, Gauges, Print, Widths, summary
from actinic.types import Grid, Image

WINDOW = (0.0, 0.0, 3000.0, 3000.0)
GRID = Grid((30, 30), 100.0)


def verification(epe, kind=None, at_corners=None, **more):
    """Gauges 400 nm apart with these errors."""
    epe = np.asarray(epe, float)
    n, none = epe.size, np.zeros(epe.size)
    kind = np.full(n, EDGE, np.int8) if kind is None else np.asarray(kind, np.int8)
    failed = np.abs(epe) >= 100
    prints = [Print(name, np.zeros(GRID.shape, np.float32), GRID, 0.3, True) for name in ("nominal", "low", "high")]
    corners = np.stack([epe] * 3) if at_corners is None else np.stack([epe, *np.asarray(at_corners, float)])
    found = Verification(
        target=layout.Layout((), 1.0),
        mask=layout.Layout((), 1.0),
        window_nm=WINDOW,
        gauges=Gauges(400.0 * np.arange(n) + 300, none + 300, none, none + 1, kind),
        epe_nm=epe,
        failed=failed,
        summary=summary(epe, failed, kind),
        latent=Image(np.zeros(GRID.shape), GRID, "latent"),
        threshold=0.3,
        printed_above=True,
        outer=np.zeros(GRID.shape, bool),
        inner=np.zeros(GRID.shape, bool),
        pv_band_nm=0.0,
        prints=prints,
        at_corners_nm=corners,
    )
    return replace(found, **more)


def widths(*rows):
    """Cuts (x, line, drawn, printed, corner)."""
    x, line, drawn, printed, corner = np.array(rows, float).T
    middle = np.stack([x, 0 * x], 1)
    return Widths(middle, np.tile([1.0, 0.0], (len(x), 1)), line > 0, drawn, printed, corner.astype(int))


def test_all_kinds_are_in_one_list_the_worst_first():
    defects = [
        Defect("side lobe", (0, 0, 10, 10), 900.0, ("high", "low")),
        Defect("bridge", (50, 0, 60, 10), 100.0, ("high",)),
        Defect("bridge", (90, 0, 99, 10), 400.0, ("low",)),
    ]
    found = verification(
        [3, -20, 100, 16, 2],
        [EDGE, EDGE, EDGE, LINE_END, EDGE],
        [[0, -25, 100, 10, -20], [5, -10, 100, 18, 20]],
        defects=defects,
        widths=widths((0, 1, 170, 130, 1), (900, 0, 200, 100, 2), (1500, 1, 100, 81, 0)),
    )
    caps = [
        Cover("end cap", (0, 0, 1, 1), (5.0, 6.0), 130.0, 52.0, "low"),
        Cover("end cap", *[(0,) * 4] * 2, 130, 90, ""),
    ]
    spots = ranked(found, Limits(12.0), [Covered("65/20", 60.5, caps, False)])
    assert [(s.kind, s.value, s.limit) for s in spots] == [
        ("bridge", 400.0, 0.0),
        ("bridge", 100.0, 0.0),
        ("no printed edge", 100.0, 12.0),
        ("side lobe", 900.0, 0.0),
        ("near bridge", 100.0, 160.0),
        ("PV band", 40.0, 24.0),
        ("end cap", 52.0, 60.5),
        ("edge placement", -20.0, 12.0),
        ("pinch", 130.0, 136.0),
        ("line end", 16.0, 12.0),
    ]
    assert [s.beyond_nm for s in spots] == [None] * 4 + [60, 16, 8.5, 8, 6, 4]
    assert [s.corner for s in spots[4:]] == ["high", "low", "low", "low", "low", "high"]
    edge = spots[7]
    assert edge.at_nm == (700, 300) and edge.box_nm == (600, 200, 800, 400) and "-25.0 nm at low" in edge.text


def test_limits_that_the_setup_states_take_the_place_of_shares():
    found = verification([0], widths=widths((0, 1, 170, 130, 1), (900, 0, 200, 100, 2)))
    assert ranked(found, Limits(line_nm=130.0, space_nm=100.0)) == []
    assert [s.limit for s in ranked(found, Limits(line_nm=131.0, space_nm=140.0))] == [140.0, 131.0]
    wide = verification([0], at_corners=[[-8], [7]])
    assert ranked(wide, Limits(12.0)) == [] and ranked(wide, Limits(12.0, 14.0))[0].beyond_nm == 1.0


def test_places_near_each_other_are_one():
    found = verification(np.linspace(16, 20, 5))
    close = replace(found, gauges=replace(found.gauges, x_nm=np.array([0.0, 150, 199, 201, 350])))
    assert [(s.value, s.count) for s in ranked(close, Limits(15.0))] == [(20.0, 3), (17.0, 2)]


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    """A line of 170 nm with a notch in the mask, a neighbour, vias on it, and diffusion under its end."""
    folder = tmp_path_factory.mktemp("verify")
    boxes = {
        (1, 0): [(-2000, 0, 600, 170), (-2000, 600, 2000, 770)],
        (2, 0): [(-300, 0, -130, 170), (300, 30, 470, 200), (-300, 640, -170, 730)],
        (3, 0): [(400, -300, 470, 400)],
    }

    def drawn(rows):
        return layout.merged([np.array([(a, b), (c, b), (c, d), (a, d)]) for a, b, c, d in rows], 1.0)

    layout.write_layout(folder / "chip.oas", {number: drawn(rows) for number, rows in boxes.items()})
    notch = layout.boolean(drawn(boxes[1, 0]), drawn([(-40, 600, 40, 640), (-40, 740, 40, 770)]), "not")
    layout.write_layout(folder / "mask.oas", {(1, 0): notch})
    return folder


WORDS = ["--layer=1/0", "--window=-0.6,-0.2,0.7,0.9", "--set=tiles.halo_nm=800"]


@pytest.fixture(scope="module")
def run(chip):
    """The notched mask verified through the command line, with all that can be asked for."""
    out = [f"--lyrdb={chip / 'a.lyrdb'}", f"--report={chip / 'a.html'}", f"--against={chip / 'chip.oas'}"]
    more = ["--cover=2/0:-20", "--end-cap=3/0:50", "--set=limits.width_nm=110", "--json"]
    code, text = _said(["verify", str(chip / "chip.oas"), str(chip / "mask.oas"), *WORDS, *out, *more])
    return code, json.loads(text)


def _said(words):
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = app.main(words)
    return code, out.getvalue()


def test_the_pinch_of_a_notched_mask_is_found_where_it_is(run):
    code, result = run
    assert code == 1 and result["in_spec"] is False
    pinch = next(s for s in result["hotspot_list"] if s["kind"] == "pinch")
    assert abs(pinch["at_nm"][0]) <= 20 and pinch["at_nm"][1] == 685
    assert pinch["value"] < 0.8 * 170 and pinch["limit"] == pytest.approx(136) and "dose" in pinch["corner"]
    assert result["least_line_share"] == pytest.approx(pinch["value"] / 170)
    assert [s["rank"] for s in result["hotspot_list"]] == list(range(1, len(result["hotspot_list"]) + 1))


def test_vias_and_end_caps_of_the_layers_below(run):
    _, result = run
    vias, caps = result["covered"]
    assert (vias["kind"], vias["places"], caps["kind"], caps["places"]) == ("enclosure", 3, "end cap", 1)
    # The via drawn 30 nm beyond its line is the worst, and what is missing of it is missing of its area.
    worst = vias["list"][0]
    assert worst["box_nm"] == [300, 30, 470, 200] and worst["drawn_nm"] == -30 and worst["at_nm"][1] == 200
    assert worst["printed_nm"] == pytest.approx(-30, abs=40)
    assert worst["overlap"] == pytest.approx(1 + worst["printed_nm"] / 170, abs=0.05)
    assert vias["least_nm"] == worst["printed_nm"] and vias["below"] >= 1
    (cap,) = caps["list"]
    assert cap["drawn_nm"] == 130 and cap["at_nm"][0] == 470 and cap["printed_nm"] < 130
    told = {s["kind"] for s in result["hotspot_list"]}
    assert "enclosure" in told and ("end cap" in told) == (cap["printed_nm"] < 50)


def test_rules_by_both_codes_and_shots(run):
    _, result = run
    assert result["rule_violations_klayout"] == {"width": 1, "space": 0, "area": 0, "hole": 0, "jog": 0}
    assert result["rule_violations_by"]["width"] == 1
    assert [(r["kind"], r["value"]) for r in result["rule_list"]] == [("mask width", 100.0)]
    assert result["shots"] == 1 + 3 and result["vertices"] == 4 + 12


def test_markers_are_read_back_by_klayout(run, chip):
    _, result = run
    database = rdb.ReportDatabase("")
    database.load(str(chip / "a.lyrdb"))
    names = [database.category_by_id(item.category_id()).name() for item in database.each_item()]
    assert names == [s["kind"] for s in result["hotspot_list"]] + ["mask width"]
    values = [[value for value in item.each_value()] for item in database.each_item()]
    assert all(v[0].is_box() and v[1].is_string() and v[2].is_float() for v in values)
    assert values[-1][2].float() == 100.0


def test_two_masks_side_by_side(run):
    _, result = run
    against = result["against"]
    assert against["xor_nm2"] == 80 * 40 + 80 * 30
    mine, other = result["mean_abs_epe_nm"], against["figures"]["mean_abs_epe_nm"]
    assert against["difference"]["mean_abs_epe_nm"] == pytest.approx(mine - other)
    assert against["difference"]["shots"] == result["shots"] - 2 and against["figures"]["rules_klayout"] == 0
    place = against["differ_most"][0]
    assert abs(place["at_nm"][0]) < 100 and place["at_nm"][1] in (600, 770)
    assert place["epe_nm"] < place["other_epe_nm"] - 10
    assert against["equivalence"]["equivalent"] is not True


def test_a_mask_against_itself_is_the_same(chip):
    code, text = _said(["verify", *[str(chip / "mask.oas")] * 2, *WORDS, f"--against={chip / 'mask.oas'}", "--json"])
    against = json.loads(text)["against"]
    assert against["xor_nm2"] == 0 and against["differ_most"] == [] and code == 1
    assert {v for v in against["difference"].values() if v is not None} == {0}
    same = against["equivalence"]
    assert (same["low_nm"], same["high_nm"], same["equivalent"]) in ((0, 0, True), (None, None, None))


def test_the_report_shows_the_worst_places(run, chip):
    _, result = run
    page = (chip / "a.html").read_text()
    assert page.count("<figure>") == 4 + min(6, result["hotspots"])
    for told in (
        "Worst places",
        "Pinch: line of 170 nm prints",
        "mask width",
        "side by side",
        "65" * 0 + "2/0",
        "xor" * 0,
    ):
        assert told in page or told == "side by side"
    assert result["verdict"] in page and "http" not in page.split("<body")[1]


def test_a_spot_is_drawn_with_both_prints():
    setup = jobs.load_setup("krf-dry")
    drawn = layout.isolated_line(200, (-1500, -1500, 1500, 1500))
    (found,) = design.verify(drawn, [drawn], setup.process, (-200.0, -200.0, 200.0, 200.0), halo_nm=600.0)
    axes = plots.spot_map(found, (-50.0, -50.0, 50.0, 50.0), "high dose, best focus")
    keys = [text.get_text() for text in axes.get_legend().get_texts()]
    assert keys == ["target", "mask", "nominal", "high dose, best focus"]
    assert axes.get_xlim() == (-0.3, 0.3) and len(axes.patches) == 2


BAD = [
    (["--cover=metal"], "'metal'"),
    (["--cover=2/0:x"], "2/0:x"),
    (["--end-cap=3/0:500"], "200 nm"),
    (["--cover=9/9"], "no layer 9/9"),
    (["--margin-nm=0"], "margin"),
    (["--against=none.oas"], "none.oas: no such file"),
    (["--report=nowhere/there/"], "nowhere"),
]


@pytest.mark.parametrize(("words", "told"), BAD, ids=[told for _, told in BAD])
def test_bad_input_is_one_clear_line(chip, tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    code = app.main(["verify", str(chip / "chip.oas"), str(chip / "mask.oas"), *WORDS, *words])
    err = capsys.readouterr().err.strip()
    assert code == 2 and told in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_not_written_over(chip, tmp_path):
    (tmp_path / "old.html").write_text("old")
    work = jobs.Work(chip / "chip.oas", "1/0")
    with pytest.raises(ConfigError, match="file already"):
        jobs.verify(work, chip / "mask.oas", beyond=jobs.Beyond(report=Path(tmp_path / "old.html")))


def test_a_gauge_along_the_print_moves_only_as_far_as_the_edge():
    """Edges at 80 degrees to the gauge's normal, 7 nm apart: along the gauge they are 40 nm apart."""
    angle, grid = np.deg2rad(80.0), Grid((80, 80), 10.0, (-400.0, -400.0))
    x, y = np.meshgrid(grid.x_nm, grid.y_nm)
    # Waves, so that the image is periodic; near the middle their slope is that of a plane.
    image = np.sin(2 * np.pi * x / 800) * np.cos(angle) + np.sin(2 * np.pi * y / 800) * np.sin(angle)
    none = np.zeros(1)
    site = Gauges(none, none, none + 1, none, np.zeros(1, np.int8))
    across = _across(image, grid, site, none)
    assert across == pytest.approx(np.cos(angle), abs=1e-6)
    apart = 7 / np.cos(angle)
    found = verification([0.0], at_corners=[[0.3 * apart], [-0.7 * apart]], across=across)
    assert found.local_band_nm == pytest.approx(7, abs=1e-4)


def test_the_corners_print_what_the_dose_says():
    """More dose prints a clear line wider, at every gauge, and the local band is how far apart the corners are."""
    setup = jobs.load_setup("krf-dry")
    drawn = layout.isolated_line(200, (-1500, -1500, 1500, 1500))
    (found,) = design.verify(drawn, [drawn], setup.process, (-200.0, -200.0, 200.0, 200.0), halo_nm=600.0)
    at = dict(zip((p.name for p in found.prints), found.at_corners_nm, strict=True))
    assert (at["low dose, defocus -"] < at["high dose, defocus -"] - 2).all()
    assert (at["nominal"] < at["high dose, best focus"]).all() and np.array_equal(at["nominal"], found.epe_nm)
    assert found.local_band_nm == pytest.approx(found.at_corners_nm.max(0) - found.at_corners_nm.min(0), rel=1e-4)
    w = found.widths
    nominal = 200 + 2 * found.epe_nm.mean()
    lowest = 200 + 2 * min(epe.mean() for epe in at.values())
    assert w.line.all() and w.printed_nm == pytest.approx(lowest, abs=0.05) and lowest < nominal
