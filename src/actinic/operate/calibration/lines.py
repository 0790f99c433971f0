"""Images of endless lines, smooth in every setting of the scanner.

For structures that repeat in one direction only the few orders of one axis count, and the partially coherent image is
a small matrix over pairs of them, the transmission cross coefficients

    T(n, m) = integral over the source of S(s) P(f_n + s) P*(f_m + s) ds

(Hopkins 1953); polarised light has the sum of those of its coherent rows (`optics.vector_rows`). Abbe's sum over
source points takes a point of a pupil as inside or outside, so its image jumps when the aperture or a pitch moves an
order past a source point, and derivatives miss these jumps. Here a cell of the source that the rim of a shifted pupil
cuts counts with the part that lies inside, for two rims with the smaller of both parts. Sum and derivatives then
converge to those of the integral. Everything is NumPy float64.
"""

import numpy as np

from ...errors import NumericalError
from ...mask import dense_line, transmitted
from ...optics import FilmStack, Projector, Scanner, band, sample, sources_of, vector_rows
from ...types import Grid
from .measured import Lines

# Cells of the source in sigma: the image at the edge of a line is then within 1e-4 of clear field of the limit.
CELL = 1 / 50
# Periods across the line in one along it, for which nothing is computed: two samples suffice there.
_SLENDER = 64


def coherence(
    scanner: Scanner, lines: Lines, focus_nm: np.ndarray, film: FilmStack | None = None, cell: float = CELL
) -> np.ndarray:
    """Cross coefficients (focus, 2k+1, 2k+1) complex128 of the orders -k..k of lines with a pitch; clear field is 1.

    Give scanner and film in float64. Only pitch and axis of the lines matter.
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
    fx, fy = f if lines.axis == "y" else f[::-1]
    pupil = lens.pupil(fx, fy, np.asarray(focus_nm, np.float64)[:, None, None])
    if scanner.polarisation is not None:
        return _vector(scanner, film, points, weights, inside, (fx, fy), pupil)
    cut = ((inside > 0) & (inside < 1)).any(axis=1)
    whole = pupil[:, ~cut] * inside[~cut]
    total = (whole * weights[~cut, None]).swapaxes(1, 2) @ whole.conj()
    part, share = pupil[:, cut], inside[cut]
    both = np.minimum(share[:, :, None], share[:, None, :]) * weights[cut, None, None]
    total += np.einsum("snm,zsn,zsm->znm", both, part, part.conj(), optimize=True)
    if not (total[:, k, k].real > 0).all():
        raise NumericalError("no light of this source passes the lens in clear field: lower sigma")
    return total / total[:, k, k].real[:, None, None]


def _vector(scanner: Scanner, film, points, weights, inside, f, pupil) -> np.ndarray:
    """The same of polarised light: each pair of orders counts with what their fields have in common."""
    lens, number = scanner.projector, sources_of(scanner.projector, points, scanner.polarisation)
    _, *directions = lens.coordinates(*(part[:, None, :] for part in np.broadcast_arrays(*f)))

    def fields(directions, stack):
        """(state, order, component and depth)."""
        rows = vector_rows(lens, np.ones(directions[0].shape, complex), directions, points, scanner.polarisation, stack)
        return rows.reshape(-1, len(number), directions[0].shape[-1]).transpose(1, 2, 0)

    zero = slice(inside.shape[1] // 2, inside.shape[1] // 2 + 1)
    # The clear field's dose is that in front of the wafer.
    clear = (np.abs(fields([part[..., zero] for part in directions], None)) ** 2).sum(2)[:, 0]
    dose = (clear * (weights * inside[:, zero][:, 0])[number]).sum()
    if not dose > 0:
        raise NumericalError("no light of this source passes the lens in clear field: lower sigma")
    alike = np.zeros((len(points), *2 * inside.shape[1:]), complex)
    found = fields(directions, film)
    np.add.at(alike, number, found @ found.conj().swapaxes(1, 2))
    alike *= np.minimum(inside[:, :, None], inside[:, None, :]) * (weights / dose)[:, None, None]
    return np.stack([((alike * p[:, :, None]) * p.conj()[:, None, :]).sum(0) for p in pupil])


def _upper_half(lens: Projector, points: np.ndarray, weights: np.ndarray, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """The source points on one side of the lines' normal, with twice the weight, where both sides image alike."""
    flip = np.array([1, -1] if axis == "y" else [-1, 1])
    across = points[:, 1] if axis == "y" else points[:, 0]
    here, there = (np.lexsort(np.round(p, 9).T) for p in (points, points * flip))
    if lens.jones is not None:
        return points, weights
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
    shape = (1, _SLENDER) if lines.axis == "y" else (_SLENDER, 1)
    return Grid(shape, lines.pitch_nm / _SLENDER, (-half, -half))


def lines_samples(coefficients: np.ndarray, mask, lines: Lines) -> np.ndarray:
    """Intensity samples [y, x] over the period of `lines_grid`, as `band.intensity` gives them."""
    k = (len(coefficients) - 1) // 2
    order = np.arange(-k, k + 1)
    _, [[(_, width)]] = dense_line(mask, lines.cd_nm, lines.pitch_nm)
    duty = width / lines.pitch_nm
    # Area-exact coefficients of the drawn line, which stands at half the period.
    drawn = (duty * np.sinc(order * duty) * (-1.0) ** order)[None].astype(complex)
    amplitude = transmitted(mask, drawn)[0]
    n = band.fast_length(4 * k + 1)
    waves = np.exp(2j * np.pi * np.outer(np.arange(n), order) / n) * amplitude
    samples = ((waves @ coefficients) * waves.conj()).sum(axis=1).real
    # A second row of the same: the smallest even number of samples across.
    both = np.stack([samples, samples])
    return both if lines.axis == "y" else both.T
