"""Markers: places of a layout with a kind and a value, and KLayout's files of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import klayout.db as db
import klayout.rdb as rdb

from ..errors import InputError
from ..writing import appearing
from .files import guarded


class Marker(NamedTuple):
    """One place: its kind, the box around it in nm, what is to be said, and the number that was measured, if any."""

    kind: str
    box_nm: tuple[float, float, float, float]
    text: str
    value: float | None = None


def write_markers(path: Path, markers: Iterable[Marker], top: str, source: str) -> None:
    """Write a KLayout report database (.lyrdb): one category for each kind, items in the order given."""
    database = rdb.ReportDatabase("Actinic hotspots")
    database.generator = "actinic verify"
    database.original_file = source
    cell = database.create_cell(top)
    categories: dict[str, rdb.RdbCategory] = {}
    for kind, (x0, y0, x1, y1), text, value in markers:
        if kind not in categories:
            categories[kind] = database.create_category(kind)
        item = database.create_item(cell.rdb_id(), categories[kind].rdb_id())
        item.add_value(db.DBox(x0 / 1000, y0 / 1000, x1 / 1000, y1 / 1000))
        item.add_value(text)
        if value is not None:
            item.add_value(float(value))
    with appearing(path) as part:
        guarded(f"{path}: cannot be written", lambda: database.save(str(part)))


def read_markers(path: Path) -> list[Marker]:
    """The places of a KLayout report database in its order; InputError where it cannot be read.

    Items without a box or polygon are left out; the text is all of an item's texts, the value its first number.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    database = rdb.ReportDatabase("read")
    guarded(f"{path}: cannot be read as a KLayout report database", lambda: database.load(str(path)))
    markers = []
    for item in database.each_item():
        box, texts, value = db.DBox(), [], None
        for one in item.each_value():
            if one.is_box():
                box += one.box()
            elif one.is_polygon():
                box += one.polygon().bbox()
            elif one.is_float():
                value = one.float() if value is None else value
            elif one.is_string():
                texts.append(one.string())
        if not box.empty():
            kind = database.category_by_id(item.category_id()).name()
            x0, y0, x1, y1 = (round(1000 * v, 6) for v in (box.left, box.bottom, box.right, box.top))
            markers.append(Marker(kind, (x0, y0, x1, y1), ", ".join(texts), value))
    return markers
