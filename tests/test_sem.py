"""Microscope pictures of known edges: what the maker draws, and what the finders find in it."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import integrate, ndimage

import rough_lines
from actinic.errors import ConfigError, InputError
from actinic.metrology import contours
from actinic.metrology.roughness import line_roughness
from actinic.metrology.sem import (
    Sem,
    grey_png,
    line_distance,
    line_edges,
    read_grey,
    ring_distance,
    sem_contours,
    sem_image,
)
from actinic.types import Grid

PITCH, HALF, LINES, ROWS = 44.0, 11.0, 7, 600
QUIET = Sem(electrons=0.0)


def drawn(lines=LINES, rows=ROWS, xi=15.0, sigma=1.0, seed=2):
    """Edges (line, row) on half-pixel rows, their distance and grid."""
    grid = Grid((2 * rows, round(2 * lines * PITCH)), 0.5)
    random = np.random.default_rng(seed)
    rough = rough_lines.Lines(2 * rows, 0.5, sigma, xi)(2 * lines, random)
    middle = (np.arange(lines)[:, None] + 0.5) * PITCH
    left, right = middle - HALF + rough[:lines], middle + HALF + rough[lines:]
    return left, right, line_distance(left, right, grid), grid


def truth(edge, beam):
    """What a picture can show of an edge: the beam's and pixel's mean along y, from the first pixel's middle."""
    return ndimage.gaussian_filter1d(edge, 2 * beam, axis=1).reshape(len(edge), -1, 2).mean(axis=2) - 0.5


@pytest.fixture(scope="module")
def scene():
    return drawn()


def test_signal_has_the_levels_the_band_and_its_own_mean():
    sem = Sem(line=0.4, space=0.2, inner_nm=5.0, outer_nm=2.0)
    assert sem.signal(np.array([1e3, -1e3]), 1.0) == pytest.approx([0.4, 0.2])
    for at, value in ((5.0, 0.4 + 0.6 * np.exp(-1)), (-2.0, 0.2 + 0.8 * np.exp(-1)), (1e-7, 1.0), (-1e-7, 1.0)):
        assert sem.signal(np.array(at), 1e-8)[()] == pytest.approx(value, abs=1e-6)
    points = np.linspace(-0.7, 1.3, 20001)
    mean = integrate.trapezoid(sem.signal(points, 1e-6), points) / 2.0
    assert sem.signal(np.array(0.3), 2.0)[()] == pytest.approx(mean, rel=1e-4)


def test_distance_to_rings_is_exact_for_a_rectangle_and_right_about_corners():
    grid = Grid((160, 200), 1.0)
    x, y = np.meshgrid(grid.x_nm, grid.y_nm)
    box = np.array([[20.0, 30], [150, 30], [150, 110], [20, 110]])
    out = np.hypot(np.maximum(np.abs(x - 85) - 65, 0), np.maximum(np.abs(y - 70) - 40, 0))
    inside = np.minimum(65 - np.abs(x - 85), 40 - np.abs(y - 70))
    assert ring_distance([box], grid) == pytest.approx(np.where(inside > 0, inside, -out), abs=1e-9)
    elbow = np.array([[20.0, 20], [120, 20], [120, 60], [60, 60], [60, 120], [20, 120]])
    within = (x > 20) & (y > 20) & (((x < 120) & (y < 60)) | ((x < 60) & (y < 120)))
    assert np.array_equal(ring_distance([elbow], grid) > 0, within)
    hole = np.array([[70.0, 60], [70, 80], [100, 80], [100, 60]])  # clockwise
    assert np.array_equal(
        ring_distance([box, hole], grid) > 0, (inside > 0) & ~((abs(x - 85) < 15) & (abs(y - 70) < 10))
    )


def test_a_line_and_its_ring_make_the_same_picture(scene):
    left, right, _, grid = drawn(1, 60, sigma=0.0)
    ring = np.array([[left[0, 0], -200.0], [right[0, 0], -200], [right[0, 0], 300], [left[0, 0], 300]])
    pictures = [
        sem_image(d, grid, QUIET, seed=0) for d in (line_distance(left, right, grid), ring_distance([ring], grid))
    ]
    assert pictures[0] == pytest.approx(pictures[1], abs=1e-6)


def test_counted_electrons_have_the_mean_and_variance_of_their_level():
    grid = Grid((400, 400), 0.5)
    sem = Sem(electrons=20.0, line=0.5, read=0.05)
    made = sem_image(np.full(grid.shape, 1e3), grid, sem, seed=3)
    assert made.shape == (200, 200)
    assert made.mean() == pytest.approx(0.5, abs=4 * made.std() / 200)
    assert made.var() == pytest.approx(0.5 / 20 + 0.05**2, rel=0.05)
    assert np.array_equal(made, sem_image(np.full(grid.shape, 1e3), grid, sem, seed=3))
    assert not np.array_equal(made, sem_image(np.full(grid.shape, 1e3), grid, sem, seed=4))


@pytest.mark.parametrize(
    ("how", "rms"),
    [
        ({"drift_nm": 3.0}, 3 / np.sqrt(12)), ({"drift_nm": 3.0, "settling": 0.1}, None),
        ({"wave_nm": 1.0}, 1.0), ({"jitter_nm": 0.7}, 0.7),
    ],
)  # fmt: skip
def test_rows_move_as_told(how, rms):
    _, _, distance, grid = drawn(2, 300, sigma=0.0)
    still = line_edges(sem_image(distance, grid, QUIET, seed=5), 1.0)
    moved = line_edges(sem_image(distance, grid, replace(QUIET, beam_nm=1.0, **how), seed=5), 1.0)
    shift = moved.left_nm - still.left_nm
    both = shift, moved.right_nm - still.right_nm
    # Rows that jump blur the mean profile, which places the line wider by a constant.
    assert np.std((both[0] - both[0].mean()) - (both[1] - both[1].mean())) < 0.08
    both_mean = 3.0 * np.mean(settled(how, 300)) if "drift_nm" in how else 0.0
    assert 0.5 * (both[0].mean() + both[1].mean()) == pytest.approx(both_mean, abs=0.12)
    if rms:
        # The beam averages rows, so a shift that changes from row to row is seen smaller.
        seen = rms if "jitter_nm" not in how else rms * np.sqrt(np.mean(_row_filter(1.0) ** 2))
        assert shift.std() == pytest.approx(seen, rel=0.08)
    if "drift_nm" in how:
        assert (shift[:, -1] - shift[:, 0]).mean() == pytest.approx(3.0, abs=0.1)
    if "settling" in how:
        assert shift[:, 60].mean() - shift[:, 0].mean() == pytest.approx(3.0 * (1 - np.exp(-2)), abs=0.1)


def settled(how, rows):
    """Share of the drift that each row has."""
    time = np.linspace(0, 1, rows)
    return (1 - np.exp(-time / 0.1)) / (1 - np.exp(-10)) if "settling" in how else time


def _row_filter(beam):
    return np.exp(-0.5 * (2 * np.pi * np.fft.fftfreq(300) * beam) ** 2) * np.sinc(np.fft.fftfreq(300))


def test_quiet_edges_are_found_but_for_a_constant(scene):
    left, right, distance, grid = scene
    found = line_edges(sem_image(distance, grid, QUIET, seed=1), 1.0)
    assert found.left_nm.shape == (LINES, ROWS)
    for edge, seen, sign in ((left, found.left_nm, -1), (right, found.right_nm, 1)):
        off = seen - truth(edge, 1.0)
        # The half level lies outside the edge, on the flank, by as much on both sides.
        assert sign * off.mean() == pytest.approx(1.21, abs=0.05)
        assert off[:, 5:-5].std(axis=1).max() < 0.08
        # No gain error: what is found does not shrink or grow with the roughness.
        assert abs(np.polyfit(truth(edge, 1.0).ravel() % PITCH, off.ravel(), 1)[0]) < 0.01


@pytest.mark.parametrize("electrons", [30.0, 120.0])
def test_noisy_edges_scatter_as_predicted_without_bias(scene, electrons):
    left, _, distance, grid = scene
    quiet = line_edges(sem_image(distance, grid, QUIET, seed=1), 1.0)
    found = line_edges(sem_image(distance, grid, replace(QUIET, electrons=electrons), seed=2), 1.0)
    off = found.left_nm - truth(left, 1.0)
    assert off.std() == pytest.approx(found.noise_nm[:, 0].mean(), rel=0.12)
    assert off.mean() == pytest.approx((quiet.left_nm - truth(left, 1.0)).mean(), abs=0.05)
    width = (found.right_nm - found.left_nm).mean() - (quiet.right_nm - quiet.left_nm).mean()
    assert abs(width) < 0.06
    # Noise of one row does not leak into the next: white, as the roughness estimate takes it.
    off -= off.mean(axis=1, keepdims=True)
    assert abs(np.mean(off[:, 1:] * off[:, :-1]) / off.var()) < 0.05


def test_from_picture_to_unbiased_roughness(scene):
    _, _, distance, grid = scene
    sem = Sem(electrons=60.0)
    found = line_edges(sem_image(distance, grid, sem, seed=6), 1.0)
    r = line_roughness(found.left_nm, found.right_nm, 1.0, blur_nm=np.hypot(sem.beam_nm, 1 / np.sqrt(12)))
    assert r.edge.flags == () and r.edge.sigma_nm.low < 1.0 < r.edge.sigma_nm.high
    assert r.edge.noise_nm.value == pytest.approx(found.noise_nm.mean(), rel=0.12)
    assert r.width.sigma_nm.low < np.sqrt(2) < r.width.sigma_nm.high
    assert abs(r.correlation) < 0.2


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"drift_nm": 5.0, "settling": 0.2}, "drift"),
        ({"wave_nm": 0.3}, "vibration"),
        ({"jitter_nm": 0.3}, "vibration"),
    ],
)
def test_spoilt_pictures_are_flagged(scene, how, named):
    found = line_edges(sem_image(scene[2], scene[3], replace(Sem(electrons=60.0), **how), seed=7), 1.0)
    r = line_roughness(found.left_nm, found.right_nm, 1.0, blur_nm=np.hypot(1.0, 1 / np.sqrt(12)))
    assert named in {flag.name for flag in r.edge.flags} and r.edge.sigma_nm is None


def test_a_smoothed_picture_is_flagged(scene):
    grey = ndimage.gaussian_filter(sem_image(scene[2], scene[3], Sem(electrons=60.0), seed=8), 1.0)
    found = line_edges(grey, 1.0)
    r = line_roughness(found.left_nm, found.right_nm, 1.0, blur_nm=np.hypot(1.0, 1 / np.sqrt(12)))
    assert {flag.name for flag in r.edge.flags} & {"noise", "spectrum", "floor", "bound"}


def test_cut_lines_dark_lines_and_one_line(scene):
    grey = sem_image(scene[2], scene[3], QUIET, seed=1)
    whole = line_edges(grey, 1.0)
    cut = line_edges(grey[:, 25:-25], 1.0)
    assert cut.left_nm.shape == (LINES - 2, ROWS)
    assert cut.left_nm + 25 == pytest.approx(whole.left_nm[1:-1], abs=0.05)
    single = line_edges(grey[:, 44:88], 1.0)
    assert single.left_nm.shape == (1, ROWS)
    # With the tones exchanged the spaces become the lines.
    spaces = line_edges(grey, 1.0, bright_lines=False)
    assert spaces.left_nm.shape == (LINES - 1, ROWS)


@pytest.mark.parametrize("electrons", [0.0, 60.0])
@pytest.mark.parametrize("hole", [False, True])
def test_outlines_of_round_features(hole, electrons):
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    shapes = [((64.0, 64.0), 30.0), ((180.0, 150.0), 24.0)]
    rings = [np.stack([x + r * np.cos(angle), y + r * np.sin(angle)], axis=1) for (x, y), r in shapes]
    grid = Grid((512, 512), 0.5)
    distance = ring_distance(rings, grid) * (-1 if hole else 1)
    grey = sem_image(distance, grid, replace(QUIET, electrons=electrons), seed=9)
    found = sem_contours(grey, 1.0, 1.5, side="inner" if hole else "outer")
    assert len(found) == 2
    for ring, (centre, radius) in zip(sorted(found, key=lambda r: r[:, 0].mean()), shapes, strict=True):
        off = np.hypot(*(ring + 0.5 - centre).T) - radius
        # The half level of the smoothed band is outside an island, inside a hole, by a constant.
        assert (-1 if hole else 1) * off.mean() == pytest.approx(1.65, abs=0.15)
        assert off.std() < (0.25 if electrons else 0.03)
        x, y = ring.T
        assert np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0  # counter-clockwise


def test_a_printed_level_field_becomes_a_picture():
    grid = Grid((256, 256), 1.0)
    x, y = np.meshgrid(grid.x_nm, grid.y_nm)
    field = np.cos(2 * np.pi * x / 128) + np.cos(2 * np.pi * y / 128)
    distance = ring_distance(contours(field, grid, 1.0), grid)
    assert np.mean((distance > 0) == (field > 1.0)) > 0.999
    assert sem_image(distance, grid, replace(QUIET, pixel_nm=2.0), seed=0).shape == (128, 128)


def test_pictures_in_files(tmp_path, scene):
    grey = sem_image(scene[2], scene[3], Sem(), seed=1)
    (tmp_path / "a.png").write_bytes(grey_png(grey))
    read = read_grey(tmp_path / "a.png")
    assert read.shape == grey.shape
    assert np.corrcoef(read.ravel(), grey.ravel())[0, 1] > 1 - 1e-8
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "b.tif")
    assert np.array_equal(read_grey(tmp_path / "b.tif"), np.arange(12.0).reshape(3, 4))
    Image.fromarray(np.full((3, 4, 3), 7, np.uint8)).save(tmp_path / "c.png")
    assert np.array_equal(read_grey(tmp_path / "c.png"), np.full((3, 4), 7.0))
    (tmp_path / "d.png").write_text("no picture")
    with pytest.raises(InputError, match=r"d\.png: not a picture"):
        read_grey(tmp_path / "d.png")
    with pytest.raises(FileNotFoundError):
        read_grey(tmp_path / "e.png")


def test_what_cannot_be_drawn_or_found_is_said(scene):
    left, right, distance, grid = scene
    with pytest.raises(ConfigError, match="pixel_nm = 0"):
        Sem(pixel_nm=0.0)
    with pytest.raises(ConfigError, match="beam_nm"):
        Sem(beam_nm=-1.0)
    with pytest.raises(ConfigError, match="a half, a third"):
        sem_image(distance, grid, Sem(pixel_nm=0.5), seed=0)
    with pytest.raises(InputError, match="shape"):
        sem_image(distance[:-2], grid, Sem(), seed=0)
    with pytest.raises(InputError, match="cross"):
        line_distance(right, left, grid)
    with pytest.raises(InputError, match="shape"):
        line_distance(left[:, :9], right[:, :9], grid)
    with pytest.raises(InputError, match="three points"):
        ring_distance([], grid)
    with pytest.raises(InputError, match="no whole line"):
        line_edges(np.ones((50, 50)) + np.arange(50), 1.0)
    with pytest.raises(InputError, match="16 x 16"):
        line_edges(np.ones((5, 50)), 1.0)
    with pytest.raises(ConfigError, match="level"):
        line_edges(np.ones((50, 50)), 1.0, level=1.0)
    with pytest.raises(ConfigError, match="side"):
        sem_contours(np.ones((50, 50)), 1.0, 1.0, side="left")
