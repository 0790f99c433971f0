"""Preset setups that come with Actinic, one TOML file each, and resists for a wavelength."""

from pathlib import Path

from ..config import load_toml
from ..errors import ConfigError

FOLDER = Path(__file__).parent
# Files of typical resists, and the wavelengths in nm that they are for.
RESISTS = {"krf": (247.0, 250.0), "arf": (192.0, 195.0), "euv": (13.4, 13.6)}


def names() -> list[str]:
    """Names of the presets."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def resist(kind: str, process: dict) -> dict:
    """The typical resist of a kind at the wavelength of a process, both as plain data, on the process's own anchor.

    Of its own kind a process keeps its own resist.
    """
    own = process.get("resist", {})
    if own.get("kind") == kind:
        return own
    wavelength = process.get("scanner", {}).get("projector", {}).get("wavelength_nm")
    names = [name for name, (low, high) in RESISTS.items() if wavelength is not None and low < wavelength < high]
    if not names:
        raise ConfigError(
            f"no typical {kind} resist for these optics, only for 13.5, 193 and 248 nm: give process.resist"
        )
    table = load_toml(FOLDER / "resists" / f"{names[0]}.toml")
    if kind not in table:
        raise ConfigError(f"there is no {kind!r} resist; there is {', '.join(table)}")
    if "anchor" not in own:
        raise ConfigError(f"the {kind} resist needs process.resist.anchor, the dense line that prints on size")
    return table[kind] | {"anchor": own["anchor"]}
