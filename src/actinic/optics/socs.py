"""SOCS: the few coherent systems that together make nearly the whole image.

The coherent rows of all source points (and components, depths) make up the transmission cross coefficients. With S
rows and F frequencies the non-zero eigenvalues are those of the S x S Gram matrix of the rows, whose eigenvectors
mix them into the optimal coherent systems (Cobb 1998), and of the F x F matrix itself: the smaller one is solved, on
the tile's own period. Kept in order of energy, the sum is exact at full rank.
"""

import numpy as np
from scipy import linalg

from .film import FilmStack
from .scanner import Scanner, coherent_chunks, rows_per_point


def decompose(
    scanner: Scanner,
    period_nm: tuple[float, float],
    focus_nm: float,
    film: FilmStack | None = None,
    count: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Kernels (kernel, fy, fx) complex128, weights included, in falling order of energy, and the energies.

    There are as many as coherent rows or as frequencies that pass, whichever are fewer, and their summed image is
    Abbe's; or the `count` first of them.
    """
    points, weights = scanner.source_points(period_nm)
    orders = scanner.orders(period_nm, points)
    shape = tuple(2 * k + 1 for k in orders)
    chunks = (
        rows.reshape(len(rows), -1) for rows in coherent_chunks(scanner, points, weights, period_nm, focus_nm, film)
    )
    if len(points) * rows_per_point(scanner, film) <= np.prod(shape):
        flat = np.concatenate(list(chunks))
        energy, mixing = leading(flat @ flat.conj().T, count)
        kernels = mixing.conj().T @ flat
    else:
        energy, kernels = _from_coefficients(chunks, np.prod(shape), count)
    return kernels.reshape(-1, *shape), energy


def leading(matrix: np.ndarray, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, not below zero, and eigenvectors in columns, the largest first."""
    n = len(matrix)
    part = None if count is None or count >= n else (n - count, n - 1)
    values, vectors = linalg.eigh(matrix, subset_by_index=part, driver="evd" if part is None else "evr")
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def _from_coefficients(chunks, size: int, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Energies and kernels (kernel, frequency) from the transmission cross coefficients, a chunk of rows at a time."""
    tcc = np.zeros((size, size), complex)
    for rows in chunks:
        # A few source points see a small part of the frequencies.
        seen = np.flatnonzero(rows.any(0))
        rows = rows[:, seen]
        tcc[np.ix_(seen, seen)] += rows.conj().T @ rows
    passed = np.flatnonzero(np.diagonal(tcc).real > 0)
    energy, modes = leading(tcc[np.ix_(passed, passed)], count)
    kernels = np.zeros((len(energy), size), complex)
    kernels[:, passed] = np.sqrt(energy)[:, None] * modes.conj().T
    return energy, kernels
