"""Times as KLARF files write them."""

from collections.abc import Sequence
from datetime import datetime

from .tokens import Faulty, Token

_FORMS = ("%m-%d-%y %H:%M:%S", "%m-%d-%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")


def time(key: str, line: int, cells: Sequence[Token]) -> datetime:
    """A date and a time of day: mm-dd-yy (1969 to 2068), mm-dd-yyyy or yyyy-mm-dd, and hh:mm:ss."""
    said = " ".join(cell.text for cell in cells)
    for form in _FORMS:
        try:
            return datetime.strptime(said, form)
        except ValueError:
            continue
    raise Faulty(line, f"{key} {said!r} is no time mm-dd-yy hh:mm:ss")


def flat_time(when: datetime) -> str:
    """A time as 1.2 writes it, the year with two figures where they are clear."""
    year = f"{when.year % 100:02d}" if 1969 <= when.year <= 2068 else f"{when.year:04d}"
    return f"{when.month:02d}-{when.day:02d}-{year} {when:%H:%M:%S}"


def nested_time(when: datetime) -> str:
    """A time as the two strings of a 1.8 field."""
    return f'"{when.year:04d}-{when.month:02d}-{when.day:02d}", "{when:%H:%M:%S}"'
