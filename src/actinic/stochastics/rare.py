"""Probabilities of rare failures by importance sampling about the likeliest way to fail.

Means are tilted, photons, acid and quencher each in every voxel, so that an exposure at its new means just fails, and
so that this costs least: the sum of mean [t e^t - e^t + 1] over all Poisson numbers, t the logarithms of the tilts, is
the rate of large deviations (Bucklew, Introduction to Rare Event Simulation, 2004). Exposures drawn with these means
fail often, and each counts with its likelihood ratio: the estimate is unbiased whatever the tilt.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from .chance import SOURCES, Chance, Tilt
from .failure import Failure

# Steps towards the likeliest way to fail, the largest change of a logarithm in one, and how often each is scaled until
# the margin is nearly none.
STEPS, LARGEST, SCALINGS, CLOSE = 12, 0.7, 8, 0.01
# Mean numbers count as this at least, so that dark voxels stay within reason.
FEWEST = 1e-3
# The tilt is scaled until about this share of draws fails, judged from so many at a time.
WANTED, PILOT, PILOTS = 0.4, 128, 8
# Draws at first, and at least; and how many times as many as seem enough: weights have a long tail that few draws miss.
FIRST, SPARE = 1024, 6
# A draw that carries a larger share of the estimate than this spoils it.
LARGEST_SHARE = 0.1
# Failures less likely than this are not refined: whatever else the model leaves out comes first.
NEVER = 1e-15


@dataclass(frozen=True)
class Probability:
    """An estimate from `draws`, `failed` of which failed. `largest_share` is that of the draw that counts most."""

    value: float
    relative_sigma: float
    draws: int
    failed: int
    largest_share: float

    @property
    def trusted(self) -> bool:
        return self.failed >= 100 and self.largest_share <= LARGEST_SHARE

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, log-normal."""
        reach = np.exp(1.96 * np.sqrt(np.log1p(self.relative_sigma**2)))
        return self.value / reach, self.value * reach


@dataclass(frozen=True)
class Rate:
    """Failures counted in plain draws: the share and its exact 95 % interval (Clopper and Pearson)."""

    failed: int
    draws: int

    @property
    def value(self) -> float:
        return self.failed / self.draws

    @property
    def interval(self) -> tuple[float, float]:
        low, high = stats.beta.ppf(
            [0.025, 0.975], [self.failed, self.failed + 1], [self.draws - self.failed + 1, self.draws - self.failed]
        )
        return (0.0 if not self.failed else float(low)), (1.0 if self.failed == self.draws else float(high))


def counted(failure: Failure, draws: int, random: np.random.Generator) -> Rate:
    """Plain draws."""
    return Rate(sum(int(failure.happened(d.surplus).sum()) for d in failure.chance.draws(draws, random)), draws)


def likeliest(failure: Failure) -> Tilt:
    """The tilt that just makes the failure happen at least cost.

    Each step goes half way to the least weighted squares of tilts on the linearised boundary of failure (Hasofer and
    Lind, J. Eng. Mech. 100, 111, 1974; Rackwitz and Fiessler, Comput. Struct. 9, 489, 1978), with the mean numbers as
    they are tilted for weights, and is scaled back onto the boundary. The cheapest is kept.
    """
    chance, film = failure.chance, failure.chance.film
    free = [name in film.sources and (film.chemical or name == "photons") for name in SOURCES]
    margin = eqx.filter_jit(jax.value_and_grad(lambda t: failure.margin(chance.surplus_of(*t))))

    def at(tilt):
        value, slopes = margin(tuple(jnp.asarray(t, jnp.float32) for t in tilt))
        return float(value), [np.asarray(s, np.float64) * f for s, f in zip(slopes, free, strict=True)]

    def cost(tilt):
        mean = _means(chance, tilt[0])
        return sum((m * (t * np.exp(t) - np.expm1(t))).sum() for m, t in zip(mean, tilt, strict=True))

    tilt = best = [np.zeros(chance.shape) for _ in SOURCES]
    value, slopes = at(tilt)
    least = np.inf
    for _ in range(STEPS):
        mean = _means(chance, tilt[0])
        weights = [np.maximum(m * np.exp(t), FEWEST) for m, t in zip(mean, tilt, strict=True)]
        steep = sum((s**2 / w).sum() for s, w in zip(slopes, weights, strict=True))
        if not steep > 0:
            break
        along = sum((s * t).sum() for s, t in zip(slopes, tilt, strict=True))
        wanted = (along - value) / steep
        moves = [wanted * s / w - t for s, w, t in zip(slopes, weights, tilt, strict=True)]
        tilt = [t + np.clip(0.5 * m, -LARGEST, LARGEST) for t, m in zip(tilt, moves, strict=True)]
        for _ in range(SCALINGS):
            value, slopes = at(tilt)
            rate = sum((s * t).sum() for s, t in zip(slopes, tilt, strict=True))
            if abs(value) < CLOSE or rate == 0:
                break
            factor = float(np.clip(1 - value / rate, 0.7, 1.4))
            tilt = [factor * t for t in tilt]
        if abs(value) < CLOSE and (spent := cost(tilt)) < least:
            least, best = spent, tilt
    return Tilt(*(best if np.isfinite(least) else tilt))


def _means(chance: Chance, photons: np.ndarray) -> list[np.ndarray]:
    """Mean numbers of each source, those of acid for photons tilted so."""
    film = chance.film
    light = chance.image * film.photons
    if not film.chemical:
        return [light, light, light]
    acid = chance.acid((chance.image * np.exp(photons))[None])[0]
    return [light, acid * film.generators, np.full(chance.shape, chance.quencher * film.generators)]


def probability(
    failure: Failure,
    random: np.random.Generator,
    *,
    relative_sigma: float = 0.2,
    most: int = 1 << 16,
    told: Callable[[int], None] = lambda draws: None,
) -> Probability:
    """Of a failure, by so many draws about its likeliest way as its standard error takes, at most `most`."""
    tilt = _scaled(failure, likeliest(failure), random)

    def drawn(count: int) -> np.ndarray:
        weights = np.zeros(0)
        for draw in failure.chance.draws(count, random, tilt):
            weights = np.r_[weights, np.where(failure.happened(draw.surplus), np.exp(draw.log_weight), 0.0)]
            told(weights.size)
        return weights

    first = drawn(FIRST)
    while (found := _estimate(first)).draws < most // 4 and not 0 < found.value < NEVER:
        if found.relative_sigma <= 2 * relative_sigma and found.trusted:
            break
        first = np.r_[first, drawn(first.size)]
    # How many draws are enough is judged by others than those that count: else lucky ones would end it too early.
    enough = SPARE * found.draws * min(found.relative_sigma / relative_sigma, 1e3) ** 2
    if 0 < found.value < NEVER:
        enough = FIRST
    return _estimate(drawn(int(np.clip(enough, FIRST, most))))


def _estimate(weights: np.ndarray) -> Probability:
    total = float(weights.sum())
    failed = int((weights > 0).sum())
    if not total > 0:
        return Probability(0.0, np.inf, weights.size, 0, 1.0)
    sigma = weights.std() / np.sqrt(weights.size) / weights.mean()
    return Probability(float(weights.mean()), float(sigma), weights.size, failed, float(weights.max()) / total)


def _scaled(failure: Failure, tilt: Tilt, random: np.random.Generator) -> Tilt:
    """The tilt times what makes failures common, by halving; its draws count for nothing else."""
    film = failure.chance.film

    def times(factor: float) -> Tilt:
        found = tilt.times(factor)
        if not film.chemical or not {"photons", "acid"} <= set(film.sources):
            return found
        for _ in range(3):
            found = replace(found, photons=failure.chance.pulled(found.acid, found.photons))
        return found

    low, high, factor = 0.0, np.inf, 1.0
    for _ in range(PILOTS):
        drawn = failure.chance.draws(PILOT, random, times(factor))
        share = np.mean(np.concatenate([failure.happened(d.surplus) for d in drawn]))
        if abs(share - WANTED) < 0.1:
            break
        low, high = (low, factor) if share > WANTED else (factor, high)
        factor = 1.3 * factor if np.isinf(high) else 0.5 * (low + high)
    return times(factor)
