"""Derivatives: forward against reverse mode, and both against finite differences, float64 where there is a choice."""

import functools
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actinic.design import ilt
from actinic.forward import Corner, Process, prepare
from actinic.layout import coverage, lines
from actinic.mask import AttenuatedPSM, Binary
from actinic.optics import Annular, Projector, Scanner, band, coherent_systems
from actinic.resist import ThresholdResist
from actinic.types import Grid, double

GRID = Grid((32, 40), 20.0)
LOSS = eqx.filter_jit(ilt.loss)
GRADIENT = eqx.filter_jit(jax.grad(ilt.loss))
CORNERS = (Corner("n"), Corner("-", 0.97, 120.0), Corner("+", 1.03))


@functools.cache
def imaging(leading=32, phase_deg=None):
    mask = Binary() if phase_deg is None else AttenuatedPSM(0.06, phase_deg)
    machine = Scanner(Projector(248.0, 0.7, 1.0, {"Z7": 5.0, "Z9": 8.0}), Annular(0.5, 0.8))
    resist = ThresholdResist(diffusion_nm=25.0, threshold=0.3)
    return prepare(Process(machine, mask, resist, CORNERS), GRID, leading=leading)


def field(seed, shape=GRID.shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def smooth(seed):
    return band.blurred(field(seed), GRID.period_nm, 40.0) * 8


def goal(sharp=False, rest=False):
    image = imaging(leading=6)
    stage = ilt.Stage(20.0, 10, 0.1, 4.0, 20.0, sharp)
    recipe = ilt.Recipe((stage,), area=0.5, band=0.7, edge=100.0, limit=30.0, rules=2.0, blur_nm=30.0)
    target = jnp.asarray(coverage(lines(160, 400, GRID.window_nm), GRID))
    x, y = np.array([120.0, 280.0, 520.0]), np.array([100.0, 333.0, 500.0])
    sites = np.stack([x, y, np.ones(3), np.zeros(3)], 1)
    made = ilt.first_goal(image, target, sites, recipe, np.ones(GRID.shape, bool))
    made = replace(made, held=ilt.Held(made.target, 1 - made.target))
    return replace(made, rest=image.tail_image(ilt.covered(smooth(9), made))) if rest else made


def dot_test(function, at, seed=1):
    """<u, J v> from forward mode and <J^T u, v> from reverse mode."""
    out, forward = jax.linearize(function, at)
    _, back = jax.vjp(function, at)
    v = field(seed)
    u = jnp.asarray(np.random.default_rng(seed + 1).normal(size=out.shape), jnp.float32)
    a = np.vdot(np.asarray(u, float), np.asarray(forward(v), float))
    b = np.vdot(np.asarray(back(u)[0], float), np.asarray(v, float))
    return a, b, np.linalg.norm(u) * np.linalg.norm(forward(v))


def difference(function, at, direction, step):
    """Central, fourth order."""
    one, two = (float(function(at + s * direction)) - float(function(at - s * direction)) for s in (step, 2 * step))
    return (8 * one - two) / (12 * step)


@pytest.mark.parametrize("phase_deg", [None, 170.0], ids=["binary", "attpsm"])
def test_latent_forward_and_reverse_agree(phase_deg):
    image = imaging(phase_deg=phase_deg)
    a, b, size = dot_test(jax.jit(lambda c: image.latent(c)), jax.nn.sigmoid(field(0)))
    assert abs(a - b) < 1e-6 * size


def test_latent_against_finite_differences():
    # Quadratic in the coverage: a central difference of any step is exact but for rounding.
    image, at, v = imaging(), jax.nn.sigmoid(field(0)), field(1)
    latent = jax.jit(lambda c: image.latent(c))
    exact, found = jax.jvp(latent, (at,), (v,))[1], (latent(at + v) - latent(at - v)) / 2
    np.testing.assert_allclose(exact, found, atol=1e-5 * float(jnp.abs(exact).max()))


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("rest", [False, True])
def test_loss_against_finite_differences(sharp, rest):
    wanted, theta = goal(sharp, rest), smooth(2)
    gradient = GRADIENT(theta, wanted)
    assert np.isfinite(gradient).all()
    # Along the gradient itself and along a smooth random field, where float32 leaves enough digits.
    for direction in (gradient / jnp.linalg.norm(gradient), smooth(3) / jnp.linalg.norm(smooth(3))):
        exact = np.vdot(np.asarray(gradient, float), np.asarray(direction, float))
        found = difference(lambda t: LOSS(t, wanted), theta, direction, 0.1 if sharp else 0.4)
        assert exact == pytest.approx(found, rel=3e-3 if sharp else 1e-3, abs=1e-4 * float(jnp.linalg.norm(gradient)))


@pytest.mark.parametrize("sharp", [False, True])
def test_loss_forward_and_reverse_agree(sharp):
    wanted, theta = goal(sharp), smooth(2)
    direction = smooth(3)
    forward = jax.jvp(jax.jit(lambda t: ilt.loss(t, wanted)), (theta,), (direction,))[1]
    gradient = GRADIENT(theta, wanted)
    scale = float(jnp.linalg.norm(gradient) * jnp.linalg.norm(direction))
    assert abs(float(forward) - float(jnp.vdot(gradient, direction))) < 1e-5 * scale


def test_a_closed_mask_pixel_has_no_gradient():
    wanted = goal()
    free = jnp.ones(GRID.shape, bool).at[:, :7].set(False)
    wanted = replace(wanted, free=free, recipe=replace(wanted.recipe, blur_nm=0.0))
    gradient = GRADIENT(smooth(2), wanted)
    assert (gradient[:, :7] == 0).all() and (gradient[:, 7:] != 0).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("threshold", lambda i: i.process.resist.threshold),
        ("diffusion", lambda i: i.process.resist.diffusion_nm),
        ("dose", lambda i: i.dose),
    ],
)
def test_resist_and_dose_have_gradients(name, where):
    wanted, theta = goal(), smooth(2)

    def loss(leaf):
        image = eqx.tree_at(where, wanted.imaging, leaf)
        return ilt.loss(theta, replace(wanted, imaging=image))

    leaf = where(wanted.imaging)
    gradient = np.asarray(jax.jit(jax.grad(loss))(leaf), float)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    step = 0.02 * float(jnp.max(leaf))
    change = jnp.asarray(np.random.default_rng(0).normal(size=leaf.shape), jnp.float32)
    found = difference(jax.jit(loss), leaf, change, step)
    assert np.vdot(gradient, change) == pytest.approx(found, rel=5e-3)


def contrast(systems, weights):
    """A number that every phase of the systems bears on: weighted intensity behind a fixed mask, (y, x)."""
    rng = np.random.default_rng(0)
    shape = systems.shape[1:]
    mask = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(systems.dtype)
    return (band.intensity(systems, mask, (24, 24)) * weights).sum()


@pytest.mark.parametrize("leaf", ["focus", "Z5", "Z7", "Z9", "weights", "wavelength", "index"])
def test_systems_have_gradients_in_the_machine(leaf):
    period = (800.0, 900.0)
    base = double(Scanner(Projector(248.0, 0.7, 1.2, {"Z5": 3.0, "Z7": 5.0, "Z9": 8.0}), Annular(0.5, 0.8)))
    points, light = base.source_points(period)
    orders = base.orders(period, points)
    weights = np.random.default_rng(1).normal(size=(24, 24))
    tilt = np.random.default_rng(2).random(len(light))

    def value(x, kind):
        lens, focus, bright = base.projector, kind(60.0), kind(light)
        xp = jnp if kind is as_jax else np
        if leaf == "focus":
            focus = focus + x
        elif leaf == "weights":
            bright = bright * (1 + x * kind(tilt))
        elif leaf == "index":
            lens = eqx.tree_at(lambda p: p.immersion_index, lens, lens.immersion_index + x)
        elif leaf == "wavelength":
            # The aperture in 1/nm is kept, so that no order crosses the rim.
            lens = eqx.tree_at(
                lambda p: (p.wavelength_nm, p.na), lens, (lens.wavelength_nm * (1 + x), lens.na * (1 + x))
            )
        else:
            lens = eqx.tree_at(lambda p: p.zernikes_nm[leaf], lens, lens.zernikes_nm[leaf] + x)
        lens = jax.tree.map(kind, lens)
        return contrast(coherent_systems(lens, kind(points), bright, period, orders, focus), xp.asarray(kind(weights)))

    step = 1e-3 if leaf in ("focus", "Z5", "Z7", "Z9") else 1e-5
    found = (value(step, np.float64) - value(-step, np.float64)) / (2 * step)
    exact = jax.grad(lambda x: value(x, as_jax))(jnp.float32(0))
    assert abs(found) > 1e-4 and float(exact) == pytest.approx(found, rel=1e-3)


def as_jax(value):
    return jnp.asarray(value, jnp.float32)
