"""What most jobs begin with: a layout, a setup, a window, and where the data sets are."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import presets as preset_files
from ..config import build, load_toml, override
from ..design import Setup
from ..errors import ConfigError, MissingError
from ..forward import Process, phases
from ..layout import Layout, Repeats, extent_nm, parse_layer, parse_window, read_layout, repeats
from ..mask import AlternatingPSM, MaskModel, Reflective, parse_mask
from ..types import double

Progress = Callable[[str, int, int], None]
Window = tuple[float, float, float, float]


def area_um2(window_nm: Window) -> float:
    """Area of a window."""
    x0, y0, x1, y1 = window_nm
    return (x1 - x0) * (y1 - y0) * 1e-6


def quiet(what: str, done: int, total: int) -> None:
    """A progress sink that says nothing."""


@dataclass(frozen=True)
class Work:
    """A window of one layer of a layout file, and the setup to print it with.

    `layer` is like "67/20"; `window` "x0,y0,x1,y1" in um, by default all of the cell; `optics` a preset's name
    or a TOML file; `settings` overrides such as "process.scanner.projector.na=0.68". `mask_type`, such as
    "attpsm:6%:180", takes the place of the setup's; `phase_layer` holds the shifted glass of an alternating mask;
    `resist` is a kind whose typical values take the place of the setup's. `method` is how `correct` looks for the
    mask: `ilt` or `opc`. `mask_model` is how the topography of a reflecting mask counts.
    """

    layout: Path
    layer: str = ""
    optics: str = "krf-dry"
    window: str | None = None
    cell: str | None = None
    settings: tuple[str, ...] = ()
    mask_type: str | None = None
    phase_layer: str | None = None
    resist: str | None = None
    method: Literal["ilt", "opc"] = "ilt"
    mask_model: MaskModel | None = None

    def setup(self) -> Setup:
        settings = self.settings
        if self.mask_model is not None:
            settings = (*settings, f"process.mask.model={self.mask_model}")
        return load_setup(self.optics, settings, self.mask_type, self.resist)

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

    def repeats(self) -> Repeats | None:
        """The largest regular array that the layer holds; see `layout.repeats`."""
        return repeats(self.layout, self.layer_number(), self.cell)

    def read_shifted(self, file: Path, around_nm: float = 0.0) -> Layout | None:
        """The shifted glass of an alternating mask, from a file's phase layer, if one is named."""
        if self.phase_layer is None:
            return None
        x0, y0, x1, y1 = self.window_nm()
        around = (x0 - around_nm, y0 - around_nm, x1 + around_nm, y1 + around_nm)
        return read_layout(file, parse_layer(self.phase_layer), around, self.cell)


def with_phases(
    process: Process, drawn: Layout, shifted: Layout | None
) -> tuple[tuple[Layout, ...], tuple[Window, ...]]:
    """The layers of a mask from what is drawn and the shifted glass, if there is any; and the phase conflicts."""
    if not isinstance(process.mask, AlternatingPSM):
        if shifted is not None:
            raise ConfigError(f"a phase layer belongs to an alternating mask; this one is {process.mask.kind}")
        return (drawn,), ()
    if shifted is not None:
        return (drawn, shifted), ()
    if process.mask.drawn == "dark":
        raise ConfigError("an alternating mask drawn dark needs its shifted glass: add --phase-layer")
    found = phases(process, drawn)
    return found.layers, found.conflicts


def mask_figures(process: Process, conflicts: Sequence[Window] = ()) -> dict:
    """Which mask a result was made with, for its JSON; `mask_type` is what --mask-type takes."""
    mask = double(process.mask)
    kind = mask.kind
    if kind == "attpsm":
        kind = f"{kind}:{100 * mask.transmission:.10g}%:{mask.phase_deg:.10g}"
    found = {
        "mask_type": kind,
        "mask_drawn": mask.drawn,
        "mask_bias_nm": mask.bias_nm,
        "mask_corner_radius_nm": mask.corner_radius_nm,
    }
    if isinstance(mask, Reflective):
        found["mask_model"] = mask.model
    if isinstance(mask, AlternatingPSM):
        found |= {"phase_conflicts": len(conflicts), "phase_conflict_boxes_nm": [list(box) for box in conflicts]}
    return found


def presets() -> list[str]:
    """Names of the setups that come with Actinic."""
    return preset_files.names()


def load_setup(
    optics: str, settings: Sequence[str] = (), mask_type: str | None = None, resist: str | None = None
) -> Setup:
    """A setup from a preset's name or a TOML file, with another mask type or a typical resist, then with overrides."""
    path = Path(optics)
    if optics in presets():
        path = preset_files.FOLDER / f"{optics}.toml"
    elif path.suffix != ".toml":
        raise ConfigError(f"optics {optics!r} is neither a preset ({', '.join(presets())}) nor a .toml file")
    data = _beside(load_toml(path), path.parent)
    if mask_type is not None:
        data = _with_mask(data, parse_mask(mask_type))
    if resist is not None:
        data["process"]["resist"] = preset_files.resist(resist, data.get("process", {}))
    return build(Setup, override(data, settings), optics)


def _beside(data: dict, folder: Path) -> dict:
    """Setup data whose relative source file is looked for beside the setup first, then in the current folder."""
    try:
        source = data["process"]["scanner"]["source"]
        beside = folder / source["file"]
        if beside.is_file():
            source["file"] = str(beside)
    except (KeyError, TypeError):
        pass  # no freeform source, or `build` says what is wrong with it
    return data


def _with_mask(data: dict, mask: dict) -> dict:
    """Setup data with the mask replaced but for what every mask has: its polarity, bias and corners."""
    process = data.get("process")
    old = process.get("mask") if isinstance(process, dict) else None
    if not isinstance(process, dict) or not isinstance(old, dict):
        return data  # `build` says what is wrong with it
    kept = {key: old[key] for key in ("drawn", "bias_nm", "corner_radius_nm") if key in old}
    return data | {"process": process | {"mask": kept | mask}}


def data_folder() -> Path:
    """The folder of published data sets, from ACTINIC_DATA."""
    name = os.environ.get("ACTINIC_DATA", "")
    if not name:
        raise MissingError("no data sets: set ACTINIC_DATA to the folder that holds them (see `actinic data list`)")
    folder = Path(name)
    if not folder.is_dir():
        raise MissingError(f"ACTINIC_DATA names {name}, which is not a folder")
    return folder
