"""Federated learning as verbs: trials in one process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..learn import federated
from ..learn.federated import Plan, Task, Trial
from ..learn.federated.tasks import Calibration, Hotspot
from .folder import provenance, run_folder, write_records
from .work import Progress, load_setup, quiet

TASKS: Mapping[str, Callable[[str], Task]] = {
    "calibration": lambda optics: Calibration(load_setup(optics).process),
    "hotspot": lambda optics: Hotspot(load_setup(optics).process),
}


@dataclass(frozen=True)
class Learning:
    """How sites learn together: `rounds` None takes the task's own; `proximal` is FedProx's pull."""

    task: str
    optics: str = "krf-dry"
    rounds: int | None = None
    aggregate: str = "mean"
    proximal: float = 0.0


def federated_task(wanted: Learning) -> tuple[Task, int]:
    """The task that is wanted and its rounds; ConfigError where there is no such task or aggregate."""
    if wanted.task not in TASKS:
        raise ConfigError(f"--task {wanted.task}: there is {', '.join(TASKS)}")
    if wanted.aggregate not in (*federated.AGGREGATES, "secure"):
        raise ConfigError(f"--aggregate {wanted.aggregate}: there is {', '.join((*federated.AGGREGATES, 'secure'))}")
    task = TASKS[wanted.task](wanted.optics)
    return task, task.recipe.rounds if wanted.rounds is None else wanted.rounds


def federate_simulate(
    wanted: Learning,
    trial: Trial,
    out: Path | None = None,
    *,
    force: bool = False,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Train a task on made sites: each alone, together, and pooled; errors on examples held back.

    With `out` a run folder keeps what the server has and, for each site, every byte that left it.
    """
    task, rounds = federated_task(wanted)
    plan = Plan("simulation", rounds, wanted.aggregate, wanted.proximal)
    if out is None:
        return _told(wanted, trial, task, federated.simulate(task, plan, trial, progress=progress))
    with run_folder(out, force) as folder:
        found = federated.simulate(task, plan, trial, folder=folder, progress=progress)
        result = _told(wanted, trial, task, found) | {"run": str(out)}
        write_records(folder, result, provenance({}, seed=trial.seed, precision="float64", optics=wanted.optics))
    return result


def _told(wanted: Learning, trial: Trial, task: Task, found: federated.Simulated) -> dict[str, Any]:
    ways = ("start", "local", "federated", "pooled")
    sent = [sum(by_site.values()) for by_site in found.course.sent]
    return {
        "task": wanted.task,
        "unit": task.unit,
        **{f"{way}_error": float(np.mean(getattr(found, way))) for way in ways},
        "rounds": len(sent),
        "bytes_per_round": max(sent),
        "epsilon": trial.epsilon,
        "delta": found.delta,
        "aggregate": wanted.aggregate,
        "sites": [
            {
                "site": f"site-{n + 1}",
                "examples": found.examples[n],
                **{f"{way}_error": float(getattr(found, way)[n]) for way in ways},
            }
            for n in range(trial.sites)
        ],
        "refused": found.course.refused,
    }
