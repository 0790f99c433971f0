"""Scanner: a light source and a lens, and the coherent systems they make on a periodic tile.

Abbe: each source point s lights the mask with one plane wave and the image is the sum over s of
w_s |inverse transform of P(f + s) M(f)|^2. One row sqrt(w_s) P(f + s) is one coherent system. Polarised light has one
row for each component of the electric field, and in a film for each depth (see `polarisation`).
"""

from collections.abc import Iterator
from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import NumericalError
from ..types import double
from . import band
from .film import FilmStack
from .flare import Flare
from .polarisation import Polarisation, vector_rows
from .pupil import Projector
from .source import Source, sample

# Widest spacing of source points in sigma.
COARSEST = 1 / 20

# Complex numbers of coherent rows in memory at a time, or those of one source point if that has more.
CHUNK = 2**19


class Scanner(eqx.Module):
    """Source and projector. Clear field has intensity 1 and dose multiplies the intensity.

    Without a polarisation the image is scalar; with one it is that of the electric field. Flare takes its share from
    the image and adds one that is the same all over a tile.
    """

    projector: Projector
    source: Source
    polarisation: Polarisation | None = eqx.field(static=True, default=None)
    flare: Flare | None = None
    kind: Literal["scanner"] = eqx.field(static=True, default="scanner")

    @property
    def na_over_lambda(self) -> float:
        """Cut-off frequency of the lens in 1/nm; the image's band limit is twice this."""
        return float(double(self.projector.na)) / float(double(self.projector.wavelength_nm))

    def source_points(self, period_nm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Source points (n, 2) in sigma and weights (n,), float64; clear field is 1 less the flare.

        A lattice of spacing d repeats the coherence function every lambda / (NA d); that is kept from
        reaching into a tile of this period, and small tiles take no coarser a lattice than COARSEST.
        """
        spacing = min(1 / (max(period_nm) * self.na_over_lambda), COARSEST)
        points, weights = sample(double(self.source), spacing)
        clear = coherent_systems(
            double(self.projector), points, weights, (1.0, 1.0), (0, 0), np.float64(0), self.polarisation
        )
        passed = (abs(clear) ** 2).sum()
        if not passed > 0:
            raise NumericalError("no light of this source passes the lens in clear field: lower sigma")
        return points, weights * (self.in_image / passed)

    @property
    def in_image(self) -> float:
        """Share of the light that is not scattered."""
        return 1.0 if self.flare is None else 1 - float(double(self.flare.tis))

    def orders(self, period_nm: tuple[float, float], points: np.ndarray) -> tuple[int, int]:
        """Diffraction orders (ky, kx) that pass the lens from any source point."""
        reach_x, reach_y = (self.na_over_lambda * (1 + np.abs(points).max(0))).tolist()
        height, width = period_nm
        return band.order_limit((height, 0), reach_y)[0], band.order_limit((0, width), reach_x)[1]

    def focus_symmetric(self) -> bool:
        """Whether I(z) = I(-z) for a real mask without a film: no aberration and a point-symmetric source."""
        if any(float(v) for v in self.projector.zernikes_nm.values()) or self.projector.jones is not None:
            return False
        points, weights = sample(double(self.source), 0.05)
        here = {tuple(p): w for p, w in zip(np.round(points, 9) + 0.0, weights, strict=True)}
        return all(abs(here.get(tuple(np.round(-np.array(p), 9) + 0.0), 0) - w) < 1e-9 for p, w in here.items())


def coherent_systems(
    projector: Projector,
    points,
    weights,
    period_nm,
    orders,
    focus_nm,
    polarisation: Polarisation | None = None,
    film: FilmStack | None = None,
):
    """Abbe rows sqrt(w_s) P(f + s), (row, fy, fx): one for each source point, or for polarised light `vector_rows`.

    The one definition that Abbe, SOCS and the clear field share. NumPy arguments give complex128; with JAX arguments
    (focus, Zernikes, NA, weights, film) the rows can be differentiated in them; polarised points stay NumPy.
    """
    fy, fx = band.frequencies(period_nm, orders)
    sx, sy = (points * (projector.na / projector.wavelength_nm)).T
    gx, gy = fx[None] + sx[:, None, None], fy[None] + sy[:, None, None]
    rows = projector.pupil(gx, gy, focus_nm)
    rows = rows * (weights**0.5)[:, None, None].astype(rows.dtype)
    if polarisation is None and film is not None:
        raise ValueError("a film tells s from p light: the scanner needs a polarisation, such as unpolarised")
    if polarisation is None:
        return rows
    return vector_rows(projector, rows, projector.coordinates(gx, gy)[1:], points, polarisation, film)


def stray_light(scanner: Scanner, focus_nm: float, film: FilmStack | None = None) -> float:
    """What flare adds to the image everywhere; in a film to the dose where the image is taken."""
    if scanner.flare is None:
        return 0.0
    level = float(double(scanner.flare).level)
    if film is None:
        return level
    points, weights = scanner.source_points((1.0, 1.0))
    tile = (1.0, 1.0), (0, 0)
    return (
        level
        / scanner.in_image
        * sum(float((abs(rows) ** 2).sum()) for rows in _chunks(scanner, points, weights, tile, focus_nm, film, CHUNK))
    )


def rows_per_point(scanner: Scanner, film: FilmStack | None = None) -> int:
    """Coherent rows that a source point off the axis has: components of the field times depths."""
    point, weight = np.array([[0.5, 0.0]]), np.ones(1)
    return sum(len(rows) for rows in _chunks(scanner, point, weight, ((1.0, 1.0), (0, 0)), 0.0, film, 1))


def coherent_chunks(
    scanner: Scanner, points, weights, period_nm, focus_nm: float, film: FilmStack | None = None
) -> Iterator[np.ndarray]:
    """All coherent rows (row, fy, fx) of a scanner at `scanner.orders`, complex128, few at a time."""
    ky, kx = orders = scanner.orders(period_nm, points)
    step = max(1, CHUNK // (rows_per_point(scanner, film) * (2 * ky + 1) * (2 * kx + 1)))
    return _chunks(scanner, points, weights, (period_nm, orders), focus_nm, film, step)


def _chunks(scanner, points, weights, tile, focus_nm, film, step):
    projector, light = double(scanner.projector), (scanner.polarisation, double(film))
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        yield coherent_systems(projector, points[part], weights[part], *tile, np.float64(focus_nm), *light)
