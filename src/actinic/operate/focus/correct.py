"""The correction of fields by their focus and dose: minus what was found, within what the machine can set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from .estimate import UNLIKELY, Estimate


@dataclass(frozen=True)
class Limit:
    """Of one set-point its least and largest value and the step it is set in, in its unit; 0 is no step."""

    minimum: float
    maximum: float
    step: Annotated[float, Field(ge=0)] = 0.0

    def __post_init__(self):
        if not self.minimum <= 0 <= self.maximum:
            raise ValueError("minimum and maximum must have 0 between them")


@dataclass(frozen=True)
class Limits:
    """What a machine can set field by field; without a limit it cannot. The defaults are invented."""

    focus_nm: Limit | None = field(default_factory=lambda: Limit(-60.0, 60.0, 0.5))
    dose_percent: Limit | None = field(default_factory=lambda: Limit(-5.0, 5.0, 0.05))
    tilt_x: Limit | None = field(default_factory=lambda: Limit(-3.0, 3.0, 0.02))
    tilt_y: Limit | None = field(default_factory=lambda: Limit(-3.0, 3.0, 0.02))


@dataclass(frozen=True)
class Setpoints:
    """Set-points of a field by name, which of them a limit changed, and why there are none (empty: there are)."""

    values: dict[str, float]
    clipped: tuple[str, ...]
    why: str


def correct(names: Sequence[str], found: Estimate | None, limits: Limits) -> Setpoints:
    """Set-points of one field. What is not determined, or what the model does not explain, is not corrected."""
    if found is None:
        return Setpoints({}, (), "too few widths")
    if not found.determined:
        return Setpoints({}, (), found.why)
    if found.chance < UNLIKELY:
        return Setpoints({}, (), "the model does not explain the widths as well as they are known")
    values, clipped = {}, []
    for name, value in zip(names, found.best.value, strict=True):
        limit = getattr(limits, name, None)
        if limit is None:
            continue
        wanted = -float(value)
        low, high = limit.minimum, limit.maximum
        if limit.step:
            steps = round(wanted / limit.step)
            wanted = steps * limit.step
            low, high = -(-low // limit.step) * limit.step, high // limit.step * limit.step
        values[name] = min(max(wanted, low), high)
        if values[name] != wanted:
            clipped.append(name)
    return Setpoints(values, tuple(clipped), "")
