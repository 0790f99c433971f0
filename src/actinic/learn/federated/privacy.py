"""Gradient descent that tells little of any one example, and how little: DP-SGD with a Renyi accountant.

Every example's gradient is cut to a length C, their sum gets normal noise of standard deviation z C, and examples are
drawn independently with chance q (Abadi et al. 2016). Neighbours differ by one example added or removed. A step then
is a subsampled Gaussian mechanism, whose Renyi divergence at whole orders a is (Mironov, Talwar & Zhang 2019, eq. 9)

    log( sum_k C(a, k) (1-q)^(a-k) q^k exp((k^2 - k) / (2 z^2)) ) / (a - 1),

a / (2 z^2) for q = 1. Divergences of steps add up; epsilon follows by Canonne, Kamath & Steinke 2020, prop. 12. The
noise is NumPy's in double precision: what floating point itself tells (Mironov 2012) is not in the account.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

from ...errors import ConfigError

ORDERS = tuple(range(2, 65)) + (80, 96, 128, 192, 256, 512)
MOST_NOISE = 1e4


@dataclass(frozen=True)
class Privacy:
    """What is promised of every example: (epsilon, delta), and the noise multiplier z that keeps it."""

    epsilon: float
    delta: float
    noise: float


def divergence(order: int, share: float, noise: float) -> float:
    """Renyi divergence at an order of one step with sampling share q and noise multiplier z."""
    if share == 1:
        return order / (2 * noise**2)
    k = np.arange(order + 1)
    ways = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    terms = ways + (order - k) * math.log1p(-share) + k * math.log(share) + (k * k - k) / (2 * noise**2)
    return max(float(logsumexp(terms)), 0.0) / (order - 1)


def spent(steps: int, share: float, noise: float, delta: float) -> float:
    """Epsilon after so many steps, at the best order."""
    if steps == 0:
        return 0.0
    if noise == 0:
        return math.inf
    bounds = (
        steps * divergence(a, share, noise) + math.log1p(-1 / a) - (math.log(delta) + math.log(a)) / (a - 1)
        for a in ORDERS
    )
    return max(min(bounds), 0.0)


def promised(epsilon: float, examples: int, steps: int, share: float) -> Privacy:
    """The least noise with which so many steps over n examples spend no more than epsilon, delta = 1/n.

    ConfigError where no noise would do.
    """
    if not 0 < epsilon < math.inf:
        raise ConfigError(f"an epsilon of {epsilon:g}: it must be above 0")
    if examples < 2:
        raise ConfigError(f"{examples} examples cannot be protected: delta would be 1")
    delta = 1 / examples
    low, high = 0.0, MOST_NOISE
    if spent(steps, share, high, delta) > epsilon:
        raise ConfigError(f"no noise gives epsilon {epsilon:g} in {steps} steps over {examples} examples")
    while high - low > 1e-4 * high:
        middle = (low * high) ** 0.5 if low else high / 10
        low, high = (low, middle) if spent(steps, share, middle, delta) <= epsilon else (middle, high)
    return Privacy(epsilon, delta, high)
