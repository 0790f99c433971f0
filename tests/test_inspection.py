"""Inspection: sites where KLARF says they lie, chances by focus and dose, and found defects matched to them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from actinic.design.hotspots import Limits, Spot
from actinic.errors import ConfigError, InputError
from actinic.interfaces.cli.app import main
from actinic.jobs import Spots
from actinic.jobs.checked import told_spots
from actinic.layout import Marker, read_markers, write_markers
from actinic.operate.formats import Defect, positions_mm, read_klarf, write_klarf
from actinic.operate.inspection import Hotspot, Likelihood, States, compare, plan
from actinic.operate.inspection.files import plan_csv, plan_klarf, read_plan, read_states
from actinic.operate.inspection.match import Share
from actinic.wafer import ExposureMap

MAP = ExposureMap(dies=(2, 2), offset_x_mm=1.5, offset_y_mm=-2.0)
SPOTS = (
    Hotspot(1, "bridge", 5e6, 7e6, None, (40.0, -3.0)),
    Hotspot(2, "pinch", 1e6, 2e6, 4.0, (-40.0, 3.0), -6.0),
    Hotspot(3, "line end", 9e6, 3e6, 1.0),
)


def test_sites_lie_where_klarf_says():
    made = plan(SPOTS, MAP, 60)
    written = plan_klarf(made, "L", "W", "D", MAP)
    at = positions_mm(written, written.wafers[0])
    assert at == pytest.approx(np.stack([made.X_mm, made.Y_mm], axis=1), abs=1e-9)
    # By hand: the die at the lower left of field (0, 0) begins half a field from the field's centre at the offset.
    here = (made.field_column * 26 + 1.5 - 13 + 13 * (made.die_column % 2), made.field_row * 33 - 2 - 16.5)
    assert made.X_mm == pytest.approx(here[0] + made.x_nm / 1e6)
    assert made.Y_mm == pytest.approx(here[1] + 16.5 * (made.die_row % 2) + made.y_nm / 1e6)
    assert (np.hypot(made.X_mm, made.Y_mm) < 147).all()


def test_chances_follow_focus_and_dose():
    chance = Likelihood(sigma_nm=2.0).chance
    bridge, pinch, end = SPOTS
    assert chance(pinch, -40, 3) == pytest.approx(stats.norm.cdf(4 / 2)), "beyond its limit at its corner"
    assert chance(pinch, 0, 0) == pytest.approx(stats.norm.cdf(-6 / 2))
    assert chance(pinch, 40, 3) == chance(pinch, -40, 3), "focus counts either way"
    assert chance(pinch, 40, 0) == chance(pinch, 0, 3) == pytest.approx(stats.norm.cdf(-1 / 2)), "half by each"
    assert chance(pinch, 0, -3) < chance(pinch, 0, 0) < chance(pinch, 0, 1.5) < chance(pinch, 0, 3)
    assert chance(pinch, 20, 0) == pytest.approx(stats.norm.cdf((-6 + 10 / 8) / 2)), "the square of focus"
    assert chance(bridge, 40, -3) == pytest.approx(stats.norm.cdf(3))
    assert chance(bridge, 0, 0) == pytest.approx(stats.norm.cdf(-2))
    assert chance(end, 40, 3) == chance(end, 0, 0) == pytest.approx(stats.norm.cdf(0.5))
    with pytest.raises(ConfigError, match="above 0"):
        Likelihood(sigma_nm=0)


def test_the_budget_goes_to_the_likeliest_and_to_each():
    states = States({(1, 1): -40.0}, {(1, 1): 3.0})
    made = plan(SPOTS, MAP, 8, states=states)
    assert len(made) == 8 and set(made.hotspot.tolist()) == {1, 2, 3}
    assert (np.diff(made.chance) <= 0).all()
    assert {tuple(p) for p in zip(made.field_column[:4], made.field_row[:4], strict=True)} == {(1, 1)}
    assert set(made.hotspot[:4].tolist()) == {2}
    alone = plan(SPOTS, MAP, 8, states=states, each=0)
    assert set(alone.hotspot.tolist()) == {2, 3}, "bridges are less likely than either"
    with pytest.raises(ConfigError, match="no hotspot lies in a die"):
        plan([Hotspot(1, "pinch", -1.0, 0.0)], MAP, 8)


def found(made, seed=0, rate=0.4, stray=6, jitter_mm=2e-4):
    """An inspection where some sites fail, one place of the die fails in many dies, and some defects lie anywhere."""
    random = np.random.default_rng(seed)
    base = plan_klarf(made, "L", "W", "D", MAP)
    keep = [d for d in base.wafers[0].defects if random.random() < rate]
    moved = [
        replace(d, x_rel_nm=d.x_rel_nm + 1e6 * random.normal(0, jitter_mm), y_rel_nm=d.y_rel_nm + 100) for d in keep
    ]
    dies = base.wafers[0].tests[0].plan[:stray]
    more = [Defect(900 + n, 6.2e6, 12.0e6, *die, class_number=1, test=1) for n, die in enumerate(dies)]
    wafer = replace(base.wafers[0], defects=(*moved, *more))
    return replace(base, wafers=(wafer,)), len(keep), len(more)


def test_matching_tells_right_missed_and_unpredicted():
    made = plan(SPOTS, MAP, 80)
    inspection, hits, stray = found(made)
    got = compare(made, inspection, 1.0)
    assert (got.precision.hits, got.precision.of) == (hits, 80)
    assert (got.recall.hits, got.recall.of) == (hits, hits + stray) and got.captured[-1] == hits / (hits + stray)
    [place] = got.unpredicted
    assert (place.count, place.dies) == (stray, stray) and place.x_nm == pytest.approx(6.2e6, abs=2)
    assert place.y_nm == pytest.approx(12.0e6, abs=2)
    assert got.offset_um[1] == pytest.approx(0.1, abs=1e-6)
    assert compare(made, inspection, 0.05).recall.hits < hits, "a radius below the stage's error"
    assert sum(share.of for _, share in got.calibration) == 80


@pytest.mark.parametrize(("mark", "turn"), [("RIGHT", 1), ("UP", 2), ("LEFT", 3), ("90", 1)])
def test_turned_wafers_are_turned_back(mark, turn):
    """A wafer that lay turned by quarters counter-clockwise, its defects written as they lay."""
    made = plan(SPOTS, ExposureMap(), 40)
    inspection, hits, _ = found(made, stray=0)
    lay = positions_mm(inspection, inspection.wafers[0]) * 1e6
    for _ in range(turn):
        lay = np.stack([-lay[:, 1], lay[:, 0]], axis=1)
    from_corner = lay + inspection.wafers[0].centre_nm
    die = np.floor(from_corner / inspection.die_pitch_nm).astype(int)
    inside = from_corner - die * inspection.die_pitch_nm
    defects = tuple(
        replace(d, x_rel_nm=float(x), y_rel_nm=float(y), x_index=int(i), y_index=int(j))
        for d, (x, y), (i, j) in zip(inspection.wafers[0].defects, inside, die, strict=True)
    )
    turned = replace(inspection, mark_location=mark, wafers=(replace(inspection.wafers[0], defects=defects),))
    assert compare(made, turned, 1.0).precision.hits == hits
    assert compare(made, replace(turned, mark_location="DOWN"), 1.0).precision.hits < hits


def test_shares_have_wilson_intervals():
    for hits, of in ((0, 67), (3, 10), (10, 10)):
        truth = stats.binomtest(hits, of).proportion_ci(method="wilson")
        assert Share(hits, of).interval == pytest.approx((truth.low, truth.high), abs=1e-6)
    assert Share(0, 0).value is None


def test_what_does_not_belong_is_refused(tmp_path):
    made = plan(SPOTS, MAP, 20)
    inspection, *_ = found(made)
    with pytest.raises(InputError, match=r"dies are 13 x 16\.5 mm"):
        compare(plan(SPOTS, ExposureMap(), 20), inspection, 1.0)
    with pytest.raises(InputError, match="notch lies at 'NORTH'"):
        compare(made, replace(inspection, mark_location="NORTH"), 1.0)
    with pytest.raises(ConfigError, match="radius"):
        compare(made, inspection, 0.0)
    file = tmp_path / "plan.csv"
    text = plan_csv(made)
    file.write_text(text.replace("pinch,", "pinch,z", 1))
    with pytest.raises(InputError, match=r"line \d+: die_column"):
        read_plan(file)
    file.write_text(text)
    again = read_plan(file)
    assert np.array_equal(again.hotspot, made.hotspot) and again.X_mm == pytest.approx(made.X_mm)
    assert again.centre_nm == pytest.approx(made.centre_nm) and again.pitch_nm == pytest.approx(made.pitch_nm)


def test_markers_of_klayout_are_read(tmp_path):
    file = tmp_path / "spots.lyrdb"
    written = [
        Marker("pinch", (0.0, 0.0, 200.0, 300.0), "line, of 40", 31.5),
        Marker("bridge", (5e3, 0.0, 6e3, 1e3), "b"),
    ]
    write_markers(file, written, "TOP", "mask.gds")
    assert read_markers(file) == written
    rule = Marker("mask width", (9e3, 0.0, 9.1e3, 1e3), "18 nm", 18.0)
    write_markers(file, [*written, rule], "TOP", "mask.gds")
    spots = Spots(file, origin_um=(0.0, -1.0)).read()
    assert [(s.rank, s.kind, s.x_nm, s.y_nm) for s in spots] == [(1, "pinch", 100, 1150), (2, "bridge", 5500, 1500)]
    file.write_text("<nothing")
    with pytest.raises(InputError, match="cannot be read as a KLayout report"):
        read_markers(file)


def test_the_verb_from_hotspots_to_what_was_found(tmp_path, capsys):
    box = (0.0, 0.0, 1.0, 1.0)
    spots = [
        Spot("pinch", (1.4e6, 2e6), box, 30.0, 36.0, "nm", 6.0, "high dose, defocus -", 3, "a line"),
        Spot("bridge", (8e6, 2e6), box, 900.0, 40.0, "nm2", None, "low dose, defocus +", 1, "two lines"),
    ]
    file, states, run = tmp_path / "verify.json", tmp_path / "fields.csv", tmp_path / "run"
    file.write_text(json.dumps(told_spots(spots, Limits())))
    states.write_text(
        "field_column,field_row,determined,focus_nm,dose_percent\n0,0,True,-40,3\n1,0,False,nan,nan\n0,1,True,2,0\n"
    )
    known, notes = read_states(states)
    assert known.of(0, 0) == (-40.0, 3.0) and known.of(1, 0) == (0.0, 0.0) and len(notes) == 1
    say = ["wafer", "inspect", str(file), "--fields", str(states), "--budget", "30", "--origin", "400,0", "--json"]
    assert main([*say, "--out", str(run), "--klarf", "1.2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sites"] == 30 and result["planned_hotspots"] == 2
    made, klarf = read_plan(run / "plan.csv"), read_klarf(run / "plan.klarf")
    assert (made.field_column[0], made.field_row[0], made.kind[0]) == (0, 0, "pinch") and made.x_nm[0] == 1e6
    half = replace(klarf.wafers[0], defects=klarf.wafers[0].defects[:10])
    back = tmp_path / "found.klarf"
    write_klarf(back, replace(klarf, wafers=(half,)))
    capsys.readouterr()
    assert main(["wafer", "inspect", str(run), "--found", str(back), "--out", str(tmp_path / "c"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["precision"]["hits"] == 10 and result["recall"]["share"] == 1.0
    assert (tmp_path / "c" / "report.html").exists()
    file.write_text('{"hotspot_list": [{"kind": "pinch"}]}')
    assert main(["wafer", "inspect", str(file)]) == 2
    assert "hotspot 1 of the list is none" in capsys.readouterr().err
