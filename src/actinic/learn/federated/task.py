"""What is trained, written once: the same task runs pooled, as sites in one process, and on sites far apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How a task is trained. Steps are a site's own between two rounds.

    `rate` and `momentum` are those of gradient descent, `batch` the chance of an example to be in a step, `clip` the
    length to which the gradient of one example is cut where examples are protected (see `privacy`).
    """

    rounds: int
    steps: int
    rate: float
    momentum: float
    batch: float
    clip: float


class Task(Protocol):
    """A model with a shared part, which travels, and a head, which stays at its site; and the loss of one example.

    Both parts are float64 arrays by name. Examples are whatever `site` returns and has a length; only the task looks
    into them.
    """

    name: str
    recipe: Recipe

    def start(self) -> tuple[Arrays, Arrays]:
        """Shared part and head before training, the same for all."""
        ...

    def site(self, number: int, seed: int) -> tuple[Any, Any]:
        """Made examples of site 0, 1, ..., each unlike the others: to train on, and held back."""
        ...

    def gradients(self, shared: Arrays, head: Arrays, examples: Any, rows: np.ndarray) -> np.ndarray:
        """Gradients (row, number) of the loss of some examples in all numbers of shared part and head (see `flat`)."""
        ...

    def error(self, shared: Arrays, head: Arrays, examples: Any) -> float:
        """The error on examples, in `unit`."""
        ...

    @property
    def unit(self) -> str: ...


def flat(*parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """All numbers of some parts (n,), float64: part by part, in order of names."""
    vectors = [np.ravel(part[name]) for part in parts for name in sorted(part)]
    return np.concatenate(vectors).astype(np.float64) if vectors else np.zeros(0)


def shaped(vector: np.ndarray, *like: Mapping[str, np.ndarray]) -> list[Arrays]:
    """Parts of the form of `like` out of a vector that `flat` made."""
    found, at = [], 0
    for part in like:
        arrays = {}
        for name in sorted(part):
            size = part[name].size
            arrays[name] = vector[at : at + size].reshape(part[name].shape)
            at += size
        found.append(arrays)
    return found
