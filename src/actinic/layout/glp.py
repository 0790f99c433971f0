"""The .glp clips of the ICCAD 2013 contest, and the three ways published tables place and draw them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import ConfigError, InputError
from ..types import Grid
from .boolean import merged
from .files import File
from .polygons import Layout
from .raster import coverage

Dialect = Literal["O", "N", "D"]

TILE = Grid((2048, 2048), 1.0)
_HEADERS = {"BEGIN", "EQUIV", "CNAME", "LEVEL", "CELL"}


@dataclass(frozen=True)
class Glp:
    """The polygons of one clip: int64 rings (n, 2) in nm as the file has them."""

    polygons: tuple[np.ndarray, ...]
    path: str


def read_glp(path: File) -> Glp:
    """Reads `RECT N layer x y w h` and `PGON N layer x1 y1 x2 y2 ...` lines, in nm.

    InputError naming file and line for anything else than Manhattan polygons of whole nanometres.
    """
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        reason = "is no text file" if isinstance(error, UnicodeError) else error.strerror
        raise InputError(f"{path}: cannot be read: {reason}") from error
    polygons, ended, number = [], False, 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0] in _HEADERS:
            if words[:1] == ["EQUIV"] and words[1:4] != ["1", "1000", "MICRON"]:
                raise InputError(f"{path}:{number}: the unit must be 1 1000 MICRON (1 nm), not {line.strip()}")
        elif words[0] in ("RECT", "PGON"):
            try:
                polygons.append(_ring(words))
            except ValueError as error:
                raise InputError(f"{path}:{number}: {error}") from None
        elif words[0] == "ENDMSG":
            ended = True
        else:
            raise InputError(f"{path}:{number}: {words[0][:40]!r} is not a word of the .glp format")
    if not ended:
        raise InputError(f"{path}:{number}: the file is cut short: it ends without ENDMSG")
    if not polygons:
        raise InputError(f"{path}: no RECT or PGON in it")
    return Glp(tuple(polygons), str(path))


def placed(glp: Glp, dialect: Dialect) -> Layout:
    """The merged polygons on the 2048 x 2048 nm tile, database unit 1 nm.

    O centres the bounding box, N puts its lower corner at (547, 547), D adds 512 to the coordinates.
    The targets published for N (Neural-ILT, A2-ILT) were drawn in vertical slabs between a polygon's
    abscissas and leave out slabs 1 nm wide: of the ten clips only the fifth has one, 86 nm high.
    InputError when the clip does not fit the tile.
    """
    points = np.concatenate(glp.polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    if dialect == "O":
        shift = (2048 - (high - low)) // 2 - low
    elif dialect == "N":
        shift = 547 - low
    elif dialect == "D":
        shift = np.array([512, 512])
    else:
        raise ConfigError(f"ICCAD 2013 dialect {dialect!r} is none of O, N, D")
    if (low + shift).min() < 0 or (high + shift).max() >= 2048:
        raise InputError(f"{glp.path}: {low} to {high} nm does not fit the 2048 nm tile of dialect {dialect}")
    rings = (_without_thin_slabs(ring) if dialect == "N" else ring for ring in glp.polygons)
    return merged([_ccw(ring) + shift for ring in rings], 1.0)


def target(glp: Glp, dialect: Dialect) -> np.ndarray:
    """The target pixels, bool (2048, 2048) [y, x], pixel [j, i] covering i..i+1, j..j+1 nm.

    N and D paint what the polygons cover. O paints every pixel whose lower-left corner lies in a
    polygon or on its boundary, so a w x h rectangle gets (w + 1)(h + 1) pixels.
    """
    pixels = coverage(placed(glp, dialect), TILE) > 0.5
    if dialect == "O":
        # In whole nanometres a point is in a closed polygon when one of the four pixels around it is.
        pixels[:, 1:] |= pixels[:, :-1].copy()
        pixels[1:] |= pixels[:-1].copy()
    return pixels


def _ring(words: list[str]) -> np.ndarray:
    try:
        values = [int(word) for word in words[3:]]
    except ValueError:
        raise ValueError(f"{words[0]} takes whole nanometres, not {' '.join(words[3:])[:60]}") from None
    if max((abs(value) for value in values), default=0) > 2**30:
        raise ValueError("coordinates beyond 2^30 nm")
    if words[0] == "RECT":
        if len(values) != 4 or min(values[2:]) <= 0:
            raise ValueError("RECT takes x y width height, both positive")
        x, y, w, h = values
        return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.int64)
    if len(values) < 8 or len(values) % 2:
        raise ValueError(f"PGON takes at least four x y pairs, not {len(values)} numbers")
    ring = np.array(values, np.int64).reshape(-1, 2)
    if np.any(np.all(ring != np.roll(ring, -1, axis=0), axis=1)):
        raise ValueError("PGON has an edge that is neither horizontal nor vertical")
    return ring


def _ccw(ring: np.ndarray) -> np.ndarray:
    x, y = ring.T
    return ring if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0 else ring[::-1]


def _without_thin_slabs(ring: np.ndarray) -> np.ndarray:
    x = np.unique(ring[:, 0])
    thin = x[:-1][np.diff(x) == 1]
    return np.stack([ring[:, 0] + np.isin(ring[:, 0], thin), ring[:, 1]], axis=1)
