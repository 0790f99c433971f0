"""Resists: exposure, bake, the compact model, and all of them as stages of a process."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from actinic.config import build, dump
from actinic.design import ilt
from actinic.design.verify import _exposures, verify
from actinic.errors import ConfigError, NumericalError
from actinic.forward import Corner, Process, anchored, prepare
from actinic.jobs import load_setup
from actinic.layout import coverage, lines
from actinic.metrology import cd
from actinic.optics import band
from actinic.presets import resist as typical
from actinic.resist import Bake, ChemicalResist, CompactResist, DenseLine, Development, ThresholdResist, resampled
from actinic.types import Grid, double

PERIOD = (300.0, 400.0)
DEVELOPMENT = Development(1000.0, 0.05, 5.0, 0.5, 60.0, 400.0)
BAKE = Bake(90.0, 5.0, 1.0, 2.0, 0.02)
RESIST = ChemicalResist(BAKE, DEVELOPMENT, 0.05, 0.2, 22.0)
KINDS = ("threshold", "compact", "chemistry")


def wave(shape, ky, kx, period=PERIOD):
    """cos of ky and kx waves over the period at the samples j P / n, and its squared wave number in 1/nm^2."""
    y, x = (np.arange(n) / n for n in shape)
    k2 = (2 * np.pi) ** 2 * ((ky / period[0]) ** 2 + (kx / period[1]) ** 2)
    return np.cos(2 * np.pi * (ky * y[:, None] + kx * x[None, :])), k2


def image(shape=(16, 20), seed=0):
    """An intensity between 0.02 and 0.9 with the lowest waves only."""
    rng = np.random.default_rng(seed)
    spectrum = np.zeros(shape, complex)
    spectrum[:3, :3] = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    values = np.fft.ifft2(spectrum).real
    return 0.02 + 0.88 * (values - values.min()) / np.ptp(values)


def test_acid_is_dills():
    resist, dose = double(RESIST), np.array([0.0, 1e-6, 7.0, 30.0, 1e6])
    np.testing.assert_allclose(resist.acid(dose), 1 - np.exp(-0.05 * dose), rtol=1e-9, atol=1e-15)
    assert resist.acid(dose)[0] == 0 and resist.acid(dose)[-1] == 1
    # In the dark nothing happens, whatever the bake.
    np.testing.assert_array_equal(resist.deprotected(np.zeros((4, 4)), PERIOD), 0)


@pytest.mark.parametrize("order", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("rate", [0.0, 0.03, 2.0])
def test_reaction_is_the_solution_of_its_equations(order, rate):
    bake = double(Bake(90.0, 0.0, 0.0, rate, 0.02, order))
    acid, quencher = np.array([0.0, 0.05, 0.2, 0.2, 0.9, 0.6]), np.array([0.2, 0.2, 0.2, 0.1, 0.2, 0.0])

    def slope(_, state):
        h, q, _ = state.reshape(3, -1)
        meet = rate * h * q
        return np.concatenate([-meet, -meet, 0.02 * np.maximum(h, 0) ** order])

    time = 6.0  # a sub-step; Gauss' rule is exact for order 1 only
    start = np.concatenate([acid, quencher, 0 * acid])
    expected = solve_ivp(slope, (0, time), start, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1].reshape(3, -1)
    found = bake.react(acid, quencher, np.float64(time))
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-9 if order == 1 else 1e-3, atol=1e-12)
    np.testing.assert_allclose(found[0] - found[1], acid - quencher, atol=1e-16)


def test_closed_form_of_uniform_fields():
    bake, acid, base, time = double(BAKE), 0.45, 0.2, 90.0
    excess = acid - base
    later = np.exp(2.0 * excess * time)
    expected = 0.02 * np.log((acid * later - base) / excess) / 2.0
    for steps in (1, 7):
        field = np.full((4, 6), acid)
        h, q, gone = replace(bake, steps=steps)(field, np.full((4, 6), base), PERIOD)
        np.testing.assert_allclose(gone, expected, rtol=1e-12)
        np.testing.assert_allclose(h - q, excess, rtol=1e-12)
    # Without quencher, and where it is all gone at once.
    free = replace(bake, neutralisation_per_s=np.float64(0))(field, 0 * field, PERIOD)[2]
    np.testing.assert_allclose(free, 0.02 * 90 * acid, rtol=1e-12)
    fast = replace(bake, neutralisation_per_s=np.float64(1e4))(field, 0 * field + base, PERIOD)[2]
    np.testing.assert_allclose(fast, 0.02 * 90 * excess, rtol=1e-3)


@pytest.mark.parametrize(("ky", "kx"), [(1, 0), (0, 1), (2, 3)])
def test_diffusion_is_a_gaussian_blur(ky, kx):
    still = double(replace(BAKE, neutralisation_per_s=0.0, quencher_nm2_s=0.7))
    shape = (12, 16)
    ripple, k2 = wave(shape, ky, kx)
    acid, quencher, _ = still(0.4 + 0.1 * ripple, 0.3 + 0.1 * ripple, PERIOD)
    for field, mean, constant in ((acid, 0.4, 5.0), (quencher, 0.3, 0.7)):
        f2, sigma2 = k2 / (2 * np.pi) ** 2, 2 * constant * 90.0
        np.testing.assert_allclose(field, mean + 0.1 * np.exp(-2 * np.pi**2 * sigma2 * f2) * ripple, atol=1e-14)


def test_diffusion_in_depth_stays_in_the_film():
    still = double(replace(BAKE, neutralisation_per_s=0.0))
    z = (np.arange(20) + 0.5) / 20
    ripple, k2 = wave((8, 10), 1, 0)
    layers = 0.4 + 0.1 * np.cos(3 * np.pi * z)[:, None, None] * ripple
    found, _, _ = still(layers, 0 * layers, PERIOD, np.float64(200.0))
    decay = np.exp(-5.0 * 90 * (k2 + (3 * np.pi / 200) ** 2))
    np.testing.assert_allclose(found, 0.4 + decay * (layers - 0.4), atol=1e-14)
    random = np.random.default_rng(0).random((20, 8, 10))
    assert still(random, 0 * random, PERIOD, np.float64(200.0))[0].sum() == pytest.approx(random.sum(), rel=1e-13)


def test_equal_diffusion_keeps_the_difference():
    bake = double(replace(BAKE, quencher_nm2_s=5.0))
    acid, quencher = image(), 0.5 * image(seed=1)
    h, q, gone = bake(acid, quencher, PERIOD)
    np.testing.assert_allclose(h - q, band.blurred(acid - quencher, PERIOD, np.sqrt(2 * 5.0 * 90)), atol=1e-14)
    assert np.abs(h - acid).max() > 0.1 and (gone > 0).all()
    # With unequal diffusion too, none of it is lost from the tile.
    h, q, _ = double(BAKE)(acid, quencher, PERIOD)
    assert (h - q).mean() == pytest.approx((acid - quencher).mean(), rel=1e-12)


def test_deprotection_without_quencher_is_the_bake_time_average():
    # Weak light, so that acid is linear in it: every wave counts by its mean over the bake.
    resist = double(replace(RESIST, quencher=0.0, dose_mj_cm2=1e-4, bake=replace(BAKE, steps=60)))
    ripple, k2 = wave((8, 8), 1, 2)
    found = resist.deprotected(1 + 0.5 * ripple, PERIOD)
    share = (1 - np.exp(-k2 * 5.0 * 90)) / (k2 * 5.0 * 90)
    fine = wave(found.shape, 1, 2)[0]
    np.testing.assert_allclose(found / (0.02 * 90 * 0.05 * 1e-4), 1 + 0.5 * share * fine, atol=2e-4)


def test_splitting_is_of_second_order():
    acid, base = 0.05 + 0.6 * image(), 0.2 + 0 * image()
    gentle = double(replace(BAKE, neutralisation_per_s=0.1))

    def bake(steps):
        return np.stack(replace(gentle, steps=steps)(acid, base, PERIOD))

    exact = bake(1024)
    error = [np.abs(bake(n) - exact).max(axis=(1, 2)) for n in (16, 32, 64)]
    orders = np.log2([error[0] / error[1], error[1] / error[2]])
    assert orders.min() > 1.9 and orders.max() < 2.1, orders


def test_default_steps_and_pitch_hold_the_edge():
    """An image that goes from dark to bright over the neutralisation's kink: what 16 steps and 5 nm leave."""
    ripple = 0.37 + 0.27 * wave((16, 16), 0, 1, (340.0, 340.0))[0] + 0.08 * wave((16, 16), 1, 0, (340.0, 340.0))[0]
    grid = Grid((170, 170), 2.0)

    def pixels(resist):
        return band.to_pixels(resist.latent(ripple, grid.period_nm), grid)

    resist = double(RESIST)
    found = pixels(resist)
    near = np.abs(found - resist.threshold) < 0.03
    slope = np.hypot(*np.gradient(found, 2.0))
    steps = np.abs(pixels(replace(resist, bake=replace(resist.bake, steps=256))) - found)
    folds = np.abs(pixels(replace(resist, pitch_nm=2.0)) - found)
    assert folds.max() < 1e-4 and folds[near].max() < 3e-5
    assert steps.max() < 1e-3 and (steps / slope)[near].max() < 0.03  # nm


def test_without_diffusion_the_latent_image_is_the_intensity():
    sharp = double(replace(RESIST, bake=replace(BAKE, acid_nm2_s=0.0, quencher_nm2_s=0.0)))
    found = sharp.latent(image(), PERIOD)
    expected = resampled(image(), found.shape)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    # The threshold is the dose-to-clear: a clear field of just that dose takes the whole time.
    clear = np.full((2, 2), sharp.threshold)
    protected = np.exp(-sharp.deprotected(clear, PERIOD))
    np.testing.assert_allclose(400.0 / sharp.development.rate(protected), 60.0, rtol=1e-3)


@pytest.mark.parametrize("diffusion_nm", [2.0, 5.0])
def test_little_diffusion_and_no_quencher_tend_to_the_threshold_model(diffusion_nm):
    # The mean variance of the bake is half the final one.
    constant = diffusion_nm**2 / 90.0
    resist = double(replace(RESIST, quencher=0.0, bake=replace(BAKE, acid_nm2_s=constant)))
    simple = double(ThresholdResist(diffusion_nm, threshold=resist.threshold))
    found, plain = resist.latent(image(), PERIOD), simple.latent(image(), PERIOD)
    grid = Grid((150, 200), 2.0)
    a, b = (band.to_pixels(samples, grid) for samples in (found, plain))
    slope = np.hypot(*np.gradient(b, 2.0))
    edges = (np.abs(b - simple.threshold) < 0.02) & (slope > 1e-3)
    # What is left moves the edge with the square of the blur: measured 0.022 and 0.137 nm.
    assert edges.sum() > 100 and (np.abs(a - b) / slope)[edges].max() < 0.006 * diffusion_nm**2


@pytest.mark.parametrize("kind", KINDS)
def test_mirrors_and_exchange_of_axes(kind):
    resist = {
        "threshold": ThresholdResist(20.0, 0.3),
        "compact": CompactResist(20.0, 90.0, -0.2, 0.1, 0.05, 0.3),
        "chemistry": RESIST,
    }[kind]
    resist, samples = double(resist), image()
    found = resist.latent(samples, PERIOD)
    mirror = [np.roll(np.flip(values, 1), 1, 1) for values in (samples, found)]
    np.testing.assert_allclose(resist.latent(mirror[0], PERIOD), mirror[1], atol=1e-12)
    mirror = [np.roll(np.flip(values, 0), 1, 0) for values in (samples, found)]
    np.testing.assert_allclose(resist.latent(mirror[0], PERIOD), mirror[1], atol=1e-12)
    np.testing.assert_allclose(resist.latent(samples.T, PERIOD[::-1]), found.T, atol=1e-12)
    assert found.shape == resist.shape(samples.shape, PERIOD)
    # More light never makes less of it.
    assert (resist.latent(1.05 * samples, PERIOD) > found - 1e-12).all() or kind == "compact"


def test_layers_alike_are_one_layer():
    resist, samples = double(RESIST), image()
    flat, deep = resist.latent(samples, PERIOD), resist.latent(np.stack([samples] * 5), PERIOD)
    np.testing.assert_allclose(deep, flat, atol=2e-5)
    # A darker floor takes longer than the mean.
    dim = resist.latent(np.stack([1.1 * samples, samples, 0.9 * samples]), PERIOD)
    bright = flat > 0.1
    assert (dim < flat)[bright].mean() > 0.9
    # The fastest path is never slower than the one straight down, and a way round is faster.
    layers = np.stack([samples, 0.6 * samples, samples])
    front = resist.front(layers, PERIOD)[-1]
    down = resist.development.clearing_time(np.exp(-resist.deprotected(layers, PERIOD)))
    assert (front <= down * (1 + 1e-9)).all() and (front < 0.7 * down).any()


def test_compact_terms():
    period, shape = (300.0, 400.0), (12, 16)
    ripple, k2 = wave(shape, 2, 3)
    fine = wave((24, 32), 2, 3)[0]
    ky, kx = 2 * np.pi * 2 / 300, 2 * np.pi * 3 / 400
    s, w = 20.0, 90.0
    found = double(CompactResist(s, w, -0.2, 0.1, 0.05, 0.3)).latent(0.5 + 0.2 * ripple, period)
    blurred = 0.5 + 0.2 * np.exp(-0.5 * s**2 * k2) * fine
    slope2 = (0.2 * np.exp(-0.5 * s**2 * k2)) ** 2 * (ky**2 + kx**2) * (1 - fine**2)
    bend = -k2 * (blurred - 0.5)
    wide = 0.5 + 0.2 * np.exp(-0.5 * w**2 * k2) * fine
    np.testing.assert_allclose(found, blurred - 0.2 * s**2 * slope2 + 0.1 * s**2 * bend + 0.05 * wide, atol=1e-13)
    plain = double(CompactResist(s, w, threshold=0.3)).latent(image(shape), period)
    np.testing.assert_allclose(plain[::2, ::2], band.blurred(image(shape), period, s), atol=1e-13)


LEAVES = {
    "c": lambda r: r.c_cm2_mj,
    "quencher": lambda r: r.quencher,
    "dose": lambda r: r.dose_mj_cm2,
    "bake time": lambda r: r.bake.time_s,
    "acid": lambda r: r.bake.acid_nm2_s,
    "base": lambda r: r.bake.quencher_nm2_s,
    "neutralisation": lambda r: r.bake.neutralisation_per_s,
    "deprotection": lambda r: r.bake.deprotection_per_s,
    "order": lambda r: r.bake.order,
    "r_max": lambda r: r.development.r_max_nm_s,
    "r_min": lambda r: r.development.r_min_nm_s,
    "n": lambda r: r.development.n,
    "m_th": lambda r: r.development.m_th,
    "time": lambda r: r.development.time_s,
    "thickness": lambda r: r.development.thickness_nm,
}


def height(resist, samples):
    """How far a latent image of two layers is above the threshold, weighted: a number with every leaf in it."""
    xp = samples.__array_namespace__()
    latent = resist.latent(xp.stack([1.1 * samples, 0.9 * samples]), PERIOD)
    weight = np.random.default_rng(5).normal(size=latent.shape).astype(samples.dtype)
    return (weight * (latent - resist.threshold) ** 2).mean() * 100


@pytest.fixture(scope="module")
def slopes():
    """Reverse-mode derivatives in float32, by the resist and by the samples."""
    resist = replace(RESIST, bake=replace(BAKE, order=1.3, steps=4), pitch_nm=20.0)
    samples = jnp.asarray(image((8, 10)), jnp.float32)
    by = eqx.filter_jit(eqx.filter_grad(lambda args: height(*args)))((resist, samples))
    return double(resist), np.asarray(samples, float), by


@pytest.mark.parametrize("leaf", LEAVES)
def test_gradient_of_every_leaf(slopes, leaf):
    resist, samples, (by_resist, _) = slopes
    where = LEAVES[leaf]
    step = 1e-4 * where(resist)
    up, down = (height(eqx.tree_at(where, resist, where(resist) + s * step), samples) for s in (1, -1))
    expected = (up - down) / (2 * step)
    assert float(where(by_resist)) == pytest.approx(expected, rel=3e-3) and expected != 0


def test_gradient_in_the_image(slopes):
    resist, samples, (_, by_samples) = slopes
    direction = image((8, 10), 7) - 0.4
    up, down = (height(resist, samples + s * 1e-5 * direction) for s in (1, -1))
    assert float((np.asarray(by_samples) * direction).sum()) == pytest.approx((up - down) / 2e-5, rel=2e-3)


def test_single_precision_is_close_to_double():
    samples = image()
    found = jax.jit(lambda s: RESIST.latent(s, PERIOD))(jnp.asarray(samples, jnp.float32))
    np.testing.assert_allclose(found, double(RESIST).latent(samples, PERIOD), atol=5e-6)


@pytest.fixture(scope="module")
def krf():
    return load_setup("krf-dry")


def with_resist(setup, kind):
    data = dump(setup)
    return build(Process, data["process"] | {"resist": typical(kind, data["process"])})


@pytest.mark.parametrize("kind", KINDS)
def test_the_anchor_prints_on_size(krf, kind):
    process = anchored(replace(with_resist(krf, kind), corners=(Corner("n"), Corner("more", 1.1))))
    assert process.resist.anchored and anchored(process) is process
    grid = Grid((6, 1020), 2.0)
    imaging = prepare(process, grid)
    both = imaging.pixels(imaging.latent(jnp.asarray(coverage(lines(170, 340, grid.window_nm), grid))))
    start, end = np.array([[1020.0 - 169, 6.0]]), np.array([[1020.0 + 169, 6.0]])
    threshold = float(process.resist.threshold)
    width, wider = (cd(np.asarray(latent), grid, threshold, start, end, True)[0] for latent in both)
    # A tile of 2 um samples the source more coarsely than the anchor's own of 8 um.
    assert width == pytest.approx(170.0, abs=0.3) and 5 < wider - width < 25
    np.testing.assert_allclose(np.asarray(both[1] / both[0]), 1.1, rtol=2e-3 if kind == "threshold" else 10)
    # The file holds what was found.
    again = build(Process, dump(process), "again")
    assert again.resist.anchored and float(again.resist.threshold) == pytest.approx(threshold, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_envelope_is_that_of_all_corners(krf, kind):
    corners = (Corner("n"), Corner("-", 0.97, 150.0), Corner("+", 1.03, 150.0), Corner("h", 1.05))
    process = replace(with_resist(krf, kind), corners=corners)
    if kind == "chemistry":
        coarse = replace(process.resist, pitch_nm=20.0, bake=replace(process.resist.bake, steps=2))
        process = replace(process, resist=coarse)
    grid = Grid((34, 34), 20.0)
    imaging = prepare(process, grid)
    covered = jnp.asarray(coverage(lines(170, 340, grid.window_nm), grid))
    samples, nominal, low, high = eqx.filter_jit(lambda i, c: i.envelope(c))(imaging, covered)
    every = eqx.filter_jit(lambda i, c: i.latent(c))(imaging, covered)
    np.testing.assert_allclose(samples, every[0], atol=2e-6)
    images = np.asarray(imaging.pixels(every))
    np.testing.assert_allclose(nominal, images[0], atol=3e-6)
    if kind != "compact":
        np.testing.assert_allclose(low, images.min(0), atol=3e-6)
        np.testing.assert_allclose(high, images.max(0), atol=3e-6)
    # Dose goes in before the resist.
    aerial, latent = imaging.aerial(covered), jax.jit(lambda e: imaging.process.resist.latent(e, grid.period_nm))
    for seen, focus, dose in zip(every, imaging.focus_of, imaging.dose, strict=True):
        np.testing.assert_allclose(seen, latent(float(dose) * aerial[focus]), atol=1e-5)
    # Verification takes the same images, each (focus, dose) once.
    exposures, seen_by = _exposures(double(imaging.process), imaging.focus_of)
    assert len(exposures) == (2 if kind == "threshold" else 4) and len(seen_by) == 4
    for (place, factor), focus, dose in zip(seen_by, imaging.focus_of, imaging.dose, strict=True):
        assert exposures[place][0] == focus and exposures[place][1] * factor == pytest.approx(float(dose))


def test_verification_sees_the_dose(krf):
    process = with_resist(krf, "chemistry")
    process = replace(
        process, resist=replace(process.resist, pitch_nm=20.0, bake=replace(process.resist.bake, steps=2))
    )
    window = (0.0, 0.0, 680.0, 400.0)
    drawn = lines(170, 340, (-1700.0, -1800.0, 2380.0, 2200.0))

    def verified(*corners):
        made = replace(process, corners=corners)
        return verify(drawn, [drawn], made, window, pitch_nm=20.0, core_nm=1500.0, halo_nm=600.0)[0]

    more = Corner("more", 1.1)
    both, alone = verified(Corner("n"), more), verified(more)
    assert both.summary.mean_nm == pytest.approx(0, abs=1.0) and alone.summary.mean_nm > 4
    np.testing.assert_array_equal(both.outer, alone.inner)


@pytest.mark.slow
def test_correction_descends_through_the_chemistry(krf):
    process = with_resist(krf, "chemistry")
    process = replace(
        process,
        corners=(Corner("n"), Corner("more", 1.05)),
        resist=replace(process.resist, pitch_nm=20.0, bake=replace(process.resist.bake, steps=4)),
    )
    grid = Grid((34, 34), 20.0)
    imaging = prepare(process, grid, leading=8)
    target = coverage(lines(170, 340, grid.window_nm), grid)
    sites = np.array([[255.0, 200.0, 1.0, 0.0], [425.0, 340.0, -1.0, 0.0]])
    stage = ilt.Stage(20.0, 5, 0.1, 4.0, 20.0)
    recipe = ilt.Recipe((stage,), edge=100.0, blur_nm=30.0, refresh=5)
    goal = ilt.first_goal(imaging, target, sites, recipe, np.ones(grid.shape, bool))
    theta = jnp.asarray(target) - 0.45
    loss = eqx.filter_jit(jax.value_and_grad(ilt.loss))
    value, slope = loss(theta, goal)
    step = 0.01 * slope / jnp.abs(slope).max()
    lower, higher = (float(loss(theta - s * step, goal)[0]) for s in (1, -1))
    assert lower < value < higher
    assert (higher - lower) / 2 == pytest.approx(float((slope * step).sum()), rel=0.05)


def test_typical_resists(krf):
    data = dump(krf)["process"]
    assert typical("threshold", data) is data["resist"]
    arf = data | {"scanner": data["scanner"] | {"projector": {"wavelength_nm": 193.368, "na": 0.93}}}
    for process in (data, arf):
        for kind in KINDS[1:]:
            made = build(Process, process | {"resist": typical(kind, process)}).resist
            assert made.kind == kind and not made.anchored
    assert typical("chemistry", arf) != typical("chemistry", data)
    with pytest.raises(ConfigError, match="no typical chemistry resist"):
        typical("chemistry", data | {"scanner": {"projector": {"wavelength_nm": 157.6}}})
    with pytest.raises(ConfigError, match=r"needs process\.resist\.anchor"):
        typical("compact", data | {"resist": {"kind": "threshold", "threshold": 0.3}})


def test_wrong_resists():
    with pytest.raises(ValueError, match="dose_mj_cm2 or an anchor"):
        ChemicalResist(BAKE, DEVELOPMENT, 0.05)
    with pytest.raises(ValueError, match="threshold or an anchor"):
        CompactResist(20.0, 100.0)
    with pytest.raises(ValueError, match="no dose clears"):
        replace(RESIST, bake=replace(BAKE, deprotection_per_s=1e-4))
    with pytest.raises(ValueError, match=r"must lie between r_min and r_min \+ r_max"):
        Development(5.0, 0.05, 5.0, 0.5, 60.0, 400.0)
    with pytest.raises(ConfigError, match=r"resist\.kind = .*did you mean chemistry"):
        build(Process, dump(load_setup("krf-dry"))["process"] | {"resist": {"kind": "chemistri"}})
    unreachable = replace(RESIST, dose_mj_cm2=None, anchor=DenseLine(170.0, 340.0))
    with pytest.raises(NumericalError, match="no dose up to 100 times"):
        unreachable.on_size(lambda resist: 0.0)
