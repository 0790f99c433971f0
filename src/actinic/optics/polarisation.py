"""Vector imaging: the electric field that each source point sends to the wafer, in air, liquid or resist.

The directions of a ray in the medium of index n are (a, b, gamma), a = lambda g_x / n and gamma the cosine. A thin
mask carries the source's Jones vector J unchanged to the entrance pupil, the lens's own Jones pupil acts there, and
every ray is turned onto its direction in the plane through the axis (Mansuripur, J. Opt. Soc. Am. A 3, 2086, 1986):

    E = [[S + D a^2, D a b], [D a b, S + D b^2], [Z a, Z b]] J

without a film S = 1, D = -1 / (1 + gamma), Z = -1; with one, S is the field of s light at a depth in the resist,
S + D sin^2 and Z sin the lateral and the vertical field of p light. Regular on the axis in both cases.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from ..types import as_complex
from .film import FilmStack
from .pupil import Projector

Polarisation = Literal["unpolarised", "TE", "TM", "X", "Y"]


def states(points: np.ndarray, polarisation: Polarisation) -> tuple[np.ndarray, np.ndarray]:
    """Source point of every coherent state (m,) and its Jones vector (m, 2).

    TE is across the source point's radius, TM along it; unpolarised light, and TE or TM on the axis, is half x,
    half y.
    """
    number = np.arange(len(points))
    sx, sy = np.asarray(points, np.float64).T
    radius = np.hypot(sx, sy)
    if polarisation in ("X", "Y"):
        return number, np.tile([1.0, 0.0] if polarisation == "X" else [0.0, 1.0], (len(points), 1))
    halved = (radius < 1e-9) | (polarisation == "unpolarised")
    across = np.stack([-sy, sx] if polarisation == "TE" else [sx, sy], 1) / np.where(halved, 1.0, radius)[:, None]
    both = np.tile(np.eye(2) * 0.5**0.5, (int(halved.sum()), 1))
    return np.concatenate([number[~halved], np.repeat(number[halved], 2)]), np.concatenate([across[~halved], both])


def sources_of(projector: Projector, points: np.ndarray, polarisation: Polarisation) -> np.ndarray:
    """Source point of each of `vector_rows`' rows (m,), an order which it repeats for every component and depth."""
    if projector.jones is None and polarisation == "unpolarised":
        return np.arange(len(points))
    return states(points, polarisation)[0]


def vector_rows(
    projector: Projector, rows, directions, points, polarisation: Polarisation, film: FilmStack | None = None
):
    """Scalar Abbe rows (point, fy, fx), source weights inside -> vector rows (row, fy, fx).

    One row for each depth, state of polarisation and component of the field. `directions` are (x, y) in the pupil, 1
    at the rim. In a film |E|^2 is weighted so that the rows' intensities add to the dose of `FilmStack.fluence`.
    """
    x, y = directions
    a, b = (part * (projector.na / projector.immersion_index) for part in directions)
    sine2 = a * a + b * b
    # The lens keeps the energy of a ray whose angle it changes.
    mx, my = (projector.na / reduction for reduction in projector.reductions)
    radiometric = ((1 - (mx * x) ** 2 - (my * y) ** 2) / (1 - sine2)) ** 0.25
    rows = rows * radiometric.astype(rows.dtype)
    if projector.jones is None and polarisation == "unpolarised":
        # The matrix is symmetric: its xy and yx elements are one field of twice the weight, and five are enough.
        half = rows * 0.5**0.5
        aa, ab, bb, a, b = (half * part.astype(rows.dtype) for part in (a * a, 2**0.5 * a * b, b * b, a, b))
        lateral, vertical = ((half, aa), (0 * half, ab), (half, bb)), (a, b)
    else:
        number, jones = states(points, polarisation)
        rows, a, b, sine2 = (part[number] for part in (rows, a.astype(rows.dtype), b.astype(rows.dtype), sine2))
        ex, ey = (rows * part.reshape(-1, 1, 1).astype(rows.dtype) for part in jones.T)
        if projector.jones is not None:
            xx, xy, yx, yy = (part[number] for part in projector.jones.matrix(x, y, projector.wavelength_nm))
            ex, ey = xx * ex + xy * ey, yx * ex + yy * ey
        along = a * ex + b * ey
        lateral, vertical = ((ex, a * along), (ey, b * along)), (along,)
    pick, place = _passing(rows)
    lateral, vertical = [(pick(level), pick(turned)) for level, turned in lateral], [pick(risen) for risen in vertical]
    found = []
    for s, d, z in _factors(projector, film, pick(sine2)):
        found += [s * level + d * turned for level, turned in lateral] + [z * risen for risen in vertical]
    return place(found)


def _passing(rows) -> tuple[Callable, Callable]:
    """Leave out the frequencies that do not pass, where films would cost most of their time, and put zeros there again.

    JAX arrays keep their shape.
    """
    if not isinstance(rows, np.ndarray):
        return lambda values: values, rows.__array_namespace__().concatenate
    lit = np.flatnonzero(rows)

    def place(fields: list[np.ndarray]) -> np.ndarray:
        whole = np.zeros((len(fields), rows.size), rows.dtype)
        whole[:, lit] = fields
        return whole.reshape(-1, *rows.shape[1:])

    return lambda values: values.reshape(-1)[lit], place


def _factors(projector: Projector, film: FilmStack | None, sine2) -> Iterator[tuple]:
    """S, D and Z of every depth, times the root of its weight; complex, in the shape of the squared sines."""
    if film is None:
        yield 1.0, as_complex(-1 / (1 + (1 - sine2) ** 0.5)), -1.0
        return
    xp = sine2.__array_namespace__()
    n, wavelength = projector.immersion_index, projector.wavelength_nm
    # On the axis the lateral fields of s and p are one.
    tilted, safe = sine2 > 0, as_complex(xp.where(sine2 > 0, sine2, 1.0))
    depths, weights = film.depths(wavelength)
    gain = film.gain(wavelength, n)
    for weight, (s, lateral, vertical) in zip(weights, film.fields(wavelength, n, n * n * sine2, depths), strict=True):
        root = as_complex((gain * weight) ** 0.5)
        yield root * s, root * xp.where(tilted, lateral - s, 0j) / safe, root * vertical
