"""The image that edge-based correction goes by: few systems that end at the ambit, set right on a pattern.

What the systems left out and the far light add is nearly the same everywhere. So the image is gain times that of the
leading systems plus an offset, both fitted to the Abbe image of a fixed pattern where its edges are. Then the image
at a point is a function of the mask within the ambit and of nothing else: neither tiles nor windows matter.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ...config import Hashed, build
from ...forward import Imaging, Process, thinned
from ...layout import coverage, manhattan
from ...mask import transmitted
from ...optics import Ambit, abbe, ambit_kernels, band
from ...types import Grid, double
from ..images import scanner_of

# Samples a period of the highest frequency that edges in an image have, 2 NA / lambda: more than the least, since the
# systems that are left out would cancel what the others hold beyond it (interpolated images then agree to 1e-5).
SAMPLES = 1.55
# The pattern: its side and the widths and spaces it is made of, in lambda / NA.
PATTERN, WIDTH = 14.0, 0.5
# Latent images this near to the threshold, of their range, are at an edge.
NEAR = 0.05


@dataclass(frozen=True)
class Model:
    """Kernels with the gain in them, the offset, and what was measured on the pattern's edges.

    `rms` of what is left of the difference to Abbe's image, clear field 1; `slope_per_nm`, the usual slope of the
    latent image across an edge.
    """

    ambit: Ambit
    offset: float
    rms: float
    slope_per_nm: float

    def imaging(self, process: Process, grid: Grid, leading: int | None = None, samples: float = SAMPLES) -> Imaging:
        """The process on a tile, nominally exposed, by all systems or fewer; see `SAMPLES`.

        `offset` is to be added to its aerial images.
        """
        process = thinned(replace(process, corners=process.corners[:1]))
        shape = samples_of(grid.period_nm, scanner_of(process).na_over_lambda, samples)
        systems = self.ambit.systems(grid.period_nm).astype(np.complex64)[None, :leading]
        shape = tuple(max(n, band.fast_length(size)) for n, size in zip(shape, systems.shape[-2:], strict=True))
        dose = jnp.stack([process.corners[0].dose])
        return Imaging(jnp.asarray(systems), jnp.asarray(systems[:, :0]), dose, process, (0,), shape, grid)


def samples_of(period_nm: tuple[float, float], na_over_lambda: float, samples: float = SAMPLES) -> tuple[int, int]:
    """Samples (y, x) of an image on a tile."""
    ny, nx = (band.fast_length(int(samples * 2 * na_over_lambda * extent) * 2 + 1) for extent in period_nm)
    return ny, nx


@lru_cache(2)
def model_of(process: Hashed, ambit_nm: float, leading: int) -> Model:
    """The model of an anchored process, given as plain data."""
    exact = double(thinned(build(Process, dict(process), "process")))
    scanner, focus = scanner_of(exact), float(exact.corners[0].focus_nm)
    ambit = ambit_kernels(scanner, ambit_nm, leading, focus, exact.film)
    pupil_nm = 1 / scanner.na_over_lambda
    side, width = int(np.ceil(max(PATTERN * pupil_nm, 2 * ambit_nm))), int(WIDTH * pupil_nm)
    grid = Grid((16 * side // width,) * 2, side / (16 * side // width))
    spectra = [
        band.mask_spectrum(
            coverage(manhattan(1, grid.window_nm, width, space), grid).astype(float), ambit.orders(grid.period_nm)
        )
        for space in (width, 3 * width)
    ]
    amplitudes = np.stack([transmitted(exact.mask, spectrum[None]) for spectrum in spectra])
    true = abbe.aerial(scanner, amplitudes, grid, focus, exact.film)
    shape = samples_of(grid.period_nm, scanner.na_over_lambda)
    systems = ambit.systems(grid.period_nm)
    own = np.stack([band.intensity(systems, amplitude, shape) for amplitude in amplitudes])
    up = [band.interpolation(n, np.arange(m) / m) for n, m in zip(true.shape[1:], shape, strict=True)]
    true = np.stack([up[0] @ image @ up[1].T for image in true])
    weight = _steepness(true, grid) ** 2
    gain, offset = np.polyfit(own.ravel(), true.ravel(), 1, w=np.sqrt(weight).ravel())
    rms = float(np.sqrt(np.average((gain * own + offset - true) ** 2, weights=weight)))
    latent = np.stack([exact.resist.latent(float(exact.corners[0].dose) * image, grid.period_nm) for image in true])
    near = np.abs(latent - float(exact.resist.threshold)) < NEAR * np.ptp(latent)
    slope = float(np.median(_steepness(latent, grid)[near])) if near.any() else 0.0
    return Model(replace(ambit, kernels=np.sqrt(gain) * ambit.kernels), float(offset), rms, slope)


def _steepness(images: np.ndarray, grid: Grid) -> np.ndarray:
    steps = [extent / n for extent, n in zip(grid.period_nm, images.shape[1:], strict=True)]
    return np.hypot(*np.gradient(images, *steps, axis=(1, 2)))
