"""What must hold before a controller goes from replay to shadow, to advice, to closed loop."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .history import History
from .settings import Settings
from .watch import Watch, alarms

RESAMPLES, SEED = 1000, 0


@dataclass(frozen=True)
class Gate:
    """One condition: what was asked, what was measured, whether it holds."""

    name: str
    asked: str
    measured: str
    holds: bool


def spread(errors: np.ndarray, axis: int = -1) -> np.ndarray:
    """|mean| + 3 standard deviations, nm."""
    return np.abs(errors.mean(axis=axis)) + 3 * errors.std(axis=axis)


def gates(
    history: History, watches: Mapping[str, Watch], settings: Settings, since: float, stopped: bool
) -> list[Gate]:
    """The gates of every term, on the last lots asked for of those exposed since a time."""
    asked = settings.gates
    found = [Gate("sign of the gain", "not stopped", "stopped" if stopped else "not stopped", not stopped)]
    for term in settings.terms:
        watch = watches[term]
        every = watch.innovations
        here = [n for n, i in enumerate(every) if i.time >= since]
        enough = len(here) >= asked.lots
        found.append(Gate(f"{term}: measured lots", f">= {asked.lots}", str(len(here)), enough))
        if not enough:
            continue
        last = here[-asked.lots :]  # the first lots of all, when nothing was known, say nothing of what is to come
        names = [every[n].lot for n in last]
        low, high = asked.coverage
        inside = [abs(every[n].z) <= watch.factor(n) for n in last]
        covered = float(np.mean(inside))
        name = f"{term}: {settings.coverage:.0%} intervals cover"
        found.append(Gate(name, f"{low:.0%} to {high:.0%}", f"{covered:.1%}", low <= covered <= high))
        ratio = _worst_ratio(history, settings, term, names)
        name = f"{term}: |mean| + 3 sigma to what was applied, upper 95 %"
        found.append(Gate(name, f"<= {asked.worst_ratio:g}", f"{ratio:.3f}", ratio <= asked.worst_ratio))
        share = len({a.lot for a in alarms(every)} & set(names)) / len(names)
        found.append(
            Gate(f"{term}: lots with an alarm", f"<= {asked.alarms:.0%}", f"{share:.1%}", share <= asked.alarms)
        )
    return found


def would_be(history: History, settings: Settings, term: str, lots: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Measured errors (n,) as exposed, and as they would have been at the set-points proposed, nm.

    The difference of the set-points counts with the gain as forecast, the measurement else as it is.
    """
    goal, was, would = settings.terms[term].target, [], []
    for name in lots:
        lot, result = history.lots[name], history.standing(name)
        assert result is not None
        planned = lot.planned[term]
        was.append(result.values[term] - goal)
        would.append(was[-1] + planned.forecast.gain * (planned.setpoint - lot.setpoint[term]))
    return np.array(was), np.array(would)


def _worst_ratio(history: History, settings: Settings, term: str, lots: list[str]) -> float:
    """Upper 95 % bound of proposed to applied, by resampling lots."""
    was, would = would_be(history, settings, term, lots)
    draws = np.random.default_rng(SEED).integers(0, was.size, (RESAMPLES, was.size))
    return float(np.quantile(spread(would[draws]) / np.maximum(spread(was[draws]), 1e-12), 0.95))
