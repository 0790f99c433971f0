"""KLARF files: what is read, in which units, what is refused and where, and that what is written reads the same."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import InputError
from actinic.operate.formats import (
    Defect,
    InspectedWafer,
    Inspection,
    Test,
    lost,
    positions_mm,
    read_klarf,
    write_klarf,
)

# Written by hand for these tests: 300 mm wafer, 26 x 33 mm dies, three defects on two pictures.
FLAT = """FileVersion 1 2;
FileTimestamp 03-04-25 10:11:12;
TiffSpec 6.0 G R;
InspectionStationID "Maker" "Model" "Bay 7";
SampleType WAFER;
ResultTimestamp 03-04-2025 09:00:01;
LotID "L 42";
SampleSize 1 300;
DeviceID "D";
SetupID "Recipe" 01-02-25 08:00:00;
StepID "M1 ADI";
SampleOrientationMarkType NOTCH;
OrientationMarkLocation DOWN;
DiePitch 2.6e4 33000.0;
DieOrigin 0 0;
WaferID "W01";
Slot 3;
SampleCenterLocation 13000 16500;
CLASSLOOKUP 2
 0 "Unclassified"
 7 "Bridge";
CoordinatesMirrored NO;
InspectionTest 1;
SampleTestPlan 3
  0 0
  1 0 -1 2;
AreaPerTest 2.574e9;
DefectRecordSpec 13 DEFECTID XREL YREL XINDEX YINDEX XSIZE DEFECTAREA CLASSNUMBER TEST GRADE NOTE IMAGECOUNT IMAGELIST;
DefectList;
TiffFileName one.tif;
DefectList
 1 3500.123 75.5 0 0 1.111 25.123 7 1 4 "two words" 2 2 1 0 2
   0
 2 12999.9995 0 1 0 .25 NA 0 1 -1 x 0 0
 3 0 0 -1 2 1e1 1 0 1 0 y 0 0;
TiffFileName two.tif;
DefectList
 9 13000 16500 0 0 1 1 0 1 0 z 1 1 5 0;
SummarySpec 2 TESTNO NDEFECT;
SummaryList 1 4;
EndOfFile;
"""

NESTED = """Record FileRecord "1.8"
{
  Record LotRecord "L 42"
  {
    Field DiePitch 2 {26000000, 33000000}
    Field DeviceID 1 {"D"}
    Field RecipeID 3 {"Recipe", "2025-01-02", "08:00:00"}
    Field SampleSize 2 {300000000, 0}
    Field OrientationMarkLocation 1 {270}
    Record WaferRecord "W01"
    {
      Field SampleCenterLocation 2 {13000000, 16500000}
      Field SlotNumber 1 {3}
      Field WaferScribe 1 {"S"}
      List DefectList
      {
        Columns 8 { int32 DEFECTID, int32 XREL, int32 YREL, int32 XINDEX, int32 YINDEX, float DEFECTAREA,
          int32 GRADE, ImageList IMAGEINFO }
        Data 2
        {
          1 3500123 75500 0 0 25123000 4 Images 2 { "a b" "JPG" 1 "Patch", "c" "JPG" 2 "Patch" };
          2 13000000 0
            1 0 NA -1 N;
        }
      }
      Record TestRecord "1"
      {
        Field AreaPerTest 1 {2.574e15}
        List SampleTestPlanList { Columns 2 { int32 XINDEX, int32 YINDEX } Data 2 { 0 0; 1 0; } }
      }
    }
  }
  Field FileTimestamp 2 {"03-04-2025", "10:11:12"}
}
EndOfFile;
"""


def written(tmp_path, text, name="file.klarf"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_flat_file_in_nm(tmp_path):
    found = read_klarf(written(tmp_path, FLAT))
    assert (found.lot, found.device, found.step, found.diameter_mm) == ("L 42", "D", "M1 ADI", 300.0)
    assert found.station == ("Maker", "Model", "Bay 7") and found.classes == ((0, "Unclassified"), (7, "Bridge"))
    assert found.file_time == datetime(2025, 3, 4, 10, 11, 12) and found.recipe_time == datetime(2025, 1, 2, 8)
    assert found.die_pitch_nm == (26e6, 33e6) and found.ignored == ("TiffSpec",)
    (wafer,) = found.wafers
    assert wafer.tests == (Test(1, 2.574e15, ((0, 0), (1, 0), (-1, 2))),)
    assert wafer.columns == ("GRADE", "NOTE") and wafer.slot == 3
    first, second, third, last = wafer.defects
    assert first == Defect(1, 3500123.0, 75500.0, 0, 0, x_size_nm=1111.0, area_nm2=25123000.0, class_number=7, test=1,
                           other=("4", "two words"), images="2 2 1 0 2 0", picture="one.tif")  # fmt: skip
    assert second.x_rel_nm == 12999999.5 and np.isnan(second.area_nm2) and second.images == ""
    assert (third.x_size_nm, last.picture, last.images) == (1e4, "two.tif", "1 1 5 0")


def test_nested_file_says_the_same_place(tmp_path):
    found = read_klarf(written(tmp_path, NESTED))
    (wafer,) = found.wafers
    assert wafer.defects[0].images == 'Images 2 { "a b" "JPG" 1 "Patch" , "c" "JPG" 2 "Patch" }'
    assert found.file_time == datetime(2025, 3, 4, 10, 11, 12) and found.ignored == ("WaferScribe",)
    flat = read_klarf(written(tmp_path, FLAT))
    for field in ("id", "x_rel_nm", "y_rel_nm", "x_index", "y_index", "area_nm2"):
        assert getattr(wafer.defects[0], field) == getattr(flat.wafers[0].defects[0], field)
    # The centre of die (0, 0) is the wafer's: a defect there lies at 0, one at the next die's corner 13 mm right.
    assert positions_mm(flat, flat.wafers[0])[3] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert positions_mm(found, wafer)[1] == pytest.approx([26.0, -16.5], abs=1e-12)


def test_mirrored_coordinates_turn_x(tmp_path):
    plain, mirrored = (
        read_klarf(written(tmp_path, FLAT.replace("Mirrored NO", f"Mirrored {m}"))) for m in ("NO", "YES")
    )
    a, b = positions_mm(plain, plain.wafers[0]), positions_mm(mirrored, mirrored.wafers[0])
    assert a[0, 0] == pytest.approx(-9.499877) and np.array_equal(b, a * (-1, 1))


BROKEN = {
    "too few values": (FLAT, "3 0 0 -1", "3 0 -1", "line 35: this defect has other than the 13 values"),
    "too many values": (FLAT, "3 0 0 -1", "3 0 0 0 -1", "line 35: this defect"),
    "a letter": (FLAT, "3500.123", "35oo.123", "line 32: '35oo.123' is not a number"),
    "infinity": (FLAT, "3500.123", "inf", "line 32: 'inf' is not a number"),
    "a fraction of a die": (FLAT, "75.5 0 0", "75.5 0.5 0", "line 32: '0.5' is not a whole number"),
    "images cut off": (FLAT, "1 1 5 0;", "1 3 5 0;", "line 38: this defect"),
    "spec count": (FLAT, "Spec 13", "Spec 12", "line 28: DefectRecordSpec states 12 entries and lists 13"),
    "plan count": (FLAT, "Plan 3", "Plan 4", "line 24: SampleTestPlan states 4 entries and lists 3"),
    "no x": (FLAT, "XREL", "XABS", "line 28: the defects' columns lack XREL"),
    "a column twice": (FLAT, "XSIZE", "TEST", "line 28: TEST comes twice"),
    "unclosed quotation": (FLAT, '"L 42"', '"L 42', "line 7: a quotation mark"),
    "missing semicolon": (FLAT, "Slot 3;", "Slot 3", "line 17: Slot takes one value, not 4; is a semicolon missing?"),
    "cut off": (FLAT, "EndOfFile;", "", "without EndOfFile"),
    "more after the end": (FLAT, "EndOfFile;", "EndOfFile;\nSlot 4;", "line 42: 'Slot' after EndOfFile"),
    "no lot": (FLAT, "LotID", "LotName", "the file has no LotID"),
    "defects of no wafer": (FLAT, "WaferID", "WaferName", "line 17: Slot before any WaferID"),
    "impossible time": (FLAT, "03-04-25 10", "13-44-25 10", "line 2: FileTimestamp '13-44-25 10:11:12' is no time"),
    "a wafer without a list": (FLAT, "EndOfFile", 'WaferID "W2";\nEndOfFile', "line 41: wafer 'W2' has no DefectList"),
    "version 1.3": (FLAT, "FileVersion 1 2", "FileVersion 1 3", "no KLARF file"),
    "no KLARF": (FLAT, "FileVersion", "Hello", "no KLARF file"),
    "row too short": (NESTED, "1 0 NA -1 N;", "1 0 NA N;", "line 22: a row of 7 values in DefectList"),
    "row too long": (NESTED, "1 0 NA -1 N;", "1 0 NA 3 -1 N;", "line 22: a row of 9 values in DefectList"),
    "rows missing": (NESTED, "Data 2\n", "Data 3\n", "line 19: List DefectList states 3 rows and has 2"),
    "columns missing": (NESTED, "Columns 8", "Columns 9", "line 17: List DefectList states 9 columns and names 8"),
    "field count": (NESTED, "DiePitch 2", "DiePitch 3", "line 5: Field DiePitch states 3 values and has 2"),
    "row without end": (NESTED, "1 0 NA -1 N;", "1 0 NA -1 N", "line 24: '}' where a value is due"),
    "nested cut off": (NESTED, "}\nEndOfFile;\n", "", "the file ends before EndOfFile"),
    "no pitch": (NESTED, "DiePitch", "DieSize", "line 3: the lot has no DiePitch"),
    "images not closed": (NESTED, '"Patch" };', '"Patch" ;', "line 21: an image list that is not closed"),
    "strange word": (NESTED, "Field SlotNumber", "Feld SlotNumber", "line 13: 'Feld' where a Record, Field or List"),
    "test without number": (NESTED, 'TestRecord "1"', 'TestRecord "a"', "line 26: TestRecord 'a'"),
    "too deep": (NESTED, "Field DeviceID", "Record A {" * 40 + "Field DeviceID", "nested more than 32 deep"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_line(tmp_path, name):
    text, old, new, message = BROKEN[name]
    assert text.count(old) >= 1
    with pytest.raises(InputError) as caught:
        read_klarf(written(tmp_path, text.replace(old, new, 1)))
    assert message in str(caught.value) and "\n" not in str(caught.value) and "file.klarf" in str(caught.value)


def test_files_that_are_none(tmp_path):
    for content, message in ((b"", "empty"), (b"FileVersion 1 2;\0", "no text file")):
        with pytest.raises(InputError, match=message):
            read_klarf(written(tmp_path, content))
    with pytest.raises(InputError, match="No such file"):
        read_klarf(tmp_path / "absent.klarf")


def test_line_ends_byte_order_mark_and_old_encodings(tmp_path):
    plain = read_klarf(written(tmp_path, FLAT))
    assert read_klarf(written(tmp_path, b"\xef\xbb\xbf" + FLAT.replace("\n", "\r\n").encode())) == plain
    old = read_klarf(written(tmp_path, FLAT.replace('"Bridge"', '"Br\xfccke"').encode("latin-1")))
    assert old.classes[1] == (7, "Br\xfccke")


words = st.text(st.characters(exclude_characters='"\n\r\0', exclude_categories=("Cs",)), max_size=12)
lengths = st.integers(-(10**12), 10**12).map(lambda n: n / 1000) | st.integers(-(10**9), 10**9).map(float)
times = st.none() | st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)).map(lambda t: t.replace(microsecond=0))
small = st.integers(-(10**6), 10**6)


@st.composite
def inspections(draw):
    """Everything that both formats hold."""
    sized, tested, columns = (
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(((), ("GRADE",), ("A", "B")))),
    )

    def wafer():
        defects = draw(
            st.lists(
                st.builds(
                    Defect, small, lengths, lengths, small, small,
                    *((lengths, lengths, lengths) if sized else (st.none(),) * 3),
                    area_nm2=lengths if sized else st.none(),
                    class_number=small if tested else st.none(), test=small if tested else st.none(),
                    other=st.tuples(*(words for _ in columns)),
                ), max_size=4,
            )
        )  # fmt: skip
        plans = st.lists(st.tuples(small, small), max_size=3).map(tuple)
        tests = draw(st.lists(st.builds(Test, small, st.none() | lengths, plans), max_size=3))
        pair = st.tuples(lengths, lengths)
        return InspectedWafer(
            draw(words), draw(st.none() | small), draw(pair), draw(pair), tuple(tests), columns, tuple(defects)
        )

    return Inspection(
        draw(words), tuple(wafer() for _ in range(draw(st.integers(1, 2)))), (26e6, draw(lengths)), draw(words),
        draw(words), draw(words), draw(times), (draw(words), draw(words), draw(words)),
        draw(st.none() | st.sampled_from((150.0, 200.0, 300.0))), draw(st.sampled_from(("NOTCH", "FLAT"))),
        draw(st.sampled_from(("DOWN", "270"))), draw(st.booleans()), draw(times), draw(times),
        tuple(draw(st.lists(st.tuples(small, words), max_size=3))),
    )  # fmt: skip


@pytest.mark.parametrize("version", ["1.2", "1.8"])
@settings(max_examples=60)
@given(inspection=inspections())
def test_what_is_written_reads_the_same(tmp_path_factory, version, inspection):
    path = tmp_path_factory.mktemp("klarf") / "file.klarf"
    write_klarf(path, inspection, version)
    assert read_klarf(path) == inspection
    assert lost(inspection, version) == []


@settings(max_examples=60)
@given(place=st.integers(0, len(NESTED) - 1), junk=st.sampled_from(list('{};," \n0') + ["Images ", "NA ", ""]))
def test_a_damaged_file_reads_or_is_refused_in_one_line(tmp_path_factory, place, junk):
    path = tmp_path_factory.mktemp("klarf") / "file.klarf"
    for text in (NESTED, FLAT):
        at = place % len(text)
        path.write_text(text[:at] + junk + text[at + 1 :])
        try:
            read_klarf(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_images_and_pictures_stay_within_their_version(tmp_path):
    for text, own, other, said in (
        (FLAT, "1.2", "1.8", ["image lists of 2 defects", "2 picture file names", "TiffSpec"]),
        (NESTED, "1.8", "1.2", ["image lists of 1 defects", "WaferScribe"]),
    ):
        found = read_klarf(written(tmp_path, text))
        write_klarf(tmp_path / "again", found, own)
        again = read_klarf(tmp_path / "again")
        assert str(again) == str(found).replace(str(found.ignored), "()")  # NaN equals nothing, so by their texts
        assert lost(found, other) == said
        write_klarf(tmp_path / "other", found, other)
        assert [d.id for d in read_klarf(tmp_path / "other").wafers[0].defects] == [
            d.id for d in found.wafers[0].defects
        ]


def test_summary_is_counted(tmp_path):
    write_klarf(tmp_path / "again", read_klarf(written(tmp_path, FLAT)), "1.2")
    # Four defects in three dies of the plan, on 25.74 cm2.
    row = (tmp_path / "again").read_text().split("SummaryList\n")[1].split(";")[0].split()
    assert [*row[:2], *row[3:]] == ["1", "4", "3", "3"] and float(row[2]) == pytest.approx(4 / 25.74)


def test_what_cannot_be_written_is_refused(tmp_path):
    wafer = InspectedWafer("W", defects=(Defect(1, 0, 0, 0, 0, test=1), Defect(2, 0, 0, 0, 0)))
    for version in ("1.2", "1.8"):
        with pytest.raises(InputError, match="defect 2 has no test"):
            write_klarf(tmp_path / "x", Inspection("L", (wafer,), (1.0, 1.0)), version)
        with pytest.raises(InputError, match="quotation mark"):
            write_klarf(tmp_path / "x", Inspection('"', (), (1.0, 1.0)), version)
    assert not (tmp_path / "x").exists()


@pytest.mark.published
def test_published_files(data, tmp_path):
    folder = data / "klarf"
    defects = {
        "simple12": 1,
        "klarf12DefectListExample": 13,
        "simple18": 4,
        "klarfWithImagelist": 6,
        "wierdKlarfWithNAs": 4,
    }
    for name, number in defects.items():
        found = read_klarf(folder / f"{name}.klarf")
        assert sum(len(wafer.defects) for wafer in found.wafers) == number, name
        own = "1.2" if "12" in name else "1.8"
        write_klarf(tmp_path / name, found, own)
        assert read_klarf(tmp_path / name) == found, name
    simple = read_klarf(folder / "simple12.klarf")
    assert np.allclose(positions_mm(simple, simple.wafers[0]), [[-71.499877, 0.000123]])
    with pytest.raises(InputError, match="line 36: wafer 'anotherWafer' has no DefectList"):
        read_klarf(folder / "bad12.klarf")
