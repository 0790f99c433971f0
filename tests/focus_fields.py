"""Fields of known focus and dose, and what they print by the imaging model: for the tests and benchmarks/focus.py."""

import functools
from dataclasses import replace

import numpy as np

from actinic.forward import anchored
from actinic.jobs import load_setup
from actinic.operate.calibration import Lines, Machine
from actinic.operate.focus.features import Feature
from actinic.operate.focus.problem import Fields
from actinic.operate.focus.solve import information
from actinic.operate.focus.tabulate import tabulate

# Bright lines and dark spaces at arf-immersion, as `wafer features` chooses them of a pool of 122.
CHOSEN = (("line", 78, 600), ("line", 60, 160), ("space", 474, 600), ("space", 138, 210))
SIGMA_NM = 0.5


@functools.cache
def machine() -> Machine:
    return Machine(anchored(load_setup("arf-immersion").process))


def features(listed=CHOSEN, sigma_nm=SIGMA_NM, axis="y"):
    return tuple(Feature(f"{k}{c}/{p}", k, Lines(float(c), float(p), axis), sigma_nm) for k, c, p in listed)


@functools.cache
def table(listed=CHOSEN, zernikes=(), focus_nm=80.0):
    return tabulate(machine(), features(listed), focus_nm=focus_nm, zernikes=zernikes)


def places(per_axis=5):
    side = np.linspace(-1, 1, per_axis)
    return np.tile(12 * side, per_axis), np.repeat(15 * side, per_axis)


def measured(made, names, truth, seed=0, count=1, per_axis=5):
    """Fields (count) at true parameters with noise of the sigma; a seed of None gives none."""
    x, y = places(per_axis)
    n = len(made.names)
    shape = count, len(x) * n
    columns = np.tile(np.arange(n), len(x)), np.repeat(x, n), np.repeat(y, n)
    feature, x, y = (np.broadcast_to(c, shape) for c in columns)
    fields = Fields(made, tuple(names), feature, x, y, np.zeros(shape), np.full(shape, SIGMA_NM))
    width, _ = fields.predicted(np.arange(count), np.tile(np.asarray(truth, float), (count, 1)))
    noise = 0.0 if seed is None else SIGMA_NM * np.random.default_rng(seed).standard_normal(shape)
    known = np.where(np.isfinite(width), SIGMA_NM, np.inf)
    return replace(fields, cd_nm=np.nan_to_num(width) + noise, sigma_nm=known)


def bound(fields, truth):
    """Least standard errors (p,) by the Cramer-Rao bound."""
    residual, slope = fields.rows(np.array([0]), np.asarray(truth, float)[None])
    return np.sqrt(np.diag(np.linalg.inv(information(0 * residual, slope, False)[0])))
