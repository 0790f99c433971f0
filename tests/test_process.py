"""Masks, anchors and the exposure chain: what prints where, in which polarity, at which size."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from actinic.errors import ConfigError, MissingError
from actinic.forward import Corner, anchored, edge_intensity, expose, prepare
from actinic.jobs import load_setup
from actinic.layout import boolean, coverage, isolated_line, lines
from actinic.layout.polygons import Layout
from actinic.mask import AttenuatedPSM, Binary, transmitted
from actinic.metrology import cd, spline
from actinic.optics import KernelFile, abbe, band
from actinic.resist import DenseLine, ThresholdResist
from actinic.types import Grid, double

GRID = Grid((34, 136), 10.0)
# The anchor's own tile is 24 pitches long; here neither source nor pixel is coarser than there.
FINE = Grid((6, 4080), 2.0)
WINDOW = GRID.window_nm
BOX = Layout((np.array([[0, 0], [1360, 0], [1360, 340], [0, 340]]),), 1.0)


@pytest.fixture(scope="module")
def krf():
    return load_setup("krf-dry").process


def with_mask(process, mask):
    return replace(process, mask=mask)


def aerial(process, layout, grid=GRID, focus=0.0):
    """Float64 intensity on the pixels."""
    machine = process.scanner
    orders = machine.orders(grid.period_nm, machine.source_points(grid.period_nm)[0])
    spectrum = transmitted(double(process.mask), band.mask_spectrum(coverage(layout, grid).astype(float), orders))
    return band.to_pixels(abbe.aerial(machine, spectrum, grid, focus), grid)


def test_amplitudes():
    assert Binary("clear").amplitudes() == (0, 1) and Binary("dark").amplitudes() == (1, 0)
    around, inside = double(AttenuatedPSM()).amplitudes()
    assert inside == 1 and around == pytest.approx(-np.sqrt(0.06))
    around, inside = double(AttenuatedPSM(0.09, 90.0, "dark")).amplitudes()
    assert around == 1 and inside == pytest.approx(0.3j)


def test_transmission_of_open_glass_and_absorber(krf):
    process = with_mask(krf, AttenuatedPSM(0.06))
    np.testing.assert_allclose(aerial(process, Layout((), 1.0)), 0.06, atol=1e-9)
    np.testing.assert_allclose(aerial(process, BOX), 1.0, atol=1e-9)
    np.testing.assert_allclose(aerial(with_mask(krf, AttenuatedPSM(0.06, 180.0, "dark")), BOX), 0.06, atol=1e-9)
    np.testing.assert_allclose(aerial(krf, Layout((), 1.0)), 0.0, atol=1e-12)


@pytest.mark.parametrize("masks", [(Binary("clear"), Binary("dark")), (AttenuatedPSM(), AttenuatedPSM(drawn="dark"))])
def test_clear_drawn_and_dark_complement_are_one_mask(krf, masks):
    drawn = isolated_line(170, WINDOW)
    here = aerial(with_mask(krf, masks[0]), drawn, focus=100.0)
    there = aerial(with_mask(krf, masks[1]), boolean(BOX, drawn, "not"), focus=100.0)
    np.testing.assert_allclose(there, here, atol=1e-9)
    assert np.abs(aerial(with_mask(krf, masks[1]), drawn, focus=100.0) - here).max() > 0.3


def test_attenuated_mask_has_more_contrast(krf):
    def contrast(mask):
        image = aerial(with_mask(krf, mask), lines(170, 340, WINDOW))
        return np.ptp(image) / (image.max() + image.min())

    shallow, deep = contrast(AttenuatedPSM(0.02)), contrast(AttenuatedPSM(0.06))
    assert contrast(Binary()) + 0.01 < shallow < deep - 0.01
    # Without the phase it only adds light.
    assert contrast(AttenuatedPSM(0.06, 0.0)) < contrast(Binary()) - 0.05


@pytest.mark.parametrize(
    "mask",
    [Binary("clear"), Binary("dark"), AttenuatedPSM(drawn="clear"), AttenuatedPSM(drawn="dark")],
    ids=["clear", "dark", "attpsm-clear", "attpsm-dark"],
)
def test_the_anchor_prints_on_size(krf, mask):
    process = anchored(with_mask(krf, mask))
    level, middle, widths = float(process.resist.threshold), 4080.0, {}
    for grid in (FINE, Grid((2, 816), 10.0)):
        imaging = prepare(process, grid)
        latent = imaging.pixels(imaging.latent(jnp.asarray(coverage(lines(170, 340, grid.window_nm), grid))))[0]
        y = np.array([0.5, 4.0, 7.0])
        start, end = (np.stack([np.full(3, x), y], 1) for x in (middle - 169.0, middle + 169.0))
        widths[grid] = cd(np.asarray(latent), grid, level, start, end, process.printed_above)
        # The other polarity's question is not answered at the line's middle.
        assert np.isnan(cd(np.asarray(latent), grid, level, start, end, not process.printed_above)).all()
    np.testing.assert_allclose(widths[FINE], 170.0, atol=0.02)
    # Pixels of 10 nm alias: measured .11 nm for chrome and .18 nm for the phase-shift mask.
    np.testing.assert_allclose(widths[grid], 170.0, atol=0.25)


def test_an_anchor_of_unequal_lines_prints_on_size(krf):
    # Of equal lines the edge keeps its intensity in diffusion; of these it does not.
    process = anchored(replace(krf, resist=ThresholdResist(25.0, anchor=DenseLine(160.0, 480.0))))
    imaging = prepare(process, FINE)
    covered = jnp.asarray(coverage(lines(160, 480, FINE.window_nm), FINE))
    latent, aerial_image = (np.asarray(imaging.pixels(s(covered))[0]) for s in (imaging.latent, imaging.aerial))
    cut = (float(process.resist.threshold), (4080.0 - 239.0, 5.0), (4080.0 + 239.0, 5.0), True)
    assert cd(latent, FINE, *cut) == pytest.approx(160.0, abs=0.02)
    assert abs(cd(aerial_image, FINE, *cut) - 160.0) > 1.0


def test_the_anchor_is_the_latent_image_at_the_edge(krf):
    assert krf.resist.threshold is None and anchored(krf).resist.threshold is not None
    threshold = float(anchored(krf).resist.threshold)
    assert edge_intensity(krf, krf.resist.anchor) == pytest.approx(threshold, rel=1e-6)
    sharp = replace(krf, resist=ThresholdResist(anchor=DenseLine(170.0, 340.0)))
    image = aerial(sharp, lines(170, 340, FINE.window_nm), FINE)
    at_edge = spline(image, FINE)(np.array([4080.0 + 85.0]), np.array([5.0]))
    assert edge_intensity(sharp, sharp.resist.anchor) == pytest.approx(at_edge[0], abs=1e-4)


@pytest.mark.parametrize("sigma", [10.0, 25.0, 60.0])
def test_diffusion_damps_a_wave_as_a_gaussian(sigma):
    grid = Grid((16, 40), 20.0)
    x, y = np.meshgrid(grid.x_nm, grid.y_nm)
    wave = np.cos(2 * np.pi * (3 * x / 800 - 2 * y / 320))
    f2 = (3 / 800) ** 2 + (2 / 320) ** 2
    found = double(ThresholdResist(sigma, 0.3)).latent(1 + wave, grid.period_nm)
    np.testing.assert_allclose(found, 1 + np.exp(-2 * np.pi**2 * sigma**2 * f2) * wave, atol=1e-6)
    same = 1 + wave
    assert ThresholdResist(threshold=0.3).latent(same, grid.period_nm) is same


@pytest.mark.parametrize("drawn", ["clear", "dark"])
def test_printed_is_what_ends_as_the_drawn_feature(krf, drawn):
    process = with_mask(krf, Binary(drawn))
    stages = expose(process, lines(170, 340, WINDOW), GRID)
    printed, covered = np.asarray(stages.printed.values), np.asarray(stages.coverage.values)
    assert set(np.unique(printed)) == {0.0, 1.0}
    assert printed.mean() == pytest.approx(0.5, abs=0.04) and (printed == (covered > 0.5)).mean() > 0.93
    assert [s.stage for s in (stages.coverage, stages.aerial, stages.latent, stages.printed)] == [
        "coverage", "aerial", "latent", "printed"
    ]  # fmt: skip
    # More light opens clear features and eats dark ones.
    more = replace(anchored(process), corners=(Corner("more", 1.25),))
    area = np.asarray(expose(more, lines(170, 340, WINDOW), GRID).printed.values).mean()
    assert (area > printed.mean()) == (drawn == "clear") and area != printed.mean()


def test_corners_are_picked_by_number(krf):
    stages = [expose(krf, lines(170, 340, WINDOW), GRID, corner) for corner in (0, 1, 3)]
    low, high = (np.asarray(s.latent.values) / np.asarray(stages[0].latent.values) for s in stages[1:])
    np.testing.assert_allclose(high, 1.03, rtol=1e-5)
    assert np.ptp(low) > 0.05
    # The aerial image is at dose 1, so only focus shows in it.
    np.testing.assert_array_equal(stages[2].aerial.values, stages[0].aerial.values)
    assert np.abs(np.asarray(stages[1].aerial.values) - np.asarray(stages[0].aerial.values)).max() > 0.01


def test_tone_moves_no_edge(krf):
    resist = replace(krf.resist, tone="negative")
    images = [
        expose(replace(krf, resist=r), lines(170, 340, WINDOW), GRID).printed.values for r in (krf.resist, resist)
    ]
    np.testing.assert_array_equal(*images)


def kernel_process(krf, tmp_path, **changes):
    rng = np.random.default_rng(0)
    kernels = (rng.normal(size=(3, 5, 5)) + 1j * rng.normal(size=(3, 5, 5))).astype(np.complex64)
    np.savez(tmp_path / "k.npz", near=kernels, scale_near=np.array([4.0, 1.0, 0.25], np.float32))
    given = {"file": "k.npz", "period_nm": 640.0, "dots": 640, "sets": ("near",), "focus_nm": (0.0,)} | changes
    resist = ThresholdResist(threshold=0.3)
    return replace(krf, scanner=KernelFile(**given), resist=resist, corners=(Corner("n"), Corner("more", 1.1)))


def test_kernel_files(krf, tmp_path):
    process = kernel_process(krf, tmp_path)
    imaging = prepare(process, Grid((64, 64), 10.0), tmp_path)
    with np.load(tmp_path / "k.npz") as file:
        np.testing.assert_allclose(
            imaging.systems[0], file["near"] * np.array([2.0, 1.0, 0.5])[:, None, None], rtol=1e-6
        )
    # The contest's dose is one of amplitude.
    latent = np.asarray(imaging.latent(jnp.ones((64, 64))))
    np.testing.assert_allclose(latent[1], 1.21 * latent[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "grid", "error", "message"),
    [
        ({}, Grid((63, 64), 10.0), ConfigError, "belong to a tile of 640 nm"),
        ({"period_nm": 650.0}, Grid((64, 64), 10.0), ConfigError, "belong to a tile of 650 nm"),
        ({"focus_nm": (25.0,)}, Grid((64, 64), 10.0), ConfigError, "no kernels for a focus of 0 nm; it has 25"),
        ({"sets": ("far",)}, Grid((64, 64), 10.0), ConfigError, "cannot read kernels 'far'"),
        ({"file": "absent.npz"}, Grid((64, 64), 10.0), MissingError, "ACTINIC_DATA"),
    ],
)
def test_wrong_kernel_files(krf, tmp_path, changes, grid, error, message):
    with pytest.raises(error, match=message):
        prepare(kernel_process(krf, tmp_path, **changes), grid, tmp_path)


def test_wrong_processes(krf):
    with pytest.raises(ValueError, match="at least the nominal"):
        replace(krf, corners=())
    with pytest.raises(ValueError, match="threshold or an anchor"):
        ThresholdResist()
    with pytest.raises(ValueError, match="smaller than pitch_nm"):
        DenseLine(340.0, 340.0)
