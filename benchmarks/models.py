"""Time and memory of each model on one tile of arf-immersion, from mask to latent image: each in a process of its own.

Preparing is the anchor and, for SOCS, the decomposition; the image is that of all coherent systems or source points at
one focus, with the resist. Both are told without compilation, which stands beside them.
"""

from common import cpu_seconds, many, report  # noqa: I001 sets the environment before JAX starts

import resource
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from actinic import layout
from actinic.config import build, dump
from actinic.forward import anchored, prepare
from actinic.jobs import load_setup
from actinic.layout import coverage
from actinic.mask import transmitted
from actinic.optics import abbe, band
from actinic.presets import resist as typical
from actinic.timing import Clock
from actinic.types import Grid, double

LAYERS = 10
# Light, film, resist, and how: by systems, by source points, or by those at LAYERS depths, developed down or the
# fastest way.
CASES = {
    "scalar": (None, False, "threshold", "SOCS"),
    "TE": ("TE", False, "threshold", "SOCS"),
    "unpolarised": ("unpolarised", False, "threshold", "SOCS"),
    "TE, film": ("TE", True, "threshold", "SOCS"),
    "unpolarised, film": ("unpolarised", True, "threshold", "SOCS"),
    "TE, film, compact": ("TE", True, "compact", "SOCS"),
    "TE, film, chemistry": ("TE", True, "chemistry", "SOCS"),
    "scalar, reference": (None, False, "threshold", "Abbe"),
    "TE, reference": ("TE", False, "threshold", "Abbe"),
    "unpolarised, film, reference": ("unpolarised", True, "threshold", "Abbe"),
    "TE, film through its depth, chemistry, down": ("TE", True, "chemistry", "down"),
    "TE, film through its depth, chemistry, fastest path": ("TE", True, "chemistry", "fastest"),
}


def measured(name: str) -> None:
    """One line of figures for one model, in this process."""
    setup = load_setup("arf-immersion")
    light, film, kind, how = CASES[name]
    process = setup.process
    scanner = replace(process.scanner, polarisation=light)
    process = replace(process, scanner=scanner, corners=process.corners[:1], film=process.film if film else None)
    data = dump(process)
    process = build(type(process), data | {"resist": typical(kind, data)})
    pitch = setup.recipe.stages[-1].pixel_nm
    size = setup.tiles.core_nm + 2 * setup.tiles.halo_nm
    grid = Grid((round(size / pitch),) * 2, pitch)
    covered = coverage(layout.manhattan(0, grid.window_nm, 50, 50), grid)
    before = memory_mib()
    clock = Clock()
    systems, work = by_systems(process, covered, grid) if how == "SOCS" else by_points(process, covered, grid, how)
    ready = clock.cost()
    clock = Clock()
    work()
    first = clock.cost()
    times = int(np.clip(0.5 / max(first.cpu_s, 0.01), 1, 50))
    cpu, wall = (seconds / times for seconds in cpu_seconds(many(work, times), 3 if first.cpu_s < 5 else 1))
    report(
        f"model: {name}",
        how=how,
        tile_nm=size,
        pixels=list(grid.shape),
        systems=systems,
        prepare_cpu_s=ready.cpu_s,
        prepare_wall_s=ready.wall_s,
        image_cpu_s=cpu,
        image_wall_s=wall,
        compile_s=ready.compile_s + first.compile_s,
        peak_mib=memory_mib(),
        before_mib=before,
    )


def by_systems(process, covered: np.ndarray, grid: Grid):
    """How many coherent systems there are, and their image, float32."""
    imaging, given = prepare(anchored(process), grid), jnp.asarray(covered)
    print_through = jax.jit(lambda c: imaging.pixels(imaging.latent(c)))
    count = int(np.sum([len(s) for s in (*imaging.systems, *imaging.tail)]))
    return count, lambda: jax.block_until_ready(print_through(given))


def by_points(process, covered: np.ndarray, grid: Grid, how: str):
    """How many source points there are, and their image, float64."""
    process = double(anchored(process))
    scanner, corner = process.scanner, process.corners[0]
    points, _ = scanner.source_points(grid.period_nm)
    orders = scanner.orders(grid.period_nm, points)
    depths = None
    if how != "Abbe":
        thickness = float(process.film.layers[0].thickness_nm)
        depths = (np.arange(LAYERS) + 0.5) * thickness / LAYERS
        process = replace(process, resist=replace(process.resist, pitch_nm=grid.pitch_nm))
    resist, period = process.resist, grid.period_nm

    def work():
        spectrum = transmitted(process.mask, band.mask_spectrum(covered.astype(float), orders))
        images = corner.dose * abbe.aerial(scanner, spectrum, grid, float(corner.focus_nm), process.film, depths)
        if how == "fastest":
            return resist.front(images, period)
        return band.to_pixels(resist.latent(images, period), grid)

    return len(points), work


def memory_mib() -> float:
    """The largest resident set of this process so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    for name in CASES:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    measured(sys.argv[1]) if len(sys.argv) > 1 else main()
