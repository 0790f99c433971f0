"""Tasks whose results outlive whoever computed them: each is in the store before anybody is told.

The worker writes its result itself and answers with nothing but a word, so a kill of worker, scheduler or client costs
at most what they had in hand, and the next run finds the rest by its keys.
"""

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from ..errors import ActinicError, InputError, WorkerLost
from .engine import Engine, Outcome, Task
from .store import Store

How = Literal["computed", "stored", "repeated", "failed"]
WAITING = 10_000  # repeats of tasks in flight that are held, an index and a place each
PAUSES_S = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # until what another machine has written must be seen here


@dataclass(frozen=True)
class Failure:
    """A task that was given up: its place among the tasks, where it lies on the chip, and why, in a line and in full.

    `attempts` counts how often it was given out; a loss of the worker that the engine made good by itself is not in it.
    """

    index: int
    where: str
    error: str
    attempts: int
    details: str = ""


@dataclass(frozen=True)
class Kind:
    """What a run's tasks have in common.

    `function` makes a result, a dict that the store can hold, of a task; for several processes both must be
    picklable. What all tasks share is best bound to the function, which travels once to each worker.
    `key` names all that the result depends on (`content_key`); `where` tells a person which task it is.
    """

    function: Callable[[Any], dict]
    key: Callable[[Any], str]
    where: Callable[[Any], str] = str


@dataclass
class _Wanted:
    """A key that is being computed: from which task, and who waits for it (index, where)."""

    task: Any
    waiting: list[tuple[int, str]]
    attempts: int = 0


def durable(
    spread: Engine,
    store: Store,
    kind: Kind,
    tasks: Iterable[Task],
    *,
    retries: int = 2,
    on_done: Callable[[int, How, dict | Failure], None] = lambda index, how, value: None,
) -> Iterator[tuple[int, dict | Failure]]:
    """(index of the task, its result read from the store, or its Failure), as they come and not in order.

    What the store has is not computed; of tasks with the same key one is, and the others wait for it and share its
    result. Tasks are taken from their iterator when the engine has room. A task that raises is tried `retries` times
    more, then given up while all others go on; so is, without another try, one whose worker died time and again
    (WorkerLost). `on_done` hears of each task just before it is handed out: computed now, found in the store, a
    repeat of another that was in hand, or failed.

    InputError when the store cannot be written or read, such as on a full disk: no task is to blame for that, so it
    ends the run, which can go on later.
    """
    todo, more, held = enumerate(tasks), True, 0
    wanted: dict[str, _Wanted] = {}
    again: deque[str] = deque()
    failed: dict[str, Failure] = {}
    ended: deque[tuple[str, Outcome]] = deque()
    function = partial(_kept, store, kind.function)  # one object, so that the engine sends it once

    def give(key: str) -> None:
        wanted[key].attempts += 1
        spread.submit(function, (key, wanted[key].task), lambda outcome: ended.append((key, outcome)))

    def handed(index: int, how: How, value: dict | Failure) -> tuple[int, dict | Failure]:
        on_done(index, how, value)
        return index, value

    while more or wanted:
        while again and spread.free() > 0:
            give(again.popleft())
        while more and spread.free() > 0 and held < WAITING:
            match next(todo, None):
                case None:
                    more = False
                case index, task:
                    key, where = kind.key(task), kind.where(task)
                    if key in wanted:
                        wanted[key].waiting.append((index, where))
                        held += 1
                    elif key in failed:
                        yield handed(index, "failed", replace(failed[key], index=index, where=where))
                    elif (value := store.get(key)) is not None:
                        yield handed(index, "stored", value)
                    else:
                        wanted[key] = _Wanted(task, [(index, where)])
                        give(key)
        if not ended and (wanted or more):  # with nothing wanted, others have all the room
            spread.wait()
        while ended:
            key, outcome = ended.popleft()
            value, error = _settled(store, key, outcome)
            if value is None and wanted[key].attempts <= retries and not isinstance(error, WorkerLost):
                again.append(key)
                continue
            done = wanted.pop(key)
            held -= len(done.waiting) - 1
            for place, (index, where) in enumerate(done.waiting):
                if value is not None:
                    yield handed(index, "repeated" if place else "computed", value)
                else:
                    failed[key] = Failure(index, where, _line(error), done.attempts, _full(error))
                    yield handed(index, "failed", failed[key])


def _kept(store: Store, function: Callable[[Any], dict], work: tuple[str, Any]) -> str | None:
    """What a worker does with (key, task); a text tells that the store failed, and an exception that the task did."""
    key, task = work
    if key in store:  # another has been faster, or this one's forerunner died before it could tell
        return None
    value = function(task)
    try:
        store.put(key, value)
    except InputError as error:
        return str(error)
    return None


def _settled(store: Store, key: str, outcome: Outcome) -> tuple[dict | None, Exception]:
    """The result that an outcome tells of, or None and what went wrong."""
    if outcome.error is not None:
        return None, outcome.error
    if outcome.value is not None:
        raise InputError(f"{outcome.value}; what is done is kept: run it again when that is put right")
    for pause in PAUSES_S:
        if pause:
            time.sleep(pause)
            store.refresh(key)
        if key in store:
            return store.get(key), OSError("its file was damaged as soon as it was written")
    raise InputError(f"{store.root}: {key} was written and is not there: is it a folder that all workers share?")


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ActinicError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def _full(error: Exception) -> str:
    return "".join(traceback.format_exception(error))
