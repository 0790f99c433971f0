"""Rigorous orders of EUV lines: how they converge with the number of modes, and what a solution costs.

Equal lines of 60 nm TaBO and TaBN on the multilayer mirror, chief ray along them, both states of polarisation. Error of
the orders -3..3 against 91 modes and more, relative to the incident amplitude; CPU time of the second call, one thread.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import resource
import time

import numpy as np

from actinic.mask import Reflective
from actinic.mask.resolved import blank_of
from actinic.mask.thick import Cell, jones_orders
from actinic.types import double

WAVELENGTH, SIX = 13.5, float(np.sin(np.radians(6.0)))
PERIODS, MODES, MOST = (128.0, 256.0, 400.0), (6, 9, 12, 16, 24, 36), 60
ORDERS = (0, 3)


def main() -> None:
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


if __name__ == "__main__":
    main()
