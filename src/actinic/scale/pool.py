"""Tasks on this machine: in the calling process, or spread over spawned ones, one thread each.

Each process hangs on a pipe of its own, and the calling thread alone waits on the pipes, so the death of a process is
seen and Ctrl-C ends the wait. (The standard library's executor waits in a thread, which Ctrl-C during the start of the
processes left hanging.)
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from ..errors import NumericalError

Task = TypeVar("Task")
Result = TypeVar("Result")

# One thread a process.
SINGLE = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@contextlib.contextmanager
def pool(workers: int = 1) -> Iterator[Callable[[Callable[[Task], Result], Iterable[Task]], Iterator[Result]]]:
    """A `map` for the block: results of a function over tasks, in order, as they come.

    With one worker it runs here. With more, the processes are spawned (forking after JAX has started its
    threads can hang), so function, tasks and results must be picklable, and an exception of a task is raised
    here. They live as long as the block, so what they have compiled serves every map in it. They are killed when
    it ends by an exception, such as that of Ctrl-C, or the NumericalError raised when one of them has died.
    """
    if workers <= 1:
        yield map
        return
    crew = _Crew()
    try:
        with _environment(SINGLE), _deaf():
            for _ in range(workers):
                crew.hire()
        yield crew.map
        crew.dismiss()  # waits, so that what the workers spent can be counted
    finally:
        crew.kill()


class _Crew:
    """Spawned processes by their pipes; what each of the busy ones owes is a place in the answers of some map."""

    def __init__(self):
        self._processes: dict[Connection, BaseProcess] = {}
        self._owed: dict[Connection, tuple[dict[int, tuple[bool, Any]], int]] = {}

    def hire(self) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        # A daemon: however this process leaves, it does not wait for it.
        process = context.Process(target=_serve, args=(there,), daemon=True)
        process.start()
        there.close()  # the worker holds the only one, so its death ends the pipe
        self._processes[here] = process

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        todo, answers = deque(enumerate(tasks)), {}
        for number in range(len(todo)):
            self._give(function, todo, answers)
            while number not in answers:
                self._listen()
                self._give(function, todo, answers)
            good, value = answers.pop(number)
            if not good:
                raise value
            yield value

    def _give(self, function: Callable, todo: deque, answers: dict) -> None:
        """Tasks to those that have none. Only to them: they read, so neither side can wait for the other to."""
        for link in self._processes.keys() - self._owed.keys():
            if not todo:
                return
            number, task = todo.popleft()
            message = pickle.dumps((function, task))
            try:
                link.send_bytes(message)
            except OSError:
                raise self._lost(link) from None
            self._owed[link] = answers, number

    def _listen(self) -> None:
        for link in wait(list(self._processes)):
            try:
                message = link.recv_bytes()
            except (EOFError, OSError):
                raise self._lost(link) from None
            answers, number = self._owed.pop(link)
            answers[number] = pickle.loads(message)

    def _lost(self, link: Connection) -> NumericalError:
        process = self._processes[link]
        process.join(5)  # its pipe ends a little before it does
        code = process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return NumericalError(
            f"a worker process died ({how}); if memory ran out, take a smaller window or fewer workers"
        )

    def dismiss(self) -> None:
        for link in self._processes:
            link.close()
        for process in self._processes.values():
            process.join()

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()
        for link, process in self._processes.items():
            process.join()
            link.close()


def _serve(link: Connection) -> None:
    """What a worker does: answer each task with (True, result) or (False, exception), until the pipe ends."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            message = link.recv_bytes()
            try:
                function, task = pickle.loads(message)
                answer = pickle.dumps((True, function(task)))
            except Exception as error:
                answer = _failure(error)
            link.send_bytes(answer)


def _failure(error: Exception) -> bytes:
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)
    except Exception:
        answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, and processes started in it never hear it: the caller decides.

    It reaches the whole group of processes, and one that only then learns to ignore it dies of it while it starts.
    """
    resource_tracker.ensure_running()  # now, for it unblocks the signal when it starts
    heard = []
    # A blocked signal may still come in through another thread, so it is put off as well.
    before = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if before is not None:
        signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is not None:
            signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Environment variables that processes started in the block inherit: NumPy reads them when it is imported."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
