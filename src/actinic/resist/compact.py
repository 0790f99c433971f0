"""Compact resist: a threshold on the blurred intensity with small terms for its slope, curvature and surroundings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from ..types import Scalar, leaf
from .anchor import Blur, DenseLine, Length
from .samples import resampled


class CompactResist(eqx.Module):
    """Prints where A + slope s^2 |grad A|^2 + curvature s^2 lap A + density G crosses the threshold.

    A is the intensity times dose after a Gaussian blur of s = `diffusion_nm`, G after one of `density_nm`. A
    threshold that moves with the image's slope and surroundings, as in variable-threshold models (Cobb, Zakhor and
    Miloslavsky, Proc. SPIE 2726, 208, 1996), written as one latent image. All coefficients are dimensionless and
    meant to be fitted to measured or simulated edges. Give the threshold or an anchor from which it is computed.
    """

    diffusion_nm: Blur = leaf()
    density_nm: Length = leaf()
    slope: Scalar = leaf(default=0.0)
    curvature: Scalar = leaf(default=0.0)
    density: Scalar = leaf(default=0.0)
    threshold: Annotated[Scalar, Field(gt=0, lt=10)] | None = leaf(default=None)
    anchor: DenseLine | None = None
    tone: Literal["positive", "negative"] = eqx.field(static=True, default="positive")
    kind: Literal["compact"] = eqx.field(static=True, default="compact")

    def __check_init__(self):
        if self.threshold is None and self.anchor is None:
            raise ValueError("give a threshold or an anchor")

    @property
    def linear(self) -> bool:
        """Whether the latent image of a dose is that dose times the one of dose 1."""
        return False

    @property
    def anchored(self) -> bool:
        """Whether the threshold is known."""
        return self.threshold is not None

    def on_size(self, at_edge: Callable[["CompactResist"], float]) -> "CompactResist":
        """The same resist with its threshold at the anchor's edge, whose latent value `at_edge` tells."""
        return replace(self, threshold=at_edge(self))

    def shape(self, samples: tuple[int, int], period_nm: tuple[float, float]) -> tuple[int, int]:
        """Of the latent samples that intensity samples of a shape lead to: a square has twice the band."""
        return 2 * samples[0], 2 * samples[1]

    def latent(self, samples, period_nm: tuple[float, float]):
        """Intensity samples (y, x), dose included, to latent ones (2 y, 2 x); exact, nothing aliases."""
        fine, xp = resampled(samples, self.shape(samples.shape, period_nm)), samples.__array_namespace__()
        ny, nx = fine.shape
        ky = (2 * np.pi * np.fft.fftfreq(ny, period_nm[0] / ny))[:, None].astype(samples.dtype)
        kx = (2 * np.pi * np.fft.rfftfreq(nx, period_nm[1] / nx))[None, :].astype(samples.dtype)
        k2, spectrum = ky**2 + kx**2, xp.fft.rfft2(fine)

        def image(factor, of=spectrum):
            return xp.fft.irfft2(of * factor.astype(of.dtype), s=(ny, nx))

        s = self.diffusion_nm
        blur, wide = xp.exp(-0.5 * s**2 * k2), xp.exp(-0.5 * self.density_nm**2 * k2)
        # Everything that is linear in the image in one transform.
        linear = image(blur * (1 - self.curvature * s**2 * k2) + self.density * wide)
        along_y, along_x = (image(blur * k, 1j * spectrum) for k in (ky, kx))
        return linear + self.slope * s**2 * (along_y**2 + along_x**2)
