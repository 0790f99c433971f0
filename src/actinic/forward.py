"""From layout to print: the file to read first.

A Process is everything between the drawn polygons and the printed ones: scanner, mask, resist, and the
corners of the process window that count. On a Grid it becomes an Imaging, whose methods are the
chain itself:

    coverage  --mask_spectrum-->  few Fourier coefficients  --systems-->  aerial  --resist-->  latent

Coverage is an array [y, x] of area fractions of the polygons, [layer, y, x] for a mask of several layers; aerial
and latent are band-limited samples on the smallest grid that holds them, and `pixels` or `points` brings them
where they are wanted. All of it is differentiable in the coverage, the doses and the resist.
"""

from collections.abc import Callable, Sequence
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
from .mask import (
    AlternatingPSM,
    Mask,
    Phases,
    Reflective,
    Window,
    assign_phases,
    clear_field,
    dense_line,
    drawn_spectra,
    fast_of,
    made,
    resolve,
    transmitted,
)
from .optics import FilmStack, KernelFile, Points, Scanner, abbe, band, decompose, stray_light
from .resist import DenseLine, Noise, Resist
from .types import Grid, Image, Scalar, double, leaf

# Extent over which the anchor's dense lines count as coherent with each other, and the same in lambda / NA.
REPEATS_NM, REPEATS = 8000.0, 60.0
# The same on a thick mask, whose source points cost more.
REPEATS_THICK = 20.0
# Samples of an anchor's line on a thick mask.
LINE_SAMPLES = 720


class Corner(eqx.Module):
    """One condition of the process window; dose 1 is nominal, focus positive with the wafer away.

    `mask_bias_nm`, how far every mask edge stands out, and `weight`, a probability but for a common factor, count where
    objectives are taken over corners (see `design.objective`); printing refuses a bias (see `prepare`).
    """

    name: str = eqx.field(static=True)
    dose: Annotated[Scalar, Field(gt=0, lt=10)] = leaf(default=1.0)
    focus_nm: Annotated[Scalar, Field(ge=-5000, le=5000, json_schema_extra={"unit": "nm"})] = leaf(default=0.0)
    mask_bias_nm: Annotated[Scalar, Field(ge=-100, le=100, json_schema_extra={"unit": "nm"})] = leaf(default=0.0)
    weight: Annotated[Scalar, Field(gt=0, le=1e6)] = leaf(default=1.0)


class Process(eqx.Module):
    """What stands between a layout and its print. The first corner is the nominal one."""

    scanner: Annotated[Scanner | KernelFile, Field(discriminator="kind")]
    mask: Mask
    resist: Resist
    corners: tuple[Corner, ...]
    film: FilmStack | None = None
    noise: Noise | None = None

    def __check_init__(self):
        if not self.corners:
            raise ValueError("corners: give at least the nominal one")
        if self.film is not None and getattr(self.scanner, "polarisation", None) is None:
            raise ValueError("a film needs vector imaging: give the scanner a polarisation, such as unpolarised")
        if isinstance(self.mask, Reflective) and not isinstance(self.scanner, Scanner):
            raise ValueError("a reflecting mask needs a scanner: the kernels of a file tell no wavelength")

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


# First row and one after the last, and the same of the columns.
Part = tuple[tuple[int, int], tuple[int, int]]


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
    part: Part | None = eqx.field(static=True, default=None)  # of the grid's pixels, those that count
    stray: jax.Array | None = None  # (focus,) intensity that flare adds
    filters: tuple[jax.Array, jax.Array] | None = None  # of a fast mask, see `mask.Fast.filters`

    @property
    def orders(self) -> tuple[int, int]:
        """Highest diffraction orders (ky, kx) that pass the lens."""
        ky, kx = ((n - 1) // 2 for n in self.systems.shape[-2:])
        return ky, kx

    def images(self, systems, spectra):
        """Intensity samples (focus, y, x) of some of the systems from coefficients of the coverage (2ky+1, 2kx+1).

        Of a fast mask from those of what is drawn and its edges, (3, 2ky+1, 2kx+1).
        """
        if self.filters is None:
            amplitude = transmitted(self.process.mask, spectra)
        else:
            filters, ground = self.filters
            ky, kx = self.orders
            amplitude = (filters * spectra[None]).sum(1).at[:, ky, kx].add(ground)
        return jnp.stack([band.intensity(s, amplitude, self.shape) for s in systems])

    def _images(self, systems, covered):
        spectra = _over_leading(lambda layer: band.mask_spectrum(layer, self.orders, self.process.dots), covered)
        return self.images(systems, spectra)

    def tail_image(self, covered):
        """What the tail adds to the intensity samples (focus, y, x)."""
        return self._images(self.tail, covered)

    def aerial(self, covered, rest=None):
        """Coverage [y, x] -> intensity samples (focus, y, x) at dose 1."""
        image = self._images(self.systems, covered) + (self.tail_image(covered) if rest is None else rest)
        return image if self.stray is None else image + self.stray[:, None, None]

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
        """Samples (..., y, x) on the pixels of the grid, or of its part."""
        return _over_leading(lambda s: band.to_pixels(s, self.grid, self.process.dots, self.part), samples)

    def points(self, samples, x_nm: np.ndarray, y_nm: np.ndarray):
        """Samples (..., y, x) at scattered points (n,) -> (..., n)."""
        return _over_leading(lambda s: band.to_points(s, self.grid, x_nm, y_nm), samples)


def _over_leading(function, samples):
    return jnp.stack([_over_leading(function, s) for s in samples]) if samples.ndim > 2 else function(samples)


def prepare(process: Process, grid: Grid, data: Path | None = None, leading: int = 32) -> Imaging:
    """Compute the coherent systems of a process on a grid in float64 and keep them in float32.

    `leading` is how many of them count as leading, `data` the folder that holds a KernelFile's file.
    """
    process = anchored(without_bias(process))
    focus_of, distinct = distinct_focus(process)
    scanner, period, stray = process.scanner, grid.period_nm, None
    if isinstance(scanner, KernelFile):
        if any(abs(extent - scanner.period_nm) > 1e-6 for extent in period):
            raise ConfigError(f"these kernels belong to a tile of {scanner.period_nm:g} nm, not {period}")
        sets = [scanner.load((data or Path()) / scanner.file, focus) for focus in distinct]
        shape = tuple(band.fast_length(2 * n - 1) for n in sets[0].shape[1:])
    else:
        sets = [decompose(scanner, period, focus, process.film)[0] for focus in distinct]
        shape = band.image_shape(period, scanner.na_over_lambda)
        if scanner.flare is not None:
            stray = jnp.array([stray_light(scanner, focus, process.film) for focus in distinct])
    systems = np.stack(sets).astype(np.complex64)
    dose = jnp.stack([corner.dose**process.dose_power for corner in process.corners])
    first, rest = jnp.asarray(systems[:, :leading]), jnp.asarray(systems[:, leading:])
    return Imaging(first, rest, dose, thinned(process), focus_of, shape, grid, stray=stray)


def thinned(process: Process) -> Process:
    """The same process with the thin mask that stands for a reflecting one; ConfigError where its model is not thin."""
    mask = process.mask
    if not isinstance(mask, Reflective):
        return process
    if mask.model != "thin":
        raise ConfigError(f'a {mask.model} mask model cannot do this; use process.mask.model = "thin"')
    return replace(process, mask=mask.thin(process.scanner.projector))


def without_bias(process: Process) -> Process:
    """The same process; ConfigError where a corner has a mask bias, which one mask cannot have."""
    for corner in process.corners:
        if float(double(corner.mask_bias_nm)):
            raise ConfigError(
                f"corner {corner.name!r}: mask_bias_nm counts in source-mask optimisation only; leave the corner out"
            )
    return process


def distinct_focus(process: Process, focus_nm: Sequence[float] | None = None) -> tuple[tuple[int, ...], list[float]]:
    """For each focus (the corners' if not given) its index among the distinct ones; +-z are one if they image alike."""
    focus = list(focus_nm) if focus_nm is not None else [float(double(c.focus_nm)) for c in process.corners]
    mask = double(process.mask)
    real = not isinstance(mask, Reflective) and all(abs(np.imag(amplitude)) < 1e-9 for amplitude in mask.amplitudes())
    # A film counts the depth from one side.
    symmetric = isinstance(process.scanner, Scanner) and process.film is None and process.scanner.focus_symmetric()
    if real and symmetric:
        focus = [abs(f) for f in focus]
    distinct = list(dict.fromkeys(focus))
    return tuple(distinct.index(f) for f in focus), distinct


def anchored(process: Process) -> Process:
    """The same process with its resist set to size on its anchor, if it had no threshold or dose."""
    if process.resist.anchored:
        return process
    return replace(process, resist=process.resist.on_size(_at_edge(process, process.resist.anchor)))


def edge_intensity(process: Process, line: DenseLine) -> float:
    """Latent intensity at the edge of a dense line along y, at dose 1 and the anchor's focus, float64."""
    return _at_edge(process, line)(process.resist)


def _at_edge(process: Process, line: DenseLine) -> Callable[[Resist], float]:
    """What a resist sees at the edge of a dense line along y, at dose 1 and the anchor's focus, float64."""
    cd, pitch, focus = (float(double(v)) for v in (line.cd_nm, line.pitch_nm, line.focus_nm))
    period, layers = dense_line(process.mask, cd, pitch)
    grid = Grid((1, 1), period)
    # One period is the whole tile, but the source is sampled as for a tile of many.
    far = min(REPEATS_NM, (REPEATS_THICK if rigorous(process) else REPEATS) / process.scanner.na_over_lambda)
    tile = period, int(np.ceil(far / period)) * period
    machine = replace(process.scanner, source=Points(*process.scanner.source_points(tile)))
    limit = band.order_limit(grid.period_nm, 2 * machine.na_over_lambda)
    spectra = np.zeros([len(layers), *(2 * k + 1 for k in limit)], complex)
    order = np.arange(-limit[1], limit[1] + 1)
    for spectrum, pieces in zip(spectra, layers, strict=True):
        for centre, width in pieces:
            wave = width / period * np.sinc(order * width / period) * np.exp(-2j * np.pi * order * centre / period)
            spectrum[limit[0]] += wave
    if fast(process):
        drawn = drawn_spectra(_line_openings(process, cd, period), grid.period_nm, (0, limit[1]))
        samples = fast_aerial(process, drawn, grid, focus, machine)
    elif rigorous(process):
        samples = thick_aerial(replace(process, scanner=machine), _line_openings(process, cd, period), grid, focus)
    else:
        samples = abbe.aerial(machine, transmitted(double(thinned(process).mask), spectra), grid, focus, process.film)
    row = samples[:1]  # nothing varies along the line

    def at_edge(resist) -> float:
        latent = double(resist).latent(row, (1.0, period))[0]
        return float(band.interpolation(len(latent), np.array([0.5 * cd / period]))[0] @ latent)

    return at_edge


def rigorous(process: Process) -> bool:
    """Whether the mask's topography is to be solved for (see `thick_aerial`)."""
    return isinstance(process.mask, Reflective) and process.mask.model == "rigorous"


def fast(process: Process) -> bool:
    """Whether the mask's topography counts by filters (see `fast_aerial`)."""
    return isinstance(process.mask, Reflective) and process.mask.model == "fast"


def fast_aerial(
    process: Process, drawn: np.ndarray, grid: Grid, focus_nm: float = 0.0, scanner: Scanner | None = None
) -> np.ndarray:
    """Intensity samples (..., ny', nx') float64 of reflecting masks by the fast model of their topography, by Abbe.

    `drawn` (..., 3, 2ky+1, 2kx+1) are the spectra of openings and their edges (`mask.drawn_spectra`), for all orders
    that pass. `scanner` is one with source points of its own, in place of the process's.
    """
    if process.film is not None:
        raise ConfigError("thick masks are imaged without a film: take process.film out")
    model, period = fast_of(process.mask, process.scanner), grid.period_nm
    machine = double(process.scanner if scanner is None else scanner)
    three = np.stack([model.amplitudes(one, period) for one in drawn.reshape(-1, *drawn.shape[-3:])])
    found = abbe.by_source(machine, lambda points: model.over_source(three, points, period), grid, focus_nm)
    return found.reshape(*drawn.shape[:-3], *found.shape[-2:])


def thick_aerial(process: Process, openings: np.ndarray, grid: Grid, focus_nm: float = 0.0) -> np.ndarray:
    """Intensity samples (ny', nx') float64 of one periodic cell of a reflecting mask, its topography solved for.

    `openings` [y, x] are area fractions without absorber over the period of `grid`, whatever their number; one row or
    one column stands for lines. ConfigError for a film or optics that this cannot do.
    """
    if process.film is not None:
        raise ConfigError("rigorous masks are imaged without a film: take process.film out")
    scanner = double(process.scanner)
    orders = scanner.orders(grid.period_nm, scanner.source_points(grid.period_nm)[0])
    orders = tuple(0 if n == 1 else k for n, k in zip(openings.shape, orders, strict=True))
    found = resolve(process.mask, scanner, openings, grid.period_nm, orders)
    return abbe.resolved(scanner, found, clear_field(process.mask, scanner), grid, focus_nm)


def _line_openings(process: Process, cd_nm: float, period_nm: float) -> np.ndarray:
    """One row over a period with the drawn line across its corner, where its centre is."""
    edges = np.linspace(0, period_nm, LINE_SAMPLES + 1)
    width = cd_nm + 2 * process.mask.bias_nm
    inside = sum(np.clip(edges - (c - width / 2), 0, width) for c in (0.0, period_nm))
    covered = np.diff(inside)[None] * (LINE_SAMPLES / period_nm)
    return covered if process.printed_above else 1 - covered


def phases(process: Process, drawn: Layout, window_nm: Window | None = None) -> Phases:
    """The drawn openings of an alternating mask shared out between its two phases, and the conflicts.

    With a window the layout is a periodic tile. ConfigError for a mask of another kind or drawn dark.
    """
    mask = process.mask
    if not isinstance(mask, AlternatingPSM) or mask.drawn == "dark":
        raise ConfigError("only the openings of an alternating mask take phases; draw its shifted glass as a layer")
    distance = mask.neighbour_nm
    if distance is None:
        if not isinstance(process.scanner, Scanner):
            raise ConfigError("mask.neighbour_nm: say how near openings need opposite phases; these optics have no NA")
        distance = 1 / process.scanner.na_over_lambda
    return assign_phases(drawn, distance, window_nm)


def mask_layers(process: Process, drawn: Layout | tuple[Layout, ...], window_nm: Window) -> tuple[Layout, ...]:
    """The transmitting polygons of each layer of the mask; the window is taken as a periodic tile.

    Of an alternating mask one layer of openings is shared out between the phases (see `phases`).
    """
    layers = drawn if isinstance(drawn, tuple) else (drawn,)
    if isinstance(process.mask, AlternatingPSM) and len(layers) == 1:
        layers = phases(process, layers[0], window_nm).layers
    return made(process.mask, layers, window_nm)


class Stages(eqx.Module):
    """Every stage of one exposure on the pixels of a grid."""

    coverage: Image
    aerial: Image
    latent: Image
    printed: Image


def expose(process: Process, layout: Layout | tuple[Layout, ...], grid: Grid, corner: int = 0) -> Stages:
    """Print a layout, or the layers of one, at one corner; the grid's window is taken as a periodic tile.

    The layers are made as by `mask_layers`.
    """
    imaging = prepare(process, grid)
    layers = [coverage(layer, grid) for layer in mask_layers(process, layout, grid.window_nm)]
    covered = jnp.asarray(layers[0] if len(layers) == 1 else np.stack(layers))
    aerial = imaging.pixels(imaging.aerial(covered)[imaging.focus_of[corner]])
    latent = imaging.pixels(imaging.latent(covered)[corner])
    printed = (latent >= imaging.process.resist.threshold) == process.printed_above
    return Stages(
        Image(sum(jnp.asarray(layer) for layer in layers), grid, "coverage"),
        Image(aerial, grid, "aerial"),
        Image(latent, grid, "latent"),
        Image(printed.astype(jnp.float32), grid, "printed"),
    )
