"""The door to fmmax: how a stack of patterned layers scatters plane waves into diffraction orders."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

# fmmax names these in its modules, if not in a way that pyright takes for public.
from fmmax.basis import Expansion, LatticeVectors  # pyright: ignore[reportPrivateImportUsage]
from fmmax.fmm import (
    Formulation,  # pyright: ignore[reportPrivateImportUsage]
    eigensolve_isotropic_media,
)
from fmmax.scattering import stack_s_matrix


@functools.partial(jax.jit, static_argnames=("basis", "lines"))
def scattered(basis, period_nm, lines: bool, wavelength_nm, direction, stack, reflection, sources):
    """Lateral H (2n, state) that leaves a stack for lateral H `sources` (2n, state) that falls in: all hx, then all hy.

    `basis` holds the orders (y, x), `period_nm` is (height, width), `direction` (x, y) the zero order's tangential
    wavevector over 2 pi / lambda. `stack` is (permittivity before, of each slab [x, y], behind; thicknesses of the
    slabs). `reflection` (xx, xy, yy) of what lies behind, for each order: then what comes back at the top is given;
    None: what passes at the bottom.
    """
    before, slabs, behind, thicknesses = stack
    lattice = LatticeVectors(u=jnp.array([1.0, 0.0]) * period_nm[1], v=jnp.array([0.0, 1.0]) * period_nm[0])
    expansion = Expansion(basis_coefficients=np.array([(x, y) for y, x in basis]))
    wavevector = direction * (2 * jnp.pi / wavelength_nm)
    # The factorisation of lines knows which way the walls run.
    formulation = _walls(len({x for _, x in basis}) > 1) if lines else Formulation.FFT

    def solved(permittivity):
        return eigensolve_isotropic_media(wavelength_nm, wavevector, lattice, permittivity, expansion, formulation)

    layers = [solved(before[None, None]), *(solved(slab) for slab in slabs), solved(behind[None, None])]
    matrix = stack_s_matrix(layers, [jnp.zeros(()), *thicknesses, jnp.zeros(())])
    if reflection is None:
        return matrix.s11 @ sources
    xx, xy, yy = (jnp.diag(part) for part in reflection)
    mirror = jnp.block([[xx, xy], [xy, yy]])
    down = jnp.linalg.solve(jnp.eye(len(mirror)) - matrix.s12 @ mirror, matrix.s11 @ sources)
    return matrix.s21 @ sources + matrix.s22 @ (mirror @ down)


def _walls(along_y: bool):
    """The tangent of all walls, along y or x, as a formulation of fmmax."""

    def tangent(permittivity, expansion, lattice):
        none, all_of_it = (fill(permittivity.shape, permittivity.dtype) for fill in (jnp.zeros, jnp.ones))
        return (none, all_of_it) if along_y else (all_of_it, none)

    return tangent
