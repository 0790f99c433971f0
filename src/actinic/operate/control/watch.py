"""How good the forecasts were: intervals that hold, and control charts of the controller's own innovations."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .history import History

WINDOW = 200  # measured lots
IMAGINED = 20  # and so many Gaussian ones, which matter while few are measured
SHEWHART = 3.0
EWMA_WEIGHT, EWMA_LIMIT = 0.2, 2.86  # in-control run length of about 370 (Lucas and Saccucci, Technometrics 32, 1, 1990)


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


def innovations(history: History, term: str, most: int | None = None) -> list[Innovation]:
    """Of the last `most` lots that were planned, exposed and measured, in order of exposure."""
    found = []
    for time, name in reversed(history.order):
        lot, result = history.lots[name], history.standing(name)
        if result is None or not {term} <= lot.planned.keys() & lot.setpoint.keys() & result.values.keys():
            continue
        mean, sigma = lot.planned[term].forecast.at(lot.setpoint[term])
        error = result.values[term] - mean
        found.append(Innovation(name, time, error, error / sigma if sigma else 0.0))
        if most is not None and len(found) == most:
            break
    return found[::-1]


def factor(recent: list[Innovation], coverage: float) -> float:
    """By how many standard deviations an interval reaches out so that it covers the share `coverage` of measurements.

    The quantile of what recent forecasts were off by (conformal prediction: Lei et al., J. Am. Stat. Assoc. 113, 1094,
    2018), so that flyers, heavy tails and variances that were misjudged are all in it.
    """
    imagined = stats.norm.ppf(0.5 + (np.arange(IMAGINED) + 0.5) / (2 * IMAGINED))
    z = np.sort(np.concatenate([np.abs([i.z for i in recent[-WINDOW:]]), imagined]))
    return float(z[min(int(np.ceil(coverage * (z.size + 1))) - 1, z.size - 1)])


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
