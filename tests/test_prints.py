"""Side lobes, printed assists, missing features, bridges and opens: found where they are, and nowhere else."""

import numpy as np
import pytest
from scipy import ndimage

from actinic.metrology import KINDS, counted, print_defects
from actinic.types import Grid

GRID = Grid((60, 80), 10.0, (-100.0, -100.0))
WINDOW = (0.0, 0.0, 600.0, 400.0)
SIDE_LOBE, ASSIST, MISSING, BRIDGE, OPEN = KINDS


def drawn(*boxes):
    """Pixels of boxes (x0, y0, x1, y1) in nm."""
    inside = np.zeros(GRID.shape, bool)
    for x0, y0, x1, y1 in boxes:
        inside |= (GRID.x_nm > x0) & (GRID.x_nm < x1) & ((GRID.y_nm > y0) & (GRID.y_nm < y1))[:, None]
    return inside


TARGET = [(100, 100, 200, 300), (300, 100, 400, 300)]


def found(prints, target=TARGET, mask=(), sliver=150.0):
    if not isinstance(prints, dict):
        prints = {"nominal": prints}
    arrays = [(name, drawn(*boxes)) for name, boxes in prints.items()]
    return print_defects(arrays, drawn(*target), drawn(*mask), GRID, WINDOW, sliver)


def test_a_good_print_has_no_defect():
    assert found(TARGET) == []
    # Bigger, smaller and moved, it still is one for one.
    assert found([(90, 80, 230, 320), (330, 150, 370, 250)]) == []
    assert found([], target=[]) == []


def test_a_side_lobe_with_place_size_and_corner():
    (lobe,) = found([*TARGET, (240, 190, 270, 210)])
    assert (lobe.kind, lobe.box_nm, lobe.area_nm2, lobe.corners) == (SIDE_LOBE, (240, 190, 270, 210), 600, ("nominal",))
    assert lobe.at_nm == (255, 200)
    (assist,) = found([*TARGET, (240, 190, 270, 210)], mask=[*TARGET, (240, 100, 260, 300)])
    assert assist.kind == ASSIST
    assert counted([lobe, assist]) == {"side_lobes": 1, "printed_assists": 1, "missing": 0, "bridges": 0, "opens": 0}


def test_missing_bridged_and_open():
    (gone,) = found(TARGET[:1])
    assert (gone.kind, gone.box_nm, gone.area_nm2) == (MISSING, TARGET[1], 100 * 200)
    (bridge,) = found([*TARGET, (200, 150, 300, 170)])
    assert (bridge.kind, bridge.box_nm) == (BRIDGE, (200, 150, 300, 170))
    (opened,) = found([(100, 100, 200, 180), (100, 200, 200, 300), TARGET[1]])
    assert (opened.kind, opened.box_nm, opened.area_nm2) == (OPEN, (100, 180, 200, 200), 100 * 20)
    # Pulled back at its ends it is shorter, not open; joined round the outside it is displaced, not open.
    assert found([(100, 130, 200, 250), TARGET[1]]) == []
    around = [(100, 100, 200, 180), (100, 200, 200, 300), (80, 100, 100, 300), TARGET[1]]
    assert found(around) == []
    # A print that reaches its neighbour's place but not its print joins nothing.
    assert [d.kind for d in found([(100, 100, 330, 180)])] == [BRIDGE]


def test_one_defect_over_the_corners_the_worst_first():
    lobes = found({"low": TARGET, "mid": [*TARGET, (240, 190, 260, 210)], "high": [*TARGET, (230, 180, 270, 220)]})
    assert [(d.kind, d.corners, d.area_nm2, d.box_nm) for d in lobes] == [
        (SIDE_LOBE, ("high", "mid"), 1600, (230, 180, 270, 220))
    ]
    twice = found({"same": [*TARGET, (240, 190, 260, 210)], "name": [*TARGET, (240, 250, 270, 290)]})
    assert [d.area_nm2 for d in twice] == [1200, 400] and [d.corners for d in twice] == [("name",), ("same",)]


def test_slivers_and_what_lies_outside_the_window_do_not_count():
    assert found([*TARGET, (240, 200, 250, 210)]) == []
    assert len(found([*TARGET, (240, 200, 250, 210)], sliver=50.0)) == 1
    # An island of one pixel does not open a line.
    assert found([(100, 100, 200, 280), (140, 290, 150, 300), TARGET[1]]) == []
    assert found([*TARGET, (-80, 100, -20, 300)]) == []
    assert len(found([*TARGET, (-80, 100, 20, 300)])) == 1, "what reaches into the window counts"
    outside = [*TARGET, (-90, 0, -40, 100)]
    assert found(TARGET, target=outside) == []
    assert found([*TARGET, (-100, 300, 60, 320)], target=[*TARGET, (-100, 280, -60, 340)]) == [], (
        "its target is outside"
    )


@pytest.mark.parametrize("seed", range(6))
def test_bridges_and_opens_are_those_of_connectivity(seed):
    """Random shapes: a bridge is told exactly where one print joins two targets that it also prints."""
    rng = np.random.default_rng(seed)
    target, printed = (ndimage.gaussian_filter(rng.normal(size=GRID.shape), 3) > 0.02 for _ in range(2))
    printed |= target & (rng.random(GRID.shape) < 0.5)
    window = GRID.window_nm
    defects = print_defects([("c", printed)], target, target, GRID, window, 0.0)
    targets, prints = ndimage.label(target)[0], ndimage.label(printed)[0]
    both = np.unique(np.stack([targets[target & printed], prints[target & printed]], 1), axis=0)
    joins = {p for p in both[:, 1] if (both[:, 1] == p).sum() > 1}
    splits = {t for t in both[:, 0] if (both[:, 0] == t).sum() > 1}
    kinds = [d.kind for d in defects]
    assert (BRIDGE in kinds) == bool(joins)

    def at(defect):
        x0, y0, x1, y1 = ((v + 100) / 10 for v in defect.box_nm)
        return np.s_[round(y0) : round(y1), round(x0) : round(x1)]

    assert all(set(np.unique(prints[at(d)])) & joins for d in defects if d.kind == BRIDGE)
    assert all(set(np.unique(targets[at(d)])) & splits for d in defects if d.kind == OPEN)
    for p in joins:
        assert any((prints[at(d)] == p).any() for d in defects if d.kind == BRIDGE)
    for t in splits:
        assert any((targets[at(d)] == t).any() for d in defects if d.kind == OPEN)
    lonely = set(range(1, prints.max() + 1)) - set(both[:, 1])
    assert sum(d.area_nm2 for d in defects if d.kind in (SIDE_LOBE, ASSIST)) == 100 * np.isin(prints, [*lonely]).sum()
    empty = set(range(1, targets.max() + 1)) - set(both[:, 0])
    assert sum(d.area_nm2 for d in defects if d.kind == MISSING) == 100 * np.isin(targets, [*empty]).sum()
