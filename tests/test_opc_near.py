import numpy as np
import pytest

from actinic.design.opc import near


def boxes(random, n: int, side: float) -> np.ndarray:
    """Edges: upright and level ones, some as long as all that there is, and a few that are neither."""
    low = random.uniform(0, 1000, (n, 2))
    long = np.where(random.random(n) < 0.1, 1000.0, random.uniform(0, side, n))
    upright = random.integers(0, 2, n)
    size = np.zeros((n, 2))
    size[np.arange(n), upright] = long
    size[::9] = random.uniform(0, side, (len(size[::9]), 2))
    return np.hstack([low, low + size])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    gap = np.maximum(a[:2], b[:2]) - np.minimum(a[2:], b[2:])
    return float(np.hypot(*np.maximum(gap, 0)))


@pytest.mark.parametrize("points", [True, False])
def test_pairs_within_reach_are_those_that_a_loop_finds(points):
    random = np.random.default_rng(2)
    box = boxes(random, 150, 200.0)
    other = np.tile(random.uniform(0, 1000, (220, 2)), 2) if points else boxes(random, 220, 120.0)
    found = list(zip(*(v.tolist() for v in near.within(box, other, 70.0)), strict=True))
    assert found == sorted(
        (i, j) for i in range(len(box)) for j in range(len(other)) if distance(box[i], other[j]) < 70.0
    )


def test_pairs_of_nothing():
    nothing, one = np.zeros((0, 4)), np.array([[0.0, 0.0, 10.0, 0.0]])
    for a, b in ((nothing, one), (one, nothing), (nothing, nothing)):
        assert [len(v) for v in near.within(a, b, 50.0)] == [0, 0]


def test_boxes_of_a_group_are_apart():
    box = boxes(np.random.default_rng(1), 60, 100.0)
    group = near.grouped(box, 150.0)
    assert (group >= 0).all() and group.max() < 40
    for a in range(60):
        for b in range(a):
            assert group[a] != group[b] or distance(box[a], box[b]) >= 150.0
