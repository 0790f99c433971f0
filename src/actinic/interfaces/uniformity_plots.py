"""Pictures of width uniformity: its sources with intervals, and the profiles along slit and scan.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from .plots import INK, MASK, PRINTED, SOFT, _axes, _legend

if TYPE_CHECKING:
    from ..operate.uniformity import Uniformity


def parts(found: Uniformity, ax: Axes | None = None) -> Axes:
    """Standard deviations of the sources as bars, 95 % intervals as lines; one beyond the frame ends in an arrow."""
    own = ax is None
    ax = _axes(ax, 0.6, right=0.25, top=0.2)
    if own:  # room for the names
        frame = ax.get_position()
        ax.set_position((0.29, frame.y0, frame.x1 - 0.29, frame.height))
    names = [part.name for part in found.parts][::-1]
    sigma = np.array([part.sigma_nm for part in found.parts])[::-1]
    most = 1.6 * max(float(sigma.max()), 1e-9)
    ax.barh(names, sigma, color=MASK, height=0.6)
    for row, part in enumerate(found.parts[::-1]):
        if part.low_nm is None or part.high_nm is None:
            continue
        ax.plot([part.low_nm, min(part.high_nm, most)], [row, row], color=INK, linewidth=1.0)
        ends = [part.low_nm] if part.high_nm > most else [part.low_nm, part.high_nm]
        ax.plot(ends, [row] * len(ends), "|", color=INK, markersize=7)
        if part.high_nm > most:
            ax.plot([most], [row], ">", color=INK, markersize=4, clip_on=False)
    ax.set(xlabel="standard deviation (nm)", xlim=(0, most))
    return ax


def profiles(found: Uniformity, ax: Axes | None = None) -> Axes:
    """Mean deviation of the width along the slit and along the scan."""
    ax = _axes(ax, 0.5, right=0.2, top=0.3)
    ax.axhline(0.0, color=SOFT, linewidth=0.6)
    for (at, off), label, colour, mark in (
        (found.slit, "along the slit (x)", MASK, "o"),
        (found.scan, "along the scan (y)", PRINTED, "s"),
    ):
        ax.plot(at, off, f"{mark}-", color=colour, linewidth=1.0, markersize=4, label=label)
    ax.set(xlabel="position in the field (mm)", ylabel="deviation of the width (nm)")
    _legend(ax, None)
    return ax
