"""Process windows of masks at cut-lines, by the reference path: one image a focus, every dose from it."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import make_interp_spline

from ..errors import ConfigError
from ..forward import anchored, distinct_focus
from ..layout import Layout, sized
from ..mask import made
from ..metrology import Cuts, Inscribed, Profiles, Window, bossung, window
from ..metrology.window import SHAPES, Shape
from ..optics import band
from ..scale import split
from ..types import Grid, double
from .images import aerial_images, scanner_of
from .setup import Setup

# Samples to lambda / NA along a cut, twice the image's shortest wave: taken from the image exactly, then refined by
# a quintic spline (3e-7 of the shortest wave).
_COARSE, _FINE = 32, 256
_FOCUSES = 401
# A resist that is not linear is exposed at so many doses, up to this factor each way; nothing is darker than this.
_DOSES, _FACTOR, _DARK = 9, 2.0, 1e-6
# A feature that has no more exposure latitude than this jumps past its tolerance.
LEAST_LATITUDE = 1e-6


@dataclass(frozen=True)
class FocusDose:
    """What one mask prints at cut-lines over focus and dose, and the windows that leaves.

    `low`, `size`, `high` (cut, n) over the fine focuses of `common`: the doses at which the width is as small or large
    as the tolerance allows, in order of dose, and on target; NaN where it never is. `lost` bool (cut,): in tolerance at
    no focus and dose; `common` is the window of all the others. `best_focus_nm` (cut,): where a cut's exposure latitude
    is largest. `focus_error`: how far a limit of a cut moves, as a fraction, when every other focus is left out of the
    series, the largest of all in the windows; between the focuses of the whole series the error is smaller.
    """

    cuts: Cuts
    focus_nm: np.ndarray  # (focus,)
    profiles: Profiles
    low: np.ndarray
    size: np.ndarray
    high: np.ndarray
    isofocal_dose: np.ndarray  # (cut,)
    isofocal_nm: np.ndarray
    best_focus_nm: np.ndarray
    lost: np.ndarray
    common: Window
    largest: dict[Shape, Inscribed | None]  # by area, in the common window
    latitude: dict[Shape, tuple[np.ndarray, np.ndarray]]  # DOF in nm and largest EL in percent
    focus_error: float

    def cd_nm(self, dose: Sequence[float]) -> np.ndarray:
        """Widths (cut, focus, dose), the Bossung curves; NaN where the feature does not print."""
        return np.stack([bossung.widths(self.profiles, d) for d in dose], axis=-1)

    def of(self, cut: int) -> Window:
        """The window of one cut alone."""
        return window.overlap(self.common.focus_nm, self.low[[cut]], self.high[[cut]])

    def dose_to_size(self) -> np.ndarray:
        """Dose (cut,) that prints the target width at the cut's best focus."""
        at = np.argmin(np.abs(self.common.focus_nm - self.best_focus_nm[:, None]), axis=1)
        return self.size[np.arange(len(self.cuts)), at]


@dataclass(frozen=True)
class AtPoint:
    """What one mask prints at cut-lines at one focus and dose: CD in nm, NILS of the target width, MEEF, all (cut,).

    NaN where the feature does not print, or has no edge on the cut.
    """

    focus_nm: float
    dose: float
    cd_nm: np.ndarray
    nils: np.ndarray
    meef: np.ndarray


def focus_dose(
    masks: Sequence[Layout | tuple[Layout, ...]],
    setup: Setup,
    window_nm: tuple[float, float, float, float],
    cuts: Cuts,
    focus_nm: np.ndarray,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[FocusDose]:
    """Focus-exposure matrices of masks with every dose in them, one result for each mask.

    A mask is its polygons as drawn, a layout for each layer. Cuts must have their middles in the window; masks must
    reach the halo beyond it. `focus_nm` increasing (n,), four or more.
    """
    focus_nm = np.asarray(focus_nm, np.float64)
    if focus_nm.size < 4 or not (np.diff(focus_nm) > 0).all():
        raise ConfigError("a process window needs at least four focuses, in increasing order")
    series = _profiles(masks, setup, window_nm, cuts, focus_nm, progress)
    return [_windowed(cuts, profiles, focus_nm) for profiles in series]


def at_point(
    mask: Layout | tuple[Layout, ...], setup: Setup, window_nm, cuts: Cuts, focus_nm: float, dose: float
) -> AtPoint:
    """Widths, NILS and mask error enhancement factor of a mask, one layout for each layer, at one focus and dose.

    MEEF = d CD / d CD of the mask at wafer scale (Wong et al. 1998 and others), by moving every mask edge out and
    in by one nm (a database unit where that is coarser). Of an alternating mask drawn dark the chrome's edges move.
    """
    layers = mask if isinstance(mask, tuple) else (mask,)
    unit = max(layer.dbu_nm for layer in layers)
    bias = unit * max(1, round(1 / unit))
    moved = layers if setup.process.mask.drawn == "clear" else layers[:1]
    masks = [layers, *((*(sized(layer, s * bias) for layer in moved), *layers[len(moved) :]) for s in (1, -1))]
    nominal, out, inwards = _profiles(masks, setup, window_nm, cuts, np.array([focus_nm]))
    cd, wide, narrow = (bossung.widths(profiles, dose)[:, 0] for profiles in (nominal, out, inwards))
    nils = bossung.log_slopes(nominal, dose, cuts.target_nm[:, None])[:, 0]
    return AtPoint(focus_nm, dose, cd, nils, (wide - narrow) / np.where(cuts.line, 4 * bias, -4 * bias))


def speed(resist, images: np.ndarray, period_nm, along: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The inverse of the dose at which each point changes between printed and not, from images (mask, focus, y', x').

    `along` takes latent samples to points. The one place where dose enters: it scales the image of a linear resist
    against its threshold. Others are exposed at a series of doses, between which the logarithms of dose and of what
    the resist sees are nearly in proportion.
    """

    def seen(dose: float) -> np.ndarray:
        latent = np.stack([[resist.latent(dose * image, period_nm) for image in series] for series in images])
        return along(latent) / float(resist.threshold)

    if resist.linear:
        return seen(1.0)
    log_dose = np.linspace(-np.log(_FACTOR), np.log(_FACTOR), _DOSES)
    heights = np.stack([np.log(np.maximum(seen(float(np.exp(d))), _DARK)) for d in log_dose])
    return np.exp(-_crossing(log_dose, heights))


def _crossing(x: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Where heights (n, ...) over even places (n,), rising, pass zero: by the cubic through the four places about it.

    Beyond the places they are taken to go on with slope 1.
    """
    # No two heights of a place are equal.
    heights = heights + 1e-9 * x.reshape(-1, *(1,) * (heights.ndim - 1))
    first = np.clip((heights < 0).sum(0) - 2, 0, len(x) - 4)
    y = np.stack([np.take_along_axis(heights, (first + k)[None], 0)[0] for k in range(4)])
    found = np.zeros(y.shape[1:])
    for k in range(4):
        others = [j for j in range(4) if j != k]
        found += x[first + k] * np.prod([y[j] / (y[j] - y[k]) for j in others], axis=0)
    low, high = heights[0], heights[-1]
    return np.where(low >= 0, x[0] - low, np.where(high <= 0, x[-1] - high, found))


def _profiles(masks, setup: Setup, window_nm, cuts: Cuts, focus_nm: np.ndarray, progress=None) -> list[Profiles]:
    """Speeds along all cuts, for each mask."""
    process = anchored(setup.process)
    unit = 1 / scanner_of(process).na_over_lambda
    pitch, halo = setup.check_nm, setup.tiles.halo_nm
    long = np.flatnonzero(cuts.length_nm > halo)
    if long.size:
        raise ConfigError(f"cut-line {cuts.names[long[0]]} is longer than the tiles' halo of {halo:g} nm: shorten it")
    tiling = split(window_nm, pitch, setup.tiles.core_nm, halo)
    x, y = (cuts.middle_nm - window_nm[:2]).T
    row, column = (np.floor(v / (n * pitch)).astype(int) for v, n in zip((y, x), tiling.core_px, strict=True))
    outside = np.flatnonzero((row < 0) | (column < 0) | (row >= tiling.count[0]) | (column >= tiling.count[1]))
    if outside.size:
        raise ConfigError(f"cut-line {cuts.names[outside[0]]} has its middle outside the window")
    tile_of = row * tiling.count[1] + column
    focus_of, distinct = distinct_focus(process, focus_nm.tolist())
    half = int(np.ceil(0.5 * cuts.length_nm.max() * _COARSE / unit))
    # A few samples beyond both ends keep the spline's own ends away.
    coarse = np.arange(-half - 4, half + 5) / half
    fine = np.arange(-half * _FINE // _COARSE, half * _FINE // _COARSE + 1) * (_COARSE / _FINE) / half
    speeds = np.empty((len(masks), len(cuts), len(focus_nm), fine.size))
    used = np.unique(tile_of)
    tiles = [tiling.tiles[number] for number in used]
    shapes = [made(process.mask, mask if isinstance(mask, tuple) else (mask,)) for mask in masks]
    resist = double(process.resist)
    for number, tile, images in zip(used, tiles, aerial_images(shapes, process, tiles, distinct), strict=True):
        here = np.flatnonzero(tile_of == number)
        points = cuts.chosen(here).points_nm(0.5 + 0.5 * coarse)
        along = functools.partial(_along, grid=tile.grid, points=points)
        values = make_interp_spline(coarse, speed(resist, images, tile.grid.period_nm, along), k=5, axis=-1)(fine)
        speeds[:, here] = np.moveaxis(values, 2, 1)[:, :, list(focus_of)]
        if progress is not None:
            progress("tiles", int(np.searchsorted(used, number)) + 1, len(used))
    step = 0.5 * cuts.length_nm * (fine[1] - fine[0])
    bright = cuts.line == process.printed_above
    return [Profiles(values, step, bright) for values in speeds]


def _along(samples: np.ndarray, grid: Grid, points: np.ndarray) -> np.ndarray:
    """Samples (mask, focus, y', x') at points (cut, n, 2): (mask, focus, cut, n)."""
    (ny, nx), (height, width), (x0, y0) = samples.shape[2:], grid.period_nm, grid.origin_nm
    ux = band.interpolation(nx, (points[..., 0].ravel() - x0) / width)
    uy = band.interpolation(ny, (points[..., 1].ravel() - y0) / height)
    values = [[((uy @ image) * ux).sum(1) for image in series] for series in samples]
    return np.array(values).reshape(*samples.shape[:2], *points.shape[:2])


def _windowed(cuts: Cuts, profiles: Profiles, focus_nm: np.ndarray) -> FocusDose:
    target, share = cuts.target_nm[:, None], cuts.tolerance[:, None]
    ends = [bossung.doses(profiles, target * (1 + k * share)) for k in (-1, 0, 1)]
    # More dose widens what is bright and narrows what is dark.
    ends = [np.where(profiles.bright[:, None], a, b) for a, b in zip(ends, ends[::-1], strict=True)]
    logs = [np.where(np.isfinite(e), np.log(np.where(np.isfinite(e), e, 1.0)), np.nan) for e in ends]
    fine = np.linspace(focus_nm[0], focus_nm[-1], _FOCUSES)
    low, size, high = (np.exp(bossung.through_focus(focus_nm, log, fine)) for log in logs)
    width = np.where(low < high, high / np.where(low > 0, low, 1.0), 0.0)
    lost = ~(width > 1 + LEAST_LATITUDE).any(1)
    kept = np.flatnonzero(~lost) if not lost.all() else np.arange(len(cuts))
    common = window.overlap(fine, low[kept], high[kept])
    common = replace(common, low_by=kept[common.low_by], high_by=kept[common.high_by])
    inside = (ends[0] < ends[2])[:, 1::2]
    missed = [np.abs(bossung.left_out(focus_nm, logs[k])) for k in (0, 2)]
    start = ends[1][:, np.argmin(np.abs(focus_nm))]
    isofocal_dose, isofocal_nm = bossung.isofocal(profiles, start)
    return FocusDose(
        cuts=cuts,
        focus_nm=focus_nm,
        profiles=profiles,
        low=low,
        size=size,
        high=high,
        isofocal_dose=isofocal_dose,
        isofocal_nm=isofocal_nm,
        best_focus_nm=np.where(lost, np.nan, _crest(fine, width)),
        lost=lost,
        common=common,
        largest={shape: window.largest(common, shape) for shape in SHAPES},
        latitude={shape: window.latitude_curve(common, shape) for shape in SHAPES},
        focus_error=float(max(np.nanmax(np.where(inside, m, 0.0), initial=0.0) for m in missed)),
    )


def _crest(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where rows (n, m) over even places (m,) are largest, by the parabola through the largest and its neighbours."""
    k = np.clip(np.argmax(values, axis=1), 1, at.size - 2)
    a, b, c = (np.take_along_axis(values, (k + i)[:, None], 1)[:, 0] for i in (-1, 0, 1))
    bend = a - 2 * b + c
    return at[k] + (at[1] - at[0]) * np.clip(0.5 * (a - c) / np.where(bend < 0, bend, -np.inf), -1, 1)
