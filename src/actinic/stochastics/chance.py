"""One exposure left to chance: photons absorbed, acid made, quencher there, and what of the film then clears.

A voxel is a column through the film, a pixel wide. Absorbed photons are Poisson numbers about the mean image. In
a chemically amplified resist electrons spread what they do, and each acid generator, themselves scattered at random, is
converted or not: the acid is then a Poisson number too, about generators times the chance of conversion 1 - exp(-C E),
with E the exposure that the photons that did come make (thinning of a Poisson process; Kingman, Poisson Processes,
1993, section 5.1). So is quencher. The bake and what clears are those of the resist's own model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ConfigError
from ..forward import Process, anchored
from ..optics import KernelFile
from ..resist import ChemicalResist, photons_per_nm2
from ..types import double

Source = Literal["photons", "acid", "quencher"]
SOURCES = get_args(Source)
# Draws that are computed at a time take about so many pixels.
PIXELS = 1 << 18


@dataclass(frozen=True)
class Tilt:
    """Logarithms by which mean numbers are changed, each (y, x) or 0: of photons, acid and quencher."""

    photons: np.ndarray | float = 0.0
    acid: np.ndarray | float = 0.0
    quencher: np.ndarray | float = 0.0

    def times(self, factor: float) -> "Tilt":
        return Tilt(factor * self.photons, factor * self.acid, factor * self.quencher)


@dataclass(frozen=True)
class Film:
    """A process's film of square pixels: how many photons a clear one absorbs, generators and quencher it holds.

    `acids_a_photon` is what Dill's C comes to in weak light, None of a resist without acid. `sources` are what is
    left to chance; the rest is at its mean.
    """

    process: Process
    pixel_nm: float
    dose_mj_cm2: float
    absorbed: float
    photons: float
    generators: float
    acids_a_photon: float | None
    sources: tuple[Source, ...] = SOURCES

    @property
    def chemical(self) -> bool:
        return isinstance(self.process.resist, ChemicalResist)

    @property
    def above(self) -> bool:
        """Whether the drawn feature is where the film clears, or is bright."""
        return self.process.printed_above

    @cached_property
    def reach_nm(self) -> float:
        """How far a photon's effect is felt: four times the whole blur."""
        return 4 * _blur_nm(self.process.resist)

    def on(self, image: np.ndarray) -> "Chance":
        """The film under a mean image [y, x], dose included, of any extent; it is taken as periodic."""
        return Chance(self, np.maximum(np.asarray(image, np.float64), 0.0))


def film(
    process: Process,
    pixel_nm: float | None = None,
    dose_mj_cm2: float | None = None,
    sources: tuple[Source, ...] = SOURCES,
) -> Film:
    """The film of a process, its resist set to size.

    With `dose_mj_cm2` that is the exposure of a clear field at dose 1, and the resist's sensitivity changes with it so
    that the mean print stays. Pixels are half the blur if they are not given. ConfigError for a process
    that says too little.
    """
    if process.noise is None:
        raise ConfigError("process.noise: say how much the film absorbs (absorption_per_um, generators_per_nm3)")
    if isinstance(process.scanner, KernelFile):
        raise ConfigError("these optics are kernels of one tile and tell no wavelength; give a scanner, as euv-033 has")
    if unknown := [name for name in sources if name not in SOURCES]:
        raise ConfigError(f"there is no chance in {unknown[0]!r}, only in {', '.join(SOURCES)}")
    process = anchored(process)
    noise, resist = double(process.noise), double(process.resist)
    chemical = isinstance(resist, ChemicalResist)
    thickness = resist.development.thickness_nm if chemical else noise.thickness_nm
    own = resist.dose_mj_cm2 if chemical else noise.dose_mj_cm2
    for name, value in (("dose_mj_cm2", own), ("thickness_nm", thickness)):
        if value is None:
            raise ConfigError(f"process.noise.{name}: a {resist.kind} resist has none of its own; give it")
    own, thickness = float(own), float(thickness)  # type: ignore[arg-type]
    dose = own if dose_mj_cm2 is None else float(dose_mj_cm2)
    if not 0 < dose < 1e5:
        raise ConfigError(f"a dose of {dose:g} mJ/cm2 must lie between 0 and 100000")
    if chemical:
        changed = {"c_cm2_mj": resist.c_cm2_mj * (own / dose), "dose_mj_cm2": dose}
        process = replace(process, resist=replace(process.resist, **changed))
    blur = _blur_nm(resist)
    if not blur > 0:
        raise ConfigError("process.resist.diffusion_nm: without any blur every photon prints by itself; give one")
    pixel = float(pixel_nm) if pixel_nm is not None else round(blur / 2, 1)
    if not 0 < pixel <= blur:
        raise ConfigError(f"pixels of {pixel:g} nm must be finer than the resist's blur, {blur:.3g} nm")
    absorbed = float(noise.absorbed(thickness))
    fallen = photons_per_nm2(dose, float(double(process.scanner.projector.wavelength_nm)))
    generators = float(noise.generators_per_nm3 * thickness)
    acids = float(resist.c_cm2_mj * own * generators / (fallen * absorbed)) if chemical else None
    area = pixel**2
    return Film(process, pixel, dose, absorbed, fallen * absorbed * area, generators * area, acids, tuple(sources))


def _blur_nm(resist) -> float:
    """Standard deviation of the whole blur: of light's effect and, of acid, the mean over the bake."""
    resist = double(resist)
    if isinstance(resist, ChemicalResist):
        electrons = resist.electrons_nm or 0.0
        return float(np.sqrt(electrons**2 + resist.bake.acid_nm2_s * resist.bake.time_s))
    return float(resist.diffusion_nm or 0.0)


@dataclass(frozen=True)
class Draw:
    """Exposures drawn: `surplus` (draw, y, x) float32, positive where the drawn feature prints, and `log_weight`.

    The weight (draw,) is how much likelier a draw is without the tilt that it was drawn with.
    """

    surplus: np.ndarray
    log_weight: np.ndarray


@dataclass(frozen=True)
class Numbers:
    """Drawn voxels (draw, y, x): absorbed light relative to a clear field's, acid and quencher to generators."""

    light: np.ndarray
    acid: np.ndarray
    quencher: np.ndarray
    log_weight: np.ndarray


@dataclass(frozen=True)
class Chance:
    """A film under one mean image, relative to a clear field."""

    film: Film
    image: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        ny, nx = self.image.shape
        return ny, nx

    @property
    def together(self) -> int:
        """Draws that are computed at a time."""
        return max(1, PIXELS // self.image.size)

    @cached_property
    def mean(self) -> np.ndarray:
        """What prints without any chance, as `Draw.surplus` (y, x)."""
        return self._surplus(self.image[None], *self._rest(1))[0]

    def draws(self, count: int, random: np.random.Generator, tilt: Tilt | None = None) -> Iterator[Draw]:
        """So many exposures, a few at a time; with a tilt, from numbers whose means are changed by it."""
        tilt = tilt or Tilt()
        step = min(self.together, count)
        for start in range(0, count, step):
            # A last, smaller lot is filled up, so that nothing is compiled again.
            drawn = self._drawn(step, random, tilt)
            kept = min(step, count - start)
            yield Draw(drawn.surplus[:kept], drawn.log_weight[:kept])

    def _drawn(self, count: int, random: np.random.Generator, tilt: Tilt) -> Draw:
        numbers = self.numbers(count, random, tilt)
        light, acid, quencher = numbers.light, numbers.acid, numbers.quencher
        return Draw(self._surplus(light, acid, quencher), numbers.log_weight)

    def numbers(self, count: int, random: np.random.Generator, tilt: Tilt) -> "Numbers":
        """So many exposures as numbers."""
        film, log_weight = self.film, np.zeros(count)

        def poisson(mean, log_factor, source: Source, scale: float):
            mean = np.broadcast_to(mean * scale, (count, *self.shape))
            if source not in film.sources:
                return mean / scale
            if np.ndim(log_factor) == 0 and not log_factor:
                return random.poisson(mean) / scale
            number = random.poisson(mean * np.exp(log_factor))
            log_weight[:] += (mean * np.expm1(log_factor) - log_factor * number).sum(axis=(1, 2))
            return number / scale

        light = poisson(self.image, tilt.photons, "photons", film.photons)
        if not film.chemical:
            return Numbers(light, np.zeros(0), np.zeros(0), log_weight)
        acid = poisson(self.acid(light), tilt.acid, "acid", film.generators)
        quencher = poisson(self.quencher, tilt.quencher, "quencher", film.generators)
        return Numbers(light, acid, quencher, log_weight)

    @property
    def quencher(self) -> float:
        return float(double(self.film.process.resist).quencher)

    def acid(self, light: np.ndarray) -> np.ndarray:
        """Mean acid relative to the generators for absorbed light (draw, y, x) relative to a clear field's."""
        acid = np.asarray(_acid(self.film.process.resist, _narrow(light), self.period_nm), np.float64)
        return np.maximum(acid, 0.0)  # where it is dark a blur may leave less than none

    def _rest(self, count: int) -> tuple:
        if not self.film.chemical:
            return None, None
        acid = self.acid(np.broadcast_to(self.image, (count, *self.shape)))
        return acid, np.full_like(acid, self.quencher)

    def _surplus(self, light, acid, quencher) -> np.ndarray:
        resist = self.film.process.resist
        if self.film.chemical:
            found = _cleared(resist, (_narrow(acid), _narrow(quencher)), self.period_nm)
        else:
            found = _seen(resist, _narrow(light), self.period_nm)
        return self.sign * np.asarray(found)

    @property
    def period_nm(self) -> tuple[float, float]:
        ny, nx = self.shape
        return ny * self.film.pixel_nm, nx * self.film.pixel_nm

    @property
    def sign(self) -> int:
        return 1 if self.film.above else -1

    def surplus_of(self, photons, acid, quencher):
        """Surplus (y, x), float32 JAX, of numbers at their means times exp of these (y, x)."""
        light = jnp.asarray(self.image, jnp.float32) * jnp.exp(photons)
        resist, period = self.film.process.resist, self.period_nm
        if not self.film.chemical:
            return self.sign * seen(resist, light, period)
        made = resist.exposed(light, period)
        return self.sign * resist.surplus(made * jnp.exp(acid), resist.quencher * jnp.exp(quencher), period)

    def pulled(self, acid: np.ndarray, photons: np.ndarray) -> np.ndarray:
        """The tilt of photons (y, x) that goes with one of acid.

        With it the weight of a draw does not change with the photons but through the acid they made: to first order
        about numbers tilted by `photons`, minus tilt x photons and mean acid x (e^acid - 1) cancel.
        """
        film, resist = self.film, self.film.process.resist
        light, weight = _narrow(self.image * np.exp(photons)), _narrow(np.expm1(acid) * film.generators)
        return np.asarray(_slope(resist, (light, weight), self.period_nm), np.float64) / film.photons


def seen(resist, light, period_nm):
    """Latent image of light (y, x) over its threshold, less 1, on the same samples."""
    latent = resist.latent(light, period_nm)
    every = [a // b for a, b in zip(latent.shape, light.shape, strict=True)]
    return latent[:: every[0], :: every[1]] / resist.threshold - 1


@eqx.filter_jit
def _acid(resist, light, period_nm):
    return jax.vmap(lambda one: resist.exposed(one, period_nm))(light)


@eqx.filter_jit
def _slope(resist, both, period_nm):
    light, weight = both
    _, pull = jax.vjp(lambda one: resist.exposed(one, period_nm), light)
    return pull(weight)[0]


@eqx.filter_jit
def _cleared(resist, both, period_nm):
    return jax.vmap(lambda acid, quencher: resist.surplus(acid, quencher, period_nm))(*both)


@eqx.filter_jit
def _seen(resist, light, period_nm):
    return jax.vmap(lambda one: seen(resist, one, period_nm))(light)


def _narrow(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array, jnp.float32)
