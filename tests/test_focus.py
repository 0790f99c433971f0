"""Focus and dose from widths: the table against images of its own, the estimate against truth and bound, the choice."""

import json
from dataclasses import replace

import numpy as np
import pytest

import focus_fields as ff
from actinic.config import placed
from actinic.errors import ConfigError, InputError
from actinic.interfaces.cli.app import main
from actinic.operate.calibration import Free, Measurement, Problem, scenes
from actinic.operate.focus.choose import Candidates
from actinic.operate.focus.correct import Limit, Limits, correct
from actinic.operate.focus.estimate import estimate
from actinic.operate.focus.features import read_features
from actinic.operate.focus.problem import Fields, parameters
from actinic.operate.focus.tabulate import tabulate
from actinic.operate.widths import read_widths
from actinic.types import double
from actinic.wafer.widths import WidthTable

NAMES = ("focus_nm", "dose_percent")
SMALL = (("line", 60, 160), ("space", 138, 210), ("space", 102, 160))


def test_table_is_the_image_between_its_points():
    made, listed = ff.table(SMALL, zernikes=("Z9",)), ff.features(SMALL)
    focus, dose, path = 27.3, -1.7, 0.9
    at = double(placed(ff.machine(), "process.scanner.projector.zernikes_nm.Z9", np.float64(path)))
    nominal = float(at.process.corners[0].focus_nm)
    wanted = [Measurement(f.name, f.kind, f.lines, 1.0, 1.0, 1.0, nominal + focus, 1 + dose / 100) for f in listed]
    truth = Problem(wanted, scenes(wanted, at.process), at, [Free("dose_scale")]).predict(np.array([1.0]))
    n = len(listed)
    log_dose = np.full(n, np.log1p(dose / 100))
    found, slope = made.widths(np.arange(n), np.full(n, focus), log_dose, np.full((n, 1), path))
    assert found == pytest.approx(truth, abs=0.01)
    h = 0.01
    for k, (df, dd, dz) in enumerate(np.eye(3)):
        ends = [
            made.widths(np.arange(n), np.full(n, focus + s * h * df), log_dose + s * 1e-4 * dd,
                        np.full((n, 1), path + s * h * dz))[0] for s in (1, -1)
        ]  # fmt: skip
        assert (ends[0] - ends[1]) / (2 * (1e-4 if dd else h)) == pytest.approx(slope[:, k], rel=1e-4, abs=1e-4)


def test_tilt_of_the_pupil_moves_the_pattern():
    """+Z2 of a nm of path moves the image by 1/NA nm to -x, and only lines along y."""
    for axis, moved in (("y", -1 / 1.35), ("x", 0.0)):
        made = tabulate(ff.machine(), ff.features(SMALL[:1], axis=axis), focus_nm=20, zernikes=("Z2",))
        shift = made.shifts(np.zeros(1, int), np.zeros(1), np.zeros(1), np.ones((1, 1)))
        assert shift == pytest.approx([moved], abs=1e-4)
        assert made.slope[0, 0, 4, 8] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("words", [(), ("tilt", "curvature"), ("Z9",)])
def test_fields_without_noise_are_found(words):
    names = parameters(words)
    truth = np.array([24.0, -1.3, 0.4, -0.3, 0.02, -0.01][: len(names)])
    if words == ("Z9",):
        truth[2] = 1.5
    made = ff.table(SMALL, zernikes=("Z9",)) if "Z9" in words else ff.table()
    [found] = estimate(ff.measured(made, names, truth, seed=None))
    if words == ("Z9",):
        # Even aberrations change sign with the focus: three features fit as well on the other side.
        mirrored = next(one for one in found.states if one.value[0] < 0)
        assert not found.determined and mirrored.value[2] < 0 and mirrored.above < 1
        assert min(np.abs((one.value - truth) / one.sigma).max() for one in found.states) < 0.5
        return
    assert found.best.value == pytest.approx(truth, abs=2e-3)
    assert found.states[0].sigma == pytest.approx(ff.bound(ff.measured(made, names, truth), truth), rel=1e-3)


def test_standard_errors_are_the_bound_and_intervals_cover():
    truth, count = np.array([30.0, 0.7]), 200
    fields = ff.measured(ff.table(), NAMES, truth, seed=4, count=count)
    found = estimate(fields)
    value = np.array([one.best.value for one in found])
    assert all(one.determined for one in found)
    assert (value - truth).std(axis=0) == pytest.approx(ff.bound(fields, truth), rel=0.12)
    inside = [one.focus_set[0][0] <= truth[0] <= one.focus_set[0][1] for one in found]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)
    assert np.mean([one.chance < 0.1 for one in found]) < 0.2


def test_an_even_field_has_two_sides_and_a_prior_tells():
    fields = ff.measured(ff.table(), NAMES, (12.0, 0.0), seed=3, per_axis=2)
    [found] = estimate(fields)
    assert not found.determined and "do not tell which" in found.why
    (low, high), (low2, high2) = found.focus_set[0], found.focus_set[-1]
    assert high < 0 < low2 and low2 < 12 < high2 and -22 < low
    [told] = estimate(replace(fields, prior_nm=(20.0, 6.0)))
    assert told.determined and abs(told.best.value[0] - 12) < 4 * told.best.sigma[0]


def test_astigmatism_needs_lines_of_both_directions():
    names = parameters(("Z5",))
    both = [f for axis in "yx" for f in ff.features(SMALL, axis=axis)]
    listed = [replace(f, name=f"{f.name}{f.lines.axis}") for f in both]
    truth = np.array([30.0, 0.5, 1.0])
    for some, known in ((listed, True), (listed[:3], False)):
        made = tabulate(ff.machine(), some, focus_nm=60, zernikes=("Z5",))
        [found] = estimate(ff.measured(made, names, truth, seed=3))
        near = min(found.states, key=lambda one: np.abs(one.value - truth).max())
        assert (np.abs(near.value - truth) < 4 * near.sigma).all()
        assert (near.sigma[2] < 0.3) == known and (known or near.sigma[2] == pytest.approx(2.0, rel=0.1))


def test_dense_lines_alone_do_not_tell_focus():
    made = ff.table((("line", 50, 100),))
    [found] = estimate(ff.measured(made, NAMES, (20.0, 1.0), seed=0))
    assert not found.determined
    assert found.best.value[1] == pytest.approx(1.0, abs=0.5), "the dose is known all the same"


def test_a_gross_error_moves_nothing():
    truth = np.array([25.0, 0.5])
    fields = ff.measured(ff.table(), NAMES, truth, seed=5)
    wrong = fields.cd_nm.copy()
    wrong[0, 7] += 40
    [found], [plain] = (estimate(replace(fields, cd_nm=wrong), robust=r) for r in (True, False))
    assert (np.abs(found.best.value - truth) < 4 * found.best.sigma).all() and found.chance > 1e-3
    assert not (np.abs(plain.best.value - truth) < 4 * plain.best.sigma).all() and plain.chance < 1e-6


def test_tilt_the_other_way_is_seen_as_possible():
    """About best focus a field tilted one way prints nearly what one tilted the other way does."""
    names = parameters(("tilt_x",))
    [found] = estimate(ff.measured(ff.table(), names, (-2.0, 0.0, 1.2), seed=1, per_axis=3))
    assert {np.sign(one.value[2]) for one in found.states} == {-1.0, 1.0} and not found.determined


def test_the_choice_beats_random_ones():
    pool = [("line", c, p) for p in (110, 160, 300) for c in (60, 70, 78) if c < 0.7 * p]
    pool += [("space", c, p) for p, c in ((120, 66), (160, 102), (210, 138), (250, 174), (300, 222))]
    made = ff.table(tuple(pool), focus_nm=64.0)
    candidates = Candidates(made, np.full(len(pool), 0.5), 25, 40.0)
    best = candidates.choose(3)
    random = np.random.default_rng(0)
    others = [candidates.judge(random.choice(len(candidates.names), 3, replace=False)).rms_nm for _ in range(60)]
    assert best.rms_nm < 0.7 * np.median(others) and best.rms_nm <= min(others)
    # The distance to the other side is what the estimate's loss says without noise.
    chosen = tuple(pool[made.names.index(name)] for name in best.names)
    n = int(np.argmin(np.abs(best.focus_nm - 24)))
    [found] = estimate(ff.measured(ff.table(chosen), NAMES, (best.focus_nm[n], 0.0), seed=None, per_axis=5))
    loss = [s.above for s in found.states[1:]]
    assert not loss or min(loss) == pytest.approx(best.apart[n] ** 2, rel=0.3)
    with pytest.raises(ConfigError, match="at least 2"):
        candidates.choose(1)


def test_corrections_are_minus_the_error_within_limits():
    fields = ff.measured(ff.table(), NAMES, (30.0, 2.0), seed=0)
    [found] = estimate(fields)
    points = correct(NAMES, found, Limits(focus_nm=Limit(-20, 20, 0.5), dose_percent=Limit(-5, 5, 0.5)))
    assert points.values == {"focus_nm": -20.0, "dose_percent": -2.0} and points.clipped == ("focus_nm",)
    assert correct(NAMES, found, Limits(focus_nm=None)).values.keys() == {"dose_percent"}
    assert correct(NAMES, None, Limits()).values == {}
    [two] = estimate(ff.measured(ff.table(), NAMES, (8.0, 0.0), seed=0, per_axis=2))
    assert not correct(NAMES, two, Limits()).values and correct(NAMES, two, Limits()).why == two.why
    with pytest.raises(ValueError, match="0 between"):
        Limit(1.0, 2.0)


def test_parameters_and_tables_say_what_is_wrong():
    assert parameters(("tilt", "Z9", "tilt_x")) == ("focus_nm", "dose_percent", "tilt_x", "tilt_y", "Z9")
    for word, said in (("tip", "no parameter 'tip'"), ("Z4", "is focus"), ("Z1", "moves no edge")):
        with pytest.raises(ConfigError, match=said):
            parameters((word,))
    with pytest.raises(InputError, match="no feature L1"):
        ff.table().index(["L1"])
    with pytest.raises(ConfigError, match="no Z9"):
        ff.table().columns(["Z9"])
    zero = np.zeros((1, 0, 3, 4))
    with pytest.raises(ConfigError, match="four or more"):
        WidthTable(("a",), np.arange(3.0), np.arange(4.0), np.ones((1, 3, 4)), (), zero, zero, zero)
    off = ff.table().widths(np.zeros(2, int), np.array([0.0, 900.0]), np.zeros(2))[0]
    assert np.isfinite(off).tolist() == [True, False]


HEAD = "lot,wafer,field_column,field_row,feature,x_mm,y_mm,cd_nm\n"


def test_files_are_read_with_line_numbers(tmp_path):
    cds, listed = tmp_path / "cds.csv", tmp_path / "features.csv"
    cds.write_text(HEAD + "A,1,0,0,L,0,0,50\nA,1,0,0,L,0,0,50\nA,1,0,0.5,L,0,0,50\nA,1,0,0,L,0,0,\nA,1,0,0,L,99,0,50\n")
    widths, rejected = read_widths(cds)
    assert len(widths) == 1 and [one.line for one in rejected] == [3, 4, 5, 6]
    assert [one.reason for one in rejected] == [
        "repeats line 2", "field_row 0.5 is not a whole number", "not measured", "x_mm 99 is not within -26 to 26",
    ]  # fmt: skip
    cds.write_text(HEAD.replace("cd_nm", "cd"))
    with pytest.raises(InputError, match="line 1: no column cd_nm"):
        read_widths(cds)
    head = "feature,kind,cd_nm,pitch_nm,axis,sigma_nm\n"
    wrong = {"L,line,90,60,y,1": "not smaller", "L,hole,30,60,y,1": "not 'hole'", "L,line,30,60,z,1": "'z'",
             "L,line,30,60,y,0": "exact", ",line,30,60,y,1": "feature is missing"}  # fmt: skip
    for row, said in wrong.items():
        listed.write_text(head + row + "\n")
        with pytest.raises(InputError, match=f"line 2: .*{said}"):
            read_features(listed)
    with pytest.raises(InputError, match="no sigma_nm"):
        cds.write_text(HEAD + f"A,1,0,0,{ff.features()[0].name},0,0,50\n")
        Fields.of(ff.table(), NAMES, read_widths(cds)[0], [np.array([0])], {})


def test_the_twin_prints_what_the_verb_finds(tmp_path, capsys):
    listed = tmp_path / "features.csv"
    listed.write_text(
        "feature,kind,cd_nm,pitch_nm,axis,sigma_nm\n"
        + "".join(f"{f.name},{f.kind},{f.lines.cd_nm},{f.lines.pitch_nm},y,0.5\n" for f in ff.features(SMALL))
    )
    sim, run = tmp_path / "sim", tmp_path / "run"
    changes = ["lots=2", "sampled=1.0", "delay=[0, 0]", "focus_offset_nm=35.0", "zernikes_nm.Z7=0.2"]
    sets = [part for change in changes for part in ("--set", change)]
    assert (
        main(["wafer", "simulate", "well-specified", *sets, "--features", str(listed), "--marks", "--out", str(sim)])
        == 0
    )
    truth = np.genfromtxt(sim / "cds_truth.csv", delimiter=",", names=True, dtype=None, encoding=None)
    marks = np.genfromtxt(sim / "marks.csv", delimiter=",", names=True, dtype=None, encoding=None)
    assert np.abs(truth["placement_x_nm"]).min() > 1e-4 and not truth["placement_y_nm"].any()
    capsys.readouterr()
    asked = ["--features", str(listed), "--term", "tilt", "--prior", "35:15", "--out", str(run), "--json"]
    code = main(["wafer", "focus", str(sim / "cds.csv"), *asked])
    result = json.loads(capsys.readouterr().out)
    assert code == (0 if result["in_spec"] else 1) and result["fields"] == len(truth) == 12
    assert (run / "report.html").exists() and (run / "setpoints.csv").exists() and len(marks) == 40
    for name in ("focus_nm", "dose_percent", "tilt_x", "tilt_y"):
        pull = [
            (one[name]["value"] - truth[name][n]) / one[name]["sigma"]
            for n, one in enumerate(result["field_list"]) if one["determined"]
        ]  # fmt: skip
        assert len(pull) > 8 and np.abs(pull).max() < 4.5 and 0.5 < np.std(pull) < 1.5
    assert main(["wafer", "focus", str(sim / "cds.csv"), "--features", str(listed), "--prior", "35"]) == 2
    assert "MEAN:SIGMA" in capsys.readouterr().err
    odd = tmp_path / "odd.csv"
    odd.write_text(HEAD + "A,1,0,0,L,0,0,50\n")
    assert main(["wafer", "focus", str(odd), "--features", str(listed)]) == 2
    assert "line 2: feature L is not in the list" in capsys.readouterr().err
    chosen = tmp_path / "chosen.csv"
    assert main(["wafer", "features", str(listed), "--choose", "3", "--out", str(chosen)]) in (0, 1)
    assert len(read_features(chosen)) == 3
