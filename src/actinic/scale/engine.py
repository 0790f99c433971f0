"""What spreads tasks: an engine takes one task at a time, says how many more it would take, and tells when they end.

Three of them: `Here`, in the calling process; local processes (`pool`); Dask's workers (`cluster`). What is built on
engines, a map in order and `durable`, does not know which it has.
"""

import pickle
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

DEATHS = 3  # a task whose worker died so many times is to blame itself
ADVICE = "if memory ran out, take a smaller window, smaller tiles or fewer workers"


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a value, or the exception it raised. A WorkerLost was raised for it: its worker died."""

    value: Any = None
    error: Exception | None = None


Then = Callable[[Outcome], None]


class Sent:
    """A function that has travelled as bytes, once for all its tasks; its trouble with them is that of the tasks."""

    def __init__(self, content: bytes):
        self._content, self._function = content, None

    def __call__(self, task):
        if self._function is None:
            self._function = pickle.loads(self._content)
            self._content = b""
        return self._function(task)


def answered(function: Callable[[Task], Any], task: bytes) -> bytes:
    """What a worker sends back: the pickled outcome of a pickled task, whatever it does or raises."""
    try:
        return pickle.dumps(Outcome(function(pickle.loads(task))))
    except Exception as error:
        error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
        try:
            answer = pickle.dumps(Outcome(error=error))
            pickle.loads(answer)
        except Exception:
            answer = pickle.dumps(Outcome(error=RuntimeError(f"{type(error).__name__}: {error}")))
        return answer


class Engine(ABC):
    """Called as a `map`: results of a function over tasks, in order, as they come.

    A task's exception is raised in its turn. Tasks are taken from their iterator when there is room, and so few ahead
    of the result that is waited for that memory holds. Maps may be left unfinished.
    """

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many work now; it may change."""

    @abstractmethod
    def free(self) -> int:
        """How many tasks it would take now."""

    @abstractmethod
    def submit(self, function: Callable[[Task], Any], task: Task, then: Then) -> None:
        """Take a task. `then` gets its outcome within some later `wait`, in the thread that waits."""

    @abstractmethod
    def wait(self) -> None:
        """Return when at least one task has ended since, or has got another worker."""

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        answers: dict[int, Outcome] = {}
        todo, given, number = enumerate(tasks), 0, 0
        more = True
        while more or number < given:
            while more and self.free() > 0 and given - number < max(64, 8 * self.workers):
                match next(todo, None):
                    case None:
                        more = False
                    case place, task:
                        self.submit(function, task, lambda outcome, place=place: answers.update({place: outcome}))
                        given += 1
            if number in answers:
                outcome = answers.pop(number)
                number += 1
                if outcome.error is not None:
                    raise outcome.error
                yield outcome.value
            elif more or number < given:
                self.wait()


class Here(Engine):
    """In this process, one task at a time, when it is waited for."""

    def __init__(self):
        self._taken: list[tuple[Callable, Any, Then]] = []

    @property
    def workers(self) -> int:
        return 1

    def free(self) -> int:
        return 1 - len(self._taken)

    def submit(self, function: Callable[[Task], Any], task: Task, then: Then) -> None:
        self._taken.append((function, task, then))

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        return map(function, tasks)

    def wait(self) -> None:
        function, task, then = self._taken.pop(0)
        try:
            outcome = Outcome(function(task))
        except Exception as error:
            outcome = Outcome(error=error)
        then(outcome)
