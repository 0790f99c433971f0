"""Overlay marks as measured: the one schema that files, store and fits share.

X_mm, Y_mm is the mark's position on the wafer (notch down, x right, y up, zero at its centre), x_mm, y_mm its position
in its field (zero at the field's centre), dx_nm, dy_nm where the printed layer lies from the layer below. `quality`
runs from 0 (useless) to 1 and is the weight; 1 where it is left empty.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from ..errors import InputError
from .exposure import notch_down
from .terms import Places

LABELS = ("lot", "wafer", "chuck")
NUMBERS = ("X_mm", "Y_mm", "x_mm", "y_mm", "dx_nm", "dy_nm", "quality")
COLUMNS = (*LABELS, "field_column", "field_row", *NUMBERS)
OFFSETS = ("target_dx_nm", "target_dy_nm", "tis_x_nm", "tis_y_nm")
CONTEXT = ("tool", "reticle", "product", "layer", "time")
_PAIRS = (("X_mm", "Y_mm"), ("x_mm", "y_mm"), ("dx_nm", "dy_nm"))
OPTIONAL = (*OFFSETS, "scan", *CONTEXT)


@dataclass(frozen=True)
class Marks:
    """Measured marks: arrays (n,), labels as text, lengths as float64; `line` is where each stood in its file.

    What is not given is None. One of dx_nm, dy_nm may be NaN: measured along the other axis only. `scan` is +1 for
    scans towards +y and -1 for those towards -y.
    """

    lot: np.ndarray
    wafer: np.ndarray
    chuck: np.ndarray
    field_column: np.ndarray
    field_row: np.ndarray
    X_mm: np.ndarray
    Y_mm: np.ndarray
    x_mm: np.ndarray
    y_mm: np.ndarray
    dx_nm: np.ndarray
    dy_nm: np.ndarray
    quality: np.ndarray
    target_dx_nm: np.ndarray | None = None
    target_dy_nm: np.ndarray | None = None
    tis_x_nm: np.ndarray | None = None
    tis_y_nm: np.ndarray | None = None
    scan: np.ndarray | None = None
    tool: np.ndarray | None = None
    reticle: np.ndarray | None = None
    product: np.ndarray | None = None
    layer: np.ndarray | None = None
    time: np.ndarray | None = None
    line: np.ndarray | None = None

    def __post_init__(self):
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and len(value) != len(self.lot):
                raise InputError(f"marks: {len(value)} values of {one.name} for {len(self.lot)} marks")

    def __len__(self) -> int:
        return len(self.lot)

    def __getitem__(self, rows) -> "Marks":
        return Marks(*(None if (v := getattr(self, one.name)) is None else v[rows] for one in fields(self)))

    @property
    def places(self) -> Places:
        return Places(self.X_mm, self.Y_mm, self.x_mm, self.y_mm, self.chuck, self.scan)

    @property
    def error_nm(self) -> tuple[np.ndarray, np.ndarray]:
        """Overlay error along x and y: measured, less what the tool adds by itself (TIS), less the intended offset."""
        both = []
        for measured, tis, target in (
            (self.dx_nm, self.tis_x_nm, self.target_dx_nm),
            (self.dy_nm, self.tis_y_nm, self.target_dy_nm),
        ):
            value = np.array(measured, np.float64)
            for offset in (tis, target):
                if offset is not None:
                    value -= offset
            both.append(value)
        return both[0], both[1]

    @cached_property
    def field(self) -> np.ndarray:
        """A number (n,) for each exposed field, from 0 up: lot, wafer, column and row together."""
        return _numbered(self.lot, self.wafer, self.field_column, self.field_row)

    @cached_property
    def position(self) -> np.ndarray:
        """A number (n,) for each field of the exposure map, whatever the wafer."""
        return _numbered(self.field_column, self.field_row)

    def turned(self, notch_deg: float) -> "Marks":
        """Marks of a wafer that lay turned by so much, counter-clockwise, as they are with the notch down.

        Where the turn is not by half, a mark measured along one axis is then measured along the other; at angles that
        mix the axes it is lost.
        """
        if notch_deg % 360 == 0:
            return self
        columns = {}
        for along, up in (*_PAIRS, ("target_dx_nm", "target_dy_nm"), ("tis_x_nm", "tis_y_nm")):
            x, y = getattr(self, along), getattr(self, up)
            if x is not None or y is not None:
                zero = np.zeros(len(self))
                columns[along], columns[up] = notch_down(zero if x is None else x, zero if y is None else y, notch_deg)
        return self.with_(**columns)

    def with_(self, **columns) -> "Marks":
        return replace(self, **columns)


def _numbered(*labels: np.ndarray) -> np.ndarray:
    """Codes from 0 up of the combinations of labels."""
    code = np.zeros(len(labels[0]), np.int64)
    for one in labels:
        values, index = np.unique(one, return_inverse=True)
        code = np.unique(code * len(values) + index.ravel(), return_inverse=True)[1].ravel()
    return code
