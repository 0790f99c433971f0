import numpy as np
import pytest

from actinic.errors import ConfigError, InputError
from actinic.layout import coverage, placed, read_glp, target
from actinic.types import Grid

# Areas in pixels of the ten clips: as published for N, and D (86 more on clip 5).
AREAS = [215344, 169280, 213504, 82560, 281958, 286234, 229149, 128544, 317581, 102400]

HEAD = "BEGIN /* x */\nEQUIV  1  1000  MICRON  +X,+Y\nCNAME T\nLEVEL M1\n\nCELL T PRIME\n"


@pytest.fixture
def clip(tmp_path):
    def write(body, head=HEAD, end="ENDMSG\n"):
        path = tmp_path / "clip.glp"
        path.write_text(head + body + end)
        return path

    return write


@pytest.mark.published
def test_published_areas(data):
    for number, area in enumerate(AREAS, 1):
        glp = read_glp(data / "iccad13" / "glp" / f"M1_test{number}.glp")
        assert target(glp, "N").sum() == area == placed(glp, "N").area_nm2
        assert target(glp, "D").sum() == area + 86 * (number == 5) == placed(glp, "D").area_nm2


@pytest.mark.published
def test_published_inclusive_area_and_unprinted_clip(data):
    clips = [read_glp(data / "iccad13" / "glp" / f"M1_test{number}.glp") for number in (1, 4)]
    # Clip 4 prints nothing without correction, so its published L2 error is its target's area.
    assert [int(target(glp, "O").sum()) for glp in clips] == [218902, 84037]


@pytest.mark.published
def test_clip_5_in_dialect_n_lacks_one_column(data):
    glp = read_glp(data / "iccad13" / "glp" / "M1_test5.glp")
    drawn = coverage(placed(glp, "D").moved(-512 + 547 - 128, -512 + 547 - 128), Grid((2048, 2048), 1.0)) > 0.5
    y, x = np.nonzero(drawn != target(glp, "N"))
    assert (set(x), y.min(), y.max()) == ({547}, 898, 983)


@pytest.mark.published
def test_every_lithobench_clip_reads_and_fits(data):
    paths = sorted((data / "lithobench").glob("*/*.glp"))
    assert len(paths) == 330
    for path in paths:
        glp = read_glp(path)
        box = placed(glp, "O").bbox_nm
        assert box is not None and abs((box[0] + box[2]) / 2 - 1024) <= 0.5, path


def test_placement_of_the_three_dialects(clip):
    glp = read_glp(clip("  RECT N M1 10 20 101 40\n  PGON N M1 200 20 200 91 220 91 220 20\n"))
    assert [ring.tolist()[0] for ring in glp.polygons] == [[10, 20], [200, 20]]
    assert placed(glp, "O").bbox_nm == (919, 988, 1129, 1059)
    assert placed(glp, "N").bbox_nm == (547, 547, 757, 618)
    assert placed(glp, "D").bbox_nm == (522, 532, 732, 603)


def test_dialect_o_paints_the_closed_polygon(clip):
    glp = read_glp(clip("RECT N M1 0 0 30 20\nPGON N M1 30 20 30 60 50 60 50 40 80 40 80 20\nRECT N M1 95 0 1 1\n"))
    got = target(glp, "O")
    want = np.zeros_like(got)
    x, y = (2048 - 96) // 2, (2048 - 60) // 2
    want[y : y + 21, x : x + 31] = True
    want[y + 20 : y + 61, x + 30 : x + 51] = True
    want[y + 20 : y + 41, x + 30 : x + 81] = True
    want[y : y + 2, x + 95 : x + 97] = True
    assert np.array_equal(got, want)


def test_pixels_are_y_x_and_exact_in_n_and_d(clip):
    glp = read_glp(clip("RECT N M1 3 7 40 2\n"))
    for dialect, x, y in (("N", 547, 547), ("D", 515, 519)):
        want = np.zeros((2048, 2048), bool)
        want[y : y + 2, x : x + 40] = True
        assert np.array_equal(target(glp, dialect), want)


def test_overlaps_count_once_whatever_the_direction(clip):
    glp = read_glp(clip("PGON N M1 0 0 0 50 50 50 50 0\nPGON N M1 20 20 80 20 80 40 20 40\nRECT N M1 0 0 50 50\n"))
    assert placed(glp, "D").area_nm2 == 2500 + 30 * 20


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("RECT N M1 0 0 10\n", ":7: RECT takes x y width height"),
        ("RECT N M1 0 0 10 0\n", ":7: RECT takes x y width height, both positive"),
        ("RECT N M1 0 0 10 5.5\n", ":7: RECT takes whole nanometres, not 0 0 10 5.5"),
        (
            "RECT N M1 0 0 9 9\nPGON N M1 0 0 0 9 9 9 9\n",
            ":8: PGON takes at least four x y pairs, not 7 numbers",
        ),
        ("PGON N M1 0 0 0 9 9 9 8 0\n", ":7: PGON has an edge that is neither"),
        ("RECT N M1 0 0 99999999999 5\n", ":7: coordinates beyond"),
        ("CIRCLE N M1 0 0 5\n", ":7: 'CIRCLE' is not a word"),
        ("", ": no RECT or PGON"),
    ],
)
def test_errors_name_file_and_line(clip, body, says):
    path = clip(body)
    with pytest.raises(InputError) as error:
        read_glp(path)
    assert str(error.value).startswith(f"{path}{says}") and "\n" not in str(error.value)


def test_errors_of_the_whole_file(clip, tmp_path):
    with pytest.raises(InputError, match=r":7: the file is cut short"):
        read_glp(clip("RECT N M1 0 0 5 5\n", end=""))
    with pytest.raises(InputError, match=r":2: the unit must be"):
        read_glp(clip("RECT N M1 0 0 5 5\n", head="BEGIN\nEQUIV 1 2000 MICRON +X,+Y\n"))
    with pytest.raises(InputError, match="No such file"):
        read_glp(tmp_path / "none.glp")
    with pytest.raises(InputError, match="cannot be read"):
        read_glp(tmp_path)
    (tmp_path / "binary.glp").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="no text file"):
        read_glp(tmp_path / "binary.glp")


def test_a_clip_that_does_not_fit_and_an_unknown_dialect(clip):
    glp = read_glp(clip("RECT N M1 0 0 1600 10\n"))
    assert placed(glp, "O").area_nm2 == 16000
    with pytest.raises(InputError, match="does not fit the 2048 nm tile of dialect D"):
        placed(glp, "D")
    with pytest.raises(ConfigError, match="'X' is none of O, N, D"):
        placed(glp, "X")
