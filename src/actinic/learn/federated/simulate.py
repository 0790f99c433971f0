"""The same task trained three ways in one process: by each site alone, by all sites together, and on pooled data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import ConfigError, InputError
from ..weights import pack, unpack
from .secure import Masks, public
from .server import Course, Plan, Progress, conduct
from .site import Site, Terms
from .task import Task
from .train import SETTLE, descend, pooled, settle

Harm = Literal["scaled", "flipped", "nan"]


@dataclass(frozen=True)
class Trial:
    """What is tried: how many sites, protection, and what goes wrong.

    `epsilon` protects every example; the site `harmed` (0, 1, ...) sends its update 100 times too large, with its sign
    flipped or as NaN, past its own gate; the site `absent` leaves out the middle third of the rounds.
    """

    sites: int
    seed: int
    epsilon: float | None = None
    harm: Harm | None = None
    harmed: int = 0
    absent: int | None = None


@dataclass(frozen=True)
class Simulated:
    """Errors (site,) on examples held back, of three ways to learn, and of the start; what the server saw."""

    start: np.ndarray
    local: np.ndarray
    federated: np.ndarray
    pooled: np.ndarray
    examples: tuple[int, ...]
    course: Course
    delta: float | None


def simulate(
    task: Task,
    plan: Plan,
    trial: Trial,
    *,
    folder: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Simulated:
    """Train a task on made sites three ways. With a `folder` the server and every site keep their files in it."""
    made, start, steps = _made(task, trial), task.start(), plan.rounds * task.recipe.steps
    found, course, delta = _together(task, plan, trial, made, folder, progress)
    random, after = np.random.default_rng([trial.seed, trial.sites]), SETTLE * task.recipe.steps
    alone = []
    for number, (train, held) in enumerate(made):
        part, head = descend(task, start, train, steps, random)
        alone.append(task.error(part, settle(task, (part, head), train, after, random), held))
        progress("alone", number + 1, len(made))
    whole, heads = pooled(task, start, [train for train, _ in made], steps, random)
    heads = [settle(task, (whole, h), train, after, random) for h, (train, _) in zip(heads, made, strict=True)]
    progress("pooled", 1, 1)
    return Simulated(
        start=np.array([task.error(*start, held) for _, held in made]),
        local=np.array(alone),
        federated=found,
        pooled=np.array([task.error(whole, h, held) for h, (_, held) in zip(heads, made, strict=True)]),
        examples=tuple(len(train) for train, _ in made),
        course=course,
        delta=delta,
    )


def together(
    task: Task,
    plan: Plan,
    trial: Trial,
    *,
    folder: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> tuple[np.ndarray, Course, float | None]:
    """Train made sites together: errors (site,) on examples held back, what happened, and the largest delta."""
    return _together(task, plan, trial, _made(task, trial), folder, progress)


def _together(task: Task, plan: Plan, trial: Trial, made: list[tuple[Any, Any]], folder: Path | None, progress):
    names = [f"site-{number + 1}" for number in range(trial.sites)]
    secrets = {name: hashlib.sha256(f"{trial.seed} {name}".encode()).digest() for name in names}
    roster = {name: public(secret) for name, secret in secrets.items()} if plan.aggregate == "secure" else None
    sites = {}
    for name, (train, _) in zip(names, made, strict=True):
        terms = Terms(plan.rounds, trial.epsilon, Masks(name, secrets[name], roster) if roster else None)
        place = folder / name if folder is not None else None
        sites[name] = Site(name, task, train, terms, secret=secrets[name], folder=place)
    asked = 0

    def ask(requests: Mapping[str, bytes]) -> dict[str, bytes]:
        nonlocal asked
        replies = {}
        for number, name in enumerate(names):
            away = number == trial.absent and plan.rounds <= 3 * asked < 2 * plan.rounds
            if name in requests and not away:
                replies[name] = sites[name].answer(requests[name])
                if trial.harm is not None and number == trial.harmed:
                    replies[name] = spoiled(replies[name], trial.harm)
        asked += 1
        return replies

    place = folder / "server" if folder is not None else None
    shared, course = conduct(task, names, ask, plan, folder=place, progress=progress)
    held = [task.error(shared, site.head(shared), held) for site, (_, held) in zip(sites.values(), made, strict=True)]
    deltas = [site.privacy.delta for site in sites.values() if site.privacy]
    return np.array(held), course, max(deltas, default=None)


def _made(task: Task, trial: Trial) -> list[tuple[Any, Any]]:
    if trial.sites < 2:
        raise ConfigError(f"{trial.sites} site: federated learning takes two or more")
    return [task.site(number, trial.seed) for number in range(trial.sites)]


def spoiled(reply: bytes, harm: Harm) -> bytes:
    """A reply as a site would send it that means harm, or has a fault."""
    arrays, about = unpack(reply, "reply")
    factor = {"scaled": 100.0, "flipped": -1.0, "nan": np.nan}[harm]
    for name, array in arrays.items():
        if array.dtype == np.float64:
            arrays[name] = array * factor
        elif array.dtype == np.uint64:
            raise InputError("masked updates cannot be spoiled as numbers: their sum would be")
    return pack(arrays, about)
