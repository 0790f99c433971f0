"""A bin map of a wafer: which bin every device fell into, and how the map lies on the wafer."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

# Characters of a code.
WIDTHS = {"Ascii": 1, "HexaDecimal": 2, "Decimal": 3, "Integer2": 4}
Axes = Literal["UpRight", "UpLeft", "DownRight", "DownLeft"]
Origin = Literal["LowerLeft", "LowerRight", "UpperLeft", "UpperRight", "Center"]


@dataclass(frozen=True)
class Bin:
    """What a bin code means; `quality` is Pass, Fail or another word of the file."""

    code: str
    quality: str = ""
    description: str = ""


@dataclass(frozen=True)
class SubstrateMap:
    """One map. `codes` are its rows as the file lists them, each a code for every column.

    `axes` tell how the columns and the rows follow each other, `origin` which device has the index (0, 0), both with
    the wafer as it lies in the map; `orientation` is how far that is turned, clockwise, from the notch pointing down.
    `device_mm` is the size of a device, or None.
    """

    substrate: str
    codes: tuple[tuple[str, ...], ...]
    null: str
    bin_type: str = "Ascii"
    bins: tuple[Bin, ...] = ()
    lot: str = ""
    orientation: int = 0
    origin: Origin = "LowerLeft"
    axes: Axes = "UpRight"
    layout: str = "WaferLayout/Devices"
    name: str = "BinCodeMap"
    device_mm: tuple[float, float] | None = None
    references: tuple[tuple[str, int, int], ...] = ()
    ignored: tuple[str, ...] = field(default=(), compare=False)


def upright(found: SubstrateMap) -> np.ndarray:
    """The bin codes as an array of text [y, x], notch down: row 0 is the lowest, column 0 the leftmost.

    The rows and columns of the file begin where its axes begin. A map turned clockwise is turned back.
    """
    placed = np.array(found.codes)
    if found.axes.startswith("Down"):
        placed = placed[::-1]
    if found.axes.endswith("Left"):
        placed = placed[:, ::-1]
    # With y up, one turn of rot90 from axis 1 towards axis 0 is anticlockwise.
    return np.rot90(placed, found.orientation // 90, axes=(1, 0))


def indices(found: SubstrateMap) -> tuple[np.ndarray, np.ndarray]:
    """The y index of every row and the x index of every column of `codes`; the device at the origin has (0, 0)."""
    rows, columns = len(found.codes), len(found.codes[0])
    down, left = found.axes.startswith("Down"), found.axes.endswith("Left")
    if found.origin == "Center":
        return np.arange(rows) - rows // 2, np.arange(columns) - columns // 2
    first_y = 0 if found.origin.startswith("Upper") == down else rows - 1
    first_x = 0 if found.origin.endswith("Right") == left else columns - 1
    return np.arange(rows) - first_y, np.arange(columns) - first_x


def counts(found: SubstrateMap) -> dict[str, int]:
    """How many devices each bin has, the null bin left out."""
    every = Counter(code for row in found.codes for code in row)
    return {code: every[code] for code in sorted(every) if code != found.null}
