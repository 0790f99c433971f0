"""Edges of lines in a picture, row by row and finer than its pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import interpolate, ndimage, signal

from ...errors import ConfigError, InputError

_PROMINENT = 0.25  # of the range of the mean row: what counts as the bright band of an edge
_BIN = 0.5  # of a pixel: resolution of the mean profile
_ROUNDS = 3
_STEPS = 12
_AROUND = 3  # rows
_CLOSE = 1e-3  # of a pixel


@dataclass(frozen=True)
class LineEdges:
    """Edges (line, row) in nm from the middle of the first pixel, and the noise of one row's edge.

    `noise_nm` (line, 2) is what the grey-level noise alone makes of a left and a right edge.
    """

    left_nm: np.ndarray
    right_nm: np.ndarray
    noise_nm: np.ndarray


def line_edges(
    grey: np.ndarray, pixel_nm: float, bright_lines: bool = True, level: float = 0.5, reach_nm: float = 12.0
) -> LineEdges:
    """Left and right edges of the lines along y in a picture [y, x] with bright bands at the edges.

    An edge's mean profile is taken from the picture itself, finer than its pixels as the rows are rough, and fitted to
    every row by least squares: shift only, weighted by the noise of each grey level, within `reach_nm` of the edge and
    half-way to its neighbours. A whole edge is placed where its mean profile is at `level` between the space (0) and
    the band's top (1). Lines that a side of the picture cuts are left out. `bright_lines` tells lines from spaces.
    """
    grey = np.asarray(grey, np.float64)
    if not (0 < level < 1 and pixel_nm > 0 and reach_nm > 2 * pixel_nm):
        raise ConfigError(f"level must lie in 0..1 and the reach be two pixels or more, not {level}, {reach_nm} nm")
    if grey.ndim != 2 or min(grey.shape) < 16 or not np.isfinite(grey).all():
        raise InputError(f"edges need a picture [y, x] of 16 x 16 pixels or more without gaps, not {grey.shape}")
    bands, first = _bands(grey.mean(axis=0), bright_lines)
    places, noises = [], []
    for k in range(first, first + 2 * ((len(bands) - first) // 2)):
        low = max(bands[k] - reach_nm / pixel_nm, 0.5 * (bands[k] + bands[k - 1]) if k else 0)
        high = min(bands[k] + reach_nm / pixel_nm, 0.5 * (bands[k] + bands[k + 1]) if k + 1 < len(bands) else np.inf)
        window = np.arange(int(np.ceil(max(low, 0))), int(np.floor(min(high, grey.shape[1] - 1))) + 1)
        # Left edges are mirrored right ones: the space lies on the right of a right edge.
        space_right = (k - first) % 2 == 1
        place, noise = _fitted(grey[:, window], window - bands[k], space_right, level)
        places.append(pixel_nm * (bands[k] + place))
        noises.append(pixel_nm * noise)
    if not places:
        raise InputError("the picture shows no whole line; lines must run along y, with a band of light at each edge")
    return LineEdges(np.stack(places[::2]), np.stack(places[1::2]), np.reshape(noises, (-1, 2)))


def _bands(mean: np.ndarray, bright_lines: bool) -> tuple[np.ndarray, int]:
    """Columns of the bright bands, and the number of the first that is a line's left edge."""
    smooth = ndimage.gaussian_filter1d(mean, 1.0, mode="nearest")
    bands, _ = signal.find_peaks(smooth, prominence=_PROMINENT * np.ptp(smooth))
    if bands.size < 2:
        return bands, 0
    between = np.array([smooth[a:b].min() for a, b in pairwise(bands)])
    # Lines and spaces alternate; with one line only, what lies outside it is the space.
    others = between[1::2] if bands.size > 2 else np.r_[smooth[: bands[0]].min(), smooth[bands[1] :].min()]
    is_line = (between[::2].mean() > others.mean()) == bright_lines
    return bands, 0 if is_line else 1


def _fitted(rows: np.ndarray, at: np.ndarray, space_right: bool, level: float) -> tuple[np.ndarray, float]:
    """Edge of each row in pixels on the scale of `at` (x,), and the standard deviation that noise gives it."""
    profile = interpolate.CubicSpline(at, rows.mean(axis=0))
    whole = np.arange(-(len(at) // 3), len(at) // 3 + 1)
    # A row shifted by what it shows itself would sharpen the mean profile with its own noise; its neighbours tell
    # where it is without that.
    others = _neighbours(rows)
    shift = _refined(others, at, profile, _nearest(others, at, profile, whole))
    for _ in range(_ROUNDS):
        profile = _mean_profile(rows, at, shift)
        shift = _refined(others, at, profile, shift)
    values, _ = _seen(profile, at, shift)
    weight = _certainty(values, (rows - values) ** 2)
    shift = _refined(rows, at, profile, shift, weight)
    values, slope = _seen(profile, at, shift)
    pull = weight(values) * slope
    # The few steep pixels lose part of their noise to the shift (leverage).
    share = pull * slope / (pull * slope).sum(axis=1, keepdims=True)
    variance = (pull**2 * (rows - values) ** 2 / (1 - share)).sum(axis=1) / (pull * slope).sum(axis=1) ** 2
    noise = float(np.sqrt(variance.mean()))
    return shift + _crossing(profile, at, space_right, level), noise


def _neighbours(rows: np.ndarray) -> np.ndarray:
    """For each row a mean of those around it, itself left out."""
    own = np.zeros(8 * _AROUND + 1)
    own[own.size // 2] = 1.0
    weight = ndimage.gaussian_filter1d(own, _AROUND, mode="constant")
    weight[own.size // 2] = 0.0
    return ndimage.convolve1d(rows, weight / weight.sum(), axis=0, mode="mirror")


def _seen(profile, at: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Profile moved by each row's shift, and its slope; constant beyond its ends."""
    x = at - shift[:, None]
    inside = np.clip(x, profile.x[0], profile.x[-1])
    return profile(inside), np.where(x == inside, profile(inside, 1), 0.0)


def _nearest(rows: np.ndarray, at: np.ndarray, profile, whole: np.ndarray) -> np.ndarray:
    """The shift in whole pixels that fits each row best."""
    seen = _seen(profile, at, whole.astype(np.float64))[0]
    misfit = (seen**2).sum(axis=1) - 2 * rows @ seen.T
    return whole[misfit.argmin(axis=1)].astype(np.float64)


def _certainty(values: np.ndarray, squares: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Weight of a grey level: one over its variance, which for counted electrons grows with the level."""
    slope, least = np.polyfit(values.ravel(), squares.ravel(), 1)
    floor = 0.1 * max(squares.mean(), 1e-300)
    return lambda level: 1 / np.maximum(least + slope * level, floor)


def _refined(rows: np.ndarray, at: np.ndarray, profile, shift: np.ndarray, weight=np.ones_like) -> np.ndarray:
    """Gauss-Newton steps of at most half a pixel each, for the rows that still move."""
    shift, moving = shift.copy(), np.arange(len(rows))
    for _ in range(_STEPS):
        values, slope = _seen(profile, at, shift[moving])
        pull = weight(values) * slope
        step = ((values - rows[moving]) * pull).sum(axis=1) / np.maximum((slope * pull).sum(axis=1), 1e-300)
        shift[moving] += np.clip(step, -0.5, 0.5)
        moving = moving[np.abs(step) >= _CLOSE]
        if not moving.size:
            break
    return shift


def _mean_profile(rows: np.ndarray, at: np.ndarray, shift: np.ndarray):
    """Mean of all rows, each moved back by its shift, in bins of half a pixel."""
    place = np.rint((at - shift[:, None] - at[0]) / _BIN).astype(int)
    size = int((at[-1] - at[0]) / _BIN) + 1
    keep = (place >= 0) & (place < size)
    count = np.bincount(place[keep], minlength=size)
    x = np.bincount(place[keep], (at - shift[:, None])[keep], size)
    grey = np.bincount(place[keep], rows[keep], size)
    some = count >= max(1, 0.02 * len(rows))
    return interpolate.CubicSpline(x[some] / count[some], grey[some] / count[some])


def _crossing(profile, at: np.ndarray, space_right: bool, level: float) -> float:
    """Where the flank of the band towards the space is at the level."""
    x = np.linspace(profile.x[0], profile.x[-1], 40 * at.size)
    height = profile(x)
    if not space_right:
        x, height = x[::-1], height[::-1]
    top = int(height.argmax())
    flank = height[top:]
    limit = flank.min() + level * (height[top] - flank.min())
    below = int((flank < limit).argmax())
    if below == 0:
        raise InputError("an edge has no flank towards the space: give more reach, or turn bright_lines round")
    a, b = flank[below - 1], flank[below]
    return float(x[top + below - 1] + (x[top + below] - x[top + below - 1]) * (a - limit) / (a - b))
