"""Dose actuators: the slit and scan profiles that even out a map of dose or line width over the field."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from ...errors import InputError
from ...wafer.maps import profile_shapes
from .spread import Spread


@dataclass(frozen=True)
class DoseCorrection:
    """Set-points in percent of dose: an offset, Legendre weights of orders 1 up along slit (x) and scan (y).

    `clipped` names those at the limit; `before` and `after` are of the dose error in percent at the points.
    """

    offset_percent: float
    slit_percent: np.ndarray
    scan_percent: np.ndarray
    clipped: list[str]
    before: Spread
    after: Spread


def dose_correction(
    x_mm: np.ndarray,
    y_mm: np.ndarray,
    error_percent: np.ndarray,
    *,
    half_size_mm: tuple[float, float] = (13.0, 16.5),
    orders: tuple[int, int] = (6, 6),
    limit_percent: float = 5.0,
) -> DoseCorrection:
    """The bounded profiles that leave the least dose error, mean square, at points (n,) in the field.

    Dose error may be a width's error over its dose sensitivity. Profiles along the slit and along the scan add: a
    scanner sets both at once, but no product of the two. Each weight stays within the limit.
    """
    x, y, e = (np.asarray(v, np.float64) for v in (x_mm, y_mm, error_percent))
    use = np.isfinite(e)
    slit, scan = orders
    if use.sum() < 1 + slit + scan:
        raise InputError(f"{1 + slit + scan} dose set-points need as many points or more, there are {int(use.sum())}")
    shapes = [np.ones((int(use.sum()), 1))]
    shapes += [profile_shapes(n, v[use] / h) for n, v, h in zip(orders, (x, y), half_size_mm, strict=True)]
    columns = np.hstack(shapes)
    if np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise InputError(f"points at {len(set(x[use]))} places along the slit and {len(set(y[use]))} along the scan "
                         f"do not determine profiles of orders {slit} and {scan}: take lower orders")  # fmt: skip
    found = optimize.lsq_linear(columns, -e[use], (-limit_percent, limit_percent), method="bvls").x
    names = ["offset", *(f"slit L{n + 1}" for n in range(slit)), *(f"scan L{n + 1}" for n in range(scan))]
    clipped = [name for name, value in zip(names, found, strict=True) if abs(value) >= limit_percent * (1 - 1e-9)]
    after = e[use] + columns @ found
    return DoseCorrection(
        float(found[0]), found[1 : 1 + slit], found[1 + slit :], clipped, Spread.of(e[use]), Spread.of(after)
    )
