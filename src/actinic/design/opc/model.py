"""The image that edge-based correction goes by: few systems that end at the ambit, set right on a pattern.

What the systems left out and the far light add is nearly the same everywhere. So the image is gain times that of the
leading systems plus an offset, both fitted to the Abbe image of a fixed pattern where its edges are. Then the image
at a point is a function of the mask within the ambit and of nothing else: neither tiles nor windows matter.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial

import jax.numpy as jnp
import numpy as np

from ...config import Hashed, build
from ...forward import Imaging, Process, fast, fast_aerial, thinned
from ...layout import coverage, manhattan
from ...mask import Fast, drawn_spectra, fast_of, transmitted
from ...mask.resolved import plane_phase
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
    fast: Fast | None = None  # of a mask whose topography counts

    def imaging(self, process: Process, grid: Grid, leading: int | None = None, samples: float = SAMPLES) -> Imaging:
        """The process on a tile, nominally exposed, by all systems or fewer; see `SAMPLES`.

        `offset` is to be added to its aerial images.
        """
        process = replace(process, corners=process.corners[:1])
        filters = None if self.fast is None else self._filters(self.fast, process, grid)
        process = thinned(process) if filters is None else process
        shape = samples_of(grid.period_nm, scanner_of(process).na_over_lambda, samples)
        systems = self.ambit.systems(grid.period_nm).astype(np.complex64)[None, :leading]
        shape = tuple(max(n, band.fast_length(size)) for n, size in zip(shape, systems.shape[-2:], strict=True))
        dose = jnp.stack([process.corners[0].dose])
        return Imaging(
            jnp.asarray(systems), jnp.asarray(systems[:, :0]), dose, process, (0,), shape, grid, filters=filters
        )

    def _filters(self, model: Fast, process: Process, grid: Grid):
        """Filters on what is drawn: with openings drawn, or with absorber, whose complement they are."""
        filters, ground = model.filters(grid.period_nm, self.ambit.orders(grid.period_nm))
        if not process.printed_above:
            ky, kx = ((n - 1) // 2 for n in filters.shape[-2:])
            ground = ground + filters[:, 0, ky, kx]
            filters = filters * np.array([-1, 1, 1])[None, :, None, None]
        return tuple(jnp.asarray(part, jnp.complex64) for part in (filters, ground))


def samples_of(period_nm: tuple[float, float], na_over_lambda: float, samples: float = SAMPLES) -> tuple[int, int]:
    """Samples (y, x) of an image on a tile."""
    ny, nx = (band.fast_length(int(samples * 2 * na_over_lambda * extent) * 2 + 1) for extent in period_nm)
    return ny, nx


@lru_cache(2)
def model_of(process: Hashed, ambit_nm: float, leading: int) -> Model:
    """The model of an anchored process, given as plain data."""
    given = build(Process, dict(process), "process")
    thick = fast_of(given.mask, given.scanner) if fast(given) else None
    exact = double(given if thick else thinned(given))
    scanner, focus = scanner_of(exact), float(exact.corners[0].focus_nm)
    turn = None if thick is None else partial(plane_phase, thick.light, thick.plane_nm)
    ambit = ambit_kernels(scanner, ambit_nm, leading, focus, exact.film, turn)
    pupil_nm = 1 / scanner.na_over_lambda
    side, width = int(np.ceil(max(PATTERN * pupil_nm, 2 * ambit_nm))), int(WIDTH * pupil_nm)
    grid = Grid((16 * side // width,) * 2, side / (16 * side // width))
    drawn = [coverage(manhattan(1, grid.window_nm, width, space), grid).astype(float) for space in (width, 3 * width)]
    orders = ambit.orders(grid.period_nm)
    if thick is None:
        amplitudes = np.stack([transmitted(exact.mask, band.mask_spectrum(one, orders)[None]) for one in drawn])
        true = abbe.aerial(scanner, amplitudes, grid, focus, exact.film)
    else:
        spectra = [
            drawn_spectra(one if exact.mask.drawn == "clear" else 1 - one, grid.period_nm, orders) for one in drawn
        ]
        amplitudes = np.stack([thick.amplitudes(one, grid.period_nm) for one in spectra])
        true = fast_aerial(given, np.stack(spectra), grid, focus)
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
    return Model(replace(ambit, kernels=np.sqrt(gain) * ambit.kernels), float(offset), rms, slope, thick)


def _steepness(images: np.ndarray, grid: Grid) -> np.ndarray:
    steps = [extent / n for extent, n in zip(grid.period_nm, images.shape[1:], strict=True)]
    return np.hypot(*np.gradient(images, *steps, axis=(1, 2)))
