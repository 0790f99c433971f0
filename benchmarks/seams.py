"""A layout corrected in one piece and in tiles: how far their printed edges are apart, seams included.

By inverse lithography, or with `opc` as argument edge by edge: there on the mask's grid of 1 nm and on one a hundred
times finer, which tells what of the difference is rounding.
"""

from common import report  # noqa: I001 sets the environment before JAX starts

import sys
from dataclasses import replace

import numpy as np

from actinic import design, layout
from actinic.jobs import load_setup

WINDOW = (0.0, 0.0, 6000.0, 3000.0)
SEAM_NM = 3000.0


def by_ilt(setup, drawn):
    """Masks made in one piece and in two tiles."""
    tiles = (design.Tiles(core, setup.tiles.halo_nm) for core in (6000.0, 3000.0))
    return [design.correct(drawn, WINDOW, replace(setup, tiles=cut)).mask for cut in tiles]


def by_opc(setup, drawn, grid_nm: float):
    """Masks made in one piece and in two blocks, which meet at x = 3 um."""
    limits = replace(setup.opc.limits, grid_nm=grid_nm)
    recipes = (replace(setup.opc, limits=limits, block_nm=block) for block in (8000.0, 4000.0))
    return [design.correct_edges(drawn, WINDOW, replace(setup, opc=opc)).mask for opc in recipes]


def main() -> None:
    setup = load_setup("krf-dry")
    ways, around = {"one piece against two tiles": by_ilt}, 3000.0
    if "opc" in sys.argv[1:]:
        around = 6000.0
        ways = {
            f"opc: one piece against blocks, grid {grid:g} nm": lambda setup, drawn, grid=grid: by_opc(
                setup, drawn, grid
            )
            for grid in (0.01, setup.opc.limits.grid_nm)
        }
    for name, way in ways.items():
        for seed in (3, 4):
            drawn = layout.manhattan(seed, (-around, -around, 6000.0 + around, 3000.0 + around), 170, 170)
            masks = way(setup, drawn)
            one, two = design.verify(drawn, masks, setup.process, WINDOW, halo_nm=setup.tiles.halo_nm)
            apart = np.abs(two.epe_nm - one.epe_nm)
            seam = np.abs(one.gauges.x_nm - SEAM_NM) < 300
            size = np.abs(two.epe_nm) - np.abs(one.epe_nm)
            error = 1.96 * size.std(ddof=1) / np.sqrt(size.size)
            report(
                f"{name}, pattern {seed}",
                gauges=apart.size,
                median_nm=float(np.median(apart)),
                p99_nm=float(np.percentile(apart, 99)),
                max_nm=float(apart.max()),
                above_tenth=int((apart > 0.1).sum()),
                seam_gauges=int(seam.sum()),
                seam_median_nm=float(np.median(apart[seam])),
                seam_max_nm=float(apart[seam].max()),
                mean_abs_epe_one_nm=one.summary.mean_abs_nm,
                mean_abs_epe_two_nm=two.summary.mean_abs_nm,
                difference_95_nm=[float(size.mean() - error), float(size.mean() + error)],
            )


if __name__ == "__main__":
    main()
