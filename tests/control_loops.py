"""Closed loops of controllers and twins, for tests and benchmarks, by the public doors of both."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from actinic.operate.control import Controller, Settings
from actinic.operate.control.baselines import ThreadEwma
from actinic.operate.control.components import Components
from actinic.operate.control.kalman import ContextFilter
from actinic.wafer.twin import Fab, Twin


def spread(errors: np.ndarray) -> float:
    """|mean| + 3 sigma."""
    return float(abs(errors.mean()) + 3 * errors.std())


@dataclass
class Loop:
    """What a controller made of a fab: true errors (lot,), and for its measured lots whether the interval held."""

    errors: np.ndarray
    covered: list[bool]
    stops: list[int]  # lots before which the loop stood still
    controller: Controller


def run(twin: Twin, seed: int, settings: Settings | None = None) -> Loop:
    """The controller in closed loop; it sees contexts, hours and results only."""
    fab, controller = Fab(twin, seed), Controller(settings)
    intervals, covered, stops = {}, {}, []
    for lot in fab.lots:
        for result in fab.arrived(lot.n):
            controller.observe(result.lot, result.hour, result.values, status=result.status)
            low, high = intervals[result.lot]
            covered[result.lot] = low <= result.values["k1"] <= high
        if controller.stopped:
            stops.append(lot.n)
        proposal = controller.propose(lot.lot, lot.hour, lot.context)
        intervals[lot.lot] = proposal.terms["k1"].low, proposal.terms["k1"].high
        fab.expose(lot.n, proposal.setpoint)
    return Loop(fab.truth()[:, 0], list(covered.values()), stops, controller)


def lots_to_stop(twin: Twin, seed: int) -> int | None:
    """Measured lots after the first corrected one was measured, until the loop stops; None if it does not."""
    fab, controller, first, seen = Fab(twin, seed), Controller(), None, set()
    for lot in fab.lots:
        for result in fab.arrived(lot.n):
            controller.observe(result.lot, result.hour, result.values, status=result.status)
            seen.add(result.lot)
            if first is None and fab.applied[int(result.lot[1:]), 0] != 0:
                first = len(seen)
            if controller.stopped and first is not None:
                return len(seen) - first
        fab.expose(lot.n, controller.propose(lot.lot, lot.hour, lot.context).setpoint)
    return None


Levels = Callable[[dict[str, str]], list[str | None]]


def baseline(twin: Twin, seed: int, estimate, levels: Levels) -> np.ndarray:
    """True errors (lot,) under an estimate that takes each result as it arrives and believes in gain 1."""
    fab = Fab(twin, seed)
    for lot in fab.lots:
        for result in fab.arrived(lot.n):
            n = int(result.lot[1:])
            if result.status == "valid":
                where = levels(fab.lots[n].context)
                estimate.update(where, n, fab.applied[n, 0], result.values["k1"])
        fab.expose(lot.n, {"k1": -estimate.forecast(levels(lot.context), lot.n).mean})
    return fab.truth()[:, 0]


def by_thread(twin: Twin, seed: int, weight: float) -> np.ndarray:
    return baseline(twin, seed, ThreadEwma(weight), lambda c: ["|".join(c.values())])


def by_tool(twin: Twin, seed: int, weight: float) -> np.ndarray:
    return baseline(twin, seed, ThreadEwma(weight), lambda c: [c["tool"]])


def by_context(twin: Twin, seed: int) -> np.ndarray:
    """The context Kalman filter with tool and product states, told the twin's own parameters."""
    own = Components(
        np.array([twin.tool_nm**2, twin.product_nm**2]),
        np.array([twin.tool_drift_nm**2, twin.product_drift_nm**2]),
        twin.lot_nm**2 + twin.noise_nm**2,
    )
    estimate = ContextFilter(("tool", "product"), own, 1.0, 0.0, doubting=False)
    return baseline(twin, seed, estimate, lambda c: [c["tool"] or None, c["product"] or None])
