"""Etch bias by local width and space: from the drawn pattern to the one after development, and on to the etched one.

The bias of an edge is how far the etched edge lies outside the developed one; it is tabulated over the width and space
of the developed pattern, which is what the etch sees. So the etched pattern follows from the developed one edge by
edge, and the target of lithography is the pattern whose etched one is the drawn: bias and target are found together.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..config import load_toml
from ..errors import InputError, NumericalError
from ..layout import Fragments, Layout, displaced, fragments
from ..mask import FINE_NM
from ..metrology import Gauges

COLUMNS = ("width_nm", "space_nm", "bias_nm")
_ROUNDS, _SETTLED_NM = 100, 1e-4


@dataclass(frozen=True)
class EtchTable:
    """Bias (width, space) in nm over increasing widths and spaces in nm, bilinear between them.

    Outside it lookups are refused unless `hold`: then the nearest entry counts.
    """

    width_nm: np.ndarray
    space_nm: np.ndarray
    bias_nm: np.ndarray
    hold: bool = False

    def __post_init__(self):
        shape = self.width_nm.size, self.space_nm.size
        if min(shape) < 1 or self.bias_nm.shape != shape:
            raise InputError(f"an etch table of {shape[0]} widths and {shape[1]} spaces needs as many rows and columns")
        for name, axis in (("widths", self.width_nm), ("spaces", self.space_nm)):
            if not (np.isfinite(axis).all() and (axis > 0).all() and (np.diff(axis) > 0).all()):
                raise InputError(f"the {name} of an etch table must be positive and increase")
        if not np.isfinite(self.bias_nm).all():
            raise InputError("an etch table must hold finite biases")

    @property
    def reach_nm(self) -> float:
        """Widths and spaces from here on are alike to the table."""
        return float(max(self.width_nm[-1], self.space_nm[-1]) + 4 * abs(self.bias_nm).max() + 1)

    def outside(self, width_nm: np.ndarray, space_nm: np.ndarray) -> np.ndarray:
        """Where the table says nothing, bool (n,)."""
        w, s = self.width_nm, self.space_nm
        return ~((width_nm >= w[0]) & (width_nm <= w[-1]) & (space_nm >= s[0]) & (space_nm <= s[-1]))

    def __call__(self, width_nm: np.ndarray, space_nm: np.ndarray) -> np.ndarray:
        """Bias (n,) in nm, of the nearest entry outside the table."""
        (i, u), (j, v) = _place(self.width_nm, width_nm), _place(self.space_nm, space_nm)
        b = self.bias_nm
        i1, j1 = np.minimum(i + 1, b.shape[0] - 1), np.minimum(j + 1, b.shape[1] - 1)
        return (1 - u) * ((1 - v) * b[i, j] + v * b[i, j1]) + u * ((1 - v) * b[i1, j] + v * b[i1, j1])


def _place(axis: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell of an axis that holds a value, and where in it from 0 to 1."""
    if axis.size == 1:
        return np.zeros(np.shape(value), int), np.zeros(np.shape(value))
    value = np.clip(value, axis[0], axis[-1])
    cell = np.clip(np.searchsorted(axis, value, "right") - 1, 0, axis.size - 2)
    return cell, (value - axis[cell]) / (axis[cell + 1] - axis[cell])


def read_etch_table(path: Path, hold: bool = False) -> EtchTable:
    """An etch table from CSV or TOML; InputError says what is wrong with it and in which line.

    CSV: a header width_nm,space_nm,bias_nm in any order and one row for every pair of a width and a space; lines
    that begin with # are skipped. TOML: lists width_nm and space_nm, bias_nm as one list for each width, and `hold`.
    """
    path = Path(path)
    return _from_toml(path, hold) if path.suffix == ".toml" else _from_csv(path, hold)


def _from_csv(path: Path, hold: bool) -> EtchTable:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    table: dict[tuple[float, float], float] = {}
    header: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if not header:
            header = cells
            if sorted(header) != sorted(COLUMNS):
                raise InputError(f"{path}, line {number}: the header must be {','.join(COLUMNS)}")
            continue
        try:
            values = dict(zip(header, map(float, cells), strict=True))
        except ValueError:
            raise InputError(f"{path}, line {number}: expected three numbers, {','.join(header)}") from None
        width, space, bias = (values[name] for name in COLUMNS)
        if (width, space) in table:
            raise InputError(f"{path}, line {number}: width {width:g} nm with space {space:g} nm is there twice")
        table[width, space] = bias
    if not table:
        raise InputError(f"{path}: the etch table has no rows")
    widths, spaces = (np.array(sorted({key[k] for key in table})) for k in (0, 1))
    missing = [(w, s) for w in widths for s in spaces if (w, s) not in table]
    if missing:
        w, s = missing[0]
        raise InputError(f"{path}: no bias for width {w:g} nm with space {s:g} nm ({len(missing)} pairs are missing)")
    return _checked(path, widths, spaces, np.array([[table[w, s] for s in spaces] for w in widths]), hold)


def _from_toml(path: Path, hold: bool) -> EtchTable:
    data = load_toml(path)
    unknown = sorted(set(data) - {*COLUMNS, "hold"})
    if unknown or not set(COLUMNS) <= set(data) or not isinstance(data.get("hold", False), bool):
        raise InputError(f"{path}: an etch table has {', '.join(COLUMNS)} and perhaps hold = true")
    try:
        widths, spaces, biases = (np.array(data[name], float) for name in COLUMNS)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {', '.join(COLUMNS)} must be lists of numbers, bias_nm one for each width") from None
    return _checked(path, widths, spaces, biases, hold or data.get("hold", False))


def _checked(path: Path, *table) -> EtchTable:
    try:
        return EtchTable(*table)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Retargeted:
    """The pattern to have after development, and how far each edge of the drawn one was moved inwards for it."""

    target: Layout
    drawn: Layout
    pieces: Fragments
    bias_nm: np.ndarray

    def gauges(self, drawn: Gauges) -> Gauges:
        """Gauges on the drawn edges moved onto the target's."""
        bias = self.bias_nm[_piece_of(self.pieces, drawn)]
        return replace(drawn, x_nm=drawn.x_nm - bias * drawn.nx, y_nm=drawn.y_nm - bias * drawn.ny)


def retarget(drawn: Layout, table: EtchTable) -> Retargeted:
    """The target after development whose etched pattern is the drawn one, in units of 0.01 nm.

    InputError where the drawn layout is not Manhattan, where the table does not reach and where nothing is left
    of a line; NumericalError where the biases of neighbours do not settle. Edges cut off at the layout's border
    are measured as they stand there: give a layout that reaches beyond what counts.
    """
    pieces = fragments(drawn, table.reach_nm)
    bias = _settled(pieces, table, developed=False)
    return Retargeted(displaced(drawn, pieces, -bias, FINE_NM), drawn, pieces, bias)


def etched(developed: Layout, table: EtchTable) -> Layout:
    """The etched pattern of a developed one, in units of 0.01 nm; InputError as for `retarget`."""
    pieces = fragments(developed, table.reach_nm)
    return displaced(developed, pieces, _settled(pieces, table, developed=True), FINE_NM)


def _settled(pieces: Fragments, table: EtchTable, developed: bool) -> np.ndarray:
    """Bias of every piece (n,), from the developed widths and spaces, which for a drawn pattern depend on it."""
    bias = np.zeros(len(pieces))
    for _ in range(1 if developed else _ROUNDS):
        width, space = (pieces.width_nm, pieces.space_nm) if developed else _after_development(pieces, bias)
        found = table(width, space)
        if developed or np.abs(found - bias).max(initial=0.0) < _SETTLED_NM:
            _refuse_outside(pieces, table, width, space)
            return found
        bias = found
    raise NumericalError("the etch biases of neighbours do not settle: the table is too steep over width or space")


def _after_development(pieces: Fragments, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths and spaces (n,) of drawn edges after they and those across were moved inwards by their bias."""
    across = [np.where(other >= 0, bias[other], 0.0) for other in (pieces.across_width, pieces.across_space)]
    return pieces.width_nm - bias - across[0], pieces.space_nm + bias + across[1]


def _refuse_outside(pieces: Fragments, table: EtchTable, width: np.ndarray, space: np.ndarray) -> None:
    gone = (width <= 0) | (space <= 0)
    bad = np.flatnonzero(gone | (table.outside(width, space) & (not table.hold)))
    if not bad.size:
        return
    k, (w, s) = bad[0], (table.width_nm, table.space_nm)
    place = f"at ({pieces.x_nm[k]:g}, {pieces.y_nm[k]:g}) nm"
    if gone[k]:
        raise InputError(f"the etch bias leaves nothing of the line or space {place}: look at the table")
    raise InputError(
        f"the etch table (widths {w[0]:g} to {w[-1]:g} nm, spaces {s[0]:g} to {s[-1]:g} nm) says nothing about width "
        f"{width[k]:g} nm with space {space[k]:g} nm {place} and at {bad.size - 1} more places; extend it, or let its "
        "rim hold beyond it (--retarget-hold)"
    )


def _piece_of(pieces: Fragments, points: Gauges) -> np.ndarray:
    """The fragment (n,) that each gauge stands on."""
    found = np.empty(len(points), int)
    lines: dict[tuple[float, float, float], list[int]] = {}
    for k in range(len(pieces)):
        key = _line(pieces.nx[k], pieces.ny[k], pieces.x_nm[k], pieces.y_nm[k])
        lines.setdefault(key, []).append(k)
    sorted_lines = {}
    for key, members in lines.items():
        along = pieces.y_nm if key[0] else pieces.x_nm
        members = np.array(sorted(members, key=lambda k: along[k]))
        sorted_lines[key] = along[members] - 0.5 * pieces.length_nm[members], members
    for g in range(len(points)):
        key = _line(points.nx[g], points.ny[g], points.x_nm[g], points.y_nm[g])
        starts, members = sorted_lines[key]
        at = points.y_nm[g] if key[0] else points.x_nm[g]
        found[g] = members[max(np.searchsorted(starts, at + 1e-6) - 1, 0)]
    return found


def _line(nx: float, ny: float, x: float, y: float) -> tuple[float, float, float]:
    """Which way an edge faces and the line it lies on, alike for all points of it."""
    return round(nx), round(ny), round(x if round(nx) else y, 4)
