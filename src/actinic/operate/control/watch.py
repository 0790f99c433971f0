"""How good the forecasts were: intervals that hold, and control charts of the controller's own innovations."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .history import History

WINDOW = 100  # measured lots
IMAGINED = 20  # and so many Gaussian ones, which matter while few are measured
RATE = 0.02  # by which a miss, or the want of one, moves the level of the quantile
LEVELS = 0.5, 0.995
CHARTED = 400
SHEWHART = 3.0
EWMA_WEIGHT, EWMA_LIMIT = (
    0.2,
    2.86,
)  # in-control run length of about 370 (Lucas and Saccucci, Technometrics 32, 1, 1990)


_GAUSSIAN = stats.norm.ppf(0.5 + (np.arange(IMAGINED) + 0.5) / (2 * IMAGINED))


@dataclass(frozen=True)
class Innovation:
    """A lot measured after it was planned: error of the forecast in nm, and in its own standard deviations."""

    lot: str
    time: float
    error: float
    z: float


@dataclass(frozen=True)
class Alarm:
    """A point out of control: the lot, which chart, its value and limit in standard deviations."""

    lot: str
    chart: str
    value: float
    limit: float


class Watch:
    """The innovations of one term in order of exposure, kept up as lots are told and measured in any order."""

    def __init__(self, term: str, coverage: float):
        self.term, self.coverage = term, coverage
        self.innovations: list[Innovation] = []
        self._known: set[str] = set()
        self._levels = [coverage]  # of the quantile, before each innovation

    def update(self, history: History, name: str) -> None:
        """Look again at a lot of which something new was told."""
        old = next((n for n, i in enumerate(self.innovations) if i.lot == name), None) if name in self._known else None
        if old is not None:
            del self.innovations[old]
            self._known.discard(name)
            del self._levels[old + 1 :]
        lot, result = history.lots.get(name), history.standing(name)
        if lot is None or result is None:
            return
        if not {self.term} <= lot.planned.keys() & lot.setpoint.keys() & result.values.keys():
            return
        mean, sigma = lot.planned[self.term].forecast.at(lot.setpoint[self.term])
        error = result.values[self.term] - mean
        place = bisect_right(self.innovations, (lot.time, name), key=lambda i: (i.time, i.lot))
        self.innovations.insert(place, Innovation(name, lot.time, error, error / sigma if sigma else 0.0))
        self._known.add(name)
        del self._levels[place + 1 :]

    def factor(self, count: int | None = None) -> float:
        """By how many standard deviations an interval reaches out to cover its share of measurements, flyers included.

        The quantile of what the forecasts of the last lots were off by (conformal prediction: Lei et al., J. Am. Stat.
        Assoc. 113, 1094, 2018), whose level follows the misses so far (Gibbs and Candes, NeurIPS 2021), so that heavy
        tails and misjudged variances are in it. With `count` as it was after so many innovations.
        """
        n = len(self.innovations) if count is None else count
        while len(self._levels) <= n:
            at = len(self._levels) - 1
            missed = abs(self.innovations[at].z) > self._quantile(at)
            level = self._levels[at] + RATE * (missed - 1 + self.coverage)
            self._levels.append(min(max(level, LEVELS[0]), LEVELS[1]))
        return self._quantile(n)

    def _quantile(self, n: int) -> float:
        z = np.array([abs(i.z) for i in self.innovations[max(0, n - WINDOW) : n]])
        z = np.sort(np.concatenate([z, _GAUSSIAN]))
        return float(z[min(int(np.ceil(self._levels[n] * (z.size + 1))) - 1, z.size - 1)])

    def alarms(self) -> list[Alarm]:
        """Points out of control among the last lots."""
        return alarms(self.innovations[-CHARTED:])


def alarms(recent: list[Innovation]) -> list[Alarm]:
    """Points outside the limits of a Shewhart chart (single lots) and an EWMA chart (shifts that last).

    Innovations are scaled by the middle of their own spread, so that a chart shows change, not a misjudged variance.
    """
    if len(recent) < IMAGINED:
        return []
    z = np.array([i.z for i in recent])
    z = z / max(float(np.median(np.abs(z))) / stats.norm.ppf(0.75), 1e-12)
    found, mean, weight = [], 0.0, EWMA_WEIGHT
    for n, (one, value) in enumerate(zip(recent, z.tolist(), strict=True), 1):
        mean += weight * (value - mean)
        sigma = np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * n)))
        if abs(value) > SHEWHART:
            found.append(Alarm(one.lot, "single", value, SHEWHART))
        if abs(mean) > EWMA_LIMIT * sigma:
            found.append(Alarm(one.lot, "shift", mean / sigma, EWMA_LIMIT))
            mean = 0.0  # one shift, one alarm
    return found
