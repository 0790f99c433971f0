"""The two inverse verbs on problems without physics: Rosenbrock's valley, straight lines, known noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actinic.errors import ConfigError, NumericalError
from actinic.inverse import LBFGS, Adam, Result, fit, minimise

START = jnp.array([-1.2, 1.0], jnp.float32)


def rosenbrock(p, args):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def bowl(p, centre):
    return jnp.sum((p["a"] - centre) ** 2) + jnp.sum(p["b"] ** 2)


@pytest.mark.parametrize(("method", "steps", "near"), [(Adam(0.02), 4000, 2e-2), (LBFGS(), 60, 1e-3)])
def test_rosenbrock(method, steps, near):
    found = minimise(rosenbrock, START, method=method, steps=steps)
    np.testing.assert_allclose(found.value, 1.0, atol=near)
    assert found.history[0] == pytest.approx(24.2, rel=1e-5) and found.history[-1] < 1e-4
    assert found.steps == len(found.history) <= steps


def test_it_says_how_it_ended():
    few = minimise(rosenbrock, START, steps=5)
    assert few.result is Result.STEPS_USED and few.steps == 5 and few.history.shape == (5,)
    done = minimise(rosenbrock, START, method=LBFGS(), steps=200, gtol=1e-2)
    assert done.result is Result.CONVERGED and done.steps < 100
    assert jnp.abs(jax.grad(rosenbrock)(done.value, None)).max() <= 1e-2
    already = minimise(rosenbrock, jnp.ones(2), steps=5, gtol=1e-6)
    assert already.result is Result.CONVERGED and already.steps == 1
    np.testing.assert_array_equal(already.value, 1.0)


@pytest.mark.parametrize("method", [Adam(1.0), LBFGS()])
def test_a_start_without_a_finite_loss_is_kept(method):
    broken = minimise(lambda p, args: jnp.sum(jnp.log(p)), jnp.array([-1.0]), method=method, steps=20)
    assert broken.result is Result.NOT_FINITE and broken.steps == 1
    np.testing.assert_array_equal(broken.value, -1.0)


def test_a_step_over_the_cliff_is_told():
    # Steps of .1 lead from .25 to .05 and below zero, where there is no root.
    found = minimise(lambda p, args: jnp.sum(jnp.sqrt(p)), jnp.array([0.25]), method=Adam(0.1), steps=20)
    assert found.result is Result.NOT_FINITE and found.steps == 4
    assert np.isfinite(found.value).all() and np.isfinite(found.history[:-1]).all()
    assert not np.isfinite(found.history[-1])


@pytest.mark.parametrize(("method", "steps"), [(Adam(0.05), 30), (LBFGS(5), 10)])
def test_a_solve_goes_on_exactly_where_it_stopped(method, steps):
    whole = minimise(rosenbrock, START, method=method, steps=2 * steps)
    half = minimise(rosenbrock, START, method=method, steps=steps)
    rest = minimise(rosenbrock, half.value, method=method, steps=steps, state=half.state)
    np.testing.assert_array_equal(rest.value, whole.value)
    np.testing.assert_array_equal(np.r_[half.history, rest.history], whole.history)
    fresh = minimise(rosenbrock, half.value, method=method, steps=steps)
    assert not np.array_equal(fresh.value, whole.value)


def test_new_numbers_do_not_compile_anew():
    traces = []

    def loss(p, args):
        traces.append(0)
        return bowl(p, args)

    start = {"a": jnp.zeros(3), "b": jnp.ones(())}
    first = minimise(loss, start, jnp.array(2.0), method=Adam(jnp.array(0.1)), steps=300)
    count = len(traces)
    second = minimise(loss, start, jnp.array(-1.0), method=Adam(jnp.array(0.05)), steps=300)
    assert len(traces) == count
    np.testing.assert_allclose(first.value["a"], 2.0, atol=1e-3)
    np.testing.assert_allclose(second.value["a"], -1.0, atol=1e-3)
    np.testing.assert_allclose(second.value["b"], 0.0, atol=1e-3)


X = np.linspace(-1, 2, 25)
TRUE = np.array([1.5, -0.7, 0.3])
DESIGN = np.stack([np.ones_like(X), X, X**2], 1)


def noisy(seed, sigma=0.1):
    data = DESIGN @ TRUE + sigma * np.random.default_rng(seed).normal(size=X.size)
    return lambda p: (DESIGN @ p - data) / sigma


@pytest.mark.parametrize("known", [True, False])
def test_intervals_hold_the_truth_as_often_as_they_say(known):
    # Student's t for 22 degrees of freedom where the noise is estimated.
    reach = 1.960 if known else 2.074
    held, drawn = [], []
    for seed in range(200):
        found = fit(noisy(seed), np.zeros(3), known_noise=known)
        held.append(np.abs(found.value - TRUE) < reach * found.sigma)
        drawn.append(found.value)
    assert 0.92 <= np.mean(held) <= 0.98
    truth = 0.1**2 * np.linalg.inv(DESIGN.T @ DESIGN)
    np.testing.assert_allclose(np.cov(np.transpose(drawn)), truth, atol=0.3 * truth.max())
    if known:
        np.testing.assert_allclose(found.covariance, truth, rtol=1e-6)


def test_unknown_noise_is_estimated():
    wrong = [fit(lambda p, s=seed: 10 * noisy(s)(p), np.zeros(3)) for seed in range(20)]
    right = [fit(noisy(seed), np.zeros(3)) for seed in range(20)]
    for a, b in zip(wrong, right, strict=True):
        np.testing.assert_allclose(a.value, b.value, atol=1e-8)
        np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-6)


def test_bounds_hold_and_are_told():
    low, high = np.array([-9.0, -0.5, -9.0]), np.full(3, 9.0)
    found = fit(noisy(0), np.zeros(3), bounds=(low, high))
    assert found.at_bound.tolist() == [False, True, False] and found.value[1] == pytest.approx(-0.5, abs=1e-9)
    assert found.sigma[1] == 0 and (found.sigma[[0, 2]] > 0).all() and found.rank == 2
    data = DESIGN @ TRUE + 0.1 * np.random.default_rng(0).normal(size=X.size) + 0.5 * X
    truth = np.linalg.lstsq(DESIGN[:, [0, 2]], data, rcond=None)[0]
    np.testing.assert_allclose(found.value[[0, 2]], truth, atol=1e-6)
    free = fit(noisy(0), np.zeros(3), bounds=(np.full(3, -9.0), high))
    assert not free.at_bound.any() and free.rank == 3


def test_flyers_do_not_pull_a_robust_fit():
    clean = noisy(3)
    flyer = np.zeros(X.size)
    flyer[[2, 11, 20]] = 80.0
    plain, robust = (fit(lambda p: clean(p) + flyer, np.zeros(3), robust_at=at) for at in (None, 1.5))
    honest = fit(clean, np.zeros(3), known_noise=True)
    assert (np.abs(robust.value - honest.value) < 2 * honest.sigma).all()
    assert np.abs(plain.value - honest.value).max() > 5 * honest.sigma.max()
    # The residuals handed back are the data's, not the loss's.
    assert robust.residuals[11] > 70


def test_undetermined_parameters_have_infinite_variance():
    def residuals(p):
        # Only the sum of the first two counts; the fourth counts nowhere.
        return (p[0] + p[1]) * np.ones(8) + p[2] * np.arange(8) - (2 + 0.5 * np.arange(8))

    found = fit(residuals, np.zeros(4), known_noise=True)
    assert found.rank == 2 and found.value[0] + found.value[1] == pytest.approx(2, abs=1e-8)
    assert found.value[2] == pytest.approx(0.5, abs=1e-8)
    assert np.isinf(found.sigma).tolist() == [True, True, False, True]
    alone = fit(lambda p: residuals(np.r_[p[0], 0, p[1], 0]), np.zeros(2), known_noise=True)
    assert found.sigma[2] == pytest.approx(alone.sigma[1], rel=1e-6)


def test_every_parameter_at_its_bound():
    found = fit(lambda p: p - np.array([5.0, 6.0, 7.0]), np.zeros(3), bounds=(-np.ones(3), np.ones(3)))
    assert found.at_bound.all() and found.rank == 0
    np.testing.assert_array_equal(found.covariance, 0)


def test_a_curved_problem_with_its_own_jacobian():
    t = np.linspace(0, 4, 40)
    data = 3 * np.exp(-0.8 * t)

    def residuals(p):
        return p[0] * np.exp(-p[1] * t) - data

    def jacobian(p):
        return np.stack([np.exp(-p[1] * t), -p[0] * t * np.exp(-p[1] * t)], 1)

    for jac in (None, jacobian):
        found = fit(residuals, np.array([1.0, 0.3]), jacobian=jac)
        np.testing.assert_allclose(found.value, [3.0, 0.8], atol=1e-6)


@pytest.mark.parametrize(
    ("residuals", "start", "message"),
    [
        (lambda p: np.array([np.nan, 1.0]), [0.0], "not finite"),
        (lambda p: np.array([1.0]), [0.0, 1.0], "cannot determine"),
        (lambda p: np.log(0.5 - p) * np.ones(3), [0.6], "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_errors(residuals, start, message):
    with pytest.raises(NumericalError, match=message):
        fit(residuals, np.array(start))


def test_a_start_outside_its_bounds_is_an_error_that_says_which():
    with pytest.raises(ConfigError, match="parameter 1"):
        fit(lambda p: p, np.array([0.0, 3.0]), bounds=(np.zeros(2) - 1, np.ones(2)))
