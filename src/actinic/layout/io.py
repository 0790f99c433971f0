"""Reading one layer of a GDSII or OASIS file, and writing layers."""

import difflib
from collections.abc import Mapping

import klayout.db as db

from ..errors import ConfigError, InputError
from .boolean import layout_of, region_of, window_box
from .files import File, Layer, dbu_nm, guarded, load, name_of, pick_cell, save
from .polygons import Layout

Window = tuple[float, float, float, float]

# A polygon takes some hundred bytes here, so this is about as much as a large machine holds.
MOST_SHAPES = 10**8


def read_layout(path: File, layer: str | Layer, window_nm: Window | None = None, cell: str | None = None) -> Layout:
    """One layer of a GDSII or OASIS file (gzipped or not), merged and cut to a window.

    `layer` is "67/20" or (67, 20); `window_nm` is (x0, y0, x1, y1) in nm of the cell's coordinates,
    snapped to the nearest database units; `cell` is needed where the file has several top cells.
    Boxes, paths and polygons count, texts do not. Only what overlaps the window is taken out of the
    hierarchy. A window on the chip without a polygon gives an empty Layout. InputError for a file
    that cannot be read, an absent layer or cell, a window beside the chip, and more than 10^8 shapes
    without a window.
    """
    wanted = parse_layer(layer) if isinstance(layer, str) else layer
    chip = load(path, wanted)
    top = pick_cell(chip, cell, path)
    unit = dbu_nm(chip)
    found = chip.find_layer(*wanted)
    drawn = db.Box() if found is None else top.bbox(found)
    box = None if window_nm is None else window_box(window_nm, unit)
    if found is None or drawn.empty() or (box is not None and not box.overlaps(drawn)):
        _check_asked(path, wanted, box, cell)
        return Layout((), unit)
    if box is None:
        region = db.Region(top.begin_shapes_rec(found))
        if region.count() > MOST_SHAPES:
            raise InputError(f"{path}: {region.count():.2g} shapes are too many at once; give a window")
    else:
        # Not "overlapping": that one misses everything in a window one database unit wide.
        region = db.Region(top.begin_shapes_rec_touching(found, box))
    return guarded(f"{path}: cannot be merged", lambda: layout_of(region.flatten(), unit, box))


def write_layout(path: File, layers: Mapping[Layer, Layout], cell: str = "TOP") -> None:
    """Writes one cell; the suffix .gds, .gds.gz or .oas decides the format.

    Holes survive, though both formats join them to their hull by a cut line of no width, and a
    slanted edge that the line meets can bend by one database unit. The bytes depend on the polygons
    only, and the file appears whole or not at all. InputError where the layouts' database
    units differ or the file cannot be written, ConfigError for another suffix.
    """
    units = sorted({layout.dbu_nm for layout in layers.values()})
    if len(units) > 1:
        raise InputError(f"{path}: layers with different database units ({units} nm) cannot share a file")
    chip = db.Layout()
    chip.dbu = units[0] / 1000 if units else 0.001
    top = chip.create_cell(cell)
    for wanted, layout in sorted(layers.items(), key=lambda item: item[0]):
        top.shapes(chip.layer(*wanted)).insert(region_of(layout))
    save(path, chip)


def write_cells(
    path: File, cells: Mapping[str, tuple[Layout, tuple[int, int]]], layer: Layer, name: str = "TOP"
) -> None:
    """Writes each layout as a cell of its own, and one cell above them that holds each once.

    A layout comes with the place of its origin in database units, which are one for all; otherwise as `write_layout`.
    """
    units = {layout.dbu_nm for layout, _ in cells.values()}
    if len(units) != 1:
        raise InputError(f"{path}: cells with database units of {sorted(units)} nm cannot share a file")
    chip = db.Layout()
    chip.dbu = units.pop() / 1000
    number, top = chip.layer(*layer), chip.create_cell(name)
    for cell, (layout, place) in cells.items():
        made = chip.create_cell(cell)
        made.shapes(number).insert(region_of(layout))
        top.insert(db.CellInstArray(made, db.Trans(db.Vector(*place))))
    save(path, chip)


def layers(path: File) -> dict[Layer, str]:
    """The (layer, datatype) pairs of a file and their names, "" where it gives none."""
    return _layers(load(path))


def extent_nm(path: File, cell: str | None = None) -> Window:
    """(x0, y0, x1, y1) nm of everything in the cell, all layers; InputError where there is nothing."""
    chip = load(path)
    top = pick_cell(chip, cell, path)
    box = top.bbox()
    if box.empty():
        raise InputError(f"{path}: nothing is drawn in cell {name_of(top)}")
    x0, y0, x1, y1 = (value * dbu_nm(chip) for value in (box.left, box.bottom, box.right, box.top))
    return x0, y0, x1, y1


def parse_layer(text: str) -> Layer:
    """The text 67/20 as (67, 20), and 67 as (67, 0); ConfigError for anything else."""
    number, slash, datatype = text.partition("/")
    try:
        layer = int(number), int(datatype) if slash else 0
    except ValueError:
        layer = -1, -1
    if not all(0 <= part < 2**16 for part in layer):
        raise ConfigError(f"layer {text!r} is not layer/datatype, like 67/20 (whole numbers from 0 to 65535)")
    return layer


def parse_window(text: str) -> Window:
    """The text 40,30,60,50 (x0,y0,x1,y1 in um) as a window in nm; ConfigError for anything else."""
    try:
        x0, y0, x1, y1 = (round(float(part) * 1000, 6) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"window {text!r} is not four numbers x0,y0,x1,y1 in um") from None
    if not (x0 < x1 and y0 < y1) or max(abs(value) for value in (x0, y0, x1, y1)) > 1e12:
        raise ConfigError(f"window {text!r} needs x0 < x1 and y0 < y1 (x0,y0,x1,y1 in um)")
    return x0, y0, x1, y1


def _layers(chip: db.Layout) -> dict[Layer, str]:
    return {(info.layer, info.datatype): name_of(info) for info in chip.layer_infos() if info.layer >= 0}


def _check_asked(path: File, wanted: Layer, box: db.Box | None, cell: str | None) -> None:
    """Says why nothing was found, if that is an error: only the whole file knows."""
    chip = load(path)
    names = {f"{number}/{datatype}": name for (number, datatype), name in sorted(_layers(chip).items())}
    asked = f"{wanted[0]}/{wanted[1]}"
    if asked not in names:
        near = difflib.get_close_matches(asked, names, 1)
        guess = f"; did you mean {near[0]}?" if near else "."
        raise InputError(f"{path}: no layer {asked}{guess} It has {', '.join(names) or 'no layers'}")
    drawn = pick_cell(chip, cell, path).bbox()
    if box is not None and not box.overlaps(drawn):
        raise InputError(f"{path}: window {_um(box, chip)} um lies outside the chip, {_um(drawn, chip)} um")


def _um(box: db.Box, chip: db.Layout) -> str:
    return ",".join(f"{value * chip.dbu:.9g}" for value in (box.left, box.bottom, box.right, box.top))
