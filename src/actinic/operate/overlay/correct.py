"""What a machine can take away of a fitted fingerprint: correctable, clipped, not correctable."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from ...plain import csv_text
from ...wafer import Places, design, term
from .fit import AXES, Fingerprint
from .profile import Actuator, Profile
from .spread import Spread
from .squares import triangle

# A correction is refused where so much of what it would work on lies beyond the marks and is known worse than a mark.
_BEYOND = 0.05
# Of the limits: what is nearer is at the limit.
_AT = 1e-9


@dataclass(frozen=True)
class Correction:
    """Set-points by term (minus the error that they take away), and why some are not what was wanted.

    `correctable` are the terms set as wanted but for their step, `clipped` those at a limit, `impossible` those that
    the machine has not. `left` and `sigma` are of each point of the grid: what the correction leaves of the fitted
    overlay, and the standard error of that (nm, an axis). `refused` says why there is none, if there is none.
    """

    values: dict[str, float]
    wanted: dict[str, float]
    correctable: list[str]
    clipped: dict[str, Actuator]
    impossible: list[str]
    left: dict[str, np.ndarray]
    sigma: dict[str, np.ndarray]
    beyond: np.ndarray
    refused: str | None

    def spreads(self) -> dict[str, Spread]:
        """Over the grid: what is left, the uncertainty of the correction with it, where it is not beyond the marks."""
        return {a: Spread.of(np.where(self.beyond, np.nan, np.hypot(self.left[a], self.sigma[a]))) for a in self.left}


def correct(found: Fingerprint, at: Places, profile: Profile | None = None) -> Correction:
    """Set-points that leave the least over the grid, mean square, within the machine's limits.

    Where a term is at its limit or missing, others take up what they can of it. Without a profile every fitted term
    can be set. Refused where more than 5 % of the grid lies beyond the marks and is known worse than one mark.
    """
    wanted = {name: -value for name, value in found.values.items()}
    beyond, sigma = found.extrapolated(at), found.uncertainty(at)
    refused = _refusal(found, beyond, sigma)
    values: dict[str, float] = {}
    clipped: dict[str, Actuator] = {}
    impossible: list[str] = []
    left = {}
    for axis in AXES:
        terms = found.along[axis].terms
        columns = design(terms, at)
        error = found.along[axis].solved.value
        actuators = [profile.of(one) if profile else Actuator(-np.inf, np.inf) for one in terms]
        has = [j for j, one in enumerate(actuators) if one is not None]
        set_points = np.zeros(len(terms))
        if refused is None and has:
            set_points[has] = _bounded(columns, error, has, [actuators[j] for j in has])
        for one, actuator, value in zip(terms, actuators, set_points, strict=True):
            if actuator is None:
                impossible.append(one.name)
                continue
            values[one.name] = float(value)
            if refused is None and _at_limit(value, actuator) and abs(wanted[one.name]) > abs(value):
                clipped[one.name] = actuator
        left[axis] = columns @ (error + set_points)
    if refused:
        values = {}
    order = [name for name in wanted if name in values]
    return Correction(
        {name: values[name] for name in order}, wanted, [n for n in order if n not in clipped], clipped,
        [n for n in wanted if n in impossible], left, sigma, beyond, refused,
    )  # fmt: skip


def _refusal(found: Fingerprint, beyond: np.ndarray, sigma: dict[str, np.ndarray]) -> str | None:
    bad = np.zeros(len(beyond), bool)
    for axis, one in found.along.items():
        if one.terms and np.isfinite(one.solved.noise):
            bad |= beyond & (sigma[axis] > one.solved.noise)
    share = float(bad.mean()) if len(bad) else 0.0
    if share <= _BEYOND:
        return None
    return (
        f"{100 * share:.0f} % of the fields' area lies beyond the marks and is known worse than one mark: measure "
        "there too, take a model of lower order, or correct fewer fields"
    )


def _bounded(columns: np.ndarray, error: np.ndarray, has: list[int], actuators: list[Actuator]) -> np.ndarray:
    """Set-points of the terms that the machine has, by bounded least squares, rounded to their steps."""
    low, high = (np.array([getattr(a, side) for a in actuators]) for side in ("minimum", "maximum"))
    plain = -error[has]
    if len(has) == len(error) and ((low <= plain) & (plain <= high)).all():
        points = plain  # nothing is in the way: exactly minus the error
    else:
        size = np.linalg.norm(columns, axis=0)
        size[size == 0] = 1.0
        root = triangle(columns / size)
        scale = size[has]
        # A limit of 0 on both sides is a term that is off.
        span = np.maximum(high, low + 1e-12 / scale)
        solved = optimize.lsq_linear(root[:, has], -root @ (error * size), (low * scale, span * scale), method="bvls")
        points = solved.x / scale
    for j, one in enumerate(actuators):
        if one.step > 0:
            points[j] = round(points[j] / one.step) * one.step
    return np.clip(points, low, high) + 0.0


def _at_limit(value: float, one: Actuator) -> bool:
    margin = max(_AT * (one.maximum - one.minimum), one.step / 2) if np.isfinite(one.maximum - one.minimum) else 0.0
    return bool(value <= one.minimum + margin or value >= one.maximum - margin)


def correction_csv(found: Fingerprint, correction: Correction) -> str:
    """One row a term: what to set, what was wanted, the fitted error with its standard error, and what became of it."""
    rows = []
    for name, wanted in correction.wanted.items():
        state = "correctable" if name in correction.correctable else "clipped" if name in correction.clipped else "off"
        state = "refused" if correction.refused and name not in correction.impossible else state
        row = [correction.values.get(name), wanted, found.values[name], found.sigmas[name]]
        rows.append([name, term(name).unit, *(_text(v) for v in row), state])
    return csv_text(["term", "unit", "set", "wanted", "fitted", "sigma", "state"], rows)


def _text(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.10g}"
