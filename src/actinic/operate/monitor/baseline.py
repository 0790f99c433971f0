"""What the next wafer should look like, given only the wafers since the machine was last touched, and how sure that is.

After a maintenance the level of every variable may be anywhere, so the mean is that of the few wafers since; its own
uncertainty belongs in the limit. The scale may have changed too: the one known from before counts as `carried` degrees
of freedom beside those of the wafers since. A point's score is the normal quantile of its place in the predictive
Student distribution: standard normal from the first wafer on when all is well, so charts for known mean and scale hold
(self-starting charts: Hawkins 1987; Quesenberry 1991; the carried scale is a scaled inverse chi-square prior).
"""

import numpy as np
from scipy import stats


class Baseline:
    """Mean and scale of many variables side by side, begun with `first` (wafers, variables) of a new regime.

    `scale` is the standard deviation known from before, worth `carried` degrees of freedom; None: nothing is known.
    With `memory` M the mean follows with a weight of at least 1/M, so that it goes along with slow drift.
    """

    def __init__(self, first: np.ndarray, scale: np.ndarray | None = None, carried: float = 0.0, memory=np.inf):
        first = np.atleast_2d(np.asarray(first, np.float64))
        self.memory = memory
        self.carried = 0.0 if scale is None else carried
        self.scale = np.zeros(first.shape[1]) if scale is None else np.asarray(scale, np.float64)
        self.count = np.zeros(first.shape[1])
        self.mean, self.spread, self.squares = (np.zeros(first.shape[1]) for _ in range(3))
        for wafer in first:
            self.take(wafer)

    def variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Of one wafer about the true mean, and the degrees of freedom of that."""
        freedom = self.carried + np.maximum(self.count - 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.carried * self.scale**2 + self.squares) / freedom, freedom

    def score(self, wafer: np.ndarray) -> np.ndarray:
        """(variables,) standard normal scores of a new wafer; NaN where it or the baseline cannot tell."""
        variance, freedom = self.variance()
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (wafer - self.mean) / np.sqrt(variance * (1.0 + self.spread))
            tail = np.maximum(stats.t.sf(np.abs(t), freedom), 1e-300)
        known = (self.count > 0) & (freedom > 0)
        return np.where(known, np.sign(t) * stats.norm.isf(tail), np.nan)

    def take(self, wafer: np.ndarray) -> None:
        """Learn from a wafer that is thought to be in order; missing values (NaN) teach nothing."""
        known = np.isfinite(wafer)
        error = np.where(known, wafer - self.mean, 0.0)
        begun = known & (self.count > 0)
        # An error of prediction has variance sigma^2 (1 + spread), spread the sum of the squared weights in the mean.
        self.squares += np.where(begun, error**2 / (1.0 + self.spread), 0.0)
        gain = np.where(known, 1.0 / np.minimum(self.count + 1.0, self.memory), 0.0)
        self.mean += gain * error
        self.spread = np.where(known, (1.0 - gain) ** 2 * self.spread + gain**2, self.spread)
        self.count += known


def carried_scale(wafers: np.ndarray, begin: int, memory: float, least: np.ndarray) -> np.ndarray:
    """(variables,) the scale that a regime tells the next: its errors of prediction after a pretended re-centring.

    `wafers` (wafers, variables) in order; re-centred on `begin` of them at every place in turn, so drift widens it
    as it will widen the next regime's errors. `least` is what no scale is below.
    """
    starts = np.unique(np.linspace(0, len(wafers) - begin - 1, 40).astype(int))
    sums, counts = np.zeros(wafers.shape[1]), np.zeros(wafers.shape[1])
    for start in starts:
        base = Baseline(wafers[start : start + begin], memory=memory)
        for wafer in wafers[start + begin : start + begin + 100]:
            error = np.where(base.count > 0, wafer - base.mean, np.nan)
            known = np.isfinite(error)
            sums += np.where(known, error**2 / (1.0 + base.spread), 0.0)
            counts += known
            base.take(wafer)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.fmax(np.sqrt(sums / counts), least)
