"""Pictures of focus and dose: fields on the wafer, and widths through focus.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Circle, Rectangle

from ..wafer.widths import WidthTable
from .plots import INK, PRINTED, SIGNED, SOFT, _axes, _bar, _legend
from .wafer_plots import RADIUS_MM

_FIELD_MM = (26.0, 33.0)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5c5c5c", "#1a1a1a")


def field_map(
    X_mm: np.ndarray, Y_mm: np.ndarray, value: np.ndarray, known: np.ndarray, label: str, ax: Axes | None = None
) -> Axes:
    """A number for each field (n,) as its colour, zero in the middle; fields that are not known are crossed."""
    ax = _axes(ax, 0.9, right=0.9, top=0.2)
    size = float(np.nanquantile(np.abs(value[known]), 0.98)) if known.any() else 1.0
    shade = ScalarMappable(Normalize(-max(size, 1e-9), max(size, 1e-9)), SIGNED)
    ax.add_patch(Circle((0, 0), RADIUS_MM, facecolor="none", edgecolor=SOFT, linewidth=0.8))
    w, h = _FIELD_MM
    for x, y, v, sure in zip(X_mm, Y_mm, value, known, strict=True):
        colour = shade.to_rgba(v) if sure else "none"
        ax.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, facecolor=colour, edgecolor="white", linewidth=1.0))
        if not sure:
            ax.plot([x - w / 3, x + w / 3], [y - h / 3, y + h / 3], color=SOFT, linewidth=0.9)
            ax.plot([x - w / 3, x + w / 3], [y + h / 3, y - h / 3], color=SOFT, linewidth=0.9)
    ax.set(xlim=(-158, 158), ylim=(-158, 158), aspect="equal", xlabel="X (mm)", ylabel="Y (mm)")
    _bar(ax, shade, label)
    return ax


def through_focus(table: WidthTable, focus_nm: np.ndarray, ax: Axes | None = None) -> Axes:
    """Change of the features' widths through focus at nominal dose, and where fields are: ticks at the bottom."""
    ax = _axes(ax, 0.65, right=0.2, top=0.35)
    middle, dose = len(table.focus_nm) // 2, len(table.log_dose) // 2
    for n, name in enumerate(table.names[: len(_COLOURS)]):
        curve = table.width_nm[n, :, dose] - table.width_nm[n, middle, dose]
        ax.plot(table.focus_nm, curve, color=_COLOURS[n], linewidth=1.2, label=name)
    ax.axhline(0.0, color=SOFT, linewidth=0.6)
    ax.plot(focus_nm, np.full(len(focus_nm), 0.02), "|", color=PRINTED, markersize=9, alpha=0.8,
            transform=ax.get_xaxis_transform(), label=f"fields ({len(focus_nm)})")  # fmt: skip
    ax.axvline(0.0, color=INK, linewidth=0.5, linestyle=":")
    ax.set(xlabel="focus error (nm)", ylabel="change of width (nm)")
    _legend(ax, None)
    return ax
