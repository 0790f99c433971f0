"""Run-to-run control on the drifting twin: paired with the baselines, coverage, wrong signs, false stops. Half an hour.

`python control.py [PART...]` runs all parts or some: baselines, twins, signs, stops.
"""

from common import report  # noqa: I001 sets the environment before NumPy starts

import sys

import control_loops as loops
import numpy as np
from scipy import stats

from actinic.wafer.twin import MISSPECIFIED, VARIANTS, variant

SEEDS, TUNING = range(20), range(1000, 1008)
SKIPPED = 30  # lots at the start, where nobody knows anything
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SIGN_SEEDS, STOP_SEEDS, GAINS = range(2000, 2020), range(2000, 2006), (-0.5, -1.0, -2.0)
OTHERS = [name for name in VARIANTS if "gain" not in VARIANTS[name]]  # whose gain may be set


def main(what: set[str]) -> None:
    for part in (baselines, twins, signs, stops):
        if not what or part.__name__ in what:
            part()


def _spread(errors) -> float:
    return loops.spread(errors[SKIPPED:])


def _tuned(twin, control) -> float:
    """The weight with the least mean spread on the tuning seeds."""
    return min(WEIGHTS, key=lambda w: np.mean([_spread(control(twin, seed, w)) for seed in TUNING]))


def _interval(values) -> list[float]:
    """Mean and the half-width of its 95 % interval (Student's t)."""
    values = np.asarray(values)
    half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return [round(float(values.mean()), 4), round(float(half), 4)]


def baselines() -> None:
    """The figures that the twin's sizes were chosen after: no control, EWMA by tool and by thread, context Kalman."""
    twin = variant("well-specified")
    tool, thread = (_tuned(twin, control) for control in (loops.by_tool, loops.by_thread))
    report(
        "control baselines", seeds=len(SEEDS), weight_tool=tool, weight_thread=thread,
        none=_interval([_spread(loops.Fab(twin, s).disturbance[:, 0]) for s in SEEDS]),
        by_tool=_interval([_spread(loops.by_tool(twin, s, tool)) for s in SEEDS]),
        by_thread=_interval([_spread(loops.by_thread(twin, s, thread)) for s in SEEDS]),
        by_context=_interval([_spread(loops.by_context(twin, s)) for s in SEEDS]),
    )  # fmt: skip


def twins() -> None:
    """Every twin: ours, threaded EWMA (weight tuned on other seeds) and the context Kalman filter on the same seeds."""
    for name in VARIANTS:
        twin = variant(name)
        weight = _tuned(twin, loops.by_thread)
        ours = [loops.run(twin, seed) for seed in SEEDS]
        mine = np.array([_spread(loop.errors) for loop in ours])
        thread = np.array([_spread(loops.by_thread(twin, seed, weight)) for seed in SEEDS])
        context = np.array([_spread(loops.by_context(twin, seed)) for seed in SEEDS])
        to_thread, to_context = _interval(mine / thread), _interval(mine / context)
        covered = [np.mean(loop.covered) for loop in ours]
        report(
            "control twins", twin=name, misspecified=name in MISSPECIFIED, seeds=len(SEEDS), lots=twin.lots,
            weight=weight, ours=_interval(mine), thread=_interval(thread), context=_interval(context),
            to_thread=to_thread, to_thread_upper=round(sum(to_thread), 4), to_thread_worst=float((mine / thread).max()),
            to_context=to_context, coverage=_interval(covered), coverage_range=[min(covered), max(covered)],
            runs_stopped=sum(bool(loop.stops) for loop in ours), lots_held=sum(len(loop.stops) for loop in ours),
        )  # fmt: skip


def signs() -> None:
    """Wrong signs from a cold start: measured lots after the first corrected one was measured, until the loop stops."""
    for gain in GAINS:
        for name in OTHERS:
            twin = variant(name, gain=gain, lots=150)
            lots = [loops.lots_to_stop(twin, seed) for seed in SIGN_SEEDS]
            known = [n for n in lots if n is not None]
            report(
                "control wrong sign", twin=name, gain=gain, runs=len(lots), within_5=sum(n <= 5 for n in known),
                median=float(np.median(known)), most=max(known), never=len(lots) - len(known),
            )  # fmt: skip


def stops() -> None:
    """False stops at right gains: how often the loop begins to stand still, by lots exposed."""
    for gain in (0.5, 1.0, 2.0):
        for name in OTHERS:
            twin = variant(name, gain=gain)
            ours = [loops.run(twin, seed) for seed in STOP_SEEDS]
            begun = sum(sum(n - 1 not in loop.stops for n in loop.stops) for loop in ours)
            lots = twin.lots * len(ours)
            report(
                "control false stops", twin=name, gain=gain, lots=lots, stops=begun,
                for_good=sum(bool(loop.controller.stopped) for loop in ours),
                per_1000=1000 * begun / lots, upper_per_1000=500 * float(stats.chi2.ppf(0.95, 2 * begun + 2)) / lots,
            )  # fmt: skip


if __name__ == "__main__":
    main(set(sys.argv[1:]))
