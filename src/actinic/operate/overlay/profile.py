"""What a machine can apply: each term on or off, its least and largest correction, its step."""

import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...wafer import ExposureMap, Term, term

_TERM = {"on": bool, "minimum": float, "maximum": float, "step": float}
_MAP = {"field_width_mm": float, "field_height_mm": float, "radius_mm": float, "edge_exclusion_mm": float,
        "offset_x_mm": float, "offset_y_mm": float}  # fmt: skip
_TOP = {"name": str, "terms": dict, "exposure": dict}
MACHINES = Path(__file__).parent / "machines"


@dataclass(frozen=True)
class Actuator:
    """Of one term the least and largest correction and the step it is set in, in the term's unit; 0 is no step."""

    minimum: float
    maximum: float
    step: float = 0.0


@dataclass(frozen=True)
class Profile:
    """A machine's actuators by term; what is not in it, the machine cannot apply.

    `exposure` is where the machine will apply them; without it where was measured.
    """

    name: str
    actuators: dict[str, Actuator] = field(default_factory=dict)
    exposure: ExposureMap | None = None

    def of(self, one: Term) -> Actuator | None:
        """The actuator of a term; a chuck's or a scan's has that of the plain term where it has none of its own."""
        return self.actuators.get(one.name) or self.actuators.get(Term(one.number, one.in_field).name)


def read_profile(profile: str | Path) -> Profile:
    """A profile from a TOML file, or one that is built in, by its name. ConfigError, a line for each wrong key."""
    built_in = {path.stem: path for path in sorted(MACHINES.glob("*.toml"))}
    path = built_in.get(str(profile), Path(profile))
    try:
        data = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        known = ", ".join(built_in)
        raise ConfigError(f"{profile}: cannot be read ({error.strerror or error}); built in: {known}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{profile}: is not valid TOML: {error}") from None
    wrong = _wrong(data, _TOP, "")
    actuators = {}
    for name, table in data.get("terms", {}).items() if isinstance(data.get("terms", {}), dict) else ():
        place = f"terms.{name}"
        try:
            term(name)
        except ConfigError as error:
            wrong.append(f"{place}: {error}")
            continue
        if not isinstance(table, dict):
            wrong.append(f"{place} must be a table, such as {{minimum = -10.0, maximum = 10.0, step = 0.1}}")
            continue
        found = _wrong(table, _TERM, f"{place}.")
        if not found and table.get("on", True):
            found = _impossible(table, place)
        wrong += found
        if not found and table.get("on", True):
            actuators[name] = Actuator(table["minimum"], table["maximum"], table.get("step", 0.0))
    exposure = data.get("exposure")
    if isinstance(exposure, dict):
        wrong += _wrong(exposure, _MAP, "exposure.")
    if wrong:
        raise ConfigError("\n".join(f"{profile}: {line}" for line in wrong))
    return Profile(data.get("name", path.stem), actuators, ExposureMap(**exposure) if exposure is not None else None)


def _wrong(table: dict[str, Any], known: dict[str, type], place: str) -> list[str]:
    lines = []
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            meant = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
            lines.append(f"{place}{key} is not a key here; {meant}")
        elif known[key] is float:
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
                lines.append(f"{place}{key} = {value!r} must be a number")
        elif not isinstance(value, known[key]):
            what = {bool: "true or false", str: "text in quotes", dict: "a table"}[known[key]]
            lines.append(f"{place}{key} = {value!r} must be {what}")
    return lines


def _impossible(table: dict[str, Any], place: str) -> list[str]:
    lines = [
        f"{place}.{key} is missing: no correction without a limit" for key in ("minimum", "maximum") if key not in table
    ]
    if not lines and not table["minimum"] <= 0 <= table["maximum"]:
        lines.append(f"{place}: minimum {table['minimum']:g} and maximum {table['maximum']:g} must have 0 between them")
    if table.get("step", 0.0) < 0:
        lines.append(f"{place}.step = {table['step']:g} must be 0 (any value) or above")
    return lines
