"""Widths and log-slopes against three-beam images, whose edges are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinic.errors import InputError
from actinic.metrology import Gauges, cd, nils
from actinic.types import Grid

GRID = Grid((32, 100), 8.0)
PERIOD = 400.0


def three_beams(shift_nm=0.0, phase=0.0):
    """|a0 + 2 a1 e^{i phase} cos|^2 of equal lines and spaces: 1/4 at the edges, NILS 8 in focus."""
    x = GRID.x_nm - shift_nm
    field = 0.5 + 2 / np.pi * np.exp(1j * phase) * np.cos(2 * np.pi * x / PERIOD)
    return np.broadcast_to(np.abs(field) ** 2, GRID.shape)


def test_values_of_the_image():
    image = three_beams()
    assert image.max() < 1.291905 and image.max() > 1.28


@given(shift=st.floats(-90, 90), phase=st.floats(0, 1.5))
@settings(max_examples=25, deadline=None)
def test_isofocal_width_is_half_the_period(shift, phase):
    width = cd(three_beams(shift, phase), GRID, 0.25, (200.0, 100.0), (600.0, 100.0), True)
    # Middle at x = 400, a bright line for every |shift| < 100.
    assert width == pytest.approx(200.0, abs=2e-3)


def test_slanted_cut_and_space():
    image = three_beams()
    slanted = cd(image, GRID, 0.25, (250.0, 0.0), (550.0, 400.0), True)
    assert slanted == pytest.approx(200.0 / 0.6, abs=2e-3)
    # Dark space of the same width, centred at x = 200.
    assert cd(image, GRID, 0.25, (0.0, 9.0), (400.0, 9.0), False) == pytest.approx(200.0, abs=2e-3)


def test_shapes_and_unknown_widths():
    image = three_beams()
    start, end = (
        np.array([[200.0, 9.0], [0.0, 9.0], [330.0, 9.0]]),
        np.array([[600.0, 9.0], [400.0, 9.0], [420.0, 9.0]]),
    )
    widths = cd(image, GRID, 0.25, start, end, True)
    assert widths.shape == (3,)
    # The second begins on a space, the third ends inside the line.
    assert widths[0] == pytest.approx(200.0, abs=2e-3) and np.isnan(widths[1:]).all()
    with pytest.raises(InputError, match="different points"):
        cd(image, GRID, 0.25, (1.0, 1.0), (1.0, 1.0), True)


def test_nils_of_three_beams_is_eight():
    edges = Gauges(
        np.array([100.0, 300.0]), np.array([40.0, 41.0]), np.array([1.0, -1.0]), np.zeros(2), np.zeros(2, np.int8)
    )
    np.testing.assert_allclose(nils(three_beams(), GRID, edges, 200.0, True), 8.0, atol=2e-3)
    np.testing.assert_allclose(nils(three_beams(), GRID, edges, 200.0, False), -8.0, atol=2e-3)
