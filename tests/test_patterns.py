import klayout.db as db
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import ConfigError, InputError
from actinic.layout import (
    contacts,
    coverage,
    elbow,
    isolated_line,
    line_end_gap,
    lines,
    manhattan,
    place_row,
    read_layout,
    sized,
)
from actinic.types import Grid

WINDOW = (-100.0, -50.0, 300.0, 150.0)
GRID = Grid((200, 400), 1.0, (-100.0, -50.0))


def row(layout, y):
    return coverage(layout, GRID)[y + 50]


def test_lines_stand_centred_and_repeat_without_a_seam():
    samples = row(lines(45, 100, WINDOW), 0)
    on = np.flatnonzero(samples) - 100
    # 45 nm about x = 100 begins at 77.5, rounded down to the database unit.
    assert set(samples) == {0.0, 1.0}
    assert set(on) == {x for k in range(-3, 5) for x in range(77 + 100 * k, 122 + 100 * k) if -100 <= x < 300}
    assert np.array_equal(samples, np.roll(samples, 100))


def test_lines_along_x_are_lines_along_y_turned():
    turned = coverage(lines(40, 90, (-50, -100, 150, 300), axis="x"), Grid((400, 200), 1.0, (-50.0, -100.0)))
    assert np.array_equal(coverage(lines(40, 90, WINDOW), GRID), turned.T)


def test_single_features():
    line = isolated_line(60, WINDOW)
    assert line.bbox_nm == (70, -50, 130, 150) and line.area_nm2 == 60 * 200
    assert isolated_line(60, WINDOW, "x").bbox_nm == (-100, 20, 300, 80)
    gap = line_end_gap(60, 40, WINDOW)
    assert gap.area_nm2 == 60 * 160 and len(gap.contours) == 2
    assert not coverage(gap, GRID)[50 + 30 : 50 + 70].any()
    along_x = line_end_gap(60, 40, WINDOW, axis="x")
    assert not coverage(along_x, GRID)[:, 180:220].any() and along_x.area_nm2 == 60 * 360
    bend = elbow(50, WINDOW)
    assert bend.bbox_nm == (75, 25, 300, 150) and bend.area_nm2 == 225 * 50 + 75 * 50
    assert len(bend.contours) == 1


def test_contacts():
    samples = coverage(contacts(30, (100, 50), WINDOW), GRID)
    assert samples.sum() == 4 * 4 * 30 * 30
    assert np.array_equal(samples, np.roll(samples, (50, 100), (0, 1)))
    assert samples[85:115, 185:215].all()
    staggered = coverage(contacts(30, (100, 50), WINDOW, staggered=True), GRID)
    assert np.array_equal(staggered[85:115], samples[85:115])
    assert np.array_equal(np.roll(staggered, (50, 50), (0, 1)), staggered) and not np.array_equal(staggered, samples)


def test_other_database_units():
    quarter = lines(22.5, 45.25, (0, 0, 452.5, 100), dbu_nm=0.25)
    assert quarter.dbu_nm == 0.25 and quarter.area_nm2 == 22.5 * 10 * 100


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: lines(45.5, 100, WINDOW), "cd_nm = 45.5 is not a multiple of the database unit, 1 nm"),
        (lambda: lines(100, 100, WINDOW), "cd_nm = 100 leaves no space in pitch_nm = 100"),
        (lambda: lines(-5, 100, WINDOW), "cd_nm = -5 must be positive"),
        (lambda: lines(50, 100, (0, 0, 0, 5)), "window_nm = .* is empty"),
        (lambda: lines(50, 100, WINDOW, axis="z"), "axis = 'z'"),
        (lambda: contacts(60, (100, 50), WINDOW), "leaves no space"),
        (lambda: contacts(30, (101, 50), WINDOW, True), "half of pitch_nm = 101"),
        (lambda: manhattan(0, WINDOW, 300, 300), "too small"),
        (lambda: manhattan(0, WINDOW, 30, 30, fill=0), "fill = 0"),
    ],
)
def test_wrong_arguments_are_named(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(20, 70), st.integers(20, 70))
def test_random_patterns_keep_their_rules_as_a_periodic_tile(seed, cd, space):
    window = (0.0, 0.0, 1500.0, 1200.0)
    layout = manhattan(seed, window, cd, space, fill=0.7)
    hulls = db.EdgeProcessor().simple_merge_e2p(
        [
            db.Edge(*map(int, edge + np.tile((dx, dy), 2)))
            for edge in layout.edges_nm
            for dx in (0, 1500)
            for dy in (0, 1200)
        ],
        False,
        False,
        -1,
    )
    tiled = db.Region(hulls)
    assert tiled.width_check(cd, False, db.Region.Square).is_empty()
    assert tiled.space_check(space, False, db.Region.Square).is_empty()
    assert not tiled.width_check(2 * cd + 1).is_empty()


def test_random_patterns_depend_on_the_seed_only():
    window = (0.0, 0.0, 2000.0, 2000.0)
    one, same, other = (manhattan(seed, window, 40, 40) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.contours, same.contours, strict=True))
    assert not np.array_equal(one.edges_nm, other.edges_nm)
    assert 0.1 < one.area_nm2 / 2000**2 < 0.5 and len(one.contours) > 20


def standard_cell(path, name, width, height=2720, dbu=0.001):
    """A cell with boundary, two rails sticking out of it, and a gate in a cell of its own."""
    chip = db.Layout()
    chip.dbu = dbu
    cell, gate = chip.create_cell(name), chip.create_cell("gate")
    cell.shapes(chip.layer(236, 0)).insert(db.Box(100, 50, 100 + width, 50 + height))
    rails = cell.shapes(chip.layer(68, 20))
    rails.insert(db.Box(100, 50 - 240, 100 + width, 50 + 240))
    rails.insert(db.Box(100, 50 + height - 240, 100 + width, 50 + height + 240))
    gate.shapes(chip.layer(67, 20)).insert(db.Polygon([db.Point(0, 0), db.Point(0, 900), db.Point(170, 300)]))
    cell.insert(db.CellInstArray(gate, db.Trans(db.Vector(300, 600))))
    chip.write(str(path))
    return path, name


@pytest.fixture
def inverter(tmp_path):
    return standard_cell(tmp_path / "inv.gds", "inv", 1380)


@pytest.fixture
def nand(tmp_path):
    return standard_cell(tmp_path / "nand.gds", "nand", 1840)


def test_a_row_abuts_its_cells(tmp_path, inverter, nand):
    out = tmp_path / "row.oas"
    assert place_row([inverter, nand, inverter], out) == (0, 0, 4600, 2720)
    boundary, rails, gates = (read_layout(out, layer) for layer in ("236/0", "68/20", "67/20"))
    assert boundary.bbox_nm == (0, 0, 4600, 2720) and len(boundary.contours) == 1
    assert len(rails.contours) == 2 and rails.area_nm2 == 2 * 4600 * 480
    assert sorted(int(ring[:, 0].min()) for ring in gates.contours) == [200, 200 + 1380, 200 + 1380 + 1840]
    chip = db.Layout()
    chip.read(str(out))
    assert len(list(chip.cell("ROW").each_inst())) == 3 and chip.cell("inv").parent_cells() == 1
    assert sorted(cell.name.split("$")[0] for cell in chip.each_cell()) == [
        "ROW",
        "gate",
        "gate",
        "inv",
        "nand",
    ]


def test_a_mirrored_row_shares_the_rail(tmp_path, inverter, nand):
    out = tmp_path / "rows.oas"
    assert place_row([inverter, nand], out, mirrored=[nand, inverter]) == (0, 0, 3220, 5440)
    rails, gates = read_layout(out, "68/20"), read_layout(out, "67/20")
    assert len(rails.contours) == 3
    assert sorted(int(ring[:, 1].min()) for ring in rails.contours) == [-240, 2480, 5200]
    # A gate at 550..1450 above the lower boundary hangs as far below the upper one when mirrored.
    assert sorted(int(ring[:, 1].min()) for ring in gates.contours) == [550, 550, 5440 - 1450, 5440 - 1450]
    tip = {tuple(ring[np.argmax(ring[:, 0])].tolist()) for ring in gates.contours}
    assert tip == {(370, 850), (370, 4590), (370 + 1380, 850), (370 + 1840, 4590)}


def test_rows_are_the_same_bytes_every_time(tmp_path, inverter, nand):
    for name in ("a.oas", "b.oas"):
        place_row([inverter, nand], tmp_path / name)
    assert (tmp_path / "a.oas").read_bytes() == (tmp_path / "b.oas").read_bytes()


def test_row_errors(tmp_path, inverter):
    out = tmp_path / "row.oas"
    with pytest.raises(ConfigError, match="at least one cell"):
        place_row([], out)
    with pytest.raises(InputError, match="no cell 'nor'; top cells are inv"):
        place_row([(inverter[0], "nor")], out)
    with pytest.raises(InputError, match="cell inv has no boundary on layer 235/4"):
        place_row([inverter], out, boundary=(235, 4))
    with pytest.raises(InputError, match="cell tall is 3000 nm high, the row 2720 nm"):
        place_row([inverter, standard_cell(tmp_path / "tall.gds", "tall", 1000, 3000)], out)
    with pytest.raises(InputError, match="its database unit is 5 nm, the row's 1 nm"):
        place_row([inverter, standard_cell(tmp_path / "coarse.gds", "coarse", 1000, dbu=0.005)], out)
    with pytest.raises(InputError, match="no such file"):
        place_row([(tmp_path / "none.gds", "inv")], out)
    assert not out.exists()


def test_sizing_keeps_rectangles_rectangles():
    line = isolated_line(60, WINDOW)
    assert sized(line, 7).bbox_nm == (63, -57, 137, 157) and sized(line, 7).area_nm2 == 74 * 214
    assert sized(sized(line, 7), -7).area_nm2 == line.area_nm2
    assert sized(line, -30).contours == ()
