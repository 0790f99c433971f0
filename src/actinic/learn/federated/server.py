"""The server: asks sites round by round and moves the shared part by what they answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import InputError, NumericalError
from ..weights import load_state, save_state
from .aggregation import aggregate
from .messages import Request, disclose, form_of, write_request
from .secure import LEAST, uncovered
from .task import Arrays, Task, flat, shaped

How = Literal["mean", "median", "trimmed", "secure"]
# Requests by site -> replies by site; who is not there has none.
Ask = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """How the server goes about a training. `run` names it, `least` sites make a round."""

    run: str
    rounds: int
    aggregate: How = "mean"
    proximal: float = 0.0
    least: int = 2


@dataclass
class Course:
    """What happened: the bytes of every reply by round and site, who was refused and why."""

    sent: list[dict[str, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def conduct(
    task: Task,
    sites: Sequence[str],
    ask: Ask,
    plan: Plan,
    *,
    folder: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> tuple[Arrays, Course]:
    """Train over all rounds; the shared part at the end, and what happened.

    With a `folder` the shared part is kept there after every round, and a training that was stopped goes on from the
    last one, bit for bit as if it had not been. NumericalError where too few sites answer rightly.
    """
    shared, course = task.start()[0], Course()
    first, place = 0, folder / "shared.safetensors" if folder else None
    about = {"task": task.name, **{key: getattr(plan, key) for key in ("run", "aggregate", "proximal")}}
    state = {"shared": shared, "round": np.int64(0)}
    if place is not None and place.exists():
        state = load_state(place, state, about)
        shared, first = state["shared"], int(state["round"])
    for number in range(first, plan.rounds):
        shared = _round(task, shared, sites, ask, plan, number, course)
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            save_state(place, {"shared": shared, "round": np.int64(number + 1)}, about)
        progress("rounds", number + 1, plan.rounds)
    return shared, course


def _round(task: Task, shared: Arrays, sites, ask: Ask, plan: Plan, number: int, course: Course) -> Arrays:
    masked, there = plan.aggregate == "secure", tuple(sites)
    least = max(plan.least, LEAST) if masked else plan.least
    form = form_of(shared, masked)
    request = Request(shared, plan.run, number, 0, there, task.recipe.steps, plan.proximal)
    while len(there) >= least:
        content = write_request(replace(request, sites=there))
        replies = ask(dict.fromkeys(there, content))
        good: dict[str, Arrays] = {}
        for name in there:
            if name in replies:
                try:
                    good[name] = disclose(replies[name], form, f"round {number + 1}, {name}")
                except InputError as error:
                    course.refused.append(str(error))
        if len(good) < least:
            there = tuple(good)
            break
        if not masked or len(good) == len(there):
            course.sent.append({name: len(replies[name]) for name in good})
            return _moved(shared, good, plan)
        # Masks cancel in the sum of all: those left try again.
        there, request = tuple(good), replace(request, attempt=request.attempt + 1)
    reason = f"; {course.refused[-1]}" if course.refused else ""
    raise NumericalError(f"round {number + 1}: {len(there)} sites answered, {least} are needed{reason}")


def _moved(shared: Arrays, replies: Mapping[str, Arrays], plan: Plan) -> Arrays:
    names = sorted(shared)
    updates = np.stack([
        np.concatenate([np.ravel(reply[f"update.{name}"]) for name in names]) for reply in replies.values()
    ])  # fmt: skip
    examples = np.array([float(reply["examples"]) for reply in replies.values()])
    if plan.aggregate == "secure":
        step = uncovered(updates) / examples.sum()
    else:
        step = aggregate(plan.aggregate, updates, examples)
    [found] = shaped(flat(shared) + step, shared)
    return found
