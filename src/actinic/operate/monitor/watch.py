"""Wafers watched one by one: re-centred where the machine was touched, scored, charted, and learnt from if in order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, InputError
from .baseline import Baseline, carried_scale
from .charts import Chart, designed
from .features import Features

NORMAL = "normal"


@dataclass(frozen=True)
class Settings:
    """How to watch: the chart, wafers wanted between false alarms, wafers to re-centre on, and what is carried over.

    `carried` is what the scale of other regimes is worth, in degrees of freedom: with 4 the new scale is taken to be
    0.65 to 2.4 times the old one (90 %). `memory` in wafers lets the mean go along with drift.
    """

    chart: str = "shewhart"
    arl: float = 370.0
    recentre: int = 3
    carried: float = 4.0
    memory: float = 10.0
    weight: float = 0.2
    reference: float = 0.5

    def __post_init__(self):
        least_of = {"recentre": 2, "carried": 0, "memory": 2}
        for name, least in least_of.items():
            value = getattr(self, name)
            if not value >= least:
                raise ConfigError(f"{name} = {value:g}: take {least} or more")


@dataclass(frozen=True)
class Finding:
    """What was found of one wafer: `status` is ok, alarm, incomplete (something is missing in it) or baseline.

    `worst` is the largest plotted value, `sensors` the contributions, largest first: (sensor, plotted value, feature).
    """

    wafer: str
    regime: str
    label: str
    status: str
    worst: float
    sensors: tuple[tuple[str, float, str], ...]
    missing: str


def watch(
    features: Features, regimes: Sequence[str], others: Sequence[str], settings: Settings | None = None
) -> tuple[list[Finding], Chart, np.ndarray]:
    """Watch the wafers of each of `regimes` in order; the wafers of `others` not labelled as faults tell the scale.

    Each regime is re-centred on its first wafers known as normal (of which nothing is known, if none is so labelled).
    Labels beyond those are not used. Gives the findings, the chart, and what was plotted (wafers, variables), in that
    order. InputError where a regime is too short.
    """
    settings = settings or Settings()
    variables = features.table.shape[1]
    chart = designed(settings.chart, settings.arl, variables, settings.weight, settings.reference)
    scale = _scale(features, others, settings)
    findings, plotted = [], []
    for regime in regimes:
        rows = features.rows([regime])
        centre = _centre(features, rows, settings.recentre, regime)
        carried = settings.carried if scale is not None else 0.0
        base = Baseline(features.table[centre], scale, carried, settings.memory)
        state = chart.start(variables)
        findings += [_finding(features, n, "baseline", np.full(variables, np.nan)) for n in centre]
        plotted += [np.full(variables, np.nan)] * len(centre)
        for n in rows:
            if n in centre:
                continue
            wafer = features.table[n]
            state = chart.step(state, base.score(wafer))
            now = chart.plotted(state)
            worst = np.nanmax(np.abs(now), initial=0.0)
            status = "alarm" if worst > chart.limit else "incomplete" if features.missing[n] else "ok"
            if status == "ok":
                base.take(wafer)
            findings.append(_finding(features, n, status, now))
            plotted.append(now)
    return findings, chart, np.array(plotted)


def _centre(features: Features, rows: np.ndarray, wanted: int, regime: str) -> list[int]:
    known = [n for n in rows if features.labels[n] == NORMAL] or [n for n in rows if not features.labels[n]]
    whole = [int(n) for n in known if not features.missing[n]][:wanted]
    if len(whole) < wanted:
        raise InputError(
            f"regime {regime}: {len(whole)} whole wafers that may be normal, and {wanted} are needed to re-centre on"
        )
    return whole


def _scale(features: Features, others: Sequence[str], settings: Settings) -> np.ndarray | None:
    """Over all other regimes together; None where there is none long enough."""
    found = []
    for regime in others:
        normal = [n for n in features.rows([regime]) if features.labels[n] in ("", NORMAL) and not features.missing[n]]
        if len(normal) > settings.recentre:
            wafers = features.table[normal]
            found.append(carried_scale(wafers, settings.recentre, settings.memory, features.least))
    return np.sqrt(np.mean(np.square(found), axis=0)) if found else None


def _finding(features: Features, n: int, status: str, now: np.ndarray) -> Finding:
    """With the sensors by the largest of their features."""
    seen: dict[str, tuple[str, float, str]] = {}
    for k in np.argsort(-np.abs(np.nan_to_num(now)), kind="stable"):
        if np.isfinite(now[k]):
            seen.setdefault(features.sensors[k], (features.sensors[k], float(now[k]), features.names[k]))
    worst = max((abs(value) for _, value, _ in seen.values()), default=float("nan"))
    return Finding(
        features.wafers[n], features.regimes[n], features.labels[n], status, worst, tuple(seen.values()),
        features.missing[n],
    )  # fmt: skip
