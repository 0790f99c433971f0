"""A source of pixels: its lattice, symmetry, smallest poles and fill, and the file that `Freeform` reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import ndimage, sparse

from .source import Freeform

Symmetry = Literal["xy", "diagonal", "point", "none"]
SYMMETRIES: tuple[Symmetry, ...] = ("xy", "diagonal", "point", "none")

_IDENTITY = ((1, 0), (0, 1))
_QUARTER = tuple(((a, 0), (0, b)) for a in (1, -1) for b in (1, -1))
_GROUPS = {
    "none": (_IDENTITY,),
    "point": (_IDENTITY, ((-1, 0), (0, -1))),
    "xy": _QUARTER,
    "diagonal": (*_QUARTER, *(tuple((row[1], row[0]) for row in m) for m in _QUARTER)),
}


@dataclass(frozen=True)
class Pupil:
    """Pixels on a square lattice about the axis that a source may light: `place` int (n, 2), pixel at place x pitch."""

    pitch: float
    place: np.ndarray

    @property
    def sigma(self) -> np.ndarray:
        """Pixel centres (n, 2) in sigma."""
        # The nearest decimals, so that a file says 0.15 and not 0.15000000000000002.
        return np.round(self.place * self.pitch, 12) + 0.0

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True)
class Figures:
    """What a source of pixels is like.

    `fill`: mean over largest brightness in the whole pupil, the share of it that would be lit at the largest
    brightness; `lit`: share that is lit at all; `asymmetry`: largest difference of a pixel and its mirror images over
    the largest brightness; `specks`: lit pixels that are in no wholly lit smallest pole.
    """

    fill: float
    lit: float
    asymmetry: float
    specks: int


def pupil(pitch: float, sigma_max: float) -> Pupil:
    """All pixels whose centres are within `sigma_max`, row by row."""
    half = int(sigma_max / pitch + 1e-9)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    inside = np.hypot(x, y) * pitch <= sigma_max + 1e-9
    return Pupil(pitch, np.stack([x[inside], y[inside]], 1))


def pixels_of_pupil(pitch: float) -> int:
    """How many pixels the whole pupil has, sigma 0 to 1."""
    return len(pupil(pitch, 1.0))


def orbits(place: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Numbers (n,) that pixels share with their mirror images."""
    images = np.stack([place @ np.array(m).T for m in _GROUPS[symmetry]])
    key = images[..., 1] * (4 * np.abs(place).max(initial=0) + 1) + images[..., 0]
    return np.unique(key.max(0), return_inverse=True)[1].reshape(-1)


def pole_offsets(pole: float, pitch: float) -> np.ndarray:
    """Pixels (n, 2) of the smallest pole about its middle: those whose centres are within half of its diameter."""
    half = int(0.5 * pole / pitch + 1e-9)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    inside = np.hypot(x, y) * pitch <= 0.5 * pole + 1e-9
    return np.stack([x[inside], y[inside]], 1)


def poles(pupil: Pupil, pole: float, symmetry: Symmetry) -> sparse.csr_matrix:
    """Columns (pixel, pole): every smallest pole that fits the pupil, with its mirror images, at brightness 1.

    A source that is a sum of these has no speck smaller than the pole and is symmetric, whatever the brightnesses.
    """
    number = {tuple(p): k for k, p in enumerate(pupil.place.tolist())}
    discs = [
        [number.get(tuple(p)) for p in (centre + pole_offsets(pole, pupil.pitch)).tolist()] for centre in pupil.place
    ]
    fits = np.array([None not in disc for disc in discs])
    column = orbits(pupil.place[fits], symmetry)
    rows = [k for disc, fit in zip(discs, fits, strict=True) if fit for k in disc]
    size = len(pole_offsets(pole, pupil.pitch))
    shape = (len(pupil), int(column.max(initial=-1)) + 1)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, np.repeat(column, size))), shape=shape)


def write_source(path: Path, pupil: Pupil, weight: np.ndarray) -> None:
    """A pixelated source as the CSV that `Freeform` reads: every pixel a row, weights (n,) that sum to 1."""
    rows = (f"{x:.12g},{y:.12g},{w:.9g}\n" for (x, y), w in zip(pupil.sigma, weight / weight.sum(), strict=True))
    Path(path).write_text("sigma_x,sigma_y,intensity\n" + "".join(rows))


def figures(source: Freeform, symmetry: Symmetry = "xy", pole: float = 0.0) -> Figures:
    """What a source file is like, by its pixels alone."""
    sigma, weight, pitch = source.rows()
    place = np.rint(sigma / pitch).astype(int)
    half = int(np.abs(place).max()) + 1
    image = np.zeros((2 * half + 1, 2 * half + 1))
    image[place[:, 1] + half, place[:, 0] + half] = weight
    mirrored = [_turned(image, m) for m in _GROUPS[symmetry]]
    offsets = pole_offsets(pole, pitch)
    reach = int(np.abs(offsets).max())
    disc = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    disc[offsets[:, 1] + reach, offsets[:, 0] + reach] = True
    lit = image > 0
    count = pixels_of_pupil(pitch)
    return Figures(
        fill=float(image.sum() / image.max() / count),
        lit=float(lit.sum() / count),
        asymmetry=float(max(np.abs(m - image).max() for m in mirrored) / image.max()),
        specks=int((lit & ~ndimage.binary_opening(lit, disc)).sum()),
    )


def _turned(image: np.ndarray, m) -> np.ndarray:
    """An image [y, x] about its middle, seen in a mirror or two."""
    (a, b), (c, d) = m
    image = image.T if a == 0 else image
    return image[:: (c or d), :: (a or b)]
