"""Corrections per field: the six linear terms of each exposure, on top of a fitted model."""

from dataclasses import dataclass

import numpy as np

from ...plain import csv_text
from ...wafer import Marks
from .fit import AXES, Fingerprint
from .grid import field_centres

NAMES = ("k1", "k2", "k3", "k4", "k5", "k6")
_X, _Y = (0, 2, 4), (1, 3, 5)


@dataclass(frozen=True)
class FieldTerms:
    """Fields (n,) of the exposure map with centres in mm, and k1 to k6 (n, 6) of each about its centre.

    `sigma` (n, 6) are standard errors; `marks` how many marks a field has.
    """

    column: np.ndarray
    row: np.ndarray
    X_mm: np.ndarray
    Y_mm: np.ndarray
    value: np.ndarray
    sigma: np.ndarray
    marks: np.ndarray

    def to_csv(self) -> str:
        """Corrections: minus the terms."""
        units = ["nm", "nm", *["nm_per_mm"] * 4]
        names = [f"{name}_{unit}" for name, unit in zip(NAMES, units, strict=True)]
        header = ["field_column", "field_row", "X_mm", "Y_mm", "marks", *names, *(f"sigma_{n}" for n in names)]
        rows = []
        for n in range(len(self.column)):
            place = [self.column[n], self.row[n], f"{self.X_mm[n]:.6f}", f"{self.Y_mm[n]:.6f}", self.marks[n]]
            rows.append([*place, *(f"{-v + 0.0:.6g}" for v in self.value[n]), *(f"{s:.3g}" for s in self.sigma[n])])
        return csv_text(header, rows)


def per_field(marks: Marks, found: Fingerprint) -> FieldTerms:
    """Six terms a field to the model's residuals, all wafers of a file together, shrunk by what fields differ at all.

    A field with one mark is known worse than one with fifty: each term's prior is normal about 0 with the spread over
    the fields that the marks show (empirical Bayes by moments), so that noise is not written into corrections.
    """
    _, index = np.unique(marks.position, return_inverse=True)
    index = index.ravel()
    count = int(index.max()) + 1
    X, Y = field_centres(marks, index)
    first = np.array([np.flatnonzero(index == n)[0] for n in range(count)])
    value, sigma = np.zeros((count, 6)), np.full((count, 6), np.nan)
    for axis, places in zip(AXES, (_X, _Y), strict=True):
        one = found.along[axis]
        noise = one.solved.noise
        if not one.used.any() or not np.isfinite(noise) or noise <= 0:
            continue
        residual = np.where(one.used, found.residual_nm[axis], 0.0)
        weight = np.where(one.used, marks.quality, 0.0)
        weight[one.used] *= one.solved.weight
        along = (marks.x_mm, marks.y_mm) if axis == "x" else (marks.y_mm, marks.x_mm)
        columns = np.stack([np.ones(len(marks)), *along], axis=1)
        gram = np.stack([[np.bincount(index, weight * a * b, count) for a in columns.T] for b in columns.T], axis=0)
        gram, right = (
            np.moveaxis(gram, 2, 0),
            np.stack([np.bincount(index, weight * residual * a, count) for a in columns.T]),
        )
        spread = _spread(gram, right.T, noise)
        for n in range(count):
            inverse = np.linalg.inv(gram[n] / noise**2 + np.diag(1.0 / spread))
            value[n, places] = inverse @ right[:, n] / noise**2
            sigma[n, places] = np.sqrt(np.diag(inverse))
    numbers = np.bincount(index, minlength=count)
    return FieldTerms(marks.field_column[first], marks.field_row[first], X, Y, value, sigma, numbers)


def _spread(gram: np.ndarray, right: np.ndarray, noise: float) -> np.ndarray:
    """Variances (3,) of the terms over fields, those that fields of enough marks show beyond their own errors."""
    able = np.array([np.linalg.cond(g) < 1e10 for g in gram])
    if able.sum() < 3:
        return np.full(3, 1e-12)
    inverse = np.linalg.inv(gram[able])
    found = np.einsum("nij,nj->ni", inverse, right[able])
    error = noise**2 * np.einsum("nii->ni", inverse)
    # Weighted moments: fields of many marks say more.
    weight = 1 / error
    return np.maximum(np.sum(weight * (found**2 - error), axis=0) / weight.sum(axis=0), 1e-12)
