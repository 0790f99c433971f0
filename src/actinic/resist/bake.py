"""Post-exposure bake: acid diffuses, is neutralised by quencher, and takes the protection off the polymer."""

from typing import Annotated

import equinox as eqx
import jax
import numpy as np
from pydantic import Field

from ..types import Scalar, leaf
from .anchor import NotNegative, Positive

# Nodes and weights on 0..1 for the acid's power within a sub-step: Gauss' rule in the root of s, dense where
# neutralisation is fast.
_ROOTS, _SHARES = np.polynomial.legendre.leggauss(4)
_NODES, _WEIGHTS = (0.5 + 0.5 * _ROOTS) ** 2, _SHARES * (0.5 + 0.5 * _ROOTS)
# An acid below this share of the generator counts as this in its power: a power of zero has no slope.
_LEAST = 1e-9


class Bake(eqx.Module):
    """Acid h and quencher q, relative to the acid generator, and the share m of protected sites during `time_s`:

    dh/dt = D_h lap h - k_q h q,  dq/dt = D_q lap q - k_q h q,  dm/dt = -k h^n m

    `acid_nm2_s` and `quencher_nm2_s` are D_h and D_q: a free acid spreads with sigma = sqrt(2 D t) along each
    axis. `neutralisation_per_s` is k_q and `deprotection_per_s` k in 1/s, `order` is n. `steps` of Strang's splitting,
    second order: exact neutralisation and deprotection for half a step, exact diffusion for a whole one, and the other
    half. What is fastest, neutralisation, comes first and last (Sportisse, J. Comput. Phys. 161, 140, 2000).
    """

    time_s: Positive = leaf()
    acid_nm2_s: NotNegative = leaf()
    quencher_nm2_s: NotNegative = leaf()
    neutralisation_per_s: NotNegative = leaf()
    deprotection_per_s: Positive = leaf()
    order: Annotated[Scalar, Field(ge=1, le=5)] = leaf(default=1.0)
    steps: Annotated[int, Field(ge=1, le=1000)] = eqx.field(static=True, default=16)

    def __call__(self, acid, quencher, period_nm: tuple[float, float], thickness_nm=None):
        """Acid, quencher and -ln m after the bake, each (..., y, x).

        `period_nm` is that of (y, x). Layers (z, y, x) of a film of `thickness_nm` diffuse between its two
        surfaces, which nothing leaves. NumPy float64 or JAX.
        """
        step = self.time_s / self.steps
        spread = self._spread(acid, step, period_nm, thickness_nm)

        def advance(state, time):
            h, q, more = self.react(*spread(*state[:2]), time)
            return h, q, state[2] + more

        # Two halves of neighbouring steps are a whole one.
        shares = np.append(np.ones(self.steps - 1), 0.5).astype(acid.dtype)
        return _folded(advance, self.react(acid, quencher, 0.5 * step), shares * step)

    def react(self, acid, quencher, time):
        """The exact flow without diffusion for `time` in s: acid, quencher, and what -ln m grows by.

        acid - quencher stays; the scarcer of the two falls as s e^(-y) / (1 + s f), y = k_q |h - q| t and
        f = (1 - e^-y) / |h - q|. With S the integral of h, q falls as e^(-k_q S), so the integral of h^n is
        that of (h - q + q e^(-k_q s))^(n - 1) over s from 0 to S: exact for n = 1, by Gauss' rule for others.
        """
        xp = acid.__array_namespace__()
        excess, scarce = acid - quencher, xp.minimum(acid, quencher)
        exponent = self.neutralisation_per_s * time * xp.abs(excess)
        shared = time * scarce * _ratio(xp, -xp.expm1(-exponent), exponent)
        met = self.neutralisation_per_s * shared
        left = scarce * xp.exp(-exponent) / (1 + met)
        total = xp.maximum(excess, 0) * time + shared * _ratio(xp, xp.log1p(met), met)
        nodes, weights = (array.astype(acid.dtype).reshape(-1, *acid.ndim * (1,)) for array in (_NODES, _WEIGHTS))
        there = excess[None] + quencher[None] * xp.exp(-self.neutralisation_per_s * nodes * total[None])
        powers = (weights * xp.maximum(there, _LEAST) ** (self.order - 1)).sum(0)
        gone = self.deprotection_per_s * total * powers
        return left + xp.maximum(excess, 0), left + xp.maximum(-excess, 0), gone

    def _spread(self, like, time, period_nm, thickness_nm):
        """A function that lets acid and quencher diffuse for `time`, exactly: each wave decays by itself."""
        xp, dtype = like.__array_namespace__(), like.dtype
        ny, nx = like.shape[-2:]
        fy, fx = np.fft.fftfreq(ny, period_nm[0] / ny), np.fft.rfftfreq(nx, period_nm[1] / nx)
        k2 = ((2 * np.pi) ** 2 * (fy[:, None] ** 2 + fx[None, :] ** 2)).astype(dtype)
        constants = (self.acid_nm2_s, self.quencher_nm2_s)
        damping = [xp.exp(-(d * time) * k2) for d in constants]
        down = [None, None]
        if like.ndim == 3:
            number = np.arange(len(like))
            waves = np.cos(np.pi * np.outer(number, number + 0.5) / len(like))
            waves = (waves / np.linalg.norm(waves, axis=1, keepdims=True)).astype(dtype)
            kz2 = (np.pi**2 * number**2.0).astype(dtype)
            down = [waves.T @ (xp.exp(-(d * time / thickness_nm**2) * kz2)[:, None] * waves) for d in constants]

        def spread(*fields):
            return tuple(map(one, fields, damping, down))

        def one(field, damp, mix):
            spectrum = xp.fft.rfft2(field)
            damp = damp.astype(spectrum.dtype).reshape((1,) * (field.ndim - 2) + damp.shape)
            field = xp.fft.irfft2(spectrum * damp, s=(ny, nx))
            return field if mix is None else (mix @ field.reshape(len(field), -1)).reshape(field.shape)

        return spread


def _folded(advance, state, times):
    """State after `advance(state, time)` for every time; JAX compiles it once."""
    if isinstance(state[0], jax.Array):
        return jax.lax.scan(lambda state, time: (advance(state, time), None), state, times)[0]
    for time in times:
        state = advance(state, time)
    return state


def _ratio(xp, value, of):
    """value / of, which tends to 1 where `of` vanishes."""
    return xp.where(of > 0, value / xp.where(of > 0, of, 1), 1)
