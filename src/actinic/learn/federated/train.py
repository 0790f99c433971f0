"""A site's own training between two rounds, and the same on data that lie in one place."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import NumericalError
from .task import Arrays, Recipe, Task, flat, shaped

# So many rounds' steps fit a head to what was learnt together.
SETTLE = 3


def descend(
    task: Task,
    parts: tuple[Arrays, Arrays],
    examples: Any,
    steps: int,
    random: np.random.Generator,
    *,
    proximal: float = 0.0,
    noise: float = 0.0,
) -> tuple[Arrays, Arrays]:
    """Shared part and head after so many steps on one site's examples.

    `proximal` draws the shared part back to where it started (FedProx: Li et al. 2020). With `noise`, a multiplier of
    the recipe's `clip`, every step is that of DP-SGD, the head's numbers included: the shared part depends on them.
    """
    shared, head = parts
    first, free = flat(shared), np.r_[np.ones(flat(shared).size), np.zeros(flat(head).size)]
    p = flat(shared, head)
    anchor, speed = np.r_[first, np.zeros(p.size - first.size)], np.zeros_like(p)
    for _ in range(steps):
        now = shaped(p, shared, head)
        total = _summed(task, now[0], now[1], examples, random, noise)
        slope = total / (task.recipe.batch * len(examples)) + proximal * free * (p - anchor)
        p, speed = _moved(p, speed, slope, task.recipe)
    found = shaped(p, shared, head)
    return found[0], found[1]


def settle(task: Task, parts: tuple[Arrays, Arrays], examples: Any, steps: int, random) -> Arrays:
    """The head fitted to a shared part that stays as it is. Nothing of it leaves the site, so it needs no noise."""
    shared, head = parts
    fixed, p = flat(shared), flat(head)
    speed = np.zeros_like(p)
    for _ in range(steps if p.size else 0):
        [now] = shaped(p, head)
        slope = _summed(task, shared, now, examples, random, 0.0)[fixed.size :]
        p, speed = _moved(p, speed, slope / (task.recipe.batch * len(examples)), task.recipe)
    return shaped(p, head)[0]


def pooled(
    task: Task, parts: tuple[Arrays, Arrays], sites: Sequence[Any], steps: int, random: np.random.Generator
) -> tuple[Arrays, list[Arrays]]:
    """Shared part and every site's head after so many steps with all sites' examples in one place."""
    shared, head = parts
    size, own = flat(shared).size, flat(head).size
    p = np.r_[flat(shared), np.tile(flat(head), len(sites))]
    speed, whole = np.zeros_like(p), sum(len(examples) for examples in sites)
    for _ in range(steps):
        slope = np.zeros_like(p)
        for number, examples in enumerate(sites):
            place = slice(size + number * own, size + (number + 1) * own)
            now = shaped(np.r_[p[:size], p[place]], shared, head)
            total = _summed(task, now[0], now[1], examples, random, 0.0)
            slope[:size] += total[:size] / (task.recipe.batch * whole)
            slope[place] = total[size:] / (task.recipe.batch * len(examples))
        p, speed = _moved(p, speed, slope, task.recipe)
    found = shaped(p, shared, *[head] * len(sites))
    return found[0], found[1:]


def _summed(task: Task, shared: Arrays, head: Arrays, examples: Any, random, noise: float) -> np.ndarray:
    """Sum (number,) of the gradients of the examples drawn for one step, cut and noisy where they are protected."""
    drawn = np.flatnonzero(random.random(len(examples)) < task.recipe.batch)
    size = flat(shared, head).size
    each = task.gradients(shared, head, examples, drawn) if drawn.size else np.zeros((0, size))
    if not noise:
        return each.sum(0)
    length = np.sqrt((each**2).sum(1, keepdims=True))
    # An example without a finite gradient tells nothing; one that made the sum infinite would tell of itself.
    each = np.where(np.isfinite(length), each, 0.0) * np.minimum(1.0, task.recipe.clip / np.maximum(length, 1e-300))
    return np.nan_to_num(each).sum(0) + noise * task.recipe.clip * random.standard_normal(size)


def _moved(p: np.ndarray, speed: np.ndarray, slope: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    if not np.isfinite(slope).all():
        raise NumericalError("federated training: a gradient is not finite")
    # No step is longer than a protected one could be: far from its minimum a model is not the parabola of its start.
    slope = slope * min(1.0, recipe.clip / max(float(np.sqrt(slope @ slope)), 1e-300))
    speed = recipe.momentum * speed - recipe.rate * slope
    return p + speed, speed
