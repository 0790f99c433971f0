"""Pictures of a calibration: predicted against measured, and what is left by pitch and by focus.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from .plots import MASK, PRINTED, SOFT, _axes, _legend

if TYPE_CHECKING:
    from ..operate.calibration import Calibration

_MARKS = {"line": "o", "space": "s", "edge": "^"}
_LEFT = "predicted − measured (nm)"


def predicted_measured(c: Calibration, ax: Axes | None = None) -> Axes:
    """Predicted over measured values; outliers are crossed out."""
    ax = _axes(ax, 0.8, right=0.2, top=0.35)
    measured = np.array([m.value_nm for m in c.measurements])
    both = np.r_[measured, c.predicted_nm[~c.lost]]
    ends = [float(both.min()), float(both.max())]
    ax.plot(ends, ends, color=SOFT, linewidth=0.8)
    _points(ax, c, measured, c.predicted_nm)
    ax.set(xlabel="measured (nm)", ylabel="predicted (nm)")
    return ax


def by_pitch(c: Calibration, ax: Axes | None = None) -> Axes:
    """What is left over the pitch of the lines, or over what the gauge file gives to plot against."""
    pitch = np.array([np.nan if m.plot_nm is None else m.plot_nm for m in c.measurements])
    return _left(c, pitch, "pitch (nm)", ax)


def by_focus(c: Calibration, ax: Axes | None = None) -> Axes:
    """What is left over the focus that was set."""
    return _left(c, np.array([m.focus_nm for m in c.measurements]), "focus setting (nm)", ax)


def _left(c: Calibration, x: np.ndarray, label: str, ax: Axes | None) -> Axes:
    ax = _axes(ax, 0.6, right=0.2, top=0.35)
    measured = np.array([m.value_nm for m in c.measurements])
    ax.axhline(0.0, color=SOFT, linewidth=0.8)
    _points(ax, c, x, c.predicted_nm - measured)
    ax.set(xlabel=label, ylabel=_LEFT)
    return ax


def _points(ax: Axes, c: Calibration, x: np.ndarray, y: np.ndarray) -> None:
    kind = np.array([m.kind for m in c.measurements])
    shown = np.isfinite(x) & np.isfinite(y)
    for name, mark in _MARKS.items():
        here = shown & (kind == name)
        if here.any():
            label = f"{name} ({here.sum()})"
            ax.plot(x[here], y[here], mark, color=MASK, markersize=4, alpha=0.6, markeredgewidth=0, label=label)
    wrong = shown & c.outlier
    if wrong.any():
        style = dict(color=PRINTED, markersize=8, markeredgewidth=1.4, linestyle="none")
        ax.plot(x[wrong], y[wrong], "x", label=f"outlier ({wrong.sum()})", **style)
    _legend(ax, None)
