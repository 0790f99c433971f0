"""Pictures of a diagnosis: what moved on the wafers and when, who warned, and who began it.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from ..wafer.faults import LEAVES
from .plots import BAND, INK, MASK, PRINTED, SOFT, _axes, _legend

if TYPE_CHECKING:
    from ..operate.diagnose import Case, Diagnosis

_MINUTE = 60.0
_MOST = 4


def innovations(case: Case, found: Diagnosis, ax: Axes | None = None) -> Axes:
    """Innovations of the leaves that moved most, a band where the effect may have begun."""
    ax = _axes(ax, 0.55, right=0.2, top=0.35)
    ax.axhline(0.0, color=SOFT, linewidth=0.8)
    ax.axvspan(found.effect.after_s / _MINUTE, found.effect.onset_s / _MINUTE, color=BAND, alpha=0.25, linewidth=0)
    for (leaf, *_), color in zip(found.leaves[:_MOST], (MASK, PRINTED, INK, SOFT), strict=False):
        style = dict(color=color, markersize=2.4, markeredgewidth=0, label=leaf)
        ax.plot(case.time_s / _MINUTE, case.innovations[:, LEAVES.index(leaf)], "o", **style)
    ax.set(xlabel="time (min)", ylabel="innovation (a point's noise)")
    if found.leaves:
        _legend(ax, None)
    return ax


def warnings(case: Case, found: Diagnosis, ax: Axes | None = None) -> Axes:
    """A tick for each warning and a diamond for each alarm, a row for each source, those first to warn on top."""
    own = ax is None
    ax = _axes(ax, 0.75, right=0.2, top=0.2)
    if own:
        ax.set_position((0.27, 0.14, 0.69, 0.82))
    order = sorted(found.parts, key=lambda s: found.parts[s])
    for row, source in enumerate(order):
        shift = found.clocks[source][0]
        for severity, style in (("warning", dict(marker="|", color=MASK)), ("alarm", dict(marker="D", color=PRINTED))):
            at = [(e.time_s - shift) / _MINUTE for e in case.events if e.source == source and e.severity == severity]
            size = 6 if severity == "warning" else 3.4
            ax.plot(at, np.full(len(at), row), linestyle="none", markersize=size, markeredgewidth=0.8, **style)
    ax.axvspan(found.effect.after_s / _MINUTE, found.effect.onset_s / _MINUTE, color=BAND, alpha=0.25, linewidth=0)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="time (min), by the common clock")
    return ax


def parts(found: Diagnosis, ax: Axes | None = None) -> Axes:
    """Which source began it by the logs alone: bars of probability."""
    own = ax is None
    ax = _axes(ax, 0.75, right=0.2, top=0.2)
    if own:
        ax.set_position((0.27, 0.14, 0.69, 0.82))
    order = sorted(found.parts, key=lambda s: found.parts[s])
    ax.barh(order, [found.parts[s] for s in order], color=MASK, height=0.6)
    ax.set(xlabel="probability that it began it, by the logs", xlim=(0, 1))
    return ax
