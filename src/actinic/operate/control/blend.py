"""The context filter together with plain means of each thread, weighted by how well each foretold the last lots.

Where the context explains the lots the filter is far ahead and the others weigh nothing; where threads go their own
ways, which no sum over the context describes, an EWMA that asks for no model takes over (prediction with expert advice
and forgetting: Herbster and Warmuth, Machine Learning 32, 151, 1998). A thread never measured has the filter alone.
"""

import copy
from dataclasses import replace

import numpy as np

from .baselines import ThreadEwma
from .forecast import Forecast, Levels
from .kalman import ContextFilter

WEIGHTS = (0.25, 0.5, 1.0)  # of the EWMAs
PRIOR = np.log([0.85, 0.05, 0.05, 0.05])
MEMORY = 0.98  # of the evidence, a measured lot
FREEDOM = 4.0  # of Student's t: no flyer decides alone


class Blend:
    """A filter and its rivals; the interface is the filter's."""

    def __init__(self, context: ContextFilter):
        self.context = context
        self.rivals = [ThreadEwma(weight, gain=float(context.mean[0, 0])) for weight in WEIGHTS]
        self.evidence = np.zeros(PRIOR.size)
        self.size, self.count = 0.0, 0.0  # absolute errors of the filter, forgotten likewise

    def copy(self) -> "Blend":
        return copy.deepcopy(self)

    def weights(self, levels: Levels) -> np.ndarray:
        """Weights (expert,) for a lot, the filter first."""
        log = PRIOR + self.evidence
        if not self.rivals[0].knows(levels):
            log = np.where(np.arange(PRIOR.size) == 0, 0.0, -np.inf)
        weights = np.exp(log - log.max())
        return weights / weights.sum()

    def forecast(self, levels: Levels, rank: float, extra: float = 0.0) -> Forecast:
        """As `ContextFilter.forecast`; where experts differ, that is uncertainty too."""
        own = self.context.forecast(levels, rank, extra)
        weights = self.weights(levels)
        means = np.array([own.mean, *(rival.forecast(levels, rank).mean for rival in self.rivals)])
        mean = float(weights @ means)
        return replace(own, mean=mean, level=own.level + float(weights @ (means - mean) ** 2))

    def update(self, levels: Levels, rank: float, move: float, value: float, extra: float = 0.0) -> None:
        """Learn from a measurement, and who foretold it best."""
        own = self.context.forecast(levels, rank, extra)
        means = np.array([own.mean, *(rival.forecast(levels, rank).mean for rival in self.rivals)])
        errors = value - own.gain * move - means
        if self.rivals[0].knows(levels):
            scale = self.size / self.count if self.count else abs(errors[0])
            if scale > 0:
                density = -0.5 * (FREEDOM + 1) * np.log1p((errors / scale) ** 2 / FREEDOM)
                self.evidence = MEMORY * self.evidence + density - density[0]
            self.size, self.count = MEMORY * self.size + abs(errors[0]), MEMORY * self.count + 1
        for rival in self.rivals:
            rival.gain = own.gain
            rival.update(levels, rank, move, value, extra)
        self.context.update(levels, rank, move, value, extra)
