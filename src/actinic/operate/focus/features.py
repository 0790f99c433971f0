"""Features whose widths tell focus and dose, from a CSV file: `feature,kind,cd_nm,pitch_nm,axis,sigma_nm`."""

from dataclasses import dataclass
from pathlib import Path

from ..calibration import Lines
from ..calibration.measured import Kind
from ..rows import Row, read_table

COLUMNS = ("feature", "kind", "cd_nm", "pitch_nm", "axis", "sigma_nm")
_KINDS: tuple[Kind, ...] = ("line", "space")


@dataclass(frozen=True)
class Feature:
    """Endless lines, and the standard deviation of one measurement of their width.

    `kind` line: the drawn feature as printed; space: the gap between two.
    """

    name: str
    kind: Kind
    lines: Lines
    sigma_nm: float


def read_features(path: Path) -> tuple[Feature, ...]:
    """The features of a file, each name once. InputError, with the line, where one cannot be used."""
    seen: set[str] = set()

    def once(row: Row) -> Feature:
        one = _feature(row)
        if one.name in seen:
            raise ValueError(f"feature {one.name} was there before")
        seen.add(one.name)
        return one

    return tuple(read_table(path, COLUMNS).each(once))


def _feature(row: Row) -> Feature:
    name, kind, axis = row.text("feature"), row.text("kind").lower(), row.text("axis").lower()
    if kind not in _KINDS:
        raise ValueError(f"kind is line or space, not {kind!r}")
    if axis not in ("x", "y"):
        raise ValueError(f"axis is x or y, the direction the lines run in, not {axis!r}")
    cd, pitch, sigma = row.number("cd_nm", 1.0, 1e4), row.number("pitch_nm", 1.0, 1e4), row.number("sigma_nm", 0, 100)
    if not cd < pitch:
        raise ValueError(f"cd_nm {cd:g} is not smaller than pitch_nm {pitch:g}")
    if sigma == 0:
        raise ValueError("sigma_nm is 0: no measurement is exact")
    return Feature(name, kind, Lines(cd, pitch, axis), sigma)  # type: ignore[arg-type]
