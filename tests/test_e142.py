"""SEMI E142 maps: which device lies where, what is refused and on which line, nothing that XML can do to harm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import InputError
from actinic.operate.formats import Bin, SubstrateMap, counts, indices, read_e142, upright, write_e142

# Written by hand: three columns, two rows, the only failing device in the file's second row, third column.
XML = """<?xml version="1.0" encoding="utf-8"?>
<MapData xmlns="urn:semi-org:xsd.E142-1.V1005.SubstrateMap">
  <Layouts>
    <Layout LayoutId="WaferLayout" DefaultUnits="mm" TopLevel="true"><Dimension X="1" Y="1"/></Layout>
    <Layout LayoutId="Devices" DefaultUnits="micron"><Dimension X="3" Y="2"/><DeviceSize X="26000" Y="33000"/></Layout>
  </Layouts>
  <Substrates><Substrate SubstrateType="Wafer" SubstrateId="W-01"><LotId> L42 </LotId></Substrate></Substrates>
  <SubstrateMaps>
    <SubstrateMap SubstrateType="Wafer" SubstrateId="W-01" LayoutSpecifier="WaferLayout/Devices"
      Orientation="0" OriginLocation="LowerLeft" AxisDirection="UpRight">
      <Overlay MapName="Sort" MapVersion="1">
        <ReferenceDevices>
          <ReferenceDevice Name="First"><Coordinates X="1" Y="0"/></ReferenceDevice>
        </ReferenceDevices>
        <BinCodeMap BinType="HexaDecimal" NullBin="FF">
          <BinDefinitions>
            <BinDefinition BinCode="01" BinCount="4" BinQuality="Pass" BinDescription="good"/>
            <BinDefinition BinCode="07" BinCount="1" BinQuality="Fail" BinDescription="leaks &amp; shorts"/>
          </BinDefinitions>
          <BinCode>FF0101</BinCode>
          <BinCode>
            010107
          </BinCode>
        </BinCodeMap>
      </Overlay>
    </SubstrateMap>
  </SubstrateMaps>
</MapData>
"""


def written(tmp_path, text):
    path = tmp_path / "map.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_map_is_read(tmp_path):
    found = read_e142(written(tmp_path, XML))
    assert (found.substrate, found.lot, found.null, found.bin_type) == ("W-01", "L42", "FF", "HexaDecimal")
    assert found.codes == (("FF", "01", "01"), ("01", "01", "07"))
    assert found.bins == (Bin("01", "Pass", "good"), Bin("07", "Fail", "leaks & shorts"))
    assert found.device_mm == (26.0, 33.0) and found.references == (("First", 1, 0),)
    assert counts(found) == {"01": 4, "07": 1} and found.ignored == ()


# Where the failing device lies with the notch down, [y, x], for the axes alone and for a turned wafer. Turned clockwise
# by 90 degrees in the map, the notch points left; upright again, what was at the upper right is at the upper left.
PLACES = {
    ("UpRight", 0): (1, 2), ("UpLeft", 0): (1, 0), ("DownRight", 0): (0, 2), ("DownLeft", 0): (0, 0),
    ("UpRight", 90): (2, 0), ("UpRight", 180): (0, 0), ("UpRight", 270): (0, 1), ("DownRight", 90): (2, 1),
}  # fmt: skip


@pytest.mark.parametrize(("axes", "turn"), PLACES)
def test_the_failing_device_is_found_where_it_lies(tmp_path, axes, turn):
    text = XML.replace('"UpRight"', f'"{axes}"').replace('Orientation="0"', f'Orientation="{turn}"')
    bins = upright(read_e142(written(tmp_path, text)))
    assert bins.shape == ((2, 3) if turn % 180 == 0 else (3, 2))
    assert tuple(np.argwhere(bins == "07")[0]) == PLACES[axes, turn]


@pytest.mark.parametrize(
    ("origin", "axes", "y", "x"),
    [
        ("LowerLeft", "UpRight", [0, 1], [0, 1, 2]),
        ("UpperLeft", "DownRight", [0, 1], [0, 1, 2]),
        ("LowerRight", "UpLeft", [0, 1], [0, 1, 2]),
        ("UpperRight", "DownLeft", [0, 1], [0, 1, 2]),
        ("UpperLeft", "UpRight", [-1, 0], [0, 1, 2]),
        ("LowerRight", "UpRight", [0, 1], [-2, -1, 0]),
        ("Center", "UpRight", [-1, 0], [-1, 0, 1]),
    ],
)
def test_indices_count_from_the_origin_along_the_axes(tmp_path, origin, axes, y, x):
    text = XML.replace('"UpRight"', f'"{axes}"').replace('Location="LowerLeft"', f'Location="{origin}"')
    rows, columns = indices(read_e142(written(tmp_path, text)))
    assert rows.tolist() == y and columns.tolist() == x


def test_other_bin_types(tmp_path):
    for bin_type, null, rows in (
        ("Decimal", "255", "255 001 001"),
        ("Integer2", "FFFF", "FFFF00010001"),
        ("Ascii", ".", ". 1"),
    ):
        text = XML.replace("FF0101", rows).replace("010107", rows).replace('"FF"', f'"{null}"')
        found = read_e142(
            written(
                tmp_path,
                text.replace("HexaDecimal", bin_type)
                .replace("\n            . 1\n", ". 1")
                .replace("          </BinCode>", "</BinCode>"),
            )
        )
        assert len(found.codes[0]) == 3 and found.codes[0][0] == null


BROKEN = {
    "no XML": ("<MapData", "MapData", "line 2: syntax error"),
    "another document": ("MapData", "Maps", "line 2: the root is Maps, not MapData"),
    "no map": ("BinCodeMap", "DeviceIdMap", "line 2: the file has 0 bin code maps"),
    "a short row": ("FF0101", "FF01", "line 21: a row of 3 devices, where the first has 2"),
    "half a code": ("FF0101", "FF010", "line 20: a row of 5 characters, no multiple of the 2"),
    "no code": ("010107", "0101G7", "line 21: 'G7' is no HexaDecimal code"),
    "another layout": ('X="3" Y="2"', 'X="2" Y="3"', "line 5: layout Devices is 2 x 3, the map 3 x 2 devices"),
    "a slanted wafer": ('Orientation="0"', 'Orientation="45"', "line 9: Orientation '45' is none of 0, 90"),
    "strange axes": ('"UpRight"', '"RightUp"', "line 9: AxisDirection 'RightUp' is none of UpRight"),
    "no null bin": ('NullBin="FF"', 'Null="FF"', "line 15: BinCodeMap has no NullBin"),
    "a long null bin": ('NullBin="FF"', 'NullBin="FFF"', "line 15: NullBin 'FFF' is no HexaDecimal code"),
    "no size": ('X="26000"', 'X="-3"', "line 5: X '-3' is no positive number"),
    "place of no device": ('<Coordinates X="1"', '<Coordinates X="a"', "line 13: X 'a' is no whole number"),
    "no encoding": ('encoding="utf-8"', 'encoding="nope"', "line 1: unknown encoding"),
    "undefined entity": ("&amp;", "&bang;", "line 18: undefined entity"),
    "too deep": ("  <Layouts>", "<a>" * 100 + "</a>" * 100 + "<Layouts>", "line 3: elements are nested more than 64"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_map_is_refused_with_its_line(tmp_path, name):
    old, new, message = BROKEN[name]
    assert old in XML
    with pytest.raises(InputError) as caught:
        read_e142(written(tmp_path, XML.replace(old, new)))
    assert message in str(caught.value) and "\n" not in str(caught.value)


BOMBS = {
    "billion laughs": '<!DOCTYPE MapData [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
    "a file of the machine": '<!DOCTYPE MapData [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "a document type elsewhere": '<!DOCTYPE MapData SYSTEM "http://127.0.0.1:9/map.dtd">',
    "a parameter entity": '<!DOCTYPE MapData [<!ENTITY % a SYSTEM "http://127.0.0.1:9/">%a;]>',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_document_type_is_refused_before_it_is_read(tmp_path, name):
    text = XML.replace("<MapData", BOMBS[name] + "\n<MapData").replace("good", "&a;")
    with pytest.raises(InputError, match="line 2: a document type is declared"):
        read_e142(written(tmp_path, text))


words = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Cn")), max_size=10)
WIDTHS = {"Ascii": 1, "HexaDecimal": 2, "Decimal": 3, "Integer2": 4}


@st.composite
def maps(draw):
    bin_type = draw(st.sampled_from(sorted(WIDTHS)))
    letters = {"Ascii": "01AZ.<&", "Decimal": "0123456789"}.get(bin_type, "0123456789ABCDEF")
    code = st.text(letters, min_size=WIDTHS[bin_type], max_size=WIDTHS[bin_type])
    columns = draw(st.integers(1, 5))
    row = st.lists(code, min_size=columns, max_size=columns).map(tuple)
    size = st.floats(1e-3, 1e3)
    return SubstrateMap(
        draw(words), tuple(draw(st.lists(row, min_size=1, max_size=5))), draw(code), bin_type,
        tuple(draw(st.lists(st.builds(Bin, code, words, words), max_size=3))), draw(words).strip(),
        draw(st.sampled_from((0, 90, 180, 270))), draw(st.sampled_from(("LowerLeft", "Center", "UpperRight"))),
        draw(st.sampled_from(("UpRight", "DownLeft"))), draw(st.sampled_from(("WaferLayout/Devices", "Dies"))),
        draw(words), draw(st.none() | st.tuples(size, size)),
        tuple(draw(st.lists(st.tuples(words, st.integers(-99, 99), st.integers(-99, 99)), max_size=2))),
    )  # fmt: skip


@settings(max_examples=80)
@given(found=maps())
def test_what_is_written_reads_the_same(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("e142") / "map.xml"
    write_e142(path, found)
    assert read_e142(path) == found


def test_what_cannot_be_written_is_refused(tmp_path):
    good = SubstrateMap("W", (("1", "2"),), ".")
    for bad, message in (
        (SubstrateMap("W", (("1", "2"), ("1",)), "."), "one and the same length"),
        (SubstrateMap("W", (("1", "22"),), "."), "'22' is no Ascii code of 1 characters"),
        (SubstrateMap("W", (("1", "2"),), ".", bin_type="Octal"), "none of Ascii"),
        (SubstrateMap("W\x01", (("1", "2"),), "."), "XML has no place"),
    ):
        with pytest.raises(InputError, match=message):
            write_e142(tmp_path / "map.xml", bad)
    assert not (tmp_path / "map.xml").exists()
    write_e142(tmp_path / "map.xml", good)
    assert read_e142(tmp_path / "map.xml") == good
