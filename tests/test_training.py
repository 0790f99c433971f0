"""Training: killed and resumed to the same bits, on two devices as on one."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import jax
import numpy as np
import pytest

from actinic.errors import ConfigError, InputError, NumericalError
from actinic.learn import Training, train

# A small network and what it learns; its state, weights and losses go to the folder named first.
SCRIPT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    import equinox as eqx, jax, jax.numpy as jnp, numpy as np
    from actinic.learn import Training, save_weights, train

    def batches(step):
        x = np.random.default_rng(step).normal(size=(8, 4)).astype(np.float32)
        time.sleep(float(sys.argv[2]))
        return x, np.sin(x.sum(1))

    def loss(model, batch, key):
        x, y = batch
        shaken = x + 0.1 * jax.random.normal(key, x.shape)
        return jnp.mean((jax.vmap(model)(shaken)[:, 0] - y) ** 2)

    folder = Path(sys.argv[1])
    model = eqx.nn.MLP(4, 1, 16, 2, key=jax.random.PRNGKey(0))
    settings = Training(120, 8, 1e-2, keep=5, warm_up=10)
    model, losses = train(loss, model, batches, settings, kept=folder / "state.safetensors")
    save_weights(folder / "net.safetensors", model, {"model": "test", "devices": len(jax.devices())})
    np.save(folder / "losses.npy", losses)
""")


def start(folder, pause=0.0, devices=1) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    flags = f"--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(pause)], env={**os.environ, "XLA_FLAGS": flags}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert start(folder).wait() == 0
    return folder


def test_a_killed_training_goes_on_to_the_same_bits(whole, tmp_path):
    folder = tmp_path / "killed"
    process = start(folder, pause=0.05)
    try:
        while not (folder / "state.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (folder / "net.safetensors").exists()
    assert start(folder).wait() == 0
    for name in ("net.safetensors", "state.safetensors", "losses.npy"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def test_two_devices_learn_what_one_does(whole, tmp_path):
    folder = tmp_path / "two"
    assert start(folder, devices=2).wait() == 0
    assert '"devices": 2' in (folder / "net.json").read_text()
    one, two = (np.load(part / "losses.npy") for part in (whole, folder))
    assert two == pytest.approx(one, rel=2e-4)
    assert one[-20:].mean() < 0.8 * one[:20].mean()


def batch(step):
    return np.ones((2, 1), np.float32)


def square(model, batch, key):
    return ((model["w"] * batch) ** 2).mean()


def test_the_state_belongs_to_its_settings(tmp_path):
    model, kept = {"w": jax.numpy.ones((1, 1))}, tmp_path / "state.safetensors"
    found, losses = train(square, model, batch, Training(4, 2), kept=kept)
    assert losses.shape == (4,) and float(found["w"][0, 0]) < 1
    with pytest.raises(InputError, match="another training"):
        train(square, model, batch, Training(4, 2, seed=1), kept=kept)


def test_a_loss_that_is_not_finite_ends_it():
    with pytest.raises(NumericalError, match="lower the rate"):
        train(lambda m, b, k: jax.numpy.log(-square(m, b, k)), {"w": jax.numpy.ones((1, 1))}, batch, Training(2, 2))


def test_a_batch_must_suit_the_devices(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: [None] * 3)
    with pytest.raises(ConfigError, match="batch of 2 cannot be split over 3 devices"):
        train(square, {"w": jax.numpy.ones((1, 1))}, batch, Training(2, 2))
