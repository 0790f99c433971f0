"""Chemically amplified resist: light makes acid, the bake lets it work, the developer dissolves what it reached."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import equinox as eqx
import numpy as np
from pydantic import Field
from scipy.optimize import brentq

from ..errors import NumericalError
from ..optics import band
from ..types import Scalar, double, leaf
from .anchor import Blur, DenseLine, NotNegative, Positive
from .bake import Bake
from .develop import Development
from .samples import resampled

# The dose of an anchor is sought between dose-to-clear and so many times that.
MOST_CLEAR = 100.0
# Rows of the table from deprotection to the dose that causes it, and its strongest exposure.
TABLE, STRONGEST = 513, 0.9999


class ChemicalResist(eqx.Module):
    """Dill exposure without bleaching, reaction-diffusion bake, Mack development.

    Light of the relative dose I makes the acid 1 - exp(-C E), E = I x `dose_mj_cm2` the exposure of a clear field
    at dose 1 (Dill, IEEE Trans. Electron Devices 22, 445, 1975). `quencher` is what base there is at first. Acid
    and quencher count relative to the acid generator. Give the dose or an anchor from which it is found.
    `electrons_nm` is how far, along each axis, electrons carry the light's effect before they make acid.

    `pitch_nm` is the largest of the samples on which acid and bake are computed.
    """

    bake: Bake
    development: Development
    c_cm2_mj: Annotated[Scalar, Field(gt=0, lt=10, json_schema_extra={"unit": "cm2/mJ"})] = leaf()
    quencher: NotNegative = leaf(default=0.0)
    dose_mj_cm2: Annotated[Positive, Field(json_schema_extra={"unit": "mJ/cm2"})] | None = leaf(default=None)
    anchor: DenseLine | None = None
    electrons_nm: Blur | None = leaf(default=None)
    pitch_nm: Annotated[float, Field(gt=0, le=200)] = eqx.field(static=True, default=5.0)
    tone: Literal["positive", "negative"] = eqx.field(static=True, default="positive")
    kind: Literal["chemistry"] = eqx.field(static=True, default="chemistry")

    def __check_init__(self):
        if self.dose_mj_cm2 is None and self.anchor is None:
            raise ValueError("give dose_mj_cm2 or an anchor")
        bake, needed = double(self.bake), -np.log(double(self.development).critical)
        if needed > bake.react(np.array([STRONGEST]), np.array([double(self.quencher)]), bake.time_s)[2][0]:
            raise ValueError(
                "no dose clears this resist: raise deprotection_per_s or time_s of the bake, lower quencher"
            )

    @property
    def linear(self) -> bool:
        """Whether the latent image of a dose is that dose times the one of dose 1."""
        return False

    @property
    def anchored(self) -> bool:
        """Whether the dose is known."""
        return self.dose_mj_cm2 is not None

    @property
    def threshold(self):
        """The relative dose of a large clear area that just clears: dose-to-clear over `dose_mj_cm2`."""
        return self._dose_of(-_xp(self.c_cm2_mj).log(self.development.critical))

    def on_size(self, at_edge: Callable[["ChemicalResist"], float]) -> "ChemicalResist":
        """The same resist with the dose that prints the anchor on size; `at_edge` tells the latent at its edge."""

        exact = double(self)

        def miss(log_dose):
            resist = replace(exact, dose_mj_cm2=np.exp(log_dose))
            return at_edge(resist) / resist.threshold - 1

        low = np.log(replace(exact, dose_mj_cm2=np.float64(1)).threshold)
        high = low + np.log(MOST_CLEAR)
        if miss(low) > 0 or miss(high) < 0:
            raise NumericalError(f"resist: no dose up to {MOST_CLEAR:g} times dose-to-clear prints the anchor on size")
        return replace(self, dose_mj_cm2=float(np.exp(brentq(miss, low, high, xtol=1e-9))))

    def shape(self, samples: tuple[int, int], period_nm: tuple[float, float]) -> tuple[int, int]:
        """Of the latent samples that intensity samples of a shape lead to."""
        ny, nx = (
            max(n, band.fast_length(int(np.ceil(extent / self.pitch_nm))))
            for n, extent in zip(samples, period_nm, strict=True)
        )
        return ny, nx

    def acid(self, exposure_mj_cm2):
        """Acid relative to the generator after an exposure in mJ/cm2, any shape."""
        return -_xp(exposure_mj_cm2).expm1(-self.c_cm2_mj * exposure_mj_cm2)

    def felt(self, samples, period_nm: tuple[float, float]):
        """Intensity samples (..., y, x) after what electrons do to them; not between layers."""
        if self.electrons_nm is None:
            return samples
        if samples.ndim == 2:
            return band.blurred(samples, period_nm, self.electrons_nm)
        return _xp(samples).stack([self.felt(layer, period_nm) for layer in samples])

    def exposed(self, samples, period_nm: tuple[float, float]):
        """Acid relative to the generator that intensity samples (..., y, x) make, the dose in them."""
        return self.acid(self.felt(samples, period_nm) * self.dose_mj_cm2)

    def deprotected(self, samples, period_nm: tuple[float, float]):
        """-ln m after the bake, from intensity samples (..., y, x) with the dose in them, on finer samples."""
        fine = resampled(samples, self.shape(samples.shape[-2:], period_nm))
        acid = self.exposed(fine, period_nm)
        return self.bake(acid, 0 * acid + self.quencher, period_nm, self.development.thickness_nm)[2]

    def surplus(self, acid, quencher, period_nm: tuple[float, float]):
        """-ln m after the bake of acid and quencher (y, x), over what just clears, less 1: positive where it clears."""
        gone = self.bake(acid, quencher, period_nm)[2]
        return gone / -_xp(gone).log(self.development.critical) - 1

    def latent(self, samples, period_nm: tuple[float, float]):
        """Intensity samples (y, x), dose included, to the dose that would alone deprotect as much, (y', x').

        Layers (z, y, x), from the top down, are developed straight down, and the dose is the one which at every
        depth alike would clear at the same time. Without diffusion the latent image is the intensity itself.
        """
        gone = self.deprotected(samples, period_nm)
        if gone.ndim == 3:
            xp = _xp(gone)
            gone = -xp.log(self.development.effective(xp.exp(-gone)))
        return self._dose_of(gone)

    def front(self, samples: np.ndarray, period_nm: tuple[float, float]) -> np.ndarray:
        """Seconds (z, y', x') until layers of the film are dissolved along the fastest path, float64.

        `samples` are the layers' intensities (z, y, x) with the dose in them. What is below `development.time_s` is
        gone, what is later than twice that is cut to it. The leaves must be NumPy float64 (`types.double`).
        """
        gone = self.deprotected(np.asarray(samples, np.float64), period_nm)
        return self.development.front(np.exp(-gone), period_nm)

    def _dose_of(self, gone):
        """The relative dose that, everywhere alike, leaves this -ln m after the bake."""
        xp, dtype = _xp(gone), gone.dtype
        acid = 0 * gone.reshape(-1)[0] + np.linspace(0, STRONGEST, TABLE).astype(dtype)
        _, _, caused = self.bake.react(acid, 0 * acid + self.quencher, self.bake.time_s)
        wanted = xp.interp(gone.reshape(-1), caused, acid).reshape(gone.shape)
        return -xp.log1p(-wanted) / (self.c_cm2_mj * self.dose_mj_cm2)


def _xp(value):
    return value.__array_namespace__()
