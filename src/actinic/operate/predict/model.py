"""A ridge regression on the few features that carry over from lot to lot, with intervals that hold for a new lot.

Wafers of a lot share what no feature tells, so the lot is the unit throughout: features are chosen by leaving lots
out, the errors that size the intervals are those on lots left out, and their Student factor has as many degrees of
freedom as there are lots, not wafers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...errors import InputError
from .features import ORDER, Table

RIDGE = 1.0  # on standardised features: a weight is drawn to zero as by one more wafer
GAIN = 0.05  # of the error: what a feature must gain to be taken in
LEAST_LOTS = 3
_BASELINE = 0.1  # its ridge, at which it does best


@dataclass(frozen=True)
class Prediction:
    """Of each wafer: the value, its interval's half-width, and whether the model has been tried on anything like it."""

    value: np.ndarray
    half: np.ndarray
    known: np.ndarray

    @property
    def low(self) -> np.ndarray:
        return self.value - self.half

    @property
    def high(self) -> np.ndarray:
        return self.value + self.half


@dataclass(frozen=True)
class Model:
    """What was learnt. `sigma` is the error on lots left out, for a wafer at the middle of what was measured."""

    names: tuple[str, ...]
    columns: tuple[int, ...]
    middle: np.ndarray
    spread: np.ndarray
    mean: float
    weights: np.ndarray
    inverse: np.ndarray
    sigma: float
    lots: int
    wafers: int
    furthest: float

    def predict(self, values: np.ndarray, level: float = 0.9) -> Prediction:
        """Of wafers (n, features of the table)."""
        z = _design(values, self.columns)
        z = (z - self.middle) / self.spread
        widen = _widen(z, self.inverse, self.wafers)
        half = stats.t.isf(0.5 * (1 - level), self.lots) * self.sigma * widen
        return Prediction(self.mean + z @ self.weights, half, widen <= self.furthest)


def fit(table: Table, measured: np.ndarray, columns: Sequence[int] | None = None) -> Model:
    """Choose features (unless `columns` names them) and learn from measured wafers (n,) of three lots or more."""
    lots = np.unique(table.lots)
    if lots.size < LEAST_LOTS:
        raise InputError(f"{lots.size} measured lots: {LEAST_LOTS} or more are needed, so that some foretell another")
    chosen = tuple(columns) if columns is not None else _chosen(table, measured)
    errors, widths = _left_out(table.values, measured, table.lots, chosen)
    middle, spread, mean, weights, inverse = _ridge(_design(table.values, chosen), measured)
    sigma = float(np.sqrt(np.mean((errors / widths) ** 2)))
    names = tuple(table.names[k] for k in chosen)
    return Model(
        names, chosen, middle, spread, mean, weights, inverse, sigma, lots.size, len(measured), float(widths.max())
    )


def leave_one_lot_out(table: Table, measured: np.ndarray, level: float = 0.9) -> tuple[Prediction, list[Model]]:
    """Every lot foretold by a model that was chosen and learnt without it; models in order of `np.unique(lots)`."""
    value, half, known = np.zeros(len(measured)), np.zeros(len(measured)), np.zeros(len(measured), bool)
    models = []
    for lot in np.unique(table.lots):
        out = table.lots == lot
        models.append(fit(_rows(table, ~out), measured[~out]))
        found = models[-1].predict(table.values[out], level)
        value[out], half[out], known[out] = found.value, found.half, found.known
    return Prediction(value, half, known), models


def ridge_baseline(table: Table, measured: np.ndarray, new: Table | None = None) -> np.ndarray:
    """(n,) by ridge regression on the signals' plain means and the wafer's place: `new`, or each lot by the others."""
    values = np.column_stack([table.means, table.place])
    if new is not None:
        return _plain(values, measured, np.column_stack([new.means, new.place]))
    found = np.zeros(len(measured))
    for lot in np.unique(table.lots):
        out = table.lots == lot
        found[out] = _plain(values[~out], measured[~out], values[out])
    return found


def _plain(values: np.ndarray, measured: np.ndarray, new: np.ndarray) -> np.ndarray:
    middle, spread, mean, weights, _ = _ridge(values, measured, _BASELINE)
    return mean + (new - middle) / spread @ weights


def _rows(table: Table, rows: np.ndarray) -> Table:
    return Table(table.lots[rows], table.place[rows], table.names, table.values[rows], table.means[rows])


def _design(values: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """The place in the lot enters with its square too: a chamber settles, it does not go on for ever."""
    chosen = values[:, list(columns)]
    return np.column_stack([chosen, (values[:, 0] - 5.5) ** 2]) if 0 in columns else chosen


def _ridge(design: np.ndarray, measured: np.ndarray, ridge: float | None = None):
    ridge = RIDGE if ridge is None else ridge
    middle, spread = design.mean(0), design.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    z, mean = (design - middle) / spread, float(measured.mean())
    inverse = np.linalg.inv(z.T @ z + ridge * np.eye(z.shape[1]))
    return middle, spread, mean, inverse @ (z.T @ (measured - mean)), inverse


def _widen(z: np.ndarray, inverse: np.ndarray, wafers: int) -> np.ndarray:
    """How much further off a wafer is than one at the middle, for what is not known of mean and weights."""
    return np.sqrt(1.0 + 1.0 / wafers + np.einsum("ij,jk,ik->i", z, inverse, z))


def _left_out(values, measured, lots, columns) -> tuple[np.ndarray, np.ndarray]:
    """Errors on each lot by the others, and their widening."""
    errors, widths = np.zeros(len(measured)), np.zeros(len(measured))
    design = _design(values, columns)
    for lot in np.unique(lots):
        out = lots == lot
        middle, spread, mean, weights, inverse = _ridge(design[~out], measured[~out])
        z = (design[out] - middle) / spread
        errors[out] = measured[out] - mean - z @ weights
        widths[out] = _widen(z, inverse, int((~out).sum()))
    return errors, widths


def _chosen(table: Table, measured: np.ndarray) -> tuple[int, ...]:
    """The place in the lot, and one feature after the other while lots left out are foretold better by 5 %."""
    chosen = (table.names.index(ORDER),)
    best = _rms(table, measured, chosen)
    while len(chosen) < len(table.names):
        tried = [(_rms(table, measured, (*chosen, k)), k) for k in range(len(table.names)) if k not in chosen]
        error, k = min(tried)
        if error > (1 - GAIN) * best:
            break
        best, chosen = error, (*chosen, k)
    return chosen


def _rms(table: Table, measured: np.ndarray, columns) -> float:
    return float(np.sqrt(np.mean(_left_out(table.values, measured, table.lots, columns)[0] ** 2)))
