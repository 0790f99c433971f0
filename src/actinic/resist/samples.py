"""Band-limited samples on a finer grid of the same period."""

import numpy as np

from ..optics import band


def resampled(samples, shape: tuple[int, int]):
    """Samples (..., y, x) at j P / n brought to n' of `shape`, at least as many; exact for a band below n / 2."""
    uy, ux = (
        band.interpolation(n, np.arange(m) / m).astype(samples.dtype)
        for n, m in zip(samples.shape[-2:], shape, strict=True)
    )
    return uy @ samples @ ux.T
