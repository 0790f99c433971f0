"""The fast mask model: spectra of edges in closed form, its own exact cases, and lines against rigorous solutions."""

from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import brentq

from actinic import layout, load_setup
from actinic.config import Hashed, dump
from actinic.design.opc import image
from actinic.design.opc.edges import edges_of, healed
from actinic.design.opc.model import model_of
from actinic.design.opc.spectrum import lined_spectra
from actinic.errors import ConfigError
from actinic.forward import anchored, edge_intensity, fast, fast_aerial, prepare, thick_aerial
from actinic.mask import fast as model
from actinic.mask import fast_of, kept
from actinic.mask.fast import Fast, Lines, drawn_spectra
from actinic.optics import band
from actinic.types import Grid, double


def test_spectra_of_edges():
    """A rectangle that fits no pixel: its two upright edges are lines of light of its height, and so on."""
    period, (x0, y0, x1, y1), pixel = (60.0, 80.0), (13.3, 11.0, 44.6, 39.0), 0.5
    y, x = ((np.arange(round(e / pixel) + 1)) * pixel for e in period)
    inside = np.outer(*(np.diff(np.clip(e, a, b)) / pixel for e, a, b in ((y, y0, y1), (x, x0, x1))))
    area, upright, level = drawn_spectra(inside, period, (3, 4))
    fy, fx = band.frequencies(period, (3, 4))

    def across(f, a, b):
        return (b - a) * np.sinc(f * (b - a)) * np.exp(-1j * np.pi * f * (a + b))

    def ends(f, a, b):
        return np.exp(-2j * np.pi * f * a) + np.exp(-2j * np.pi * f * b)

    whole = period[0] * period[1]
    np.testing.assert_allclose(area, across(fy, y0, y1) * across(fx, x0, x1) / whole, atol=1e-4)
    np.testing.assert_allclose(upright, across(fy, y0, y1) * ends(fx, x0, x1) / whole, atol=1e-4)
    np.testing.assert_allclose(level, ends(fy, y0, y1) * across(fx, x0, x1) / whole, atol=1e-4)


def edges_from(drawn):
    return edges_of([healed(ring * drawn.dbu_nm, 4.0) for ring in drawn.contours])


def test_spectra_of_edges_from_vertices():
    """As from a raster, also of polygons that the tile's border cuts; edges beyond it do not count."""
    drawn = layout.manhattan(3, (0.0, 0.0, 400.0, 360.0), 18, 18)
    grid = Grid((240, 260), 1.0, (70.0, 60.0))
    edges = edges_from(drawn)
    mask = image.vertices(edges, 0.0, grid, lined=True)
    (height, width), orders = grid.period_nm, (9, 11)
    found = lined_spectra(mask.x / width, mask.y / height, (mask.sign, mask.lower, mask.left), orders, grid.period_nm)
    inside = layout.coverage(layout.clipped(drawn, grid.window_nm), grid.with_pitch(0.5)).astype(float)
    truth = drawn_spectra(inside, grid.period_nm, orders)
    np.testing.assert_allclose(found[0], truth[0], atol=1e-4)
    # A periodic raster sees steps at its border where polygons are cut; take them out.
    across = [np.pad(abs(np.diff(inside, axis=a)), [(1, 0) if b == a else (0, 0) for b in (0, 1)]) for a in (1, 0)]
    for a, steps, spectrum in ((1, across[0], found[1]), (0, across[1], found[2])):
        f = band.frequencies(grid.period_nm, orders)[a]
        line = band.mask_spectrum(steps, orders) * np.sinc(f * 0.5) * np.exp(0.5j * np.pi * f) / 0.5
        np.testing.assert_allclose(spectrum, line, atol=1e-4)


SETUP = load_setup("euv-033", ["process.mask.model=fast", "process.scanner.flare.tis=0.0"])


def test_the_fit_of_the_preset_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, least in (("euv-033", 0.015), ("euv-055", 0.025)):
        process = load_setup(name).process
        kept._found.cache_clear()
        found = fast_of(process.mask, process.scanner)
        assert 0 < found.held_out < least and found.coefficients.shape == (3, 20)
        assert found.plane_nm == pytest.approx(105, abs=0.5)
    assert not list(tmp_path.iterdir())


def test_another_place_in_the_slit_is_another_model(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []

    def fit(mask, scanner, lines, held):
        asked.append(double(scanner.projector.chief_ray).sines())
        return Fast(np.full((3, 20), 0.5 + 0.25j), None, 100.0, scanner.na_over_lambda, 0.125)

    monkeypatch.setattr(kept, "fitted", fit)
    kept._found.cache_clear()
    for slit in ("0.0", "13.0", "13.0"):
        process = load_setup("euv-033", [f"process.scanner.projector.chief_ray.slit_mm={slit}"]).process
        found = fast_of(process.mask, process.scanner)
        kept._found.cache_clear()
    assert len(asked) == 1 and asked[0][0] > 0.02
    # Read from where the first fit was written.
    assert found.held_out == 0.125 and found.coefficients[1, 3] == 0.5 + 0.25j
    assert found.light.chief == pytest.approx(asked[0])


def test_a_clear_field_is_one_and_anchors_print():
    process = SETUP.process
    clear = drawn_spectra(np.ones((4, 4)), (40.0, 40.0), (1, 1))
    assert fast_aerial(process, clear, Grid((4, 4), 10.0)) == pytest.approx(1.0, abs=0.01)
    known = anchored(process)
    assert fast(known) and edge_intensity(known, process.resist.anchor) == pytest.approx(
        float(known.resist.threshold), rel=1e-6
    )
    with pytest.raises(ConfigError, match="a fast mask model cannot do this"):
        prepare(known, Grid((20, 20), 3.0))


@lru_cache
def profiles(width, pitch, level, focus):
    """Images across a dark line in the middle of its period, rigorous and fast, as functions of place."""
    lines = Lines(width, pitch, level, True)
    grid = Grid((round(pitch), 1), 1.0) if level else Grid((1, round(pitch)), 1.0)
    rigorous = load_setup("euv-033", ["process.mask.model=rigorous", "process.scanner.flare.tis=0.0"]).process
    orders = double(SETUP.process.scanner).orders(grid.period_nm, np.array([[0.8, 0.8]]))
    orders = (orders[0], 0) if level else (0, orders[1])
    images = (
        thick_aerial(rigorous, lines.openings(), grid, focus),
        fast_aerial(SETUP.process, drawn_spectra(lines.openings(), grid.period_nm, orders), grid, focus),
    )
    return [_across(image[:, 0] if level else image[0], pitch) for image in images]


def _across(samples, pitch):
    harmonic, order = np.fft.fft(samples) / len(samples), np.fft.fftfreq(len(samples), 1 / len(samples))
    return lambda x: float((harmonic * np.exp(2j * np.pi * order * (0.5 + x / pitch))).sum().real)


def width_of(image, level):
    middle = min(np.linspace(-8, 8, 65), key=image)
    ends = [next(x for x in middle + side * np.arange(0, 60, 0.5) if image(x) > level) for side in (-1, 1)]
    low, high = (brentq(lambda x: image(x) - level, *sorted((middle, end))) for end in ends)
    return high - low


def threshold():
    image = profiles(16.0, 32.0, False, 15.0)[0]
    low, high = image(0.0), image(16.0)
    return brentq(lambda t: width_of(image, t) - 16, low + 0.1 * (high - low), high - 0.2 * (high - low))


HELD = [(16.0, 64.0)]
MORE = [
    (w, p)
    for w, ps in {16: (36, 40, 48, 96, 128), 20: (50, 70, 100), 24: (48, 60, 90), 32: (64, 80, 120)}.items()
    for p in ps
]


@pytest.mark.parametrize("level", [False, True], ids="VH")
@pytest.mark.parametrize(
    ("width", "pitch"), [*HELD, *(pytest.param(float(w), float(p), marks=pytest.mark.slow) for w, p in MORE)]
)
def test_lines_print_as_rigorous_ones(width, pitch, level):
    """Threshold not refitted, lines that are not in the fit."""
    pytest.importorskip("fmmax")
    for focus in (-25.0, 15.0, 55.0):
        truth, found = (width_of(image, threshold()) for image in profiles(width, pitch, level, focus))
        assert found == pytest.approx(truth, abs=0.3), focus


def test_the_fit_is_the_least_of_its_squares():
    """On one pattern with as many terms as there are numbers nothing is left."""
    pytest.importorskip("fmmax")
    scanner = SETUP.process.scanner
    lines = [Lines(18.0, 36.0, False, True), Lines(18.0, 36.0, True, True)]
    found = [
        model._Equations(SETUP.process.mask, scanner, one, scanner.source_points((300.0, 300.0)), 1.0) for one in lines
    ]
    matrix, right = sum(s.matrix for s in found), sum(s.right for s in found)
    best = np.linalg.lstsq(matrix, right, rcond=1e-12)[0]
    left = model._left_over(best, found)
    assert left < 0.03
    for step in (1e-3, -1e-3):
        assert model._left_over(best + step * np.eye(len(best))[0], found) > left


@pytest.mark.slow
def test_edge_based_correction_sees_the_topography():
    """Its image is Abbe's but for the ambit, and how it answers to edges is its derivative."""
    setup = load_setup("euv-033", ["process.mask.model=fast"])
    process = anchored(setup.process)
    one = model_of(Hashed(dump(process)), setup.opc.ambit_nm, setup.opc.leading)
    assert one.fast is not None and one.rms < 0.01
    grid = Grid((180, 180), 3.0)
    drawn = layout.Layout((np.array([[180, 120], [198, 120], [198, 420], [180, 420]]),), 1.0)
    moved = layout.Layout((np.array([[180, 120], [199, 120], [199, 420], [180, 420]]),), 1.0)
    imaging = one.imaging(process, grid)
    place = np.array([189.0, 230.0]), np.array([420.0, 270.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    view = image.view(imaging, one.imaging(process, grid, 12, 1.5), one.offset, place, None)
    values = []
    for layer in (drawn, moved):
        vertices = image.vertices(edges_from(layer), 0.0, grid, lined=True)
        values.append(image.printed(view, vertices, 2)[0])
        covered = layout.coverage(layer, grid.with_pitch(1.0)).astype(float)
        orders = double(process.scanner).orders(grid.period_nm, np.array([[0.8, 0.8]]))
        spectra = drawn_spectra(covered, grid.period_nm, orders)
        samples = process.resist.latent(fast_aerial(process, spectra, grid), grid.period_nm)
        np.testing.assert_allclose(values[-1], band.to_points(samples, grid, *place[:2]), atol=0.02)
    edges = edges_from(drawn)
    right = np.flatnonzero(edges.upright & (edges.outward > 0))
    box = np.array([[198.0, 120.0, 198.0, 420.0]])
    found = image.answers(
        view, image.vertices(edges, 0.0, grid, lined=True), right, box, (np.zeros(2, int), np.arange(2)), 300.0
    )
    np.testing.assert_allclose(found.derivative, values[1] - values[0], rtol=0.12, atol=5e-4)
