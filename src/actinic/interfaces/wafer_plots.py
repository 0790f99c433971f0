"""Pictures of a wafer's overlay: arrows where it was measured, with a stated length, and the terms.

As in `plots`, every function draws on `ax` or on a new figure of its own and returns the axes; maps have y up and the
notch down.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon

from .plots import INK, MASK, PRINTED, SOFT, _axes

RADIUS_MM = 150.0
_ARROW_MM = 12.0  # the length of the arrow that a nice number of nm gets
_MOST_ARROWS = 4000


def arrow_nm(*sizes_nm: np.ndarray) -> float:
    """A round number of nm near the 95 % quantile of |overlay|: what the arrow of the key stands for."""
    size = np.concatenate([np.abs(v[np.isfinite(v)]) for v in sizes_nm]) if sizes_nm else np.zeros(0)
    typical = float(np.quantile(size, 0.95)) if size.size else 0.0
    if not typical > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(typical))
    return float(power * next(f for f in (1, 2, 5, 10) if f * power >= typical * 0.999))


def vector_map(
    X_mm: np.ndarray,
    Y_mm: np.ndarray,
    dx_nm: np.ndarray,
    dy_nm: np.ndarray,
    scale_nm: float | None = None,
    far: np.ndarray | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Overlay (n,) as arrows on the wafer. `scale_nm` is the overlay that the key's arrow stands for.

    Marks in `far` are drawn apart; of more than 4000 marks an even choice is drawn. A mark measured along one axis
    has an arrow along it.
    """
    ax = _axes(ax, 1.0, right=0.15, top=0.2)
    scale = scale_nm or arrow_nm(dx_nm, dy_nm)
    ax.add_patch(Circle((0, 0), RADIUS_MM, facecolor="none", edgecolor=SOFT, linewidth=0.8))
    ax.add_patch(Polygon([(-3, -RADIUS_MM), (0, -RADIUS_MM + 5), (3, -RADIUS_MM)], facecolor=SOFT, edgecolor="none"))
    u, v = np.nan_to_num(dx_nm), np.nan_to_num(dy_nm)
    outlying = np.zeros(len(u), bool) if far is None else far
    step = max(1, int(np.ceil(len(u) / _MOST_ARROWS)))
    style = dict(angles="xy", scale_units="xy", scale=scale / _ARROW_MM, width=0.0018, headwidth=3.5, headlength=4.5)
    style |= dict(headaxislength=4.0, minlength=0.2)
    for some, colour, label in ((~outlying, MASK, "marks"), (outlying, PRINTED, "outliers")):
        rows = np.flatnonzero(some)[:: step if colour == MASK else 1]
        if rows.size:
            # An outlier may be as long as the wafer: it is cut to twice the key.
            size = np.hypot(u[rows], v[rows])
            cut = np.minimum(1.0, 2 * scale / np.maximum(size, 1e-300)) if colour == PRINTED else 1.0
            arrows = ax.quiver(X_mm[rows], Y_mm[rows], u[rows] * cut, v[rows] * cut, color=colour, **style)
            if colour == MASK:
                ax.quiverkey(arrows, 0.86, 0.965, scale, f"{scale:g} nm", labelpos="S", coordinates="axes", color=INK)
            else:
                ax.plot(X_mm[rows], Y_mm[rows], "x", color=PRINTED, markersize=4, label=f"{label} ({rows.size})")
                ax.legend(loc="lower left", frameon=False, fontsize=8)
    ax.set(xlim=(-158, 158), ylim=(-158, 158), aspect="equal", xlabel="X (mm)", ylabel="Y (mm)")
    return ax


def term_bars(effects_nm: Mapping[str, tuple[float, float]], ax: Axes | None = None, most: int = 16) -> Axes:
    """What each term amounts to over the grid, rms with its standard error (nm), the largest first."""
    names = sorted(effects_nm, key=lambda name: -effects_nm[name][0])[:most][::-1]
    ax = _axes(ax, 0.9, right=0.2, top=0.2)
    size = [effects_nm[name][0] for name in names]
    error = [effects_nm[name][1] for name in names]
    ax.barh(names, size, color=MASK, height=0.65, xerr=np.nan_to_num(error), ecolor=INK, error_kw={"linewidth": 0.8})
    ax.set(xlabel="rms over the fields (nm)")
    ax.set_xlim(left=0)
    return ax
