"""Markers: places of a layout with a kind and a value, and KLayout's files of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import klayout.db as db
import klayout.rdb as rdb

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
