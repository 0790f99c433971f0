"""Does the machine answer set-points with the right sign?

At the start, when neither levels nor gain are known, the evidence of all measurements so far under either sign is
weighed, each with the components that suit it best. Later a cumulative sum (Page, Biometrika 41, 100, 1954) watches for
a sign that turns: each lot's log likelihood ratio, none counted for more than MOST so that no single measurement,
however wild, can stop the loop.
"""

from dataclasses import dataclass, replace
from math import log

import numpy as np

from .components import Sample, best, prior
from .forecast import Forecast

# Log odds of a wrong sign at which the loop pauses, after the first corrected lot was measured, the second, ... Without
# evidence for the right sign within five more, it pauses: lots at the process of record then tell.
SUSPECT = (6.0, 4.0, 2.0, 1.0, 0.0, -1.0)
LATER = 2.0
CERTAIN = 6.0  # from here on only a person starts it again
EARLY, MOST_WEIGHED = 24, 60  # corrected lots, and measured ones, for which all evidence is weighed
STOP, MOST, TRUST = 12.0, 4.5, -3.0


@dataclass(frozen=True)
class SignTest:
    """`score` of the opinion that the gain has turned since it was last as promised."""

    score: float = 0.0

    def after(self, forecast: Forecast, move: float, value: float) -> "SignTest":
        """The score after a measurement that was forecast."""
        turned = replace(forecast, gain=-forecast.gain, cross=-forecast.cross)
        ratio = _log_density(turned, move, value) - _log_density(forecast, move, value)
        return SignTest(max(TRUST, self.score + min(max(ratio, -MOST), MOST)))


def threshold(corrected: int) -> float:
    """Log odds of a wrong sign at which the loop pauses, once so many corrected lots were measured."""
    return SUSPECT[corrected - 1] if corrected <= len(SUSPECT) else LATER


def evidence(sample: Sample, factors: tuple[str, ...], gain: float, sigma: float) -> float:
    """Log odds of the wrong sign to the right one, from all of a sample, whose disturbances assume the right one."""
    wrong = replace(sample, value=sample.value + 2 * gain * sample.move)
    scale = min(float(np.sqrt(np.mean(s.value**2))) for s in (sample, wrong)) or 1.0
    start = prior(factors, scale)
    return best(sample, start, sigma**2)[1] - best(wrong, start, sigma**2)[1]


def _log_density(forecast: Forecast, move: float, value: float) -> float:
    mean, sigma = forecast.at(move)
    return -0.5 * ((value - mean) / sigma) ** 2 - log(sigma)
