"""SEMI E142 substrate maps (XML) written."""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ...errors import InputError
from ...writing import write_file
from .substrate import WIDTHS, SubstrateMap, counts

NAMESPACE = "urn:semi-org:xsd.E142-1.V1005.SubstrateMap"


def write_e142(path: str | Path, found: SubstrateMap) -> None:
    """Write a map by renaming a finished file.

    InputError where a code has the wrong width, a row the wrong length, or a text holds what XML cannot.
    """
    _check(found)
    root = Element("MapData", xmlns=NAMESPACE)
    _layouts(SubElement(root, "Layouts"), found)
    kind = {"SubstrateType": "Wafer", "SubstrateId": found.substrate}
    substrate = SubElement(SubElement(root, "Substrates"), "Substrate", kind)
    if found.lot:
        SubElement(substrate, "LotId").text = found.lot
    lies = {"Orientation": str(found.orientation), "OriginLocation": found.origin, "AxisDirection": found.axes}
    one_map = SubElement(
        SubElement(root, "SubstrateMaps"), "SubstrateMap", {**kind, "LayoutSpecifier": found.layout, **lies}
    )
    overlay = SubElement(one_map, "Overlay", MapName=found.name, MapVersion="1")
    if found.references:
        devices = SubElement(overlay, "ReferenceDevices")
        for name, x, y in found.references:
            SubElement(SubElement(devices, "ReferenceDevice", Name=name), "Coordinates", X=str(x), Y=str(y))
    bin_map = SubElement(overlay, "BinCodeMap", BinType=found.bin_type, NullBin=found.null)
    if found.bins:
        definitions, every = SubElement(bin_map, "BinDefinitions"), counts(found)
        for b in found.bins:
            told = {"BinCode": b.code, "BinCount": str(every.get(b.code, 0)), "BinQuality": b.quality}
            SubElement(definitions, "BinDefinition", {**told, "BinDescription": b.description})
    for row in found.codes:
        SubElement(bin_map, "BinCode").text = (" " if found.bin_type == "Decimal" else "").join(row)
    ElementTree.indent(root)
    write_file(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _layouts(layouts: Element, found: SubstrateMap) -> None:
    """The device layout, and around it the wafer's where the specifier names one."""
    top, _, devices = found.layout.rpartition("/")
    if top:
        wafer = SubElement(layouts, "Layout", LayoutId=top, DefaultUnits="mm", TopLevel="true")
        SubElement(wafer, "Dimension", X="1", Y="1")
        SubElement(SubElement(wafer, "ChildLayouts"), "ChildLayout", LayoutId=devices)
    layout = SubElement(layouts, "Layout", LayoutId=devices, DefaultUnits="mm")
    SubElement(layout, "Dimension", X=str(len(found.codes[0])), Y=str(len(found.codes)))
    if found.device_mm:
        SubElement(layout, "DeviceSize", X=repr(float(found.device_mm[0])), Y=repr(float(found.device_mm[1])))


def _check(found: SubstrateMap) -> None:
    width = WIDTHS.get(found.bin_type)
    if width is None:
        raise InputError(f"bin type {found.bin_type!r} is none of {', '.join(WIDTHS)}")
    if not found.codes or not found.codes[0] or len({len(row) for row in found.codes}) != 1:
        raise InputError("a map needs rows of one and the same length")
    wrong = [code for row in (*found.codes, (found.null,)) for code in row if len(code) != width]
    if wrong:
        raise InputError(f"{wrong[0]!r} is no {found.bin_type} code of {width} characters")
    words = [found.substrate, found.lot, found.layout, found.name, found.null, *map("".join, found.codes)]
    words += [word for b in found.bins for word in (b.code, b.quality, b.description)]
    words += [name for name, _, _ in found.references]
    for word in words:
        if any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 or ord(c) in (0xFFFE, 0xFFFF) for c in word):
            raise InputError(f"{word!r} cannot be written: XML has no place for such a character")
