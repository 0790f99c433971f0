"""Kernels that end: coherent systems which are nought beyond a distance, the optical ambit.

Systems computed on a tile's own period (`socs`) are exact for a mask of that period, but other tiles have others, and
what lies beyond the tile's border is felt. Here the leading systems are computed once, as functions of place, and faded
out to nought at the ambit. On any tile that reaches that far beyond a point they give that point the same image, so it
does not matter how a layout is cut. What is lost is the far and faint part of the light and the systems left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..types import double
from . import band
from .film import FilmStack
from .polarisation import sources_of
from .scanner import Scanner, coherent_systems
from .socs import decompose, leading
from .source import Points

# The period on which the kernels are computed, in diameters of the ambit; its own repeats must not be seen.
ROOM = 1.05
# Spacing of the source points in sigma.
SPACING = 1 / 30
# The kernels stay as they are up to this part of the ambit.
FULL = 0.75
# Source points of masks that are linear in the source repeat after so many periods.
REPEATS = 1.15
# Orders beyond those that pass the lens, in periods over ambit, for the fading out.
MORE = 2.0

Turn = Callable[[np.ndarray, tuple[np.ndarray, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Ambit:
    """Leading coherent systems as functions of place: complex128 (..., y, x) about 0, in the order of an FFT.

    Samples stand `period_nm` over their number apart on a square; `reach` (1/nm) is the highest frequency that passes.
    """

    kernels: np.ndarray
    period_nm: float
    ambit_nm: float
    reach: float

    def orders(self, period_nm: tuple[float, float]) -> tuple[int, int]:
        """Diffraction orders (ky, kx) to compute on a tile."""
        return band.order_limit(period_nm, self.reach + MORE / self.ambit_nm)

    def systems(self, period_nm: tuple[float, float]) -> np.ndarray:
        """The systems on a tile, complex128 (..., fy, fx) for `orders`."""
        n = self.kernels.shape[-1]
        place = np.fft.fftfreq(n) * self.period_nm
        fy, fx = (f.ravel() for f in band.frequencies(period_nm, self.orders(period_nm)))
        waves = [np.exp(-2j * np.pi * np.outer(f, place)) / n for f in (fy, fx)]
        return waves[0] @ self.kernels @ waves[1].T


def ambit_kernels(
    scanner: Scanner,
    ambit_nm: float,
    count: int,
    focus_nm: float = 0.0,
    film: FilmStack | None = None,
    turn: Turn | None = None,
) -> Ambit:
    """The `count` leading systems of a scanner, faded out from three quarters of the ambit to nought at it.

    With `turn`, a phase factor (point, fy, fx) for source points and frequencies (fy, fx), masks are linear in the
    source: kernels (kernel, 3, y, x) see what they do at its middle and for each sigma along x and y.
    """
    period = 2 * ROOM * ambit_nm
    spacing = SPACING if turn is None else 1 / (REPEATS * period * scanner.na_over_lambda)
    machine = replace(scanner, source=Points(*scanner.source_points((1 / (spacing * scanner.na_over_lambda),) * 2)))
    points, _ = machine.source_points((period, period))
    orders = machine.orders((period, period), points)
    if turn is None:
        systems, _ = decompose(machine, (period, period), focus_nm, film, count)
    else:
        systems = _linear(machine, period, focus_nm, turn, count)
    n = band.fast_length(2 * (2 * max(orders) + 1))
    kernels = np.fft.ifft2(band.fold(systems, (n, n)), norm="forward")
    place = np.fft.fftfreq(n) * period
    far = np.clip((np.hypot(place[:, None], place[None]) / ambit_nm - FULL) / (1 - FULL), 0, 1)
    reach = scanner.na_over_lambda * (1 + float(np.abs(points).max()))
    return Ambit(kernels * np.cos(0.5 * np.pi * far) ** 2, period, ambit_nm, reach)


def _linear(machine: Scanner, period: float, focus_nm: float, turn: Turn, count: int) -> np.ndarray:
    """Leading systems (kernel, 3, fy, fx) of masks linear in the source, from the Gram matrix of all rows."""
    tile = period, period
    points, weights = machine.source_points(tile)
    orders = machine.orders(tile, points)
    rows = coherent_systems(
        double(machine.projector), points, weights, tile, orders, np.float64(focus_nm), machine.polarisation
    )
    owner = np.arange(len(points))
    if machine.polarisation is not None:
        owner = sources_of(machine.projector, points, machine.polarisation)
    owner = np.tile(owner, len(rows) // len(owner))
    rows = (rows * turn(points, band.frequencies(tile, orders))[owner])[:, None]
    sigma = np.concatenate([np.ones((len(points), 1)), points], 1)[owner]
    flat = (rows * sigma[:, :, None, None]).reshape(len(rows), -1)
    _, mixing = leading(flat @ flat.conj().T, count)
    return (mixing.conj().T @ flat).reshape(-1, 3, *rows.shape[-2:])
