"""Sources: where their light stands and how much; freeform files; the Fringe Zernike table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import second_opinion
from actinic.errors import InputError, NumericalError
from actinic.optics import Annular, Conventional, Dipole, Freeform, Points, Projector, Quasar, Scanner, sample, zernike
from actinic.optics.pupil import FRINGE
from actinic.types import double

SIGMA = st.floats(0.0, 0.85)


def area(source, spacing):
    """Lit area in sigma^2: the brightness of all cells."""
    half = int(np.ceil(1 / spacing)) + 1
    sx, sy = np.meshgrid(*2 * [np.arange(-half, half + 1) * spacing])
    return float(np.sum(double(source).brightness(sx, sy, spacing))) * spacing**2


@given(sigma_in=SIGMA, width=st.floats(0.1, 0.5), spacing=st.floats(0.005, 0.02))
@settings(max_examples=40, deadline=None)
def test_area_of_a_ring(sigma_in, width, spacing):
    outer = min(sigma_in + width, 1.0)
    ring = Annular(np.float64(sigma_in), np.float64(outer))
    assert area(ring, spacing) == pytest.approx(np.pi * (outer**2 - sigma_in**2), rel=0.01)


@given(sigma=st.floats(0.2, 1.0))
@settings(max_examples=20, deadline=None)
def test_area_of_a_disc(sigma):
    assert area(Conventional(np.float64(sigma)), 0.01) == pytest.approx(np.pi * sigma**2, rel=0.005)


@given(opening=st.floats(15, 90), rotation=st.floats(-180, 180))
@settings(max_examples=30, deadline=None)
def test_area_of_poles(opening, rotation):
    ring = np.pi * (0.9**2 - 0.5**2)
    angles = np.float64(opening), np.float64(rotation)
    dipole = Dipole(np.float64(0.5), np.float64(0.9), *angles)
    quasar = Quasar(np.float64(0.5), np.float64(0.9), *angles)
    assert area(dipole, 0.01) == pytest.approx(ring * opening / 180, rel=0.02)
    assert area(quasar, 0.01) == pytest.approx(ring * opening / 90, rel=0.02)


@pytest.mark.parametrize(
    ("source", "bright", "dark"),
    [
        (Dipole(0.5, 0.9, 60.0, 0.0), [(0.7, 0), (-0.7, 0), (0.6, 0.3)], [(0, 0.7), (0.4, 0), (0.95, 0), (0.5, 0.5)]),
        (Dipole(0.5, 0.9, 60.0, 90.0), [(0, 0.7), (0, -0.7)], [(0.7, 0), (-0.7, 0)]),
        (Dipole(0.5, 0.9, 40.0, 30.0), [(0.6, 0.35), (-0.6, -0.35)], [(0.6, -0.35), (0.7, 0)]),
        (Dipole(0.5, 0.9, 180.0, 0.0), [(0.7, 0), (0.1, 0.7), (-0.5, -0.5)], [(0, 0), (0.3, 0.3)]),
        (Quasar(0.5, 0.9, 40.0, 45.0), [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)], [(0.7, 0), (0, -0.7)]),
        (Quasar(0.5, 0.9, 40.0, 0.0), [(0.7, 0), (0, 0.7), (-0.7, 0), (0, -0.7)], [(0.5, 0.5), (-0.5, 0.5)]),
        (Annular(0.5, 0.8), [(0.65, 0), (0, -0.65), (0.45, 0.45)], [(0, 0), (0.45, 0), (0.85, 0)]),
        (Conventional(0.6), [(0, 0), (0.55, 0)], [(0.65, 0), (0.45, 0.45)]),
    ],
    ids=lambda v: v.kind if hasattr(v, "kind") else "",
)
def test_where_the_light_is(source, bright, dark):
    source = double(source)
    for points, value in ((bright, 1.0), (dark, 0.0)):
        sx, sy = np.array(points, float).T
        np.testing.assert_array_equal(source.brightness(sx, sy, 0.02), value)


def test_the_edge_moves_smoothly():
    # Half a cell's move of an edge turns the sum by as much as its area says, at no lattice-sized jump.
    areas = [area(Conventional(np.float64(s)), 0.05) for s in np.linspace(0.5, 0.55, 26)]
    steps = np.diff(areas)
    assert steps.min() > 0.7 * np.pi * 2 * 0.525 * 0.002 and steps.max() < 1.3 * np.pi * 2 * 0.525 * 0.002


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        (Annular(0.5, 0.8), {"sigma_out": 0.8, "sigma_in": 0.5}),
        (
            Dipole(0.4, 0.9, 50.0, 20.0),
            {"sigma_out": 0.9, "sigma_in": 0.4, "poles": 2, "first_deg": 20, "opening_deg": 50},
        ),
    ],
)
def test_sampling_is_the_second_opinions(source, shape):
    points, weights = sample(double(source), 0.07)
    there, shares = second_opinion.source_points(0.07, **shape)
    np.testing.assert_allclose(points, there, atol=1e-12)
    np.testing.assert_allclose(weights, shares, atol=1e-12)


def written(path, rows, head=""):
    path.write_text(head + "".join(f"{x!r}, {y!r}, {w!r}\n" for x, y, w in rows))
    return Freeform(str(path))


def test_a_written_annular_source_is_the_built_in_one(tmp_path):
    ring = Annular(np.float64(0.5), np.float64(0.8))
    points, weights = sample(ring, 0.04)
    rows = [(float(x), float(y), float(w)) for (x, y), w in zip(points, 7 * weights, strict=True)]
    found, shares = sample(written(tmp_path / "ring.csv", rows, "# made here\nsigma_x, sigma_y, intensity\n\n"), 0.05)
    np.testing.assert_allclose(found, points, atol=1e-12)
    np.testing.assert_allclose(shares, weights, atol=1e-12)
    # A tile that asks for finer points gets each pixel in parts, about the same centres.
    finer, parts = sample(written(tmp_path / "again.csv", rows), 0.02)
    assert len(finer) == 4 * len(points) and parts.sum() == pytest.approx(1)
    np.testing.assert_allclose(finer.reshape(-1, 4, 2).mean(1), points, atol=1e-12)
    assert np.ptp(finer.reshape(-1, 4, 2)[:, :, 0], axis=1) == pytest.approx(0.02)


def test_a_single_point_stays_a_point(tmp_path):
    points, weights = sample(written(tmp_path / "one.csv", [(0.3, -0.2, 5.0)]), 0.01)
    assert points.tolist() == [[0.3, -0.2]] and weights.tolist() == [1.0]


def test_the_lattice_of_a_file_may_stand_anywhere(tmp_path):
    # Columns at odd multiples of .05, rows at multiples of .1: pixels of .1 all the same.
    rows = [(0.05 + 0.1 * i, 0.1 * j, 1.0) for i in range(-3, 3) for j in range(-3, 4)]
    source = written(tmp_path / "off.csv", rows)
    assert source.rows()[2] == pytest.approx(0.1) and len(sample(source, 0.1)[0]) == len(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1, 0.2, 1\n0.1, 0.2\n", "line 2: expected"),
        ("sigma_x, sigma_y, intensity\n0.1, 0.2, 1\n# no\n0.1, much, 1\n", "line 4: expected"),
        ("0, 0, 1\n0.9, 0.9, 1\n", "line 2: a point needs"),
        ("0, 0, -1\n", "line 1: a point needs"),
        ("0, 0, inf\n", "line 1: a point needs"),
        ("0, 0, 1\nnan, 0, 1\n", "line 2: a point needs"),
        ("0, 0, 0\n", "no bright point"),
        ("# nothing\n", "no bright point"),
    ],
)
def test_bad_files_are_told_with_their_line(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        sample(Freeform(str(path)), 0.1)


def test_absent_files_and_dark_sources(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        sample(Freeform(str(tmp_path / "none.csv")), 0.1)
    with pytest.raises(InputError, match="no light"):
        sample(Points(np.zeros((1, 2)), np.zeros(1)), 0.1)
    with pytest.raises(ValueError, match="smaller than sigma_out"):
        Annular(0.8, 0.5)
    beyond = Scanner(Projector(193.0, 0.85), Points(np.array([[1.2, 0.0]]), np.ones(1)))
    with pytest.raises(NumericalError, match="clear field"):
        beyond.source_points((1000.0, 1000.0))


def test_zernikes_are_orthogonal_on_the_disc():
    # Gauss in r^2 and equal angles integrate every product exactly.
    nodes, weights = np.polynomial.legendre.leggauss(16)
    r, angle = np.sqrt((nodes + 1) / 2), np.arange(32) * 2 * np.pi / 32
    x, y = np.outer(r, np.cos(angle)), np.outer(r, np.sin(angle))
    values = np.array([np.broadcast_to(zernike(name, x, y), x.shape) for name in FRINGE])
    gram = np.einsum("arp,brp,r->ab", values, values, weights / 2) / 32
    assert len(FRINGE) == 37 and abs(gram - np.diag(np.diag(gram))).max() < 1e-12
    for (n, m), norm in zip(FRINGE.values(), np.diag(gram), strict=True):
        assert norm == pytest.approx(1 / ((n + 1) * (1 if m == 0 else 2)), rel=1e-12)


@pytest.mark.parametrize("name", second_opinion.ZERNIKES)
def test_zernikes_have_their_known_forms(name):
    rng = np.random.default_rng(0)
    r, angle = rng.random(200), rng.uniform(-np.pi, np.pi, 200)
    truth = second_opinion.ZERNIKES[name](r, angle)
    np.testing.assert_allclose(zernike(name, r * np.cos(angle), r * np.sin(angle)), truth, atol=1e-11)


def test_unknown_zernikes_and_apertures_are_refused():
    with pytest.raises(ValueError, match="Z38 is not one of"):
        Projector(193.0, 0.85, 1.0, {"Z38": 1.0})
    with pytest.raises(ValueError, match="smaller than immersion_index"):
        Projector(193.0, 1.2)
