"""Focus and dose over wafer and field, as sums of known shapes whose weights can be fitted or set.

Focus: wafer Zernikes, and tilt and curvature of the field. Dose: wafer Zernikes, a profile along the slit (x) and one
along the scan (y), each a sum of Legendre polynomials of orders 1 up: what a scanner's dose actuators can set.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import legendre

from . import zernike
from .terms import Places

RADIUS_MM = 150.0


@dataclass(frozen=True)
class FocusMap:
    """Focus error in nm. `wafer_nm` are weights of wafer Zernikes by number.

    `tilt_x` (along x), `tilt_y` (along y) in nm/mm, equal to microradians; `curvature_x`, `curvature_y` in nm/mm2:
    the field's bow along the slit and along the scan.
    """

    wafer_nm: dict[int, float] = field(default_factory=dict)
    tilt_x: float = 0.0
    tilt_y: float = 0.0
    curvature_x: float = 0.0
    curvature_y: float = 0.0

    def at(self, places: Places) -> np.ndarray:
        """Focus error (n,) in nm."""
        numbers = sorted(self.wafer_nm)
        weights = [self.wafer_nm[n] for n in numbers]
        weights += [self.tilt_x, self.tilt_y, self.curvature_x, self.curvature_y]
        return self.shapes(numbers, places) @ np.array(weights, np.float64)

    @staticmethod
    def shapes(numbers: list[int], places: Places) -> np.ndarray:
        """Columns (n, shape): wafer Zernikes, then tilt x, tilt y, curvature x, curvature y."""
        x, y = places.x_mm, places.y_mm
        columns = [zernike.fringe(n, places.X_mm / RADIUS_MM, places.Y_mm / RADIUS_MM) for n in numbers]
        return np.stack([*columns, x, y, x * x, y * y], axis=-1)

    @classmethod
    def of(cls, numbers: list[int], weights: np.ndarray) -> "FocusMap":
        """The map of fitted weights of `shapes`."""
        values = [float(w) for w in weights]
        return cls(dict(zip(numbers, values, strict=False)), *values[len(numbers) :])


@dataclass(frozen=True)
class DoseMap:
    """Dose error in percent of nominal. `slit` and `scan` are weights of Legendre polynomials of orders 1, 2, ...

    They run over the field, whose half sizes are `half_width_mm` and `half_height_mm`.
    """

    wafer_percent: dict[int, float] = field(default_factory=dict)
    slit_percent: tuple[float, ...] = ()
    scan_percent: tuple[float, ...] = ()
    half_width_mm: float = 13.0
    half_height_mm: float = 16.5

    def at(self, places: Places) -> np.ndarray:
        """Dose error (n,) in percent."""
        total = np.zeros(len(places))
        for number, weight in self.wafer_percent.items():
            total += weight * zernike.fringe(number, places.X_mm / RADIUS_MM, places.Y_mm / RADIUS_MM)
        for weights, at in ((self.slit_percent, places.x_mm / self.half_width_mm),
                            (self.scan_percent, places.y_mm / self.half_height_mm)):  # fmt: skip
            total += legendre.legval(at, [0.0, *weights])
        return total


def profile_shapes(order: int, position: np.ndarray) -> np.ndarray:
    """Columns (n, order) of the Legendre polynomials of orders 1 to `order`, position from -1 to 1 across the field."""
    return legendre.legvander(np.asarray(position, np.float64), order)[:, 1:]
