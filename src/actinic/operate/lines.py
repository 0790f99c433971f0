"""Images of endless lines, smooth in every setting of the scanner.

For structures that repeat in one direction only the few orders of one axis count, and the partially coherent image is
a small matrix over pairs of them, the transmission cross coefficients

    T(n, m) = integral over the source of S(s) P(f_n + s) P*(f_m + s) ds

(Hopkins 1953). Abbe's sum over source points takes a point of a pupil as inside or outside, so its image jumps when
the aperture or a pitch moves an order past a source point, and derivatives miss these jumps. Here a cell of the
source that the rim of a shifted pupil cuts counts with the part that lies inside, for two rims with the smaller of
both parts. Sum and derivatives then converge to those of the integral. Everything is NumPy float64.
"""

import numpy as np

from ..errors import NumericalError
from ..mask import transmitted
from ..optics import Projector, Scanner, band, sample
from ..types import Grid
from .measured import Lines

# Cells of the source in sigma: the image at the edge of a line is then within 1e-4 of clear field of the limit.
CELL = 1 / 50


def coherence(scanner: Scanner, lines: Lines, focus_nm: np.ndarray, cell: float = CELL) -> np.ndarray:
    """Cross coefficients (focus, 2k+1, 2k+1) complex128 of the orders -k..k of lines with a pitch; clear field is 1.

    Give the scanner in float64. Only pitch and axis of the lines matter.
    """
    lens: Projector = scanner.projector
    cut_off = float(lens.na / lens.wavelength_nm)
    points, weights = _upper_half(lens, *sample(scanner.source, cell), lines.axis)
    along = points if lines.axis == "y" else points[:, ::-1]
    k = int(np.floor(cut_off * (1 + np.abs(along[:, 0]).max() + cell) * lines.pitch_nm))
    across = along[:, :1] + np.arange(-k, k + 1) / (lines.pitch_nm * cut_off)
    radius = np.hypot(across, along[:, 1:])
    inside = np.clip((1 - radius) / cell + 0.5, 0, 1)
    # Where the middle of a cut cell lies outside the lens, the rim next to it stands for the part inside.
    scale = cut_off / np.maximum(radius, 1)
    f = across * scale, along[:, 1:] * scale
    pupil = lens.pupil(*(f if lines.axis == "y" else f[::-1]), np.asarray(focus_nm, np.float64)[:, None, None])
    cut = ((inside > 0) & (inside < 1)).any(axis=1)
    whole = pupil[:, ~cut] * inside[~cut]
    total = (whole * weights[~cut, None]).swapaxes(1, 2) @ whole.conj()
    part, share = pupil[:, cut], inside[cut]
    both = np.minimum(share[:, :, None], share[:, None, :]) * weights[cut, None, None]
    total += np.einsum("snm,zsn,zsm->znm", both, part, part.conj(), optimize=True)
    if not (total[:, k, k].real > 0).all():
        raise NumericalError("no light of this source passes the lens in clear field: lower sigma")
    return total / total[:, k, k].real[:, None, None]


def _upper_half(lens: Projector, points: np.ndarray, weights: np.ndarray, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """The source points on one side of the lines' normal, with twice the weight, where both sides image alike."""
    flip = np.array([1, -1] if axis == "y" else [-1, 1])
    across = points[:, 1] if axis == "y" else points[:, 0]
    here, there = (np.lexsort(np.round(p, 9).T) for p in (points, points * flip))
    same = np.allclose(points[here], points[there] * flip) and np.allclose(weights[here], weights[there])
    probe = lens.na / lens.wavelength_nm * np.array([[0.13, 0.41], [0.37, 0.22], [0.59, 0.31], [0.07, 0.83]])
    sides = [lens.pupil(*p.T, np.float64(0)) for p in (probe, probe * flip)]
    if not (same and np.allclose(*sides, rtol=0, atol=1e-12)):
        return points, weights
    kept = across > -1e-12
    return points[kept], np.where(across[kept] > 1e-12, 2, 1) * weights[kept]


def lines_grid(lines: Lines) -> Grid:
    """The period of the lines, a line centred on the origin."""
    half = lines.pitch_nm / 2
    return Grid((1, 1), lines.pitch_nm, (-half, -half))


def lines_samples(coefficients: np.ndarray, mask, lines: Lines) -> np.ndarray:
    """Intensity samples [y, x] over the period of `lines_grid`, as `band.intensity` gives them."""
    k = (len(coefficients) - 1) // 2
    order = np.arange(-k, k + 1)
    duty = lines.cd_nm / lines.pitch_nm
    # Area-exact coefficients of the drawn line, which stands at half the period.
    drawn = (duty * np.sinc(order * duty) * (-1.0) ** order)[None].astype(complex)
    amplitude = transmitted(mask, drawn)[0]
    n = band.fast_length(4 * k + 1)
    waves = np.exp(2j * np.pi * np.outer(np.arange(n), order) / n) * amplitude
    samples = ((waves @ coefficients) * waves.conj()).sum(axis=1).real
    # A second row of the same: the smallest even number of samples across.
    both = np.stack([samples, samples])
    return both if lines.axis == "y" else both.T
