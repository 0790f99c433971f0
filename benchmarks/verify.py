"""What tiles cost verification and what error they make: a window of a chip, and the parts of checking a mask."""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from actinic import design, metrology
from actinic.forward import anchored
from actinic.jobs import load_setup
from actinic.layout import clipped, read_layout, rule_markers
from actinic.optics import Points

WINDOW = (40000.0, 40000.0, 50000.0, 50000.0)
# (core, halo) in nm; the third is what `verify` takes, in lambda / NA.
TILES = ((4000.0, 1200.0), (6000.0, 1200.0), (None, 1200.0), (None, 2000.0))


def main() -> None:
    folder = data_folder()
    if folder is None:
        return
    setup = load_setup("krf-dry")
    x0, y0, x1, y1 = WINDOW
    drawn = read_layout(
        data_folder() / "chips" / "tt_um_i2c.oas", (67, 20), (x0 - 4000, y0 - 4000, x1 + 4000, y1 + 4000)
    )
    process = anchored(setup.process)
    # One tile with a wide halo and source points half as far apart as its period asks for.
    scanner, period = process.scanner, 2 * (10400.0 + 2 * 3000.0)
    dense = replace(scanner, source=Points(*scanner.source_points((period, period))))
    fine, _ = _timed(lambda: _errors(drawn, replace(process, scanner=dense), 20000.0, 3000.0))
    for core, halo in TILES:
        found, cost = _timed(lambda core=core, halo=halo: _errors(drawn, process, core, halo))
        apart = found - fine
        report(
            "tiles of verification",
            core_nm=core or design.CORE / scanner.na_over_lambda,
            halo_nm=halo,
            gauges=apart.size,
            rms_nm=float(np.sqrt((apart**2).mean())),
            p99_nm=float(np.percentile(np.abs(apart), 99)),
            mean_nm=float(apart.mean()),
            cpu_s=cost,
        )
    mask = clipped(drawn, WINDOW)
    limits = setup.limits
    for name, part in (
        ("rules by KLayout", lambda: rule_markers(mask, limits.width_nm, limits.space_nm, limits.area_nm2)),
        ("shots", lambda: metrology.mask_shots(mask)),
    ):
        report(f"checks of a mask: {name}", cpu_s=_timed(part)[1])


def _errors(drawn, process, core_nm, halo_nm) -> np.ndarray:
    """Nominal EPE of the drawn layout used as mask."""
    (found,) = design.verify(drawn, [drawn], process, WINDOW, core_nm=core_nm, halo_nm=halo_nm)
    return found.epe_nm


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns and its CPU seconds; nothing in it is compiled."""
    begin = sum(os.times()[:4])
    return work(), sum(os.times()[:4]) - begin


if __name__ == "__main__":
    main()
