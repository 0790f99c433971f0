"""Resists, from one threshold to chemistry and development. All of them print where `latent` is above `threshold`."""

from typing import Annotated

from pydantic import Field

from .anchor import DenseLine as DenseLine
from .bake import Bake as Bake
from .chemistry import ChemicalResist as ChemicalResist
from .compact import CompactResist as CompactResist
from .develop import Development as Development
from .develop import arrival as arrival
from .noise import Noise as Noise
from .noise import photons_per_nm2 as photons_per_nm2
from .samples import resampled as resampled
from .threshold import ThresholdResist as ThresholdResist

Resist = Annotated[ThresholdResist | CompactResist | ChemicalResist, Field(discriminator="kind")]
