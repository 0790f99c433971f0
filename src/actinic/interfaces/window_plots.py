"""Pictures of process windows: Bossung curves, windows in focus and dose, exposure latitude against depth of focus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Ellipse, Patch, Rectangle

from ..metrology import bossung
from ..metrology import window as shapes
from .plots import INK, MASK, PRINTED, SOFT, _axes, _bar, _key, _legend

if TYPE_CHECKING:
    from ..design.together import Together
    from ..design.window import FocusDose

# Low to high dose, dark to light, told apart in grey too.
DOSE = LinearSegmentedColormap.from_list("dose", ["#08306b", MASK, "#5fb0a5", "#e0b000"])
# The mask as drawn, and the one that is judged; alone a mask is judged.
_COLOURS = {1: (PRINTED,), 2: (MASK, PRINTED)}
_NAMES = {1: ("common window",), 2: ("as drawn", "with the mask")}
_FAINT = "#b5b5b0"


def bossung_plot(matrix: FocusDose, cut: int, dose: Sequence[float], ax: Axes | None = None) -> Axes:
    """Width over focus for a series of doses: dots where it was simulated, target and tolerance as a band."""
    ax = _axes(ax, 0.62, right=0.8, top=0.28)
    cuts, focus = matrix.cuts, matrix.focus_nm
    target, reach = cuts.target_nm[cut], cuts.tolerance[cut] * cuts.target_nm[cut]
    ax.axhspan(target - reach, target + reach, color="#ececea", linewidth=0.0, zorder=-2)
    ax.axhline(target, color=SOFT, linewidth=0.6, zorder=-1)
    values = matrix.cd_nm(dose)[cut].T
    fine = np.linspace(focus[0], focus[-1], 201)
    norm = Normalize(min(dose), max(dose) if max(dose) > min(dose) else min(dose) + 1e-6)
    for d, cd, curve in zip(dose, values, bossung.through_focus(focus, values, fine), strict=True):
        colour = DOSE(norm(d))
        ax.plot(fine, curve, color=colour, linewidth=1.1)
        ax.plot(focus, cd, linestyle="none", marker="o", markersize=2.2, color=colour)
    ax.set(xlim=(focus[0], focus[-1]), ylim=(target - 3 * reach, target + 3 * reach))
    ax.set(xlabel="focus (nm)", ylabel="CD (nm)")
    _bar(ax, ScalarMappable(norm, DOSE), "relative dose")
    band = Patch(facecolor="#ececea", label=f"target {target:g} nm ± {100 * cuts.tolerance[cut]:g} %")
    _legend(ax, [band])
    return ax


def window_map(
    matrices: Sequence[FocusDose | Together], ax: Axes | None = None, names: Sequence[str] | None = None
) -> Axes:
    """Common windows in focus and dose over those of the last mask's gauges; its largest ellipse and rectangle.

    `names` are those of the windows, by default what `actinic window` compares.
    """
    ax = _axes(ax, 0.72, right=0.2, top=0.5)
    matrix = matrices[-1]
    focus = matrix.common.focus_nm
    lines = [np.stack([focus, limit], 1) for limits in (matrix.low, matrix.high) for limit in limits]
    ax.add_collection(
        LineCollection(lines, color=_FAINT, linewidth=0.5, rasterized=len(lines) > 400, zorder=1), autolim=False
    )
    keys: list = [_key("limits of the gauges", _FAINT, 0.8)]
    for side, colour, name in _sides(matrices, names):
        corners = shapes.outline(side.common)
        if not len(corners):
            keys.append(Patch(facecolor="none", edgecolor="none", label=f"{name}: none"))
            continue
        ax.fill(*corners.T, facecolor=(colour, 0.16), edgecolor=colour, linewidth=1.0, zorder=2)
        keys.append(Patch(facecolor=(colour, 0.16), edgecolor=colour, label=name))
    ellipse, rectangle = matrix.largest.values()
    if ellipse and rectangle:
        outline = {"facecolor": "none", "edgecolor": INK, "zorder": 3}
        ax.add_patch(Ellipse((ellipse.focus_nm, ellipse.dose), *_size(ellipse), linewidth=1.2, **outline))
        width, height = _size(rectangle)
        corner = rectangle.focus_nm - width / 2, rectangle.dose - height / 2
        ax.add_patch(Rectangle(corner, width, height, linewidth=0.8, linestyle="--", **outline))
        ax.plot(ellipse.focus_nm, ellipse.dose, marker="+", color=INK, markersize=7, linestyle="none")
        keys += [_key("largest ellipse", INK), _key("rectangle", INK, 0.8)]
        keys[-1].set_linestyle("--")
    ax.set(xlim=(focus[0], focus[-1]), ylim=_dose_range(matrices), xlabel="focus (nm)", ylabel="relative dose")
    _legend(ax, keys)
    return ax


def latitude_plot(
    matrices: Sequence[FocusDose | Together], ax: Axes | None = None, names: Sequence[str] | None = None
) -> Axes:
    """Largest exposure latitude of ellipses (solid) and rectangles (dashed) in the common windows at each DOF."""
    ax = _axes(ax, 0.62, right=0.2, top=0.5)
    keys = []
    for side, colour, name in _sides(matrices, names):
        for shape, style in (("ellipse", "-"), ("rectangle", "--")):
            dof, el = side.latitude[shape]
            (line,) = ax.plot(dof, el, color=colour, linestyle=style, linewidth=1.3)
            line.set_label(f"{name}: {shape if len(dof) else 'none'}")
            keys.append(line)
    span = float(np.ptp(matrices[-1].common.focus_nm))
    ax.set(xlim=(0, span), ylim=(0, None), xlabel="depth of focus (nm)", ylabel="exposure latitude (%)")
    for level in (5, 10):
        ax.axhline(level, color=_FAINT, linewidth=0.6, zorder=-1)
    _legend(ax, keys, columns=2)
    return ax


def plot_data(matrices: Sequence[FocusDose], dose: Sequence[float]) -> dict[str, np.ndarray]:
    """Everything the plots draw, by name: focus in nm, relative doses, CD in nm (cut, focus, dose).

    With two masks the first is the layout as drawn, and its names begin with `drawn_`.
    """
    matrix = matrices[-1]
    data = {
        "gauge": np.array(matrix.cuts.names),
        "start_nm": matrix.cuts.start_nm,
        "end_nm": matrix.cuts.end_nm,
        "target_nm": matrix.cuts.target_nm,
        "tolerance": matrix.cuts.tolerance,
        "focus_nm": matrix.focus_nm,
        "dose": np.asarray(dose, np.float64),
        "fine_focus_nm": matrix.common.focus_nm,
    }
    for m, before in zip(matrices[::-1], ("", "drawn_"), strict=False):
        data |= {
            f"{before}cd_nm": m.cd_nm(dose),
            f"{before}low": m.low,
            f"{before}size": m.size,
            f"{before}high": m.high,
        }
        data |= {f"{before}window_low": m.common.low, f"{before}window_high": m.common.high}
        for shape, best in m.largest.items():
            data[f"{before}{shape}"] = np.array(
                [best.focus_nm, best.dose, best.dof_nm, best.el_percent] if best else [np.nan] * 4
            )
            data[f"{before}{shape}_dof_el"] = np.stack(m.latitude[shape], axis=1)
    return data


def _sides(matrices: Sequence[FocusDose | Together], names: Sequence[str] | None):
    count = len(matrices)
    return zip(matrices, _COLOURS[count], names or _NAMES[count], strict=True)


def _size(shape: shapes.Inscribed) -> tuple[float, float]:
    return shape.dof_nm, 0.01 * shape.el_percent * shape.dose


def _dose_range(matrices: Sequence[FocusDose | Together]) -> tuple[float, float]:
    """Doses to show: the common windows with room around them, or where the gauges' windows lie."""
    common = [shapes.outline(m.common)[:, 1] for m in matrices]
    doses = np.concatenate(common)
    if not doses.size:
        limits = np.concatenate([matrices[-1].low, matrices[-1].high])
        doses = limits[np.isfinite(limits)]
        doses = np.percentile(doses, [2, 98]) if doses.size else np.array([0.9, 1.1])
    room = 0.6 * (doses.max() - doses.min()) + 0.02
    return max(float(doses.min() - room), 0.0), float(doses.max() + room)
