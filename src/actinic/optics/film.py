"""Thin films: what a stack of layers on a substrate reflects and absorbs, and the field inside its first layer.

Plane waves exp(-i omega t) on flat layers; depth grows away from the lens. A direction is told by its sine,
n sin(angle) = lambda |g| with g the lateral frequency, which is the same in every layer. Amplitudes are those of
E for s (TE) and of H for p (TM); with the admittances q (s) and q / n^2 (p) both obey the same recursion, which
starts at the substrate and holds no growing exponential (Born & Wolf, Principles of Optics, 1.6).
NumPy float64 or JAX, differentiable in indices, thicknesses and wavelength.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import numpy as np
from pydantic import Field

from ..types import Scalar, as_complex, double, leaf, rectangular
from .materials import optical_constants

Wave = Literal["s", "p"]

Index = Annotated[Scalar, Field(gt=0, lt=10)]
Absorption = Annotated[Scalar, Field(ge=0, lt=10)]
Thickness = Annotated[Scalar, Field(gt=0, lt=1e5, json_schema_extra={"unit": "nm"})]
Depth = Annotated[float, Field(ge=0, lt=1e5, json_schema_extra={"unit": "nm"})]

# Gauss nodes for each period of the standing wave.
NODES_PER_PERIOD = 8


class Substrate(eqx.Module):
    """What carries the layers, without end: a material of the table, or n and k of one's own."""

    n: Index | None = leaf(default=None)
    k: Absorption | None = leaf(default=None)
    material: str | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _one_of(self)


class Layer(eqx.Module):
    """One layer: its thickness, and a material of the table or n and k of one's own (k = 0 if not given)."""

    thickness_nm: Thickness = leaf()
    n: Index | None = leaf(default=None)
    k: Absorption | None = leaf(default=None)
    material: str | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _one_of(self)


@dataclass(frozen=True)
class Powers:
    """Shares of the incident power; each has the shape of the sines, `absorbed` with a leading axis of layers."""

    reflected: Any
    transmitted: Any
    absorbed: Any


class FilmStack(eqx.Module):
    """Layers from the resist downwards. `depth_nm` is where the image is taken: below the resist's top, or "average".

    The average runs over the whole resist by Gauss-Legendre nodes; `nodes` overrides their number, which is
    NODES_PER_PERIOD for each period lambda / 2n of the standing wave, and must be given for derivatives of an average
    in the resist's index or thickness.
    """

    layers: tuple[Layer, ...]
    substrate: Substrate
    depth_nm: Depth | Literal["average"] = eqx.field(static=True, default="average")
    nodes: Annotated[int, Field(gt=0, le=1000)] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if not self.layers:
            raise ValueError("layers: give at least the resist")
        known = not isinstance(self.layers[0].thickness_nm, jax.core.Tracer)
        if known and self.depth_nm != "average" and not self.depth_nm <= self.layers[0].thickness_nm:
            raise ValueError(f"depth_nm {self.depth_nm:g} lies below the resist")

    def powers(self, wavelength_nm, medium, sine, wave: Wave) -> Powers:
        """Reflected, transmitted and absorbed power of a plane wave from a medium of real index.

        `sine` is the medium's index times the sine of the angle in it, an array of any shape.
        """
        waves = self._waves(wavelength_nm, medium, sine * sine, wave)
        xp = waves[0].down.__array_namespace__()
        # Poynting vector through the top of every layer and of the substrate.
        flux = [((w.down + w.up).conj() * w.admittance * (w.down - w.up)).real for w in waves]
        # That of the incident wave alone: an interference of down and up carries nothing in a transparent medium.
        incident = waves[0].admittance.real
        share = xp.stack([f / incident for f in flux[1:]])
        return Powers(xp.abs(waves[0].up) ** 2, share[-1], share[:-1] - share[1:])

    def reflection(self, wavelength_nm, medium, sine, wave: Wave):
        """Complex amplitude reflected at the top, of E for s and of H for p; arguments as for `powers`."""
        return self._waves(wavelength_nm, medium, sine * sine, wave)[0].up

    def fields(self, wavelength_nm, medium, sine2, depths_nm) -> Iterator[tuple]:
        """For each depth in the resist (F_s, F_par, F_z / sin) of the field, of the squared sines' shape.

        A wave of unit amplitude in the medium, at the resist's top, has at the depth the electric field F_s for s,
        and for p F_par along its lateral direction and F_z along +z; sin is that of the angle in the medium.
        """
        s, p = (self._waves(wavelength_nm, medium, sine2, wave)[1] for wave in ("s", "p"))
        xp = s.down.__array_namespace__()
        # A wave of unit H has E = q / (k0 n^2) along its lateral direction and -sine / n^2 along z.
        n = as_complex(medium)
        along, rise = n * p.admittance, -((n / p.index) ** 2)
        for depth in depths_nm:
            there, back = (xp.exp(1j * s.kz * as_complex(d)) for d in (depth, self.layers[0].thickness_nm - depth))
            down, up = p.down * there, p.bottom * back
            yield s.down * there + s.bottom * back, along * (down - up), rise * (down + up)

    def fluence(self, wavelength_nm, medium, sine, wave: Wave, depth_nm):
        """Dose at a depth in the resist for one plane wave of incident dose 1: the standing wave.

        Re(n1) |E|^2 over medium |E_incident|^2. Times alpha = 4 pi k / lambda it is what the resist absorbs in a
        unit of volume.
        """
        ((f_s, f_par, f_z),) = self.fields(wavelength_nm, medium, sine * sine, [depth_nm])
        xp = f_s.__array_namespace__()
        power = xp.abs(f_s) ** 2 if wave == "s" else xp.abs(f_par) ** 2 + xp.abs(f_z * sine / medium) ** 2
        return power * self.gain(wavelength_nm, medium)

    def gain(self, wavelength_nm, medium):
        """Re(n1) / medium: what turns |E|^2 relative to the incident |E|^2 into dose relative to the incident dose."""
        return index_of(self.layers[0], wavelength_nm).real / medium

    def depths(self, wavelength_nm) -> tuple[Any, np.ndarray]:
        """Depths in nm where the image is taken, and their weights, which sum to 1."""
        if self.depth_nm != "average":
            return np.array([self.depth_nm]), np.ones(1)
        resist = self.layers[0]
        count = self.nodes
        if count is None:
            period = float(double(wavelength_nm)) / (2 * float(double(index_of(resist, wavelength_nm).real)))
            count = max(NODES_PER_PERIOD, int(np.ceil(NODES_PER_PERIOD * float(double(resist.thickness_nm)) / period)))
        places, weights = np.polynomial.legendre.leggauss(count)
        return resist.thickness_nm * ((places + 1) / 2), weights / 2

    def with_thickness(self, layer: int, thickness_nm) -> "FilmStack":
        """The same stack with one layer, counted from the resist's 0, of another thickness."""
        changed = replace(self.layers[layer], thickness_nm=thickness_nm)
        return replace(self, layers=(*self.layers[:layer], changed, *self.layers[layer + 1 :]))

    def _waves(self, wavelength_nm, medium, sine2, wave: Wave) -> list["_Waves"]:
        """Down- and upgoing amplitudes in the medium, the layers and the substrate; 1 falls in."""
        # Complex from the start, so that no number is promoted on the way.
        wavenumber, sine2 = as_complex(2 * np.pi / wavelength_nm), as_complex(sine2)
        indices = [as_complex(medium), *(index_of(part, wavelength_nm) for part in (*self.layers, self.substrate))]
        xp = (sum(indices) * sine2).__array_namespace__()
        # With k >= 0 the principal root has no negative imaginary part: the wave dies away downwards.
        cosines = [xp.sqrt(n * n - sine2) for n in indices]
        kz = [wavenumber * q for q in cosines]
        admittance = [q / (n * n) if wave == "p" else q for q, n in zip(cosines, indices, strict=True)]
        steps = [(a - b) / (a + b) for a, b in pairwise(admittance)]
        # One way through each layer, and the reflection of all below it, seen at the bottom.
        passage = [
            xp.exp(1j * q * as_complex(part.thickness_nm)) for q, part in zip(kz[1:-1], self.layers, strict=True)
        ]
        seen = [steps[-1]]
        for step, through in zip(steps[-2::-1], passage[::-1], strict=True):
            below = seen[0] * through**2
            seen.insert(0, (step + below) / (1 + step * below))
        # The medium is known at its bottom, the substrate at its top: no passage there.
        whole = xp.ones(kz[0].shape, kz[0].dtype)
        waves = [_Waves(indices[0], kz[0], admittance[0], whole, seen[0], seen[0])]
        leaving = whole
        for j, (step, through) in enumerate(zip(steps, [*passage, whole], strict=True)):
            reflected = seen[j + 1] if j + 1 < len(seen) else 0 * whole
            down = (1 + step) * leaving / (1 + step * reflected * through**2)
            leaving = down * through
            bottom = reflected * leaving
            waves.append(_Waves(indices[j + 1], kz[j + 1], admittance[j + 1], down, bottom * through, bottom))
        return waves


@dataclass(frozen=True)
class _Waves:
    """In one layer: index, kz in 1/nm, admittance; amplitudes going down and up at its top, up at its bottom."""

    index: Any
    kz: Any
    admittance: Any
    down: Any
    up: Any
    bottom: Any


def index_of(part: Layer | Substrate, wavelength_nm):
    """Complex index n + ik of a layer or substrate at a wavelength."""
    if part.material is not None:
        return np.complex128(optical_constants(part.material, float(double(wavelength_nm))))
    return rectangular(part.n, 0 * part.n if part.k is None else part.k)


def reflectivity_curve(film: FilmStack, layer: int, thicknesses_nm: Sequence[float], *direction) -> np.ndarray:
    """Reflectance for each thickness of one layer; `direction` as for `FilmStack.powers`."""
    return np.array([double(film.with_thickness(layer, t)).powers(*direction).reflected for t in thicknesses_nm])


def swing_curve(
    film: FilmStack, thicknesses_nm: Sequence[float], wavelength_nm, medium, sine, wave: Wave
) -> np.ndarray:
    """Mean dose in the resist for each of its thicknesses, incident dose 1 (see `FilmStack.fluence`)."""
    curve = []
    for thickness in thicknesses_nm:
        stack = replace(double(film.with_thickness(0, thickness)), depth_nm="average")
        depths, weights = stack.depths(wavelength_nm)
        curve.append(
            sum(w * stack.fluence(wavelength_nm, medium, sine, wave, z) for z, w in zip(depths, weights, strict=True))
        )
    return np.array(curve)


def _one_of(part: Layer | Substrate) -> None:
    if (part.material is None) == (part.n is None):
        raise ValueError("give a material of the table, or n and k")
    if part.material is not None and part.k is not None:
        raise ValueError("k belongs to n; a material has its own")
