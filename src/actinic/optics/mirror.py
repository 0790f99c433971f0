"""A multilayer mirror: pairs of thin films whose faint reflections add up, as on the blank of an EUV mask."""

from typing import Annotated

import equinox as eqx
import numpy as np
from pydantic import Field

from .film import FilmStack, Layer, Substrate, Wave

# Change of the direction's cosine over which the mirror's phase is derived.
STEP = 1e-5


def _pair() -> tuple[Layer, ...]:
    return Layer(4.17, material="Si"), Layer(2.78, material="Mo")


def _cap() -> tuple[Layer, ...]:
    return (Layer(2.5, material="Ru"),)


class Mirror(eqx.Module):
    """Periods of `period`, its layers from the top down, under `cap` and on `substrate`; 40 pairs of Si and Mo."""

    periods: Annotated[int, Field(gt=0, le=500)] = eqx.field(static=True, default=40)
    period: tuple[Layer, ...] = eqx.field(default_factory=_pair)
    cap: tuple[Layer, ...] = eqx.field(default_factory=_cap)
    substrate: Substrate = eqx.field(default_factory=lambda: Substrate(material="SiO2"))

    def __check_init__(self):
        if not self.period:
            raise ValueError("period: give at least one layer")

    def under(self, absorber: tuple[Layer, ...] = ()) -> FilmStack:
        """The mirror as a stack of films, under the layers of an absorber if there are any."""
        return FilmStack((*absorber, *self.cap, *self.period * self.periods), self.substrate, 0.0)

    def reflection(self, wavelength_nm, sine, wave: Wave):
        """Complex amplitude reflected at the mirror's top, of E for s and of H for p, for an array of sines."""
        return self.under().reflection(wavelength_nm, np.float64(1), sine, wave)

    def depth_nm(self, wavelength_nm, sine) -> float:
        """How far below its top the plane lies at which the mirror seems to reflect: half of d(phase) / d(kz)."""
        cosine = np.sqrt(1 - np.float64(sine) ** 2) + STEP * np.array([-1.0, 1.0])
        low, high = self.reflection(wavelength_nm, np.sqrt(1 - cosine**2), "s")
        kz = 2 * np.pi / wavelength_nm * np.diff(cosine)[0]
        return float(np.angle(high / low) / (2 * kz))


def absorber_amplitude(mirror: Mirror, absorber: tuple[Layer, ...], wavelength_nm, sine) -> complex:
    """What an absorber on a mirror reflects over what the mirror alone does, both at the absorber's top.

    The mean of s and p. Times this amplitude a thin mask's absorber is as dark as the real one.
    """
    height = sum(float(layer.thickness_nm) for layer in absorber)
    there_and_back = np.exp(4j * np.pi / wavelength_nm * height * np.sqrt(1 - np.float64(sine) ** 2))
    covered = mirror.under(absorber)
    found = [
        complex(covered.reflection(wavelength_nm, np.float64(1), np.float64(sine), wave))
        / complex(mirror.reflection(wavelength_nm, np.float64(sine), wave) * there_and_back)
        for wave in ("s", "p")
    ]
    return sum(found) / 2
