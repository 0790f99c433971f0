"""Pictures of an inspection: its sites on the wafer, what they captured, and chances against what was found.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Circle

from .plots import INK, MASK, PRINTED, SOFT, _axes, _bar, _legend
from .wafer_plots import RADIUS_MM

if TYPE_CHECKING:
    from ..operate.inspection import Compared, Plan

_CHANCE = LinearSegmentedColormap.from_list("chance", ["#d9e6ef", MASK, "#00263f"])


def site_map(plan: Plan, compared: Compared | None = None, ax: Axes | None = None) -> Axes:
    """Sites on the wafer coloured by chance, or by whether a defect was found there on any wafer."""
    ax = _axes(ax, 0.9 if compared is None else 1.0, right=0.9 if compared is None else 0.2, top=0.3)
    ax.add_patch(Circle((0, 0), RADIUS_MM, facecolor="none", edgecolor=SOFT, linewidth=0.8))
    if compared is None:
        order = np.argsort(plan.chance, kind="stable")
        shade = ScalarMappable(Normalize(0, 1), _CHANCE)
        ax.scatter(plan.X_mm[order], plan.Y_mm[order], s=14, c=plan.chance[order], cmap=_CHANCE, vmin=0, vmax=1,
                   linewidths=0)  # fmt: skip
        _bar(ax, shade, "chance of a failure")
    else:
        hit = compared.found.any(axis=0)
        ax.plot(plan.X_mm[~hit], plan.Y_mm[~hit], "o", color=SOFT, markersize=3, alpha=0.5, markeredgewidth=0,
                label=f"nothing found ({(~hit).sum()})")  # fmt: skip
        ax.plot(plan.X_mm[hit], plan.Y_mm[hit], "o", color=PRINTED, markersize=4.5, markeredgewidth=0,
                label=f"defect ({hit.sum()})")  # fmt: skip
        _legend(ax, None)
    ax.set(xlim=(-158, 158), ylim=(-158, 158), aspect="equal", xlabel="X (mm)", ylabel="Y (mm)")
    return ax


def capture(compared: Compared, ax: Axes | None = None) -> Axes:
    """Share of all defects found at the sites up to each rank, beside sites taken in no order."""
    ax = _axes(ax, 0.6, right=0.2, top=0.35)
    rank = np.arange(1, len(compared.captured) + 1)
    ax.plot(rank, 100 * compared.captured, color=MASK, linewidth=1.4, drawstyle="steps-post", label="by rank")
    last = 100 * compared.captured[-1] if len(rank) else 0.0
    ax.plot([0, len(rank)], [0, last], color=SOFT, linewidth=0.9, linestyle="--", label="in no order")
    ax.set(xlabel="sites inspected", ylabel="defects captured (%)", ylim=(0, 102), xlim=(0, len(rank)))
    _legend(ax, None)
    return ax


def calibration(compared: Compared, ax: Axes | None = None) -> Axes:
    """Share of sites with a defect over the chance predicted, with 95 % intervals."""
    ax = _axes(ax, 0.7, right=0.2, top=0.2)
    ax.plot([0, 100], [0, 100], color=SOFT, linewidth=0.8, linestyle="--")
    for chance, share in compared.calibration:
        low, high = share.interval
        ax.plot([100 * chance] * 2, [100 * low, 100 * high], color=INK, linewidth=1.0)
        ax.plot([100 * chance], [100 * (share.value or 0.0)], "o", color=MASK, markersize=5)
    ax.set(xlabel="chance predicted (%)", ylabel="sites with a defect (%)", xlim=(0, 100), ylim=(0, 100))
    return ax
