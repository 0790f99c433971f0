"""Mask types: what the drawn polygons and their surroundings transmit, in the thin-mask (Kirchhoff) limit."""

from typing import Annotated, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from .types import Scalar, leaf, rectangular

Polarity = Literal["clear", "dark"]


class Binary(eqx.Module):
    """Chrome on glass: 1 where open, 0 under the absorber. `drawn` says which of the two the polygons are."""

    drawn: Polarity = eqx.field(static=True, default="clear")
    kind: Literal["binary"] = eqx.field(static=True, default="binary")

    def amplitudes(self) -> tuple[complex, complex]:
        """Amplitude transmission (around, inside) of the drawn polygons."""
        return (0.0, 1.0) if self.drawn == "clear" else (1.0, 0.0)


class AttenuatedPSM(eqx.Module):
    """Attenuated phase-shift mask: the absorber transmits an intensity share with a phase."""

    transmission: Annotated[Scalar, Field(gt=0, lt=1)] = leaf(default=0.06)
    phase_deg: Annotated[Scalar, Field(ge=-360, le=360, json_schema_extra={"unit": "deg"})] = leaf(default=180.0)
    drawn: Polarity = eqx.field(static=True, default="clear")
    kind: Literal["attpsm"] = eqx.field(static=True, default="attpsm")

    def amplitudes(self):
        """Amplitude transmission (around, inside) of the drawn polygons."""
        xp = (self.transmission * self.phase_deg).__array_namespace__()
        amplitude, phase = xp.sqrt(self.transmission), self.phase_deg * (np.pi / 180)
        absorber = rectangular(amplitude * xp.cos(phase), amplitude * xp.sin(phase))
        return (absorber, 1.0) if self.drawn == "clear" else (1.0, absorber)


Mask = Annotated[Binary | AttenuatedPSM, Field(discriminator="kind")]


def transmitted(mask, spectrum):
    """Fourier coefficients of the mask's transmission from those of the drawn coverage (2ky+1, 2kx+1)."""
    around, inside = mask.amplitudes()
    ky, kx = ((n - 1) // 2 for n in spectrum.shape)
    zero_order = np.zeros(spectrum.shape, spectrum.dtype)
    zero_order[ky, kx] = 1
    return spectrum * (inside - around) + zero_order * around
