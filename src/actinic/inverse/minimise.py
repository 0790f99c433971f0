"""Minimise a smooth loss over many parameters; knows no physics.

The step is compiled once for a given loss, method and shapes; the loop runs inside it and the outcome
is data. A method is anything that offers Optax's `init` and `update`.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class Result(Enum):
    """How a solve ended; the value is the sentence shown to the user."""

    STEPS_USED = "all steps used"
    CONVERGED = "the gradient fell below the tolerance"
    NOT_FINITE = "the loss or its gradient stopped being finite; the last finite parameters are kept"


class Outcome(eqx.Module):
    """Parameters found, the loss at the start of every step taken, and how it ended.

    `state` is the method's memory; handed to the next call it goes on where this one stopped.
    """

    value: Any
    state: Any
    history: jax.Array
    steps: int
    result: Result = eqx.field(static=True)


class Adam(eqx.Module):
    """Adam with a floor under the second moment, so that dead parameters stay where they are."""

    step: float = 0.1
    floor: float = 1e-8

    def transform(self):
        return optax.adam(self.step, eps=self.floor)


class LBFGS(eqx.Module):
    """Limited-memory BFGS with a zoom line search (Nocedal and Wright, alg. 3.5 and 7.4)."""

    memory: int = eqx.field(static=True, default=10)

    def transform(self):
        return optax.lbfgs(memory_size=self.memory)


def minimise(
    loss: Callable, start: Any, args: Any = None, *, method=None, steps: int = 100, gtol: float = 0.0, state=None
) -> Outcome:
    """Minimise `loss(parameters, args)` from `start` in at most `steps` steps.

    `parameters` is any tree of float arrays. `args` may change between calls of the same shapes without a
    new compilation, and so may the numbers inside `method`. Stops early when the largest gradient entry is at
    most `gtol`, or when loss or gradient is not finite, keeping the last finite parameters.
    """
    method = method or Adam()
    state = method.transform().init(start) if state is None else state
    value, state, history, count, finite, small = _run(loss, start, args, method, steps, jnp.asarray(gtol), state)
    taken = int(count)
    result = Result.NOT_FINITE if not finite else Result.CONVERGED if small else Result.STEPS_USED
    return Outcome(value, state, history[:taken], taken, result)


@eqx.filter_jit
def _run(loss, start, args, method, steps, gtol, state):
    transform = method.transform()

    def objective(value):
        return loss(value, args)

    stateful = isinstance(method, LBFGS)
    value_and_grad = optax.value_and_grad_from_state(objective) if stateful else jax.value_and_grad(objective)

    def body(carry):
        value, state, history, count, _, _ = carry
        current, grad = value_and_grad(value, state=state) if stateful else value_and_grad(value)
        size = jnp.max(jnp.stack([jnp.max(jnp.abs(g)) for g in jax.tree.leaves(grad)]))
        finite = jnp.isfinite(current) & jnp.isfinite(size)
        small = size <= gtol
        extra = {"value": current, "grad": grad, "value_fn": objective} if stateful else {}
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # inside Optax
            updates, new_state = transform.update(grad, state, value, **extra)
            moved = optax.apply_updates(value, updates)
        go = finite & ~small
        value = jax.tree.map(lambda new, old: jnp.where(go, new, old), moved, value)
        return value, new_state, history.at[count].set(current), count + 1, finite, small

    def unfinished(carry):
        _, _, _, count, finite, small = carry
        return (count < steps) & finite & ~small

    carry = (start, state, jnp.zeros(steps), 0, jnp.array(True), jnp.array(False))
    value, state, history, count, finite, small = jax.lax.while_loop(unfinished, body, carry)
    return value, state, history, count, finite, small
