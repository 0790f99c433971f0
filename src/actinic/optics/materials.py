"""Optical constants by name and wavelength, from the table `materials.toml`, which gives a source for every row."""

import difflib
from functools import cache
from pathlib import Path

from ..config import load_toml
from ..errors import ConfigError

TABLE = Path(__file__).with_name("materials.toml")

# Over so little the constants change by less than the tables differ.
NEAR_NM = 0.5


@cache
def table() -> tuple[dict, ...]:
    """Every row: name, wavelength_nm, n, k, source."""
    return tuple(load_toml(TABLE)["material"])


@cache
def optical_constants(name: str, wavelength_nm: float) -> complex:
    """n + ik of a material of the table at a wavelength, or ConfigError that says what the table has."""
    rows = [row for row in table() if row["name"] == name]
    if not rows:
        names = sorted({row["name"] for row in table()})
        near = difflib.get_close_matches(name, names, 1, 0.5)
        meant = f"did you mean {near[0]}?" if near else f"there is {', '.join(names)}; or give n and k"
        raise ConfigError(f"material {name!r} is not in the table; {meant}")
    row = min(rows, key=lambda row: abs(row["wavelength_nm"] - wavelength_nm))
    if not abs(row["wavelength_nm"] - wavelength_nm) <= NEAR_NM:
        known = ", ".join(f"{row['wavelength_nm']:g}" for row in rows)
        raise ConfigError(f"material {name!r} has no row at {wavelength_nm:g} nm, only at {known} nm; give n and k")
    return complex(row["n"], row["k"])
