"""Cut-lines: found in layouts whose widths are known by construction, and read from tables."""

import numpy as np
import pytest

from actinic import layout
from actinic.errors import ConfigError, InputError
from actinic.metrology import find_cuts, read_cuts
from actinic.metrology.cuts import seen

FRAME = (0.0, 0.0, 4000.0, 4000.0)
INNER = (1000.0, 1000.0, 3000.0, 3000.0)
LIMITS = dict(corner_nm=120.0, reach_nm=600.0)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_every_line_and_space_once(axis):
    drawn = layout.lines(180, 400, FRAME, axis)
    found = find_cuts(drawn, INNER, 0.1, **LIMITS)
    assert found.line.sum() == 5 and (~found.line).sum() == 5
    np.testing.assert_allclose(found.target_nm, np.where(found.line, 180.0, 220.0))
    np.testing.assert_allclose(found.length_nm, 2 * found.target_nm)
    # Lines have their middles at the pattern's, spaces between; both stand halfway along what is in the window.
    across, along = found.middle_nm.T if axis == "y" else found.middle_nm[:, ::-1].T
    np.testing.assert_allclose((across - 2000.0) % 400.0, np.where(found.line, 0.0, 200.0), atol=1e-9)
    np.testing.assert_allclose(along, 2000.0, atol=30.0)
    assert (found.tolerance == 0.1).all() and len(set(found.names)) == 10


def test_slanted_features_and_corners():
    turned = np.array([[0, 0], [3000, 3000], [2859, 3141], [-141, 141]])
    drawn = layout.merged([turned], 1.0)
    found = find_cuts(drawn, (-500.0, -500.0, 4000.0, 4000.0), 0.1, **LIMITS)
    assert found.line.all()
    np.testing.assert_allclose(found.target_nm, 141 * np.sqrt(2), rtol=1e-6)
    # Nothing within the corner distance of an end; what faces nothing has no width.
    assert find_cuts(layout.elbow(200, FRAME), (1500.0, 1500.0, 3000.0, 3000.0), 0.1, **LIMITS).line.all()
    with pytest.raises(ConfigError, match="no width"):
        find_cuts(layout.contacts(200, (1000, 1000), FRAME), INNER, 0.1, **LIMITS)


def test_the_tightest_stay_when_there_are_too_many():
    drawn = layout.manhattan(5, FRAME, 170, 170)
    every = find_cuts(drawn, INNER, 0.1, most=10000, **LIMITS)
    some = find_cuts(drawn, INNER, 0.1, most=6, **LIMITS)
    assert len(every) > 10 and len(some) == 6
    assert (np.diff(every.target_nm) >= 0).all()
    assert set(some.names) <= set(every.names) and some.names[:3] == every.names[:3]
    assert some.target_nm[-1] == every.target_nm.max()


def test_rays_see_the_nearest_edge_and_its_side():
    drawn = layout.lines(200, 400, FRAME)  # drawn from 1900 to 2100
    at = np.array([[2000.0, 1500.0], [2150.0, 1500.0], [2150.0, 1500.0]])
    unit = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    distance, cosine, edge = seen(drawn, at, unit, 1000.0)
    np.testing.assert_allclose(distance[:2], [100.0, 150.0])
    assert cosine[0] == pytest.approx(1.0) and cosine[1] == pytest.approx(-1.0) and np.isinf(distance[2])
    assert drawn.edges_nm[edge[0], 0] == 2100.0
    assert np.isinf(seen(drawn, at, unit, 120.0)[0][1])


def table(folder, text):
    path = folder / "gauges.csv"
    path.write_text(text)
    return path


def test_tables(tmp_path):
    drawn = layout.lines(200, 400, FRAME)
    path = table(
        tmp_path,
        "name,x0,y0,x1,y1,cd,tolerance\n"
        "# a comment\n"
        "a,1.8,2.0,2.2,2.0\n"
        "b,2.0,2.0,2.4,2.0,190,\n"
        "c,1.7,1.5,2.3,1.5,,5  # behind it too\n",
    )
    found = read_cuts(path, drawn, 0.1)
    assert found.names == ("a", "b", "c") and found.line.tolist() == [True, False, True]
    np.testing.assert_allclose(found.target_nm, [200, 190, 200])
    np.testing.assert_allclose(found.tolerance, [0.1, 0.1, 0.05])
    np.testing.assert_allclose(found.start_nm[2], [1700, 1500])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no cut-line"),
        ("a,1,2,3\n", "line 1"),
        ("a,1,2,x,4\n", "line 1"),
        ("a,1,2,1,2\n", "two different points"),
        ("a,1.8,2,2.2,2\na,1.8,2,2.2,2\n", "'a'"),
        ("a,1.8,2,2.2,2,-5\n", "cd must be positive"),
        ("a,1.8,2,2.2,2,200,150\n", "between 0 and 100"),
        ("a,18,2,22,2\n", "cut-line a"),
        ("a,1,2,3,4,5,6,7\n", "line 1"),
    ],
)
def test_bad_tables_say_where(tmp_path, text, told):
    with pytest.raises(InputError, match=told) as error:
        read_cuts(table(tmp_path, text), layout.lines(200, 400, FRAME), 0.1)
    assert "gauges.csv" in str(error.value) and len(str(error.value).splitlines()) == 1


def test_absent_table(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_cuts(tmp_path / "none.csv", layout.lines(200, 400, FRAME), 0.1)
