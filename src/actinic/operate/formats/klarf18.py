"""KLARF 1.8 read: records in records, lists that state their columns' types; lengths in nm, areas in nm2."""

from collections.abc import Sequence

from .columns import check, defect, other
from .defects import InspectedWafer, Inspection, Test
from .records import Record, Table, parse
from .times import time
from .tokens import Faulty, Token, scaled, whole

_USED = {
    *("FileTimestamp", "DeviceID", "DiePitch", "InspectionStationID", "OrientationMarkLocation", "RecipeID"),
    *("ResultTimestamp", "SampleOrientationMarkType", "SampleSize", "StepID", "CoordinatesMirrored", "DieOrigin"),
    *("SampleCenterLocation", "SlotNumber", "AreaPerTest", "ClassLookupList", "DefectList", "SampleTestPlanList"),
    *("LotRecord", "WaferRecord", "TestRecord", "SummaryRecord", "TestSummaryList", "SampleType", "InspectionTest"),
}


def read_klarf18(text: str) -> Inspection:
    """The inspection in a file's text. Faulty, with the line, where it breaks the format."""
    root = parse(text)
    lots = root.of("LotRecord")
    if len(lots) != 1:
        raise Faulty(root.line, f"the file has {len(lots)} records LotRecord; it must have one")
    (lot,) = lots
    if not lot.of("WaferRecord"):
        raise Faulty(lot.line, "the lot has no WaferRecord")
    # Some writers give with the wafer what others give with the lot.
    everywhere = {**lot.of("WaferRecord")[0].fields, **lot.fields, **root.fields}
    size = _numbers(lot, "SampleSize")
    recipe = lot.fields.get("RecipeID", [])
    station = tuple(token.text for token in lot.fields.get("InspectionStationID", ()))
    mirrored = _text(everywhere, "CoordinatesMirrored").upper()
    pitch = _numbers(lot, "DiePitch")
    if len(pitch) != 2:
        raise Faulty(lot.line, "the lot has no DiePitch of two numbers")
    return Inspection(
        lot=lot.name,
        wafers=tuple(_wafer(record) for record in lot.of("WaferRecord")),
        die_pitch_nm=pitch,
        device=_text(lot.fields, "DeviceID"),
        step=_text(lot.fields, "StepID"),
        recipe=recipe[0].text if recipe else "",
        recipe_time=_time("RecipeID", recipe[1:]),
        station=station if len(station) == 3 else ("", "", ""),
        diameter_mm=size[0] / 1e6 if len(size) == 2 and size[1] == 0 else None,
        mark=_text(everywhere, "SampleOrientationMarkType") or "NOTCH",
        mark_location=_text(everywhere, "OrientationMarkLocation") or "DOWN",
        mirrored=mirrored == "YES",
        file_time=_time("FileTimestamp", root.fields.get("FileTimestamp", ())),
        result_time=_time("ResultTimestamp", everywhere.get("ResultTimestamp", ())),
        classes=_classes(lot),
        ignored=tuple(name for name in dict.fromkeys(root.names()) if name not in _USED),
    )


def _wafer(record: Record) -> InspectedWafer:
    table = record.lists.get("DefectList")
    if table is None:
        raise Faulty(record.line, f"wafer {record.name!r} has no DefectList")
    columns = [name.upper() for _, name in table.columns]
    check(columns, table.line)
    pictures = [place for place, (kind, _) in enumerate(table.columns) if kind.lower() == "imagelist"]
    plain = [place for place in range(len(columns)) if place not in pictures]
    defects = []
    for row in table.rows:
        images = " ".join(said for place in pictures if (said := _images(row[place])))
        cells = {columns[place]: row[place][0] for place in plain}
        defects.append(defect(cells, 1, images))
    slot = record.fields.get("SlotNumber")
    return InspectedWafer(
        id=record.name,
        slot=whole(slot[0]) if slot else None,
        centre_nm=_numbers(record, "SampleCenterLocation") or (0.0, 0.0),
        die_origin_nm=_numbers(record, "DieOrigin") or (0.0, 0.0),
        tests=tuple(_test(test) for test in record.of("TestRecord")),
        columns=other([columns[place] for place in plain]),
        defects=tuple(defects),
    )


def _test(record: Record) -> Test:
    area = record.fields.get("AreaPerTest")
    plan = record.lists.get("SampleTestPlanList")
    if not record.name.strip().lstrip("-").isdigit():
        raise Faulty(record.line, f"TestRecord {record.name!r}: its name must be the test's number")
    dies = [_named(plan, row, "XINDEX", "YINDEX") for row in plan.rows] if plan else []
    return Test(int(record.name), scaled(area[0], 1) if area else None, tuple((whole(x), whole(y)) for x, y in dies))


def _named(table: Table, row: list[list[Token]], *names: str) -> list[Token]:
    columns = [name.upper() for _, name in table.columns]
    missing = [name for name in names if name not in columns]
    if missing:
        raise Faulty(table.line, f"the list has no column {missing[0]}")
    return [row[columns.index(name)][0] for name in names]


def _classes(lot: Record) -> tuple[tuple[int, str], ...]:
    table = lot.lists.get("ClassLookupList")
    rows = [_named(table, row, "CLASSNUMBER", "CLASSNAME") for row in table.rows] if table else []
    return tuple((whole(number), name.text) for number, name in rows)


def _images(cell: Sequence[Token]) -> str:
    """An image list as it is written, with single spaces; empty for N, none."""
    if len(cell) == 1:
        return ""
    return " ".join(f'"{token.text}"' if token.kind == "quoted" else token.text for token in cell)


def _text(fields: dict[str, list[Token]], name: str) -> str:
    return fields[name][0].text if fields.get(name) else ""


def _numbers(record: Record, name: str) -> tuple[float, ...]:
    cells = record.fields.get(name, [])
    if cells and len(cells) != 2:
        raise Faulty(cells[0].line, f"{name} takes two numbers, not {len(cells)}")
    return tuple(scaled(cell, 1) for cell in cells)


def _time(name: str, cells: Sequence[Token]):
    said = [cell for cell in cells if cell.text.strip()]
    return time(name, said[0].line, said) if said else None
