"""Files of rows and of arrays, as text cells by name and as arrays by name."""

import csv
import zipfile
from pathlib import Path

import numpy as np

from ..errors import InputError


def read_csv(path: Path, needed: tuple[str, ...] = ()) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header's names, and (line, cells by name) of every row that is not empty; lines are counted from 1.

    InputError where the file cannot be read, is no CSV, or lacks one of the columns `needed`.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in names]
            if missing:
                raise InputError(f"{path}, line 1: no column {', '.join(missing)}; a header is required")
            if len(set(names)) < len(names):
                raise InputError(f"{path}, line 1: a column is named twice")
            rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: is not a table in CSV") from None
    filled = [(line, [c.strip() for c in cells] + [""] * (len(names) - len(cells))) for line, cells in rows]
    return names, [(line, dict(zip(names, cells, strict=False))) for line, cells in filled]


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name; InputError where it is none, or holds Python objects."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path}: is not a .npz file of plain arrays") from None
