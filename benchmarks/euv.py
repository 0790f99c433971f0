"""Rigorous orders of EUV lines, how they converge and what they cost; widths of lines by mask model.

`modes`: equal lines of 60 nm TaBO and TaBN on the multilayer mirror, chief ray along them, both states of polarisation.
Error of the orders -3..3 against 121 modes, relative to the incident amplitude; CPU time of the second call.

`lines`: dark lines that were not fitted, 80 nm of focus, by the thin mask, by orders solved for the chief ray only, and
by the fast model that ships, against orders resolved over the source. Names of functions choose; some five CPU-minutes.
"""

from common import report  # noqa: I001 sets the environment before JAX starts

import resource
import sys
import time
from contextlib import contextmanager

import numpy as np
import test_fast_mask as held
from scipy.optimize import brentq

from actinic import load_setup
from actinic.forward import fast_aerial, thinned
from actinic.mask import Reflective, clear_field, drawn_spectra, resolve, resolved, transmitted
from actinic.mask.fast import Lines
from actinic.optics import abbe
from actinic.types import Grid, double
from actinic.mask.resolved import blank_of
from actinic.mask.thick import Cell, jones_orders

WAVELENGTH, SIX = 13.5, float(np.sin(np.radians(6.0)))
PERIODS, MODES, MOST = (128.0, 256.0, 400.0), (6, 9, 12, 16, 24, 36), 60
ORDERS = (0, 3)


FOCUS_NM, LEAST_NILS = (-25.0, -5.0, 15.0, 35.0, 55.0), 1.5


def modes() -> None:
    """Convergence with the number of modes."""
    blank = blank_of(double(Reflective()), WAVELENGTH)
    half = np.repeat([0.0, 1.0, 1.0, 0.0], 180)[None]
    print("| period on the mask, nm | modes | error | ms CPU |")
    print("|---|---|---|---|")
    for period in PERIODS:

        def solved(modes: int, period: float = period) -> np.ndarray:
            cell = Cell(half, (1.0, period))
            return jones_orders(blank, cell, WAVELENGTH, (0.0, SIX), (0.0, SIX), ORDERS, (0, modes))

        limit = solved(MOST)
        for modes in MODES:
            found = solved(modes)
            start = time.process_time()
            solved(modes)
            spent = 1e3 * (time.process_time() - start)
            print(f"| {period:g} | {2 * modes + 1} | {abs(found - limit).max():.1e} | {spent:.0f} |", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


@contextmanager
def one_angle():
    """Orders solved for the chief ray stand for the whole source, but for the phase of the mirror's plane."""
    kept, resolved.NODES = resolved.NODES, (1, 1)
    try:
        yield
    finally:
        resolved.NODES = kept


def images(width: float, pitch: float, level: bool) -> dict[str, list]:
    """Images across a dark line through focus by each model, as functions of place."""
    process = held.SETUP.process
    scanner, mask = double(process.scanner), process.mask
    openings = Lines(width, pitch, level, True).openings()
    grid = Grid((round(pitch), 1), 1.0) if level else Grid((1, round(pitch)), 1.0)
    orders = scanner.orders(grid.period_nm, scanner.source_points(grid.period_nm)[0])
    orders = (orders[0], 0) if level else (0, orders[1])

    def thick():
        solved, clear = resolve(mask, scanner, openings, grid.period_nm, orders), clear_field(mask, scanner)
        return [abbe.resolved(scanner, solved, clear, grid, focus) for focus in FOCUS_NM]

    drawn = drawn_spectra(openings, grid.period_nm, orders)
    thin = load_setup("euv-033", ["process.scanner.flare.tis=0.0"]).process
    light = transmitted(double(thinned(thin).mask), drawn[0])
    found = {"rigorous": thick()}
    with one_angle():
        found["one angle"] = thick()
    found["fast"] = [fast_aerial(process, drawn, grid, focus) for focus in FOCUS_NM]
    # A thin mask has its best focus at 0.
    found["thin"] = [abbe.aerial(scanner, light, grid, focus - 15.0) for focus in FOCUS_NM]
    return {
        name: [held._across(image[:, 0] if level else image[0], pitch) for image in each]
        for name, each in found.items()
    }


def nils(image, threshold: float, width: float) -> float:
    """Least normalised log-slope at the edges of a line as wide as drawn, at the threshold's intensity."""
    slopes = [(image(x + 0.05) - image(x - 0.05)) / 0.1 for x in (-0.5 * width, 0.5 * width)]
    return width * min(abs(s) for s in slopes) / threshold


def lines() -> None:
    """Errors of width in nm over all lines, V and H; thin and one angle with thresholds of their own at 16 on 32 nm."""
    anchor = {name: each[FOCUS_NM.index(15.0)] for name, each in images(16.0, 32.0, False).items()}
    levels = {}
    for name, image in anchor.items():
        low, high = image(0.0), image(16.0)
        span = low + 0.1 * (high - low), high - 0.2 * (high - low)
        levels[name] = float(brentq(lambda t, image=image: held.width_of(image, t) - 16, *span))
    levels["fast"] = levels["rigorous"]
    off = {(name, level): [] for name in ("thin", "one angle", "fast") for level in (False, True)}
    left_out = 0
    for width, pitch in [*held.HELD, *held.MORE]:
        for level in (False, True):
            found = images(float(width), float(pitch), level)
            for k, truth in enumerate(found["rigorous"]):
                if nils(truth, levels["rigorous"], width) < LEAST_NILS:
                    left_out += 1
                    continue
                right = held.width_of(truth, levels["rigorous"])
                for name in ("thin", "one angle", "fast"):
                    off[name, level].append(held.width_of(found[name][k], levels[name]) - right)
            worst = {
                name: round(max(off[name, level][-len(FOCUS_NM) :], key=abs), 3)
                for name in levels
                if name != "rigorous"
            }
            print(width, pitch, "H" if level else "V", worst, file=sys.stderr, flush=True)
    for (name, level), errors in off.items():
        report(
            "mask model", model=name, lines="H" if level else "V", compared=len(errors), left_out_below_nils=left_out,
            most_nm=float(np.abs(errors).max()), rms_nm=float(np.sqrt(np.mean(np.square(errors)))),
        )  # fmt: skip


if __name__ == "__main__":
    for name in sys.argv[1:] or ("modes", "lines"):
        globals()[name]()
