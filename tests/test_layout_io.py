import gzip
import os
import time

import klayout.db as db
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import ConfigError, InputError
from actinic.layout import (
    Layout,
    boolean,
    clipped,
    extent_nm,
    io,
    layers,
    merged,
    parse_layer,
    parse_window,
    read_layout,
    sized,
    write_layout,
)
from actinic.layout.files import guarded

SQUARE = np.array([[0, 0], [100, 0], [100, 100], [0, 100]])
REACH = 2**31 - 2


def hierarchy(path, tip=(10, 90)):
    """A leaf with polygon, path, box and text in rotated, mirrored and stepped arrays, two levels deep."""
    chip = db.Layout()
    leaf, middle, top = (chip.create_cell(name) for name in ("LEAF", "MIDDLE", "TOP"))
    metal = leaf.shapes(chip.layer(db.LayerInfo(67, 20)))
    metal.insert(db.Polygon([db.Point(0, 0), db.Point(*tip), db.Point(90, 90), db.Point(90, 0)]))
    metal.insert(db.Path([db.Point(0, 0), db.Point(120, 0), db.Point(120, 150)], 20))
    metal.insert(db.Box(40, 60, 160, 110))
    metal.insert(db.Text("ignored", 500, 500))
    leaf.shapes(chip.layer(68, 20)).insert(db.Box(0, 0, 30, 30))
    for turn, x in ((db.Trans.R90, 0), (db.Trans.M45, 900), (db.Trans.M0, 1800)):
        step = db.Vector(150, 10), db.Vector(0, 200), 5, 4
        middle.insert(db.CellInstArray(leaf, db.Trans(turn, db.Vector(x, 0)), *step))
    step = db.Vector(1500, 0), db.Vector(0, 3000), 3, 2
    top.insert(db.CellInstArray(middle, db.Trans(db.Trans.R270, db.Vector(0, 0)), *step))
    top.insert(db.CellInstArray(middle, db.Trans(db.Trans.M135, db.Vector(-1000, 500))))
    chip.write(str(path))
    return path


def flattened(path, layer, window=None):
    chip = db.Layout()
    chip.read(str(path))
    region = db.Region(chip.top_cell().begin_shapes_rec(chip.find_layer(*layer))).merged()
    return region & db.Region(db.Box(*window)) if window else region


def as_region(layout: Layout) -> db.Region:
    edges = [db.Edge(*map(int, edge)) for edge in layout.edges_nm / layout.dbu_nm]
    return db.Region(db.EdgeProcessor().simple_merge_e2p(edges, False, False, -1))


def assert_same(layout: Layout, region: db.Region):
    assert (as_region(layout) ^ region).is_empty()


def signed_area(ring):
    x, y = ring.T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


def assert_valid(layout: Layout):
    for ring in layout.contours:
        assert ring.dtype == np.int64 and ring.shape[1] == 2
        assert len({tuple(point) for point in ring.tolist()}) == len(ring) > 2


def scribbles(seed, rings=4, points=7):
    rng = np.random.default_rng(seed)
    return [rng.integers(-300, 300, (points, 2)) for _ in range(rings)]


@pytest.mark.parametrize("suffix", ["gds", "oas", "gds.gz"])
def test_reads_hierarchy_merged(tmp_path, suffix):
    path = hierarchy(tmp_path / f"chip.{suffix}")
    layout = read_layout(path, "67/20")
    assert_valid(layout)
    assert_same(layout, flattened(path, (67, 20)))
    assert layout.area_nm2 == pytest.approx(flattened(path, (67, 20)).area())
    assert layout.dbu_nm == 1.0


@settings(deadline=None, max_examples=25)
@given(st.integers(-2500, 4500), st.integers(-2500, 4500), st.integers(1, 2500), st.integers(1, 2500))
def test_a_window_is_the_flattened_chip_clipped(tmp_path_factory, x, y, w, h):
    path = tmp_path_factory.getbasetemp() / "window.oas"
    if not path.exists():
        hierarchy(path, tip=(0, 90))
    whole = extent_nm(path)
    window = (max(x, whole[0]), max(y, whole[1]), min(x + w, whole[2]), min(y + h, whole[3]))
    if window[0] >= window[2] or window[1] >= window[3]:
        return
    layout = read_layout(path, (67, 20), tuple(map(float, window)))
    assert_valid(layout)
    assert_same(layout, flattened(path, (67, 20), tuple(map(int, window))))


def test_a_window_inside_one_rotated_cell(tmp_path):
    path = hierarchy(tmp_path / "chip.gds", tip=(0, 90))
    layout = read_layout(path, "67/20", (20.0, 30.0, 120.0, 110.0))
    assert 0 < layout.area_nm2 < 8000
    assert_same(layout, flattened(path, (67, 20), (20, 30, 120, 110)))


def test_a_window_through_slanted_edges_is_right_within_a_unit(tmp_path):
    path = hierarchy(tmp_path / "chip.gds")
    layout = read_layout(path, "67/20", (-600.0, -500.0, 900.0, 1100.0))
    region = flattened(path, (67, 20), (-600, -500, 900, 1100))
    assert layout.area_nm2 == pytest.approx(region.area(), rel=1e-3)
    assert (as_region(layout) ^ region).sized(-1).is_empty()


def test_windows_snap_to_the_database_unit(tmp_path):
    path = tmp_path / "five.oas"
    write_layout(path, {(1, 0): Layout((SQUARE,), 5.0)})
    assert read_layout(path, "1", (12.4, 12.6, 101.0, 400.0)).bbox_nm == (10, 15, 100, 400)
    with pytest.raises(InputError, match=r"empty at a database unit of 5\.0 nm"):
        read_layout(path, "1", (11.0, 11.0, 12.0, 300.0))


@pytest.mark.parametrize("dbu", [0.25, 1.0, 5.0, 0.1])
@pytest.mark.parametrize("suffix", ["gds", "oas", "gds.gz"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_round_trip(tmp_path, suffix, dbu, seed):
    path = tmp_path / f"out.{suffix}"
    frame = [SQUARE * 9 - 450, SQUARE[::-1] * 7 - 350, *scribbles(seed)]
    drawn = {(67, 20): merged(frame, dbu), (1, 0): merged(scribbles(seed + 9), dbu)}
    write_layout(path, drawn)
    assert layers(path) == {(1, 0): "", (67, 20): ""}
    for layer, layout in drawn.items():
        back = read_layout(path, layer)
        assert back.dbu_nm == dbu
        assert_valid(back)
        # Cut lines between slanted hulls and holes bend them by one unit, nothing else changes.
        assert sized(boolean(back, layout, "xor"), -dbu).contours == ()
    solid = merged([ring for ring in drawn[1, 0].contours if signed_area(ring) > 0], dbu)
    write_layout(path, {(1, 0): solid})
    assert boolean(read_layout(path, "1"), solid, "xor").contours == ()
    assert read_layout(path, "1").area_nm2 == solid.area_nm2


@pytest.mark.parametrize("suffix", ["gds", "oas"])
def test_holes_and_islands_survive(tmp_path, suffix):
    path = tmp_path / f"ring.{suffix}"
    rings = [SQUARE * 5, (SQUARE * 3 + 100)[::-1], SQUARE + 200]
    write_layout(path, {(1, 0): Layout(tuple(rings), 1.0)})
    back = read_layout(path, "1/0")
    assert back.area_nm2 == 500**2 - 300**2 + 100**2
    assert sorted(signed_area(ring) for ring in back.contours) == [-90000, 10000, 250000]


def test_same_bytes_and_nothing_left_behind(tmp_path):
    layout = merged(scribbles(3), 1.0)
    suffixes = ("gds", "oas", "gds.gz")
    for suffix in suffixes:
        write_layout(tmp_path / f"a.{suffix}", {(2, 0): layout, (1, 5): layout})
    time.sleep(1.1)  # both formats could carry the second of writing
    for suffix in suffixes:
        write_layout(tmp_path / f"b.{suffix}", {(1, 5): layout, (2, 0): layout})
        write_layout(tmp_path / f"b.{suffix}", {(1, 5): layout, (2, 0): layout})
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "out.oas"
    write_layout(path, {(1, 0): Layout((SQUARE,), 1.0)})
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(InputError, match=r"out\.oas: cannot be written: No space left on device$"):
        write_layout(path, {(2, 0): Layout((SQUARE * 2,), 1.0)})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_write_errors(tmp_path):
    square = Layout((SQUARE,), 1.0)
    with pytest.raises(InputError, match=r"different database units \(\[1.0, 5.0\] nm\)"):
        write_layout(tmp_path / "x.oas", {(1, 0): square, (2, 0): Layout((SQUARE,), 5.0)})
    with pytest.raises(ConfigError, match="the suffix decides the format"):
        write_layout(tmp_path / "x.txt", {(1, 0): square})
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        write_layout(tmp_path / "none" / "x.oas", {(1, 0): square})
    with pytest.raises(InputError, match="do not fit 32 bits"):
        write_layout(tmp_path / "x.oas", {(1, 0): square.moved(2**31, 0)})
    assert list(tmp_path.iterdir()) == []


def test_empty_layers_and_windows(tmp_path):
    path = tmp_path / "two.oas"
    far = Layout((SQUARE + 10000,), 1.0)
    write_layout(path, {(1, 0): Layout((SQUARE,), 1.0), (2, 0): far, (3, 0): Layout((), 1.0)})
    assert read_layout(path, "1/0", (5000.0, 5000.0, 6000.0, 6000.0)) == Layout((), 1.0)
    assert read_layout(path, "2/0", (0.0, 0.0, 100.0, 100.0)) == Layout((), 1.0)
    assert extent_nm(path) == (0, 0, 10100, 10100)
    for window in ((-50.0, -50.0, 0.0, 50.0), (2e4, 0.0, 3e4, 1e4)):
        with pytest.raises(InputError, match=r"lies outside the chip, 0,0,10.1,10.1 um$"):
            read_layout(path, "1/0", window)
    write_layout(tmp_path / "empty.gds", {})
    assert layers(tmp_path / "empty.gds") == {}
    with pytest.raises(InputError, match="nothing is drawn in cell TOP"):
        extent_nm(tmp_path / "empty.gds")


def test_texts_alone_are_an_empty_layout(tmp_path):
    chip = db.Layout()
    chip.create_cell("TOP").shapes(chip.layer(5, 0)).insert(db.Text("a", 10, 10))
    chip.write(str(tmp_path / "text.gds"))
    assert read_layout(tmp_path / "text.gds", "5") == Layout((), 1.0)


def test_layer_names_and_missing_layers(tmp_path):
    chip = db.Layout()
    chip.create_cell("TOP").shapes(chip.layer(db.LayerInfo(67, 20, "li1"))).insert(db.Box(0, 0, 9, 9))
    chip.write(str(tmp_path / "named.oas"))
    assert layers(tmp_path / "named.oas") == {(67, 20): "li1"}
    with pytest.raises(InputError, match=r"no layer 67/21; did you mean 67/20\? It has 67/20$"):
        read_layout(tmp_path / "named.oas", "67/21")
    with pytest.raises(InputError, match=r"no layer 1/0\. It has 67/20$"):
        read_layout(tmp_path / "named.oas", "1/0")


def test_cells(tmp_path):
    path = tmp_path / "library.gds"
    chip = db.Layout()
    metal = chip.layer(1, 0)
    for size, name in ((10, "A"), (20, "B")):
        chip.create_cell(name).shapes(metal).insert(db.Box(0, 0, size, size))
    chip.create_cell("C").shapes(chip.layer(2, 0)).insert(db.Box(0, 0, 5, 5))
    chip.write(str(path))
    assert read_layout(path, "1", cell="B").area_nm2 == 400
    assert read_layout(path, "1", cell="C").contours == ()
    assert extent_nm(path, "A") == (0, 0, 10, 10)
    with pytest.raises(InputError, match=r"3 top cells \(A, B, C\); name one with cell$"):
        read_layout(path, "1")
    with pytest.raises(InputError, match=r"no cell 'D'; top cells are A, B, C$"):
        read_layout(path, "1", cell="D")


def test_missing_and_foreign_files(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"none\.gds: no such file$"):
        read_layout(tmp_path / "none.gds", "1")
    with pytest.raises(InputError, match=r"is a folder, not a layout file$"):
        read_layout(tmp_path, "1")
    for name, content in (
        ("empty.oas", b""),
        ("text.gds", b"hello\n"),
        ("bad.gds.gz", gzip.compress(b"hello")),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: cannot be read: .+") as error:
            read_layout(tmp_path / name, "1")
        assert "\n" not in str(error.value)
    # KLayout would run the command behind "pipe:".
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipe:touch ran").write_bytes(b"")
    with pytest.raises(InputError):
        read_layout("pipe:touch ran", "1")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", ["gds", "oas"])
def test_damaged_files_never_get_past_an_input_error(tmp_path, suffix):
    good = hierarchy(tmp_path / f"good.{suffix}").read_bytes()
    path = tmp_path / f"bad.{suffix}"
    refused = 0
    for length in range(0, len(good) - 8, max(1, len(good) // 60)):
        path.write_bytes(good[:length])
        with pytest.raises(InputError) as error:
            read_layout(path, "67/20")
        assert "\n" not in str(error.value)
    # The array counts are spared: they make files that are valid but as slow as they say they are.
    records = range(len(good) // 2) if suffix == "gds" else range(len(good))
    for seed in range(150):
        rng = np.random.default_rng(seed)
        damaged = bytearray(good)
        for at in rng.choice(records, 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert_valid(read_layout(path, "67/20"))
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert refused > 40


def test_klayout_errors_become_one_line():
    def fail():
        raise RuntimeError("first line\nsecond line in Layout.read")

    with pytest.raises(InputError, match=r"^chip\.oas: cannot be read: first line$"):
        guarded("chip.oas: cannot be read", fail)


def test_too_many_shapes_at_once(tmp_path, monkeypatch):
    path = hierarchy(tmp_path / "chip.oas")
    monkeypatch.setattr(io, "MOST_SHAPES", 1000)
    with pytest.raises(InputError, match=r"1.3e\+03 shapes are too many at once; give a window$"):
        read_layout(path, "67/20")
    assert read_layout(path, "67/20", (0.0, 0.0, 100.0, 100.0)).area_nm2 > 0


def test_parse_layer():
    assert parse_layer("67/20") == (67, 20) and parse_layer("67") == (67, 0)
    for text in ("", "a", "1/", "/1", "1/2/3", "-1/0", "1/65536", "1.5"):
        with pytest.raises(ConfigError, match="is not layer/datatype, like 67/20"):
            parse_layer(text)


def test_parse_window():
    assert parse_window("40, 30,60.0005,50") == (40000.0, 30000.0, 60000.5, 50000.0)
    for text in ("", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,"):
        with pytest.raises(ConfigError, match="is not four numbers x0,y0,x1,y1 in um"):
            parse_window(text)
    for text in ("3,2,1,4", "0,0,0,1", "0,5,1,4", "nan,0,1,1", "0,0,inf,1"):
        with pytest.raises(ConfigError, match="needs x0 < x1 and y0 < y1"):
            parse_window(text)


def test_coordinates_near_the_end_of_32_bits(tmp_path):
    corner = Layout((SQUARE + REACH - 100, SQUARE - REACH), 1.0)
    assert_valid(merged(corner.contours[:1], 1.0))
    for suffix in ("gds", "oas"):
        write_layout(tmp_path / f"far.{suffix}", {(1, 0): Layout(corner.contours[:1], 1.0)})
        back = read_layout(tmp_path / f"far.{suffix}", "1")
        assert back.bbox_nm == (REACH - 100, REACH - 100, REACH, REACH) and back.area_nm2 == 10000
        window = (REACH - 50.0, REACH - 70.0, REACH + 500.0, REACH + 1e12)
        assert read_layout(tmp_path / f"far.{suffix}", "1", window).area_nm2 == 3500
    for rings in (corner.contours, [SQUARE + 2**31 - 100], [SQUARE + 2**40]):
        with pytest.raises(InputError, match="do not fit 32 bits"):
            merged(rings, 1.0)
    last = db.Layout()  # KLayout merges a shape on the very last coordinate for ever
    last.create_cell("TOP").shapes(last.layer(1, 0)).insert(db.Box(2**31 - 11, 0, 2**31 - 1, 10))
    last.write(str(tmp_path / "last.oas"))
    with pytest.raises(InputError, match="do not fit 32 bits"):
        read_layout(tmp_path / "last.oas", "1")


def test_merging_awkward_rings():
    bow = merged([np.array([[0, 0], [100, 100], [100, 0], [0, 100]])], 1.0)
    assert_valid(bow)
    assert bow.area_nm2 == 5000 and len(bow.contours) == 2
    nothing = [
        np.array([[0, 0], [50, 50]]),
        np.array([[0, 0], [9, 0], [18, 0]]),
        np.array([[3, 3]]),
        np.zeros((0, 2)),
    ]
    assert merged(nothing, 1.0).contours == () and merged([], 1.0).contours == ()
    touching = merged([SQUARE, SQUARE + 100, SQUARE + np.array([100, 50])], 1.0)
    assert_valid(touching)
    assert touching.area_nm2 == 25000  # the last two overlap by half a square
    corners = merged([SQUARE, SQUARE + 100], 1.0)
    assert len(corners.contours) == 2
    two_holes = merged([SQUARE * 4, (SQUARE + 100)[::-1], (SQUARE + 200)[::-1]], 1.0)
    assert_valid(two_holes)
    assert len(two_holes.contours) == 3 and two_holes.area_nm2 == 140000
    hole_on_hull = merged([SQUARE * 4, np.array([[0, 0], [100, 200], [200, 100]])], 1.0)
    assert_valid(hole_on_hull)
    assert len(hole_on_hull.contours) == 2 and hole_on_hull.area_nm2 == 160000 - 15000


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_merging_is_the_nonzero_rule_and_stays(seed):
    rings = scribbles(seed)
    layout = merged(rings, 1.0)
    assert_valid(layout)
    # Crossing points are snapped to the database unit, which may make a new crossing nearby.
    again = merged(layout.contours, 1.0)
    assert boolean(layout, again, "xor").area_nm2 <= 1e-4 * layout.area_nm2
    reversed_all = merged([ring[::-1] for ring in rings], 1.0)
    assert boolean(layout, reversed_all, "xor").contours == ()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_boolean_identities_on_manhattan_shapes(seed):
    rng = np.random.default_rng(seed)

    def boxes():
        corners = rng.integers(0, 200, (12, 2))
        return merged([SQUARE * int(s) // 2 + c for c, s in zip(corners, rng.integers(1, 3, 12), strict=True)], 1.0)

    a, b = boxes(), boxes()
    area = {mode: boolean(a, b, mode).area_nm2 for mode in ("and", "or", "xor", "not")}
    assert area["or"] == a.area_nm2 + b.area_nm2 - area["and"]
    assert area["xor"] == area["or"] - area["and"] and area["not"] == a.area_nm2 - area["and"]
    half = clipped(a, (0.0, 0.0, 150.0, 1000.0)).area_nm2 + clipped(a, (150.0, 0.0, 1000.0, 1000.0)).area_nm2
    assert half == a.area_nm2


def test_boolean_errors():
    a, b = Layout((SQUARE,), 1.0), Layout((SQUARE,), 0.25)
    with pytest.raises(InputError, match=r"database units of 1.0 and 0.25 nm cannot be combined"):
        boolean(a, b, "or")
    with pytest.raises(ConfigError, match="'nand' is no boolean operation"):
        boolean(a, a, "nand")


@pytest.mark.published
def test_a_taped_out_chip(data):
    path = data / "chips" / "tt_um_CPU.oas"
    window = (40000.0, 30000.0, 60000.0, 50000.0)
    layout = read_layout(path, "67/20", window)
    assert_valid(layout)
    assert_same(layout, flattened(path, (67, 20), tuple(map(int, window))))
    assert extent_nm(path) == (0, 0, 168360, 111520) and (67, 20) in layers(path)


@pytest.mark.published
def test_a_library_with_quarter_nanometre_units(data):
    path = data / "asap7" / "asap7sc7p5t_28_R.oas"
    with pytest.raises(InputError, match="212 top cells"):
        read_layout(path, "19/0")
    assert read_layout(path, "19/0", cell="INVx1_ASAP7_75t_R").dbu_nm == 0.25
