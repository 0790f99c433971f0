"""Opening and saving layout files safely: KLayout's layouts in and out, one clear line when it fails."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import klayout.db as db

from ..errors import ConfigError, InputError
from ..writing import write_file

T = TypeVar("T")
File = str | os.PathLike[str]
Layer = tuple[int, int]

SUFFIXES = (".gds", ".gds.gz", ".oas")


def load(path: File, only: Layer | None = None) -> db.Layout:
    """A GDSII or OASIS file, gzipped or not, with all layers or one; InputError where it cannot be read."""
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: {'is a folder, not a layout file' if file.is_dir() else 'no such file'}")
    options = db.LoadLayoutOptions()
    options.warn_level = 0
    if only is not None:
        table = db.LayerMap()
        table.map(db.LayerInfo(*only), 0)
        options.set_layer_map(table, False)
    chip = db.Layout()
    # An absolute path, because KLayout would run what follows "pipe:" in a relative one.
    guarded(f"{path}: cannot be read", lambda: chip.read(str(file.absolute()), options))
    if not 0 < dbu_nm(chip) < 1e6:
        raise InputError(f"{path}: cannot be read: its database unit is {dbu_nm(chip)} nm")
    return chip


def save(path: File, chip: db.Layout) -> None:
    """Writes .gds, .gds.gz or .oas: the same bytes every time, and the whole file or nothing."""
    target = Path(path)
    if not target.name.endswith(SUFFIXES):
        raise ConfigError(f"{path}: the suffix decides the format; take one of {', '.join(SUFFIXES)}")
    options = db.SaveLayoutOptions()
    options.format = "OASIS" if target.suffix == ".oas" else "GDS2"
    options.gds2_write_timestamps = False
    options.write_context_info = False
    data = guarded(f"{path}: cannot be written", lambda: chip.write_bytes(options))
    if target.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    write_file(path, data)


def pick_cell(chip: db.Layout, name: str | None, path: File) -> db.Cell:
    """The named cell, or the only top cell; InputError where there is none or a choice."""
    if name is not None:
        cell = chip.cell(name)
        if cell is None:
            raise InputError(f"{path}: no cell {name!r}; top cells are {_some(chip.top_cells())}")
        return cell
    tops = chip.top_cells()
    if len(tops) != 1:
        problem = f"{len(tops)} top cells ({_some(tops)}); name one with cell" if tops else "no top cell"
        raise InputError(f"{path}: {problem}")
    return tops[0]


def dbu_nm(chip: db.Layout) -> float:
    """The database unit in nm, without the rounding noise of GDSII's hexadecimal reals."""
    return float(f"{chip.dbu * 1000:.12g}")


def name_of(named: db.Cell | db.LayerInfo) -> str:
    """The name, or "?" where the file has it in no encoding KLayout can read."""
    try:
        return named.name
    except RuntimeError:
        return "?"


def guarded(problem: str, action: Callable[[], T]) -> T:
    """Runs a KLayout call; what goes wrong in it becomes an InputError of one line."""
    try:
        return action()
    except (InputError, RuntimeError, UnicodeError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].split(" in Layout.")[0]
        raise InputError(f"{problem}: {reason}") from error


def _some(cells: list[db.Cell]) -> str:
    names = sorted(name_of(cell) for cell in cells)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
