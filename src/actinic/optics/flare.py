"""Flare: light that rough mirrors scatter over millimetres, which veils the image.

I' = (1 - TIS) I + TIS D, where D is the mean brightness of the surroundings under the point-spread function of the
scatter. That reaches far beyond any tile, so D is computed on a coarse map of the field and is one number on a tile.
"""

from typing import Annotated

import equinox as eqx
import numpy as np
from pydantic import Field
from scipy.signal import fftconvolve

from ..errors import ConfigError
from ..types import Scalar, leaf

Micrometre = Annotated[float, Field(gt=0, le=1e5, json_schema_extra={"unit": "um"})]

# Samples of a cell along each side, and the most cells from the middle to the end of the scatter.
FINE, MOST_CELLS = 4, 600


class Flare(eqx.Module):
    """`tis`, the total integrated scatter, is the share of the light that is scattered; its point-spread function falls
    as 1 / r^`power` between `inner_um` and `outer_um` and is nought elsewhere.

    `density` is the mean brightness of the surroundings, clear field 1, that the scattered light comes from.
    """

    tis: Annotated[Scalar, Field(ge=0, lt=0.5)] = leaf()
    density: Annotated[Scalar, Field(ge=0, le=1)] = leaf(default=0.5)
    power: Annotated[float, Field(gt=0, le=6)] = eqx.field(static=True, default=2.5)
    inner_um: Micrometre = eqx.field(static=True, default=1.0)
    outer_um: Micrometre = eqx.field(static=True, default=5000.0)

    def __check_init__(self):
        if not self.inner_um < self.outer_um:
            raise ValueError(f"inner_um {self.inner_um:g} must be smaller than outer_um {self.outer_um:g}")

    @property
    def level(self):
        """Intensity that it adds."""
        return self.tis * self.density

    def kernel(self, pitch_um: float) -> np.ndarray:
        """Shares [y, x] of the scattered light that cells of a lattice get from the middle one; they sum to 1."""
        reach = int(np.ceil(self.outer_um / pitch_um))
        if reach > MOST_CELLS:
            raise ConfigError(f"cells of {pitch_um:g} um are too many for a flare of {self.outer_um:g} um: take larger")
        fine = (np.arange(FINE) + 0.5) / FINE - 0.5
        place = (np.arange(-reach, reach + 1)[:, None] + fine).ravel() * pitch_um
        r = np.hypot(place[:, None], place[None])
        power = np.where(r <= self.outer_um, np.maximum(r, self.inner_um) ** -self.power, 0.0)
        shares = power.reshape(2 * reach + 1, FINE, 2 * reach + 1, FINE).sum((1, 3))
        # The middle cell as the disc of its area, where the function is too steep for samples.
        shares[reach, reach] = 0.0
        own = self._within(pitch_um / np.sqrt(np.pi))
        shares *= (1 - own) / max(shares.sum(), 1e-300)
        shares[reach, reach] = own
        return shares / shares.sum()

    def surroundings(self, brightness: np.ndarray, pitch_um: float, around: float) -> np.ndarray:
        """Mean brightness [y, x] that each cell of a coarse map sees, its `density`; beyond the map it is `around`."""
        return around + fftconvolve(brightness - around, self.kernel(pitch_um), mode="same")

    def _within(self, r_um: float) -> float:
        """Share of the scattered light that falls within a radius."""
        r, e = np.clip(r_um, self.inner_um, self.outer_um), 2 - self.power
        if abs(e) < 1e-9:
            return float(np.log(r / self.inner_um) / np.log(self.outer_um / self.inner_um))
        return float((r**e - self.inner_um**e) / (self.outer_um**e - self.inner_um**e))
