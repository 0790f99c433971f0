"""Development: Mack's rate, straight down, and the front along the fastest path."""

from dataclasses import replace

import numpy as np
import pytest

from actinic.errors import NumericalError
from actinic.resist import Development, arrival
from actinic.types import double

DEVELOPMENT = double(Development(100.0, 0.1, 6.0, 0.4, 60.0, 300.0))


def test_rate_has_its_limits_and_its_inflection():
    m = np.linspace(0, 1, 2001)
    rate = DEVELOPMENT.rate(m)
    assert rate[0] == pytest.approx(100.1, rel=1e-12) and rate[-1] == pytest.approx(0.1, rel=1e-12)
    assert (np.diff(rate) <= 0).all()
    bend = np.diff(rate, 2)
    # Steepest at m_th: the curvature changes sign there and nowhere else.
    turn = np.flatnonzero(np.diff(np.sign(bend[np.abs(bend) > 1e-12])))
    assert len(turn) == 1 and m[turn[0] + 1] == pytest.approx(0.4, abs=2e-3)
    np.testing.assert_allclose(DEVELOPMENT.protected(DEVELOPMENT.excess(m[:-100])), m[:-100], atol=1e-9)
    # A high n makes a switch of it, at m_th.
    switch = replace(DEVELOPMENT, n=np.float64(60))
    assert switch.rate(np.array(0.3)) > 99 and switch.rate(np.array(0.5)) < 0.2


def test_constant_rate_takes_thickness_over_rate():
    m = np.full((7, 3, 4), 0.35)
    rate = DEVELOPMENT.rate(0.35 * np.ones(1))[0]
    np.testing.assert_allclose(DEVELOPMENT.clearing_time(m), 300.0 / rate, rtol=1e-12)
    np.testing.assert_allclose(DEVELOPMENT.front(m, (40.0, 60.0))[-1], 300.0 / rate, rtol=1e-12)
    np.testing.assert_allclose(DEVELOPMENT.effective(m), 0.35, rtol=1e-9)
    # At the critical share it is the development time.
    critical = np.full((7, 1, 1), DEVELOPMENT.critical)
    assert DEVELOPMENT.clearing_time(critical)[0, 0] == pytest.approx(60.0, rel=1e-9)


def test_straight_down_is_the_integral():
    # m falls linearly with depth from 0.5 to 0.3.
    exact = None
    for layers, bound in ((4000, None), (20, 2e-3), (80, 2e-4)):
        z = (np.arange(layers) + 0.5) / layers
        m = (0.5 - 0.2 * z)[:, None, None] * np.ones((1, 2, 3))
        time = DEVELOPMENT.clearing_time(m)
        exact = time if exact is None else exact
        np.testing.assert_allclose(time, exact, rtol=bound or 1e-12)
        even = np.broadcast_to(DEVELOPMENT.effective(m), m.shape)
        np.testing.assert_allclose(DEVELOPMENT.clearing_time(even), time, rtol=1e-9)
        if layers < 100:  # the front of layers that do not vary sideways goes straight down
            front = DEVELOPMENT.front(m, (20.0, 30.0))
            np.testing.assert_allclose(front[-1], time, rtol=1e-12)
            below = np.cumsum(300.0 / layers / DEVELOPMENT.rate(m), 0)
            np.testing.assert_allclose(front, below, rtol=1e-12)


def from_a_point(n, slowness):
    """Times and positions (z, y, x) around a hole in the middle of an otherwise closed surface, steps 120 / n nm."""
    step = 120.0 / n
    z, y, x = (np.arange(1, n + 1) * step, *2 * ((np.arange(2 * n) - n) * step,))
    start = np.full((2 * n, 2 * n), np.inf)
    start[n, n] = 0
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    return arrival(slowness(z), (step, step, step), start), np.sqrt(x**2 + y**2 + z**2), z


def test_point_source_in_a_constant_rate():
    errors = []
    for n in (12, 24, 48):
        times, distance, _ = from_a_point(n, lambda z: np.full(z.shape, 0.5))
        inside = (distance < 110) & (distance > 30)
        errors.append(np.abs(times - 0.5 * distance)[inside].mean())
    # First order with a logarithm, the known price of a point: h log h.
    assert 0.75 < np.log2(errors[0] / errors[1]) < np.log2(errors[1] / errors[2]) < 1
    assert errors[-1] < 0.06 * 0.5 * 70


def test_steps_of_unlike_size():
    dz, dy, dx = 4.0, 8.0, 5.0
    start = np.full((20, 32), np.inf)
    start[10, 16] = 0
    times = arrival(np.full((24, 20, 32), 0.5), (dz, dy, dx), start)
    z, y, x = np.arange(1, 25) * dz, (np.arange(20) - 10) * dy, (np.arange(32) - 16) * dx
    distance = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    inside = (distance < 70) & (distance > 40)
    assert (times >= 0.5 * distance - 1e-9).all() and (times / (0.5 * distance))[inside].max() < 1.2


def test_curved_paths_where_the_rate_grows_with_depth():
    """In a rate v0 + g z the paths are circles: t = arccosh(1 + g^2 r^2 / (2 v0 v)) / g."""
    v0, g, errors = 1.0, 0.05, []
    for n in (24, 48):
        step = 120.0 / n
        times, distance, z = from_a_point(n, lambda z, step=step: 1 / (v0 + g * (z - 0.5 * step)))
        expected = np.arccosh(1 + g**2 * distance**2 / (2 * v0 * (v0 + g * z))) / g
        inside = (distance < 110) & (distance > 30)
        errors.append((np.abs(times - expected) / expected)[inside].mean())
    assert errors[1] < 0.07 and np.log2(errors[0] / errors[1]) > 0.7


def test_front_goes_round_an_obstacle():
    rate = np.full((10, 1, 40), 10.0)
    rate[4:6, :, :20] = 0.01  # a slab over half of the period, 20 nm thick
    times = arrival(1 / rate, (10.0, 10.0, 10.0))
    assert times[-1, 0, 30] == pytest.approx(10.0, rel=1e-12)  # straight down
    # Under the slab's middle the way is round its edge: 60 nm down, 95 nm across, at best along the hypotenuse.
    assert 10.0 < times[-1, 0, 10] < 2.2 * 10.0
    np.testing.assert_allclose(times[:, :, :20], times[:, :, 19::-1], rtol=1e-9)
    # Steps need not be alike: y is constant here, so its step does not count.
    np.testing.assert_allclose(arrival(1 / np.repeat(rate, 3, 1), (10.0, 3.0, 10.0))[:, 1:2], times, rtol=1e-9)
    # What is later than wanted is cut, what is earlier stays.
    np.testing.assert_array_equal(arrival(1 / rate, (10.0, 10.0, 10.0), until_s=12.0), np.minimum(times, 12.0))


def test_rates_that_never_arrive():
    with pytest.raises(NumericalError, match="positive, finite"):
        arrival(np.full((2, 2, 2), np.inf), (1.0, 1.0, 1.0))
