"""One loop for every network: descends, keeps its state so that it can be killed, spreads a batch over devices.

A batch is a function of the step's number, and so is the chance in a loss; what a step does depends on nothing else but
the state before it. So a training that was killed goes on from its last state to the same bits.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..errors import ConfigError, NumericalError
from ..inverse import Adam
from .weights import load_state, save_state


@dataclass(frozen=True)
class Training:
    """How long and how fast: `rate` falls along a cosine to nought at the last step; `average` is the weights' memory.

    What comes out is the average of the weights over about 1 / (1 - average) steps. `keep` steps lie between states
    that are kept.
    """

    steps: int
    batch: int
    rate: float = 1e-3
    average: float = 0.999
    warm_up: int = 100
    seed: int = 0
    keep: int = 250


class State(eqx.Module):
    """Everything the next step depends on, and the loss of every step so far."""

    model: Any
    average: Any
    memory: Any
    step: jax.Array
    losses: jax.Array


def train(
    loss: Callable[[Any, Any, jax.Array], jax.Array],
    model: Any,
    batches: Callable[[int], Any],
    settings: Training,
    *,
    kept: Path | None = None,
    about: dict[str, Any] | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[Any, np.ndarray]:
    """The averaged model and the loss of each step.

    `loss(model, batch, key)` is a mean over the batch; `batches(step)` gives arrays whose first axis is split over all
    devices, the model is on each of them. With `kept` the state is written there every so often, and a training that
    finds one of the same `about` and settings goes on from it. ConfigError where the devices do not divide the batch,
    NumericalError where the loss is not finite.
    """
    devices = jax.devices()
    if settings.batch % len(devices):
        raise ConfigError(
            f"a batch of {settings.batch} cannot be split over {len(devices)} devices: change one of them"
        )
    mesh = Mesh(np.array(devices), ("batch",))
    split, whole = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    transform = Adam(1.0).transform()
    weights, rest = eqx.partition(model, eqx.is_inexact_array)
    zero = jnp.zeros(settings.steps, jnp.float32)
    with jax.numpy_dtype_promotion("standard"):
        memory = transform.init(weights)
    state = State(weights, weights, memory, jnp.int32(0), zero)
    asked = {**(about or {}), "training": asdict(settings)}
    if kept is not None and kept.exists():
        state = load_state(kept, state, asked)
    state = jax.device_put(state, whole)
    key = jax.random.PRNGKey(settings.seed)

    @eqx.filter_jit
    def advance(state, batch):
        def objective(weights):
            return loss(eqx.combine(weights, rest), batch, jax.random.fold_in(key, state.step))

        value, slope = jax.value_and_grad(objective)(state.model)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # inside Optax
            moves, memory = transform.update(slope, state.memory, state.model)
        rate = _rate(state.step.astype(jnp.float32), settings)
        model = jax.tree.map(lambda w, move: w + rate * move, state.model, moves)
        # A short memory at the beginning: the first weights are worth nothing.
        taken = state.step.astype(jnp.float32)
        share = jnp.minimum(settings.average, (1 + taken) / (10 + taken))
        average = jax.tree.map(lambda a, w: a + (1 - share) * (w - a), state.average, model)
        return State(model, average, memory, state.step + 1, state.losses.at[state.step].set(value))

    for step in range(int(state.step), settings.steps):
        state = advance(state, jax.device_put(batches(step), split))
        if (step + 1) % settings.keep == 0 or step + 1 == settings.steps:
            if not np.isfinite(state.losses[step]):
                raise NumericalError(f"training: the loss is not finite at step {step + 1}; lower the rate")
            if kept is not None:
                save_state(kept, state, asked)
            progress("steps", step + 1, settings.steps)
    return eqx.combine(state.average, rest), np.asarray(state.losses)


def _rate(step, settings: Training):
    warm = jnp.minimum((step + 1) / settings.warm_up, 1.0)
    return settings.rate * warm * 0.5 * (1 + jnp.cos(jnp.pi * step / settings.steps))
