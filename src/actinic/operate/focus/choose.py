"""Which features to measure for focus: those from which the focus error will be least over a range, sign included.

What a set of features leaves is the variance of focus (dose unknown) by the Cramer-Rao bound, and the chance to take
the wrong side of best focus, times the square of how far off that is: with d the distance in standard deviations
between the widths here and at the most alike state elsewhere, any dose, the chance is Phi(-d/2). Features are taken
greedily, then exchanged one by one while that helps (as `operate.sample` does marks).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...errors import ConfigError
from ...wafer.widths import WidthTable
from .estimate import WITHIN_NM

# States closer than this to the truth are the same side: their distance is what the bound tells.
_ASIDE_NM = 14.0
_STEP_NM = 8.0
# States elsewhere: every so many nm of focus and so much of the logarithm of the dose; between, by the slopes.
_CELL_NM, _CELL_DOSE, _DOSES = 4.0, 0.015, 4
_UNSEEN = 1e3
# What is known without any width: the focus within so much, the dose within so many percent.
_FOCUS_NM, _KNOWN_PERCENT = 50.0, 5.0
_PASSES = 20


@dataclass(frozen=True)
class Choice:
    """Names of the features taken, in the order they were, and what they leave.

    At each `focus_nm` (n,): `bound_nm`, the least standard error; `apart`, d; `rms_nm` is the focus error to expect
    over the range, wrong sides included; `determined` the share of it with d of 3.3 or more and a bound within 10 nm.
    """

    names: tuple[str, ...]
    focus_nm: np.ndarray
    bound_nm: np.ndarray
    apart: np.ndarray
    rms_nm: float

    @property
    def determined(self) -> float:
        """The wrong side has then a chance below 5 %."""
        return float(np.mean((self.apart >= 2 * stats.norm.isf(0.05)) & (self.bound_nm <= WITHIN_NM)))


class Candidates:
    """Features of a table that print over the whole range, compared with one another.

    `sigma_nm` (f,) is of one measurement, of which each field has `points`. The range is +-`focus_nm`.
    """

    def __init__(self, table: WidthTable, sigma_nm: np.ndarray, points: int, focus_nm: float):
        reach = float(table.focus_nm[-1])
        if not _STEP_NM <= focus_nm <= reach - 8:
            raise ConfigError(f"a range of +-{focus_nm:g} nm: from {_STEP_NM:g} to {reach - 8:g} nm in this table")
        if points < 1:
            raise ConfigError("a field needs one point or more")
        self.focus_nm = np.linspace(-focus_nm, focus_nm, 2 * max(round(focus_nm / _STEP_NM), 1) + 1)
        there = np.arange(-reach + 4, reach - 3.9, _CELL_NM)
        doses = np.arange(-_DOSES, _DOSES + 1) * _CELL_DOSE
        here, slope = _on(table, self.focus_nm, np.zeros(1))
        good = np.isfinite(here).all(axis=(1, 2)) & np.isfinite(slope).all(axis=(1, 2, 3))
        self.used = np.flatnonzero(good)
        if not self.used.size:
            raise ConfigError(f"no feature prints over +-{focus_nm:g} nm")
        self.names = [table.names[n] for n in self.used]
        scale = np.sqrt(points) / np.asarray(sigma_nm, np.float64)[self.used]
        self._rows = slope[self.used][:, :, 0] * scale[:, None, None]  # (f, focus, 2)
        self._others = self._compared(table, here[self.used], scale, there, doses)
        self._gap = np.abs(there - self.focus_nm[:, None])

    def _compared(self, table, here, scale, there, doses) -> np.ndarray:
        """Sums (f, focus, elsewhere x dose, 6): squares of the differences of widths, and what a step there adds.

        A feature that does not print elsewhere is seen not to.
        """
        other, by = _on(table, there, doses)
        other, by = other[self.used], by[self.used] * scale[:, None, None, None]
        off = (other[:, None] - here[..., None]) * scale[:, None, None, None]
        lost = np.isnan(off) | np.isnan(by).any(axis=-1)[:, None]
        off, by = np.where(lost, 0.0, off), np.where(lost[..., None], 0.0, by[:, None])
        f, d = by[..., 0], by[..., 1]
        parts = [np.where(lost, _UNSEEN, off**2), f * off, d * off, f * f, f * d, d * d]
        return np.stack(parts, axis=-1)

    def judge(self, chosen: Sequence[int]) -> Choice:
        """What a set of candidates, by number in `names`, leaves."""
        bound, apart, error = self._left(self._matrix(chosen), self._others[list(chosen)].sum(axis=0))
        names = tuple(self.names[n] for n in chosen)
        return Choice(names, self.focus_nm, bound, apart, float(np.sqrt(error.mean())))

    def choose(self, size: int) -> Choice:
        """The best set of a size that exchanges find."""
        if not 2 <= size <= len(self.names):
            raise ConfigError(f"{size} features: at least 2, and no more than the {len(self.names)} that print")
        chosen: list[int] = []
        while len(chosen) < size:
            chosen.append(self._best(chosen)[0])
        now = self._best(chosen[:-1])[1]
        for _ in range(_PASSES):
            before = now
            for place in range(size):
                rest = chosen[:place] + chosen[place + 1 :]
                best, value = self._best(rest)
                if value < now * (1 - 1e-9):
                    chosen[place], now = best, value
            if now >= before:
                break
        return self.judge(chosen)

    def _best(self, chosen: list[int]) -> tuple[int, float]:
        """The candidate to add, and the error then."""
        matrix = self._matrix(chosen)
        others = self._others[chosen].sum(axis=0)
        values = np.full(len(self.names), np.inf)
        for n in range(len(self.names)):
            if n not in chosen:
                own = self._rows[n][..., None] * self._rows[n][:, None]
                values[n] = self._left(matrix + own, others + self._others[n])[2].mean()
        return int(values.argmin()), float(values.min())

    def _matrix(self, chosen: Sequence[int]) -> np.ndarray:
        rows = self._rows[list(chosen)]
        known = np.diag([1 / _FOCUS_NM**2, (100 / _KNOWN_PERCENT) ** 2])
        return np.einsum("nfp,nfq->fpq", rows, rows) + known

    def _left(self, matrix: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bound and distance (focus,), and the mean square error to expect."""
        determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] ** 2
        variance = matrix[:, 1, 1] / determinant
        apart = np.sqrt(np.where(self._gap >= _ASIDE_NM, _nearest(others).min(axis=-1), np.inf))
        wrong = (stats.norm.cdf(-apart / 2) * self._gap**2).max(axis=1)
        return np.sqrt(variance), apart.min(axis=1), variance + wrong


def _nearest(sums: np.ndarray) -> np.ndarray:
    """Least square distance that a step of focus and dose inside its cell reaches from each state elsewhere."""
    square, fo, do, ff, fd, dd = np.moveaxis(sums, -1, 0)
    ff, dd = ff * (1 + 1e-9) + 1e-12, dd * (1 + 1e-9) + 1e-12
    determinant = np.maximum(ff * dd - fd**2, 1e-300)
    focus = np.clip(-(dd * fo - fd * do) / determinant, -_CELL_NM, _CELL_NM)
    dose = np.clip(-(do + fd * focus) / dd, -_CELL_DOSE, _CELL_DOSE)
    focus = np.clip(-(fo + fd * dose) / ff, -_CELL_NM, _CELL_NM)
    return np.maximum(square + 2 * (fo * focus + do * dose) + ff * focus**2 + 2 * fd * focus * dose + dd * dose**2, 0.0)


def _on(table: WidthTable, focus: np.ndarray, log_dose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths (f, focus, dose) and derivatives (f, focus, dose, 2) by focus and by the logarithm of the dose."""
    shape = len(table.names), len(focus), len(log_dose)
    n, f, d = (part.ravel() for part in np.meshgrid(np.arange(shape[0]), focus, log_dose, indexing="ij"))
    width, slope = table.widths(n, f, d)
    return width.reshape(shape), slope[:, :2].reshape(*shape, 2)
