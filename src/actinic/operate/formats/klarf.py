"""KLARF files, either version: defects that an inspection tool found, read and written."""

import re
from pathlib import Path
from typing import Literal

from ...errors import InputError
from ...writing import write_file
from .defects import Inspection
from .klarf12 import read_klarf12
from .klarf12_writer import write_klarf12
from .klarf18 import read_klarf18
from .klarf18_writer import write_klarf18
from .tokens import Faulty, read_text

Version = Literal["1.2", "1.8"]
_BEGINS = re.compile(
    r'\s*(?:(?P<nested>Record\s+FileRecord\s+"?1\.8"?\s*\{)|FileVersion\s+1\s+[12]\s*;)', re.IGNORECASE
)


def read_klarf(path: str | Path) -> Inspection:
    """The inspection in a KLARF file of version 1.1, 1.2 or 1.8.

    InputError, with the line, where it cannot be read, breaks the format or is cut off: a defect file is taken whole
    or not at all, since a missing defect looks like a clean die.
    """
    text = read_text(path)
    begins = _BEGINS.match(text)
    if begins is None:
        raise InputError(f"{path}: no KLARF file of version 1.1, 1.2 or 1.8 begins like this one")
    try:
        return read_klarf18(text) if begins["nested"] else read_klarf12(text)
    except Faulty as error:
        raise InputError(f"{path}: {error}") from None


def write_klarf(path: str | Path, inspection: Inspection, version: Version = "1.8") -> None:
    """Write an inspection by renaming a finished file. InputError where the format cannot hold it."""
    text = write_klarf18(inspection) if version == "1.8" else write_klarf12(inspection)
    write_file(path, text.encode())


def lost(inspection: Inspection, version: Version) -> list[str]:
    """What a file of a version would not hold of an inspection, one phrase each."""
    defects = [d for wafer in inspection.wafers for d in wafer.defects]
    nested = sum(d.images.startswith("Images ") for d in defects)
    flat = sum(bool(d.images) for d in defects) - nested
    said = [f"image lists of {n} defects" for n in [nested if version == "1.2" else flat] if n]
    pictures = len({d.picture for d in defects if d.picture})
    if version == "1.8" and pictures:
        said.append(f"{pictures} picture file names")
    return said + list(inspection.ignored)
