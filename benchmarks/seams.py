"""A layout corrected in one piece and in two tiles: how far their printed edges are apart, seam included."""

from common import report  # noqa: I001 sets the environment before JAX starts

from dataclasses import replace

import numpy as np

from actinic import design, layout
from actinic.jobs import load_setup

WINDOW = (0.0, 0.0, 6000.0, 3000.0)
SEAM_NM = 3000.0


def main() -> None:
    setup = load_setup("krf-dry")
    for seed in (3, 4):
        drawn = layout.manhattan(seed, (-3000.0, -3000.0, 9000.0, 6000.0), 170, 170)
        masks = [
            design.correct(drawn, WINDOW, replace(setup, tiles=design.Tiles(core, setup.tiles.halo_nm))).mask
            for core in (6000.0, 3000.0)
        ]
        one, two = design.verify(drawn, masks, setup.process, WINDOW, halo_nm=setup.tiles.halo_nm)
        apart = np.abs(two.epe_nm - one.epe_nm)
        seam = np.abs(one.gauges.x_nm - SEAM_NM) < 300
        size = np.abs(two.epe_nm) - np.abs(one.epe_nm)
        error = 1.96 * size.std(ddof=1) / np.sqrt(size.size)
        report(
            f"one piece against two tiles, pattern {seed}",
            gauges=apart.size,
            median_nm=float(np.median(apart)),
            p99_nm=float(np.percentile(apart, 99)),
            max_nm=float(apart.max()),
            seam_gauges=int(seam.sum()),
            seam_median_nm=float(np.median(apart[seam])),
            seam_max_nm=float(apart[seam].max()),
            mean_abs_epe_one_nm=one.summary.mean_abs_nm,
            mean_abs_epe_two_nm=two.summary.mean_abs_nm,
            difference_95_nm=[float(size.mean() - error), float(size.mean() + error)],
        )


if __name__ == "__main__":
    main()
