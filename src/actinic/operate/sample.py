"""Which marks to measure: D- and I-optimal plans within limits, from nothing or on top of an existing plan.

D-optimal plans make the terms' joint uncertainty least (determinant), I-optimal ones the mean variance of what the
model predicts over the fields; Fedorov, Theory of Optimal Experiments (1972). Marks are taken greedily, then exchanged
one by one while that helps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import linalg

from ..errors import ConfigError, NumericalError
from ..wafer import Model, Places, design

Criterion = Literal["D", "I"]
_PASSES = 20
_GAIN = 1e-9  # of the criterion: less is no improvement
_RIDGE = 1e-6  # until there are as many marks as terms


@dataclass(frozen=True)
class Limits:
    """What a plan must keep.

    `scan_balance` allows one mark more of a scan direction than of the other, `quadrants` one more in any quadrant of
    the wafer than a quarter; every field in `mandatory` (column, row) gets a mark; no field more than `per_field`.
    With `time_s` the plan takes at most so long, `mark_s` for each mark and `field_s` for each field that is visited.
    """

    scan_balance: bool = False
    quadrants: bool = False
    mandatory: tuple[tuple[int, int], ...] = ()
    per_field: int | None = None
    time_s: float | None = None
    mark_s: float = 0.5
    field_s: float = 0.5


@dataclass(frozen=True)
class Plan:
    """Indices of the marks taken (the existing ones first), and what they will tell.

    `rms` and `worst` are the standard error of the prediction over the grid in units of one mark's noise, rms and
    largest; `information` what a mark tells by the determinant, 1 where all marks of the grid are measured; `time_s`
    what the plan takes.
    """

    chosen: np.ndarray
    existing: int
    rms: float
    worst: float
    information: float
    time_s: float

    def residual_nm(self, noise_nm: float, local_nm: float = 0.0) -> float:
        """Rms overlay that a correction from this plan leaves: what it gets wrong, and what no model reaches."""
        return float(np.hypot(noise_nm * self.rms, local_nm))


def plan(
    model: Model,
    marks: Places,
    field: np.ndarray,
    points: int,
    *,
    criterion: Criterion = "I",
    limits: Limits = Limits(),
    existing: Sequence[int] | np.ndarray = (),
    grid: Places | None = None,
) -> Plan:
    """Choose `points` marks in all from those that can be measured, whose fields (n, 2) are columns and rows.

    `existing` are kept and count. The grid to predict on is all marks unless given. Raises ConfigError where the
    limits cannot be kept, NumericalError where these marks cannot give all terms.
    """
    # Both axes have the same powers, so that one decides for both.
    terms = [one for one in model.terms if one.axis == "x"]
    columns, wanted = design(terms, marks), design(terms, marks if grid is None else grid)
    size = np.linalg.norm(wanted, axis=0)
    size[size == 0] = 1.0
    columns, wanted = columns / size, wanted / size
    scale = linalg.qr(wanted, mode="r")[0][: len(terms)]  # type: ignore[index]
    scale = scale / np.sqrt(len(wanted))
    diagonal = np.abs(np.diag(scale))
    if len(wanted) < len(terms) or diagonal.min() <= 1e-10 * np.abs(scale).max():
        raise NumericalError(f"these marks cannot give all terms of {model.name}, however many are measured")
    # In these coordinates the moments over the grid are the unit matrix.
    columns, wanted = (linalg.solve_triangular(scale.T, c.T, lower=True).T for c in (columns, wanted))
    existing = np.asarray(existing, np.int64)
    _check(marks, field, points, limits, existing, len(terms))
    search = _Search(columns, criterion, _Count(marks, field, points, limits))
    for index in existing:
        search.add(int(index))
    search.must()
    while search.count.total < points and (best := search.best()) is not None:
        search.add(best)
    if search.count.total < len(terms) or search.worth()[1]:
        raise ConfigError(
            f"{search.count.total} marks fit the limits, {len(terms)} terms an axis need more: allow more time, or "
            "more marks a field"
        )
    search.exchange(len(existing))
    covariance = search.covariance()
    variance = np.einsum("np,pq,nq->n", wanted, covariance, wanted, optimize=True)
    sign, logarithm = np.linalg.slogdet(covariance * search.count.total)
    return Plan(
        np.array(search.chosen), len(existing), float(np.sqrt(variance.mean())), float(np.sqrt(variance.max())),
        float(np.exp(-logarithm / len(terms))) if sign > 0 else 0.0, search.count.time_s(),
    )  # fmt: skip


def _check(marks: Places, field: np.ndarray, points: int, limits: Limits, existing: np.ndarray, terms: int) -> None:
    if not terms <= points:
        raise ConfigError(f"{terms} terms an axis need {terms} marks or more, not {points}")
    if points > len(marks):
        raise ConfigError(f"{points} marks are wanted, there are {len(marks)} to choose from")
    if len(existing) > points:
        raise ConfigError(f"the existing plan has {len(existing)} marks, more than the {points} wanted in all")
    if len(set(existing.tolist())) < len(existing):
        raise ConfigError("the existing plan names a mark twice")
    if limits.scan_balance and (marks.scan is None or not np.isin(marks.scan, (-1, 1)).all()):
        raise ConfigError("a balance of scan directions needs the scan of every field")
    known = set(map(tuple, field.tolist()))
    lost = [f"({c}, {r})" for c, r in limits.mandatory if (c, r) not in known]
    if lost:
        raise ConfigError(f"mandatory fields without a mark to measure: {', '.join(lost)}")


class _Count:
    """How many marks each field, scan and quadrant has, and which further ones the limits allow."""

    def __init__(self, marks: Places, field: np.ndarray, points: int, limits: Limits):
        self.limits, self.total = limits, 0
        self.place = np.unique(field, axis=0, return_inverse=True)[1].ravel()
        numbers = {tuple(f): int(n) for f, n in zip(field.tolist(), self.place, strict=True)}
        self.mandatory = [numbers[f] for f in limits.mandatory]
        self.fields = np.zeros(self.place.max() + 1, np.int64)
        self.taken = np.zeros(len(self.place), bool)
        self.groups: list[tuple[np.ndarray, np.ndarray, int]] = []  # of each mark its group, counts, the most of each
        if limits.scan_balance:
            assert marks.scan is not None
            self.groups.append(((np.asarray(marks.scan) > 0).astype(int), np.zeros(2, int), -(-points // 2)))
        if limits.quadrants:
            quadrant = 2 * (marks.Y_mm > 0).astype(int) + (marks.X_mm > 0)
            self.groups.append((quadrant, np.zeros(4, int), points // 4 + 1))

    def change(self, index: int, by: int) -> None:
        self.total += by
        self.taken[index] = by > 0
        self.fields[self.place[index]] += by
        for group, counts, _ in self.groups:
            counts[group[index]] += by

    def time_s(self, marks: int = 0, fields: int = 0) -> float:
        visited = int(np.sum(self.fields > 0)) + fields
        return (self.total + marks) * self.limits.mark_s + visited * self.limits.field_s

    def allowed(self) -> np.ndarray:
        """Marks (n,) that may be added."""
        free = ~self.taken
        for group, counts, most in self.groups:
            free &= (counts < most)[group]
        if self.limits.per_field is not None:
            free &= (self.fields < self.limits.per_field)[self.place]
        if self.limits.time_s is not None:
            new = (self.fields == 0)[self.place]
            old_fits, new_fits = (self.time_s(1, k) <= self.limits.time_s + 1e-9 for k in (0, 1))
            free &= np.where(new, new_fits, old_fits)
        return free

    def lonely(self) -> np.ndarray | None:
        """Marks (n,) of mandatory fields that have none now; None if all have one."""
        empty = [f for f in self.mandatory if not self.fields[f]]
        return np.isin(self.place, empty) if empty else None


class _Search:
    """Marks chosen so far, by the inverse of their information."""

    def __init__(self, columns: np.ndarray, criterion: Criterion, count: _Count):
        self.columns, self.criterion, self.count = columns, criterion, count
        self.chosen: list[int] = []
        self._inverse = np.eye(columns.shape[1]) / _RIDGE

    def add(self, index: int) -> None:
        self._inverse = _with(self._inverse, self.columns[index])
        self.chosen.append(index)
        self.count.change(index, 1)

    def best(self, among: np.ndarray | None = None) -> int | None:
        """The mark that helps most of those allowed; None if there is none."""
        free = self.count.allowed() if among is None else self.count.allowed() & among
        if not free.any():
            return None
        rows = np.flatnonzero(free)
        answer = self.columns[rows] @ self._inverse
        leverage = np.sum(answer * self.columns[rows], axis=1)
        gain = leverage if self.criterion == "D" else np.sum(answer**2, axis=1) / (1 + leverage)
        return int(rows[np.argmax(gain)])

    def must(self) -> None:
        """A mark in every mandatory field."""
        while (lonely := self.count.lonely()) is not None:
            best = self.best(lonely)
            if best is None:
                raise ConfigError("the mandatory fields do not fit the other limits: allow more time or marks")
            self.add(best)

    def covariance(self) -> np.ndarray:
        part = self.columns[self.chosen]
        return np.linalg.inv(part.T @ part)

    def worth(self) -> tuple[float, bool]:
        """The criterion, less is better, and whether the marks fail to give all terms."""
        part = self.columns[self.chosen]
        size = np.linalg.svd(part, compute_uv=False)
        if len(size) < self.columns.shape[1] or size[-1] < 1e-8 * size[0]:
            return np.inf, True
        return float(-2 * np.log(size).sum() if self.criterion == "D" else np.sum(size**-2.0)), False

    def exchange(self, kept: int) -> None:
        """Put a better mark in the place of each, round after round, until none is better; the first stay."""
        part = self.columns[self.chosen]
        self._inverse = np.linalg.inv(part.T @ part)
        now = self.worth()[0]
        for _ in range(_PASSES):
            changed = False
            for place in range(kept, len(self.chosen)):
                old, before = self.chosen[place], self._inverse
                self.count.change(old, -1)
                rest = np.delete(self.columns[self.chosen], place, axis=0)
                self._inverse = np.linalg.inv(rest.T @ rest + 1e-9 * np.eye(rest.shape[1]))
                best = self.best(self.count.lonely())
                new = old if best is None else best
                self.chosen[place] = new
                then = self.worth()[0] if new != old else now
                if not then < now - _GAIN * abs(now):
                    self.chosen[place], self._inverse, new = old, before, old
                else:
                    self._inverse, now, changed = _with(self._inverse, self.columns[new]), then, True
                self.count.change(new, 1)
            if not changed:
                return


def _with(inverse: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The inverse after a mark is added (Sherman and Morrison)."""
    answer = inverse @ row
    return inverse - np.outer(answer, answer) / (1 + float(row @ answer))
