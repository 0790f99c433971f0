"""Calibration: the state of a machine that explains measured widths and edges, and how well it is known.

Weighted, bounded, optionally robust least squares on widths, in float64. Its rows are (predicted - measured) / sigma
and, for every prior, (setting - mean) / sigma; the covariance is that of `inverse.fit`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ...errors import ConfigError, NumericalError
from ...inverse import Fit, fit
from ...optics import zernike
from .edges import REACH_NM
from .identify import DECIDED, Inseparable, correlation, inseparable
from .measured import Measurement
from .problem import Free, Problem
from .scenes import Drawn, Machine, scenes

# Huber's loss takes over here, in standard deviations: 99 % efficient on clean data.
ROBUST_AT = 2.0
# One gauge in so many sets of clean measurements is called an outlier by chance.
FALSE_ALARMS = 0.05
# A chi-square less likely than this says that the stated sigmas or the model are wrong.
UNLIKELY = 1e-3
# Two states are twins when they are so many standard errors apart and no further in chi-square (99 % of one number).
APART, AS_GOOD = 3.0, 6.63
# Of the cost: a step that gains less moves no setting by a hundredth of its standard error.
_TOLERANCE = 1e-6
_ROUNDS = 4

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class HeldOut:
    """Errors of gauges predicted without having been seen: rms in standard deviations and in nm.

    `expected` is the rms that noise alone gives, in the gauges themselves and through the fit that predicts them; it
    is sqrt(1 + p/n) where the n gauges left in resemble those left out.
    """

    rms: float
    rms_nm: float
    expected: float
    folds: int
    by_structure: bool


@dataclass(frozen=True)
class Calibration:
    """A calibrated machine and what is needed to judge it; arrays over free settings (p,) or measurements (n,).

    `noise` is the factor on the sigmas of the gauges: 1 where they were given, estimated where only weights were.
    `residual` is predicted less measured over sigma x noise; `outlier` marks what chance does not explain, leverage
    allowed for; `lost` what does not print. `reach` is half a 95 % interval in standard errors. `twin` is a second
    state of the free settings, far from the first, that explains the measurements about as well.
    """

    machine: Machine
    free: tuple[Free, ...]
    start: np.ndarray
    value: np.ndarray
    sigma: np.ndarray
    reach: float
    correlation: np.ndarray
    at_bound: np.ndarray
    sets: tuple[Inseparable, ...]
    measurements: tuple[Measurement, ...]
    predicted_nm: np.ndarray
    before_nm: np.ndarray
    residual: np.ndarray
    outlier: np.ndarray
    lost: np.ndarray
    noise: float
    noise_known: bool
    chi_square: float
    freedom: int
    twin: np.ndarray | None = None
    held_out: HeldOut | None = None

    @property
    def determined(self) -> bool:
        """Whether every free setting is: known, not at its bound, told apart from all others, without a twin."""
        known = bool(np.isfinite(self.sigma).all()) and not self.at_bound.any()
        return known and not self.sets and self.twin is None

    @property
    def likelihood(self) -> float:
        """Chance of a chi-square as large as this if the stated sigmas are right; 1 where none were stated."""
        return float(stats.chi2.sf(self.chi_square, self.freedom)) if self.noise_known else 1.0

    @property
    def decided_by_prior(self) -> tuple[str, ...]:
        """Settings whose prior the measurements hardly narrow."""
        known = [(f, s) for f, s in zip(self.free, self.sigma, strict=True) if f.prior is not None]
        return tuple(f.name for f, s in known if s > (1 - DECIDED) * f.prior[1])  # type: ignore[index]

    @property
    def rms_nm(self) -> tuple[float, float]:
        """Root mean square of predicted less measured before and after, over what prints and is no outlier."""
        measured = np.array([m.value_nm for m in self.measurements])
        keep = ~self.lost & ~self.outlier
        before, after = (
            float(np.sqrt(np.nanmean((v - measured)[keep] ** 2))) for v in (self.before_nm, self.predicted_nm)
        )
        return before, after


def calibrate(
    measurements: Sequence[Measurement],
    machine: Machine,
    free: Sequence[Free],
    *,
    drawn: Drawn | None = None,
    robust: bool = False,
    hold_out: float = 0.0,
    progress: Progress = lambda what, done, total: None,
) -> Calibration:
    """Find the free settings of a machine from measurements.

    The machine's resist must have a threshold (see `forward.anchored`). Gauges on layout cuts need `drawn`.
    `hold_out` is the share of the structures left out in turn, each predicted by a fit that never saw it (0: none).
    Raises NumericalError where fewer gauges print than settings are free.
    """
    if not free:
        raise ConfigError("nothing is free: name the settings to be found")
    if not 0 <= hold_out <= 0.5:
        raise ConfigError(f"the share held out must lie between 0 and 0.5, not {hold_out:g}")
    problem = Problem(measurements, scenes(measurements, machine.process, drawn), machine, free)
    folds, by_structure = _folds(measurements, hold_out)
    progress("fits", 0, 1 + len(folds))
    solved = _solve(problem, problem.start, np.ones(len(measurements), bool), robust)
    solved, twin = _against_its_mirror_image(problem, solved, robust)
    progress("fits", 1, 1 + len(folds))
    result = replace(_judged(problem, solved), twin=twin)
    if not folds:
        return result
    missed, alone = np.full(len(measurements), np.nan), np.full(len(measurements), np.nan)
    for number, fold in enumerate(folds, 2):
        seen = np.ones(len(measurements), bool)
        seen[fold] = False
        other = _solve(problem, solved.found.value, seen, robust)
        missed[fold] = (problem.predict(other.found.value) - problem.value_nm)[fold]
        alone[fold] = 1 + _leverage(problem, other)[fold]
        progress("fits", number, 1 + len(folds))
    alone[result.outlier | result.lost | np.isnan(missed)] = np.nan
    missed[np.isnan(alone)] = np.nan
    rms, rms_nm, expected = (
        float(np.sqrt(np.nanmean(square))) for square in ((missed / solved.sigma) ** 2, missed**2, alone)
    )
    return replace(result, held_out=HeldOut(rms, rms_nm, expected, len(folds), by_structure))


@dataclass(frozen=True)
class _Solved:
    """A fit, the standard deviations it used with the factor on them, and which of its gauges did not print."""

    found: Fit
    sigma: np.ndarray
    noise: float
    known: bool
    lost: np.ndarray


def _solve(problem: Problem, start: np.ndarray, seen: np.ndarray, robust: bool) -> _Solved:
    """Fit the gauges that are `seen` and print. Where their noise is not known it is estimated from the residuals."""
    stated = np.array([m.sigma_nm if m.sigma_nm is not None else 1.0 for m in problem.measurements])
    stated = stated / np.sqrt([m.weight for m in problem.measurements])
    known = all(m.sigma_nm is not None for m in problem.measurements)
    lost, noise, p = np.isnan(problem.predict(start)), 1.0, start
    for _ in range(_ROUNDS):
        used = seen & ~lost
        if used.sum() < len(p):
            raise NumericalError(f"calibration: {used.sum()} gauges print, which cannot determine {len(p)} settings")
        found = _fitted(problem, p, stated * noise, used, robust)
        p = found.value
        now_lost = np.isnan(problem.predict(p))
        miss = ((problem.predict(p) - problem.value_nm) / stated)[used & ~now_lost]
        spread = 1.0 if known else _spread(miss, found.rank, robust)
        settled = (now_lost == lost).all() and abs(spread / noise - 1) < 0.01
        lost, noise = now_lost, spread
        if settled:
            break
    return _Solved(found, stated * noise, noise, known, lost)


def _fitted(problem: Problem, start: np.ndarray, sigma: np.ndarray, used: np.ndarray, robust: bool) -> Fit:
    priors = [(k, *f.prior) for k, f in enumerate(problem.free) if f.prior is not None]
    # What stops printing on the way is far off, so that no step gains by losing gauges.
    absent = np.array([REACH_NM if m.kind == "edge" else 0.0 for m in problem.measurements])

    def residuals(p):
        predicted = problem.predict(p)
        rows = (np.where(np.isnan(predicted), absent, predicted) - problem.value_nm) / sigma
        return np.r_[rows[used], [(p[k] - mean) / spread for k, mean, spread in priors]]

    def jacobian(p):
        return np.vstack([(problem.derivative(p) / sigma[:, None])[used], prior_rows(problem.free)])

    return fit(
        residuals,
        start,
        jacobian=jacobian,
        bounds=(np.array([f.low for f in problem.free]), np.array([f.high for f in problem.free])),
        robust_at=ROBUST_AT if robust else None,
        known_noise=True,
        tolerance=_TOLERANCE,
    )


def prior_rows(free: Sequence[Free]) -> np.ndarray:
    """The priors' rows of the Jacobian (prior, p)."""
    scale = np.array([0.0 if f.prior is None else 1 / f.prior[1] for f in free])
    return np.diag(scale)[scale > 0]


def _against_its_mirror_image(problem: Problem, solved: _Solved, robust: bool) -> tuple[_Solved, np.ndarray | None]:
    """The better of two fits, and the other's state where it is about as good.

    An image out of focus by z with even aberrations W is that of -z and -W, so gauges whose focus settings are
    symmetric hardly tell focus offset and even aberrations from their negatives, and a descent may end in either.
    """
    turned = [_changes_sign(f.name) for f in problem.free]
    p = np.where(turned, -solved.found.value, solved.found.value)
    p = np.clip(p, [f.low for f in problem.free], [f.high for f in problem.free])
    if (p == solved.found.value).all() or np.isnan(problem.predict(p)).all():
        return solved, None
    other = _solve(problem, p, np.ones(len(problem.measurements), bool), robust)
    cost, other_cost = (_cost(problem, s, solved.noise, robust) for s in (solved, other))
    if other_cost < cost:
        solved, other, cost, other_cost = other, solved, other_cost, cost
    apart = np.abs(other.found.value - solved.found.value)
    far = (apart > APART * solved.found.sigma).any()
    return solved, other.found.value if far and other_cost - cost < AS_GOOD else None


def _changes_sign(name: str) -> bool:
    if name == "focus_offset_nm":
        return True
    table, _, term = name.rpartition(".")
    return table.endswith("zernikes_nm") and zernike(term, 0.3, 0.5) == zernike(term, -0.3, -0.5)


def _cost(problem: Problem, solved: _Solved, noise: float, robust: bool) -> float:
    """Sum of squares, or Huber's, of all rows, with the same noise for every state compared."""
    miss = (problem.predict(solved.found.value) - problem.value_nm) / (solved.sigma / solved.noise * noise)
    known = [(v - f.prior[0]) / f.prior[1] for f, v in zip(problem.free, solved.found.value, strict=True) if f.prior]
    size = np.abs(np.r_[np.where(np.isnan(miss), 0.0, miss), known])
    return float(np.where(robust & (size > ROBUST_AT), 2 * ROBUST_AT * size - ROBUST_AT**2, size**2).sum())


def _spread(miss: np.ndarray, rank: int, robust: bool) -> float:
    """Standard deviation of the misses (n,) about a fit, from their median size where some may be gross."""
    freedom = max(miss.size - rank, 1)
    size = 1.4826 * np.median(np.abs(miss)) if robust else np.sqrt((miss**2).mean())
    return max(float(size * np.sqrt(miss.size / freedom)), 1e-9)


def _judged(problem: Problem, solved: _Solved) -> Calibration:
    found, lost = solved.found, solved.lost
    predicted = problem.predict(found.value)
    rows = problem.derivative(found.value) / solved.sigma[:, None]
    residual = np.where(lost, np.nan, (predicted - problem.value_nm) / solved.sigma)
    leverage = np.clip(_leverage(problem, solved), 0, 0.9)
    limit = stats.norm.isf(0.5 * FALSE_ALARMS / max(int((~lost).sum()), 1))
    # Where all sigmas are too small that is said once, by the chi-square, and not of every gauge.
    common = max(1.0, _spread(residual[~lost], found.rank, robust=True))
    outlier = ~lost & (np.abs(np.nan_to_num(residual)) > limit * common * np.sqrt(1 - leverage))
    keep, inner = ~lost & ~outlier, ~found.at_bound
    freedom = max(int(keep.sum()) - found.rank, 1)
    correlations = np.eye(len(problem.free))
    weighted = np.vstack([rows[keep], prior_rows(problem.free)])
    correlations[np.ix_(inner, inner)] = correlation(weighted[:, inner])
    return Calibration(
        machine=problem.at(found.value),
        free=problem.free,
        start=problem.start,
        value=found.value,
        sigma=found.sigma,
        reach=float(stats.norm.isf(0.025) if solved.known else stats.t.isf(0.025, freedom)),
        correlation=correlations,
        at_bound=found.at_bound,
        sets=tuple(inseparable([problem.free[k].name for k in np.flatnonzero(inner)], weighted[:, inner])),
        measurements=problem.measurements,
        predicted_nm=predicted,
        before_nm=problem.predict(problem.start),
        residual=residual,
        outlier=outlier,
        lost=lost,
        noise=solved.noise,
        noise_known=solved.known,
        chi_square=float((residual[keep] ** 2).sum()),
        freedom=freedom,
    )


def _leverage(problem: Problem, solved: _Solved) -> np.ndarray:
    """Variance (n,) of the predictions through the fit, in units of the variance of the measurements."""
    rows = problem.derivative(solved.found.value) / solved.sigma[:, None]
    return np.einsum("ni,ij,nj->n", rows, np.nan_to_num(solved.found.covariance, posinf=0.0), rows)


def _folds(measurements: Sequence[Measurement], share: float) -> tuple[list[np.ndarray], bool]:
    """Indices of the gauges to leave out in turn, all gauges of a structure together, and whether that was possible."""
    if share == 0:
        return [], True
    sites = list(dict.fromkeys(m.site for m in measurements))
    by_structure = len(sites) > 1
    group = np.array([sites.index(m.site) for m in measurements]) if by_structure else np.arange(len(measurements))
    count = int(group.max()) + 1
    folds = min(max(round(1 / share), 2), count)
    # Always the same deal, so that a run can be repeated.
    dealt = np.random.default_rng(0).permutation(count) % folds
    return [np.flatnonzero(dealt[group] == n) for n in range(folds)], by_structure
