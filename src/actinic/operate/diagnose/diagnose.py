"""From maps, innovations and logs to a ranked list of causes with their evidence, or "not known".

A known cause must explain the maps by its pattern of leaves, and the logs by its part being the first to warn. Against
them all stands what is in no catalogue: any few leaves in any part, or a known pattern in a part where it cannot arise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ...wafer.faults import CAUSES, LEAVES, Cause
from .evidence import Effect, effect, sparse
from .logs import WARNING, began, clocks, roots
from .read import Case

RATIO = 0.2  # how far the leaves of a cause are off their pattern, relative
SIZE = 3.0  # of a step, in units of a point's noise: the prior's standard deviation
_LEAF = 0.06  # chance that an unknown fault moves a leaf
_UNKNOWN = 0.1  # share of faults that are in no catalogue
CITED, CLOCK_SIGMAS = 6, 4.0


@dataclass(frozen=True)
class Ranked:
    """A cause and its probability. `events` precede the effect: (corrected time, source, severity, code, text)."""

    cause: str
    part: str
    probability: float
    leaves: tuple[tuple[str, float, float], ...]
    events: tuple[tuple[float, str, str, str, str], ...]


@dataclass(frozen=True)
class Diagnosis:
    """`ranked` is best first; `unknown` the probability of a fault in no catalogue; `known`: a cause is named."""

    ranked: tuple[Ranked, ...]
    unknown: float
    known: bool
    effect: Effect
    leaves: tuple[tuple[str, float, float], ...]
    clocks: dict[str, tuple[float, float]]
    parts: dict[str, float]


def diagnose(case: Case, causes: Sequence[Cause] = CAUSES, threshold: float = 0.5) -> Diagnosis:
    """The causes of a case, likeliest first; none is named where `unknown` passes the threshold."""
    found = effect(case.maps, case.time_s, case.innovations)
    ahead = clocks(case.events)
    times = common(case, ahead)
    log_s = min((at.min() for at in times.values() if at.size), default=0.0)
    log_of = roots(times, found.onset_s, log_s)
    since = {source: began(at, found.onset_s, log_s) for source, at in times.items()}
    some = special.logsumexp(list(log_of.values())) - np.log(max(len(log_of), 1))
    maps = np.array([pattern_evidence(found, cause.pattern()) for cause in causes])
    logs = np.array([log_of.get(cause.part, some) for cause in causes])
    known = maps + logs - np.log(len(causes))
    unknown = np.logaddexp(leaf_evidence(found) + some + np.log(0.5), _misplaced(causes, maps, log_of) + np.log(0.5))
    whole = special.logsumexp(known) + np.log(1 - _UNKNOWN)
    odds = unknown + np.log(_UNKNOWN)
    everything = np.logaddexp(whole, odds)
    chances = np.exp(known + np.log(1 - _UNKNOWN) - everything)
    order = np.argsort(-chances, kind="stable")
    leaves = sparse(found)
    ranked = tuple(
        Ranked(
            causes[k].name, causes[k].part, float(chances[k]), _own(causes[k], leaves),
            _cited(case, causes[k], found, ahead, since),
        )
        for k in order
    )  # fmt: skip
    doubt = float(np.exp(odds - everything))
    parts = {s: float(v) for s, v in zip(log_of, special.softmax(list(log_of.values())), strict=True)}
    return Diagnosis(ranked, doubt, doubt <= threshold, found, tuple(leaves), ahead, parts)


def pattern_evidence(found: Effect, pattern: np.ndarray) -> float:
    """Log likelihood of a step by a pattern of unknown size, its ratios off by a fifth."""
    weight = np.linalg.inv(found.covariance)
    strength = float(pattern @ weight @ pattern)
    size = float(pattern @ weight @ found.step) / strength
    for _ in range(2):  # the ratios' scatter grows with the size
        covariance = found.covariance + np.diag((RATIO * size * pattern) ** 2)
        weight = np.linalg.inv(covariance)
        size = float(pattern @ weight @ found.step) / float(pattern @ weight @ pattern)
    return _normal(found.step, covariance + SIZE**2 * np.outer(pattern, pattern))


def leaf_evidence(found: Effect, most: int = 6) -> float:
    """Log likelihood of a step by any few leaves, each by itself: the best of a forward search."""
    chosen, best = [], _normal(found.step, found.covariance) + len(LEAVES) * np.log(1 - _LEAF)
    price = np.log(_LEAF) - np.log(1 - _LEAF)
    covariance, without = found.covariance.copy(), best
    for _ in range(most):
        trials = []
        for k in range(len(LEAVES)):
            if k not in chosen:
                wider = covariance.copy()
                wider[k, k] += SIZE**2
                trials.append((_normal(found.step, wider), k))
        value, k = max(trials)
        chosen.append(k)
        covariance[k, k] += SIZE**2
        without = value + len(LEAVES) * np.log(1 - _LEAF) + len(chosen) * price
        if without <= best:
            break
        best = without
    return float(best)


def _misplaced(causes: Sequence[Cause], maps: np.ndarray, log_of: dict[str, float]) -> float:
    """A known pattern at the root of a part that no cause with that pattern lies in."""
    alike: dict[tuple, set[str]] = {}
    for cause in causes:
        alike.setdefault(cause.leaves, set()).add(cause.part)
    evidence = {cause.leaves: value for cause, value in zip(causes, maps, strict=True)}
    terms = []
    for leaves, parts in alike.items():
        others = [value for source, value in log_of.items() if source not in parts]
        if others:
            terms.append(evidence[leaves] + special.logsumexp(others) - np.log(len(others)))
    return float(special.logsumexp(terms) - np.log(len(alike))) if terms else -np.inf


def _normal(x: np.ndarray, covariance: np.ndarray) -> float:
    factor = np.linalg.cholesky(covariance)
    return float(-0.5 * np.sum(np.linalg.solve(factor, x) ** 2) - np.log(np.diag(factor)).sum())


def common(case: Case, ahead: dict[str, tuple[float, float]]) -> dict[str, np.ndarray]:
    """Times of warnings by the common clock, of every source."""
    found: dict[str, list[float]] = {source: [] for source in ahead}
    for line in case.events:
        if line.severity == WARNING:
            found[line.source].append(line.time_s - ahead[line.source][0])
    return {source: np.array(sorted(at)) for source, at in found.items()}


def _own(cause: Cause, leaves) -> tuple[tuple[str, float, float], ...]:
    """The leaves that were found and that this cause moves."""
    names = dict(cause.leaves)
    return tuple(one for one in leaves if one[0] in names)


def _cited(case: Case, cause: Cause, found: Effect, ahead, since) -> tuple[tuple[float, str, str, str, str], ...]:
    """The part's lines since it warns more than it used to, up to where the effect can have begun; the last few.

    The clock's uncertainty is taken off; by a clock that is not known nothing is cited.
    """
    shift, sigma = ahead.get(cause.part, (0.0, np.inf))
    if not np.isfinite(sigma):
        return ()
    lines = [
        (line.time_s - shift, line.source, line.severity, line.code, line.text)
        for line in case.events
        if line.source == cause.part and line.severity != "info"
        and since[cause.part] <= line.time_s - shift < found.after_s - CLOCK_SIGMAS * sigma
    ]  # fmt: skip
    return tuple(lines[-CITED:])
