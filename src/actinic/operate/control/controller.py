"""The controller: what to set for the next lot, from all lots before it, within limits that hold whatever happens."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite

from ...errors import ConfigError, InputError
from .forecast import Forecast
from .gates import Gate, gates
from .history import VALID, History, Lot, Planned, Result, thread
from .plan import plan
from .settings import STAGES, Settings, Stage
from .track import Track
from .watch import Alarm, Watch

LAST_GOOD, PROCESS_OF_RECORD = "last good", "process of record"
GOOD = 3.0  # standard deviations within which a lot came out as foreseen


@dataclass(frozen=True)
class TermProposal:
    """One term: the set-point, what it would be without limits, what the lot will then measure, within what interval.

    `clamps` say which limits changed it; `fallback` that the estimate was not used, and `why`.
    """

    setpoint: float
    wanted: float
    mean: float
    sigma: float
    low: float
    high: float
    gain: float
    clamps: tuple[str, ...] = ()
    fallback: str | None = None
    why: str | None = None


@dataclass(frozen=True)
class Proposal:
    """For one lot: the terms, and the stage; only in the closed loop is it to be applied without a person."""

    lot: str
    time: float
    context: Mapping[str, str]
    stage: Stage
    terms: Mapping[str, TermProposal]

    @property
    def setpoint(self) -> dict[str, float]:
        return {name: term.setpoint for name, term in self.terms.items()}

    def plain(self) -> dict:
        """As plain data, for JSON and the ledger."""
        return asdict(self)


class Controller:
    """Run-to-run control of overlay terms, or of anything measured by the lot.

        controller = Controller(Settings(terms={"k1": Term(minimum=-20, maximum=20)}))
        proposal = controller.propose("L1", time=0.0, context={"tool": "A", "product": "P7"})
        controller.exposed("L1", {"k1": -1.2})      # only if something else was applied than proposal.setpoint
        controller.observe("L1", time=3.5, values={"k1": 0.4}, sigma={"k1": 0.1})

    Results may come late, in any order, again or taken back (`status="invalid"`): `state()` is a function of what is
    known, not of how it came. `time` orders the lots and ages the results, in hours or as a running number.
    """

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or Settings()
        self.stage: Stage = self.settings.stage
        self.since = float("-inf")  # time from which lots count for this stage
        self._stopped: dict[str, str] = {}
        self._certain: set[str] = set()  # of these, those that only `rearm` starts again
        self.history = History()
        self._keys: set[str] = set()
        self.watches = {term: Watch(term, self.settings.coverage) for term in self.settings.terms}
        self._tracks = {term: Track(term, self.settings) for term in self.settings.terms}

    def propose(self, lot: str, time: float, context: Mapping[str, str], upset: tuple[str, ...] = ()) -> Proposal:
        """Set-points for a lot about to be exposed, from everything known now.

        Entries of `context` that are "" are unknown. `upset` names factors that may have jumped just before, such as
        ("tool",) after maintenance. In the closed loop the lot then counts as exposed at these set-points.
        """
        if not isfinite(time):
            raise InputError(f"lot {lot}: time must be a number, not {time}")
        context = {str(key): "" if value is None else str(value) for key, value in context.items()}
        new = Lot(lot, float(time), context, {}, tuple(upset))
        if not context.keys() <= self._keys:
            self._keys |= context.keys()
            self.history.changed = 0
        self._sync()
        terms, planned = {}, {}
        for name in self.settings.terms:
            forecast = self._tracks[name].forecast(self.history, new)
            terms[name] = self._term(name, new, forecast)
            planned[name] = Planned(forecast, terms[name].setpoint)
        known = self.history.lots.get(lot)
        applied = {name: term.setpoint for name, term in terms.items()} if self.stage == "closed" else {}
        if known is not None and known.setpoint:
            applied = known.setpoint
        self.history.add_lot(replace(new, setpoint=applied, planned=planned))
        self._look(lot)
        return Proposal(lot, float(time), context, self.stage, terms)

    def exposed(
        self, lot: str, setpoint: Mapping[str, float], time: float | None = None,
        context: Mapping[str, str] | None = None, upset: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Say what was applied to a lot; terms not named were at the process of record.

        A lot that was never proposed needs its `time` and `context`. The same lot again corrects what was said.
        """
        for name in setpoint.keys() - self.settings.terms.keys():
            raise InputError(f"lot {lot}: {name} is not controlled; the terms are {', '.join(self.settings.terms)}")
        known = self.history.lots.get(lot)
        if known is None and (time is None or context is None):
            raise InputError(f"lot {lot} was never proposed: give its time and context")
        full = {n: float(setpoint.get(n, term.process_of_record)) for n, term in self.settings.terms.items()}
        told = {k: "" if v is None else str(v) for k, v in (context or (known.context if known else {})).items()}
        when = float(time if time is not None else known.time if known else 0.0)
        if not told.keys() <= self._keys:
            self._keys |= told.keys()
            self.history.changed = 0
        self.history.add_lot(Lot(lot, when, told, full, tuple(upset or (known.upset if known else ()))))
        self._look(lot)

    def observe(
        self, lot: str, time: float, values: Mapping[str, float], sigma: Mapping[str, float] | None = None,
        status: str = VALID,
    ) -> None:  # fmt: skip
        """Take in a measurement, in the unit of the target; `sigma` are standard errors known beforehand, if any.

        A later result of the same lot replaces it, one with `status="invalid"` takes it back. It may come before its
        lot is known. InputError leaves everything as it was.
        """
        if status not in ("valid", "invalid"):
            raise InputError(f'lot {lot}: status is "valid" or "invalid", not "{status}"')
        mine = {k: float(v) for k, v in values.items() if k in self._tracks}
        errors = {k: float(v) for k, v in (sigma or {}).items() if k in mine}
        self.history.add_result(Result(lot, float(time), mine, errors, status))
        self._look(lot)

    @property
    def stopped(self) -> dict[str, str]:
        """Terms whose gain has the wrong sign, or may have, and why; their set-points are the process of record."""
        self._sync()
        return dict(self._stopped)

    def state(self) -> dict:
        """Everything learnt, per term: levels and their standard deviations, gain, noise, evidence about its sign."""
        self._sync()
        return {name: track.state() for name, track in self._tracks.items()}

    def alarms(self, term: str) -> list[Alarm]:
        """Points out of control among the controller's own recent innovations."""
        return self.watches[term].alarms()

    def gates(self) -> list[Gate]:
        """What stands between this stage and the next."""
        return gates(self.history, self.watches, self.settings, self.since, bool(self.stopped))

    def promote(self, who: str, time: float) -> Stage:
        """Go to the next stage; a person answers for it. ConfigError names the gates that do not hold."""
        if not who.strip():
            raise ConfigError("a promotion needs the name of who approves it")
        if self.stage == STAGES[-1]:
            raise ConfigError("the loop is closed already")
        failed = [gate for gate in self.gates() if not gate.holds]
        if failed:
            said = "; ".join(f"{g.name} {g.measured}, asked {g.asked}" for g in failed)
            raise ConfigError(f"not promoted from {self.stage}: {said}")
        return self._enter(STAGES[STAGES.index(self.stage) + 1], time)

    def demote(self, stage: Stage, time: float) -> Stage:
        """Go back to an earlier stage, at once and without conditions."""
        if STAGES.index(stage) >= STAGES.index(self.stage):
            raise ConfigError(f"{stage} is not before {self.stage}")
        return self._enter(stage, time)

    def rearm(self, who: str, time: float) -> None:
        """Start again after a stop: evidence about the gain's sign counts from this time on."""
        if not who.strip():
            raise ConfigError("starting again needs the name of who answers for it")
        self._stopped.clear()
        self._certain.clear()
        for track in self._tracks.values():
            track.rearm(time)
        self.history.changed = 0

    def _enter(self, stage: Stage, time: float) -> Stage:
        self.stage, self.since = stage, time
        return stage

    def _sync(self) -> None:
        for track in self._tracks.values():
            track.sync(self.history, self._keys, self.history.changed)
        if self.history.changed < len(self.history.order):
            self.history.changed = len(self.history.order)
            self._check_signs()

    def _look(self, lot: str) -> None:
        for watch in self.watches.values():
            watch.update(self.history, lot)

    def _check_signs(self) -> None:
        for name, track in self._tracks.items():
            suspicion = track.suspicion()
            if suspicion is None or name in self._certain:
                if name not in self._certain:
                    self._stopped.pop(name, None)
                continue
            odds, certain = suspicion
            what = "answers its set-point with the wrong sign" if certain else "may answer with the wrong sign"
            self._stopped[name] = f"{name} {what} (log odds {odds:.1f}): check the gain"
            if certain:
                self._certain.add(name)

    def _term(self, name: str, lot: Lot, forecast: Forecast) -> TermProposal:
        settings, term = self.settings, self.settings.terms[name]
        last = self._before(name, lot, good=False)
        chosen = plan(
            forecast, term.process_of_record if last is None else last, term, settings.horizon, settings.move_weight
        )
        setpoint, clamps, fallback = chosen.setpoint, chosen.clamps, None
        why = self._distrust(name, lot, forecast)
        if why is not None:
            good = None if name in self._stopped else self._before(name, lot, good=True)
            fallback = PROCESS_OF_RECORD if good is None else LAST_GOOD
            low, high = term.box
            setpoint = min(max(term.process_of_record if good is None else good, low), high)
            clamps = ()
        mean, sigma = forecast.at(setpoint)
        reach = self.watches[name].factor() * sigma
        return TermProposal(
            setpoint, chosen.wanted, mean, sigma, mean - reach, mean + reach, forecast.gain, clamps, fallback, why
        )

    def _distrust(self, name: str, lot: Lot, forecast: Forecast) -> str | None:
        """Why the estimate must not be used for a lot, if so."""
        settings = self.settings
        if name in self._stopped:
            return self._stopped[name]
        sigma = forecast.level**0.5
        if settings.max_sigma is not None and sigma > settings.max_sigma:
            return f"the disturbance is known to {sigma:.3g} only, {settings.max_sigma:g} is allowed"
        if settings.stale_after is not None:
            newest = self._newest(lot)
            if newest is None:
                return "nothing of this tool was measured yet"
            if lot.time - newest > settings.stale_after:
                return f"the last result is {lot.time - newest:.3g} old, {settings.stale_after:g} is allowed"
        return None

    def _before(self, name: str, lot: Lot, good: bool) -> float | None:
        """The set-point of the thread's lot before this one; with `good`, of the last that came out as foreseen."""
        mine = thread(lot.context)
        for _, other in reversed(self.history.order[: self.history.place_at(lot.time)]):
            known = self.history.lots[other]
            if other == lot.lot or name not in known.setpoint or thread(known.context) != mine:
                continue
            if not good:
                return known.setpoint[name]
            result = self.history.standing(other)
            if result is None or name not in result.values or name not in known.planned:
                continue
            mean, sigma = known.planned[name].forecast.at(known.setpoint[name])
            if abs(result.values[name] - mean) <= GOOD * sigma:
                return known.setpoint[name]
        return None

    def _newest(self, lot: Lot) -> float | None:
        """When the last standing result of this lot's tool came, or of any lot where the tool is not known."""
        tool = lot.context.get("tool", "")
        results = (
            self.history.standing(other)
            for other, known in self.history.lots.items()
            if not tool or known.context.get("tool") == tool
        )
        return max((r.time for r in results if r is not None), default=None)
