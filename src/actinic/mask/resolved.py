"""The diffraction of a thick mask for every source point: few rigorous solutions, and a polynomial between them.

A mirror seems to reflect some way below the object plane, which turns the phase of an order by its direction. Divided
by exp{i z (kz_in + kz_out)}, with z the depth of that plane, orders change so slowly over the source that a polynomial
of degree 2 along x and 4 along y through as many solutions tells them for every point of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..optics import Scanner, band
from ..optics.film import index_of
from ..types import double
from .reflective import Reflective
from .thick import Blank, Cell, Slab, jones_orders

# Chebyshev nodes along x and y of the source.
NODES = (3, 5)


@dataclass(frozen=True)
class Lit:
    """How a scanner lights a mask: wavelength, direction (x, y) of the chief ray, mask-side NA along x and y."""

    wavelength_nm: float
    chief: np.ndarray
    na: np.ndarray
    reductions: np.ndarray

    def directions(self, sigma: np.ndarray) -> np.ndarray:
        """Of the light from source points (n, 2), at the mask."""
        return self.chief + sigma * self.na


def lit(scanner: Scanner) -> Lit:
    """How a scanner lights its mask; along the normal without a chief ray."""
    lens = double(scanner.projector)
    chief = np.zeros(2) if lens.chief_ray is None else np.array(lens.chief_ray.sines(), float)
    reductions = np.array(lens.reductions, float)
    return Lit(float(lens.wavelength_nm), chief, float(lens.na) / reductions, reductions)


def blank_of(mask: Reflective, wavelength_nm: float) -> Blank:
    """What the light meets on a reflecting mask."""
    slabs = (Slab(float(layer.thickness_nm), complex(index_of(layer, wavelength_nm))) for layer in mask.absorber)
    return Blank(tuple(slabs), mask.mirror.under())


@dataclass(frozen=True)
class Resolved:
    """Jones matrices of one periodic cell's orders over the source: values at the nodes without the plane's phase."""

    light: Lit
    plane_nm: float  # depth below the object plane, the absorber's top
    reach: float  # the nodes' range in sigma
    values: np.ndarray  # complex (node y, node x, 2 out, 2 in, 2ky+1, 2kx+1)
    frequencies: tuple[np.ndarray, np.ndarray]  # fy (2ky+1, 1), fx (1, 2kx+1), wafer scale

    def __call__(self, sigma: np.ndarray) -> np.ndarray:
        """Jones matrices (point, 2 out, 2 in, 2ky+1, 2kx+1) for source points (point, 2)."""
        across, along = (_lagrange(n, sigma[:, axis] / self.reach) for axis, n in enumerate(NODES))
        flat = np.einsum("py,px,yxabfg->pabfg", along, across, self.values, optimize=True)
        return flat * self.plane(sigma)[:, None, None]

    def plane(self, sigma: np.ndarray) -> np.ndarray:
        """The phase factor (point, 2ky+1, 2kx+1) of the plane at which the mirror seems to reflect."""
        return plane_phase(self.light, self.plane_nm, sigma, self.frequencies)


def plane_phase(light: Lit, plane_nm: float, sigma: np.ndarray, frequencies) -> np.ndarray:
    """exp{i z (kz_in + kz_out)} (point, 2ky+1, 2kx+1) for source points and diffraction frequencies, wafer scale."""
    fy, fx = frequencies
    x, y = (v[:, None, None] for v in light.directions(sigma).T)
    out_x, out_y = (
        v + light.wavelength_nm * f[None] / m for v, f, m in zip((x, y), (fx, fy), light.reductions, strict=True)
    )
    cosines = (np.sqrt(np.maximum(1 - a * a - b * b, 0)) for a, b in ((x, y), (out_x, out_y)))
    return np.exp(2j * np.pi / light.wavelength_nm * plane_nm * sum(cosines))


def resolve(
    mask: Reflective,
    scanner: Scanner,
    openings: np.ndarray,
    period_nm: tuple[float, float],
    orders: tuple[int, int],
    modes: tuple[int, int] | None = None,
) -> Resolved:
    """Solve a periodic cell, `openings` [y, x] with its (height, width) at wafer scale, for the whole source.

    The cell's corner is the origin of its spectrum, as in `band.mask_spectrum`. One row or column: lines.
    """
    light, mask = lit(scanner), double(mask)
    my, mx = light.reductions[::-1]
    cell = Cell(openings, (period_nm[0] * my, period_nm[1] * mx))
    blank = blank_of(mask, light.wavelength_nm)
    plane = mask.height_nm + mask.mirror.depth_nm(np.float64(light.wavelength_nm), np.hypot(*light.chief))
    points, _ = scanner.source_points((1.0, 1.0))
    reach = float(np.abs(points).max())
    frequencies = band.frequencies(period_nm, orders)
    nodes = [reach * _nodes(n) for n in NODES]
    grid = np.stack(np.meshgrid(*nodes), -1)  # (node y, node x, 2)
    flat, chief = grid.reshape(-1, 2), tuple(light.chief.tolist())
    values = [
        jones_orders(blank, cell, light.wavelength_nm, tuple(direction), chief, orders, modes)
        for direction in light.directions(flat).tolist()
    ]
    slow = np.array(values) / plane_phase(light, plane, flat, frequencies)[:, None, None]
    return Resolved(light, plane, reach, slow.reshape(*grid.shape[:2], *slow.shape[1:]), frequencies)


def clear_field(mask: Reflective, scanner: Scanner) -> Callable[[np.ndarray], np.ndarray]:
    """Jones matrices (point, 2, 2, 1, 1) of the bare mirror for source points."""
    return resolve(mask, scanner, np.ones((1, 1)), (1.0, 1.0), (0, 0), (0, 0))


def _nodes(count: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(count) + 0.5) / count)


def _lagrange(count: int, at: np.ndarray) -> np.ndarray:
    """Values (point, node) at `at` of the polynomials that are 1 at one Chebyshev node and 0 at the others."""
    nodes = _nodes(count)
    apart = at[:, None, None] - nodes[None, None]
    gaps = nodes[:, None] - nodes[None] + np.eye(count)
    ratio = np.where(np.eye(count, dtype=bool), 1.0, apart / gaps[None])
    return ratio.prod(-1)
