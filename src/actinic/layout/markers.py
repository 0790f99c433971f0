"""Hotspots as KLayout marker files."""

from collections.abc import Iterable
from pathlib import Path

import klayout.db as db
import klayout.rdb as rdb

from .files import guarded


def write_markers(
    path: Path, markers: Iterable[tuple[str, tuple[float, float, float, float], str]], top: str, source: str
) -> None:
    """Write a KLayout report database (.lyrdb): markers are (category, (x0, y0, x1, y1) in nm, text)."""
    database = rdb.ReportDatabase("Actinic hotspots")
    database.generator = "actinic verify"
    database.original_file = source
    cell = database.create_cell(top)
    categories: dict[str, rdb.RdbCategory] = {}
    for name, (x0, y0, x1, y1), text in markers:
        if name not in categories:
            categories[name] = database.create_category(name)
        item = database.create_item(cell.rdb_id(), categories[name].rdb_id())
        item.add_value(db.DBox(x0 / 1000, y0 / 1000, x1 / 1000, y1 / 1000))
        item.add_value(text)
    part = path.with_name(f".{path.name}.part")
    try:
        guarded(f"{path}: cannot be written", lambda: database.save(str(part)))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
