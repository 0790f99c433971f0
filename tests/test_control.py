"""Run-to-run control: estimates against second paths, limits, order of arrival, fallbacks, signs, gates."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

import control_loops as loops
from actinic.errors import ConfigError, InputError
from actinic.operate.control import Controller, Gates, Settings, Term
from actinic.operate.control.baselines import ThreadEwma
from actinic.operate.control.blend import Blend
from actinic.operate.control.components import Components, Sample, fit, prior, scale_of
from actinic.operate.control.forecast import Forecast
from actinic.operate.control.kalman import ContextFilter
from actinic.operate.control.plan import bounded, plan
from actinic.operate.control.watch import Innovation, alarms
from actinic.wafer.twin import MISSPECIFIED, Twin, variant

COMPONENTS = Components(np.array([9.0, 4.0, 1.0]), np.array([0.04, 0.0, 0.01]), 0.5)
KNOWN = Forecast(3.0, 1.0, 0.1, 0.0, 0.0, 0.2)
CONTEXT = {"tool": "A", "product": "P"}


def _history(random, n=40):
    """Levels (n, 3), moves and measurements (n,) of additive lots at gain 1.3."""
    levels = [(f"T{random.integers(2)}", f"P{random.integers(4)}") for _ in range(n)]
    levels = [(t, p, f"{t}|{p}") for t, p in levels]
    return levels, random.normal(0, 2, n), random.normal(0, 3, n)


def test_the_filter_is_the_best_linear_prediction():
    """A second path: the joint covariance of all measurements, inverted at once."""
    random = np.random.default_rng(1)
    levels, move, value = _history(random)
    estimate = ContextFilter(("a", "b", "c"), COMPONENTS, 1.0, 0.3, doubting=False)
    ranks = np.cumsum(random.integers(1, 4, len(levels)))
    for row, rank, u, y in zip(levels, ranks, move, value, strict=True):
        estimate.update(row, rank, u, y)
    ahead, at, u = ranks[-1] + 5, ("T0", "P9", "T0|P9"), 1.7
    rows, times, moves = [*levels, at], [*ranks, ahead], np.array([*move, u])
    joint = 0.09 * np.outer(moves, moves) + COMPONENTS.noise * np.eye(len(rows))
    for i, (one, t) in enumerate(zip(rows, times, strict=True)):
        for j, (other, s) in enumerate(zip(rows, times, strict=True)):
            for f in range(3):
                if one[f] == other[f]:
                    # A level begins when it is met first, and walks from there.
                    born = next(x for row, x in zip(rows, times, strict=True) if row[f] == one[f])
                    joint[i, j] += COMPONENTS.spread[f] + COMPONENTS.drift[f] * (min(s, t) - born)
    weights = np.linalg.solve(joint[:-1, :-1], joint[:-1, -1])
    mean, sigma = estimate.forecast(at, ahead).at(u)
    assert mean == pytest.approx(u + weights @ (value - move), abs=1e-9)
    assert sigma**2 == pytest.approx(joint[-1, -1] - weights @ joint[:-1, -1], rel=1e-9)


def test_a_flyer_is_doubted_and_a_step_believed():
    few = Components(np.array([4.0, 4.0]), np.array([1e-4, 1e-4]), 0.04)
    flyer, step = (ContextFilter(("", "tool"), few, 1.0, 0.0) for _ in range(2))
    for rank in range(30):
        for estimate in (flyer, step):
            estimate.update(("all", "A"), rank, 0.0, 1.0)
    for estimate in (flyer, step):
        estimate.update(("all", "A"), 30, 0.0, 9.0)
    assert flyer.forecast(("all", "A"), 31).mean < 4.0, "one measurement convinces nobody"
    flyer.update(("all", "A"), 31, 0.0, 1.0)
    step.update(("all", "A"), 31, 0.0, 9.1)
    assert flyer.forecast(("all", "A"), 32).mean == pytest.approx(1.0, abs=0.1)
    assert step.forecast(("all", "A"), 32).mean == pytest.approx(9.05, abs=0.2)


def test_gain_is_learnt_beside_the_levels():
    random = np.random.default_rng(3)
    estimate = ContextFilter(("",), Components(np.array([9.0]), np.array([1e-4]), 0.01), 1.0, 0.3, doubting=False)
    for rank in range(40):
        move = random.normal(0, 2)
        estimate.update(("all",), rank, move, 5.0 + 1.6 * move + random.normal(0, 0.1))
    told = estimate.forecast(("all",), 40)
    assert told.gain == pytest.approx(1.6, abs=0.05) and told.mean == pytest.approx(5.0, abs=0.1)


def test_components_are_found_among_flyers():
    random = np.random.default_rng(5)
    n = 250
    codes = np.stack([random.integers(0, 6, n), random.integers(0, 10, n)], axis=1)
    walk = np.cumsum(0.3 * random.standard_normal((6, n)), axis=1)
    value = walk[codes[:, 0], np.arange(n)] + (2.0 * random.standard_normal(10))[codes[:, 1]]
    value += 0.5 * random.standard_normal(n) + 15 * random.standard_normal(n) * (random.random(n) < 0.05)
    sample = Sample(codes, np.arange(n, dtype=float), value, np.zeros(n), np.zeros(n))
    found = fit(sample, prior(("tool", "product"), scale_of(value)), 0.0)
    assert np.sqrt(found.noise) == pytest.approx(0.5, rel=0.25)
    assert np.sqrt(found.drift[0]) == pytest.approx(0.3, rel=0.3)
    assert np.sqrt(found.spread[1]) == pytest.approx(2.0, rel=0.5)


def test_ewma_is_its_recursion_and_double_ewma_follows_a_ramp():
    plain = ThreadEwma(0.4)
    for value in (2.0, 4.0, 1.0):
        plain.update(["T"], 0, 0.5, value + 0.5)
    assert plain.forecast(["T"], 0).mean == pytest.approx(0.6 * (0.6 * 2 + 0.4 * 4) + 0.4 * 1.0)
    single, double = ThreadEwma(0.4), ThreadEwma(0.4, 0.3)
    for n in range(200):
        for estimate in (single, double):
            estimate.update(["T"], n, 0.0, 0.1 * n)
    assert double.forecast(["T"], 200).mean == pytest.approx(0.1 * 200, abs=1e-6)
    assert single.forecast(["T"], 200).mean == pytest.approx(0.1 * 199 - 0.1 * 0.6 / 0.4, abs=1e-6), "the known lag"


def test_threads_that_go_their_own_ways_are_left_to_their_means():
    random = np.random.default_rng(8)
    components = Components(np.array([1.0, 1.0, 1e-9]), np.full(3, 1e-9), 0.1)
    blend = Blend(ContextFilter(("", "tool", "*"), components, 1.0, 0.0, doubting=False))
    levels = [("all", "A", "A|P"), ("all", "A", "A|Q")]
    assert blend.weights(levels[0])[0] == 1.0, "a thread never measured has the filter alone"
    for rank in range(80):
        blend.update(levels[rank % 2], rank, 0.0, (-5.0, 5.0)[rank % 2] + random.normal(0, 0.1))
    assert blend.weights(levels[0])[0] < 0.01
    assert blend.forecast(levels[1], 80).mean == pytest.approx(5.0, abs=0.3)


def test_a_correction_is_minus_the_error():
    assert plan(replace(KNOWN, mean=1.0), 0.0, Term()).setpoint == -1.0
    assert plan(replace(KNOWN, gain=2.0), 0.0, Term()).setpoint == -1.5
    assert plan(KNOWN, 0.0, Term(target=1.0)).setpoint == -2.0


@pytest.mark.parametrize(
    ("term", "last", "setpoint", "said"),
    [
        (Term(minimum=-2.0, maximum=2.0), 0.0, -2.0, "stays from -2 to 2"),
        (Term(max_move=0.5), -1.0, -1.5, "moves by 0.5 at most"),
        (Term(deadband=1.0), -2.5, -2.5, "within the deadband of 1"),
        (Term(step=0.4), 0.0, -3.2, "a multiple of 0.4"),
        (Term(step=0.4, minimum=-2.9), 0.0, -2.8, "stays from -2.9 to inf; a multiple of 0.4"),
        (Term(minimum=-2.0, maximum=2.0, max_move=0.5), 5.0, 1.5, "out of the actuator's range"),
    ],
)
def test_limits_hold_and_are_said(term, last, setpoint, said):
    found = plan(KNOWN, last, term)
    assert found.setpoint == pytest.approx(setpoint) and said in "; ".join(found.clamps)
    assert found.wanted == -3.0


def test_a_gain_near_nothing_is_not_divided_by():
    found = plan(replace(KNOWN, gain=0.01), 0.0, Term())
    assert found.setpoint == pytest.approx(-12.0) and "gain 0.01 is taken as 0.25" in found.clamps[0]


@pytest.mark.parametrize("seed", range(6))
def test_a_horizon_is_the_constrained_least_squares(seed):
    random = np.random.default_rng(seed)
    errors, weight = random.normal(0, 3, 5), random.uniform(0, 2)
    term = Term(minimum=-2.0, maximum=1.5, max_move=random.uniform(0.3, 1.0))
    last = random.uniform(-2, 1.5)

    def cost(u):
        return np.sum((errors + 1.3 * u) ** 2) + weight * np.sum(np.diff(u, prepend=last) ** 2)

    limits = [
        {"type": "ineq", "fun": lambda u, sign=sign: term.max_move + sign * np.diff(u, prepend=last)}
        for sign in (1, -1)
    ]
    start, box = np.full(5, last), [(-2.0, 1.5)] * 5
    other = optimize.minimize(cost, start, method="SLSQP", bounds=box, constraints=limits, options={"ftol": 1e-12})
    ours = bounded(errors, 1.3, last, term, weight)
    assert ours.min() > -2 - 1e-9 and ours.max() < 1.5 + 1e-9
    assert np.abs(np.diff(ours, prepend=last)).max() < term.max_move + 1e-9
    assert ours == pytest.approx(other.x, abs=1e-4)


LOTS = [(f"L{n}", float(n), {"tool": "AB"[n % 2], "product": "PQR"[n % 3]}, 0.1 * n) for n in range(10)]
VALUES = np.random.default_rng(4).normal(0, 3, 20)
EVENTS = [("lot", lot) for lot in LOTS]
EVENTS += [("result", (f"L{n}", n + 3.0, VALUES[n], "valid")) for n in range(10) if n != 6]
EVENTS += [("result", ("L3", 9.0, VALUES[15], "valid")), ("result", ("L5", 8.5, VALUES[16], "invalid"))]
EVENTS += [("result", ("L7", 9.0, VALUES[17], "invalid")), ("result", ("L7", 12.0, VALUES[18], "valid"))]


def _told(events):
    controller = Controller()
    for kind, (lot, time, *rest) in events:
        if kind == "lot":
            controller.exposed(lot, {"k1": rest[1]}, time, rest[0])
        else:
            controller.observe(lot, time, {"k1": rest[0]}, status=rest[1])
        assert controller.stopped is not None  # it looks at everything known so far
    return controller


@settings(max_examples=8)
@given(st.permutations(EVENTS))
def test_any_order_of_arrival_gives_the_same_state(events):
    assert _told(events).state() == _told(EVENTS).state()


@settings(max_examples=2)
@given(st.permutations(EVENTS))
def test_events_told_twice_change_nothing(events):
    assert _told([*events, *events]).state() == _told(EVENTS).state()


def test_late_results_far_back_give_what_in_order_gives():
    """Enough lots for restart points and fits to matter."""
    random = np.random.default_rng(2)
    lots = [("lot", (f"L{n:03}", float(n), {"tool": "AB"[n % 2], "product": "PQR"[n % 3]}, 0.0)) for n in range(110)]
    results = [("result", (f"L{n:03}", n + 1.0, random.normal(0, 2), "valid")) for n in range(110)]
    late = [3, 40, 41, 95]
    shuffled = [r for n, r in enumerate(results) if n not in late] + [results[n] for n in late[::-1]]
    assert _told(lots + shuffled).state() == _told(lots + results).state()


def test_an_invalid_lot_is_as_if_never_measured():
    without = [e for e in EVENTS if e[1][0] != "L5" or e[0] == "lot"]
    assert _told(EVENTS).state() == _told(without).state()
    kept = [e for e in EVENTS if e != ("result", ("L5", 8.5, VALUES[16], "invalid"))]
    assert _told(EVENTS).state() != _told(kept).state()


def _measured(settings=None, n=30, level=2.0, noise=0.1, gain=1.0):
    controller, random = Controller(settings), np.random.default_rng(0)
    for i in range(n):
        u = controller.propose(f"L{i}", float(i), CONTEXT).setpoint["k1"]
        controller.observe(f"L{i}", i + 0.5, {"k1": level + gain * u + random.normal(0, noise)})
    return controller


def test_one_ppm_proposes_minus_one():
    proposal = _measured(level=1.0, noise=0.01).propose("next", 30.0, CONTEXT)
    assert proposal.setpoint["k1"] == pytest.approx(-1.0, abs=0.02) and proposal.stage == "closed"
    assert json.loads(json.dumps(proposal.plain()))["terms"]["k1"]["gain"] == pytest.approx(1.0, abs=0.1)


def test_old_metrology_falls_back_to_the_last_good_then_to_the_process_of_record():
    wanted = Settings({"k1": Term(process_of_record=0.25, minimum=-9.0)}, stale_after=10.0)
    controller = _measured(wanted)
    fresh = controller.propose("a", 32.0, CONTEXT).terms["k1"]
    stale = controller.propose("b", 60.0, CONTEXT).terms["k1"]
    new = controller.propose("c", 60.0, {"tool": "A", "product": "new"}).terms["k1"]
    assert fresh.fallback is None
    assert stale.fallback == "last good" and stale.setpoint == pytest.approx(-2.0, abs=0.3) and "old" in stale.why
    assert new.fallback == "process of record" and new.setpoint == 0.25
    assert Controller(wanted).propose("d", 0.0, CONTEXT).terms["k1"].fallback == "process of record"


def test_an_estimate_too_uncertain_is_not_used():
    controller = _measured(Settings(max_sigma=0.2))
    assert controller.propose("a", 31.0, CONTEXT).terms["k1"].fallback is None
    other = controller.propose("b", 31.0, {"tool": "B", "product": "Q"}).terms["k1"]
    assert other.fallback == "process of record" and "known to" in other.why


def test_a_wrong_sign_stops_the_loop_and_only_a_person_starts_it_again():
    controller = _measured(gain=-1.0, n=12)
    assert "wrong sign" in controller.stopped["k1"]
    stopped = controller.propose("a", 12.0, CONTEXT).terms["k1"]
    assert stopped.setpoint == 0.0 and stopped.fallback == "process of record"
    with pytest.raises(ConfigError, match="name of who"):
        controller.rearm(" ", 13.0)
    controller.rearm("Ada", 13.0)
    assert controller.propose("b", 13.0, CONTEXT).terms["k1"].fallback is None


def test_a_wrong_sign_after_a_long_shadow_stops_the_loop():
    """Hundred lots at the process of record, then the loop is closed: levels are known, the sign never was."""
    controller, random = Controller(Settings(stage="shadow", gates=Gates(alarms=1.0))), np.random.default_rng(1)
    for i in range(100):
        controller.propose(f"L{i}", float(i), CONTEXT)
        controller.exposed(f"L{i}", {})
        controller.observe(f"L{i}", i + 0.5, {"k1": 4.0 + random.normal(0, 0.3)})
    controller.promote("Ada", 99.0)
    controller.stage = "closed"
    for i in range(100, 106):
        u = controller.propose(f"L{i}", float(i), CONTEXT).setpoint["k1"]
        controller.observe(f"L{i}", i + 0.5, {"k1": 4.0 - u + random.normal(0, 0.3)})
    assert controller.stopped


def test_a_sign_that_turns_later_stops_the_loop():
    controller, random, since = Controller(), np.random.default_rng(1), None
    for i in range(90):
        u = controller.propose(f"L{i}", float(i), CONTEXT).setpoint["k1"]
        controller.observe(f"L{i}", i + 0.5, {"k1": 4.0 + (1 if i < 60 else -1) * u + random.normal(0, 0.3)})
        if controller.stopped:
            since = i
            break
    assert since is not None and 60 <= since <= 64


@pytest.mark.parametrize("gain", [-1.0, -2.0])
def test_a_wrong_sign_on_the_twin_stops_within_five_measured_lots(gain):
    lots = [loops.lots_to_stop(variant("well-specified", gain=gain, lots=100), seed) for seed in range(4)]
    assert all(n is not None and n <= 5 for n in lots)


@pytest.mark.parametrize("name", ["well-specified", *MISSPECIFIED])
def test_never_worse_than_the_threaded_mean(name):
    twin = variant(name, lots=160)
    loop = loops.run(twin, 7)
    assert loops.spread(loop.errors[30:]) < loops.spread(loops.by_thread(twin, 7, 0.7)[30:])
    assert 0.8 < np.mean(loop.covered) < 0.98


def test_intervals_follow_what_is_measured():
    """Forecasts that are twice too sure: the intervals learn it."""
    random, controller, inside = np.random.default_rng(0), Controller(), []
    for i in range(300):
        size = 0.2 if i < 100 else 1.0
        term = controller.propose(f"L{i}", float(i), CONTEXT).terms["k1"]
        value = term.setpoint + 1.0 + size * random.standard_t(3)
        controller.observe(f"L{i}", i + 0.5, {"k1": value})
        inside.append(term.low <= value <= term.high)
    assert np.mean(inside[20:]) == pytest.approx(0.9, abs=0.03)


def test_shadow_waits_for_what_was_applied_and_promotion_for_its_gates():
    asked = Settings(stage="shadow", gates=Gates(lots=20, alarms=0.2, coverage=(0.7, 1.0)))
    controller, random = Controller(asked), np.random.default_rng(0)
    for i in range(40):
        proposal = controller.propose(f"L{i}", float(i), CONTEXT)
        controller.exposed(f"L{i}", {"k1": -0.5})
        controller.observe(f"L{i}", i + 0.5, {"k1": 2.0 - 0.5 + random.normal(0, 0.2)})
        if i == 5:
            with pytest.raises(ConfigError, match=r"k1: measured lots 6, asked >= 20"):
                controller.promote("Ada", i)
    assert proposal.stage == "shadow" and proposal.setpoint["k1"] == pytest.approx(-2.0, abs=0.2)
    assert {g.name: g.holds for g in controller.gates()}["k1: |mean| + 3 sigma to what was applied, upper 95 %"]
    assert controller.promote("Ada", 40.0) == "advisory"
    with pytest.raises(ConfigError, match="measured lots 0"):
        controller.promote("Ada", 41.0)
    assert controller.demote("shadow", 42.0) == "shadow"


def test_charts_alarm_as_often_as_they_should():
    z = np.random.default_rng(0).standard_normal(40000)
    found = alarms([Innovation(str(n), n, v, v) for n, v in enumerate(z)])
    single = sum(a.chart == "single" for a in found)
    assert single == pytest.approx(40000 * 2 * stats.norm.sf(3), rel=0.25)
    assert 40000 / (len(found) - single) == pytest.approx(370, rel=0.25)
    shifted = [Innovation(str(n), n, v, v + 1.0 * (n > 100)) for n, v in enumerate(z[:160])]
    assert any(a.chart == "shift" for a in alarms(shifted))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.propose("L", float("nan"), CONTEXT), "time must be a number"),
        (lambda c: c.observe("L", 1.0, {"k1": float("nan")}), "must be numbers"),
        (lambda c: c.observe("L", 1.0, {"k1": 1.0}, {"k1": -1.0}), "errors positive"),
        (lambda c: c.observe("L", 1.0, {"k1": 1.0}, status="bad"), 'not "bad"'),
        (lambda c: c.exposed("L", {"k1": 1.0}), "give its time and context"),
        (lambda c: c.exposed("L", {"k9": 1.0}, 0.0, CONTEXT), "k9 is not controlled"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_changes_nothing(call, said):
    controller = _measured(n=8)
    before = controller.state()
    with pytest.raises(InputError, match=said):
        call(controller)
    assert controller.state() == before


def test_gaps_in_the_context_and_in_the_results_are_lived_with():
    controller = _measured()
    for i, context in enumerate(({}, {"tool": None, "product": "P"}, {"tool": "", "product": "Z"}, {"bay": "7"})):
        proposal = controller.propose(f"X{i}", 31.0 + i, context)
        assert np.isfinite(list(proposal.setpoint.values())).all()
        controller.observe(f"X{i}", 31.5 + i, {"k2": 1.0})
        controller.observe(f"X{i}", 31.6 + i, {"k1": 0.1})
    controller.observe("never heard of", 40.0, {"k1": 1.0})
    assert controller.propose("X9", 41.0, CONTEXT).setpoint["k1"] == pytest.approx(-2.0, abs=0.3)


def test_terms_are_controlled_apart():
    both = Controller(Settings({"k1": Term(), "k3": Term(gain=-2.0)}))
    for i in range(20):
        u = both.propose(f"L{i}", float(i), CONTEXT).setpoint
        both.observe(f"L{i}", i + 0.5, {"k1": 1.0 + u["k1"], "k3": 4.0 - 2.0 * u["k3"]})
    assert both.propose("n", 20.0, CONTEXT).setpoint == pytest.approx({"k1": -1.0, "k3": 2.0}, abs=0.05)


def test_maintenance_that_is_told_is_learnt_at_once():
    told, untold = Controller(Settings(gain_sigma=0.0)), Controller(Settings(gain_sigma=0.0))
    random = np.random.default_rng(0)
    for i in range(60):
        noise = random.normal(0, 0.3)
        for c in (told, untold):
            u = c.propose(f"L{i}", float(i), CONTEXT).setpoint["k1"]
            c.observe(f"L{i}", i + 0.5, {"k1": 2.0 + u + noise})
    for c, upset in ((told, ("tool",)), (untold, ())):
        u = c.propose("after", 60.0, CONTEXT, upset).setpoint["k1"]
        c.observe("after", 60.5, {"k1": 3.2 + u})
    first, second = (c.propose("next", 61.0, CONTEXT).setpoint["k1"] for c in (told, untold))
    assert abs(first + 3.2) < 0.5 * abs(second + 3.2)


@pytest.mark.parametrize("kind", ["ewma", "double-ewma"])
def test_baselines_run_in_the_same_controller(kind):
    controller = _measured(Settings(kind=kind))
    assert controller.propose("n", 30.0, CONTEXT).setpoint["k1"] == pytest.approx(-2.0, abs=0.2)
    assert controller.state()["k1"]["threads"]


def test_a_dull_twin_is_no_trouble():
    """Nothing moves and nothing is noisy: variances of zero."""
    twin = Twin(lots=60, tool_nm=0, tool_drift_nm=0, product_nm=0, lot_nm=0, noise_nm=0, maintenance=0)
    loop = loops.run(twin, 0)
    assert loops.spread(loop.errors) < 1e-6 and not loop.stops
