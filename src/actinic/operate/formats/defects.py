"""What an inspection found on the wafers of a lot: the model behind both KLARF formats.

Lengths are nm, areas nm2, both as float64; the wafer's diameter and positions on the wafer are mm. Die indices count
from the die at the origin. What the model gives no meaning to is kept as text: the remaining columns of the defects,
their image lists, the picture file they name.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np


@dataclass(frozen=True)
class Defect:
    """One defect: its place from its die's lower left corner (nm), the die, sizes (nm), area (nm2), class, test.

    None stands for what the file has no column for, NaN for a value it gives as not available.
    """

    id: int
    x_rel_nm: float
    y_rel_nm: float
    x_index: int
    y_index: int
    x_size_nm: float | None = None
    y_size_nm: float | None = None
    size_nm: float | None = None
    area_nm2: float | None = None
    class_number: int | None = None
    test: int | None = None
    other: tuple[str, ...] = ()
    images: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Test:
    """One pass over the wafer: the area it looked at (nm2) and the dies, (x_index, y_index) each."""

    __test__ = False  # of pytest

    number: int
    area_nm2: float | None = None
    plan: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class InspectedWafer:
    """A wafer's defects, with the names of their `other` columns, and how it lay.

    `centre_nm` is the wafer's centre from the lower left corner of die (0, 0).
    """

    id: str
    slot: int | None = None
    centre_nm: tuple[float, float] = (0.0, 0.0)
    die_origin_nm: tuple[float, float] = (0.0, 0.0)
    tests: tuple[Test, ...] = ()
    columns: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """One KLARF file. `mark_location` is as written: DOWN, or an angle. `classes` are (number, name).

    `ignored` names what the file holds besides and the model does not.
    """

    lot: str
    wafers: tuple[InspectedWafer, ...]
    die_pitch_nm: tuple[float, float]
    device: str = ""
    step: str = ""
    recipe: str = ""
    recipe_time: datetime | None = None
    station: tuple[str, str, str] = ("", "", "")
    diameter_mm: float | None = None
    mark: str = "NOTCH"
    mark_location: str = "DOWN"
    mirrored: bool = False
    file_time: datetime | None = None
    result_time: datetime | None = None
    classes: tuple[tuple[int, str], ...] = ()
    ignored: tuple[str, ...] = field(default=(), compare=False)


def positions_mm(inspection: Inspection, wafer: InspectedWafer) -> np.ndarray:
    """Where a wafer's defects lie from its centre: an array [defect, 2] of x and y in mm.

    The die's index times the pitch, and the place in the die, from the wafer's centre; x turns round where the file
    says that coordinates are mirrored.
    """
    index = np.array([(d.x_index, d.y_index) for d in wafer.defects], dtype=np.float64).reshape(-1, 2)
    inside = np.array([(d.x_rel_nm, d.y_rel_nm) for d in wafer.defects], dtype=np.float64).reshape(-1, 2)
    placed = (index * inspection.die_pitch_nm + inside - wafer.centre_nm) / 1e6
    return placed * (-1.0 if inspection.mirrored else 1.0, 1.0)
