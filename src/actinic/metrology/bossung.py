"""Line width over focus and dose (Bossung 1977) from the images of one focus series.

Everything here works on the *speed* of each point, the inverse of the dose at which it changes from unprinted to
printed or back. Dose d prints where speed x d > 1, whatever the resist, so one image gives the width at any dose and
the dose of any width without interpolation between doses.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline, make_interp_spline

_NEWTON_STEPS = 5
# Natural logarithms: the doses among which an isofocal dose is looked for, about that of the target width.
_ISOFOCAL_REACH, _ISOFOCAL_SCAN, _GOLDEN_STEPS = 0.5, 41, 25


@dataclass(frozen=True)
class Profiles:
    """Speed along cut-lines through focus.

    `speed` float64 (cut, focus, sample), inverse relative doses, evenly spaced along the cut, an odd number so that the
    middle sample is the cut's middle; `step_nm` (cut,) between samples; `bright` bool (cut,), whether the measured
    feature is where speed x dose > 1. Between samples the speed is a cubic: at s samples to the image's shortest wave
    it is right to 0.023 (2 pi / s)^4 of that wave, 1.4e-7 at 128.
    """

    speed: np.ndarray
    step_nm: np.ndarray
    bright: np.ndarray

    @property
    def half(self) -> int:
        """Index of the middle sample."""
        return self.speed.shape[-1] // 2

    @property
    def sign(self) -> np.ndarray:
        """(cut, 1): 1 where the feature is bright, -1 where it is dark."""
        return np.where(self.bright, 1.0, -1.0)[:, None]

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Signed speed, larger inside the feature than beyond its edges, read to the left and to the right."""
        right = self.sign[..., None] * self.speed
        return right[..., ::-1], right

    @cached_property
    def lowest(self) -> tuple[np.ndarray, np.ndarray]:
        """Its running minima from the middle outwards: an edge is where these first fall below a level."""
        left, right = (np.minimum.accumulate(side[..., self.half :], axis=-1) for side in self.sides)
        return left, right


def widths(profiles: Profiles, dose) -> np.ndarray:
    """Width in nm (cut, focus) at a dose that broadcasts to that shape, of the printed run that holds the cut's middle.

    NaN where the middle is not printed and where the run reaches an end of the cut.
    """
    left, right = _edges(profiles, dose)
    return profiles.step_nm[:, None] * (left + right)


def log_slopes(profiles: Profiles, dose, width_nm) -> np.ndarray:
    """NILS (cut, focus): width x |d ln I / dx| at the printed edges, the mean of both; NaN as `widths`.

    For small tolerances t of the width it is the exposure latitude over t: d ln E / d ln CD = NILS / 2 (Mack 2007,
    chapter 9) for edges that move alike.
    """
    total = np.zeros(profiles.speed.shape[:2])
    for values, edge in zip(profiles.sides, _edges(profiles, dose), strict=True):
        value, slope = _cubic(values, profiles.half + np.where(np.isfinite(edge), edge, 0.0))
        total = total + np.where(np.isfinite(edge), np.abs(slope / value), np.nan)
    return np.broadcast_to(width_nm, total.shape) * total / (2 * profiles.step_nm[:, None])


def doses(profiles: Profiles, width_nm) -> np.ndarray:
    """Dose (cut, focus) at which the width passes `width_nm`, which broadcasts to that shape.

    The width only grows (dark features: shrinks) with dose. Where it jumps past the wanted one, as when two features
    merge or one vanishes, it is the dose of the jump, right to a sample (1e-4 at 128 a wave). NaN where an edge would
    lie beyond the cut, infinite where no dose does it.
    """
    (left_side, right_side), (left, right) = profiles.sides, profiles.lowest
    half, sign = profiles.half, profiles.sign
    wanted = np.broadcast_to(width_nm / profiles.step_nm[:, None], right.shape[:2])[..., None]
    # Both edges have one level. With the right one at r the left one is at wanted - r, and the running minima cross.
    r = np.arange(half + 1.0)
    l = wanted - r
    base = np.clip(np.floor(l), 0, half - 1).astype(int)
    part = np.clip(l - base, 0.0, 1.0)
    there = np.take_along_axis(left, base, -1) * (1 - part) + np.take_along_axis(left, base + 1, -1) * part
    gap = np.where(l > half, np.inf, right - there)
    count = (gap >= 0).sum(-1, keepdims=True)
    k = np.clip(count - 1, 0, half - 1)
    here, after = np.take_along_axis(gap, k, -1), np.take_along_axis(gap, k + 1, -1)
    known = ((count <= half) & np.isfinite(here))[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(here > after, here / (here - after), 0.0)
    coarse = (np.take_along_axis(right, k, -1) * (1 - part) + np.take_along_axis(right, k + 1, -1) * part)[..., 0]
    k, part, wanted = k[..., 0], part[..., 0], wanted[..., 0]
    place = np.where(known, k + part, 0.5 * wanted)
    low, high = np.maximum(k - 1.0, 0.0), np.minimum(k + 2.0, np.minimum(wanted, half))
    for _ in range(_NEWTON_STEPS):
        (v, rise), (u, fall) = _cubic(right_side, half + place), _cubic(left_side, half + wanted - place)
        place = np.clip(place - (v - u) / np.minimum(rise + fall, -1e-300), low, high)
    (v, rise), (u, fall) = _cubic(right_side, half + place), _cubic(left_side, half + wanted - place)
    inner = [np.floor(np.clip(at, 0, half)).astype(int)[..., None] for at in (place, wanted - place)]
    lowest = np.minimum(np.take_along_axis(right, inner[0], -1), np.take_along_axis(left, inner[1], -1))[..., 0]
    # Both on their falling sides and nothing lower on the way: else the width jumps here.
    smooth = (np.abs(v - u) < 1e-9 * np.abs(v)) & (rise < 0) & (fall < 0) & (v <= lowest + 1e-9 * np.abs(v))
    level = np.where(smooth, v, coarse)
    dose = np.where(sign * level > 0, sign / np.where(level == 0, 1.0, level), np.inf)
    return np.where(known, dose, np.nan)


def isofocal(profiles: Profiles, target_dose) -> tuple[np.ndarray, np.ndarray]:
    """Isofocal dose and width (cut,): where the width changes least over the focus series (largest less smallest).

    `target_dose` (cut,) is the dose of the target width; a factor exp(+-0.5) about it is searched. NaN where the
    feature prints at every focus for no dose of the search, or the best one lies at its end.
    """
    log = np.log(np.where(np.isfinite(target_dose), target_dose, 1.0))

    def spread(at):
        found = widths(profiles, np.exp(at)[:, None])
        return np.where(np.isfinite(found).all(1), np.ptp(found, axis=1), np.inf)

    steps = np.linspace(-_ISOFOCAL_REACH, _ISOFOCAL_REACH, _ISOFOCAL_SCAN)
    best = np.argmin([spread(log + s) for s in steps], axis=0)
    a, b = log + steps[np.maximum(best - 1, 0)], log + steps[np.minimum(best + 1, _ISOFOCAL_SCAN - 1)]
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(_GOLDEN_STEPS):
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        lower = spread(c) <= spread(d)
        a, b = np.where(lower, a, c), np.where(lower, d, b)
    at = 0.5 * (a + b)
    found = widths(profiles, np.exp(at)[:, None])
    good = np.isfinite(found).all(1) & (best > 0) & (best < _ISOFOCAL_SCAN - 1) & np.isfinite(target_dose)
    return np.where(good, np.exp(at), np.nan), np.where(good, found.mean(1), np.nan)


def through_focus(focus_nm: np.ndarray, values: np.ndarray, at_nm: np.ndarray) -> np.ndarray:
    """Values (cut, focus) at other focuses (cut, n): cubic splines through each unbroken run of finite samples.

    NaN outside the runs. `left_out` measures the error.
    """
    finite = np.isfinite(values)
    result = np.full((len(values), len(at_nm)), np.nan)
    whole = np.all(finite, axis=1)
    if whole.any() and len(focus_nm) > 3:
        inside = (at_nm >= focus_nm[0]) & (at_nm <= focus_nm[-1])
        result[np.ix_(whole, inside)] = CubicSpline(focus_nm, values[whole], axis=1)(at_nm[inside])
        finite = finite & ~whole[:, None]
    for row in np.flatnonzero(finite.any(1)):
        for begin, end in runs(finite[row]):
            if end - begin > 1:
                run = focus_nm[begin:end]
                inside = (at_nm >= run[0]) & (at_nm <= run[-1])
                curve = make_interp_spline(run, values[row, begin:end], k=min(3, end - begin - 1))
                result[row, inside] = curve(at_nm[inside])
    return result


def runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end (one past the last) of every unbroken run of True in bool (n,)."""
    ends = np.flatnonzero(np.diff(np.pad(marked.astype(np.int8), 1)))
    return list(zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True))


def left_out(focus_nm: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What interpolation at twice the spacing misses at the focuses left out (cut, focus // 2).

    An upper bound for the error between the samples: a cubic spline's falls 16 times when the spacing is halved.
    """
    return through_focus(focus_nm[::2], values[:, ::2], focus_nm[1::2]) - values[:, 1::2]


def _edges(profiles: Profiles, dose) -> tuple[np.ndarray, np.ndarray]:
    """Distances (cut, focus) of the left and right printed edge from the cut's middle, in samples; NaN if unknown."""
    half = profiles.half
    level = np.broadcast_to(profiles.sign / dose, profiles.speed.shape[:2])
    found = []
    for values, lowest in zip(profiles.sides, profiles.lowest, strict=True):
        count = (lowest >= level[..., None]).sum(-1)
        low = half + np.clip(count - 1.0, 0, half - 1)
        here, after = (np.take_along_axis(values, low.astype(int)[..., None] + k, -1)[..., 0] for k in (0, 1))
        place = low + np.clip((here - level) / np.where(here > after, here - after, 1.0), 0.0, 1.0)
        for _ in range(_NEWTON_STEPS):
            value, slope = _cubic(values, place)
            place = np.clip(place - (value - level) / np.minimum(slope, -1e-300), low, low + 1)
        found.append(np.where((count > 0) & (count <= half), place - half, np.nan))
    return found[0], found[1]


def _cubic(values: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope per sample of the cubic through the four samples about each place; (..., n) at (...)."""
    base = np.clip(np.floor(at).astype(int), 1, values.shape[-1] - 3)
    a, b, c, d = (np.take_along_axis(values, (base + k)[..., None], -1)[..., 0] for k in (-1, 0, 1, 2))
    t = at - base
    first = c - b / 2 - a / 3 - d / 6
    second = (a + c) / 2 - b
    third = (d - a) / 6 + (b - c) / 2
    return b + t * (first + t * (second + t * third)), first + t * (2 * second + 3 * t * third)
