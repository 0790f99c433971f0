"""Pictures of source-mask optimisation: the source in the pupil, and a clip's target and mask."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Circle, Patch, Rectangle

from ..layout import Layout
from .plots import INK, MASK, SOFT, _axes, _bar, _fill, _key, _legend, _lines, _map_axes, _rings

# Dark is off; told apart in grey too.
LIGHT = LinearSegmentedColormap.from_list("light", ["#f2f2ef", "#e0b000", "#d55e00", "#5a1a00"])


def pupil_plot(sigma: np.ndarray, weight: np.ndarray, pitch: float, ax: Axes | None = None) -> Axes:
    """Brightness (n,) of square source pixels at sigma (n, 2), relative to the brightest, in the unit circle."""
    ax = _axes(ax, 1.0, right=0.8, top=0.28)
    ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", anchor="NW", xlabel="σx", ylabel="σy")
    lit = weight > 0
    corners = sigma[lit] - 0.5 * pitch
    pixels = PatchCollection([Rectangle(tuple(c), pitch, pitch) for c in corners], cmap=LIGHT, norm=Normalize(0.0, 1.0))
    pixels.set_array(weight[lit] / weight.max())
    pixels.set(linewidth=0.0, antialiased=False)
    ax.add_collection(pixels, autolim=False)
    ax.add_patch(Circle((0, 0), 1.0, facecolor="none", edgecolor=SOFT, linewidth=0.8))
    for draw in (ax.axhline, ax.axvline):
        draw(0.0, color=SOFT, linewidth=0.4, zorder=0)
    ax.set(xticks=(-1, -0.5, 0, 0.5, 1), yticks=(-1, -0.5, 0, 0.5, 1))
    ax.spines[:].set_visible(True)
    _bar(ax, pixels, "relative brightness")
    return ax


def clip_map(target: Layout, mask: Layout, window_nm, ax: Axes | None = None) -> Axes:
    """A clip's target as an outline on the mask's polygons."""
    ax = _map_axes(ax, window_nm)
    _fill(ax, mask, window_nm, facecolor=MASK, alpha=0.25)
    _lines(ax, _rings(mask), window_nm, color=MASK, linewidth=0.8)
    _lines(ax, _rings(target), window_nm, color=INK, linewidth=0.9)
    _legend(ax, [_key("target", INK), Patch(facecolor=(MASK, 0.25), edgecolor=MASK, linewidth=0.8, label="mask")])
    return ax
