"""What a controller is told: actuators, context, limits. Every default is safe to leave."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

MODEL = "context-1"  # changes when the same history gives other numbers
Kind = Literal["context", "ewma", "double-ewma"]
Stage = Literal["replay", "shadow", "advisory", "closed"]
STAGES: tuple[Stage, ...] = ("replay", "shadow", "advisory", "closed")


@dataclass(frozen=True)
class Term:
    """One overlay term (or CD, dose, focus) and the set-point that moves it: measured = disturbance + gain * set-point.

    Lengths in nm, or whatever unit the results have. Set-points stay within `minimum` and `maximum`, move by `max_move`
    at most from one lot of a thread to the next, and only when the error expected otherwise is beyond `deadband`; they
    are multiples of `step`. `process_of_record` is the set-point where nothing better is known.
    """

    gain: float = 1.0
    target: float = 0.0
    process_of_record: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    max_move: Annotated[float, Field(gt=0)] | None = None
    deadband: Annotated[float, Field(ge=0)] = 0.0
    step: Annotated[float, Field(ge=0)] = 0.0

    def __post_init__(self):
        if self.gain == 0:
            raise ValueError("gain = 0: this set-point moves nothing")
        low, high = self.box
        if not low <= self.process_of_record <= high:
            raise ValueError(f"process_of_record = {self.process_of_record:g} is not from {low:g} to {high:g}")

    @property
    def box(self) -> tuple[float, float]:
        low = -float("inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        return low, high


@dataclass(frozen=True)
class Gates:
    """What must hold before a person may promote the controller to the next stage; counts are measured lots there."""

    lots: Annotated[int, Field(ge=1)] = 50
    coverage: tuple[float, float] = (0.8, 0.99)
    worst_ratio: Annotated[float, Field(gt=0)] = 1.02  # of |mean| + 3 sigma to that of what was applied, upper 95 %
    alarms: Annotated[float, Field(ge=0, le=1)] = 0.05  # share of lots with an SPC alarm


@dataclass(frozen=True)
class Settings:
    """A controller. `factors` are keys of the lots' context, `a:b` the combination of two; None takes every key met.

    `kind` is the context Kalman filter, or a baseline: EWMA or double EWMA of each thread (all of the context together)
    with `weight` and `slope_weight`. `stale_after` is in the unit of the lots' times (h), `max_sigma` in that of the
    results. `horizon` lots are planned at once with `move_weight` on the square of each move.
    """

    terms: dict[str, Term] = field(default_factory=lambda: {"k1": Term()})
    factors: tuple[str, ...] | None = None
    kind: Kind = "context"
    weight: Annotated[float, Field(gt=0, le=1)] = 0.4
    slope_weight: Annotated[float, Field(ge=0, le=1)] = 0.1
    gain_sigma: Annotated[float, Field(ge=0, lt=1)] = 0.3
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    stale_after: Annotated[float, Field(gt=0)] | None = None
    max_sigma: Annotated[float, Field(gt=0)] | None = None
    horizon: Annotated[int, Field(ge=1, le=20)] = 1
    move_weight: Annotated[float, Field(ge=0)] = 0.0
    stage: Stage = "closed"
    gates: Gates = field(default_factory=Gates)

    def __post_init__(self):
        if not self.terms:
            raise ValueError("terms: name one at least")
