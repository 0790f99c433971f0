"""What is wanted over any set of corners with probabilities: how much more dose error each bears, and which count.

A site wants to be above or below the threshold at every corner. With intensities relative to the threshold, dose
included, its margin is I - 1 or 1 - I, and a corner's margin s is that of its worst site. Scaling the dose so that the
worst bright and dark site are as far from 1 makes 2 s the exposure latitude that remains at the corner, exactly:
s = (min I - max I') / (min I + max I'). A *tail* of 0 counts the worst corner only (the overlapping window), 1 the mean
over all corners, and between them the mean over the worst share of probability (conditional value at risk, Rockafellar
& Uryasev 2000), which is concave in margins and so in source weights.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError

_GOLDEN, _STEPS = (np.sqrt(5) - 1) / 2, 60
# How far to the sides of the best dose the demands are looked at that count there.
_ASIDE = 1e-6


@dataclass(frozen=True)
class Demands:
    """What sites want at corners, arrays of one length n.

    `corner` int: which corner, 0..; `sign` 1 where the intensity must be above the threshold, else -1; `dose` of the
    corner. `probability` (corner,) sums to 1; `tail` as above. `clear` (pixel,) is what each source pixel of weight 1
    gives in clear field, and `most` the largest dose times clear field, relative to the threshold.
    """

    corner: np.ndarray
    sign: np.ndarray
    dose: np.ndarray
    probability: np.ndarray
    tail: float = 0.0
    clear: np.ndarray | None = None
    most: float = np.inf

    def most_scale(self, weight: np.ndarray) -> float:
        """The largest dose for a source (pixel,)."""
        return np.inf if self.clear is None else self.most / float(self.clear @ weight)

    @property
    def share(self) -> float:
        """The share of probability that counts; the least probable corner alone when it is the worst."""
        return max(self.tail, float(self.probability.min()))

    def margins(self, intensity: np.ndarray, scale: float) -> np.ndarray:
        """Margin (n,) of every demand at a dose `scale`; intensity (n,) at dose 1 relative to the threshold."""
        return self.sign * (scale * self.dose * intensity - 1)

    def worst(self, margins: np.ndarray) -> np.ndarray:
        """Margin (corner,) of every corner's worst site."""
        found = np.full(self.probability.size, np.inf)
        np.minimum.at(found, self.corner, margins)
        return found


def probabilities(weights) -> np.ndarray:
    """Probabilities (n,) from weights; ConfigError unless these are positive."""
    weights = np.asarray(weights, np.float64)
    if not (weights > 0).all():
        raise ConfigError("corner weights must be positive: leave a corner out instead")
    return weights / weights.sum()


def tail_weights(values, probability, share):
    """Weights (n,), summing to 1, under which the mean of `values` is that of their lowest `share` of probability.

    NumPy or JAX. With the weights held fixed, the mean's gradient is that of the tail mean.
    """
    xp = values.__array_namespace__()
    order = xp.argsort(values)
    before = xp.cumsum(probability[order]) - probability[order]
    taken = xp.clip(share - before, 0, probability[order])
    return (taken / taken.sum())[xp.argsort(order)]


def latitude(intensity: np.ndarray, demands: Demands, most: float = np.inf) -> tuple[float, float, np.ndarray]:
    """Tail mean of margins at the best dose up to `most`, that dose, and its gradient (n,) in the intensities.

    Twice the first is the exposure latitude, as a fraction. The best dose lies where some demands want more light and
    others less; their shares in the gradient are those with which the dose's own change does not count.
    """
    seen = demands.dose * intensity
    bright = demands.sign > 0
    low, high = seen[bright].min(), seen[~bright].max()
    scale = 2 / (low + high) if low + high > 0 else 1.0
    if demands.share > demands.probability.min():
        scale = _best_scale(intensity, demands, scale)
    scale = min(scale, most)
    sides = [_active(intensity, demands, scale * (1 + side)) for side in (-_ASIDE, _ASIDE)]
    rising, falling = (float(active @ seen) for active in sides)
    part = -falling / (rising - falling) if rising > 0 > falling else 0.5
    worst = demands.worst(demands.margins(intensity, scale))
    value = float(tail_weights(worst, demands.probability, demands.share) @ worst)
    return value, float(scale), scale * demands.dose * (part * sides[0] + (1 - part) * sides[1])


def _active(intensity: np.ndarray, demands: Demands, scale: float) -> np.ndarray:
    """Signed weight (n,) of every demand in the tail mean at a dose: of each corner the worst one's."""
    margins = demands.margins(intensity, scale)
    weights = tail_weights(demands.worst(margins), demands.probability, demands.share)
    found = np.zeros_like(margins)
    for corner in np.flatnonzero(weights):
        own = np.flatnonzero(demands.corner == corner)
        k = own[np.argmin(margins[own])]
        found[k] = weights[corner] * demands.sign[k]
    return found


def _best_scale(intensity: np.ndarray, demands: Demands, start: float) -> float:
    """The dose of the largest tail mean, which is concave in it."""

    def value(scale):
        worst = demands.worst(demands.margins(intensity, scale))
        return float(tail_weights(worst, demands.probability, demands.share) @ worst)

    a, b = 0.5 * start, 2 * start
    for _ in range(_STEPS):
        c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
        a, b = (a, d) if value(c) > value(d) else (c, b)
    return 0.5 * (a + b)
