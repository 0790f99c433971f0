"""Components of variance of nested and crossed studies, by mean squares and by restricted maximum likelihood."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from scipy import linalg, optimize, stats

from ..errors import ConfigError, InputError, NumericalError

REPEAT = "repeat"
# Of the spread of the measurements: a standard deviation below counts as nothing, one above as without bound.
_LEAST, _MOST = 1e-3, 100.0
# Of the deviance: at its least, and along a profile that is to be right to a hundredth of its rise of 3.84.
_TIGHT, _LOOSE = 1e-12, 1e-4


@dataclass(frozen=True)
class Component:
    """One source of variation: its variance, 95 % interval (None where there is none) and the share of the total."""

    name: str
    variance: float
    low: float | None
    high: float | None
    share: float

    @property
    def sigma(self) -> float:
        return float(np.sqrt(max(self.variance, 0.0)))


@dataclass(frozen=True)
class Gauge:
    """Gauge repeatability and reproducibility, in the unit of the measurements.

    `precision` is the six sigma of repeatability and reproducibility together with its 95 % interval,
    `to_tolerance` precision over tolerance, `distinct` the number of categories sqrt(2) sigma(part) / sigma(gauge).
    """

    repeatability: float
    reproducibility: float
    part: float
    precision: float
    precision_low: float
    precision_high: float
    to_tolerance: float | None
    distinct: float


class Study:
    """Measurements (n,) with the labels (n,) of each factor, and the random terms to tell apart.

    A term is a factor's name, or names joined by ":" for each combination of their labels: nested factors are
    `("lot", "lot:wafer", "lot:wafer:site")`, crossed ones `("part", "operator", "part:operator")`. What is left
    within the finest combination is `repeat`. `fixed` names factors whose levels' means are removed.
    """

    def __init__(
        self,
        values: Sequence[float] | np.ndarray,
        factors: Mapping[str, Sequence],
        terms: Sequence[str],
        fixed: Sequence[str] = (),
    ):
        self.values = np.asarray(values, np.float64)
        n = self.values.size
        if self.values.ndim != 1 or n < 3 or not np.isfinite(self.values).all():
            raise InputError("a variance study needs three or more measurements in one row, all of them numbers")
        for name, labels in factors.items():
            if len(labels) != n:
                raise InputError(f"factor {name!r} has {len(labels)} labels for {n} measurements")
        known = ", ".join(map(repr, factors))
        for name in {part for term in (*terms, *fixed) for part in term.split(":")} - set(factors):
            raise ConfigError(f"there is no factor {name!r}; the study has {known}")
        if len(set(terms)) != len(terms) or not terms:
            raise ConfigError("a variance study needs one or more terms, each of them once")
        self.terms = tuple(terms)
        codes = {name: np.unique(np.asarray(labels), return_inverse=True)[1] for name, labels in factors.items()}
        self._levels = [_combined([codes[part] for part in term.split(":")]) for term in terms]
        self._fixed = np.hstack([np.ones((n, 1)), *(_dummies(codes[name])[:, 1:] for name in fixed)])
        if np.linalg.matrix_rank(self._fixed) < self._fixed.shape[1] or self._fixed.shape[1] >= n:
            raise ConfigError("the fixed factors cannot be told apart; leave one out")
        self._design = [_dummies(levels) for levels in self._levels]

    def anova(self) -> list[Component]:
        """Components from the mean squares of the terms, each after those before it (Henderson III, type I).

        Unbiased for balanced and unbalanced data; a negative variance is left as it is. Intervals by Satterthwaite
        (Biometrics Bulletin 2, 110, 1946), from 0 up; None where the component is not positive.
        """
        n = self.values.size
        spaces = [linalg.orth(self._fixed)]
        for design in self._design:
            rest = design - spaces[-1] @ (spaces[-1].T @ design)
            new = linalg.orth(rest, rcond=1e-9) if np.abs(rest).max() > 1e-9 else np.zeros((n, 0))
            spaces.append(np.hstack([spaces[-1], new]))
        squares, degrees, means = [], [], []
        for before, after in pairwise(spaces):
            new = after[:, before.shape[1] :]
            if not new.shape[1]:
                name = self.terms[len(degrees)]
                raise ConfigError(f"term {name!r} cannot be told from those before it; leave it out")
            degrees.append(new.shape[1])
            squares.append(float(np.sum((new.T @ self.values) ** 2)))
            means.append([float(np.sum((new.T @ design) ** 2)) / new.shape[1] for design in self._design] + [1.0])
        degrees.append(n - spaces[-1].shape[1])
        if not degrees[-1]:
            raise ConfigError(f"nothing is repeated within {self.terms[-1]!r}: leave that term out, it is the repeat")
        whole = spaces[-1]
        squares.append(float(np.sum((self.values - whole @ (whole.T @ self.values)) ** 2)))
        means.append([0.0] * len(self.terms) + [1.0])
        mean_squares, degrees = np.array(squares) / degrees, np.array(degrees)
        unmix = np.linalg.inv(np.array(means))
        variances = unmix @ mean_squares
        intervals = [_satterthwaite(row * mean_squares, degrees) for row in unmix]
        return self._components(variances, intervals)

    def reml(self) -> list[Component]:
        """Components by restricted maximum likelihood, none negative, with intervals by the profile of the likelihood.

        Equal to the mean squares' where the data are balanced and those not negative. Raises NumericalError when the
        likelihood has no maximum.
        """
        likelihood = _Restricted(self.values, self._fixed, self._design)
        best = likelihood.maximum()
        intervals = [likelihood.interval(best, [k]) for k in range(len(best))]
        return self._components(best**2, [(low**2, high**2) for low, high in intervals])

    def gauge(self, parts: Sequence[str], tolerance: float | None = None) -> Gauge:
        """Repeatability and reproducibility, by likelihood, of the gauges in a study.

        `parts` are the terms that are what was measured (wafers, and sites in them); every other term, also one with
        a part in it, is reproducibility: operators, tools, days, their interaction with the parts.
        """
        for name in parts:
            if name not in self.terms:
                raise ConfigError(f"the part {name!r} is not one of the terms {', '.join(map(repr, self.terms))}")
        if tolerance is not None and not tolerance > 0:
            raise ConfigError(f"the tolerance must be positive, not {tolerance}")
        likelihood = _Restricted(self.values, self._fixed, self._design)
        best = likelihood.maximum()
        is_part = np.array([*(name in parts for name in self.terms), False])
        low, high = likelihood.interval(best, np.flatnonzero(~is_part))
        part, gauge = (float(np.sqrt(np.sum(best[some] ** 2))) for some in (is_part, ~is_part))
        return Gauge(
            repeatability=float(best[-1]),
            reproducibility=float(np.sqrt(np.sum(best[:-1][~is_part[:-1]] ** 2))),
            part=part,
            precision=6 * gauge,
            precision_low=6 * low,
            precision_high=6 * high,
            to_tolerance=6 * gauge / tolerance if tolerance else None,
            distinct=float(np.sqrt(2)) * part / gauge,
        )

    def _components(self, variances: np.ndarray, intervals: list) -> list[Component]:
        total = float(np.maximum(variances, 0).sum()) or 1.0
        names = (*self.terms, REPEAT)
        return [
            Component(name, float(v), low, high, float(max(v, 0.0)) / total)
            for name, v, (low, high) in zip(names, variances, intervals, strict=True)
        ]


def _combined(codes: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].ravel()


def _dummies(levels: np.ndarray) -> np.ndarray:
    return (levels[:, None] == np.arange(levels.max() + 1)).astype(np.float64)


def _satterthwaite(parts: np.ndarray, degrees: np.ndarray) -> tuple[float | None, float | None]:
    """95 % interval of a sum of independent mean squares with signs."""
    value = float(parts.sum())
    if not value > 0:
        return None, None
    freedom = value**2 / float(np.sum(parts**2 / degrees))
    # With next to no degrees of freedom the lower quantile is 0: no upper bound.
    with np.errstate(divide="ignore"):
        low, high = freedom * value / stats.chi2.ppf([0.975, 0.025], freedom)
    return float(low), float(high)


class _Restricted:
    """Restricted likelihood of y = X b + sum of Z u + e as a function of the standard deviations (term ..., repeat)."""

    def __init__(self, values: np.ndarray, fixed: np.ndarray, design: list[np.ndarray]):
        whole = np.hstack([*design, values[:, None]])
        # What the fixed effects explain is taken out; the likelihood of the rest is the restricted one.
        basis = linalg.orth(fixed)
        whole -= basis @ (basis.T @ whole)
        self.products = whole.T @ whole
        self.term = np.repeat(np.arange(len(design)), [d.shape[1] for d in design])
        self.free = values.size - fixed.shape[1]
        self.spread = float(np.sqrt(self.products[-1, -1] / self.free))
        if not self.spread > 1e-12 * np.abs(values).max():
            raise NumericalError("all measurements are equal: there is no variance to share out")

    def deviance(self, sigmas: np.ndarray) -> tuple[float, np.ndarray]:
        """-2 log likelihood less constants, and its slopes, by the Cholesky factor of the mixed-model equations.

        Bates et al., J. Stat. Softw. 67, 1 (2015), section 3, with the repeat's variance not profiled out.
        """
        random, repeat = self.term.size, sigmas[-1]
        scale = np.r_[sigmas[self.term] / repeat, 1.0]
        matrix = self.products * scale * scale[:, None]
        matrix[np.diag_indices(random)] += 1.0
        root = np.linalg.cholesky(matrix)
        left = root[-1, -1] ** 2 / repeat**2
        value = 2 * np.log(np.diag(root)[:-1]).sum() + left + 2 * self.free * np.log(repeat)
        inverse = linalg.solve_triangular(root[:-1, :-1], np.eye(len(root) - 1), lower=True)
        effects = inverse.T @ root[-1, :-1]
        # Of each random effect: 1 less its prediction variance, and the square of its prediction.
        gained = 1 - np.sum(inverse[:, :random] ** 2, axis=0) - (effects[:random] / repeat) ** 2
        terms = 2 * np.bincount(self.term, gained, sigmas.size - 1)
        slopes = np.r_[terms, 2 * self.free - 2 * left - terms.sum()] / np.maximum(sigmas, 1e-300)
        return float(value), slopes

    def maximum(self) -> np.ndarray:
        """Standard deviations of the highest likelihood."""
        terms = int(self.term.max()) + 1
        share = self.spread / np.sqrt(terms + 1)
        starts = np.full(terms + 1, share), np.r_[np.full(terms, 0.1 * share), share]
        found = min((self._descend(start) for start in starts), key=lambda r: r.fun)
        if found.x[-1] <= 2 * _LEAST:
            raise NumericalError("the likelihood has no maximum: nothing is repeated within these terms")
        return found.x * self.spread

    def interval(self, best: np.ndarray, chosen: Sequence[int]) -> tuple[float, float]:
        """95 % interval of the root of the sum of the chosen variances, where the profile rises by 3.84."""
        chosen = list(chosen)
        middle = float(np.sqrt(np.sum(best[chosen] ** 2)))
        limit = self.deviance(best)[0] + stats.chi2.ppf(0.95, 1)

        nearest = {middle: np.maximum(best, 0.05 * self.spread)}

        @cache
        def excess(size: float) -> float:
            # From the solution for the nearest size.
            start = nearest[min(nearest, key=lambda known: abs(known - size))].copy()
            start[chosen] *= size / np.sqrt(np.sum(start[chosen] ** 2))
            found = self._descend(start, chosen, size, _LOOSE)
            nearest[size] = np.maximum(found.x, 1e-3) * self.spread
            return found.fun - limit

        high = max(1.5 * middle, 0.1 * self.spread)
        while excess(high) < 0:
            high *= 2
            if high > _MOST * self.spread:
                raise NumericalError("a component of variance has no upper bound: too few levels")
        top = self._root(excess, middle, high) if excess(middle) < 0 else middle
        least = _LEAST * self.spread
        if middle <= least or excess(least) <= 0:
            return 0.0, top
        return self._root(excess, least, middle), top

    def _root(self, excess: Callable[[float], float], low: float, high: float) -> float:
        return float(np.asarray(optimize.brentq(excess, low, high, xtol=2e-4 * self.spread)))

    def _descend(
        self, start: np.ndarray, chosen=(), size: float = 0.0, tolerance: float = _TIGHT
    ) -> optimize.OptimizeResult:
        """The least deviance, the root of the sum of the chosen variances held at a size; in units of the spread."""

        def scaled(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slopes = self.deviance(np.maximum(x, 1e-9) * self.spread)
            return value, slopes * self.spread

        def change(x: np.ndarray) -> np.ndarray:
            slopes = np.zeros_like(x)
            slopes[chosen] = 2 * x[chosen]
            return slopes

        held = (size / self.spread) ** 2
        constraint = {"type": "eq", "fun": lambda x: np.sum(x[chosen] ** 2) - held, "jac": change}
        return optimize.minimize(
            scaled,
            start / self.spread,
            method="SLSQP",
            jac=True,
            bounds=[(0.0, _MOST)] * (start.size - 1) + [(_LEAST, _MOST)],
            constraints=constraint if len(chosen) else (),
            options={"ftol": tolerance, "maxiter": 300},
        )
