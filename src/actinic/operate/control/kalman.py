"""A Kalman filter over the levels of the context that doubts single measurements and expects sudden steps.

    measured = sum over factors of level_f + gain * move + noise

Levels walk at random and the gain is a state beside them, so that a machine that answers a set-point with half or twice
the move is learnt, not assumed. At a surprising measurement the filter keeps several explanations side by side: an
ordinary lot, a flyer, or a step in the level of one factor (maintenance); the next lots decide between them: the
multi-process dynamic linear model of Harrison and Stevens (J. R. Stat. Soc. B 38, 205, 1976).
"""

import copy

import numpy as np

from .components import Components
from .forecast import Forecast, Levels

KEPT = 6  # explanations
SURPRISE = 2.0  # standard deviations beyond which others are considered
# How often flyers and steps are expected at first, and how many lots that belief is worth.
P_FLYER, P_STEP, BELIEF = 0.01, 0.003, 100.0
LEAST = 4.0  # standard deviations of the noise: flyers and steps are as large as what they explain, and at least this
NEGLIGIBLE = np.log(1e-4)


class ContextFilter:
    """Explanations k, each a Gaussian over n states: state 0 is the gain, then one for each level that was met."""

    def __init__(
        self, factors: tuple[str, ...], components: Components, gain: float, gain_sigma: float, doubting: bool = True
    ):
        self.factors, self.components = factors, components
        self.index: dict[tuple[int, str], int] = {}
        self.mean = np.array([[gain]])
        self.cov = np.array([[[gain_sigma**2]]])
        self.drift = np.zeros(1)
        self.weight = np.zeros(1)  # logarithms
        self.met = np.array([[P_FLYER, P_STEP]]) * BELIEF  # flyers and steps of each explanation, with those expected
        self.lots = BELIEF
        self.doubting = doubting
        self.rank = 0.0

    def copy(self) -> "ContextFilter":
        return copy.deepcopy(self)

    def renew(self, components: Components) -> None:
        """Go on with other components."""
        self.components = components
        for (factor, _), i in self.index.items():
            self.drift[i] = components.drift[factor]

    def advance(self, rank: float) -> None:
        """Let the levels walk until a lot's place in the order of exposure."""
        if rank > self.rank:
            diagonal = np.arange(self.drift.size)
            self.cov[:, diagonal, diagonal] += self.drift * (rank - self.rank)
            self.rank = rank

    def disturb(self, levels: Levels, variance: float) -> None:
        """A known upset, such as maintenance: the levels given may have moved by that much."""
        for i in self._states(levels):
            self.cov[:, i, i] += variance

    def forecast(self, levels: Levels, rank: float, extra: float = 0.0) -> Forecast:
        """What a lot of these levels will measure; the filter is left as it is."""
        mean, gain, cov, noise = self._looked(levels, rank)
        p = np.exp(self.weight - self.weight.max())
        p /= p.sum()
        centre = np.array([p @ mean, p @ gain])
        apart = np.stack([mean, gain], axis=1) - centre
        covariance = np.einsum("k,kij->ij", p, cov) + np.einsum("k,ki,kj->ij", p, apart, apart)
        (level, cross), (_, response) = covariance.tolist()
        return Forecast(float(centre[0]), float(centre[1]), level, cross, response, float(noise + extra))

    def update(self, levels: Levels, rank: float, move: float, value: float, extra: float = 0.0) -> float:
        """Learn from a measurement; returns its log density as it was foreseen."""
        self.advance(rank)
        states, unknown = self._states(levels), self._unknown(levels)
        noise = self.components.noise + extra + unknown
        h = np.zeros(self.drift.size)
        h[0] = move
        h[states] = 1.0
        innovation = value - self.mean @ h
        spread = self.cov @ h
        variance = spread @ h + noise
        z = np.abs(innovation) / np.sqrt(variance)
        best = np.argmax(self.weight)
        size = np.maximum(innovation**2, LEAST**2 * self.components.noise)
        branches = [(np.zeros(z.size), None, noise)]
        self.lots += 1.0
        if self.doubting and z[best] > SURPRISE:
            flyer, step = np.log(self.met / self.lots).T
            branches += [(flyer, None, noise + size)]
            factors = [f for f, level in enumerate(levels) if level is not None]
            branches += [(step - np.log(len(factors)), f, noise) for f in factors]
        weights, means, covs, met = [], [], [], []
        for kind, (prior, factor, r) in enumerate(branches):
            cov, along, total = self.cov, spread, spread @ h + r
            if factor is not None:
                i = self.index[factor, levels[factor]]
                cov, along, total = self.cov.copy(), spread.copy(), total + size
                cov[:, i, i] += size
                along[:, i] += size
            density = prior - 0.5 * (innovation**2 / total + np.log(2 * np.pi * total))
            gain = along / total[:, None]
            weights.append(self.weight + density)
            met.append(self.met + [kind == 1, kind > 1])
            means.append(self.mean + gain * innovation[:, None])
            covs.append(cov - gain[:, :, None] * along[:, None, :])
        weight = np.concatenate(weights)
        evidence = float(np.logaddexp.reduce(weight) - np.logaddexp.reduce(self.weight))
        keep = np.argsort(-weight, kind="stable")[:KEPT]
        keep = keep[weight[keep] > weight.max() + NEGLIGIBLE]
        self.mean, self.cov = np.concatenate(means)[keep], np.concatenate(covs)[keep]
        self.met = np.concatenate(met)[keep]
        self.weight = weight[keep] - weight.max()
        return evidence

    def _states(self, levels: Levels) -> list[int]:
        """The states of the known levels; a level met for the first time gets one."""
        states = []
        for f, level in enumerate(levels):
            if level is None:
                continue
            if (f, level) not in self.index:
                n, k = self.drift.size, self.weight.size
                self.index[f, level] = n
                self.mean = np.concatenate([self.mean, np.zeros((k, 1))], axis=1)
                cov = np.zeros((k, n + 1, n + 1))
                cov[:, :n, :n] = self.cov
                cov[:, n, n] = self.components.spread[f]
                self.cov, self.drift = cov, np.append(self.drift, self.components.drift[f])
            states.append(self.index[f, level])
        return states

    def _unknown(self, levels: Levels) -> float:
        """Variance that the factors without a known level add."""
        return float(sum(self.components.spread[f] for f, level in enumerate(levels) if level is None))

    def _looked(self, levels: Levels, rank: float):
        known = [self.index[f, level] for f, level in enumerate(levels) if (f, level) in self.index]
        new = sum(self.components.spread[f] for f, level in enumerate(levels) if (f, level) not in self.index)
        walked = float(self.drift[known].sum()) * max(rank - self.rank, 0.0)
        mean = self.mean[:, known].sum(axis=1)
        block = self.cov[:, known][:, :, known].sum(axis=(1, 2)) + walked + new
        cross = self.cov[:, 0, known].sum(axis=1)
        cov = np.stack([np.stack([block, cross], 1), np.stack([cross, self.cov[:, 0, 0]], 1)], 1)
        return mean, self.mean[:, 0], cov, self.components.noise
