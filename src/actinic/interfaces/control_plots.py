"""Pictures of a replayed history: errors before and after, and the chart of the controller's own innovations.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .plots import INK, MASK, PRINTED, SOFT, _axes, _legend

_OFF = "measured − target (nm)"


def errors(found: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Errors of the measured lots as exposed, and as they would have been at the set-points proposed."""
    ax = _axes(ax, 0.55, right=0.2, top=0.35)
    ax.axhline(0.0, color=SOFT, linewidth=0.8)
    lots = np.arange(1, len(found["lots"]) + 1)
    style = dict(linestyle="none", markersize=3.2, markeredgewidth=0)
    ax.plot(lots, found["was"], "s", color=SOFT, alpha=0.6, label="as exposed", **style)
    ax.plot(lots, found["would"], "o", color=MASK, label="at the set-points proposed", **style)
    ax.set(xlabel="measured lot, in order of exposure", ylabel=_OFF)
    _legend(ax, None)
    return ax


def chart(found: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Innovations in their own standard deviations with limits at 3; alarms are ringed."""
    ax = _axes(ax, 0.55, right=0.2, top=0.35)
    z, lots = np.asarray(found["z"]), np.arange(1, len(found["lots"]) + 1)
    for limit in (-3.0, 3.0):
        ax.axhline(limit, color=PRINTED, linewidth=0.9, linestyle="--")
    ax.axhline(0.0, color=SOFT, linewidth=0.8)
    ax.plot(lots, z, "o-", color=MASK, markersize=2.6, linewidth=0.5, markeredgewidth=0, label="innovation")
    wrong = np.isin(found["lots"], [a.lot for a in found["alarms"]])
    if wrong.any():
        style = dict(linestyle="none", markersize=8, markerfacecolor="none", markeredgewidth=1.1)
        ax.plot(lots[wrong], z[wrong], "o", color=INK, label=f"alarms ({wrong.sum()})", **style)
    ax.set(xlabel="measured lot, in order of exposure", ylabel="error of the forecast (standard deviations)")
    _legend(ax, None)
    return ax
