"""What the wafers show: when it began, how much of each leaf it moved, and which leaves that needs.

Leaves are solved for with the wafer's own model, in units of each map's noise; width is freed of what focus does to it.
"""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...wafer.faults import BOSSUNG, FOCUS, LEAVES, NOISE_NM, OVERLAY, WIDTH, Residuals, leaves_of, shapes

SURE = 4.0  # log odds that anything stepped
SLOW = 3  # wafers that an effect may take to be seen
UNRESOLVED = 1e3  # standard deviation of a leaf that the points cannot tell


@dataclass(frozen=True)
class Effect:
    """What changed: (leaf,) the step and its covariance, and when: not before `after_s`, most likely at `onset_s`.

    `surprise` is the log odds that the innovations step at all; where it is small the step is none.
    """

    step: np.ndarray
    covariance: np.ndarray
    after_s: float
    onset_s: float
    surprise: float


def effect(maps: Residuals, time_s: np.ndarray, innovations: np.ndarray) -> Effect:
    """The one step that explains the innovations (wafer, leaf) at `time_s` and, with it, the maps before and after."""
    if len(time_s) < 8:
        raise InputError(f"{len(time_s)} innovations: 8 or more are needed to tell when it began")
    last, chance, surprise = _change(innovations)
    if surprise < SURE:
        none = np.zeros(len(LEAVES))
        return Effect(none, np.eye(len(LEAVES)), float(time_s[-1]), float(time_s[-1]), surprise)
    values, covariances, when = _solved(maps)
    before, after = when <= time_s[last], when > time_s[min(last + 3, len(time_s) - 1)]
    if not before.any() or not after.any():
        raise InputError("no mapped wafer before, or none after what changed: nothing to compare")
    step = values[after].mean(0) - values[before].mean(0)
    scatter = values[before].var(0, ddof=1) if before.sum() > 2 else np.zeros(len(LEAVES))
    own = sum(covariances[n] for n in np.flatnonzero(before)) / before.sum() ** 2
    own = own + sum(covariances[n] for n in np.flatnonzero(after)) / after.sum() ** 2
    within = np.mean([np.diag(covariances[n]) for n in np.flatnonzero(before)], axis=0)
    drift = np.maximum(scatter - within, 0.0) * (1 / before.sum() + 1 / after.sum())
    covariance = own + np.diag(drift + 1e-4)
    # Not before: where one in a thousand of the chance lies, and some wafers before that, as it may have grown slowly.
    first = int(np.searchsorted(np.cumsum(chance), 1e-3))
    return Effect(step, covariance, float(time_s[max(first - SLOW, 0)]), float(time_s[last]), surprise)


def _change(series: np.ndarray) -> tuple[int, np.ndarray, float]:
    """The last wafer before the step, the chance (wafer,) of each, and the log odds of a step at all (flat prior).

    The scatter is the leaves' own from wafer to wafer; each leaf's step is integrated out under a wide prior.
    """
    n = len(series)
    scale = 1.4826 * np.median(np.abs(np.diff(series, axis=0)), axis=0) / np.sqrt(2)
    z = series / np.maximum(scale, 1e-9)
    total, sums = z.sum(0), np.cumsum(z, axis=0)
    logs = np.full(n, -np.inf)
    for k in range(2, n - 2):
        first, second = sums[k] / (k + 1), (total - sums[k]) / (n - k - 1)
        precision = 1 / (1 / (k + 1) + 1 / (n - k - 1))
        # A leaf steps with chance 1/10, by a normal amount of standard deviation 5.
        wide = 1 + 25 * precision
        gain = 0.5 * precision * (second - first) ** 2 * (25 * precision / wide) - 0.5 * np.log(wide)
        logs[k] = np.sum(np.logaddexp(np.log(0.9), np.log(0.1) + gain))
    chance = np.exp(logs - logs.max())
    odds = float(logs.max() + np.log(chance.sum() / n))
    return int(np.argmax(logs)), chance / chance.sum(), odds


def _solved(maps: Residuals) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Leaves (wafer, leaf) of groups of mapped wafers, one of each chuck, their covariances, their times."""
    groups = _groups(maps)
    values, covariances, when = [], [], []
    for rows in groups:
        columns = shapes(maps.places[rows])
        found, covariance = np.zeros(len(LEAVES)), np.zeros((len(LEAVES), len(LEAVES)))
        focus = _least(columns[FOCUS], maps.focus_nm[rows])
        through = BOSSUNG * (columns[FOCUS] @ focus[0]) ** 2
        measured = {
            OVERLAY: np.concatenate([maps.dx_nm[rows], maps.dy_nm[rows]]),
            FOCUS: maps.focus_nm[rows],
            WIDTH: maps.cd_nm[rows] - through,
        }
        for kind, wanted in measured.items():
            at = leaves_of(kind)
            found[at], inverse = _least(columns[kind], wanted)
            found[at] /= NOISE_NM[kind]
            covariance[np.ix_(at, at)] = inverse
        values.append(found)
        covariances.append(covariance)
        when.append(maps.time_s[rows].max())
    return np.array(values), covariances, np.array(when)


def _groups(maps: Residuals) -> list[np.ndarray]:
    """Rows of wafers that follow each other, as many as hold every chuck."""
    chuck = np.asarray(maps.places.chuck)
    chucks, groups, rows = set(chuck), [], []
    seen: set[str] = set()
    for wafer in dict.fromkeys(maps.wafer[np.argsort(maps.time_s, kind="stable")].tolist()):
        of = np.flatnonzero(maps.wafer == wafer)
        rows.append(of)
        seen |= set(chuck[of])
        if seen == chucks:
            groups.append(np.concatenate(rows))
            rows, seen = [], set()
    return groups


def _least(columns: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of columns, and the covariance at unit noise; what cannot be told is zero and very uncertain."""
    normal = columns.T @ columns + np.eye(columns.shape[1]) / UNRESOLVED**2
    inverse = np.linalg.inv(normal)
    return inverse @ (columns.T @ wanted), inverse


def sparse(found: Effect, most: int = 6) -> list[tuple[str, float, float]]:
    """The fewest leaves that explain the step: (leaf, value, sigma), by forward selection under the BIC with its prior
    cost of choosing (Chen and Chen 2008)."""
    weight = np.linalg.inv(found.covariance)
    chosen: list[int] = []
    price = np.log(len(LEAVES)) * 2 + np.log(25.0)
    left = float(found.step @ weight @ found.step)
    while len(chosen) < most:
        trials = [(_left(found.step, weight, [*chosen, k]), k) for k in range(len(LEAVES)) if k not in chosen]
        best, k = min(trials)
        if left - best < price:
            break
        left, chosen = best, [*chosen, k]
    if not chosen:
        return []
    inverse = np.linalg.inv(weight[np.ix_(chosen, chosen)])
    values = inverse @ (weight @ found.step)[chosen]
    order = np.argsort(-np.abs(values))
    return [(LEAVES[chosen[k]], float(values[k]), float(np.sqrt(inverse[k, k]))) for k in order]


def _left(step, weight, chosen) -> float:
    right = (weight @ step)[chosen]
    return float(step @ weight @ step - right @ np.linalg.solve(weight[np.ix_(chosen, chosen)], right))
