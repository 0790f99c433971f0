"""What is known of the lots, kept in order of exposure whatever the order in which it was told."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ...errors import InputError
from .forecast import Forecast

VALID: Literal["valid"] = "valid"
INVALID: Literal["invalid"] = "invalid"


@dataclass(frozen=True)
class Lot:
    """A lot as exposed: `time` orders the lots (h, or a running number), `setpoint` is what was really applied.

    An entry of `context` that is "" or left out is unknown. `upset` names the factors that may have jumped just before,
    such as ("tool",) after maintenance. `planned` is what was foreseen and wanted of each term before.
    """

    lot: str
    time: float
    context: Mapping[str, str]
    setpoint: Mapping[str, float] = field(default_factory=dict)
    upset: tuple[str, ...] = ()
    planned: Mapping[str, "Planned"] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """What was foreseen of a term, and the set-point proposed for it."""

    forecast: Forecast
    setpoint: float


@dataclass(frozen=True)
class Result:
    """A measurement of a lot: terms in nm, each with its standard error if known.

    Of several results of a lot the last by `time` counts; where that one is invalid, none does.
    """

    lot: str
    time: float
    values: Mapping[str, float]
    sigma: Mapping[str, float] = field(default_factory=dict)
    status: Literal["valid", "invalid"] = VALID

    def _key(self):
        return self.time, self.status == INVALID, sorted(self.values.items()), sorted(self.sigma.items())


class History:
    """Lots in order of exposure, each with the result that counts.

    A result may come before its lot, twice, or late; what is known afterwards does not depend on it. `changed` is the
    first place in the order that is not as it was when it was last set to `len(order)`.
    """

    def __init__(self):
        self.lots: dict[str, Lot] = {}
        self.results: dict[str, list[Result]] = {}
        self.order: list[tuple[float, str]] = []
        self.changed = 0

    def add_lot(self, lot: Lot) -> None:
        """Take in a lot; the same name again replaces what was known, but keeps its plan."""
        if not np.isfinite([lot.time, *lot.setpoint.values()]).all():
            raise InputError(f"lot {lot.lot}: time and set-points must be numbers")
        old = self.lots.get(lot.lot)
        if old is not None:
            if not lot.planned:
                lot = replace(lot, planned=old.planned)
            if lot == old:
                return
            place = self.place(old)
            self.changed = min(self.changed, place)
            del self.order[place]
        self.lots[lot.lot] = lot
        insort(self.order, (lot.time, lot.lot))
        self.changed = min(self.changed, self.place(lot))

    def add_result(self, result: Result) -> None:
        """Take in a result; the same again changes nothing."""
        values = [result.time, *result.values.values(), *result.sigma.values()]
        if not np.isfinite(values).all() or any(s < 0 for s in result.sigma.values()):
            raise InputError(f"lot {result.lot}: time, values and errors of a result must be numbers, errors positive")
        known = self.results.setdefault(result.lot, [])
        before = self.standing(result.lot)
        if result not in known:
            insort(known, result, key=Result._key)
        if self.standing(result.lot) != before and result.lot in self.lots:
            self.changed = min(self.changed, self.place(self.lots[result.lot]))

    def standing(self, lot: str) -> Result | None:
        """The result of a lot that counts."""
        known = self.results.get(lot)
        return known[-1] if known and known[-1].status == VALID else None

    def place(self, lot: Lot) -> int:
        """A lot's place in the order of exposure."""
        return bisect_left(self.order, (lot.time, lot.lot))

    def place_at(self, time: float) -> int:
        """The place that a new lot of this time would get."""
        return bisect_left(self.order, (time, "\U0010ffff"))

    def in_order(self, start: int = 0):
        """(place, lot, standing result or None) from a place on."""
        for place in range(start, len(self.order)):
            lot = self.lots[self.order[place][1]]
            yield place, lot, self.standing(lot.lot)


def thread(context: Mapping[str, str]) -> str:
    """All of a context as one name."""
    return "|".join(f"{k}={context[k]}" for k in sorted(context))


def level(factor: str, context: Mapping[str, str]) -> str | None:
    """The level of a factor, of a combination `a:b`, or of "" (all lots) and "*" (the thread); None where unknown."""
    if factor == "":
        return "all"
    parts = [context.get(key, "") for key in (sorted(context) if factor == "*" else factor.split(":"))]
    return None if "" in parts else "|".join(parts)


def factors_of(keys: set[str]) -> tuple[str, ...]:
    """The factors of a context with these keys: all lots, each key (a chuck belongs to its tool), the thread."""
    single = sorted(keys)
    named = ["tool:chuck" if key == "chuck" and "tool" in keys else key for key in single]
    return ("", *named, *(["*"] if len(single) > 1 else []))
