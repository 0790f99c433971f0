"""Diagnosis: leaves out of maps, clocks and roots out of logs, causes with evidence; the machines it is tried on."""

import csv
import json

import numpy as np
import pytest

from actinic.interfaces.cli.app import main
from actinic.operate.diagnose import Case, Effect, Line, clocks, diagnose, effect, roots, sparse
from actinic.operate.diagnose.diagnose import common, leaf_evidence, pattern_evidence
from actinic.wafer import ExposureMap, Places
from actinic.wafer.faults import (
    BOSSUNG,
    CAUSES,
    FOCUS,
    LEAVES,
    NOISE_NM,
    OVERLAY,
    PARTS,
    WIDTH,
    Residuals,
    leaves_of,
    shapes,
)
from actinic.wafer.twin import Machine


def _case(incident) -> Case:
    lines = tuple(Line(e.time_s, e.source, e.severity, e.code, e.text) for e in incident.events)
    return Case(lines, incident.maps, incident.wafer_s, incident.innovations)


def _step(**leaves) -> np.ndarray:
    return np.array([leaves.get(leaf.replace(" ", "_"), 0.0) for leaf in LEAVES])


def _maps(step: np.ndarray, onset_s: float, length: int = 18) -> Residuals:
    """Whole wafers without noise, one of each chuck in turn, every 600 s; the step comes at once."""
    exposure = ExposureMap()
    fields = exposure.fields()
    which, X, Y, x, y = exposure.points(fields, 3)
    wafer, time_s = np.repeat(np.arange(length), X.size), 600.0 * (1 + np.arange(length))
    places = Places(*(np.tile(v, length) for v in (X, Y, x, y)), np.where(wafer % 2, "2", "1"),
                    np.tile(fields.scan[which], length).astype(float))  # fmt: skip
    on = (time_s[wafer] > onset_s).astype(float)
    columns = shapes(places)
    overlay, focus, width = (NOISE_NM[k] * columns[k] @ step[leaves_of(k)] for k in (OVERLAY, FOCUS, WIDTH))
    dx, dy = np.split(overlay * np.tile(on, 2), 2)
    focus = on * focus
    return Residuals(wafer, time_s[wafer], places, dx, dy, focus, on * width + BOSSUNG * focus**2)


def _effect(step, onset_s=6000.0) -> Effect:
    time_s = np.arange(100.0, 12000.0, 100.0)
    noise = 0.3 * np.random.default_rng(0).standard_normal((time_s.size, len(LEAVES)))
    return effect(_maps(step, onset_s), time_s, (time_s > onset_s)[:, None] * step + noise)


def test_leaves_come_back_from_maps_they_were_put_into():
    step = _step(scale_x=1.5, field_magnification=-0.8, chuck_2_x=0.6, focus=2.0, field_tilt_x=1.0, slit_bow=-1.2)
    found = _effect(step)
    assert np.allclose(found.step, step, atol=1e-3)  # the drift of width through focus is taken out


def test_the_fewest_leaves_are_named_with_their_uncertainty():
    found = _effect(_step(scale_x=1.5, focus=-2.0))
    names = {name: (value, sigma) for name, value, sigma in sparse(found)}
    assert set(names) == {"scale x", "focus"}
    assert names["scale x"][0] == pytest.approx(1.5, abs=0.01) and 0 < names["scale x"][1] < 0.2


def test_the_onset_is_never_told_too_late():
    for onset in (3000.0, 4250.0, 8010.0):
        found = _effect(_step(rotation=1.0), onset)
        assert found.after_s < onset and abs(found.onset_s - onset) <= 100.0 and onset - found.after_s < 700


def test_clocks_are_set_right_by_what_all_write_at_once():
    incident = Machine(5).incident(CAUSES[0])
    found = clocks(_case(incident).events)
    apart = {part: found[part][0] - incident.skew_s[part] for part in PARTS}
    middle = np.median(list(apart.values()))
    assert max(abs(v - middle) for v in apart.values()) < 1.0 and max(abs(v) for v in incident.skew_s.values()) > 200
    assert all(sigma < 1.0 for _, sigma in found.values())


def test_warnings_are_told_by_the_common_clock():
    lines = [Line(600.0 * n + 90.0 * (s == "a"), s, "info", "LOT", f"{n}") for n in range(6) for s in "abc"]
    lines += [
        Line(1090.0, "a", "warning", "1", ""),
        Line(1000.0, "b", "warning", "1", ""),
        Line(5.0, "c", "alarm", "2", ""),
    ]
    case = Case(tuple(lines), None, np.zeros(0), np.zeros(0))
    times = common(case, clocks(lines))
    assert times["a"] == pytest.approx(times["b"]) and len(times["c"]) == 0


def test_a_source_that_never_wrote_with_the_others_has_no_clock():
    lines = [Line(float(n), "a", "info", "LOT", f"{n}") for n in range(5)] + [Line(3.0, "b", "warning", "1", "")]
    assert clocks(lines)["b"][1] == np.inf


def test_the_first_to_warn_is_the_root_and_chatter_is_not():
    random = np.random.default_rng(1)
    onset = 18000.0
    quiet = {s: np.sort(random.uniform(0, onset, 12)) for s in "abcd"}
    quiet["c"] = np.sort(random.uniform(0, onset, 300))  # chatters all the time
    root = np.sort(np.concatenate([quiet["a"], random.uniform(onset - 1500, onset, 12)]))
    follower = np.sort(np.concatenate([quiet["b"], random.uniform(onset - 700, onset, 18)]))
    found = roots({**quiet, "a": root, "b": follower}, onset, 0.0)
    assert max(found, key=found.get) == "a" and found["a"] - found["b"] > 1 and found["a"] - found["c"] > 2
    # What comes after the effect is no cause of it.
    late = np.sort(np.concatenate([quiet["d"], random.uniform(onset, onset + 900, 60)]))
    again = roots({**quiet, "a": root, "b": follower, "d": late}, onset, 0.0)
    assert again["d"] == pytest.approx(found["d"])


def test_a_pattern_explains_what_it_makes_and_few_leaves_explain_the_rest():
    scale, rotation = CAUSES[0].pattern(), next(c for c in CAUSES if dict(c.leaves).keys() == {"rotation"}).pattern()
    found = Effect(1.5 * scale, 0.01 * np.eye(len(LEAVES)), 0.0, 0.0, 9.0)
    assert pattern_evidence(found, scale) > max(pattern_evidence(found, rotation), leaf_evidence(found)) + 1
    other = Effect(_step(skew=1.0, dose_tilt=-1.0), 0.01 * np.eye(len(LEAVES)), 0.0, 0.0, 9.0)
    assert leaf_evidence(other) > max(pattern_evidence(other, c.pattern()) for c in CAUSES) + 10
    turned = Effect(-found.step, found.covariance, 0.0, 0.0, 9.0)
    assert pattern_evidence(turned, scale) == pytest.approx(pattern_evidence(found, scale))


def test_machines_have_graphs_of_their_own_and_share_first_alarms():
    one, two = Machine(1), Machine(2)
    assert one.follows != two.follows and one.first_alarm != two.first_alarm and len(CAUSES) >= 25
    shared = list(one.first_alarm.values())
    assert min(shared.count(alarm) for alarm in set(shared)) >= 3
    for part, later in one.follows.items():  # nothing sets off itself, by whatever way
        seen, todo = set(), [p for p, _ in later]
        while todo:
            seen.add(at := todo.pop())
            todo += [p for p, _ in one.follows[at] if p not in seen]
        assert part not in seen


def test_an_incident_is_the_same_again_and_events_follow_what_began():
    first, second = (Machine(4).incident(CAUSES[3], 2) for _ in range(2))
    assert first.events == second.events and np.array_equal(first.innovations, second.innovations)
    alarms = [e.truly_s for e in first.events if e.severity == "alarm"]
    assert alarms and min(alarms) > first.began_s and first.began_s < first.onset_s


@pytest.mark.parametrize("every", [9, pytest.param(4, marks=pytest.mark.slow)])
def test_causes_are_found_and_what_is_cited_came_before(every):
    right = total = 0
    for seed in (11, 12):
        machine = Machine(seed)
        for cause in CAUSES[::every]:
            incident = machine.incident(cause)
            found = diagnose(_case(incident))
            right, total = right + (found.ranked[0].cause == cause.name), total + 1
            truth = {(e.source, round(e.time_s, 6)): e.truly_s for e in incident.events}
            for at, source, *_ in found.ranked[0].events:
                assert truth[source, round(at + found.clocks[source][0], 6)] < incident.onset_s
    assert right / total >= 0.8


def test_a_fault_in_no_catalogue_is_not_known():
    unseen = [Machine(21).incident(None, draw) for draw in range(4)]
    shapes_unseen = [i for i in unseen if i.cause.leaves not in {c.leaves for c in CAUSES}]
    doubts = [diagnose(_case(i)).unknown for i in shapes_unseen]
    known = [diagnose(_case(Machine(21).incident(c))).unknown for c in CAUSES[::12]]
    assert len(doubts) >= 2 and min(doubts) > 0.5 > max(known)


def _cli(capsys, *words):
    code = main([*map(str, words), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("incident") / "case"
    assert main(["wafer", "incident", "--seed", "3", "--cause", "laser: beam points off", "--out", str(folder)]) == 0
    return folder


def _inputs(folder):
    return [folder / f"{name}.csv" for name in ("events", "maps", "innovations")]


def test_diagnose_names_the_cause_with_its_evidence(files, tmp_path, capsys):
    code, result, _ = _cli(capsys, "wafer", "diagnose", *_inputs(files), "--out", tmp_path / "run")
    truth = json.loads((files / "truth.json").read_text())
    assert code == 1 and result["cause"] == truth["cause"] and result["began_after_s"] < truth["onset_s"]
    assert {"slit bow", "slit tilt"} <= set(result["ranked"][0]["leaves"]) and result["ranked"][0]["events"]
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert made == {"run.toml", "result.json", "provenance.json", "report.html"}


def test_where_nothing_happened_nothing_is_named(files, tmp_path, capsys):
    events, maps, innovations = _inputs(files)
    truth = json.loads((files / "truth.json").read_text())
    for source, column in ((maps, "time_s"), (innovations, "time_s")):
        with open(source, newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if float(row[column]) < truth["onset_s"]]
        with open(tmp_path / source.name, "w", newline="") as opened:
            writer = csv.DictWriter(opened, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    code, result, _ = _cli(capsys, "wafer", "diagnose", events, tmp_path / maps.name, tmp_path / innovations.name)
    assert code == 0 and not result["happened"] and result["cause"] is None


@pytest.mark.parametrize(
    ("which", "old", "new", "said"),
    [
        ("events", "warning", "shout", "severity is info, warning or alarm"),
        ("maps", "up", "left", "scan is up or down"),
        ("maps", "dx_nm", "dx", "no column dx_nm"),
        ("innovations", "scale x", "scale z", "there is no leaf scale z"),
    ],
)
def test_bad_files_are_told_in_one_line(files, tmp_path, capsys, which, old, new, said):
    inputs = {path.stem: path for path in _inputs(files)}
    bad = tmp_path / f"{which}.csv"
    bad.write_text(inputs[which].read_text().replace(old, new, 1))
    code, _, err = _cli(capsys, "wafer", "diagnose", *(inputs | {which: bad}).values())
    assert code == 2 and said in err and err.count("\n") == 1


def test_an_unknown_cause_is_refused(tmp_path, capsys):
    code, _, err = _cli(capsys, "wafer", "incident", "--cause", "gremlins", "--out", tmp_path / "x")
    assert code == 2 and "there is no cause 'gremlins'" in err
