"""Average run lengths of control charts: how many points until an alarm, for standard normal points shifted by `shift`.

Shewhart: one over the chance of a point outside. EWMA and CUSUM: Fredholm integral equations of the second kind for the
run length from each state, solved on Gauss-Legendre nodes (Crowder 1987; Goel and Wu 1971; Page 1954).
"""

import numpy as np
from scipy import optimize, stats

_NODES = 80


def arl_shewhart(limit: float, shift: float = 0.0) -> float:
    """Points until one lies outside +-limit (standard deviations)."""
    return float(1.0 / (stats.norm.sf(limit - shift) + stats.norm.cdf(-limit - shift)))


def arl_ewma(limit: float, weight: float, shift: float = 0.0) -> float:
    """Points until an EWMA that starts at 0 leaves +-limit of its own asymptotic standard deviations.

    `weight` is that of the newest point, in (0, 1]. With u the state, h the limit and f the normal density,
    L(u) = 1 + 1/weight * integral over -h..h of L(y) f((y - (1 - weight) u)/weight - shift) dy.
    """
    h = limit * np.sqrt(weight / (2.0 - weight))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    y, w = h * nodes, h * weights / weight
    kernel = stats.norm.pdf((y[None, :] - (1.0 - weight) * y[:, None]) / weight - shift) * w
    lengths = np.linalg.solve(np.eye(_NODES) - kernel, np.ones(_NODES))
    return float(1.0 + (stats.norm.pdf(y / weight - shift) * w) @ lengths)


def arl_cusum(limit: float, reference: float, shift: float = 0.0) -> float:
    """Points until either of two sums, up and down, passes `limit`; both start at 0 and lose `reference` a point.

    The two sides together by 1/L = 1/L_up + 1/L_down (van Dobben de Bruyn 1968).
    """
    return 1.0 / (1.0 / _one_sided(limit, reference, shift) + 1.0 / _one_sided(limit, reference, -shift))


def _one_sided(h: float, k: float, shift: float) -> float:
    # The state 0 is an atom: a sum that would go below stays there.
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    y, w = 0.5 * h * (nodes + 1.0), 0.5 * h * weights
    states = np.concatenate([[0.0], y])
    jump = np.column_stack(
        [stats.norm.cdf(k - states - shift), stats.norm.pdf(y[None, :] - states[:, None] + k - shift) * w]
    )
    return float(np.linalg.solve(np.eye(states.size) - jump, np.ones(states.size))[0])


def limit_for(arl, wanted: float) -> float:
    """The limit at which `arl(limit)`, which rises with it, is as wanted."""
    high = 2.0
    while arl(high) < wanted:
        high *= 1.5
    return float(optimize.brentq(lambda limit: arl(limit) - wanted, 1e-3, high, xtol=1e-10))
