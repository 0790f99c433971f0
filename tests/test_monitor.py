"""Monitoring: run lengths against published tables and simulation, limits after re-centring, traces and tables."""

import numpy as np
import pytest
from scipy import stats

from actinic.errors import ConfigError, InputError
from actinic.operate.monitor import (
    Baseline,
    Chart,
    Settings,
    carried_scale,
    designed,
    read_table,
    read_traces,
    resembling,
    suspects,
    trace_features,
    watch,
)
from actinic.operate.monitor.features import resolution
from actinic.operate.monitor.resemble import kind

SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


def test_shewhart_run_lengths_are_the_textbook_s():
    chart = Chart("shewhart", 3.0)
    assert np.allclose([chart.arl(s) for s in (0, 0.5, 1, 2, 3)], [370.4, 155.2, 43.9, 6.3, 2.0], rtol=0.006)


@pytest.mark.parametrize(
    ("limit", "weight", "published"),  # Lucas and Saccucci 1990, as in Montgomery's table 9.11
    [
        (3.054, 0.40, (500, 224, 71.2, 28.4, 14.3, 5.9, 3.5, 2.5, 2.0, 1.4)),
        (2.962, 0.20, (500, 150, 41.8, 18.2, 10.5, 5.5, 3.7, 2.9, 2.4, 1.9)),
        (2.615, 0.05, (500, 84.1, 28.8, 16.4, 11.4, 7.1, 5.2, 4.2, 3.5, 2.7)),
    ],
)
def test_ewma_run_lengths_are_those_of_lucas_and_saccucci(limit, weight, published):
    chart = Chart("ewma", limit, weight=weight)
    found = [chart.arl(s) for s in SHIFTS]
    assert np.all(np.abs(found - np.array(published)) < 0.051 + 0.002 * np.array(published))


@pytest.mark.parametrize(
    ("limit", "published"),  # Montgomery's table 9.3, k = 1/2
    [
        (4.0, (168, 74.2, 26.6, 13.3, 8.38, 4.75, 3.34, 2.62, 2.19, 1.71)),
        (5.0, (465, 139, 38.0, 17.0, 10.4, 5.75, 4.01, 3.11, 2.57, 2.01)),
    ],
)
def test_cusum_run_lengths_are_the_textbook_s(limit, published):
    chart = Chart("cusum", limit)
    assert np.allclose([chart.arl(s) for s in SHIFTS], published, rtol=0.004)


def _lengths(chart: Chart, points: np.ndarray) -> np.ndarray:
    """Points until the first alarm in each column of (points, columns)."""
    state, length = chart.start(points.shape[1]), np.full(points.shape[1], len(points))
    for n, row in enumerate(points):
        state = chart.step(state, row)
        length = np.where((np.abs(chart.plotted(state)) > chart.limit) & (length == len(points)), n + 1, length)
    return length


@pytest.mark.parametrize("kind", ["shewhart", "ewma", "cusum"])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_charts_run_as_long_as_theory_says(kind, shift):
    chart = designed(kind, 60.0)
    assert chart.arl() == pytest.approx(60.0, rel=1e-6)
    lengths = _lengths(chart, np.random.default_rng(3).standard_normal((900, 12000)) + shift)
    assert lengths.mean() == pytest.approx(chart.arl(shift), rel=0.03)


def test_many_variables_share_the_false_alarms():
    points = np.random.default_rng(4).standard_normal((40000, 20))
    outside = (np.abs(points) > designed("shewhart", 100.0, 20).limit).any(1).mean()
    assert outside == pytest.approx(0.01, rel=0.12)


@pytest.mark.parametrize("change", [{"kind": "x"}, {"arl": 1.0}, {"arl": 1e8}, {"weight": 0.0}, {"reference": 9.0}])
def test_a_chart_that_cannot_be_is_refused(change):
    with pytest.raises(ConfigError):
        designed(**({"kind": "cusum", "arl": 370.0, "variables": 114} | change))


def test_scores_are_standard_normal_from_the_first_wafer_after_recentring():
    # Nothing is known of mean and scale but three wafers: the scores of what comes next are exactly normal.
    random = np.random.default_rng(5)
    wafers = 7.0 + 3.0 * random.standard_normal((9, 60000))
    base = Baseline(wafers[:3])
    for wafer in wafers[3:]:
        z = base.score(wafer)
        assert stats.kstest(z, "norm").pvalue > 1e-3
        base.take(wafer)


def test_a_mean_that_forgets_keeps_its_own_uncertainty():
    random = np.random.default_rng(6)
    wafers = random.standard_normal((40, 40000))
    base = Baseline(wafers[:3], np.ones(40000), 1e9, memory=5.0)
    for wafer in wafers[3:-1]:
        base.take(wafer)
    assert np.var(wafers[-1] - base.mean) == pytest.approx(1 + base.spread[0], rel=0.02)
    assert np.std(base.score(wafers[-1])) == pytest.approx(1.0, rel=0.02)


def test_a_scale_carried_over_gives_way_to_the_regime_s_own():
    random = np.random.default_rng(7)
    wafers = 5.0 * random.standard_normal((60, 4000))
    base = Baseline(wafers[:3], np.ones(4000), 4.0)
    early = np.std(base.score(wafers[3]))
    for wafer in wafers[4:-1]:
        base.take(wafer)
    late = np.std(base.score(wafers[-1]))
    assert early > 1.15 and late == pytest.approx(1.0, abs=0.07)


def test_drift_widens_the_scale_that_is_carried_over():
    random = np.random.default_rng(8)
    steady = random.standard_normal((60, 300))
    drifting = steady + np.cumsum(0.5 * random.standard_normal((60, 300)), axis=0)
    of = [carried_scale(w, 3, 10.0, np.zeros(300)).mean() for w in (steady, drifting)]
    assert of[0] == pytest.approx(1.0, rel=0.05) and of[1] > 1.4


def test_digits_are_found_and_limit_what_is_known():
    random = np.random.default_rng(9)
    fine = random.standard_normal((5000, 2))
    found = resolution(np.column_stack([fine[:, 0], np.round(20 * fine[:, 1]) / 4]))
    assert found[1] == 0.25 and found[0] < 0.01


def _archive(path, *, faults=(), regimes=("a", "b"), wafers=14, offset=0.0, drop=None):
    """Two regimes of three sensors in two steps; a fault moves sensor `s1` of a wafer by six of its own sigma."""
    random = np.random.default_rng(10)
    arrays = {"variables": np.array(["Time", "Step", "s0", "s1", "s2"])}
    for r, regime in enumerate(regimes):
        for n in range(1, wafers + 1):
            name, step = f"{regime}{n:02d}", np.repeat([1.0, 2.0], 30)
            level = np.array([10.0, 20.0, 30.0]) + offset * r + 0.1 * random.standard_normal(3)
            values = level + 0.3 * random.standard_normal((60, 3))
            if name in faults:
                values[:, 1] += 1.5
            rows = np.column_stack([np.arange(60.0), step, values])
            arrays[("fault_" if name in faults else "normal_") + name] = rows[:4] if name == drop else rows
    np.savez(path, **arrays)
    return path


def test_a_fault_is_found_after_a_change_of_regime_and_its_sensor_named(tmp_path):
    traces = read_traces(_archive(tmp_path / "t.npz", faults=("b09",), offset=40.0))
    features = trace_features(traces, [n for n, r in enumerate(traces.regimes) if r == "a"])
    findings, _, _ = watch(features, ["b"], ["a"])
    assert [one.wafer for one in findings if one.status == "alarm"] == ["b09"]
    assert next(one for one in findings if one.wafer == "b09").sensors[0][0] == "s1"
    assert [one.wafer for one in findings if one.status == "baseline"] == ["b01", "b02", "b03"]


def test_a_fault_is_named_by_the_one_it_resembles(tmp_path):
    random = np.random.default_rng(12)
    up, side = np.zeros(40), np.zeros(40)
    up[[3, 7, 9]], side[[20, 21]] = (5.0, -4.0, 2.0), (6.0, 3.0)
    known = [("flow", up), ("power", side), ("flow", up + random.standard_normal(40))]
    assert resembling(-0.7 * up + random.standard_normal(40), known)[0][0] == "flow"  # the other way round, and weaker
    assert resembling(side * np.where(np.arange(40) == 21, np.nan, 1), known)[0][0] == "power"
    assert kind("TCP +50") == "TCP" and kind("He Chuck") == "He Chuck" and kind("Pr -2.5 %") == "Pr"
    sensors = (("tuner", 9.0, ""), ("valve", 5.0, ""), ("load", 4.5, ""))
    assert suspects([("flow", 0.6)], sensors) == ["flow", "tuner", "valve"]
    assert suspects([("flow", 0.1)], sensors) == ["tuner", "valve", "load"]


def test_a_label_changes_no_score(tmp_path):
    first, second = (read_traces(_archive(tmp_path / f"{k}.npz", faults=("b09",))) for k in range(2))
    hidden = tuple("normal" for _ in second.labels)
    other = type(second)(*(hidden if n == "labels" else getattr(second, n) for n in second.__dataclass_fields__))
    found = [watch(trace_features(t, range(14)), ["b"], ["a"])[0] for t in (first, other)]
    assert [one.worst for one in found[0]] == pytest.approx([one.worst for one in found[1]], nan_ok=True)


def test_a_broken_off_recording_is_told_and_teaches_nothing(tmp_path):
    traces = read_traces(_archive(tmp_path / "t.npz", drop="b08"))
    features = trace_features(traces, range(14))
    findings, _, _ = watch(features, ["b"], ["a"])
    broken = next(one for one in findings if one.wafer == "b08")
    assert broken.status == "incomplete" and "step 1 has 4 samples of about 30" in broken.missing


def test_a_lasting_shift_is_found_by_a_sum_and_not_by_single_wafers(tmp_path):
    random = np.random.default_rng(11)
    values = random.standard_normal((120, 1))
    values[60:] += 1.2
    rows = "\n".join(f"w{n},{v[0]:.6f}" for n, v in enumerate(values))
    (tmp_path / "t.csv").write_text(f"wafer,flow\n{rows}\n")
    table = read_table(tmp_path / "t.csv")
    settings = [Settings(chart=kind, memory=np.inf, recentre=30) for kind in ("shewhart", "cusum")]
    single, summed = ([f.wafer for f in watch(table, [""], [], s)[0] if f.status == "alarm"] for s in settings)
    assert not single and summed and 60 < int(summed[0][1:]) < 85


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"normal_a01": np.zeros((9, 2))}, "variables"),
        ({"variables": np.array(["x", "y"])}, "no traces"),
        ({"variables": np.array(["x", "y"]), "normal_a01": np.zeros((9, 3))}, "normal_a01"),
        ({"variables": np.array(["x"]), "normal_a01": np.zeros((9, 1)), "fault_a01": np.zeros((9, 1))}, "twice"),
        ({"variables": np.array(["x"]), "normal_a01": np.array([[None]])}, "plain arrays"),
    ],
)
def test_bad_archives_are_told_in_one_line(tmp_path, arrays, said):
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **arrays)
    with pytest.raises(InputError, match=said) as error:
        read_traces(tmp_path / "bad.npz")
    assert "\n" not in str(error.value)


def test_bad_tables_are_told_in_one_line(tmp_path):
    for text, said in (
        ("a,b\n1,2\n", "wafer"),
        ("wafer,x\nw1,high\n", "line 2: x 'high' is not a number"),
        ("wafer\nw1\n", "no v"),
    ):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(InputError, match=said):
            read_table(tmp_path / "t.csv")


def test_a_regime_too_short_to_recentre_on_is_refused(tmp_path):
    traces = read_traces(_archive(tmp_path / "t.npz", wafers=2))
    with pytest.raises(InputError, match="regime b: 2 whole wafers"):
        watch(trace_features(traces, range(2)), ["b"], ["a"])
