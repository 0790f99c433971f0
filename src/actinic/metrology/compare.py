"""Two masks at the same gauges: whether their errors differ, when neighbouring gauges are not independent."""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError

DRAWS, LEAST_BLOCKS, SEED = 2000, 8, 0


@dataclass(frozen=True)
class Equivalence:
    """Mean of a difference in nm with its 90 % interval; `equivalent` if that lies within +-margin.

    An interval of 90 % inside the margin is two one-sided tests at 5 % each (TOST; Schuirmann 1987). None: fewer than
    8 blocks, too few to say.
    """

    difference_nm: float
    low_nm: float | None
    high_nm: float | None
    margin_nm: float
    blocks: int
    equivalent: bool | None


def equivalence(
    difference_nm: np.ndarray, x_nm: np.ndarray, y_nm: np.ndarray, block_nm: float, margin_nm: float
) -> Equivalence:
    """Whether the mean of differences (n,) at gauges is zero to within a margin, by bootstrap over square blocks.

    Gauges in one block share their optics and are drawn together, so the interval is right as long as blocks are
    wider than the errors' correlation; 2000 draws from a fixed seed, percentile interval of the ratio of sums.
    """
    if not (margin_nm > 0 and block_nm > 0):
        raise ConfigError(f"an equivalence test needs a margin and blocks above 0, not {margin_nm:g} and {block_nm:g}")
    if not difference_nm.size:
        raise ConfigError("no gauges to compare in this window")
    cell = np.stack([np.floor(v / block_nm).astype(np.int64) for v in (x_nm, y_nm)], 1)
    _, block = np.unique(cell, axis=0, return_inverse=True)
    sums, counts = np.bincount(block.ravel(), difference_nm), np.bincount(block.ravel())
    mean = float(difference_nm.mean())
    if counts.size < LEAST_BLOCKS:
        return Equivalence(mean, None, None, margin_nm, counts.size, None)
    drawn = np.random.default_rng(SEED).integers(0, counts.size, (DRAWS, counts.size))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = (float(v) for v in np.percentile(means, (5, 95)))
    return Equivalence(mean, low, high, margin_nm, counts.size, bool(-margin_nm < low and high < margin_nm))
