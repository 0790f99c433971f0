"""Equivalence of two masks: an interval that keeps its promise although gauges in a block move together."""

import numpy as np
import pytest

from actinic.errors import ConfigError
from actinic.metrology import equivalence

SIDE = 10
CELL = np.repeat(np.arange(SIDE * SIDE), 9)  # nine gauges in each block
INSIDE = np.tile((np.arange(9) + 0.5) / 9, SIDE * SIDE)
X, Y = CELL % SIDE + INSIDE, CELL // SIDE + 0.5


def test_the_same_errors_are_equivalent():
    found = equivalence(np.zeros(CELL.size), X, Y, 1.0, 0.1)
    assert (found.difference_nm, found.low_nm, found.high_nm, found.equivalent) == (0, 0, 0, True)
    assert found.blocks == SIDE * SIDE


def test_a_difference_as_large_as_the_margin_is_not():
    wobble = np.random.default_rng(0).normal(0, 0.05, CELL.size)
    assert equivalence(0.02 + wobble, X, Y, 1.0, 0.1).equivalent
    assert not equivalence(0.1 + wobble, X, Y, 1.0, 0.1).equivalent
    assert not equivalence(-0.1 + wobble, X, Y, 1.0, 0.1).equivalent


def test_the_interval_covers_nine_times_in_ten_although_gauges_move_together():
    """Gauges of a block share half their variance: blocks of one gauge's size promise too much."""
    rng, inside, naive = np.random.default_rng(1), 0, 0
    for n in range(100):
        difference = (rng.normal(size=SIDE * SIDE)[CELL] + rng.normal(size=CELL.size)) * 0.1
        found = equivalence(difference, X, Y, 1.0, 1.0)
        inside += found.low_nm < 0 < found.high_nm
        if n < 25:
            apart = equivalence(difference, X, Y, 0.1, 1.0)
            naive += apart.low_nm < 0 < apart.high_nm
    assert 0.83 <= inside / 100 <= 0.96 and naive / 25 < 0.75


def test_blocks_without_gauges_and_too_few():
    few = X < 5
    found = equivalence(np.ones(few.sum()), X[few], Y[few], 5.0, 2.0)
    assert (found.blocks, found.low_nm, found.equivalent, found.difference_nm) == (2, None, None, 1.0)
    for difference, margin in ((np.ones(3), 0.0), (np.ones(0), 0.1)):
        with pytest.raises(ConfigError):
            equivalence(difference, X[: difference.size], Y[: difference.size], 1.0, margin)
