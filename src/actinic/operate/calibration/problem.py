"""Predictions of gauges and their derivatives in chosen settings of the machine, and the least-squares rows of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...config import build, dump, limits, override, placed, value_at
from ...errors import ConfigError, NumericalError
from ...optics import band
from ...types import double
from .edges import Rays, find, rays
from .measured import Measurement
from .scenes import Machine, Scenes

# Settings that move edges without a new image of the mask.
_NOT_OPTICAL = ("process.resist.", "process.corners.", "dose_scale")


@dataclass(frozen=True)
class Free:
    """A setting to be found: its dotted key in a Machine, bounds, and a normal prior if there is one."""

    name: str
    low: float = -np.inf
    high: float = np.inf
    prior: tuple[float, float] | None = None  # mean, standard deviation


@dataclass(frozen=True)
class Prediction:
    """What a machine prints: values (n,) in nm, NaN where nothing prints, and their derivatives (n, p)."""

    value_nm: np.ndarray
    derivative: np.ndarray


@dataclass(frozen=True)
class _Seen:
    """Edges found in one view: the image they lie in, where, and how steep it is."""

    along: Rays
    t: np.ndarray
    slope: np.ndarray


class Problem:
    """Measurements, the structures they stand on, a machine, and its free settings."""

    def __init__(self, measurements: Sequence[Measurement], scenes: Scenes, machine: Machine, free: Sequence[Free]):
        self.measurements, self.scenes, self.machine = tuple(measurements), scenes, double(machine)
        self.free = tuple(bounded(self.machine, f) for f in free)
        self.value_nm = np.array([m.value_nm for m in measurements])
        self.dose = np.array([m.dose for m in measurements])
        self._optical = np.array([not f.name.startswith(_NOT_OPTICAL) for f in self.free], bool)
        self._images: tuple[bytes, list[np.ndarray]] | None = None
        self._last: tuple[bytes, Machine, list[np.ndarray], list[_Seen]] | None = None

    @property
    def start(self) -> np.ndarray:
        """Where the free settings stand now (p,), moved into their bounds."""
        values = [_number(self.machine, f.name) for f in self.free]
        return np.clip(values, [f.low for f in self.free], [f.high for f in self.free])

    @property
    def steps(self) -> np.ndarray:
        """Steps of the central differences (p,)."""
        return np.array([_step(f.name, v) for f, v in zip(self.free, self.start, strict=True)])

    def at(self, p: np.ndarray) -> Machine:
        """The machine with its free settings at p, in float64."""
        machine = self.machine
        try:
            for free, value in zip(self.free, p, strict=True):
                machine = placed(machine, free.name, np.float64(value))
        except ValueError as error:
            raise NumericalError(f"calibration tried an impossible machine ({error}): give closer bounds") from None
        return machine

    def predict(self, p: np.ndarray) -> np.ndarray:
        """Widths and edge distances (n,) in nm, NaN where nothing prints."""
        _, _, seen = self._look(p)
        value = np.zeros(len(self.measurements))
        for one in seen:
            np.add.at(value, one.along.of, one.t)
        return value

    def derivative(self, p: np.ndarray) -> np.ndarray:
        """Derivatives (n, p) of the predictions in nm per unit of each setting; 0 where nothing prints."""
        machine, aerials, seen = self._look(p)
        found = np.zeros((len(self.measurements), len(self.free)))
        for k, (free, step) in enumerate(zip(self.free, self.steps, strict=True)):
            low = max(p[k] - step, free.low)
            high = min(p[k] + step, free.high)
            heights = []
            for value in (low, high):
                moved = self.at(np.r_[p[:k], value, p[k + 1 :]])
                images = self.scenes.aerials(moved) if self._optical[k] else aerials
                heights.append(self._heights(moved, images, seen))
            for one, below, above in zip(seen, *heights, strict=True):
                moves = -(above - below) / (high - low) / (self._doses(machine, one.along) * one.slope)
                np.add.at(found[:, k], one.along.of, np.nan_to_num(moves))
        lost = np.isnan(self.predict(p))
        found[lost] = 0
        return found

    def _look(self, p: np.ndarray) -> tuple[Machine, list[np.ndarray], list[_Seen]]:
        """Images and edges at p; the last are kept, for values and derivatives are asked for at the same place."""
        key = np.asarray(p, np.float64).tobytes()
        if self._last is None or self._last[0] != key:
            machine = self.at(p)
            optics = np.asarray(p, np.float64)[self._optical].tobytes()
            if self._images is None or self._images[0] != optics:
                self._images = optics, self.scenes.aerials(machine)
            aerials = self._images[1]
            self._last = key, machine, aerials, self._edges(machine, aerials)
        return self._last[1:]

    def _edges(self, machine: Machine, aerials: list[np.ndarray]) -> list[_Seen]:
        above, seen = machine.process.printed_above, []
        threshold = machine.process.resist.threshold
        for view, latent in zip(self.scenes.views, self.scenes.latents(machine, aerials), strict=True):
            grid = self.scenes.grids[view.structure]
            along = rays(self.measurements, view.members, above, latent, grid)
            level = threshold / self._doses(machine, along)
            seen.append(_Seen(along, *find(latent, grid, level, along)))
        return seen

    def _doses(self, machine: Machine, along: Rays) -> np.ndarray:
        """Factors (ray,) by which the latent images are still to be multiplied."""
        if not machine.process.resist.linear:
            return np.ones(len(along.of))
        return self.dose[along.of] * machine.dose_scale

    def _heights(self, machine: Machine, aerials: list[np.ndarray], seen: list[_Seen]) -> list[np.ndarray]:
        """Dose times image less threshold at the edges that were found."""
        heights = []
        for view, latent, one in zip(self.scenes.views, self.scenes.latents(machine, aerials), seen, strict=True):
            at = one.along.at(np.nan_to_num(one.t))
            image = band.to_points(latent, self.scenes.grids[view.structure], *at)
            heights.append(self._doses(machine, one.along) * image - machine.process.resist.threshold)
        return heights


def bounded(machine: Machine, free: Free) -> Free:
    """The free setting with bounds no wider than its own; ConfigError where the machine has no such number."""
    value = _number(machine, free.name)
    own = limits(machine, free.name)
    low, high = max(free.low, own[0]), min(free.high, own[1])
    if not low < high:
        raise ConfigError(f"{free.name}: its own bounds {own[0]:g} to {own[1]:g} leave nothing of those given")
    if not low <= value <= high:
        raise ConfigError(f"{free.name} = {value:g} does not lie between {low:g} and {high:g}: set it with --set")
    if free.prior is not None and not (np.isfinite(free.prior).all() and free.prior[1] > 0):
        raise ConfigError(f"{free.name}: a prior is mean:sigma, with sigma above 0")
    return Free(free.name, low, high, free.prior)


def _number(machine: Machine, name: str) -> float:
    """The value at a key; 0 where the setup leaves it out."""
    try:
        value = value_at(machine, name)
    except ConfigError:
        # The configuration knows what was probably meant.
        build(Machine, override(dump(machine), [f"{name}=1.0"]), "free")
        raise
    if value is None:
        low, high = limits(machine, name)
        if not low <= 0 <= high:
            raise ConfigError(f"{name} has no value to start from: give one with --set")
        build(Machine, override(dump(machine), [f"{name}=0.0"]), "free")
        return 0.0
    if not isinstance(value, np.floating | float):
        raise ConfigError(f"{name} is not a number that can be freed")
    return float(value)


def _step(name: str, value: float) -> float:
    """A step of the central difference of images at fixed places.

    Lengths and angles move images smoothly. The aperture and the source move rims over cells of the sampled source,
    so their step is about a cell, over which the small waves of such a derivative cancel.
    """
    if "_nm" in name or name.endswith("_deg"):
        return 2e-3 * max(abs(value), 50.0)
    return (2e-3 if name.startswith(_NOT_OPTICAL) else 1.5e-2) * max(abs(value), 0.1)
