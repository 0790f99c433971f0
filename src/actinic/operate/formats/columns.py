"""The columns of a list of defects that have a meaning, the same in both KLARF formats but for the unit."""

from math import nan

from .defects import Defect, InspectedWafer
from .tokens import Faulty, Token, divided, scaled, whole

# Column: field of the model, and the power of its length unit; 0 for a whole number.
COLUMNS = {
    "DEFECTID": ("id", 0),
    "XREL": ("x_rel_nm", 1),
    "YREL": ("y_rel_nm", 1),
    "XINDEX": ("x_index", 0),
    "YINDEX": ("y_index", 0),
    "XSIZE": ("x_size_nm", 1),
    "YSIZE": ("y_size_nm", 1),
    "DSIZE": ("size_nm", 1),
    "DEFECTAREA": ("area_nm2", 2),
    "CLASSNUMBER": ("class_number", 0),
    "TEST": ("test", 0),
}
NEEDED = ("DEFECTID", "XREL", "YREL", "XINDEX", "YINDEX")


def check(names: list[str], line: int) -> None:
    """Faulty where a column is named twice or one of NEEDED is missing."""
    missing = [name for name in NEEDED if name not in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing or twice:
        raise Faulty(line, f"the defects' columns lack {', '.join(missing)}" if missing else f"{twice[0]} comes twice")


def other(names: list[str]) -> tuple[str, ...]:
    """The columns whose values are kept as text: neither known nor part of an image list."""
    images = {"IMAGECOUNT", "IMAGELIST"} if "IMAGELIST" in names else set()
    return tuple(name for name in names if name not in COLUMNS and name not in images)


def defect(cells: dict[str, Token], unit_nm: int, images: str = "", picture: str = "") -> Defect:
    """The defect that a row's cells describe; lengths are in units of so many nm, NA is not available."""
    values = {}
    for name, (field, power) in COLUMNS.items():
        if name in cells:
            cell = cells[name]
            absent = power and cell.text.upper() == "NA"
            values[field] = nan if absent else scaled(cell, unit_nm**power) if power else whole(cell)
    other = tuple(cell.text for name, cell in cells.items() if name not in COLUMNS)
    return Defect(**values, other=other, images=images, picture=picture)


def known(wafer: InspectedWafer) -> list[str]:
    """The columns with a meaning that a wafer's defects have."""
    return [
        name
        for name, (field, _) in COLUMNS.items()
        if name in NEEDED or any(getattr(d, field) is not None for d in wafer.defects)
    ]


def cell_text(found: Defect, name: str, unit_nm: int) -> str:
    """A defect's value of one column in the file's unit. ValueError where it has none."""
    field, power = COLUMNS[name]
    value = getattr(found, field)
    if value is None:
        raise ValueError(f"defect {found.id} has no {field}, where others of its wafer have one")
    if not power:
        return str(value)
    return "NA" if value != value else divided(value, unit_nm**power)


def summary(wafer: InspectedWafer) -> list[tuple[int, int, float, int, int]]:
    """For each test: number, defects, defects per cm2 (0 where its area is not known), dies, dies with a defect.

    Where the defects name no test they all belong to the wafer's only one.
    """
    rows = []
    for test in wafer.tests:
        found = [d for d in wafer.defects if d.test == test.number or (d.test is None and len(wafer.tests) == 1)]
        density = len(found) / (test.area_nm2 / 1e14) if test.area_nm2 else 0.0
        rows.append((test.number, len(found), density, len(test.plan), len({(d.x_index, d.y_index) for d in found})))
    return rows
