"""What vector images cost beside scalar ones at equal error: NA 1.35, random 45 nm masks, a period of 1024 nm.

Kernels are taken in order of energy until the image is within 3e-3 of the one of all kernels, for the worst of the
seeds; the clock then runs on that many kernels, float32, from the mask's coefficients to the intensity samples.
"""

from common import cpu_seconds, many, report  # noqa: I001 sets the environment before JAX starts

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from actinic.layout import coverage, manhattan
from actinic.optics import (
    Annular,
    Conventional,
    FilmStack,
    Layer,
    Projector,
    Quasar,
    Scanner,
    Substrate,
    band,
    decompose,
)
from actinic.types import Grid

BOUND, SEEDS, TIMES, ROUNDS = 3e-3, range(5), 200, 25
GRID = Grid((256, 256), 4.0)
SOURCES = {
    "conventional .7": Conventional(0.7),
    "annular .7-.95": Annular(0.7, 0.95),
    "quasar .7-.95": Quasar(0.7, 0.95),
}
FILM = FilmStack((Layer(100.0, material="resist"), Layer(40.0, material="BARC")), Substrate(material="Si"))

CASES = ((None, None), ("TE", None), ("unpolarised", None), ("TE", FILM), ("unpolarised", FILM))  # the scalar first


def masks() -> list[np.ndarray]:
    """Coverages [y, x] of random wires and jogs of at least 45 nm, one for each seed."""
    return [coverage(manhattan(seed, GRID.window_nm, 45, 45), GRID).astype(float) for seed in SEEDS]


def kernels_needed(kernels: np.ndarray, spectra: list[np.ndarray], shape: tuple[int, int]) -> int:
    """How many leading kernels bring every image within BOUND of the whole one."""
    needed = 1
    for spectrum in spectra:
        fields = np.fft.ifft2(band.fold(kernels * spectrum, shape), norm="forward")
        rest = np.cumsum((abs(fields) ** 2)[::-1], 0)[::-1]
        error = abs(rest).max((1, 2))
        needed = max(needed, int(np.argmax(error < BOUND)))
    return needed


@jax.jit
def image(kernels, spectrum):
    return band.intensity(kernels, spectrum, band.image_shape(GRID.period_nm, 1.35 / 193.368))


def interleaved(works: list, rounds: int) -> np.ndarray:
    """CPU seconds (rounds, works) of calls taken in turn, so that a busy machine slows all of them alike."""
    for work in works:
        work()
    spent = np.empty((rounds, len(works)))
    for turn in spent:
        for place, work in enumerate(works):
            start = time.process_time()
            work()
            turn[place] = time.process_time() - start
    return spent


def main() -> None:
    covered = masks()
    for name, source in SOURCES.items():
        rows, works = [], []
        for polarisation, film in CASES:
            scanner = Scanner(Projector(193.368, 1.35, 1.43669), source, polarisation)
            points, _ = scanner.source_points(GRID.period_nm)
            orders = scanner.orders(GRID.period_nm, points)
            built, _ = cpu_seconds(lambda s=scanner, f=film: decompose(s, GRID.period_nm, 0.0, f), 1)
            kernels, _ = decompose(scanner, GRID.period_nm, 0.0, film)
            spectra = [band.mask_spectrum(c, orders) for c in covered]
            needed = kernels_needed(kernels, spectra, band.image_shape(GRID.period_nm, scanner.na_over_lambda))
            taken, spectrum = jnp.asarray(kernels[:needed], jnp.complex64), jnp.asarray(spectra[0], jnp.complex64)
            works.append(many(lambda k=taken, s=spectrum: jax.block_until_ready(image(k, s)), TIMES))
            rows.append((f"{name}, {polarisation or 'scalar'}{', film' if film else ''}", len(points), needed, built))
        spent = interleaved(works, ROUNDS)
        ratios = np.median(spent / spent[:, :1], 0)
        for (case, points, needed, built), cpu, ratio in zip(rows, np.median(spent, 0), ratios, strict=True):
            report(
                case,
                points=points,
                kernels=needed,
                kernels_ratio=needed / rows[0][2],
                image_cpu_s=cpu / TIMES,
                cpu_ratio=ratio,
                decompose_cpu_s=built,
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
