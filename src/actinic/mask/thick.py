"""Rigorous diffraction by thick masks: Maxwell's equations on a periodic cell by the Fourier modal method (fmmax).

What comes back is a 2 x 2 Jones matrix for each diffraction order: how much of each state of polarisation, referred to
the chief ray, goes into each. Lengths are those on the mask, directions are wavevectors over 2 pi / lambda, waves
exp(-i omega t), and all phases count at the object plane, the top of the absorber. Float64, whatever JAX is set to.
The multilayer below an absorber is exact and takes no modes: each order is reflected on its own, its amplitude from the
recursion of `optics.film`, and cascaded with the scattering matrix of the absorber.
"""

import functools
from dataclasses import dataclass
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ConfigError, MissingError
from ..optics import FilmStack
from ..types import double

# Modes beyond the zero order on each side for each wavelength of period: orders are then within 5e-4 of the limit.
MODES = 0.75
# Modes along an axis are rounded up to one of these, so that little is compiled anew.
ROOM = (6, 9, 12, 16, 20, 24, 30, 36, 48, 60, 80)
# Most of them together: more take minutes for each direction of the light.
MOST_MODES = 500
# Least samples of the cell for each mode on either side, in layers with walls.
SAMPLES = 8


@dataclass(frozen=True)
class Cell:
    """One period of a mask: `openings` [y, x], area fractions without absorber; (height, width) in nm on the mask.

    A cell of one row or one column is the same all along y or x: lines.
    """

    openings: np.ndarray
    period_nm: tuple[float, float]


@dataclass(frozen=True)
class Slab:
    """A layer with walls: its thickness in nm and its complex indices where the mask is open and where it is not."""

    thickness_nm: float
    index: complex
    open_index: complex = 1.0


@dataclass(frozen=True)
class Blank:
    """What the light meets, seen from where it comes: slabs with the cell's walls, and flat layers under them.

    With `below` the orders are those reflected; without, those that pass into a medium of index `beyond`, counted where
    the last slab ends. The light comes from a medium of index `medium`.
    """

    slabs: tuple[Slab, ...]
    below: FilmStack | None = None
    medium: float = 1.0
    beyond: float = 1.0


def modes_of(period_nm: tuple[float, float], wavelength_nm: float, more: float = 1.0) -> tuple[int, int]:
    """Modes (ky, kx) to compute with on each side of the zero order, enough for 5e-4; `more` times as many."""
    wanted = (int(np.ceil(more * MODES * extent / wavelength_nm)) for extent in period_nm)
    ky, kx = (next((room for room in ROOM if room >= k), k) for k in wanted)
    return ky, kx


def jones_orders(
    blank: Blank,
    cell: Cell,
    wavelength_nm: float,
    direction: tuple[float, float],
    chief: tuple[float, float],
    orders: tuple[int, int],
    modes: tuple[int, int] | None = None,
) -> np.ndarray:
    """Jones matrices complex128 (2 out, 2 in, 2ky+1, 2kx+1) of the orders -k..k, zero where they do not propagate.

    `direction` is that of the incident plane wave along x and y, `chief` that of the chief ray, both times the index of
    their medium. States 0 and 1 are x and y of a lens whose axis is the chief ray. MissingError without fmmax.
    """
    cell = Cell(np.asarray(cell.openings, np.float64), cell.period_nm)
    lines = [n == 1 for n in cell.openings.shape]
    kept = modes or modes_of(cell.period_nm, wavelength_nm)
    kept = tuple(0 if flat else max(k, m) for flat, k, m in zip(lines, kept, orders, strict=True))
    basis = _basis(kept)
    if len(basis) > MOST_MODES:
        size = " x ".join(f"{extent:g}" for extent in cell.period_nm[::-1])
        raise ConfigError(
            f"a cell of {size} nm on the mask needs {len(basis)} modes, more than {MOST_MODES}: take a smaller window, "
            "one of lines only, or another mask model"
        )
    tangent = np.asarray(direction, float)[None] + basis[:, ::-1] * wavelength_nm / np.array(cell.period_nm[::-1])[None]
    epsilon = _permittivities(blank, cell.openings, kept)
    reflection = None if blank.below is None else _mirror_blocks(blank.below, wavelength_nm, tangent)
    into = _states(np.asarray(direction, float)[None], np.asarray(chief, float), blank.medium, -1.0)[0]
    sources = np.zeros((2 * len(basis), 2), complex)
    zero = int(np.flatnonzero(~basis.any(1))[0])
    for state in range(2):
        kz = np.sqrt(blank.medium**2 - np.sum(np.square(direction)))
        h = np.cross([*direction, kz], into[:, state])
        sources[[zero, len(basis) + zero], state] = h[:2]
    found = _scattered(blank, cell, wavelength_nm, direction, basis, (epsilon, reflection, sources))
    return _placed(found, blank, tangent, chief, basis, orders)


@functools.lru_cache(64)
def _basis(modes: tuple[int, int]) -> np.ndarray:
    """Orders (n, 2) as (y, x) within an ellipse, or all of a line, the zero order in the middle."""
    ky, kx = modes
    y, x = np.mgrid[-ky : ky + 1, -kx : kx + 1].reshape(2, -1)
    inside = (y / max(ky, 0.5)) ** 2 + (x / max(kx, 0.5)) ** 2 <= 1 + 1e-9
    return np.stack([y[inside], x[inside]], 1)


def _permittivities(blank: Blank, openings: np.ndarray, modes: tuple[int, int]) -> list[np.ndarray]:
    """Of each slab on samples [x, y], as fmmax has them; more samples than the openings have, if need be."""
    for axis, k in enumerate(modes):
        least = SAMPLES * k + 1
        openings = openings.repeat(-(-least // openings.shape[axis]) if k else 1, axis)
    found = [slab.open_index**2 * openings.T + slab.index**2 * (1 - openings.T) + 0j for slab in blank.slabs]
    # A slab without contrast has its modes in closed form; found numerically they are degenerate.
    return [each if np.ptp(abs(each - each[0, 0])) > 1e-12 else each[:1, :1] for each in found]


def _mirror_blocks(below: FilmStack, wavelength_nm: float, tangent: np.ndarray):
    """What flat layers make of lateral H (hx, hy) of each order: the elements xx, xy, yy, (n,) each."""
    wavelength = np.float64(wavelength_nm)
    size, below = np.hypot(*tangent.T), double(below)
    # Orders that die away reach the layers too faintly to matter beyond these sines, where the recursion still holds.
    te, tm = (below.reflection(wavelength, np.float64(1), size, wave) for wave in "sp")
    ux, uy = np.where(size[:, None] > 1e-12, tangent / np.maximum(size, 1e-300)[:, None], [1.0, 0.0]).T
    # H of s light lies along the lateral direction and is turned over where E is not.
    along, across = -te, tm
    return ux**2 * along + uy**2 * across, ux * uy * (along - across), uy**2 * along + ux**2 * across


def _states(tangent: np.ndarray, chief: np.ndarray, index: float, side: float) -> np.ndarray:
    """Unit vectors (n, 3, 2) of the two states of rays of these lateral directions about the chief ray.

    z is along the light that falls in; `side` is -1 for it, +1 for light that was reflected. A ray at an angle to the
    axis has the axis's states turned as a lens turns them (see `optics.polarisation`).
    """
    up = -side
    axis = np.array([*chief / index, up * np.sqrt(1 - np.sum((chief / index) ** 2))])
    cosine = np.sqrt(np.maximum(1 - np.sum((tangent / index) ** 2, 1), 0))
    ray = np.concatenate([tangent / index, up * cosine[:, None]], 1)
    lateral = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    # From the mask's normal to the chief ray, then from there to the ray, each by the shortest turn.
    normal = np.array([0, 0, up])
    states = np.stack([_turned(np.broadcast_to(e, (1, 3)), normal[None], axis[None])[0] for e in lateral])
    return np.stack([_turned(np.broadcast_to(e, ray.shape), np.broadcast_to(axis, ray.shape), ray) for e in states], -1)


def _turned(vector: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Vectors (n, 3) turned by the shortest turn that brings one direction onto another."""
    middle = start + end
    share = 1 / (1 + np.sum(start * end, 1, keepdims=True))
    return (
        vector
        - middle * (share * np.sum(vector * middle, 1, keepdims=True))
        + 2 * end * np.sum(vector * start, 1, keepdims=True)
    )


def _scattered(blank: Blank, cell: Cell, wavelength_nm: float, direction, basis: np.ndarray, arrays) -> np.ndarray:
    """Lateral H (2n, 2) that leaves, reflected at the top or passed at the bottom, for both incident states."""
    epsilon, reflection, sources = arrays
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        ends = (jnp.asarray(index**2, jnp.complex128) for index in (blank.medium, blank.beyond))
        stack = next(ends), [jnp.asarray(e) for e in epsilon], next(ends)
        found = _modal().scattered(
            tuple(map(tuple, basis.tolist())),
            jnp.asarray(cell.period_nm, jnp.float64),
            1 in cell.openings.shape,
            jnp.asarray(wavelength_nm, jnp.float64),
            jnp.asarray(direction, jnp.float64),
            (*stack, [jnp.asarray(slab.thickness_nm, jnp.float64) for slab in blank.slabs]),
            reflection and tuple(map(jnp.asarray, reflection)),
            jnp.asarray(sources),
        )
        return np.asarray(found)


def _placed(found, blank: Blank, tangent, chief, basis, orders) -> np.ndarray:
    """Jones matrices on the orders asked for."""
    n, passed = len(basis), blank.below is None
    index = blank.beyond if passed else blank.medium
    propagates = np.sum(tangent**2, 1) < index**2
    within = (np.abs(basis) <= np.array(orders)).all(1) & propagates
    result = np.zeros((2, 2, 2 * orders[0] + 1, 2 * orders[1] + 1), complex)
    rays = tangent[within]
    kz = np.sqrt(index**2 - np.sum(rays**2, 1)) * (1 if passed else -1)
    out = _states(rays, np.asarray(chief, float), index, -1.0 if passed else 1.0)
    y, x = (basis[within] + np.array(orders)).T
    for state in range(2):
        hx, hy = found[:n, state][within], found[n:, state][within]
        h = np.stack([hx, hy, -(rays[:, 0] * hx + rays[:, 1] * hy) / kz], 1)
        e = -np.cross(np.concatenate([rays, kz[:, None]], 1), h) / index**2
        result[:, state, y, x] = np.einsum("nic,ni->cn", out, e)
    return result


def _modal():
    try:
        return import_module(".modal", __package__)
    except ImportError:
        raise MissingError('rigorous masks need the package fmmax: pip install "actinic[euv]"') from None
