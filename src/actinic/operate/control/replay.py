"""A history lot by lot, each decided with what was known then; and the lots that are still to come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .controller import Controller, Proposal
from .files import LotRow, together
from .gates import spread, would_be
from .history import Result
from .settings import Settings


@dataclass(frozen=True)
class Replay:
    """The controller at the end, and a proposal for every lot; `coming` are those not exposed yet."""

    controller: Controller
    proposals: list[Proposal]
    coming: list[str]


def replay(
    lots: Sequence[LotRow], results: Sequence[Result], settings: Settings, rearmed: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Replay:  # fmt: skip
    """Propose for each lot with the results that had come by its time; what was applied is what the lots say."""
    controller = Controller(replace(settings, stage="shadow"))
    waiting, proposals, coming = list(reversed(together(list(results)))), [], []
    known = [lot for lot in lots if lot.setpoint]
    for done, lot in enumerate([*known, *(lot for lot in lots if not lot.setpoint)]):
        while waiting and (waiting[-1].time <= lot.time or not lot.setpoint):
            _observe(controller, waiting.pop())
        if rearmed is not None and lot.time >= rearmed:
            controller.rearm("as the ledger says", rearmed)
            rearmed = None
        proposals.append(controller.propose(lot.lot, lot.time, lot.context, lot.upset))
        if lot.setpoint:
            mine = {k: v for k, v in lot.setpoint.items() if k in settings.terms}
            controller.exposed(lot.lot, mine)
        else:
            coming.append(lot.lot)
        progress(done + 1, len(lots))
    while waiting:
        _observe(controller, waiting.pop())
    return Replay(controller, proposals, coming)


def _observe(controller: Controller, result: Result) -> None:
    controller.observe(result.lot, result.time, result.values, result.sigma, result.status)


def before_after(found: Replay, term: str, skipped: int = 0) -> dict | None:
    """What lots measured as exposed and what they would have at the set-points proposed, of all but the first measured.

    None where fewer than three are left. Only what was measured counts, noise and flyers included.
    """
    controller = found.controller
    measured = controller.watches[term].innovations[skipped:]
    if len(measured) < 3:
        return None
    names = [one.lot for one in measured]
    was, would = would_be(controller.history, controller.settings, term, names)
    watch = controller.watches[term]
    inside = [abs(one.z) <= watch.factor(n) for n, one in enumerate(watch.innovations)][skipped:]
    return {
        "lots": names,
        "time": [one.time for one in measured],
        "was": was,
        "would": would,
        "z": [one.z for one in measured],
        "was_3sigma": float(spread(was)),
        "would_3sigma": float(spread(would)),
        "covered": float(np.mean(inside)),
        "alarms": controller.alarms(term),
    }
