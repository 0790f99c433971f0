"""KLARF 1.2 written."""

from ...errors import InputError
from .columns import cell_text, known, summary
from .defects import InspectedWafer, Inspection
from .klarf12 import IMAGES, UM
from .times import flat_time
from .tokens import divided, plain, quoted


def write_klarf12(inspection: Inspection) -> str:
    """The text of a KLARF 1.2 file; image lists of 1.8 are left out. InputError for a string that cannot be written."""
    i = inspection
    recipe = f" {flat_time(i.recipe_time)}" if i.recipe_time else ""
    lines = [
        "FileVersion 1 2;",
        *([f"FileTimestamp {flat_time(i.file_time)};"] if i.file_time else []),
        f"InspectionStationID {' '.join(map(quoted, i.station))};",
        "SampleType WAFER;",
        *([f"ResultTimestamp {flat_time(i.result_time)};"] if i.result_time else []),
        f"LotID {quoted(i.lot)};",
        *([f"SampleSize 1 {plain(i.diameter_mm)};"] if i.diameter_mm is not None else []),
        f"DeviceID {quoted(i.device)};",
        f"SetupID {quoted(i.recipe)}{recipe};",
        f"StepID {quoted(i.step)};",
        f"SampleOrientationMarkType {_word(i.mark)};",
        f"OrientationMarkLocation {_word(i.mark_location)};",
        f"DiePitch {_um(i.die_pitch_nm)};",
        f"CoordinatesMirrored {'YES' if i.mirrored else 'NO'};",
    ]
    if i.classes:
        lines += _entries("ClassLookup", [f"{number} {quoted(name)}" for number, name in i.classes])
    picture = ""
    for wafer in i.wafers:
        more, picture = _wafer(wafer, picture)
        lines += more
    return "\n".join([*lines, "EndOfFile;", ""])


def _wafer(wafer: InspectedWafer, picture: str) -> tuple[list[str], str]:
    """A wafer's statements, and the picture file that is then the current one."""
    lines = [
        f"WaferID {quoted(wafer.id)};",
        *([f"Slot {wafer.slot};"] if wafer.slot is not None else []),
        f"DieOrigin {_um(wafer.die_origin_nm)};",
        f"SampleCenterLocation {_um(wafer.centre_nm)};",
    ]
    for test in wafer.tests:
        lines.append(f"InspectionTest {test.number};")
        lines += _entries("SampleTestPlan", [f"{x} {y}" for x, y in test.plan]) if test.plan else []
        lines += [f"AreaPerTest {divided(test.area_nm2, UM**2)};"] if test.area_nm2 is not None else []
    names = known(wafer)
    images = any(_flat(d.images) for d in wafer.defects)
    header = [*names, *wafer.columns, *(IMAGES if images else ())]
    lines += [f"DefectRecordSpec {len(header)} {' '.join(header)};", "DefectList"]
    for d in wafer.defects:
        if len(d.other) != len(wafer.columns):
            raise InputError(f"defect {d.id} has {len(d.other)} further values for {len(wafer.columns)} columns")
        if d.picture != picture:
            picture = d.picture
            lines[-1] += ";"
            lines += [f"TiffFileName {quoted(picture)};", "DefectList"]
        try:
            cells = [cell_text(d, name, UM) for name in names]
        except ValueError as error:
            raise InputError(str(error)) from None
        last = [_flat(d.images) or "0 0"] if images else []
        lines.append(" " + " ".join([*cells, *map(_word, d.other), *last]))
    lines[-1] += ";"
    if wafer.tests:
        rows = [f"{n} {found} {plain(density)} {dies} {bad}" for n, found, density, dies, bad in summary(wafer)]
        lines += ["SummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE;", "SummaryList", *(f"  {r}" for r in rows)]
        lines[-1] += ";"
    return lines, picture


def _entries(key: str, entries: list[str]) -> list[str]:
    return [f"{key} {len(entries)}", *(f"  {entry}" for entry in entries[:-1]), f"  {entries[-1]};"]


def _flat(images: str) -> str:
    """An image list, if it is one of this format."""
    return images if images and all(word.isdigit() for word in images.split()) else ""


def _um(pair: tuple[float, float]) -> str:
    return " ".join(divided(value, UM) for value in pair)


def _word(text: str) -> str:
    return text if text and not any(c.isspace() or c in ';"' for c in text) else quoted(text)
