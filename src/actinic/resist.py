"""Resist: a Gaussian blur for acid diffusion and one threshold, the cheapest model that prints edges."""

from typing import Annotated, Literal

import equinox as eqx
from pydantic import Field

from .optics import band
from .types import Scalar, leaf

Length = Annotated[Scalar, Field(gt=0, lt=1e5, json_schema_extra={"unit": "nm"})]


class DenseLine(eqx.Module):
    """The dense line on which a threshold is anchored: drawn width and pitch, printed on size at dose 1 and a focus."""

    cd_nm: Length = leaf()
    pitch_nm: Length = leaf()
    focus_nm: Annotated[Scalar, Field(ge=-5000, le=5000, json_schema_extra={"unit": "nm"})] = leaf(default=0.0)

    def __check_init__(self):
        if not self.cd_nm < self.pitch_nm:
            raise ValueError("cd_nm must be smaller than pitch_nm")


class ThresholdResist(eqx.Module):
    """Prints where the blurred intensity times dose crosses the threshold.

    Give the threshold (clear field = 1) or an anchor from which it is computed. The tone says which part
    of the resist stays: positive resist stays where it is dark. It does not move any printed edge.
    """

    diffusion_nm: Annotated[Scalar, Field(gt=0, le=500, json_schema_extra={"unit": "nm"})] | None = leaf(default=None)
    threshold: Annotated[Scalar, Field(gt=0, lt=10)] | None = leaf(default=None)
    anchor: DenseLine | None = None
    tone: Literal["positive", "negative"] = eqx.field(static=True, default="positive")
    kind: Literal["threshold"] = eqx.field(static=True, default="threshold")

    def __check_init__(self):
        if self.threshold is None and self.anchor is None:
            raise ValueError("give a threshold or an anchor")

    def latent(self, samples, period_nm: tuple[float, float]):
        """Band-limited intensity samples after diffusion."""
        return samples if self.diffusion_nm is None else band.blurred(samples, period_nm, self.diffusion_nm)
