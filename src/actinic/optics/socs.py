"""SOCS: the few coherent systems that together make nearly the whole image.

The coherent rows of all source points (and components, depths) make up the transmission cross coefficients. With S
rows and F frequencies the non-zero eigenvalues are those of the S x S Gram matrix of the rows, whose eigenvectors
mix them into the optimal coherent systems (Cobb 1998), and of the F x F matrix itself: the smaller one is solved, on
the tile's own period. Kept in order of energy, the sum is exact at full rank.
"""

import numpy as np

from .film import FilmStack
from .scanner import Scanner, coherent_chunks, rows_per_point


def decompose(
    scanner: Scanner, period_nm: tuple[float, float], focus_nm: float, film: FilmStack | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """All kernels (kernel, fy, fx) complex128, weights included, in falling order of energy, and the energies.

    There are as many as coherent rows or as frequencies that pass, whichever are fewer; their summed image is Abbe's.
    """
    points, weights = scanner.source_points(period_nm)
    orders = scanner.orders(period_nm, points)
    shape = tuple(2 * k + 1 for k in orders)
    chunks = (
        rows.reshape(len(rows), -1) for rows in coherent_chunks(scanner, points, weights, period_nm, focus_nm, film)
    )
    if len(points) * rows_per_point(scanner, film) <= np.prod(shape):
        flat = np.concatenate(list(chunks))
        energy, mixing = np.linalg.eigh(flat @ flat.conj().T)
        kernels = mixing[:, ::-1].conj().T @ flat
        energy = np.maximum(energy[::-1], 0)
    else:
        energy, kernels = _from_coefficients(chunks, np.prod(shape))
    return kernels.reshape(-1, *shape), energy


def _from_coefficients(chunks, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies and kernels (kernel, frequency) from the transmission cross coefficients, a chunk of rows at a time."""
    tcc = np.zeros((count, count), complex)
    for rows in chunks:
        # A few source points see a small part of the frequencies.
        seen = np.flatnonzero(rows.any(0))
        rows = rows[:, seen]
        tcc[np.ix_(seen, seen)] += rows.conj().T @ rows
    passed = np.flatnonzero(np.diagonal(tcc).real > 0)
    energy, modes = np.linalg.eigh(tcc[np.ix_(passed, passed)])
    energy = np.maximum(energy[::-1], 0)
    kernels = np.zeros((len(passed), count), complex)
    kernels[:, passed] = np.sqrt(energy)[:, None] * modes[:, ::-1].conj().T
    return energy, kernels
