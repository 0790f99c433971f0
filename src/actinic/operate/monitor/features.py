"""From the traces of a wafer to numbers: what each sensor did in each step of the recipe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError

KINDS = ("mean", "spread", "change")
WHOLE = 0.5  # of the reference's median number of samples: a step with fewer is not judged


@dataclass(frozen=True)
class Traces:
    """Wafers as recorded, in order of processing: `values[n]` is (samples, sensors), `steps[n]` (samples,).

    `regimes` names what each wafer was processed under: it changes where the machine was touched. `labels` says what is
    known of each: "normal", "" where nothing is, else the fault.
    """

    sensors: tuple[str, ...]
    wafers: tuple[str, ...]
    regimes: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    steps: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Features:
    """A table of wafers (rows, in order of processing) by variables; `sensors` and `names` tell what each column is.

    `least` (variables,) is the scale below which no column is known, and `missing` what each wafer lacks, in words.
    """

    wafers: tuple[str, ...]
    regimes: tuple[str, ...]
    labels: tuple[str, ...]
    sensors: tuple[str, ...]
    names: tuple[str, ...]
    table: np.ndarray
    least: np.ndarray
    missing: tuple[str, ...]

    def rows(self, regimes: Sequence[str]) -> np.ndarray:
        return np.flatnonzero([regime in regimes for regime in self.regimes])


def resolution(readings: np.ndarray) -> np.ndarray:
    """(sensors,) the step of each sensor's digits: the median gap between readings that differ; (samples, sensors)."""
    found = np.zeros(readings.shape[1])
    for n, column in enumerate(readings.T):
        seen = np.unique(np.round(column[np.isfinite(column)], 6))
        found[n] = np.median(np.diff(seen)) if seen.size > 1 else 0.0
    return found


def trace_features(traces: Traces, reference: Sequence[int]) -> Features:
    """Mean, spread (log standard deviation) and change (first half less second half) of each sensor in each step.

    The wafers `reference` tell which steps there are (those that half of them have), how long each is, and the sensors'
    resolution. A step of which a wafer has less than half is left out for that wafer, and told in `missing`.
    """
    chosen = list(reference)
    digit = resolution(np.concatenate([traces.values[n] for n in chosen]))
    lengths: dict[float, list[int]] = {}
    for n in chosen:
        for step, count in zip(*np.unique(traces.steps[n], return_counts=True), strict=True):
            lengths.setdefault(float(step), []).append(int(count))
    typical = {s: float(np.median(c)) for s, c in sorted(lengths.items()) if 2 * len(c) >= len(chosen)}
    names, sensors, least = [], [], []
    for step, samples in typical.items():
        place = f", step {step:g}" if len(typical) > 1 else ""
        # A mean is not known better than the digit it is read in, nor a spread than its samples can tell.
        floors = (digit / np.sqrt(12.0), np.full(digit.size, 1.0 / np.sqrt(2.0 * samples)), digit / np.sqrt(12.0))
        for kind, floor in zip(KINDS, floors, strict=True):
            names += [f"{sensor} {kind}{place}" for sensor in traces.sensors]
            sensors += traces.sensors
            least.append(floor)
    rows, missing = [], []
    for values, steps in zip(traces.values, traces.steps, strict=True):
        parts, lacks = [], []
        for step, samples in typical.items():
            inside = values[steps == step]
            if len(inside) < max(2.0, WHOLE * samples):
                lacks.append(f"step {step:g} has {len(inside)} samples of about {samples:g}")
                parts.append(np.full(len(KINDS) * digit.size, np.nan))
            else:
                parts.append(_numbers(inside, digit))
        rows.append(np.concatenate(parts))
        missing.append("; ".join(lacks))
    table = np.array(rows)
    level = np.nanmax(np.abs(table[chosen]), axis=0, initial=0.0)
    floor = np.maximum(np.concatenate(least), 1e-9 * level + 1e-300)
    return Features(
        traces.wafers, traces.regimes, traces.labels, tuple(sensors), tuple(names), table, floor, tuple(missing)
    )


def _numbers(inside: np.ndarray, digit: np.ndarray) -> np.ndarray:
    """Of one step; a sensor with less than half of its samples gives NaN."""
    known = np.isfinite(inside)
    half = len(inside) // 2

    def mean(part):
        count = np.isfinite(part).sum(0)
        return np.where(count > 0, np.nansum(part, 0) / np.maximum(count, 1), np.nan)

    middle = mean(inside)
    # Rounding hides what is smaller than a digit: its own variance is added (Sheppard), and no spread is zero.
    variance = mean((inside - middle) ** 2) + digit**2 / 12.0 + (1e-9 * np.abs(np.nan_to_num(middle)) + 1e-150) ** 2
    found = np.stack([middle, 0.5 * np.log(variance), mean(inside[:half]) - mean(inside[half:])])
    return np.where(2 * known.sum(0) >= len(inside), found, np.nan).ravel()


def joined(first: Traces, second: Traces) -> Traces:
    """Both, one after the other; their sensors must be the same, in the same order."""
    if first.sensors != second.sensors:
        other = sorted(set(first.sensors) ^ set(second.sensors)) or ["the same ones in another order"]
        raise InputError(f"two files of traces with other sensors: {', '.join(other[:4])}")
    return Traces(
        first.sensors, *(getattr(first, n) + getattr(second, n) for n in ("wafers", "regimes", "labels")),
        first.values + second.values, first.steps + second.steps,
    )  # fmt: skip
