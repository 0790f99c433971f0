"""Images of every pixel of a source through a clip's mask, and how they change when its edges move.

All in float64 and exact for the polygons: Fourier coefficients come from their edges, without a raster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import ConfigError
from ...forward import Process, thinned
from ...layout import Layout, clipped, displaced
from ...mask import AlternatingPSM, made, transmitted
from ...optics import Scanner, band, coherent_systems
from ...optics.polarisation import states
from ...types import double
from ..images import scanner_of
from ..limits import MaskLimits
from .clips import Clip, Sites, sites
from .moves import Moves, moves

# Complex numbers of fields in memory at a time.
_CHUNK = 2**22
# Energy that the leading systems of a source may leave out when slopes in the mask's edges are computed.
_LEFT_OUT = 1e-5


def edge_spectrum(layout: Layout, period_nm: tuple[float, float], orders: tuple[int, int], origin_nm) -> np.ndarray:
    """Fourier coefficients (2ky+1, 2kx+1) of the area inside polygons of any shape on a periodic tile, exact.

    F(f) = i / (2 pi f^2) sum over edges of (f . normal) times the edge's own transform (Gauss); the area at f = 0.
    """
    edges = layout.edges_nm - np.tile(origin_nm, 2)
    if not len(edges):
        return np.zeros([2 * k + 1 for k in orders], complex)
    fy, fx = (f.ravel() for f in np.broadcast_arrays(*band.frequencies(period_nm, orders)))
    along, middle = edges[:, 2:] - edges[:, :2], 0.5 * (edges[:, 2:] + edges[:, :2])
    waves = np.exp(-2j * np.pi * (np.outer(middle[:, 0], fx) + np.outer(middle[:, 1], fy)))
    waves *= np.sinc(np.outer(along[:, 0], fx) + np.outer(along[:, 1], fy))
    total = fx * (along[:, 1] @ waves) - fy * (along[:, 0] @ waves)
    square = fx**2 + fy**2
    spectrum = 1j * total / (2 * np.pi * np.where(square > 0, square, 1.0))
    spectrum[square == 0] = layout.area_nm2
    return spectrum.reshape([2 * k + 1 for k in orders]) / np.prod(period_nm)


@dataclass(frozen=True)
class Bench:
    """A clip on an optical bench: one scanner, the pixels of a source, the focuses and mask biases that count.

    `conditions` are the distinct (focus_nm, bias_nm).
    """

    clip: Clip
    process: Process  # in float64
    sites: Sites
    moves: Moves
    sigma: np.ndarray  # (pixel, 2)
    conditions: Sequence[tuple[float, float]]

    @cached_property
    def orders(self) -> tuple[int, int]:
        return scanner_of(self.process).orders(self.clip.period_nm, self.sigma)

    @cached_property
    def shape(self) -> tuple[int, int]:
        return band.image_shape(self.clip.period_nm, scanner_of(self.process).na_over_lambda)

    @cached_property
    def reading(self) -> np.ndarray:
        """From intensity samples (y, x) to what the resist sees at the sites, (site, y * x)."""
        (height, width), (x0, y0) = self.clip.period_nm, self.clip.window_nm[:2]
        uy = band.interpolation(self.shape[0], (self.sites.at_nm[:, 1] - y0) / height)
        ux = band.interpolation(self.shape[1], (self.sites.at_nm[:, 0] - x0) / width)
        # Diffusion is symmetric: what it does to the image it does to the reading just as well.
        resist = self.process.resist
        return np.stack(
            [resist.latent(np.outer(a, b), self.clip.period_nm).ravel() for a, b in zip(uy, ux, strict=True)]
        )

    def shaped(self, moves_nm: np.ndarray, bias_nm: float = 0.0) -> Layout:
        """The mask's polygons in the window, edges moved; on a unit of at most 0.01 nm."""
        outward = self.moves.outward(moves_nm, bias_nm)
        return clipped(displaced(self.moves.whole, self.moves.pieces, outward, 0.01), self.clip.window_nm)

    def amplitude(self, moves_nm: np.ndarray, bias_nm: float = 0.0) -> np.ndarray:
        """Fourier coefficients (fy, fx) of the mask's transmission."""
        (polygons,) = made(self.process.mask, (self.shaped(moves_nm, bias_nm),), self.clip.window_nm)
        inside, window = clipped(polygons, self.clip.window_nm), self.clip.window_nm
        return transmitted(
            double(thinned(self.process).mask), edge_spectrum(inside, self.clip.period_nm, self.orders, window[:2])
        )

    def slopes(self, moves_nm: np.ndarray, bias_nm: float) -> np.ndarray:
        """Its derivative in the moves, (group, fy, fx): each piece adds its own transform, as a line of light."""
        pieces, own = self.moves.pieces, self.moves.own & (self.moves.group >= 0)
        outward = self.moves.outward(moves_nm, bias_nm) + self.process.mask.bias_nm
        x, y, length = (values[own] for values in self.moves.placed(outward))
        (x0, y0, *_), (height, width), upright = self.clip.window_nm, self.clip.period_nm, pieces.nx[own] != 0
        x, y, length = x - x0, y - y0, np.minimum(length, np.where(upright, height, width))
        fy, fx = (f.ravel() for f in np.broadcast_arrays(*band.frequencies(self.clip.period_nm, self.orders)))
        waves = np.exp(-2j * np.pi * (np.outer(x, fx) + np.outer(y, fy)))
        waves *= length[:, None] * np.sinc(np.where(upright[:, None], np.outer(length, fy), np.outer(length, fx)))
        around, inside, *_ = double(thinned(self.process).mask).amplitudes()
        total = np.zeros((self.moves.low_nm.size, fx.size), complex)
        np.add.at(total, self.moves.group[own], waves * (inside - around) / (height * width))
        return total.reshape(-1, *(2 * k + 1 for k in self.orders))

    def images(self, moves_nm: np.ndarray) -> np.ndarray:
        """What the resist sees at the sites from each source pixel of weight 1: (condition, site, pixel)."""
        found = np.empty((len(self.conditions), len(self.sites.at_nm), len(self.sigma)))
        amplitudes = {bias: self.amplitude(moves_nm, bias) for _, bias in self.conditions}
        for focus in dict.fromkeys(focus for focus, _ in self.conditions):
            here = [k for k, (f, _) in enumerate(self.conditions) if f == focus]
            for part, owner, rows in self._rows(np.ones(len(self.sigma)), focus):
                for k in here:
                    fields = np.fft.ifft2(
                        band.fold(rows * amplitudes[self.conditions[k][1]], self.shape), norm="forward"
                    )
                    each = (fields.real**2 + fields.imag**2).reshape(len(rows), -1) @ self.reading.T
                    sums = np.zeros((len(part), each.shape[1]))
                    np.add.at(sums, owner, each)
                    found[k][:, part] = sums.T
        return found

    def edge_slopes(self, weight: np.ndarray, moves_nm: np.ndarray) -> np.ndarray:
        """What the resist sees at the sites for a source (pixel,), derived by the moves: (condition, site, group).

        From the source's leading coherent systems.
        """
        found = np.empty((len(self.conditions), len(self.sites.at_nm), self.moves.low_nm.size))
        lit = np.flatnonzero(weight > 1e-9 * weight.max())
        for focus in dict.fromkeys(focus for focus, _ in self.conditions):
            rows = np.concatenate([rows for *_, rows in self._rows(weight, focus, lit)])
            systems = _leading(rows.reshape(len(rows), -1)).reshape(-1, *rows.shape[1:])
            for k in [k for k, (f, _) in enumerate(self.conditions) if f == focus]:
                bias = self.conditions[k][1]
                fields = np.fft.ifft2(band.fold(systems * self.amplitude(moves_nm, bias), self.shape), norm="forward")
                for g, slope in enumerate(self.slopes(moves_nm, bias)):
                    change = np.fft.ifft2(band.fold(systems * slope, self.shape), norm="forward")
                    both = 2 * (fields.real * change.real + fields.imag * change.imag).sum(0)
                    found[k, :, g] = self.reading @ both.ravel()
        return found

    def _rows(self, weight: np.ndarray, focus: float, pixels: np.ndarray | None = None):
        """Coherent rows a few pixels at a time: the pixels, for each row which of them it belongs to, the rows."""
        scanner, process = scanner_of(self.process), self.process
        pixels = np.arange(len(self.sigma)) if pixels is None else pixels
        each = 1 if scanner.polarisation is None else 6 * (1 if process.film is None else 24)
        step = max(1, _CHUNK // (each * int(np.prod(self.shape))))
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step]
            rows = coherent_systems(
                scanner.projector,
                self.sigma[part],
                weight[part],
                self.clip.period_nm,
                self.orders,
                np.float64(focus),
                scanner.polarisation,
                process.film,
            )
            yield part, _owners(scanner, self.sigma[part], len(rows)), rows


def clear_field(process: Process, sigma: np.ndarray) -> np.ndarray:
    """Intensity (pixel,) that each source pixel of weight 1 gives without a mask, as the clear field is counted."""
    scanner, ones = double(scanner_of(process)), np.ones(len(sigma))
    rows = coherent_systems(
        scanner.projector, sigma, ones, (1.0, 1.0), (0, 0), np.float64(0), scanner.polarisation
    ).reshape(-1)
    return np.bincount(_owners(scanner, sigma, len(rows)), abs(rows) ** 2, len(sigma))


def _owners(scanner: Scanner, sigma: np.ndarray, count: int) -> np.ndarray:
    """Which source pixel each of so many coherent rows belongs to."""
    light = scanner.polarisation
    if light is None or (light == "unpolarised" and scanner.projector.jones is None):
        return np.resize(np.arange(len(sigma)), count)
    return np.resize(states(sigma, light)[0], count)


def _leading(rows: np.ndarray) -> np.ndarray:
    """The fewest coherent systems (k, f) that hold nearly all of the energy of rows (n, f)."""
    energy, modes = np.linalg.eigh(rows.conj().T @ rows)
    energy = np.maximum(energy[::-1], 0)
    count = int(np.searchsorted(np.cumsum(energy), (1 - _LEFT_OUT) * energy.sum())) + 1
    return np.sqrt(energy[:count])[:, None] * modes[:, ::-1][:, :count].conj().T


def bench(
    clip: Clip, process: Process, limits: MaskLimits, sigma: np.ndarray, conditions, *, reach_nm: float, mirrored: bool
) -> Bench:
    """A clip made ready; edges are cut into pieces of at most half of lambda / NA.

    ConfigError for a mask of two layers or a resist whose image is not linear in dose.
    """
    if isinstance(process.mask, AlternatingPSM):
        raise ConfigError("source-mask optimisation moves the edges of one layer: not of an alternating mask")
    if scanner_of(process).flare is not None:
        raise ConfigError("source-mask optimisation knows no flare: take process.scanner.flare out")
    if not process.resist.linear:
        raise ConfigError(
            f"source-mask optimisation needs an image linear in dose, which a {process.resist.kind} resist does not "
            "give: use a threshold resist"
        )
    exact = double(process)
    piece = 0.5 / scanner_of(exact).na_over_lambda
    return Bench(
        clip, exact, sites(clip, exact), moves(clip, limits, reach_nm, piece, mirrored), sigma, tuple(conditions)
    )
