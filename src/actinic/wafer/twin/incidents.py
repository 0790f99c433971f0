"""Incidents with the truth known: a part fails, other parts follow, each writes its log by its own clock, wafers tell.

A seed is a machine: which part sets off which, after how long, what its alarms are called, whose failure raises which
alarm first, how chatty each part is. All of that is drawn here and told to nobody; the sizes are invented.
"""

from dataclasses import dataclass, field

import numpy as np

from ..exposure import ExposureMap
from ..faults import (
    BOSSUNG,
    CAUSES,
    FOCUS,
    LEAVES,
    NOISE_NM,
    OVERLAY,
    PARTS,
    WIDTH,
    Cause,
    Residuals,
    leaves_of,
    shapes,
)
from ..terms import Places

LENGTH_S, WAFER_S, MAP_WAFERS, LOT_S = 21600.0, 120.0, 10, 900.0
POINTS, CHUCKS = 60, ("1", "2")
HUBS = 7  # alarms that causes raise first, each of them shared by five or more
WARNING, ALARM, INFO, BROADCAST = "warning", "alarm", "info", "LOT"
FOLLOWERS = 4.5  # at most, of each part
DRIFT = 0.15  # of each leaf from wafer to wafer, in units of its map's noise
INNOVATION = 0.35  # noise of an innovation, likewise


@dataclass(frozen=True)
class Event:
    """A line of a log: `time_s` by the clock of its source, `truly_s` as it was."""

    time_s: float
    source: str
    severity: str
    code: str
    text: str
    truly_s: float


@dataclass(frozen=True)
class Incident:
    """What a diagnosis is given, and the truth. `innovations` (wafer, leaf) at `wafer_s`; `onset_s` of the effect."""

    events: tuple[Event, ...]
    maps: Residuals
    wafer_s: np.ndarray
    innovations: np.ndarray
    cause: Cause
    known: bool
    began_s: float
    onset_s: float
    skew_s: dict[str, float] = field(repr=False, default_factory=dict)


class Machine:
    """One machine: its causal graph, its clocks' quality and its habits. `incident` makes something fail on it."""

    def __init__(self, seed: int):
        random = np.random.default_rng([seed, 7001])
        order = random.permutation(len(PARTS))
        self.seed = seed
        # Who sets off whom (only parts later in the order, so that nothing sets off itself), and after how long.
        self.follows = {
            PARTS[a]: [(PARTS[b], float(30 + random.lognormal(np.log(200.0), 0.5))) for b in order[n + 1 :]
                       if random.random() < FOLLOWERS / len(PARTS)]
            for n, a in enumerate(order)
        }  # fmt: skip
        self.chatter = dict(zip(PARTS, random.lognormal(np.log(1 / 900.0), 0.8, len(PARTS)), strict=True))
        self.codes = {p: [f"{c:04d}" for c in random.integers(1000, 9999, 4)] for p in PARTS}
        hubs = [(PARTS[int(p)], f"A{random.integers(100, 999)}") for p in random.permutation(len(PARTS))[:HUBS]]
        shared = np.tile(np.arange(HUBS), len(CAUSES) // HUBS + 1)[: len(CAUSES)]
        self.first_alarm = {c.name: hubs[h] for c, h in zip(CAUSES, random.permutation(shared), strict=True)}
        self.hubs = hubs

    def incident(self, cause: Cause | None = None, draw: int = 0) -> Incident:
        """A failure by `cause`, or by one that is in no catalogue when there is none; `draw` is one of many."""
        random = np.random.default_rng([self.seed, 7002, draw, 0 if cause is None else 1 + CAUSES.index(cause)])
        known, cause = cause is not None, cause or _unseen(random)
        onset = float(random.uniform(0.7, 0.85) * LENGTH_S)
        began = onset - float(random.uniform(600, 1800))
        skew = dict(zip(PARTS, random.normal(0.0, 300.0, len(PARTS)), strict=True))
        events = self._events(cause, began, skew, random)
        wafer_s = np.arange(WAFER_S, LENGTH_S, WAFER_S)
        size = float(random.uniform(0.8, 2.5) * random.choice([-1.0, 1.0]))
        pattern = size * cause.pattern() * (1 + 0.2 * random.standard_normal(len(LEAVES)))
        lag = float(random.uniform(20.0, 300.0))
        grown = np.where(wafer_s > onset, 1 - np.exp(-np.maximum(wafer_s - onset, 0.0) / lag), 0.0)
        state = grown[:, None] * pattern + DRIFT * random.standard_normal((wafer_s.size, len(LEAVES)))
        innovations = state + INNOVATION * random.standard_normal(state.shape)
        maps = _measured(wafer_s, state, random)
        return Incident(events, maps, wafer_s, innovations, cause, known, began, onset, skew)

    def _events(self, cause, began, skew, random) -> tuple[Event, ...]:
        starts, todo = {cause.part: began}, [cause.part]
        while todo:  # the cascade, as far as it comes
            part = todo.pop(0)
            for other, delay in self.follows[part]:
                at = starts[part] + delay * random.lognormal(0.0, 0.3)
                if at < starts.get(other, LENGTH_S):
                    starts[other] = at
                    todo.append(other)
        found: list[tuple[float, str, str, str, str]] = []
        for part in PARTS:
            for n in range(int(LENGTH_S / LOT_S)):
                if random.random() < 0.9:
                    at = n * LOT_S + 1 + random.normal(0, 0.5)
                    found.append((at, part, INFO, BROADCAST, f"lot {n + 1} starts"))
            for at in random.uniform(0, LENGTH_S, random.poisson(self.chatter[part] * LENGTH_S)):
                found.append((at, part, WARNING, str(random.choice(self.codes[part])), "out of usual range"))
            if part in starts:
                # What is set off is often louder than what set it off.
                rate = 1 / (random.uniform(100.0, 240.0) if part == cause.part else random.uniform(40.0, 240.0))
                left = LENGTH_S - starts[part]
                for at in starts[part] + random.uniform(0, left, random.poisson(rate * left)):
                    found.append((at, part, WARNING, str(random.choice(self.codes[part])), "out of usual range"))
        hub, code = self.first_alarm.get(cause.name, self.hubs[int(random.integers(HUBS))])
        first = began + float(random.uniform(120, 500))
        found.append((first, hub, ALARM, code, "limit passed"))
        for part, at in starts.items():
            if random.random() < 0.5:
                found.append(
                    (max(at, first) + random.uniform(60, 400), part, ALARM, f"B{self.codes[part][0]}", "stopped")
                )
        lines = [Event(at + skew[part], part, kind, code, text, at) for at, part, kind, code, text in found]
        return tuple(sorted((e for e in lines if e.truly_s < LENGTH_S), key=lambda e: e.time_s))


def _unseen(random) -> Cause:
    """Half of them move what no known cause moves, half move what one does but sit in a part where it cannot."""
    if random.random() < 0.5:
        model = CAUSES[int(random.integers(len(CAUSES)))]
        alike = {c.part for c in CAUSES if c.leaves == model.leaves}
        part = str(random.choice([p for p in PARTS if p not in alike]))
        return Cause(part, "in no catalogue", model.leaves)
    while True:
        chosen = random.choice(len(LEAVES), int(random.integers(1, 4)), replace=False)
        weights = random.uniform(0.4, 1.0, chosen.size) * random.choice([-1.0, 1.0], chosen.size)
        cause = Cause(
            str(random.choice(PARTS)), "in no catalogue", tuple(zip((LEAVES[k] for k in chosen), weights, strict=True))
        )
        if max(abs(cause.pattern() @ c.pattern()) for c in CAUSES) < 0.7:
            return cause


def _measured(wafer_s, state, random) -> Residuals:
    """Every tenth wafer, on sixty points: overlay and focus as the leaves have it, width by dose and focus."""
    exposure = ExposureMap()
    fields = exposure.fields()
    which, X, Y, x, y = exposure.points(fields, 5)
    parts = []
    for n in range(MAP_WAFERS - 1, wafer_s.size, MAP_WAFERS):
        for chuck in range(len(CHUCKS)):  # one wafer of each chuck
            k = min(n + chuck, wafer_s.size - 1)
            at = np.sort(random.choice(which.size, POINTS, replace=False))
            parts.append((k, at, CHUCKS[chuck]))
    wafer = np.concatenate([np.full(POINTS, k) for k, *_ in parts])
    at = np.concatenate([a for _, a, _ in parts])
    chuck = np.concatenate([np.full(POINTS, c) for *_, c in parts])
    places = Places(X[at], Y[at], x[at], y[at], chuck, fields.scan[which[at]].astype(float))
    columns = shapes(places)
    rows = {OVERLAY: np.tile(wafer, 2), FOCUS: wafer, WIDTH: wafer}
    value = {
        kind: NOISE_NM[kind] * np.einsum("nk,nk->n", columns[kind], state[of][:, leaves_of(kind)])
        for kind, of in rows.items()
    }
    noise = {kind: NOISE_NM[kind] * random.standard_normal(value[kind].size) for kind in value}
    dx, dy = np.split(value[OVERLAY] + noise[OVERLAY], 2)
    width = value[WIDTH] + BOSSUNG * value[FOCUS] ** 2 + noise[WIDTH]
    return Residuals(wafer, wafer_s[wafer], places, dx, dy, value[FOCUS] + noise[FOCUS], width)
