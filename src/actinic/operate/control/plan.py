"""Set-points from forecasts: model-predictive control within the actuator's limits, a small bounded least squares.

    min sum_j (mean_j + gain u_j - target)^2 + weight (u_j - u_{j-1})^2
    low <= u_j <= high,  |u_j - u_{j-1}| <= max_move

over the lots j of a horizon, by Lawson and Hanson's reduction to non-negative least squares (Solving Least Squares
Problems, 1974, chapter 23).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from .forecast import Forecast
from .settings import Term

LEAST_GAIN = 0.25  # of the gain that was promised: below, dividing by the gain is not to be trusted


@dataclass(frozen=True)
class Plan:
    """A set-point for the next lot, what it would be without limits, and which limits changed it."""

    setpoint: float
    wanted: float
    clamps: tuple[str, ...]


def plan(forecast: Forecast, last: float, term: Term, horizon: int = 1, move_weight: float = 0.0) -> Plan:
    """The set-point for a lot, `last` being that of the thread's lot before it."""
    low, high = term.box
    clamps = []
    gain = forecast.gain
    if gain / term.gain < LEAST_GAIN:
        gain = LEAST_GAIN * term.gain
        clamps.append(f"gain {forecast.gain:.3g} is taken as {gain:.3g}")
    error = forecast.mean - term.target
    wanted = -error / gain
    held = min(max(last, low), high)
    if held != last:
        clamps.append(f"the set-point before, {last:.6g}, is out of the actuator's range")
    if abs(error + gain * held) <= term.deadband:
        return Plan(held, wanted, (*clamps, f"within the deadband of {term.deadband:g}"))
    errors = error + forecast.slope * np.arange(horizon)
    setpoint = float(bounded(errors, gain, held, term, move_weight)[0])
    free = float(bounded(errors, gain, held, Term(term.gain), move_weight)[0])
    if abs(setpoint - free) > 1e-9 * max(abs(free), 1.0):
        limit = term.max_move if term.max_move is not None else np.inf
        moved = abs(setpoint - held) >= limit * (1 - 1e-9)
        clamps.append(f"moves by {limit:g} at most" if moved else f"stays from {low:g} to {high:g}")
    if term.step:
        rounded = round(setpoint / term.step) * term.step
        # Rounding must not leave the range.
        rounded = rounded - term.step * (rounded > high + 1e-9) + term.step * (rounded < low - 1e-9)
        if abs(rounded - setpoint) > 1e-12:
            clamps.append(f"a multiple of {term.step:g}")
        setpoint = rounded
    return Plan(setpoint, wanted, tuple(clamps))


def bounded(errors: np.ndarray, gain: float, last: float, term: Term, move_weight: float) -> np.ndarray:
    """Set-points (h,) for the errors (h,) expected at set-point zero; `last` is within the range."""
    n, root = errors.size, np.sqrt(move_weight)
    moves = np.eye(n) - np.eye(n, k=-1)
    start = np.eye(n)[0] * last
    matrix = np.concatenate([gain * np.eye(n), root * moves])
    target = np.concatenate([-errors, root * start])
    q, r = np.linalg.qr(matrix)
    middle = solve_triangular(r, q.T @ target)
    (low, high), limit = term.box, term.max_move if term.max_move is not None else np.inf
    rows = np.concatenate([np.eye(n), -np.eye(n), moves, -moves])
    least = np.concatenate([np.full(n, low), np.full(n, -high), start - limit, -start - limit])
    kept = np.isfinite(least)
    rows, least = rows[kept], least[kept]
    if (rows @ middle >= least).all():
        return middle
    # The shortest z = R (u - middle) that satisfies E z >= f.
    e = solve_triangular(r, rows.T, trans="T").T
    f = least - rows @ middle
    stacked, aim = np.vstack([e.T, f]), np.eye(n + 1)[n]
    multipliers, _ = nnls(stacked, aim)
    rest = stacked @ multipliers - aim
    return middle + solve_triangular(r, -rest[:n] / rest[n])
