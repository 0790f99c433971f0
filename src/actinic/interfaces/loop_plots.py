"""Pictures of a closed loop: how many gauges are in spec, lot by lot and arm by arm, and what moved them.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from .plots import INK, MASK, PRINTED, SOFT, _axes, _legend

Series = tuple[np.ndarray, np.ndarray]
# An arm's colour and line, so that they are told apart without colour too.
_STYLES = ((SOFT, ":"), (PRINTED, "--"), (INK, "-."), (MASK, "-"))


def in_spec(lots: Mapping[str, Series], masks: Sequence[int], ax: Axes | None = None) -> Axes:
    """Share of gauges in spec over the lots of each arm (lot number, percent); `masks` are lots that got a new mask."""
    ax = _axes(ax, 0.55, right=0.2, top=0.75)
    for (name, (lot, share)), (colour, line) in zip(lots.items(), _STYLES, strict=False):
        ax.plot(lot, share, line, marker="o", markersize=2.2, color=colour, linewidth=0.8, label=name)
    for n, lot in enumerate(masks):
        ax.axvline(lot, color=MASK, linewidth=0.7, alpha=0.5, label="new mask" if n == 0 else None)
    ax.set(xlabel="lot, in order of exposure", ylabel="gauges in spec (%)", ylim=(0, 102))
    _legend(ax, None, columns=2)
    return ax


def focus(lots: Mapping[str, Series], ax: Axes | None = None) -> Axes:
    """True mean focus error of the lots of some arms (lot number, nm)."""
    ax = _axes(ax, 0.55, right=0.2, top=0.35)
    ax.axhline(0.0, color=SOFT, linewidth=0.8)
    for (name, (lot, value)), colour in zip(lots.items(), (SOFT, MASK), strict=False):
        ax.plot(lot, value, "o-", color=colour, markersize=2.2, linewidth=0.6, label=name)
    ax.set(xlabel="lot, in order of exposure", ylabel="mean focus error (nm)")
    _legend(ax, None)
    return ax
