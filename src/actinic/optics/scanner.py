"""Scanner: a light source and a lens, and the coherent systems they make on a periodic tile.

Abbe: each source point s lights the mask with one plane wave and the image is the sum over s of
w_s |inverse transform of P(f + s) M(f)|^2. One row sqrt(w_s) P(f + s) is one coherent system.
"""

from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import NumericalError
from ..types import double
from . import band
from .pupil import Projector
from .source import Source, sample

# Widest spacing of source points in sigma.
COARSEST = 1 / 20


class Scanner(eqx.Module):
    """Source and projector. Clear field has intensity 1 and dose multiplies the intensity."""

    projector: Projector
    source: Source
    kind: Literal["scanner"] = eqx.field(static=True, default="scanner")

    @property
    def na_over_lambda(self) -> float:
        """Cut-off frequency of the lens in 1/nm; the image's band limit is twice this."""
        return float(double(self.projector.na)) / float(double(self.projector.wavelength_nm))

    def source_points(self, period_nm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Source points (n, 2) in sigma and weights (n,) that give the clear field intensity 1, float64.

        A lattice of spacing d repeats the coherence function every lambda / (NA d); that is kept from
        reaching into a tile of this period, and small tiles take no coarser a lattice than COARSEST.
        """
        spacing = min(1 / (max(period_nm) * self.na_over_lambda), COARSEST)
        points, weights = sample(double(self.source), spacing)
        passed = abs(double(self.projector).pupil(*(points * self.na_over_lambda).T, np.float64(0))) ** 2 @ weights
        if not passed > 0:
            raise NumericalError("no light of this source passes the lens in clear field: lower sigma")
        return points, weights / passed

    def orders(self, period_nm: tuple[float, float], points: np.ndarray) -> tuple[int, int]:
        """Diffraction orders (ky, kx) that pass the lens from any source point."""
        reach_x, reach_y = (self.na_over_lambda * (1 + np.abs(points).max(0))).tolist()
        height, width = period_nm
        return band.order_limit((height, 0), reach_y)[0], band.order_limit((0, width), reach_x)[1]

    def focus_symmetric(self) -> bool:
        """Whether I(z) = I(-z) for a real mask: no aberration and a point-symmetric source."""
        if any(float(v) for v in self.projector.zernikes_nm.values()):
            return False
        points, weights = sample(double(self.source), 0.05)
        here = {tuple(p): w for p, w in zip(np.round(points, 9) + 0.0, weights, strict=True)}
        return all(abs(here.get(tuple(np.round(-np.array(p), 9) + 0.0), 0) - w) < 1e-9 for p, w in here.items())


def coherent_systems(projector: Projector, points, weights, period_nm, orders, focus_nm):
    """Abbe rows sqrt(w_s) P(f + s), (point, fy, fx).

    NumPy arguments give complex128; with JAX arguments (focus, Zernikes, NA, weights) the rows can be
    differentiated in them.
    """
    fy, fx = band.frequencies(period_nm, orders)
    sx, sy = (points * (projector.na / projector.wavelength_nm)).T
    rows = projector.pupil(fx[None] + sx[:, None, None], fy[None] + sy[:, None, None], focus_nm)
    return rows * (weights**0.5)[:, None, None].astype(rows.dtype)
