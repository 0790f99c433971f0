"""KLARF 1.8 written."""

import re
from collections.abc import Sequence

from ...errors import InputError
from .columns import COLUMNS, cell_text, known, summary
from .defects import InspectedWafer, Inspection
from .times import nested_time
from .tokens import plain, quoted

_WHOLE, _NUMBER = re.compile(r"[+-]?\d{1,9}"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NA")


def write_klarf18(inspection: Inspection) -> str:
    """The text of a KLARF 1.8 file; image lists and pictures of 1.2 are left out.

    InputError for a string that cannot be written.
    """
    i = inspection
    recipe = [quoted(i.recipe), *(nested_time(i.recipe_time).split(", ") if i.recipe_time else ('""', '""'))]
    lines = [
        *_field("DeviceID", [quoted(i.device)]),
        *_field("DiePitch", map(plain, i.die_pitch_nm)),
        *_field("InspectionStationID", map(quoted, i.station)),
        *_field("OrientationMarkLocation", [_value(i.mark_location)]),
        *_field("RecipeID", recipe),
        *(_field("ResultTimestamp", nested_time(i.result_time).split(", ")) if i.result_time else []),
        *_field("SampleOrientationMarkType", [quoted(i.mark)]),
        *_field("CoordinatesMirrored", [quoted("YES" if i.mirrored else "NO")]),
        *(_field("SampleSize", [plain(i.diameter_mm * 1e6), "0"]) if i.diameter_mm is not None else []),
        *_field("SampleType", [quoted("WAFER")]),
        *_field("StepID", [quoted(i.step)]),
    ]
    for wafer in i.wafers:
        lines += _record("WaferRecord", wafer.id, _wafer(wafer))
    if i.classes:
        rows = [f'{number} {quoted(name)} ""' for number, name in i.classes]
        lines += _list("ClassLookupList", ["int32 CLASSNUMBER", "string CLASSNAME", "string CLASSCODE"], rows)
    body = _record("LotRecord", i.lot, lines)
    if i.file_time:
        body += _field("FileTimestamp", nested_time(i.file_time).split(", "))
    return "\n".join([*_record("FileRecord", "1.8", body), "EndOfFile;", ""])


def _wafer(wafer: InspectedWafer) -> list[str]:
    lines = [
        *_field("DieOrigin", map(plain, wafer.die_origin_nm)),
        *_field("SampleCenterLocation", map(plain, wafer.centre_nm)),
        *(_field("SlotNumber", [str(wafer.slot)]) if wafer.slot is not None else []),
    ]
    lines += _defects(wafer)
    for test in wafer.tests:
        inside = _field("AreaPerTest", [plain(test.area_nm2)]) if test.area_nm2 is not None else []
        if test.plan:
            plan = [f"{x} {y}" for x, y in test.plan]
            inside += _list("SampleTestPlanList", ["int32 XINDEX", "int32 YINDEX"], plan)
        lines += _record("TestRecord", str(test.number), inside)
    if wafer.tests:
        rows = [f"{n} {found} {plain(density)} {dies} {bad}" for n, found, density, dies, bad in summary(wafer)]
        columns = ["int32 TESTNO", "int32 NDEFECT", "float DEFDENSITY", "int32 NDIE", "int32 NDEFDIE"]
        lines += _record("SummaryRecord", None, _list("TestSummaryList", columns, rows))
    return lines


def _defects(wafer: InspectedWafer) -> list[str]:
    names = known(wafer)
    for d in wafer.defects:
        if len(d.other) != len(wafer.columns):
            raise InputError(f"defect {d.id} has {len(d.other)} further values for {len(wafer.columns)} columns")
    try:
        texts = [[cell_text(d, name, 1) for d in wafer.defects] for name in names]
    except ValueError as error:
        raise InputError(str(error)) from None
    columns = [
        f"{_type(column) if COLUMNS[name][1] else 'int32'} {name}" for name, column in zip(names, texts, strict=True)
    ]
    for place, name in enumerate(wafer.columns):
        column = [d.other[place] for d in wafer.defects]
        kind = _type(column)
        columns.append(f"{kind} {name}")
        texts.append([quoted(text) for text in column] if kind == "string" else column)
    if any(_nested(d.images) for d in wafer.defects):
        columns.append("ImageList IMAGEINFO")
        texts.append([_nested(d.images) or "N" for d in wafer.defects])
    return _list("DefectList", columns, [" ".join(row) for row in zip(*texts, strict=True)])


def _type(column: Sequence[str]) -> str:
    if all(_WHOLE.fullmatch(text) for text in column):
        return "int32"
    return "double" if all(_NUMBER.fullmatch(text) for text in column) else "string"


def _value(text: str) -> str:
    return text if _WHOLE.fullmatch(text) else quoted(text)


def _nested(images: str) -> str:
    """An image list, if it is one of this format."""
    return images if images.startswith("Images ") else ""


def _field(name: str, values) -> list[str]:
    values = list(values)
    return [f"Field {name} {len(values)} {{{', '.join(values)}}}"]


def _record(kind: str, name: str | None, inside: list[str]) -> list[str]:
    head = f"Record {kind}" if name is None else f"Record {kind} {quoted(name)}"
    return [head, "{", *(f"  {line}" for line in inside), "}"]


def _list(name: str, columns: Sequence[str], rows: Sequence[str]) -> list[str]:
    data = [f"  Data {len(rows)}", "  {", *(f"    {row};" for row in rows), "  }"]
    return [f"List {name}", "{", f"  Columns {len(columns)} {{ {', '.join(columns)} }}", *data, "}"]
