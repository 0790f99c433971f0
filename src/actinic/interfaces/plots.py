"""Pictures of a verification: prints, process band, edge placement, a histogram; and of a roughness spectrum.

Every function draws on `ax`, or on a new figure of its own, and returns the axes; maps are in um with y up. Colours
are told apart by the colour-blind, and signed errors are centred on zero. `plot_data` is the same as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import contourpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from ..layout import Layout
from ..metrology import EDGE
from ..types import Grid

if TYPE_CHECKING:
    from ..design.verify import Verification

Window = tuple[float, float, float, float]

# Okabe and Ito's colours, on a grey that ends halfway so that all of them stand out on it.
INK, SOFT, FILL = "#1a1a1a", "#5c5c5c", "#e2e2df"
PRINTED, MASK, BAND = "#d55e00", "#0072b2", "#e08214"
LATENT = LinearSegmentedColormap.from_list("latent", ["#929292", "#ffffff"])
# Zero is a grey a little darker than the target's, so an edge without error looks like the outline it is.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#003f66", MASK, "#cfcfcb", PRINTED, "#7a3500"])
SHADE = LinearSegmentedColormap.from_list("band", [(BAND, 0.0), (BAND, 1.0)])

_UM = 1e-3
_EPE = "EPE (nm), positive = outside the target"
_MOST_PIXELS = 1000  # along a side of a drawn image
_MOST_PIECES = 2000  # of a vector picture
_TEXT = 9.0  # points
_FIGURE = 4.8  # inches wide
_SMALL = 3.2
_BINS = 61  # odd, so that one of them is centred on zero


def print_map(v: Verification, ax: Axes | None = None, window_nm: Window | None = None) -> Axes:
    """Nominal latent image with the target's outline, the mask's polygons and the printed contour."""
    window = window_nm or v.window_nm
    ax, thin = _map_axes(ax, window), _thinness(window)
    values = np.asarray(v.latent.values, np.float64)
    shade = _image(ax, values, v.latent.grid, window, cmap=LATENT, norm=Normalize(0.0, values.max()))
    _fill(ax, v.mask, window, facecolor=MASK, alpha=0.2)
    _lines(ax, _rings(v.mask), window, color=MASK, linewidth=0.8 * thin)
    _lines(ax, _rings(v.target), window, color=INK, linewidth=0.9 * thin)
    _lines(ax, _printed(v), window, color=PRINTED, linewidth=1.3 * thin)
    _bar(ax, shade, "latent intensity").ax.axhline(v.threshold, color=PRINTED, linewidth=1.3)
    mask = Patch(facecolor=(MASK, 0.2), edgecolor=MASK, linewidth=0.8, label="mask")
    _legend(ax, [_key("target", INK), mask, _key("printed", PRINTED)])
    return ax


def band_map(v: Verification, ax: Axes | None = None, window_nm: Window | None = None) -> Axes:
    """Target outline, nominal contour, and where some corners of the process window print and others do not.

    Rings mark side lobes and whatever else prints, joins or fails as it should not at some corner.
    """
    window = window_nm or v.window_nm
    ax, thin = _map_axes(ax, window), _thinness(window)
    between = (np.asarray(v.outer) & ~np.asarray(v.inner)).astype(np.float64)
    _image(ax, between, v.latent.grid, window, cmap=SHADE, norm=Normalize(0.0, 1.0), interpolation="nearest")
    # Thin lines and a filled target, for the band is often narrower than a line.
    _fill(ax, v.target, window, facecolor=FILL, zorder=-1)
    _lines(ax, _rings(v.target), window, color=SOFT, linewidth=0.5 * thin, zorder=-1)
    _lines(ax, _printed(v), window, color=INK, linewidth=0.5 * thin)
    band = Patch(facecolor=BAND, label=f"process band, {v.pv_band_nm:.1f} nm")
    target = Patch(facecolor=FILL, edgecolor=SOFT, linewidth=0.5, label="target")
    keys = [target, _key("printed", INK, 0.7), band]
    if v.defects:
        style = dict(linestyle="none", marker="o", color=MASK, markersize=9, fillstyle="none", markeredgewidth=1.2)
        at = np.array([defect.at_nm for defect in v.defects])
        keys += ax.plot(*_UM * at[_inside(at, window)].T, label=f"defects ({len(v.defects)})", **style)
    _legend(ax, keys)
    return ax


def epe_map(v: Verification, ax: Axes | None = None, window_nm: Window | None = None) -> Axes:
    """Gauges on the edges of the target, orange where the print lies outside it and blue where inside.

    A cross marks a gauge without a printed edge, a ring the largest error found.
    """
    window = window_nm or v.window_nm
    ax, g, epe = _map_axes(ax, window), v.gauges, v.epe_nm
    _fill(ax, v.target, window, facecolor=FILL)
    limit = _limit(epe[~v.failed])
    at, along = np.stack([g.x_nm, g.y_nm], axis=1), np.stack([-g.ny, g.nx], axis=1)
    # Gauges stand 10 nm apart, so pieces of that length join; the largest errors are drawn last.
    order = np.argsort(np.abs(epe), kind="stable")
    order = order[_inside(at[order], window)]
    pieces = LineCollection(
        list(_UM * np.stack([at - 5.0 * along, at + 5.0 * along], axis=1)[order]),
        array=epe[order],
        cmap=SIGNED,
        norm=Normalize(-limit, limit),
        linewidths=3.2 * _thinness(window),
        capstyle="projecting",
        rasterized=order.size > _MOST_PIECES,
    )
    ax.add_collection(pieces, autolim=False)
    beyond = "both" if np.abs(epe[order]).max(initial=0.0) > limit else "neither"
    _bar(ax, pieces, _EPE, extend=beyond)
    keys: list[Patch | Line2D] = [Patch(facecolor=FILL, label="target")]
    lost = order[v.failed[order]]
    found = order[~v.failed[order]]
    if lost.size:
        style = dict(linestyle="none", marker="x", color=INK, markersize=5, markeredgewidth=1.0)
        keys += ax.plot(*_UM * at[lost].T, label=f"failed ({lost.size})", **style)
    if found.size:
        worst = found[-1]
        style = dict(linestyle="none", marker="o", color=INK, markersize=9, fillstyle="none", markeredgewidth=1.0)
        keys += ax.plot(*_UM * at[[worst]].T, label=f"largest, {_signed(epe[worst])} nm", **style)
    _legend(ax, keys)
    return ax


def spot_map(v: Verification, box_nm: Window, corner: str, ax: Axes | None = None) -> Axes:
    """A box and its surroundings: target, mask, and the contours printed nominally and at one more corner."""
    x0, y0, x1, y1 = box_nm
    x, y, half = 0.5 * (x0 + x1), 0.5 * (y0 + y1), max(300.0, 0.75 * (x1 - x0), 0.75 * (y1 - y0))
    window = x - half, y - half, x + half, y + half
    if ax is None:
        ax = Figure(figsize=(_SMALL, _SMALL + 0.25)).add_axes((0.17, 0.13, 0.8, 0.8 * _SMALL / (_SMALL + 0.25)))
    ax = _map_axes(ax, window)
    _fill(ax, v.target, window, facecolor=FILL, zorder=-1)
    _lines(ax, _rings(v.mask), window, color=MASK, linewidth=0.8)
    keys: list[Patch | Line2D] = [Patch(facecolor=FILL, label="target"), _key("mask", MASK, 0.8)]
    nominal, *others = v.prints
    for shown, color in ((nominal, INK), *((p, PRINTED) for p in others if p.name == corner)):
        _lines(ax, _level_lines(shown.values, shown.grid, shown.level, window), window, color=color, linewidth=1.2)
        keys.append(_key(shown.name, color))
    style = dict(fill=False, linestyle=":", edgecolor=SOFT, linewidth=0.9)
    ax.add_patch(Rectangle((_UM * x0, _UM * y0), _UM * (x1 - x0), _UM * (y1 - y0), **style))
    _legend(ax, keys, columns=2)
    return ax


def epe_histogram(after: Verification, before: Verification | None = None, ax: Axes | None = None) -> Axes:
    """Signed EPE of the edge gauges (line ends apart, as in the summary); what lies beyond is in the end bins."""
    ax = _axes(ax, 0.6, right=0.1, top=0.45)
    drawn = [(after, "edge gauges", dict(histtype="stepfilled", facecolor=(MASK, 0.3), edgecolor=MASK))]
    if before is not None:
        drawn = [(before, "before", dict(histtype="step", color=SOFT)), (after, "after", drawn[0][2])]
    limit = max(_limit(v.epe_nm[(v.gauges.kind == EDGE) & ~v.failed], 100.0) for v, _, _ in drawn)
    bins = np.linspace(-limit, limit, _BINS + 1)
    for v, name, style in drawn:
        epe = np.clip(v.epe_nm[v.gauges.kind == EDGE], -limit, limit)
        ax.hist(epe, bins, label=f"{name}: {_statistics(v)}", linewidth=1.1, **style)
    ax.axvline(0.0, color=INK, linewidth=0.6)
    ax.set_yscale("symlog", linthresh=1.0, linscale=0.4)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlim=(-limit, limit), ylim=(0.0, 1.5 * ax.get_ylim()[1]), xlabel=_EPE, ylabel="gauges")
    _legend(ax, None, columns=1)
    return ax


def roughness_spectrum(
    frequency: np.ndarray,
    psd: np.ndarray,
    model: np.ndarray,
    noise_nm: float | None,
    step_nm: float,
    ax: Axes | None = None,
) -> Axes:
    """Spectrum (k,) in nm3 of edges over frequency in 1/nm, what the fit expects, and the floor of the noise."""
    ax = _axes(ax, 0.6, right=0.1, top=0.3)
    # Single frequencies scatter; means over bands, even on the axis, show the shape.
    ends = np.unique(np.geomspace(1, len(frequency), 40).astype(int))
    wide = np.diff(ends)
    bands = [np.add.reduceat(np.asarray(v)[: ends[-1]], ends[:-1] - 1)[: wide.size] for v in (frequency, psd)]
    bands = [band / np.r_[wide[:-1], wide[-1] + 1] for band in bands]
    ax.loglog(frequency, psd, ".", color="#b8b8b4", markersize=2.0, label="measured")
    ax.loglog(*bands, "o", color=MASK, markersize=3.5, label="mean of a band")
    ax.loglog(frequency, model, color=PRINTED, linewidth=1.4, label="fit")
    if noise_nm is not None:
        ax.axhline(noise_nm**2 * step_nm, color=SOFT, linewidth=0.9, linestyle="--", label="noise")
    ax.set(xlabel="frequency (1/nm)", ylabel="PSD (nm³)", xlim=(0.8 * frequency[0], 1.2 * frequency[-1]))
    _legend(ax, None, columns=4)
    return ax


def worst_window(v: Verification, size_nm: float = 2500.0) -> Window:
    """Square (x0, y0, x1, y1) nm around the largest |EPE|, moved and cut so that it stays in the window."""
    x0, y0, x1, y1 = v.window_nm
    x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    if len(v.gauges):
        worst = int(np.argmax(np.abs(v.epe_nm)))
        x, y = float(v.gauges.x_nm[worst]), float(v.gauges.y_nm[worst])
    width, height = min(size_nm, x1 - x0), min(size_nm, y1 - y0)
    left = min(max(x - 0.5 * width, x0), x1 - width)
    low = min(max(y - 0.5 * height, y0), y1 - height)
    return left, low, left + width, low + height


def plot_data(v: Verification) -> dict[str, np.ndarray]:
    """Everything the plots draw, by name: lengths in nm, images [y, x] on `x_nm`, `y_nm`.

    Contours are points (n, 2) [x, y] with the number of their ring beside them, `<name>_ring` (n,).
    """
    grid, g = v.latent.grid, v.gauges
    data = {
        "window_nm": np.array(v.window_nm, np.float64),
        "x_nm": grid.x_nm,
        "y_nm": grid.y_nm,
        "latent": np.asarray(v.latent.values),
        "outer": np.asarray(v.outer),
        "inner": np.asarray(v.inner),
        "threshold": np.array(v.threshold, np.float64),
        **{f"gauge_{name}": getattr(g, name) for name in ("x_nm", "y_nm", "nx", "ny", "kind")},
        "epe_nm": v.epe_nm,
        "failed": v.failed,
        "defects_nm": np.array([d.at_nm for d in v.defects], np.float64).reshape(-1, 2),
    }
    for name, lines in (("target", _rings(v.target)), ("mask", _rings(v.mask)), ("printed", _printed(v))):
        data[f"{name}_nm"] = np.concatenate([np.zeros((0, 2)), *lines])
        data[f"{name}_ring"] = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    return data


def _statistics(v: Verification) -> str:
    s = v.summary
    if s.mean_nm is None or s.three_sigma_nm is None:
        return "none"
    lost = f", {s.failures} failed" if s.failures else ""
    return f"mean {_signed(s.mean_nm)} nm, 3σ {s.three_sigma_nm:.2f} nm{lost}"


def _signed(nm: float) -> str:
    return f"{round(nm, 2) + 0.0:+.2f}".replace("-", "−")


def _limit(epe: np.ndarray, percentile: float = 99.5) -> float:
    """Largest error that a scale has to show, in whole nm."""
    return float(np.ceil(np.percentile(np.abs(epe), percentile))) or 1.0 if epe.size else 1.0


def _axes(ax: Axes | None, ratio: float, right: float, top: float) -> Axes:
    """The given axes or those of a new figure, with quiet lines: height over width `ratio`, margins in inches."""
    if ax is None:
        # Margins are fixed, so that maps of one shape have one frame and can be compared.
        left, bottom, across = 0.7, 0.46, _FIGURE - 0.7 - right
        up = across * ratio
        full = bottom + up + top
        figure = Figure(figsize=(_FIGURE, full))
        ax = figure.add_axes((left / _FIGURE, bottom / full, across / _FIGURE, up / full))
    ax.tick_params(labelsize=_TEXT, colors=SOFT, width=0.6, length=3)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(fontsize=_TEXT, color=SOFT)
    for side, spine in ax.spines.items():
        spine.set(color=SOFT, linewidth=0.6)
        spine.set_visible(side in ("left", "bottom"))
    return ax


def _map_axes(ax: Axes | None, window: Window) -> Axes:
    """Axes in um over a window, to scale, y up."""
    x0, y0, x1, y1 = (_UM * side for side in window)
    ax = _axes(ax, float(np.clip((y1 - y0) / (x1 - x0), 0.3, 1.5)), right=0.8, top=0.28)
    ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal", anchor="NW", xlabel="x (µm)", ylabel="y (µm)")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.ticklabel_format(useOffset=False)
    ax.spines[:].set_visible(True)
    return ax


def _thinness(window: Window) -> float:
    """Factor on line widths: 1 up to 4 um, thinner over larger windows, where features are small."""
    return float(np.clip(np.sqrt(4000.0 / max(window[2] - window[0], window[3] - window[1])), 0.35, 1.0))


def _image(ax: Axes, values: np.ndarray, grid: Grid, window: Window, interpolation="bilinear", **style):
    """Samples [y, x] inside the window, averaged over blocks where there are more than can be seen."""
    origin, pitch = np.array(grid.origin_nm), grid.pitch_nm
    start = np.maximum(np.floor((np.array(window[:2]) - origin) / pitch).astype(int) - 1, 0)
    stop = np.ceil((np.array(window[2:]) - origin) / pitch).astype(int) + 1
    values = values[start[1] : stop[1], start[0] : stop[0]]
    block = -(-max(values.shape) // _MOST_PIXELS)
    values = np.pad(values, [(0, -n % block) for n in values.shape], mode="edge")
    ny, nx = (n // block for n in values.shape)
    values = values.reshape(ny, block, nx, block).mean(axis=(1, 3))
    x0, y0 = _UM * (origin + start * pitch)
    step, limits = _UM * pitch * block, (ax.get_xlim(), ax.get_ylim())
    extent = (x0, x0 + nx * step, y0, y0 + ny * step)
    shade = ax.imshow(values, extent=extent, origin="lower", interpolation=interpolation, **style)
    ax.set(xlim=limits[0], ylim=limits[1])
    return shade


def _rings(layout: Layout) -> list[np.ndarray]:
    """Closed rings of float64 (n, 2) points in nm, the first point repeated at the end."""
    return [layout.dbu_nm * np.concatenate([ring, ring[:1]]).astype(np.float64) for ring in layout.contours]


def _printed(v: Verification) -> list[np.ndarray]:
    """Lines (n, 2) in nm where the nominal image takes the threshold.

    They end at the window: an image of a window is not periodic, so `metrology.contours` does not apply.
    """
    return _level_lines(v.latent.values, v.latent.grid, v.threshold, v.window_nm)


def _level_lines(values, grid: Grid, level: float, window: Window) -> list[np.ndarray]:
    """Lines (n, 2) in nm where samples [y, x] take a level, in a window and a sample around it."""
    reach = 2 * grid.pitch_nm
    columns = (grid.x_nm > window[0] - reach) & (grid.x_nm < window[2] + reach)
    rows = (grid.y_nm > window[1] - reach) & (grid.y_nm < window[3] + reach)
    if min(rows.sum(), columns.sum()) < 2:
        return []
    height = np.asarray(values, np.float64)[np.ix_(rows, columns)]
    found = contourpy.contour_generator(grid.x_nm[columns], grid.y_nm[rows], height).lines(level)
    return [np.asarray(line) for line in found]


def _touches(line: np.ndarray, window: Window) -> bool:
    return bool((line.max(axis=0) >= window[:2]).all() and (line.min(axis=0) <= window[2:]).all())


def _inside(points: np.ndarray, window: Window) -> np.ndarray:
    return np.all((points >= window[:2]) & (points <= window[2:]), axis=1)


def _lines(ax: Axes, lines: Iterable[np.ndarray], window: Window, **style) -> None:
    ax.add_collection(LineCollection([_UM * line for line in lines if _touches(line, window)], **style), autolim=False)


def _fill(ax: Axes, layout: Layout, window: Window, **style) -> None:
    """Polygons without their outline; holes run against their hulls, so one path leaves them open."""
    rings = [_UM * ring for ring in _rings(layout) if _touches(ring, window)]
    if rings:
        path = Path.make_compound_path(*[Path(ring, closed=True) for ring in rings])
        ax.add_patch(PathPatch(path, linewidth=0.0, **style))


def _bar(ax: Axes, shade, label: str, **style) -> Colorbar:
    bar = ax.figure.colorbar(shade, cax=ax.inset_axes((1.025, 0.0, 0.025, 1.0)), **style)
    bar.set_label(label, fontsize=_TEXT, color=SOFT)
    bar.ax.tick_params(labelsize=_TEXT, colors=SOFT, width=0.6, length=3)
    bar.outline.set(edgecolor=SOFT, linewidth=0.6)
    return bar


def _key(label: str, color: str, linewidth: float = 1.2) -> Line2D:
    return Line2D([], [], color=color, linewidth=linewidth, label=label)


def _legend(ax: Axes, handles: Sequence[Patch | Line2D] | None, columns: int = 3) -> None:
    """Above the axes, where it hides nothing."""
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.3,
        borderpad=0.0,
        ncols=columns,
        columnspacing=1.6,
        handlelength=1.4,
        frameon=False,
        fontsize=_TEXT,
        labelcolor=SOFT,
    )
