"""Resist: a Gaussian blur for acid diffusion and one threshold, the cheapest model that prints edges."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import equinox as eqx
from pydantic import Field

from ..optics import band
from ..types import Scalar, leaf
from .anchor import Blur, DenseLine


class ThresholdResist(eqx.Module):
    """Prints where the blurred intensity times dose crosses the threshold.

    Give the threshold (clear field = 1) or an anchor from which it is computed. The tone says which part
    of the resist stays: positive resist stays where it is dark. It does not move any printed edge.
    """

    diffusion_nm: Blur | None = leaf(default=None)
    threshold: Annotated[Scalar, Field(gt=0, lt=10)] | None = leaf(default=None)
    anchor: DenseLine | None = None
    tone: Literal["positive", "negative"] = eqx.field(static=True, default="positive")
    kind: Literal["threshold"] = eqx.field(static=True, default="threshold")

    def __check_init__(self):
        if self.threshold is None and self.anchor is None:
            raise ValueError("give a threshold or an anchor")

    @property
    def linear(self) -> bool:
        """Whether the latent image of a dose is that dose times the one of dose 1."""
        return True

    @property
    def anchored(self) -> bool:
        """Whether the threshold is known."""
        return self.threshold is not None

    def on_size(self, at_edge: Callable[["ThresholdResist"], float]) -> "ThresholdResist":
        """The same resist with its threshold at the anchor's edge, whose latent value `at_edge` tells."""
        return replace(self, threshold=at_edge(self))

    def shape(self, samples: tuple[int, int], period_nm: tuple[float, float]) -> tuple[int, int]:
        """Of the latent samples that intensity samples of a shape lead to."""
        return samples

    def latent(self, samples, period_nm: tuple[float, float]):
        """Band-limited intensity samples, dose included, after diffusion."""
        return samples if self.diffusion_nm is None else band.blurred(samples, period_nm, self.diffusion_nm)
