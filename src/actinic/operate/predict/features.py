"""From the signals of a run to numbers: how much was switched on, what the others did while it was on or off.

An etch that alternates with passivation is one signal that switches, a gas's flow: its total while the machine works
is the time that etched, and the state of the plasma differs between its phases. The machine works while its steadiest
signal, a regulated power, is above half of its median. Without a signal that switches the features are plain means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError

ORDER = "wafer's place in the lot"
_ENDS = 0.1  # of the range: on within it of the top, off within it of the bottom
_SWITCHES = 20  # fewer in the median wafer are no cycles


@dataclass(frozen=True)
class Run:
    """One wafer's signals: `values` is (samples, signals), `place` its number in the lot."""

    lot: str
    place: int
    values: np.ndarray

    @property
    def wafer(self) -> str:
        return f"lot {self.lot} wafer {self.place}"


@dataclass(frozen=True)
class Table:
    """Wafers (rows) by features; `means` are the plain means of the signals, what the baseline uses."""

    lots: np.ndarray
    place: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    means: np.ndarray


def switched(runs: Sequence[Run]) -> tuple[int, float, float] | None:
    """The signal that switches most often and rests at both of its ends, with its bottom and top; None if none does."""
    best, found = _SWITCHES, None
    for k in range(runs[0].values.shape[1]):
        low, high = np.quantile(np.concatenate([run.values[:, k] for run in runs]), (0.02, 0.98))
        if not high > low:
            continue
        crossings, ends = [], []
        for run in runs:
            at = (run.values[:, k] - low) / (high - low)
            crossings.append((np.diff((at > 0.5).astype(int)) != 0).sum())
            ends.append([(at > 1 - _ENDS).mean(), (at < _ENDS).mean()])
        rests = np.median(ends, axis=0)
        if rests.min() > 0.05 and rests.sum() > 0.6 and np.median(crossings) > best:
            best, found = float(np.median(crossings)), (k, float(low), float(high))
    return found


def signal_features(runs: Sequence[Run], signals: Sequence[str], switch: tuple[int, float, float] | None) -> Table:
    """The table of the runs; InputError names a run that cannot be used."""
    others = [k for k in range(len(signals)) if switch is None or k != switch[0]]
    names = [ORDER]
    if switch is None:
        names += [f"{signal} mean" for signal in signals]
    else:
        names.append(f"{signals[switch[0]]} total")
        names += [f"{signals[k]}, {signals[switch[0]]} {phase}" for phase in ("on", "off") for k in others]
    rows, means = [], []
    for run in runs:
        if not np.isfinite(run.values).all():
            raise InputError(f"{run.wafer}: a signal has no number in {(~np.isfinite(run.values)).sum()} samples")
        means.append(run.values.mean(0))
        rows.append([run.place, *(means[-1] if switch is None else _phases(run, switch, others))])
    lots = np.array([run.lot for run in runs])
    return Table(lots, np.array([run.place for run in runs]), tuple(names), np.array(rows, float), np.array(means))


def _phases(run: Run, switch: tuple[int, float, float], others: Sequence[int]) -> list[float]:
    k, low, high = switch
    steady = others[int(np.argmin([_unsteady(run.values[:, n]) for n in others]))] if others else k
    level = run.values[:, steady]
    works = np.flatnonzero(level > 0.5 * np.median(level))
    if works.size < 2:
        raise InputError(f"{run.wafer}: the machine did not work")
    inside = slice(works[0], works[-1] + 1)
    values = run.values[inside]
    at = (values[:, k] - low) / (high - low)
    on, off = at > 1 - _ENDS, at < _ENDS
    if not on.any() or not off.any():
        raise InputError(f"{run.wafer}: the switched signal does not reach both of its ends")
    return [at.sum(), *values[on][:, others].mean(0), *values[off][:, others].mean(0)]


def _unsteady(signal: np.ndarray) -> float:
    """The quartiles' distance over the median."""
    low, middle, high = np.quantile(signal, (0.25, 0.5, 0.75))
    return (high - low) / middle if middle > 0 else np.inf
