"""Test patterns: the drawn features stand centred in the window, cut at its border.

Every function takes the window (x0, y0, x1, y1) in nm and returns drawn features; which of drawn and
undrawn is bright is the mask's affair. A feature's centre falls on the window's centre, its lower
edge rounded down to the database unit where the size is odd. All lengths are whole database units,
or ConfigError says which is not. A window of whole pitches repeats without a seam.
"""

from typing import Literal

import numpy as np

from ..errors import ConfigError
from .boolean import merged
from .polygons import Layout

Window = tuple[float, float, float, float]
Axis = Literal["x", "y"]
Rectangle = tuple[int, int, int, int]


def lines(cd_nm: float, pitch_nm: float, window_nm: Window, axis: Axis = "y", dbu_nm: float = 1.0) -> Layout:
    """Dense lines running along `axis`, one of them on the window's centre."""
    cd, pitch = _whole(dbu_nm, cd_nm=cd_nm, pitch_nm=pitch_nm)
    _check(cd < pitch, f"cd_nm = {cd_nm:g} leaves no space in pitch_nm = {pitch_nm:g}")
    x0, y0, x1, y1 = window = _turned(_window(window_nm, dbu_nm), axis)
    return _drawn([(x, y0, x + cd, y1) for x in _starts(x0, x1, cd, pitch)], window, axis, dbu_nm)


def isolated_line(cd_nm: float, window_nm: Window, axis: Axis = "y", dbu_nm: float = 1.0) -> Layout:
    """One line along `axis` through the window's centre."""
    (cd,) = _whole(dbu_nm, cd_nm=cd_nm)
    x0, y0, x1, y1 = window = _turned(_window(window_nm, dbu_nm), axis)
    left = _centred(x0, x1, cd)
    return _drawn([(left, y0, left + cd, y1)], window, axis, dbu_nm)


def line_end_gap(cd_nm: float, gap_nm: float, window_nm: Window, axis: Axis = "y", dbu_nm: float = 1.0) -> Layout:
    """Two lines along `axis` whose ends face each other across a gap on the window's centre."""
    cd, gap = _whole(dbu_nm, cd_nm=cd_nm, gap_nm=gap_nm)
    x0, y0, x1, y1 = window = _turned(_window(window_nm, dbu_nm), axis)
    left, low = _centred(x0, x1, cd), _centred(y0, y1, gap)
    return _drawn([(left, y0, left + cd, low), (left, low + gap, left + cd, y1)], window, axis, dbu_nm)


def elbow(cd_nm: float, window_nm: Window, dbu_nm: float = 1.0) -> Layout:
    """A line from the right border to the window's centre and from there to the upper border."""
    (cd,) = _whole(dbu_nm, cd_nm=cd_nm)
    x0, y0, x1, y1 = window = _window(window_nm, dbu_nm)
    left, low = _centred(x0, x1, cd), _centred(y0, y1, cd)
    return _drawn([(left, low, x1, low + cd), (left, low, left + cd, y1)], window, "y", dbu_nm)


def contacts(
    size_nm: float,
    pitch_nm: tuple[float, float],
    window_nm: Window,
    staggered: bool = False,
    dbu_nm: float = 1.0,
) -> Layout:
    """Square contacts at an (x, y) pitch, one on the window's centre.

    `staggered` shifts every other row, seen from the centre, by half a pitch in x.
    """
    size, px, py = _whole(dbu_nm, size_nm=size_nm, pitch_x_nm=pitch_nm[0], pitch_y_nm=pitch_nm[1])
    _check(size < min(px, py), f"size_nm = {size_nm:g} leaves no space in pitch_nm = {pitch_nm}")
    _check(not staggered or px % 2 == 0, f"half of pitch_nm = {pitch_nm[0]:g} is no multiple of {dbu_nm:g} nm")
    x0, y0, x1, y1 = window = _window(window_nm, dbu_nm)
    middle = _centred(y0, y1, size)
    squares = []
    for y in _starts(y0, y1, size, py):
        shift = px // 2 if staggered and (y - middle) // py % 2 else 0
        squares += [(x, y, x + size, y + size) for x in _starts(x0, x1, size, px, shift)]
    return _drawn(squares, window, "y", dbu_nm)


def manhattan(
    seed: int, window_nm: Window, cd_nm: float, space_nm: float, fill: float = 0.5, dbu_nm: float = 1.0
) -> Layout:
    """Random wires along x with jogs: no width below `cd_nm`, no space below `space_nm`, by construction.

    Columns and rows of random width >= cd stand at random distances >= space. A share `fill` of their
    crossings is drawn and some drawn neighbours are joined over their whole common side. Half a space
    is kept to the window's border, so the pattern is legal as a periodic tile too.
    """
    cd, space = _whole(dbu_nm, cd_nm=cd_nm, space_nm=space_nm)
    _check(0 < fill <= 1, f"fill = {fill:g} must lie in (0, 1]")
    x0, y0, x1, y1 = window = _window(window_nm, dbu_nm)
    rng = np.random.default_rng(seed)
    columns, rows = (_tracks(rng, low, high, cd, space) for low, high in ((x0, x1), (y0, y1)))
    _check(bool(columns and rows), f"window_nm = {window_nm} is too small for {cd_nm:g} + {space_nm:g} nm")
    shape = len(rows), len(columns)
    drawn = rng.random(shape) < fill
    along, jog = rng.random(shape) < 0.8, rng.random(shape) < 0.2
    boxes = []
    for row, column in np.argwhere(drawn):
        (left, right), (low, high) = columns[column], rows[row]
        boxes.append((left, low, right, high))
        if column + 1 < shape[1] and drawn[row, column + 1] and along[row, column]:
            boxes.append((left, low, columns[column + 1][1], high))
        if row + 1 < shape[0] and drawn[row + 1, column] and jog[row, column]:
            boxes.append((left, low, right, rows[row + 1][1]))
    return _drawn(boxes, window, "y", dbu_nm)


def _tracks(rng: np.random.Generator, low: int, high: int, cd: int, space: int) -> list[tuple[int, int]]:
    tracks, at = [], low + (space + 1) // 2
    while at + cd <= high - (space + 1) // 2:
        end = min(at + cd + int(rng.integers(cd + 1)) * int(rng.random() < 0.25), high - (space + 1) // 2)
        tracks.append((at, end))
        at = end + space + int(rng.integers(space + 1)) * int(rng.random() < 0.25)
    return tracks


def _starts(low: int, high: int, size: int, pitch: int, shift: int = 0) -> list[int]:
    """Lower edges of the features that reach into low..high."""
    phase = (_centred(low, high, size) + shift - low + size) % pitch
    return list(range(low - size + phase, high, pitch))


def _centred(low: int, high: int, size: int) -> int:
    return (low + high - size) // 2


def _turned(box: Rectangle, axis: Axis) -> Rectangle:
    """Patterns are laid out along y; x and y change places for the others."""
    _check(axis in ("x", "y"), f"axis = {axis!r} must be 'x' or 'y', the direction the lines run in")
    return box if axis == "y" else (box[1], box[0], box[3], box[2])


def _drawn(boxes: list[Rectangle], window: Rectangle, axis: Axis, dbu_nm: float) -> Layout:
    rings = []
    for box in boxes:
        cut = (*np.maximum(box[:2], window[:2]), *np.minimum(box[2:], window[2:]))
        x0, y0, x1, y1 = _turned(cut, axis)
        if x0 < x1 and y0 < y1:
            rings.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int64))
    return merged(rings, dbu_nm)


def _window(window_nm: Window, dbu_nm: float) -> Rectangle:
    x0, y0, x1, y1 = (_units(value, dbu_nm, "window_nm") for value in window_nm)
    _check(x0 < x1 and y0 < y1, f"window_nm = {window_nm} is empty; give x0 < x1 and y0 < y1")
    return x0, y0, x1, y1


def _whole(dbu_nm: float, **lengths: float) -> list[int]:
    for name, value in lengths.items():
        _check(value > 0, f"{name} = {value:g} must be positive")
    return [_units(value, dbu_nm, name) for name, value in lengths.items()]


def _units(value: float, dbu_nm: float, name: str) -> int:
    units = round(value / dbu_nm)
    whole = abs(units * dbu_nm - value) < 1e-6 * dbu_nm
    _check(whole, f"{name} = {value:g} is not a multiple of the database unit, {dbu_nm:g} nm")
    return units


def _check(right: bool, problem: str) -> None:
    if not right:
        raise ConfigError(problem)
