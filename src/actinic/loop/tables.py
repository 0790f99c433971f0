"""Widths over focus, dose and resist blur, tabulated once a mask: what lots print is then read off, not imaged.

Exact images at a grid of focuses and three blurs; every dose of each is exact for a threshold resist. Between the
focuses and doses `WidthTable` is cubic, in the blur quadratic.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..config import placed, value_at
from ..design import Setup, focus_dose, scanner_of
from ..errors import ConfigError
from ..forward import Process
from ..layout import Layout
from ..metrology import Cuts
from ..operate.calibration import Machine
from ..operate.focus.features import Feature
from ..operate.focus.tabulate import tabulate
from ..wafer.widths import WidthTable
from .scenario import DIFFUSION

BLUR = "diffusion_nm"
# In Rayleigh units of focus, lambda / NA^2, and logarithms of dose: how far tables reach, and their steps.
REACH, STEP = 0.6, 0.1
LOG_REACH, LOG_STEP = 0.14, 0.02
# Of the blur's own size: between what blurs the quadratic is laid.
_BLUR_STEP = 0.15


def rayleigh_nm(process: Process) -> float:
    """lambda / NA^2, nm."""
    lens = scanner_of(process).projector
    return float(lens.wavelength_nm) / float(lens.na) ** 2


def blur_nm(process: Process) -> float:
    """The resist's diffusion length; ConfigError where it has none that can drift."""
    found = getattr(process.resist, BLUR, None)
    if found is None or not float(found) > 0:
        raise ConfigError(f"the loop's resist drifts in {DIFFUSION}: take a resist that has one above 0")
    return float(found)


def setting(process: Process, name: str) -> float:
    """A setting's value by its dotted key."""
    return float(value_at(Machine(process), name))


def blurred(process: Process, value_nm: float) -> Process:
    """The same process with another diffusion length and the threshold it had."""
    return placed(Machine(process), DIFFUSION, np.float64(value_nm)).process


def with_blur(process: Process, table: Callable[[Process], WidthTable]) -> WidthTable:
    """The table of a process that also knows how widths move with the blur, as the amount `diffusion_nm`."""
    centre = blur_nm(process)
    step = _BLUR_STEP * centre
    low, middle, high = (table(blurred(process, centre + n * step)) for n in (-1, 0, 1))
    slope = (high.width_nm - low.width_nm) / (2 * step)
    bend = (high.width_nm - 2 * middle.width_nm + low.width_nm) / step**2
    none = np.zeros_like(slope[:, None])
    return replace(middle, zernikes=(BLUR,), slope=slope[:, None], bend=bend[:, None], shift=none)


def monitor_table(process: Process, features: Sequence[Feature]) -> WidthTable:
    """Widths of endless lines; the process must be anchored."""
    reach = REACH * rayleigh_nm(process) * 1.25
    return tabulate(Machine(process), features, focus_nm=reach, dose_percent=100 * np.expm1(LOG_REACH))


def gauge_table(mask: Layout, setup: Setup, window_nm, cuts: Cuts) -> WidthTable:
    """Widths of a mask's cut-lines over focus and dose about the nominal corner."""
    process = setup.process
    nominal, unit = process.corners[0], rayleigh_nm(process)
    count = round(REACH / STEP)
    focus = STEP * unit * np.arange(-count, count + 1)
    half = round(LOG_REACH / LOG_STEP)
    log_dose = LOG_STEP * np.arange(-half, half + 1)
    [found] = focus_dose([mask], setup, window_nm, cuts, float(nominal.focus_nm) + focus)
    width = found.cd_nm((float(nominal.dose) * np.exp(log_dose)).tolist())
    none = np.zeros((len(cuts), 0, *width.shape[1:]))
    return WidthTable(cuts.names, focus, log_dose, width, (), none, none, none)
