"""SOCS: the few coherent systems that together make nearly the whole image.

With S source points the S x S Gram matrix of the shifted pupils, taken on the tile's own period, has
the non-zero eigenvalues of the transmission cross coefficients; its eigenvectors mix the Abbe rows
into the optimal coherent systems (Cobb 1998). Kept in order of energy, the sum is exact at full rank.
"""

import numpy as np

from ..types import double
from .scanner import Scanner, coherent_systems


def decompose(scanner: Scanner, period_nm: tuple[float, float], focus_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """All kernels (kernel, fy, fx) complex128, weights included, in falling order of energy, and the energies.

    There are as many as source points, and their summed image is Abbe's.
    """
    points, weights = scanner.source_points(period_nm)
    orders = scanner.orders(period_nm, points)
    rows = coherent_systems(double(scanner.projector), points, weights, period_nm, orders, np.float64(focus_nm))
    flat = rows.reshape(len(rows), -1)
    energy, mixing = np.linalg.eigh(flat @ flat.conj().T)
    kernels = mixing[:, ::-1].conj().T @ flat
    return kernels.reshape(rows.shape), np.maximum(energy[::-1], 0)
