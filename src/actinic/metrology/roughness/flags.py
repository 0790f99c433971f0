"""Reasons not to believe a roughness: every test asks whether the edges can be what the fit says they are.

The tests have false-alarm rates of 1e-3 or less each on edges that obey the model (measured in docs/metrology.md).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special, stats

from .fit import SpectrumFit
from .spectrum import Record

ALARM = 5e-4
_TRENDS = 3  # the highest degree of a drift
_BANDS = 24
_LEAST_LENGTH = 10.0  # correlation lengths in a line
_COARSEST = 0.3  # step over correlation length: beyond, noise and roughness look alike
_LARGEST_ERROR = 0.12  # standard error of sigma over sigma
_STUCK = 0.1
_AROUND = 61  # frequencies with which one that stands out is compared
_EDGES_FOR_COMMON = 4


@dataclass(frozen=True)
class Flag:
    """One reason why no number is given: a word for programs, a sentence for people."""

    name: str
    why: str


def stuck(edges: np.ndarray) -> list[Flag]:
    """Samples that repeat the one before: an edge finder at its limit, whole pixels, or too few digits."""
    share = float(np.mean(np.diff(edges, axis=1) == 0))
    if share <= _STUCK:
        return []
    return [Flag("saturated", f"{share:.0%} of the samples repeat the one before: stuck, clipped or rounded edges")]


def check(detrended: np.ndarray, fit: SpectrumFit, record: Record, lines: int, independent: float) -> list[Flag]:
    """All flags of edges (edge, sample), ordered by line, of which `detrended` is what was fitted.

    `independent` is how many independent edges they are worth.
    """
    return [
        *_size(fit, record),
        *_outliers(detrended, fit),
        *_drift(detrended, fit, record, lines),
        *_together(detrended, fit, record, lines),
        *_shape(record.periodogram(detrended).mean(axis=0), fit, record, independent),
    ]


def _size(fit: SpectrumFit, record: Record) -> list[Flag]:
    _, xi, _, noise = fit.values
    found = []
    if record.length_nm < _LEAST_LENGTH * xi:
        found.append(Flag("short", f"lines only {record.length_nm / xi:.1f} correlation lengths long; take 10 or more"))
    if record.step_nm > _COARSEST * xi:
        found.append(Flag("coarse", f"samples {record.step_nm / xi:.1f} correlation lengths apart; take 0.3 or less"))
    error = float(np.sqrt(fit.covariance[0, 0]))
    if fit.at_bound[0] or not error <= _LARGEST_ERROR:
        found.append(
            Flag(
                "weak",
                f"sigma known to {error:.0%} only: too little roughness for the noise, or too few edges",
            )
        )
    if fit.at_bound[3] or not np.sqrt(fit.covariance[3, 3]) <= 0.5:
        found.append(
            Flag(
                "floor",
                f"no white noise floor (fit: {noise:.2g} nm): filtered, blurred, or sampled too coarsely",
            )
        )
    if fit.at_bound[1] or fit.at_bound[2] or not fit.settled:
        found.append(Flag("bound", "no fit inside the range of correlation lengths and Hurst exponents"))
    return found


def _outliers(detrended: np.ndarray, fit: SpectrumFit) -> list[Flag]:
    sigma, _, _, noise = fit.values
    limit = stats.norm.isf(0.5 * ALARM / detrended.size)
    # Against the spread of the middle half, which outliers do not widen.
    low, high = np.percentile(detrended, [25, 75])
    spread = min(np.hypot(sigma, noise), (high - low) / (2 * stats.norm.ppf(0.75)))
    far = int(np.count_nonzero(np.abs(detrended) > (limit + 0.5) * spread))
    return (
        [Flag("outliers", f"{far} samples lie too far from their edge for a Gaussian line: misread edges")]
        if far
        else []
    )


def _drift(detrended: np.ndarray, fit: SpectrumFit, record: Record, lines: int) -> list[Flag]:
    """Bends that a stationary line of this spectrum would not have, in all edges together or in each."""
    trends = record.trends(_TRENDS)[:, record.detrend + 1 :]
    if not trends.shape[1]:
        return []
    covariance = trends.T @ record.times(fit.autocovariance(record), trends)
    bends = detrended @ trends
    mean = bends.reshape(lines, -1, trends.shape[1]).mean(axis=1)
    # Edges of one line may belong together, so lines are what is averaged and each line's own spread is not used.
    together = len(bends) * mean.mean(axis=0) @ np.linalg.solve(covariance, mean.mean(axis=0))
    each = np.sum(bends * np.linalg.solve(covariance, bends.T).T)
    paired = detrended.shape[0] // lines
    p = [
        stats.chi2.sf(together / paired, trends.shape[1]),
        stats.chi2.sf(each / paired, bends.size / paired),
    ]
    if min(p) > ALARM:
        return []
    size = np.sqrt((bends**2).mean(axis=0).sum() / record.samples)
    return [Flag("drift", f"the edges bend along the line ({size:.2g} nm rms, p = {min(p):.1g}): drift or charging")]


def _together(detrended: np.ndarray, fit: SpectrumFit, record: Record, lines: int) -> list[Flag]:
    """Lines that move together, as vibration and scan errors make them."""
    if lines < _EDGES_FOR_COMMON:
        return []
    line = detrended.reshape(lines, -1, record.samples).mean(axis=1)
    mean = line.mean(axis=0)
    between = lines * record.periodogram(mean)
    within = record.periodogram(line - mean).sum(axis=0) / (lines - 1)
    # Per frequency 2 and 2 (lines - 1) degrees of freedom; the ratio of sums leaves the spectrum out.
    n = 2 * record.weight.sum()
    ratio = float(np.sum(between / fit.expected) / np.sum(within / fit.expected))
    p = float(stats.f.sf(ratio, n, n * (lines - 1)))
    tone = between / within
    single = float(stats.f.sf(tone[1:].max(initial=0.0), 2, 2 * (lines - 1))) * tone.size
    if min(p, single) > ALARM:
        return []
    what = f"at a period of {1 / record.frequency[1 + tone[1:].argmax()]:.3g} nm " if single < p else ""
    return [Flag("vibration", f"the lines move together {what}(p = {min(p, single):.1g}): vibration or scan errors")]


def _shape(periodogram: np.ndarray, fit: SpectrumFit, record: Record, edges: float) -> list[Flag]:
    """A spectrum that is not the model's, named by where it is not."""
    ratio = periodogram / fit.expected
    start = 1 + record.detrend  # a removed trend leaves the lowest waves without a free phase
    ends = np.geomspace(start, start + 0.25 * ratio.size, _BANDS // 2).round().astype(int)
    ends = np.unique(np.r_[ends, np.linspace(ends[-1], ratio.size, _BANDS // 2 + 1).astype(int)])
    count = np.add.reduceat(record.weight, ends[:-1])[: ends.size - 1] * edges
    sums = np.add.reduceat(record.weight * ratio, ends[:-1])[: ends.size - 1] * edges
    # A mean of exponential variables, made normal (Wilson and Hilferty 1931).
    z = (np.cbrt(sums / count) - (1 - 1 / (9 * count))) * 3 * np.sqrt(count)
    p = float(stats.chi2.sf(np.sum(z**2), z.size - 3))
    height = (ratio / ndimage.uniform_filter1d(ratio, _AROUND, mode="nearest"))[start:-1]
    tone = float(special.gammaincc(edges, edges * height.max())) * height.size
    found = []
    if p < ALARM:
        worst = int(np.abs(z).argmax())
        noise = fit.values[3] ** 2 * record.white / fit.expected
        floor = noise[ends[worst] : ends[worst + 1]].mean() > 0.5
        name, what = ("noise", "the noise is not white") if floor else ("spectrum", "the spectrum is not of this kind")
        place = 1 / record.frequency[(ends[worst] + ends[worst + 1] - 1) // 2]
        found.append(
            Flag(name, f"{what} (p = {p:.1g}, worst at a period of {place:.3g} nm): blur, filtering or charging")
        )
    if tone < ALARM:
        place = 1 / record.frequency[start + int(height.argmax())]
        found.append(Flag("tone", f"a wave of period {place:.3g} nm stands out (p = {tone:.1g})"))
    return found
