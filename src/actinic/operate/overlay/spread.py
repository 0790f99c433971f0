"""What is said of overlay along one axis."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Of values in nm: mean, standard deviation, |mean| + 3 sigma, 99.7 % quantile and largest of |value|."""

    points: int
    mean_nm: float
    sigma_nm: float
    mean_3sigma_nm: float
    p997_nm: float
    max_nm: float
    rms_nm: float

    @classmethod
    def of(cls, values: np.ndarray, weight: np.ndarray | None = None) -> "Spread":
        """NaN is left out; `weight` weighs mean and sigma, and what has none is left out."""
        use = np.isfinite(values) if weight is None else np.isfinite(values) & (weight > 0)
        v = np.asarray(values, np.float64)[use]
        if not v.size:
            return cls(0, *[float("nan")] * 6)
        w = np.ones(v.size) if weight is None else weight[use]
        mean = float(np.average(v, weights=w))
        square = float(np.average(v * v, weights=w))
        sigma = float(np.sqrt(np.average((v - mean) ** 2, weights=w)))
        size = np.abs(v)
        return cls(v.size, mean, sigma, abs(mean) + 3 * sigma, float(np.quantile(size, 0.997)), float(size.max()),
                   float(np.sqrt(square)))  # fmt: skip
