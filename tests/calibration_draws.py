"""Calibrations of machines whose true state is known: for the tests and for benchmarks/calibration.py."""

import functools
from dataclasses import dataclass, replace

import numpy as np

import printed_gauges
from actinic.config import placed
from actinic.forward import anchored
from actinic.jobs import load_setup
from actinic.operate.calibration import Free, Lines, Machine, Measurement, Problem, calibrate, scenes
from actinic.types import double

LENS, SOURCE, RESIST = "process.scanner.projector.", "process.scanner.source.", "process.resist."
NOISE_NM = 1.0
DENSE = ((340, 170), (400, 180), (520, 180), (700, 190), (1000, 200))
BETWEEN = ((370, 175), (450, 180), (600, 190), (840, 200))
FREE = (
    Free(SOURCE + "sigma_out"),
    Free(LENS + "zernikes_nm.Z9"),
    Free(RESIST + "diffusion_nm"),
    Free(RESIST + "threshold"),
    Free("focus_offset_nm"),
)
CENTRE = np.array([0.8, 0.0, 25.0, 0.326, 0.0])
SPREAD = np.array([0.01, 3.0, 2.0, 0.01, 20.0])


def measurements(structures=DENSE, focuses=(-200.0, -100.0, 0.0, 100.0, 200.0), doses=(0.95, 1.0, 1.05)):
    """Widths of lines at every focus and dose, still without values."""
    return [
        Measurement(f"{cd}/{pitch}", "line", Lines(float(cd), float(pitch)), 1.0, NOISE_NM, 1.0, focus, dose)
        for pitch, cd in structures
        for focus in focuses
        for dose in doses
    ]


def machine(**settings):
    """krf-dry with its threshold, float64, and settings by the last part of their keys."""
    made = double(Machine(anchored(load_setup("krf-dry").process)))
    keys = {f.name.rpartition(".")[2]: f.name for f in FREE} | {"na": LENS + "na"}
    for name, value in settings.items():
        made = placed(made, keys.get(name, name), np.float64(value))
    return made


def noisy(wanted, values, seed, noise_nm=NOISE_NM):
    errors = np.random.default_rng(seed).normal(0, noise_nm, len(values))
    return [replace(m, value_nm=float(v + e)) for m, v, e in zip(wanted, values, errors, strict=True)]


@functools.cache
def truth(number: int):
    """A state of the machine drawn at random, and what it prints in and between the structures, by the other way."""
    state = CENTRE + SPREAD * np.random.default_rng(1000 + number).normal(size=CENTRE.size)
    true = machine()
    for free, value in zip(FREE, state, strict=True):
        true = placed(true, free.name, np.float64(value))
    return state, *(printed_gauges.widths(true, measurements(s)) for s in (DENSE, BETWEEN))


@dataclass(frozen=True)
class Draw:
    """One calibration: (found - true) / standard error (p,), whether the truth lies in the 95 % intervals (p,), and
    errors of new measurements in units of the noise, repeated on the same structures and on those between."""

    pull: np.ndarray
    inside: np.ndarray
    repeated: np.ndarray
    between: np.ndarray
    doubts: int
    chi_square: float
    freedom: int


def draw(seed: int, truths: int = 25) -> Draw:
    """Calibrate to the noise of a seed; so many true states in turn."""
    state, dense, between = truth(seed % truths)
    wanted = measurements()
    found = calibrate(noisy(wanted, dense, seed), machine(), FREE)
    others = measurements(BETWEEN)
    elsewhere = Problem(others, scenes(others, found.machine.process), found.machine, FREE)
    fresh = np.random.default_rng((seed, 1)).normal(size=len(dense) + len(between))
    new = found.predicted_nm - dense, elsewhere.predict(found.value) - between
    return Draw(
        pull=(found.value - state) / found.sigma,
        inside=np.abs(found.value - state) <= found.reach * found.sigma,
        repeated=new[0] / NOISE_NM - fresh[: len(dense)],
        between=new[1] / NOISE_NM - fresh[len(dense) :],
        doubts=int(not found.determined),
        chi_square=found.chi_square,
        freedom=found.freedom,
    )
