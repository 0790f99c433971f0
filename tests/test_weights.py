"""Weights and training states on disk: read back bit for bit, refused when they are not whole or not ours."""

import json
import pickle
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save

from actinic import learn
from actinic.errors import InputError, MissingError

CARD = {"model": "test", "data": "none"}


class Net(eqx.Module):
    layers: list
    scale: jax.Array
    name: str = eqx.field(static=True, default="net")


def net(seed=0, width=3):
    keys = jax.random.split(jax.random.PRNGKey(seed), 2)
    return Net([eqx.nn.Linear(2, width, key=keys[0]), eqx.nn.Linear(width, 1, key=keys[1])], jnp.float32(seed))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    return path, learn.save_weights(path, net(1), CARD)


def test_weights_come_back_bit_for_bit(saved):
    path, digest = saved
    found = learn.load_weights(path, net(2), digest)
    assert eqx.tree_equal(found, net(1))
    assert learn.read_card(path)["sha256"] == digest
    assert learn.read_card(path)["bytes"] == path.stat().st_size


def test_arrays_of_numpy_keep_their_precision(tmp_path):
    state = {"mean": np.arange(3) / 3, "n": np.int64(2**40)}
    learn.save_state(tmp_path / "state.safetensors", state, {})
    again = learn.load_state(tmp_path / "state.safetensors", {"mean": np.zeros(3), "n": np.int64(0)}, {})
    assert again["mean"].dtype == np.float64 and (again["mean"] == state["mean"]).all() and again["n"] == 2**40


def test_the_same_weights_are_the_same_bytes(saved, tmp_path):
    assert learn.save_weights(tmp_path / "again.safetensors", net(1), CARD) == saved[1]


def test_every_flipped_bit_is_refused(saved):
    path, _ = saved
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << place % 8
        path.write_bytes(spoilt)
        with pytest.raises(InputError, match="SHA-256"):
            learn.load_weights(path, net())
        with pytest.raises(InputError):  # without the card's hash too
            learn.checked(learn.unpack(bytes(spoilt), path)[0], net(), path)


@pytest.mark.parametrize("length", [0, 4, 8, 60, -1])
def test_a_cut_file_is_refused(saved, length):
    path, _ = saved
    with pytest.raises(InputError, match="no whole safetensors file"):
        learn.unpack(path.read_bytes()[:length], path)


def test_foreign_files_are_refused(saved, tmp_path):
    path, _ = saved
    with pytest.raises(InputError, match="not written by Actinic"):
        learn.unpack(save({"a": np.zeros(3)}), path)
    with pytest.raises(InputError, match=r"SHA-256 .* not 0000"):
        learn.load_weights(path, net(), 64 * "0")
    with pytest.raises(InputError, match="cannot be read"):
        learn.load_weights(tmp_path / "none.safetensors", net())
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(InputError, match="gives no sha256"):
        learn.load_weights(path, net())


def test_another_model_is_refused_by_name_shape_and_type(saved):
    path, _ = saved
    with pytest.raises(InputError, match=r"layers\.0\.weight is float32 \(3, 2\), this model's is float32 \(4, 2\)"):
        learn.load_weights(path, net(width=4))
    with pytest.raises(InputError, match=r"has no array 0\.layers"):
        learn.load_weights(path, (net(),))
    with pytest.raises(InputError, match="has an array layers"):
        learn.load_weights(path, {"scale": jnp.float32(0)})
    with pytest.raises(InputError, match="scale is float32"):
        learn.load_weights(path, eqx.tree_at(lambda n: n.scale, net(), jnp.int32(0)))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    learn.save_weights(path, eqx.tree_at(lambda n: n.scale, net(), jnp.float32(jnp.nan)), CARD)
    with pytest.raises(InputError, match="scale holds numbers that are not finite"):
        learn.load_weights(path, net())


def test_a_state_goes_on_only_with_the_training_it_is_of(tmp_path):
    path, state = tmp_path / "state.safetensors", (net(3), {"step": jnp.int32(7), "key": jax.random.PRNGKey(5)})
    learn.save_state(path, state, {"rate": 0.1, "seed": 3})
    again = learn.load_state(
        path, (net(), {"step": jnp.int32(0), "key": jax.random.PRNGKey(0)}), {"rate": 0.1, "seed": 3}
    )
    assert eqx.tree_equal(again, state)
    with pytest.raises(InputError, match="of a training with another seed"):
        learn.load_state(path, state, {"rate": 0.1, "seed": 4})
    spoilt = bytearray(path.read_bytes())
    spoilt[-2] ^= 64
    path.write_bytes(spoilt)
    with pytest.raises(InputError, match="does not hold what it was written with"):
        learn.load_state(path, state, {"rate": 0.1, "seed": 3})


def test_a_pickle_is_not_run(tmp_path):
    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "net.safetensors"
    path.write_bytes(pickle.dumps(Bad()))
    path.with_suffix(".json").write_text(json.dumps({"sha256": 64 * "0"}))
    with pytest.raises(InputError):
        learn.load_weights(path, net())
    with pytest.raises(InputError):
        learn.unpack(path.read_bytes(), path)
    assert not (tmp_path / "ran").exists()


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingError, match=r"actinic\[learn\]"):
        learn.pack({}, {})
