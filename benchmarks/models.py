"""Time and memory of each model on one tile of arf-immersion, from mask to latent image: each in a process of its own.

Preparing is the threshold's anchor and the decomposition; the image is that of all coherent systems at one focus.
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
from actinic.presets import resist as typical
from actinic.types import Grid

TIMES = 20
# Light, film, resist.
CASES = {
    "scalar": (None, False, "threshold"),
    "TE": ("TE", False, "threshold"),
    "unpolarised": ("unpolarised", False, "threshold"),
    "TE, film": ("TE", True, "threshold"),
    "unpolarised, film": ("unpolarised", True, "threshold"),
    "TE, film, compact": ("TE", True, "compact"),
    "TE, film, chemistry": ("TE", True, "chemistry"),
}


def measured(name: str) -> None:
    """One line of figures for one model, in this process."""
    setup = load_setup("arf-immersion")
    light, film, kind = CASES[name]
    process = setup.process
    scanner = replace(process.scanner, polarisation=light)
    process = replace(process, scanner=scanner, corners=process.corners[:1], film=process.film if film else None)
    data = dump(process)
    process = build(type(process), data | {"resist": typical(kind, data)})
    pitch = setup.recipe.stages[-1].pixel_nm
    size = setup.tiles.core_nm + 2 * setup.tiles.halo_nm
    grid = Grid((round(size / pitch),) * 2, pitch)
    covered = jnp.asarray(coverage(layout.manhattan(0, grid.window_nm, 50, 50), grid))
    before = memory_mib()
    made = []
    preparing, _ = cpu_seconds(lambda: made.append(prepare(anchored(process), grid)), 1)
    imaging = made[-1]
    print_through = jax.jit(lambda c: imaging.pixels(imaging.latent(c)))
    image, _ = cpu_seconds(many(lambda: jax.block_until_ready(print_through(covered)), TIMES), 3)
    report(
        f"model: {name}",
        tile_nm=size,
        pixels=list(grid.shape),
        systems=int(np.sum([len(s) for s in (*imaging.systems, *imaging.tail)])),
        prepare_cpu_s=preparing,
        image_cpu_s=image / TIMES,
        peak_mib=memory_mib(),
        before_mib=before,
    )


def memory_mib() -> float:
    """The largest resident set of this process so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    for name in CASES:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    measured(sys.argv[1]) if len(sys.argv) > 1 else main()
