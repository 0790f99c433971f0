"""One term's estimate, kept up with a history: filtered in order of exposure, again from where it changed."""

from dataclasses import dataclass, replace

import numpy as np

from .baselines import ThreadEwma
from .blend import Blend
from .components import Components, Sample, fit, prior, scale_of
from .forecast import Forecast, Levels
from .history import History, Lot, Result, factors_of, level
from .kalman import ContextFilter
from .settings import Settings
from .sign import CERTAIN, EARLY, MOST_WEIGHED, STOP, SignTest, evidence, threshold

FITS = (
    1,
    2,
    3,
    4,
    6,
    9,
    13,
    19,
    28,
    42,
    63,
    95,
    140,
    210,
    315,
    470,
)  # measured lots at which the components are fitted
LATER = 250  # and then every so many
WINDOW = 250  # measured lots, the last, that a fit looks at
FEW = 8  # of so few the spread is about zero, and not robust
LEAST = 6  # below, variances are only guessed, and no measurement is doubted
RERUN = 500  # up to so many the past is filtered again with the new components
SPACING, POINTS = 8, 12  # measured lots from one restart point to the next, and how many are kept


@dataclass
class _Point:
    """All that the filter has learnt from the lots before a place."""

    place: int
    measured: int
    estimate: Blend | ThreadEwma
    sign: SignTest
    odds: float = 0.0  # of a wrong sign, from all evidence at the start
    corrected: int = 0  # lots
    telling: int = 0  # of these, those that the odds are from

    def copy(self) -> "_Point":
        return replace(self, estimate=self.estimate.copy())


class Track:
    """The estimate of one term. What it knows is a function of the history alone, not of how it was told."""

    def __init__(self, term: str, settings: Settings):
        self.term, self.settings = term, settings
        self.gain = settings.terms[term].gain
        self.factors: tuple[str, ...] = ()
        self.components: Components | None = None
        self._fits: dict[int, tuple[int, Components]] = {}  # measured lots: place, components
        self._points: list[_Point] = []
        self._now: _Point | None = None
        self._taken: list[tuple[int, Levels, float, float, float, tuple[str, ...], float]] = []
        self.rearmed = -np.inf  # evidence of the gain's sign counts from this time on

    def sync(self, history: History, keys: set[str], changed: int) -> None:
        """Take in what changed from a place in the order on."""
        factors = ("", *self.settings.factors, "*") if self.settings.factors is not None else factors_of(keys)
        if factors != self.factors:
            self.factors, self._now, changed = factors, None, 0
        if self._now is None or changed < self._now.place:
            self._back_to(changed)
        now = self._now
        assert now is not None
        for place, lot, result in history.in_order(now.place):
            if result is not None and self.term in result.values and self.term in lot.setpoint:
                self._take(place, self._record(place, lot, result))

    def forecast(self, history: History, lot: Lot) -> Forecast:
        """What a lot will show, at the place it has or would get in the order."""
        assert self._now is not None
        place = history.place(lot) if lot.lot in history.lots else history.place_at(lot.time)
        estimate = self._now.estimate
        pending = [(p, other) for p, other, _ in history.in_order(self._now.place) if other.upset and p < place]
        pending += [(place, lot)] if lot.upset and place >= self._now.place else []
        if pending and isinstance(estimate, Blend):
            estimate = estimate.copy()
            for p, other in pending:
                self._upset(estimate.context, p, self.levels(other), other.upset)
        return estimate.forecast(self.levels(lot), place)

    def suspicion(self) -> tuple[float, bool] | None:
        """Log odds of a wrong sign, and whether it is certain, where the loop must not go on; else None."""
        now = self._now
        if now is None or self.settings.kind != "context":
            return None
        if now.sign.score > STOP:
            return now.sign.score, True
        if now.telling and now.corrected <= EARLY and now.odds > threshold(now.telling):
            return now.odds, now.odds > CERTAIN
        return None

    def rearm(self, time: float) -> None:
        """Forget the evidence about the gain's sign from lots exposed before a time."""
        self.rearmed = time
        self._points.clear()
        self._back_to(0)

    @property
    def measured(self) -> int:
        return len(self._taken)

    def levels(self, lot: Lot) -> Levels:
        return tuple(level(f, lot.context) for f in self.factors)

    def state(self) -> dict:
        """Everything learnt, to compare and to hash."""
        if self._now is None or not isinstance(self._now.estimate, Blend):
            return {"threads": self._now.estimate.state if self._now else {}}
        estimate = self._now.estimate.context
        said = {"": "", "*": "thread "}
        names = {
            f"{said.get(self.factors[f], self.factors[f] + ' ')}{name}": i for (f, name), i in estimate.index.items()
        }
        return {
            "levels": {k: estimate.mean[0, i] for k, i in sorted(names.items())},
            "sigma": {k: float(np.sqrt(estimate.cov[0, i, i])) for k, i in sorted(names.items())},
            "gain": float(estimate.mean[0, 0]),
            "explanations": estimate.weight.tolist(),
            "noise": estimate.components.noise,
            "sign": self._now.sign.score if self._now else 0.0,
            "odds": self._now.odds if self._now else 0.0,
        }

    def _record(self, place: int, lot: Lot, result: Result):
        extra = result.sigma.get(self.term, 0.0) ** 2
        return place, self.levels(lot), lot.setpoint[self.term], result.values[self.term], extra, lot.upset, lot.time

    def _take(self, place: int, record) -> None:
        now = self._now
        assert now is not None
        self._taken.append(record)
        self._learn(now, record)
        now.place, now.measured = place + 1, len(self._taken)
        if self.settings.kind == "context":
            self._weigh(now, record)
            if now.measured in FITS or (now.measured > FITS[-1] and (now.measured - FITS[-1]) % LATER == 0):
                self._fit(now)
        if now.measured % SPACING == 0:
            self._points.append(now.copy())
            if len(self._points) > POINTS:
                # Near ones close together, far ones further apart: a late result seldom comes very late.
                self._points = self._points[: POINTS // 2 : 2] + self._points[POINTS // 2 :]

    def _learn(self, now: _Point, record) -> None:
        place, levels, move, value, extra, upset, _ = record
        if isinstance(now.estimate, Blend):
            self._upset(now.estimate.context, place, levels, upset)
            if now.corrected > EARLY:
                now.sign = now.sign.after(now.estimate.forecast(levels, place, extra), move, value)
        now.estimate.update(levels, place, move, value, extra)

    def _weigh(self, now: _Point, record) -> None:
        """Weigh the signs against each other while few corrected lots were measured."""
        if record[-1] < self.rearmed or now.corrected > EARLY:
            return
        now.corrected += self._corrects(record)
        last = sum(r[-1] >= self.rearmed for r in self._taken[-MOST_WEIGHED:])
        # Lots long ago are let go, so that a loop that stood still for want of evidence tries again.
        now.telling = sum(map(self._corrects, self._taken[-last:]))
        if now.telling:
            now.odds = evidence(self._sample(now.measured, last), self.factors, self.gain, self._gain_sigma)

    def _corrects(self, record) -> bool:
        return abs(record[2] - self.settings.terms[self.term].process_of_record) > 1e-12

    def _upset(self, estimate: ContextFilter, place: int, levels: Levels, upset: tuple[str, ...]) -> None:
        if not upset:
            return
        estimate.advance(place)
        for f, name in enumerate(self.factors):
            if name in upset or (name.split(":")[0] in upset and ":" in name):
                estimate.disturb([x if i == f else None for i, x in enumerate(levels)], estimate.components.spread[f])

    def _fit(self, now: _Point) -> None:
        count = now.measured
        if count not in self._fits:
            guess = self._guess(count)
            last = now.estimate.context.components if count > LEAST else None
            fitted = fit(self._sample(count), guess, self._gain_sigma**2, last) if count >= LEAST else guess
            self._fits[count] = now.place, fitted
        components = self._fits[count][1]
        if count <= RERUN:
            fresh = self._fresh(components, count >= LEAST)
            for record in self._taken:
                self._learn(fresh, record)
            now.estimate = fresh.estimate
        else:
            now.estimate.context.renew(components)

    @property
    def _gain_sigma(self) -> float:
        return abs(self.gain) * self.settings.gain_sigma

    def _sample(self, count: int, most: int = WINDOW) -> Sample:
        last = self._taken[max(0, count - most) : count]
        place, levels, move, value, extra, *_ = zip(*last, strict=True)
        codes = np.full((len(last), len(self.factors)), -1)
        for f in range(len(self.factors)):
            names: dict[str, int] = {}
            codes[:, f] = [-1 if row[f] is None else names.setdefault(row[f], len(names)) for row in levels]
        move, value = np.array(move), np.array(value)
        return Sample(codes, np.array(place, float), value - self.gain * move, move, np.array(extra))

    def _guess(self, count: int) -> Components:
        taken = self._taken[:count]
        disturbance = np.array([value - self.gain * move for _, _, move, value, *_ in taken])
        if count < FEW:
            scale = float(np.sqrt(np.mean(disturbance**2))) if count else 1.0
        else:
            scale = scale_of(disturbance)
        guess = prior(self.factors, scale or 1.0)
        if count:
            # Of a factor met at one level only, another may differ by as much as that one is off.
            alone = np.array([len({row[1][f] for row in taken}) < 2 for f in range(len(self.factors))])
            alone[[f for f, name in enumerate(self.factors) if name in ("", "*")]] = False
            guess.spread[alone] = np.maximum(guess.spread[alone], np.median(disturbance) ** 2)
        return guess

    def _fresh(self, components: Components, doubting: bool = False) -> _Point:
        if self.settings.kind == "context":
            estimate = ContextFilter(self.factors, components, self.gain, self._gain_sigma, doubting)
            return _Point(0, 0, Blend(estimate), SignTest())
        slope = self.settings.slope_weight if self.settings.kind == "double-ewma" else 0.0
        return _Point(0, 0, ThreadEwma(self.settings.weight, slope, self.gain), SignTest())

    def _back_to(self, changed: int) -> None:
        """Forget all that was learnt from this place on."""
        self._points = [p for p in self._points if p.place <= changed]
        self._fits = {n: (place, c) for n, (place, c) in self._fits.items() if place <= changed}
        self._now = self._points[-1].copy() if self._points else self._fresh(self._guess(0))
        self._taken = self._taken[: self._now.measured]
