"""Pictures of a machine in operation: wafers watched and which sensors speak; values foretold.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from .plots import INK, MASK, PRINTED, SIGNED, SOFT, _axes, _bar, _legend

if TYPE_CHECKING:
    from ..operate.monitor import Chart, Finding

_STYLES = {"ok": (MASK, "o"), "alarm": (PRINTED, "D"), "incomplete": (INK, "s")}
_MOST_WAFERS, _MOST_SENSORS = 24, 12


def watched(findings: Sequence[Finding], chart: Chart, ax: Axes | None = None) -> Axes:
    """The largest plotted value of each wafer with the limit; a line where the machine was touched."""
    ax = _axes(ax, 0.55, right=0.2, top=0.35)
    place = np.arange(1, len(findings) + 1)
    worst = np.array([one.worst for one in findings])
    status = np.array([one.status for one in findings])
    starts = [n for n in range(1, len(findings)) if findings[n].regime != findings[n - 1].regime]
    for n in starts:
        ax.axvline(n + 0.5, color=SOFT, linewidth=0.6)
    ax.axhline(chart.limit, color=PRINTED, linewidth=0.9, linestyle="--")
    for name, (color, marker) in _STYLES.items():
        of = (status == name) & np.isfinite(worst)
        if of.any():
            label = f"{name} ({(status == name).sum()})"
            style = dict(color=color, markersize=3.4, markeredgewidth=0, label=label)
            ax.plot(place[of], np.maximum(worst[of], 0.5), marker, **style)
    ax.set_yscale("log")
    high = max(2 * chart.limit, 1.2 * np.nanmax(np.where(np.isfinite(worst), worst, 0.0)))
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100) if t < high]
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()
    ax.set(xlabel="wafer, in order", ylabel="largest score (standard deviations)", ylim=(0.5, high))
    _legend(ax, None)
    return ax


def contributions(findings: Sequence[Finding], chart: Chart, ax: Axes | None = None) -> Axes:
    """Scores by sensor of the wafers not in order, largest sensors first; full colour from twice the limit."""
    shown = [one for one in findings if one.status in ("alarm", "incomplete") and one.sensors]
    shown = sorted(shown, key=lambda one: -one.worst)[:_MOST_WAFERS]
    shown = [one for one in findings if one in shown]
    sizes: dict[str, float] = {}
    for one in shown:
        for sensor, value, _ in one.sensors:
            sizes[sensor] = max(sizes.get(sensor, 0.0), abs(value))
    sensors = sorted(sizes, key=lambda s: -sizes[s])[:_MOST_SENSORS]
    scores = [{sensor: value for sensor, value, _ in one.sensors} for one in shown]
    table = np.array([[score.get(sensor, np.nan) for score in scores] for sensor in sensors]).reshape(len(sensors), -1)
    own = ax is None
    ax = _axes(ax, 0.85, right=0.8, top=0.2)
    if own:  # room for the names of sensors and wafers
        ax.set_position((0.24, 0.27, 0.58, 0.68))
    top = 2 * chart.limit
    picture = ax.imshow(table, aspect="auto", cmap=SIGNED, norm=Normalize(-top, top))
    ax.set_yticks(range(len(sensors)), sensors)
    ax.set_xticks(range(len(shown)), [f"{one.wafer} {one.label}".strip() for one in shown], rotation=90)
    ax.tick_params(labelsize=7)
    ax.spines[:].set_visible(False)
    _bar(ax, picture, f"score (limit {chart.limit:.1f} standard deviations)", extend="both")
    return ax


def foretold(result: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Measured over foretold with intervals, the diagonal between."""
    ax = _axes(ax, 0.8, right=0.2, top=0.35)
    rows = [row for row in result["wafers"] if row["measured"] is not None]
    value, low, high, measured = (np.array([row[k] for row in rows]) for k in ("value", "low", "high", "measured"))
    inside = (measured >= low) & (measured <= high)
    ends = [min(low.min(), measured.min()), max(high.max(), measured.max())]
    ax.plot(ends, ends, color=SOFT, linewidth=0.8)
    for of, color, name in ((inside, MASK, "in its interval"), (~inside, PRINTED, "outside")):
        if of.any():
            bars = np.stack([value - low, high - value])[:, of]
            style = dict(fmt="o", color=color, markersize=3.2, elinewidth=0.6, markeredgewidth=0)
            ax.errorbar(value[of], measured[of], xerr=bars, label=f"{name} ({of.sum()})", **style)
    ax.set(xlabel=f"foretold {result['quantity']}", ylabel=f"measured {result['quantity']}")
    _legend(ax, None)
    return ax


def errors_by_lot(result: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Measured less foretold in order, a band for the interval, lines between lots."""
    ax = _axes(ax, 0.55, right=0.2, top=0.35)
    rows = [row for row in result["wafers"] if row["measured"] is not None]
    place = np.arange(1, len(rows) + 1)
    error = np.array([row["measured"] - row["value"] for row in rows])
    half = np.array([row["high"] - row["value"] for row in rows])
    for n in range(1, len(rows)):
        if rows[n]["lot"] != rows[n - 1]["lot"]:
            ax.axvline(n + 0.5, color=SOFT, linewidth=0.5)
    ax.axhline(0.0, color=SOFT, linewidth=0.8)
    name = f"{100 * result['level']:g} % interval"
    ax.fill_between(place, -half, half, step="mid", color=MASK, alpha=0.15, linewidth=0, label=name)
    ax.plot(place, error, "o", color=MASK, markersize=3.2, markeredgewidth=0, label="measured − foretold")
    ax.set(xlabel="wafer, lot by lot", ylabel=result["quantity"])
    _legend(ax, None)
    return ax
