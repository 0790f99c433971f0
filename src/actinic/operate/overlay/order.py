"""The order of an overlay model, by how well it predicts fields it has not seen."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ...errors import NumericalError
from ...wafer import Marks, Model, design
from .fit import AXES, Fingerprint, fit
from .shrink import prior_by_order
from .squares import HUBER, triangle

CANDIDATES = (
    *("linear", "field-linear", "third-order", "howa3", "howa3+field3"),
    *("howa4", "howa4+field3", "howa5", "howa5+field3"),
)


_CHANCE = 1.0  # standard errors
_MOST = 50_000
_FOLDS = 1000  # of more fields several are left out together


@dataclass(frozen=True)
class Choice:
    """The fit taken, and for each candidate the rms (nm) of fields left out; None where the marks cannot give it."""

    found: Fingerprint
    left_out_nm: dict[str, float | None]


def choose(marks: Marks, *, robust: bool = True, candidates: tuple[str, ...] = CANDIDATES) -> Choice:
    """The smallest candidate whose error on fields left out one after the other is least, but for one standard error.

    Raises NumericalError where none can be fitted.

    Every candidate's terms of higher order are shrunk by what the marks show of them, see `shrink`. The error of a
    field is that of a fit without it, exact for the weights and the prior of the fit of all. Far ones count by Huber's
    loss, at the scale of the best candidate. Of very many marks a random 50,000 choose, and all
    are then fitted: with so many there is nothing to shrink.
    """
    if len(marks) > _MOST:
        # Drawn at random: every so-maniest mark might be the same one of each field.
        some = np.sort(np.random.default_rng(0).permutation(len(marks))[:_MOST])
        chosen = choose(marks[some], robust=robust, candidates=candidates)
        return Choice(fit(marks, chosen.found.model, robust=robust), chosen.left_out_nm)
    fits: dict[str, Fingerprint] = {}
    errors = {}
    for name in candidates:
        tried = _shrunk(marks, Model.named(name), robust)
        left = _left_out(marks, tried) if tried is not None else None
        if tried is not None and left is not None:
            fits[name], errors[name] = tried, left
    if not fits:
        fit(marks, Model.named(candidates[0]), robust=robust)  # says why
        raise NumericalError("no model leaves a measurement over to choose the order by: name one with --model")
    losses: dict[str, list[np.ndarray]] = {name: [] for name in fits}
    for axis in next(iter(errors.values())):
        scale = min(1.4826 * float(np.median(np.abs(left[axis][0]))) for left in errors.values()) or 1e-300
        for name, left in errors.items():
            error, weight = left[axis]
            size = np.abs(error) / scale
            loss = np.where(size <= HUBER, size**2, HUBER * (2 * size - HUBER)) if robust else size**2
            losses[name].append(scale**2 * loss * weight / weight.mean())
    joined = {name: np.concatenate(parts) for name, parts in losses.items()}
    least = min(joined, key=lambda name: joined[name].mean())
    best = next(name for name in sorted(joined, key=_terms) if _no_worse(joined[name], joined[least]))
    rms = {name: float(np.sqrt(joined[name].mean())) if name in joined else None for name in candidates}
    return Choice(fits[best], rms)


def _terms(name: str) -> int:
    return len(Model.named(name).terms)


def _no_worse(loss: np.ndarray, least: np.ndarray) -> bool:
    """Whether the mean of one loss is above another's by no more than chance: the smaller model is then enough."""
    more = loss - least
    return bool(more.mean() <= _CHANCE * more.std() / np.sqrt(more.size))


def _shrunk(marks: Marks, model: Model, robust: bool) -> Fingerprint | None:
    """The model's fit with the prior that its own terms give; None where the marks cannot give all its terms."""
    try:
        plain = fit(marks, model, robust=robust)
    except NumericalError:
        return None
    measured = {axis for axis, one in plain.along.items() if one.used.any()}
    if not measured or any(one.axis in measured and one.name in plain.lost for one in model.terms):
        return None  # a lower candidate is the same fit
    if any(plain.along[axis].used.sum() <= len(plain.along[axis].terms) for axis in measured):
        return None
    prior = prior_by_order(marks, plain)
    return fit(marks, model, robust=robust, prior=prior) if prior else plain


def _left_out(marks: Marks, found: Fingerprint):
    """For each axis the errors (n,) of marks as fits without their field predict them, and the marks' weights."""
    errors = {}
    for axis in AXES:
        one = found.along[axis]
        if not one.used.any():
            continue
        scale = np.sqrt(marks.quality[one.used] * one.solved.weight)
        columns = design(one.terms, marks.places[one.used]) * scale[:, None]
        size = np.linalg.norm(columns, axis=0)
        columns /= size
        root = triangle(columns)
        if one.solved.spread is not None:
            root = np.linalg.qr(np.vstack([root, np.diag(one.solved.noise / one.solved.spread / size)]), mode="r")
        q = linalg.solve_triangular(root.T, columns.T, lower=True, overwrite_b=True).T
        left = _without_field(q, one.solved.residual * scale, marks.field[one.used] % _FOLDS)
        if left is None:
            return None
        errors[axis] = left / np.maximum(scale, 1e-12), marks.quality[one.used]
    return errors


def _without_field(q: np.ndarray, residual: np.ndarray, field: np.ndarray) -> np.ndarray | None:
    """Residuals of each field by the fit without it: (I - Qg Qg')^-1 rg by a small matrix; None if it has none."""
    order = np.argsort(field, kind="stable")
    ends = np.flatnonzero(np.diff(field[order])) + 1
    left = np.empty_like(residual)
    eye = np.eye(q.shape[1])
    for rows in np.split(order, ends):
        part = q[rows]
        inner = eye - part.T @ part
        # Without this field a direction would be left that nothing measures.
        if np.linalg.eigvalsh(inner)[0] < 1e-6:
            return None
        left[rows] = residual[rows] + part @ np.linalg.solve(inner, part.T @ residual[rows])
    return left
