"""Reflecting masks: an absorber on a multilayer mirror, as for extreme ultraviolet light."""

from typing import Literal

import equinox as eqx
import numpy as np

from ..optics import Layer, Mirror, Projector, absorber_amplitude
from ..types import double
from .thin import AttenuatedPSM, Bias, Polarity, Radius

MaskModel = Literal["thin", "fast", "rigorous"]


def _absorber() -> tuple[Layer, ...]:
    return Layer(2.0, material="TaBO"), Layer(58.0, material="TaBN")


class Reflective(eqx.Module):
    """Openings in an absorber, its layers from the top down, on a mirror; thicknesses are those on the mask.

    `model` tells how its topography counts: not at all in a thin mask, whose absorber reflects what a wide one does.
    """

    absorber: tuple[Layer, ...] = eqx.field(default_factory=_absorber)
    mirror: Mirror = eqx.field(default_factory=Mirror)
    model: MaskModel = eqx.field(static=True, default="thin")
    drawn: Polarity = eqx.field(static=True, default="clear")
    bias_nm: Bias = eqx.field(static=True, default=0.0)
    corner_radius_nm: Radius = eqx.field(static=True, default=0.0)
    kind: Literal["reflective"] = eqx.field(static=True, default="reflective")

    def __check_init__(self):
        if not self.absorber:
            raise ValueError("absorber: give at least one layer")

    @property
    def height_nm(self) -> float:
        """Of the absorber."""
        return sum(float(double(layer.thickness_nm)) for layer in self.absorber)

    def thin(self, projector: Projector) -> AttenuatedPSM:
        """The thin mask whose absorber reflects as a wide one does along the chief ray."""
        exact, lens = double(self), double(projector)
        sine = 0.0 if lens.chief_ray is None else np.hypot(*lens.chief_ray.sines())
        amplitude = absorber_amplitude(exact.mirror, exact.absorber, lens.wavelength_nm, sine)
        phase = float(np.angle(amplitude, deg=True))
        return AttenuatedPSM(
            np.float64(abs(amplitude) ** 2), np.float64(phase), self.drawn, self.bias_nm, self.corner_radius_nm
        )
