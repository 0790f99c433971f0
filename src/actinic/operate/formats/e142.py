"""SEMI E142 substrate maps (XML) read.

What is read is the part that wafer maps use: layouts with their dimension and device size, the substrate, and one
overlay with a `BinCodeMap` whose rows are `BinCode` elements. Other overlays are named in `ignored`.
"""

from pathlib import Path
from typing import get_args

from ...errors import InputError
from .markup import BadMarkup, Element, parse
from .substrate import WIDTHS, Axes, Bin, Origin, SubstrateMap

LARGEST = 256 * 2**20  # bytes
_DIGITS = {"HexaDecimal": "0123456789ABCDEF", "Decimal": "0123456789", "Integer2": "0123456789ABCDEF"}
_UNITS_MM = {"mm": 1.0, "um": 1e-3, "micron": 1e-3, "microns": 1e-3, "nm": 1e-6}


def read_e142(path: str | Path) -> SubstrateMap:
    """The bin map in an E142 file.

    InputError, with the line, where it cannot be read, is no such map, or its rows do not fit its layout.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST // 2**20} MiB: this is no wafer map")
    try:
        return _map(parse(content))
    except BadMarkup as error:
        raise InputError(f"{path}: {error}") from None


def _map(root: Element) -> SubstrateMap:
    if root.name != "MapData":
        raise _bad(root, f"the root is {root.name}, not MapData")
    maps = root.all("SubstrateMaps", "SubstrateMap")
    overlays = [(m, o, b) for m in maps for o in m.all("Overlay") for b in o.all("BinCodeMap")]
    if len(overlays) != 1:
        raise _bad(root, f"the file has {len(overlays)} bin code maps; one is read")
    ((substrate, overlay, bin_map),) = overlays
    bin_type = _choice(bin_map, "BinType", tuple(WIDTHS), "Ascii")
    null = _needed(bin_map, "NullBin")
    rows = [(_split(row, bin_type), row.line) for row in bin_map.all("BinCode")]
    if not rows:
        raise _bad(bin_map, "the map has no BinCode rows")
    for codes, line in rows:
        if len(codes) != len(rows[0][0]) or not codes:
            raise BadMarkup(f"line {line}: a row of {len(codes)} devices, where the first has {len(rows[0][0])}")
    if len(null) != WIDTHS[bin_type]:
        raise _bad(bin_map, f"NullBin {null!r} is no {bin_type} code of {WIDTHS[bin_type]} characters")
    device_mm = _layout(root, substrate, len(rows[0][0]), len(rows))
    orientation = substrate.attributes.get("Orientation", "0")
    if orientation not in ("0", "90", "180", "270"):
        raise _bad(substrate, f"Orientation {orientation!r} is none of 0, 90, 180, 270")
    others = [child.name for o in substrate.all("Overlay") for child in o.children]
    return SubstrateMap(
        substrate=_needed(substrate, "SubstrateId"),
        codes=tuple(codes for codes, _ in rows),
        null=null,
        bin_type=bin_type,
        bins=tuple(
            Bin(_needed(b, "BinCode"), b.attributes.get("BinQuality", ""), b.attributes.get("BinDescription", ""))
            for b in bin_map.all("BinDefinitions", "BinDefinition")
        ),
        lot=next((e.text.strip() for e in root.all("Substrates", "Substrate", "LotId")), ""),
        orientation=int(orientation),
        origin=_choice(substrate, "OriginLocation", get_args(Origin), "LowerLeft"),
        axes=_choice(substrate, "AxisDirection", get_args(Axes), "UpRight"),
        layout=substrate.attributes.get("LayoutSpecifier", ""),
        name=overlay.attributes.get("MapName", ""),
        device_mm=device_mm,
        references=tuple(
            (r.attributes.get("Name", ""), _whole(c, "X"), _whole(c, "Y"))
            for r in overlay.all("ReferenceDevices", "ReferenceDevice")
            for c in r.all("Coordinates")
        ),
        ignored=tuple(dict.fromkeys(name for name in others if name not in ("BinCodeMap", "ReferenceDevices"))),
    )


def _layout(root: Element, substrate: Element, columns: int, rows: int) -> tuple[float, float] | None:
    """The size of a device in the layout the map refers to, whose dimension must be the map's. None if not given."""
    wanted = substrate.attributes.get("LayoutSpecifier", "").rpartition("/")[2]
    for layout in root.all("Layouts", "Layout"):
        if layout.attributes.get("LayoutId") != wanted:
            continue
        for dimension in layout.all("Dimension"):
            size = _whole(dimension, "X"), _whole(dimension, "Y")
            if size != (columns, rows):
                raise _bad(dimension, f"layout {wanted} is {size[0]} x {size[1]}, the map {columns} x {rows} devices")
        unit = _UNITS_MM.get(layout.attributes.get("DefaultUnits", "mm"))
        sizes = [device for device in layout.all("DeviceSize") if device.attributes.get("X", "").strip()]
        if sizes and unit:
            return _number(sizes[0], "X") * unit, _number(sizes[0], "Y") * unit
    return None


def _split(row: Element, bin_type: str) -> tuple[str, ...]:
    """A row's codes. Decimal ones stand apart; all others have a fixed width and nothing between them."""
    # A blank can be an Ascii code, but not where the row stands on a line of its own.
    blank = bin_type == "Ascii" and "\n" not in row.text
    text, width = row.text if blank else row.text.strip(), WIDTHS[bin_type]
    if bin_type == "Decimal" and any(c.isspace() for c in text):
        codes = tuple(text.split())
    else:
        if len(text) % width:
            raise _bad(row, f"a row of {len(text)} characters, no multiple of the {width} of a {bin_type} code")
        codes = tuple(text[place : place + width] for place in range(0, len(text), width))
    for code in codes:
        if len(code) != width or set(code.upper()) - set(_DIGITS.get(bin_type, code.upper())):
            raise _bad(row, f"{code!r} is no {bin_type} code")
    return codes


def _bad(element: Element, what: str) -> BadMarkup:
    return BadMarkup(f"line {element.line}: {what}")


def _needed(element: Element, key: str) -> str:
    if key not in element.attributes:
        raise _bad(element, f"{element.name} has no {key}")
    return element.attributes[key]


def _choice(element: Element, key: str, known: tuple[str, ...], default: str):
    said = element.attributes.get(key, default)
    for word in known:
        if word.lower() == said.lower():
            return word
    raise _bad(element, f"{key} {said!r} is none of {', '.join(known)}")


def _number(element: Element, key: str) -> float:
    said = _needed(element, key)
    try:
        value = float(said)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise _bad(element, f"{key} {said!r} is no positive number")
    return value


def _whole(element: Element, key: str) -> int:
    said = _needed(element, key).strip()
    if not said.lstrip("-").isdecimal() or len(said) > 9:
        raise _bad(element, f"{key} {said!r} is no whole number")
    return int(said)
