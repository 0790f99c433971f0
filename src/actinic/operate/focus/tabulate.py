"""Widths and placements of features over focus, dose and Zernikes from the imaging model: `wafer.WidthTable`.

One exact image for each feature, focus and Zernike step; with a threshold resist every dose is read from the same
image. Everything is float64, by the calibration's smooth images of lines.
"""

from collections.abc import Sequence

import numpy as np

from ...config import placed
from ...errors import ConfigError
from ...types import double
from ...wafer.widths import WidthTable
from ..calibration import Machine, Measurement, Scenes, scenes
from ..calibration.edges import find, rays
from .features import Feature

FOCUS_STEP_NM, DOSE_STEP = 5.0, 0.015
ZERNIKE_STEP_NM = 1.5


def tabulate(
    machine: Machine,
    features: Sequence[Feature],
    *,
    focus_nm: float = 100.0,
    dose_percent: float = 12.0,
    zernikes: Sequence[str] = (),
) -> WidthTable:
    """The table of a machine's features over +-`focus_nm` about the nominal corner's focus and +-`dose_percent`.

    The machine's resist must have a threshold (see `forward.anchored`). A feature that
    prints nowhere is NaN throughout.
    """
    if not 20 <= focus_nm <= 2000 or not 1 <= dose_percent <= 40:
        raise ConfigError("a table of widths reaches over 20 to 2000 nm of focus and 1 to 40 % of dose either way")
    machine = double(machine)
    half = int(np.ceil(focus_nm / FOCUS_STEP_NM))
    focus = FOCUS_STEP_NM * np.arange(-half, half + 1)
    half = int(np.ceil(np.log1p(dose_percent / 100) / DOSE_STEP))
    log_dose = DOSE_STEP * np.arange(-half, half + 1)
    nominal = float(machine.process.corners[0].focus_nm)
    doses = float(machine.process.corners[0].dose) * np.exp(log_dose)
    wanted = [
        Measurement(f.name, f.kind, f.lines, 1.0, f.sigma_nm, 1.0, nominal + z, d)
        for f in features for z in focus for d in doses
    ]  # fmt: skip
    seen = scenes(wanted, machine.process)
    shape = len(features), len(focus), len(log_dose)
    width, _ = (part.reshape(shape) for part in _edges(seen, wanted, machine))
    slopes, bends, shifts = (np.zeros((shape[0], len(zernikes), *shape[1:])) for _ in range(3))
    for k, name in enumerate(zernikes):
        key, sides = f"process.scanner.projector.zernikes_nm.{name}", []
        for step in (ZERNIKE_STEP_NM, -ZERNIKE_STEP_NM):
            sides.append([part.reshape(shape) for part in _edges(seen, wanted, _aberrated(machine, key, step))])
        (up, up_shift), (down, down_shift) = sides
        slopes[:, k] = (up - down) / (2 * ZERNIKE_STEP_NM)
        bends[:, k] = (up - 2 * width + down) / ZERNIKE_STEP_NM**2
        shifts[:, k] = (up_shift - down_shift) / (2 * ZERNIKE_STEP_NM)
    return WidthTable(tuple(f.name for f in features), focus, log_dose, width, tuple(zernikes), slopes, bends, shifts)


def _aberrated(machine: Machine, key: str, step_nm: float) -> Machine:
    """The machine with so much more of one Zernike."""
    lens = machine.process.scanner.projector
    had = float(lens.zernikes_nm.get(key.rpartition(".")[2], 0.0))
    return placed(machine, key, np.float64(had + step_nm))


def _edges(seen: Scenes, wanted: Sequence[Measurement], machine: Machine) -> tuple[np.ndarray, np.ndarray]:
    """Widths (n,) in nm, NaN where nothing prints, and how far their middles lie off the drawn ones."""
    width, middle = np.full(len(wanted), np.nan), np.full(len(wanted), np.nan)
    dose = np.array([m.dose for m in wanted]) * machine.dose_scale
    resist, above = machine.process.resist, machine.process.printed_above
    if resist.threshold is None:
        raise ConfigError("the resist has no threshold: anchor the process first")
    for view, latent in zip(seen.views, seen.latents(machine, seen.aerials(machine)), strict=True):
        grid = seen.grids[view.structure]
        along = rays(wanted, view.members, above, latent, grid)
        factor = dose[along.of] if resist.linear else np.ones(len(along.of))
        t = find(latent, grid, resist.threshold / factor, along)[0].reshape(-1, 2)  # towards + and -
        width[along.of[::2]], middle[along.of[::2]] = t.sum(axis=1), (t[:, 0] - t[:, 1]) / 2
    return width, middle
