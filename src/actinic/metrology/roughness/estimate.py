"""Unbiased roughness of line edges and line widths, with intervals, or the reasons why there is none."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ...errors import ConfigError, InputError
from .fit import SpectrumFit, fit_spectrum
from .flags import Flag, check, stuck
from .spectrum import Record, length_factor

DETREND = {"mean": 0, "line": 1}
_LEAST_SAMPLES = 64


@dataclass(frozen=True)
class Estimate:
    """A positive number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Roughness:
    """Roughness of a set of edges or widths; a flagged one has no numbers, only the reasons and the spectrum.

    `sigma_nm` (one sigma) is of an infinite line without noise, `line_sigma_nm` of a line as long as the record about
    its own mean; `noise_nm` is the standard deviation of the white noise of a sample. `psd` and `model` (k,) in nm3 at
    `frequency` in cycles per nm are the mean periodogram and what the fit expects of it (two-sided: the integral
    over positive and negative frequencies is the variance).
    """

    sigma_nm: Estimate | None
    xi_nm: Estimate | None
    hurst: Estimate | None
    noise_nm: Estimate | None
    line_sigma_nm: float | None
    edges: int
    samples: int
    step_nm: float
    flags: tuple[Flag, ...]
    frequency: np.ndarray
    psd: np.ndarray
    model: np.ndarray


@dataclass(frozen=True)
class LineRoughness:
    """Of lines with two edges: both edges pooled, the width, and the correlation of the two edges of a line.

    `correlation` is 1 - (sigma of the width)^2 / (2 sigma of the edges^2), None if either is flagged; positive where
    the edges move together.
    """

    edge: Roughness
    width: Roughness
    correlation: float | None


def roughness(
    edges_nm: np.ndarray, step_nm: float, blur_nm: float = 0.0, detrend: Literal["mean", "line"] = "line"
) -> Roughness:
    """Unbiased roughness of independent edges, or of line widths, (edge, sample) in nm at samples `step_nm` apart.

    Model: Gaussian edges with the spectrum of Palasantzas (sigma, xi, Hurst exponent) and white noise of the edge
    finder, less their mean or straight line. `blur_nm` is the known standard deviation of the average along the line
    that the microscope takes of an edge (beam, and 0.29 of a pixel), 0 for samples of the edge itself; it is undone.
    The model is fitted to the mean periodogram by maximum likelihood (Whittle) with
    the exact expectation at this length, step and detrending: noise, finite length, aliasing and leakage do not bias
    it. Intervals are log-normal, from Fisher's information. Raises InputError when an edge has gaps.
    """
    edges = _checked(edges_nm)
    return _estimate(edges, _record(edges, step_nm, blur_nm, detrend), lines=len(edges), together=0.0)[0]


def line_roughness(
    left_nm: np.ndarray,
    right_nm: np.ndarray,
    step_nm: float,
    blur_nm: float = 0.0,
    detrend: Literal["mean", "line"] = "line",
) -> LineRoughness:
    """Edge and width roughness of independent lines, whose edges (line, sample) may move together."""
    if np.shape(left_nm) != np.shape(right_nm):
        raise InputError(f"left and right edges differ in shape: {np.shape(left_nm)} and {np.shape(right_nm)}")
    left, right = _checked(left_nm), _checked(right_nm)
    record = _record(left, step_nm, blur_nm, detrend)
    both = np.stack([left, right], axis=1).reshape(-1, left.shape[1])
    width, width_fit = _estimate(right - left, record, len(left), 0.0)
    _, edge_fit = _estimate(both, record, len(left), 0.0)
    # Edges that move together hold less than two edges' worth of knowledge.
    share = 1 - (width_fit.values[0] / edge_fit.values[0]) ** 2 / 2 if width_fit and edge_fit else 0.0
    edge, _ = _estimate(both, record, len(left), float(np.clip(share, -1, 1)))
    known = edge.sigma_nm and width.sigma_nm
    return LineRoughness(edge, width, share if known else None)


def _checked(edges_nm: np.ndarray) -> np.ndarray:
    edges = np.asarray(edges_nm, np.float64)
    if edges.ndim != 2 or not len(edges):
        raise InputError(f"edges must be an array (edge, sample), not of shape {edges.shape}")
    if edges.shape[1] < _LEAST_SAMPLES:
        raise InputError(f"an edge needs {_LEAST_SAMPLES} samples or more, not {edges.shape[1]}")
    gaps = np.flatnonzero(~np.isfinite(edges).all(axis=1))
    if gaps.size:
        raise InputError(f"edge {gaps[0]} has samples that are not numbers; leave out edges with gaps")
    return edges


def _record(edges: np.ndarray, step_nm: float, blur_nm: float, detrend: str) -> Record:
    if detrend not in DETREND:
        raise ConfigError(f"detrend {detrend!r} must be mean or line")
    if not (step_nm > 0 and blur_nm >= 0):
        raise ConfigError(
            f"the step along the edges must be positive and the blur not negative: {step_nm}, {blur_nm} nm"
        )
    return Record(edges.shape[1], float(step_nm), DETREND[detrend], float(blur_nm))


def _estimate(edges: np.ndarray, record: Record, lines: int, together: float) -> tuple[Roughness, SpectrumFit | None]:
    """Roughness of edges ordered by line; `together` is the correlation of the edges of one line."""
    detrended = record.detrended(edges)
    periodogram = record.periodogram(detrended).mean(axis=0)
    flags, found = stuck(edges), None
    independent = len(edges) / (1 + together**2)
    total = float(detrended.std())
    if total > 1e-9 * (1 + np.abs(edges).max()):
        found = fit_spectrum(periodogram, independent, record, total)
        flags += check(detrended, found, record, lines, independent)
    else:
        flags.append(Flag("weak", "the edges are straight: there is no roughness to measure"))
    numbers = dict.fromkeys(("sigma_nm", "xi_nm", "hurst", "noise_nm", "line_sigma_nm"))
    if found and not flags:
        reach = stats.norm.ppf(0.975) * np.sqrt(np.diag(found.covariance))
        bounds = zip(found.values, np.exp(found.logs - reach), np.exp(found.logs + reach), strict=True)
        numbers |= zip(numbers, (Estimate(*map(float, bound)) for bound in bounds), strict=False)
        sigma, xi, hurst, _ = found.values
        numbers["line_sigma_nm"] = float(sigma * np.sqrt(length_factor(record.length_nm, xi, hurst)))
    model = found.expected if found else np.zeros_like(periodogram)
    result = Roughness(
        **numbers,
        edges=len(edges),
        samples=record.samples,
        step_nm=record.step_nm,
        flags=tuple(flags),
        frequency=record.frequency,
        psd=periodogram,
        model=model,
    )
    return result, found
