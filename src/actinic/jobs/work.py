"""What most jobs begin with: a layout, a setup, a window, and where the data sets are."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import presets as preset_files
from ..config import build, load_toml, override
from ..design import Setup
from ..errors import ConfigError, MissingError
from ..layout import Layout, extent_nm, parse_layer, parse_window, read_layout

Progress = Callable[[str, int, int], None]
Window = tuple[float, float, float, float]


def quiet(what: str, done: int, total: int) -> None:
    """A progress sink that says nothing."""


@dataclass(frozen=True)
class Work:
    """A window of one layer of a layout file, and the setup to print it with.

    `layer` is like "67/20"; `window` "x0,y0,x1,y1" in um, by default all of the cell; `optics` a preset's name
    or a TOML file; `settings` overrides such as "process.scanner.projector.na=0.68"; `resist` a kind to put in
    place of the setup's.
    """

    layout: Path
    layer: str = ""
    optics: str = "krf-dry"
    window: str | None = None
    cell: str | None = None
    settings: tuple[str, ...] = ()
    resist: str | None = None

    def setup(self) -> Setup:
        return load_setup(self.optics, self.settings, self.resist)

    def layer_number(self) -> tuple[int, int]:
        if not self.layer:
            raise ConfigError(f"{self.layout}: say which layer, for example --layer 67/20")
        return parse_layer(self.layer)

    def window_nm(self) -> Window:
        if self.window is not None:
            return parse_window(self.window)
        return extent_nm(self.layout, self.cell)

    def read(self, around_nm: float = 0.0) -> Layout:
        """The drawn polygons in the window and so much around it."""
        number, (x0, y0, x1, y1) = self.layer_number(), self.window_nm()
        if self.window is not None:
            read_layout(self.layout, number, (x0, y0, x1, y1), self.cell)  # an error here names the window asked for
        around = (x0 - around_nm, y0 - around_nm, x1 + around_nm, y1 + around_nm)
        return read_layout(self.layout, number, around, self.cell)


def presets() -> list[str]:
    """Names of the setups that come with Actinic."""
    return preset_files.names()


def load_setup(optics: str, settings: Sequence[str] = (), resist: str | None = None) -> Setup:
    """A setup from a preset's name or a TOML file, with the typical resist of a kind if asked for, then overrides."""
    path = Path(optics)
    if optics in presets():
        path = preset_files.FOLDER / f"{optics}.toml"
    elif path.suffix != ".toml":
        raise ConfigError(f"optics {optics!r} is neither a preset ({', '.join(presets())}) nor a .toml file")
    data = load_toml(path)
    if resist is not None:
        data["process"]["resist"] = preset_files.resist(resist, data.get("process", {}))
    return build(Setup, override(data, settings), optics)


def data_folder() -> Path:
    """The folder of published data sets, from ACTINIC_DATA."""
    name = os.environ.get("ACTINIC_DATA", "")
    if not name:
        raise MissingError("no data sets: set ACTINIC_DATA to the folder that holds them (see `actinic data list`)")
    folder = Path(name)
    if not folder.is_dir():
        raise MissingError(f"ACTINIC_DATA names {name}, which is not a folder")
    return folder
