"""What a tool gave, cut to a size, and its numbers with the units that their names carry."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LONGEST = 20  # of a list, what is shown
LARGEST = 30_000  # characters of a result
_UNITS = {
    "nm": "nm", "um": "um", "mm": "mm", "nm2": "nm2", "um2": "um2", "percent": "%", "ppm": "ppm", "deg": "deg",
    "s": "s", "h": "h", "share": "fraction", "gib": "GiB",
}  # fmt: skip


@dataclass(frozen=True)
class Leaf:
    """One number of a result: where it stands, as `per_gauge.0.cd_nm`, its value and unit ('' where it has none)."""

    field: str
    value: float
    unit: str


def leaves(value: Any, path: tuple[str, ...] = (), left_out: int = 0) -> Iterator[Leaf]:
    """The numbers of a result; a list also gives its length, as `name.count`. Text and truth values are none."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if math.isfinite(value):
            yield Leaf(".".join(path), float(value), unit_of(path))
    elif isinstance(value, dict):
        for key, part in value.items():
            left = value.get(f"{key}_left_out", 0) if isinstance(part, list) else 0
            yield from leaves(part, (*path, str(key)), left)
    elif isinstance(value, list | tuple):
        yield Leaf(".".join((*path, "count")), float(len(value) + left_out), "")
        for number, part in enumerate(value):
            yield from leaves(part, (*path, str(number)))


def unit_of(path: tuple[str, ...]) -> str:
    """The unit that the last name which carries one says; a field's own unit wins over that of what it stands in."""
    for name in reversed(path):
        words = name.lower().removesuffix("_95").split("_")
        if (len(words) > 1 or words == ["percent"]) and words[-1] in _UNITS:
            return _UNITS[words[-1]]
    return ""


def at(value: Any, field: str) -> Any:
    """What stands at a field such as `per_gauge.0.cd_nm`; KeyError where nothing does."""
    for part in field.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part == "count":
            return len(value)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(field)
    return value


def shown(value: Any, longest: int = LONGEST) -> Any:
    """Plain data with long lists cut, and how many were left out said beside them."""
    if isinstance(value, dict):
        cut = {key: shown(part, longest) for key, part in value.items()}
        left = {
            f"{key}_left_out": len(part) - longest
            for key, part in value.items()
            if isinstance(part, list) and len(part) > longest
        }
        return cut | left
    if isinstance(value, list):
        return [shown(part, longest) for part in value[:longest]]
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value


def fitted(value: Any) -> Any:
    """A result that fits `LARGEST` characters, by shorter lists; OverflowError where none does."""
    for longest in (LONGEST, 10, 5, 3):
        cut = shown(value, longest)
        if len(json.dumps(cut)) <= LARGEST:
            return cut
    raise OverflowError(f"the result is larger than {LARGEST} characters however it is cut")
