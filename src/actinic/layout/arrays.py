"""Regular arrays of a cell: where a layout repeats itself."""

from dataclasses import dataclass

import klayout.db as db

from .files import File, Layer, dbu_nm, load, pick_cell


@dataclass(frozen=True)
class Repeats:
    """Something that is drawn again every `pitch_nm` (x, y) from `origin_nm` over `box_nm` (x0, y0, x1, y1)."""

    pitch_nm: tuple[float, float]
    origin_nm: tuple[float, float]
    box_nm: tuple[float, float, float, float]


def repeats(path: File, layer: Layer, cell: str | None = None) -> Repeats | None:
    """The largest regular array, along the axes, that stands in the cell itself and holds something of the layer."""
    chip = load(path, layer)
    top, unit = pick_cell(chip, cell, path), dbu_nm(chip)
    index = chip.find_layer(*layer)
    best, size = None, 0
    for instance in top.each_inst() if index is not None else ():
        pitch = _pitch(instance)
        box = instance.bbox(index)
        if pitch is None or box.empty() or box.area() <= size:
            continue
        size = box.area()
        best = Repeats(
            (pitch[0] * unit, pitch[1] * unit),
            (box.left * unit, box.bottom * unit),
            (box.left * unit, box.bottom * unit, box.right * unit, box.top * unit),
        )
    return best


def _pitch(instance: db.Instance) -> tuple[int, int] | None:
    """Distance along x and y of a regular array of at least two by two; None for anything else."""
    if not instance.is_regular_array() or min(instance.na, instance.nb) < 2:
        return None
    a, b = instance.a, instance.b
    if a.y == 0 and b.x == 0:
        return abs(a.x), abs(b.y)
    if a.x == 0 and b.y == 0:
        return abs(b.x), abs(a.y)
    return None
