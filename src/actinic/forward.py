"""From layout to print: the file to read first.

A Process is everything between the drawn polygons and the printed ones: scanner, mask, resist, and the
corners of the process window that count. On a Grid it becomes an Imaging, whose methods are the
chain itself:

    coverage  --mask_spectrum-->  few Fourier coefficients  --systems-->  aerial  --resist-->  latent

Coverage is an array [y, x] of area fractions of the drawn polygons; aerial and latent are band-limited
samples on the smallest grid that holds them, and `pixels` or `points` brings them where they are wanted.
All of it is differentiable in the coverage, the doses and the resist.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from .errors import ConfigError
from .layout import Layout, coverage
from .mask import Mask, transmitted
from .optics import KernelFile, Scanner, abbe, band, decompose
from .resist import DenseLine, Resist
from .types import Grid, Image, Scalar, double, leaf


class Corner(eqx.Module):
    """One condition of the process window; dose 1 is nominal, focus positive with the wafer away."""

    name: str = eqx.field(static=True)
    dose: Annotated[Scalar, Field(gt=0, lt=10)] = leaf(default=1.0)
    focus_nm: Annotated[Scalar, Field(ge=-5000, le=5000, json_schema_extra={"unit": "nm"})] = leaf(default=0.0)


class Process(eqx.Module):
    """What stands between a layout and its print. The first corner is the nominal one."""

    scanner: Annotated[Scanner | KernelFile, Field(discriminator="kind")]
    mask: Mask
    resist: Resist
    corners: tuple[Corner, ...]

    def __check_init__(self):
        if not self.corners:
            raise ValueError("corners: give at least the nominal one")

    @property
    def printed_above(self) -> bool:
        """Whether the drawn feature ends where the intensity is above the threshold."""
        return self.mask.drawn == "clear"

    @property
    def dots(self) -> int | None:
        """Point samples a period when the mask is a bitmap, as the contest's; None for true polygons."""
        return self.scanner.dots if isinstance(self.scanner, KernelFile) else None

    @property
    def dose_power(self) -> int:
        """The contest's dose scales the amplitude, everyone else's the intensity."""
        return 2 if isinstance(self.scanner, KernelFile) else 1


class Imaging(eqx.Module):
    """A process on one grid: coherent systems for every focus that differs, ready to be differentiated.

    The leading systems carry nearly all of the image, the tail the small and nearly uniform rest. A solver
    may keep the tail's image fixed for a while (`tail_image`, handed in as `rest`) and pay for the leading
    ones only; by default everything is summed and the image is that of the Abbe reference.
    """

    systems: jax.Array  # complex64 (focus, kernel, fy, fx)
    tail: jax.Array  # complex64 (focus, kernel, fy, fx)
    dose: jax.Array  # (corner,) factor on the intensity
    process: Process
    focus_of: tuple[int, ...] = eqx.field(static=True)  # for each corner, which focus
    shape: tuple[int, int] = eqx.field(static=True)  # of the coarse samples
    grid: Grid = eqx.field(static=True)

    def _images(self, systems, covered):
        orders = tuple((n - 1) // 2 for n in systems.shape[-2:])
        amplitude = transmitted(self.process.mask, band.mask_spectrum(covered, orders, self.process.dots))
        return jnp.stack([band.intensity(s, amplitude, self.shape) for s in systems])

    def tail_image(self, covered):
        """What the tail adds to the intensity samples (focus, y, x)."""
        return self._images(self.tail, covered)

    def aerial(self, covered, rest=None):
        """Coverage [y, x] -> intensity samples (focus, y, x) at dose 1."""
        return self._images(self.systems, covered) + (self.tail_image(covered) if rest is None else rest)

    def seen(self, aerial):
        """Intensity samples (focus, y, x) at dose 1 -> latent samples (corner, y, x)."""
        resist, period, focus = self.process.resist, self.grid.period_nm, np.array(self.focus_of)
        if resist.linear:
            return self.dose[:, None, None] * jnp.stack([resist.latent(image, period) for image in aerial])[focus]
        return self._printed_into(aerial[focus], self.dose)

    def _printed_into(self, images, dose):
        """Latent samples of images (n, y, x) at their own doses (n,), one after the other, compiled once."""
        resist, period = self.process.resist, self.grid.period_nm
        return jax.lax.map(lambda exposed: resist.latent(exposed[1] * exposed[0], period), (images, dose))

    def latent(self, covered, rest=None):
        """Coverage [y, x] -> what the resist sees at every corner, samples (corner, y, x)."""
        return self.seen(self.aerial(covered, rest))

    def envelope(self, covered, rest=None):
        """What the resist sees nominally, and its least and most over the corners, on the pixels.

        Coverage [y, x] -> nominal samples, and nominal, lowest and highest pixels [y, x]. More light makes more of
        a latent image (of a compact one as long as its terms are small), so of a focus the extreme doses count.
        """
        resist, aerial, first = self.process.resist, self.aerial(covered, rest), self.focus_of[0]
        lowest, highest = self.dose_range()
        if resist.linear:
            samples = jnp.stack([resist.latent(image, self.grid.period_nm) for image in aerial])
            images = self.pixels(samples)
            low, high = (dose[:, None, None] * images for dose in (lowest, highest))
            return self.dose[0] * samples[first], self.dose[0] * images[first], low.min(0), high.max(0)
        images = jnp.concatenate([aerial[first][None], aerial, aerial])
        samples = self._printed_into(images, jnp.concatenate([self.dose[:1], lowest, highest]))
        nominal, low, high = jnp.split(self.pixels(samples), [1, 1 + len(aerial)])
        return samples[0], nominal[0], low.min(0), high.max(0)

    def dose_range(self):
        """Lowest and highest dose factor over the corners of each focus, (focus,) each."""
        of_focus = [
            jnp.stack([self.dose[c] for c, f in enumerate(self.focus_of) if f == focus])
            for focus in range(len(self.systems))
        ]
        return jnp.stack([d.min() for d in of_focus]), jnp.stack([d.max() for d in of_focus])

    def pixels(self, samples):
        """Samples (..., y, x) on the pixels of the grid."""
        return _over_leading(lambda s: band.to_pixels(s, self.grid, self.process.dots), samples)

    def points(self, samples, x_nm: np.ndarray, y_nm: np.ndarray):
        """Samples (..., y, x) at scattered points (n,) -> (..., n)."""
        return _over_leading(lambda s: band.to_points(s, self.grid, x_nm, y_nm), samples)


def _over_leading(function, samples):
    return jnp.stack([_over_leading(function, s) for s in samples]) if samples.ndim > 2 else function(samples)


def prepare(process: Process, grid: Grid, data: Path | None = None, leading: int = 32) -> Imaging:
    """Compute the coherent systems of a process on a grid in float64 and keep them in float32.

    `leading` is how many of them count as leading, `data` the folder that holds a KernelFile's file.
    """
    process = anchored(process)
    focus_of, distinct = distinct_focus(process)
    scanner, period = process.scanner, grid.period_nm
    if isinstance(scanner, KernelFile):
        if any(abs(extent - scanner.period_nm) > 1e-6 for extent in period):
            raise ConfigError(f"these kernels belong to a tile of {scanner.period_nm:g} nm, not {period}")
        sets = [scanner.load((data or Path()) / scanner.file, focus) for focus in distinct]
        shape = tuple(band.fast_length(2 * n - 1) for n in sets[0].shape[1:])
    else:
        sets = [decompose(scanner, period, focus)[0] for focus in distinct]
        shape = band.image_shape(period, scanner.na_over_lambda)
    systems = np.stack(sets).astype(np.complex64)
    dose = jnp.stack([corner.dose**process.dose_power for corner in process.corners])
    return Imaging(
        jnp.asarray(systems[:, :leading]), jnp.asarray(systems[:, leading:]), dose, process, focus_of, shape, grid
    )


def distinct_focus(process: Process) -> tuple[tuple[int, ...], list[float]]:
    """For each corner the index of its focus among the distinct ones; +z and -z are one where they image alike."""
    focus = [float(double(corner.focus_nm)) for corner in process.corners]
    around, inside = double(process.mask).amplitudes()
    real = abs(np.imag(around)) + abs(np.imag(inside)) < 1e-9
    if real and isinstance(process.scanner, Scanner) and process.scanner.focus_symmetric():
        focus = [abs(f) for f in focus]
    distinct = list(dict.fromkeys(focus))
    return tuple(distinct.index(f) for f in focus), distinct


def anchored(process: Process) -> Process:
    """The same process with its resist set to size on its anchor, if it had no threshold or dose."""
    if process.resist.anchored:
        return process
    return replace(process, resist=process.resist.on_size(_at_edge(process, process.resist.anchor)))


def edge_intensity(process: Process, line: DenseLine) -> float:
    """Latent intensity at the edge of a dense line along y, at best focus and dose 1, float64."""
    return _at_edge(process, line)(process.resist)


def _at_edge(process: Process, line: DenseLine) -> Callable[[Resist], float]:
    """What a resist's latent image is at the edge of a dense line along y, at best focus and dose 1, float64."""
    cd, pitch = float(double(line.cd_nm)), float(double(line.pitch_nm))
    repeats = int(np.ceil(8000 / pitch))
    grid = Grid((1, repeats), pitch)
    limit = band.order_limit(grid.period_nm, 2 * process.scanner.na_over_lambda)
    spectrum = np.zeros([2 * k + 1 for k in limit], complex)
    order = np.arange(-(limit[1] // repeats), limit[1] // repeats + 1)
    spectrum[limit[0], limit[1] + repeats * order] = cd / pitch * np.sinc(order * cd / pitch)
    samples = abbe.aerial(process.scanner, transmitted(double(process.mask), spectrum), grid)

    # Nothing varies along the line and all pitches are alike: one row of one pitch stands for them.
    count = band.fast_length(2 * limit[1] // repeats + 1)
    row = band.to_points(samples, grid, np.arange(count) / count * pitch, np.zeros(count))[None]

    def at_edge(resist) -> float:
        latent = double(resist).latent(row, (1.0, pitch))[0]
        return float(band.interpolation(len(latent), np.array([0.5 * cd / pitch]))[0] @ latent)

    return at_edge


class Stages(eqx.Module):
    """Every stage of one exposure on the pixels of a grid."""

    coverage: Image
    aerial: Image
    latent: Image
    printed: Image


def expose(process: Process, layout: Layout, grid: Grid, corner: int = 0) -> Stages:
    """Print a layout at one corner; the grid's window is taken as a periodic tile."""
    imaging = prepare(process, grid)
    covered = jnp.asarray(coverage(layout, grid))
    aerial = imaging.pixels(imaging.aerial(covered)[imaging.focus_of[corner]])
    latent = imaging.pixels(imaging.latent(covered)[corner])
    printed = (latent >= imaging.process.resist.threshold) == process.printed_above
    return Stages(
        Image(covered, grid, "coverage"),
        Image(aerial, grid, "aerial"),
        Image(latent, grid, "latent"),
        Image(printed.astype(jnp.float32), grid, "printed"),
    )
