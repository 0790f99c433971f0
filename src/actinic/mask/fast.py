"""The fast mask model: thick masks by filters on what is drawn, linear in the source, fitted to rigorous solutions.

A mask's orders change over the source mostly by the phase of the plane at which the mirror seems to reflect, which is a
phase of the pupil, and else about linearly (Tanabe, Proc. SPIE 9981, 2016):

    T(f; s) = exp{i z kz_out(f + s)} [T_0(f) + s_x T_x(f) + s_y T_y(f)]

Each of the three is a sum over what is drawn: the openings F, their upright edges V and level edges H as lines of light
(one side as good as the other), each through a polynomial filter of the frequency, and the absorber's own reflection:

    T_i(f) = ground_i delta(f) + filter_iF(f) F(f) + filter_iV(f) V(f) + filter_iH(f) H(f).

What differs between the two sides of a line is in the odd powers of filter_F. `fitted` finds the coefficients by least
squares over the source points whose order passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..optics import Scanner, band, coherent_systems, sources_of
from ..types import double
from .reflective import Reflective
from .resolved import Lit, clear_field, lit, plane_phase, resolve

# Powers (x, y) of the frequency in units of NA / lambda in the filters of openings; of edges the powers across them.
OPENINGS = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (3, 0), (0, 3), (4, 0), (0, 4))
ACROSS = (0, 1, 2, 3, 4)
# Lines that the filters are fitted to: openings or absorber so wide, in lambda / NA, at periods so long.
WIDTHS = (0.39, 0.46, 0.59, 0.80)
PERIODS = (0.86, 1.06, 1.35, 1.8, 2.6, 3.9)
# Lines that tell how good the fit is.
HELD_WIDTHS, HELD_PERIODS = (0.42, 0.52, 0.68), (1.2, 1.6, 3.0)
# Source points of the fit stand so far apart in sigma; lines have so many samples.
SPACING, SAMPLES = 1 / 8, 720


@dataclass(frozen=True)
class Fast:
    """Coefficients complex (3, term) of the filters for i = 0, x, y, the plane's depth, and how good they are.

    `held_out` is the root mean square of what is left of orders of lines that were not fitted, clear field 1.
    """

    coefficients: np.ndarray
    light: Lit
    plane_nm: float
    na_over_lambda: float
    held_out: float

    def filters(self, period_nm: tuple[float, float], orders: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Complex (3 of the source, 3 drawn, 2ky+1, 2kx+1), and the absorber's own (3,)."""
        terms = _terms(period_nm, orders, self.na_over_lambda)
        found = np.einsum("ik,jkyx->ijyx", self.coefficients[:, 1:], terms)
        return found, self.coefficients[:, 0]

    def amplitudes(self, drawn, period_nm: tuple[float, float]) -> np.ndarray:
        """T_i (3, 2ky+1, 2kx+1) from the spectra of openings, upright and level edges (3, 2ky+1, 2kx+1)."""
        ky, kx = ((n - 1) // 2 for n in drawn.shape[-2:])
        filters, ground = self.filters(period_nm, (ky, kx))
        found = np.einsum("ijyx,jyx->iyx", filters, drawn)
        found[:, ky, kx] += ground
        return found

    def over_source(self, amplitudes, points: np.ndarray, period_nm: tuple[float, float]) -> np.ndarray:
        """T(f; s) (mask, point, 2ky+1, 2kx+1) for source points (point, 2), from T_i (mask, 3, 2ky+1, 2kx+1)."""
        ky, kx = ((n - 1) // 2 for n in amplitudes.shape[-2:])
        phase = plane_phase(self.light, self.plane_nm, points, band.frequencies(period_nm, (ky, kx)))
        return np.einsum("pi,miyx->mpyx", with_one(points), amplitudes) * phase


def with_one(points: np.ndarray) -> np.ndarray:
    """(point, 3): 1, s_x, s_y."""
    return np.concatenate([np.ones((len(points), 1)), points], 1)


def drawn_spectra(openings: np.ndarray, period_nm: tuple[float, float], orders: tuple[int, int]) -> np.ndarray:
    """Spectra (3, 2ky+1, 2kx+1) of openings [y, x] and of their upright and level edges, the latter in 1/nm.

    An edge within a pixel is shared out between that pixel's two sides, which keeps its place.
    """
    fy, fx = band.frequencies(period_nm, orders)
    found = [band.mask_spectrum(openings, orders)]
    for axis, f in ((1, fx), (0, fy)):
        n = openings.shape[axis]
        pixel = period_nm[axis] / n
        steps = abs(openings - np.roll(openings, 1, axis))
        # The step stands at the pixel's lower side, and is a line, not a pixel.
        found.append(band.mask_spectrum(steps, orders) * np.sinc(f * pixel) * np.exp(1j * np.pi * f * pixel) / pixel)
    return np.stack(found)


def _terms(period_nm, orders, na_over_lambda: float) -> np.ndarray:
    """Powers of the frequency (3 drawn, term, 2ky+1, 2kx+1): each term belongs to one of the drawn."""
    fy, fx = (f / na_over_lambda for f in band.frequencies(period_nm, orders))
    count, none = len(OPENINGS) + 2 * len(ACROSS), 0 * (fx + fy)
    found = np.zeros((3, count, *none.shape))
    for k, (a, b) in enumerate(OPENINGS):
        found[0, k] = fx**a * fy**b + none
    # Edges are counted in lambda / NA, so that all coefficients are of a size.
    for k, a in enumerate(ACROSS):
        found[1, len(OPENINGS) + k] = (fx**a + none) / na_over_lambda
        found[2, len(OPENINGS) + len(ACROSS) + k] = (fy**a + none) / na_over_lambda
    return found


@dataclass(frozen=True)
class Lines:
    """One drawn opening or absorber of a width in the middle of a period, along y or along x, in nm."""

    width_nm: float
    period_nm: float
    level: bool  # along x
    dark: bool

    def openings(self) -> np.ndarray:
        """Area fractions, one row or one column."""
        edges = np.linspace(0, self.period_nm, SAMPLES + 1)
        low, high = (self.period_nm - self.width_nm) / 2, (self.period_nm + self.width_nm) / 2
        row = np.diff(np.clip(edges, low, high))[None] * (SAMPLES / self.period_nm)
        row = 1 - row if self.dark else row
        return row.T if self.level else row

    @property
    def tile_nm(self) -> tuple[float, float]:
        return (self.period_nm, 1.0) if self.level else (1.0, self.period_nm)


def training(
    na_over_lambda: float, widths: Sequence[float] = WIDTHS, periods: Sequence[float] = PERIODS
) -> list[Lines]:
    """Lines of all widths, periods, directions and tones; no gap narrower than the least width."""
    unit = 1 / na_over_lambda
    return [
        Lines(w * unit, p * unit, level, dark)
        for p in periods
        for w in widths
        if p - w > 0.95 * min(widths)
        for level in (False, True)
        for dark in (False, True)
    ]


def held_out(na_over_lambda: float) -> list[Lines]:
    """Lines that are not fitted."""
    return training(na_over_lambda, HELD_WIDTHS, HELD_PERIODS)


def fitted(
    mask: Reflective, scanner: Scanner, lines: Sequence[Lines] | None = None, held: Sequence[Lines] = ()
) -> Fast:
    """Fit the filters to lines solved rigorously; for one mask, source, lens and place in the slit."""
    if scanner.polarisation is None:
        raise ConfigError("thick masks turn polarisation: give the scanner one, such as unpolarised")
    from_nm = scanner.na_over_lambda
    lines = training(from_nm) if lines is None else lines
    repeats = 1 / (SPACING * from_nm)
    points, weights = scanner.source_points((repeats, repeats))
    clear = clear_field(mask, scanner)(points)[..., 0, 0]
    scale = 1 / np.sqrt(_mean(clear, weights * row_power(scanner, points)))
    systems = [_Equations(mask, scanner, one, (points, weights), scale) for one in lines]
    found = np.linalg.solve(sum(s.matrix for s in systems), sum(s.right for s in systems)).reshape(3, -1)
    plane = systems[0].plane_nm
    return Fast(
        found,
        lit(scanner),
        plane,
        from_nm,
        _left_over(found, [_Equations(mask, scanner, h, (points, weights), scale) for h in held]),
    )


def row_power(scanner: Scanner, points: np.ndarray) -> np.ndarray:
    """Clear-field intensity (point,) that each source point of weight 1 gives through the lens."""
    rows = coherent_systems(
        double(scanner.projector), points, np.ones(len(points)), (1.0, 1.0), (0, 0), np.float64(0), scanner.polarisation
    )
    owner = sources_of(scanner.projector, points, scanner.polarisation)
    owner = np.tile(owner, len(rows) // len(owner))
    return np.bincount(owner, (abs(rows[:, 0, 0]) ** 2), len(points))


def _mean(jones: np.ndarray, weights: np.ndarray) -> float:
    """Intensity of an order's mean of x and y light over the source."""
    return float((weights * (abs(jones[:, 0, 0]) ** 2 + abs(jones[:, 1, 1]) ** 2) / 2).sum() / weights.sum())


class _Equations:
    """Normal equations of one pattern."""

    def __init__(self, mask: Reflective, scanner: Scanner, lines: Lines, source, scale: float):
        points, weights = source
        openings, period = lines.openings(), lines.tile_nm
        orders = scanner.orders(period, points)
        orders = (orders[0], 0) if lines.level else (0, orders[1])
        solved = resolve(mask, scanner, openings, period, orders)
        self.plane_nm = solved.plane_nm
        jones = solved(points)
        target = scale * (jones[:, 0, 0] + jones[:, 1, 1]) / 2 / solved.plane(points)
        fy, fx = (f / scanner.na_over_lambda for f in band.frequencies(period, orders))
        gx, gy = points[:, 0, None, None] + fx, points[:, 1, None, None] + fy
        passes = double(scanner.projector).coordinates(gx * scanner.na_over_lambda, gy * scanner.na_over_lambda)[0]
        sigma = with_one(points)
        share = (weights / weights.sum())[:, None, None] * passes
        drawn = drawn_spectra(openings, period, orders)
        phi = np.einsum("jkyx,jyx->kyx", _terms(period, orders, scanner.na_over_lambda), drawn)
        zero = np.zeros((1, *phi.shape[1:]), complex)
        zero[0, orders[0], orders[1]] = 1
        self.phi = np.concatenate([zero, phi])
        self.moments = np.einsum("pyx,pi,pj->ijyx", share, sigma, sigma)
        self.seen = np.einsum("pyx,pi,pyx->iyx", share, sigma, target)
        self.power = float((share * abs(target) ** 2).sum())
        n = 3 * len(self.phi)
        self.matrix = np.einsum("ijyx,kyx,lyx->ikjl", self.moments, self.phi.conj(), self.phi).reshape(n, n)
        self.right = np.einsum("iyx,kyx->ik", self.seen, self.phi.conj()).reshape(n)


def _left_over(found: np.ndarray, systems: Sequence["_Equations"]) -> float:
    flat, total = found.reshape(-1), 0.0
    for s in systems:
        total += s.power - 2 * (flat.conj() @ s.right).real + (flat.conj() @ s.matrix @ flat).real
    return float(np.sqrt(max(total, 0) / max(len(systems), 1)))
