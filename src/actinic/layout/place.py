"""Standard cells abutted in rows, keeping their hierarchy."""

from collections.abc import Sequence

import klayout.db as db

from ..errors import ConfigError, InputError
from .files import File, Layer, dbu_nm, load, pick_cell, save

Cells = Sequence[tuple[File, str]]


def place_row(
    cells: Cells, out: File, mirrored: Cells = (), boundary: Layer = (236, 0), name: str = "ROW"
) -> tuple[float, float, float, float]:
    """Abuts (file, cell name) pairs from left to right and writes them as one cell.

    A cell reaches as far as its boundary layer (236/0 in SkyWater 130). The first row starts at
    (0, 0); `mirrored` is a second row above it, turned upside down, so both share the rail between
    them. Every placement is one instance, and a cell placed twice is stored once. Returns the box of
    the boundaries (x0, y0, x1, y1) in nm. InputError where a file, cell or boundary is missing or
    database units or cell heights differ.
    """
    if not cells:
        raise ConfigError("place_row needs at least one cell")
    chip = db.Layout()
    chip.dbu = load(cells[0][0]).dbu
    row = chip.create_cell(name)
    sources: dict[File, db.Layout] = {}
    placed: dict[tuple[File, str], tuple[db.Cell, db.Box]] = {}
    width = height = 0
    for base, line, flip in ((0, cells, False), (1, mirrored, True)):
        at = 0
        for path, cell in line:
            if path not in sources:
                sources[path] = load(path)
            if (path, cell) not in placed:
                placed[path, cell] = _adopt(chip, sources[path], path, cell, boundary)
            master, box = placed[path, cell]
            height = height or box.height()
            if box.height() != height:
                raise InputError(
                    f"{path}: cell {cell} is {box.height() * dbu_nm(chip):g} nm high, "
                    f"the row {height * dbu_nm(chip):g} nm"
                )
            corner = db.Vector(at - box.left, box.top + base * height if flip else -box.bottom)
            row.insert(db.CellInstArray(master, db.Trans(db.Trans.M0 if flip else db.Trans.R0, corner)))
            at += box.width()
        width = max(width, at)
    save(out, chip)
    rows = 2 if mirrored else 1
    return 0.0, 0.0, width * dbu_nm(chip), rows * height * dbu_nm(chip)


def _adopt(chip: db.Layout, source: db.Layout, path: File, name: str, boundary: Layer) -> tuple[db.Cell, db.Box]:
    """Copies a cell with all it calls, and finds its boundary."""
    if dbu_nm(source) != dbu_nm(chip):
        raise InputError(f"{path}: its database unit is {dbu_nm(source):g} nm, the row's {dbu_nm(chip):g} nm")
    cell = pick_cell(source, name, path)
    layer = source.find_layer(*boundary)
    box = db.Box() if layer is None else cell.bbox(layer)
    if box.empty():
        raise InputError(f"{path}: cell {name} has no boundary on layer {boundary[0]}/{boundary[1]}")
    copy = chip.create_cell(name)
    copy.copy_tree(cell)
    return copy, box
