"""Fit an overlay model to measured marks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ...errors import NumericalError
from ...wafer import Marks, Model, Places, Term, design
from .spread import Spread
from .squares import Solved, ownership, solve, triangle

AXES = ("x", "y")
OUTLIER = 5.0  # standard deviations of the noise

# Of each term that history knows: mean and standard deviation.
Prior = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Along:
    """The fit along one axis: its terms, what was solved, and which of the marks it used (n,).

    `leverage_limit` is the largest leverage of a mark: places of more of it are beyond what was measured. Infinite
    where only a prior gives the terms.
    """

    terms: list[Term]
    solved: Solved
    used: np.ndarray
    leverage_limit: float = np.inf

    def leverage(self, columns: np.ndarray) -> np.ndarray:
        """How far out places (n, term) lie among the marks: variance of the prediction per variance of a mark."""
        if not self.terms or not np.isfinite(self.leverage_limit):
            return np.zeros(len(columns))
        spread = linalg.solve_triangular(self.solved.root.T, columns.T, lower=True)
        return np.sum(spread**2, axis=0)


@dataclass(frozen=True)
class Fingerprint:
    """A fitted model: terms by name, with their standard errors, and what the marks say of it.

    `residual_nm` and `error_nm` are arrays (n,) an axis, NaN where a mark was not measured along it; `lost` tells for
    each term that the marks cannot give why. Standard errors are those of the fit: of marks that err independently.
    """

    model: Model
    values: dict[str, float]
    sigmas: dict[str, float]
    along: dict[str, Along]
    error_nm: dict[str, np.ndarray]
    residual_nm: dict[str, np.ndarray]
    lost: dict[str, str]
    notes: list[str]

    def predict(self, at: Places) -> dict[str, np.ndarray]:
        """Overlay (n,) in nm an axis."""
        return {a: design(f.terms, at) @ f.solved.value for a, f in self.along.items()}

    def uncertainty(self, at: Places) -> dict[str, np.ndarray]:
        """Standard error (n,) in nm of the prediction an axis."""
        found = {}
        for axis, one in self.along.items():
            columns = design(one.terms, at)
            variance = np.einsum("np,pq,nq->n", columns, one.solved.covariance, columns, optimize=True)
            found[axis] = np.sqrt(np.maximum(variance, 0.0))
        return found

    def extrapolated(self, at: Places) -> np.ndarray:
        """Places (n,) beyond the marks: more leverage than any of these along x or y."""
        beyond = np.zeros(len(at), bool)
        for one in self.along.values():
            beyond |= one.leverage(design(one.terms, at)) > one.leverage_limit * (1 + 1e-6)
        return beyond

    def outliers(self) -> np.ndarray:
        """Marks (n,) that lie so far off that they hardly counted."""
        far = np.zeros(len(self.error_nm["x"]), bool)
        for axis, one in self.along.items():
            residual = self.residual_nm[axis]
            far |= np.abs(np.nan_to_num(residual)) > OUTLIER * _noise(one)
        return far

    def spreads(self, after: bool = True) -> dict[str, Spread]:
        """Of the marks, measured error or what is left; outliers are left out."""
        inside = ~self.outliers()
        values = self.residual_nm if after else self.error_nm
        return {axis: Spread.of(np.where(inside, values[axis], np.nan)) for axis in AXES}


def fit(marks: Marks, model: Model, *, robust: bool = True, prior: Prior | None = None) -> Fingerprint:
    """Fit a model to marks, each weighed by its quality.

    Terms that marks cannot give are left out where a term of lower rank owns them: a wafer's before a field's, low
    orders before high ones. Raises NumericalError, with the terms' names, where terms of the same rank cannot be
    told apart, or there are fewer marks than terms. With a prior nothing is left out.
    """
    errors = dict(zip(AXES, marks.error_nm, strict=True))
    found: dict[str, Along] = {}
    lost: dict[str, str] = {}
    notes: list[str] = []
    residuals = {}
    for axis in AXES:
        used = np.isfinite(errors[axis]) & (marks.quality > 0)
        terms = model.along(axis)
        if not used.any():
            notes.append(f"no mark is measured along {axis}: d{axis} is not fitted")
            lost |= {one.name: f"no mark is measured along {axis}" for one in terms}
            found[axis] = Along([], solve(np.zeros((0, 0)), np.zeros(0), np.zeros(0), False), used)
            residuals[axis] = np.full(len(marks), np.nan)
            continue
        whole = bool(used.all())
        columns = design(terms, marks.places if whole else marks.places[used])
        weight = marks.quality if whole else marks.quality[used]
        if prior is None:
            terms, columns, gone = _identified(terms, columns, weight, axis)
            lost |= gone
        known = None if prior is None else _known(terms, prior)
        one = solve(columns, errors[axis] if whole else errors[axis][used], weight, robust, known)
        found[axis] = Along(terms, one, used, _limit(columns, one))
        residuals[axis] = np.full(len(marks), np.nan)
        residuals[axis][used] = one.residual
        if len(columns) == len(terms) and prior is None:
            notes.append(f"as many d{axis} as terms: no measurement is left over to tell the noise")
    values = {t.name: float(v) for f in found.values() for t, v in zip(f.terms, f.solved.value, strict=True)}
    sigmas = {
        t.name: float(np.sqrt(v))
        for f in found.values()
        for t, v in zip(f.terms, np.diag(f.solved.covariance), strict=True)
    }
    order = [one.name for one in model.terms if one.name in values]
    return Fingerprint(
        model, {k: values[k] for k in order}, {k: sigmas[k] for k in order}, found, errors, residuals, lost, notes
    )


def _identified(terms: list[Term], columns: np.ndarray, weight: np.ndarray, axis: str):
    """The terms that the marks can give, their columns, and for each of the others why not."""
    if len(columns) < len(terms):
        raise NumericalError(
            f"{len(terms)} terms along {axis} need as many marks or more, there are {len(columns)}: take a model of "
            "fewer terms, or --prior"
        )
    owns = ownership(triangle(columns, scale=np.sqrt(weight)), [one.rank for one in terms])
    if owns.tied:
        groups = "; ".join(" and ".join(terms[j].name for j in group) for group in owns.tied)
        raise NumericalError(
            f"these marks cannot tell apart {groups} (d{axis}): their columns depend on each other, as those of marks "
            "on one line do; measure elsewhere too, take a model without these terms, or give --prior"
        )
    gone = {}
    for j in owns.lost:
        if not columns[:, j].any():
            gone[terms[j].name] = "no mark depends on it: all lie where it is 0"
        else:
            lower = "the wafer's terms" if terms[j].in_field else "terms of lower order"
            gone[terms[j].name] = f"these marks cannot tell {lower} apart from it, and they come first"
    return [terms[j] for j in owns.kept], columns[:, owns.kept], gone


def _known(terms: list[Term], prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    pairs = [prior.get(one.name, (0.0, np.inf)) for one in terms]
    return np.array([mean for mean, _ in pairs]), np.array([spread for _, spread in pairs])


def _limit(columns: np.ndarray, solved: Solved) -> float:
    """The largest leverage of the marks; the root is that of weighted rows, the prior not in it."""
    if np.abs(np.diag(solved.root)).min(initial=np.inf) <= 0:
        return np.inf  # only a prior makes it solvable: nothing tells what is beyond
    highest = 0.0
    for start in range(0, len(columns), 65536):
        spread = linalg.solve_triangular(solved.root.T, columns[start : start + 65536].T, lower=True)
        highest = max(highest, float(np.sum(spread**2, axis=0).max()))
    return highest


def _noise(one: Along) -> float:
    return one.solved.noise if np.isfinite(one.solved.noise) else np.inf
