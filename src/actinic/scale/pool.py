"""Tasks on this machine: in the calling process, or spread over spawned ones, one thread each.

Each process hangs on a pipe of its own, and the calling thread alone waits on the pipes, so the death of a process is
seen and Ctrl-C ends the wait. (The standard library's executor waits in a thread, which Ctrl-C during the start of the
processes left hanging, and gives up when one process dies.)
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import NumericalError, WorkerLost
from .engine import ADVICE, DEATHS, Engine, Here, Outcome, Sent, Task, Then, answered

# One thread a process.
SINGLE = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@contextlib.contextmanager
def pool(workers: int = 1) -> Iterator[Engine]:
    """An engine for the block, which is also a `map`: results of a function over tasks, in order, as they come.

    With one worker it runs here. With more, the processes are spawned (forking after JAX has started its
    threads can hang), so function, tasks and results must be picklable, and an exception of a task comes back.
    They live as long as the block, so what they have compiled serves everything in it. One that dies is replaced and
    its task runs again; a task that has lost three ends with WorkerLost, and a NumericalError ends the block when
    they die one after the other. They are killed when the block ends by an exception, such as that of Ctrl-C, and end
    at once when this process dies.
    """
    if workers <= 1:
        yield Here()
        return
    crew = _Crew(workers)
    try:
        crew.start()
        yield crew
        crew.dismiss()  # waits, so that what the workers spent can be counted
    finally:
        crew.kill()


@dataclass
class _Order:
    """A pickled task that somebody works on."""

    function: Callable
    task: bytes
    then: Then
    deaths: int = 0


@dataclass
class _Worker:
    process: BaseProcess
    knows: Callable | None = None  # the function it was sent last
    order: _Order | None = None
    begun: bool = False  # on that order: one that dies before did not die of it


class _Crew(Engine):
    """Spawned processes by their pipes. Each has one task at most: it reads, so neither side waits for the other to."""

    LIMIT = 5  # deaths in a row, for each worker and one more

    def __init__(self, size: int):
        self._size = size
        self._crew: dict[Connection, _Worker] = {}
        self._in_a_row = 0  # deaths since a task was last finished
        self._function: tuple[Callable | None, bytes] = None, b""

    def start(self) -> None:
        # All before Ctrl-C is heard, so that it finds either none or a crew that can be killed.
        with environment(SINGLE), deaf():
            for _ in range(self._size):
                self.hire()

    def hire(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        # A daemon: however this process leaves, it does not wait for it.
        process = context.Process(target=_serve, args=(there,), daemon=True)
        process.start()
        there.close()  # the worker holds the only one, so its death ends the pipe
        self._crew[here] = _Worker(process)
        return here

    @property
    def workers(self) -> int:
        return len(self._crew)

    def free(self) -> int:
        return sum(worker.order is None for worker in self._crew.values())

    def submit(self, function: Callable[[Task], Any], task: Task, then: Then) -> None:
        link = next(link for link, worker in self._crew.items() if worker.order is None)
        self._give(link, _Order(function, pickle.dumps(task), then))

    def _give(self, link: Connection, order: _Order) -> None:
        """A task to a worker that has none, or to those that take its place should they die."""
        if self._function[0] is not order.function:
            self._function = order.function, pickle.dumps(order.function)
        while True:
            worker = self._crew[link]
            # What all tasks have in common, such as the optics, travels once to each worker.
            function = None if worker.knows is order.function else self._function[1]
            message = pickle.dumps((function, order.task))
            try:
                link.send_bytes(message)
            except OSError:
                link = self._replace(link)
            else:
                worker.order, worker.knows, worker.begun = order, order.function, False
                return

    def wait(self) -> None:
        for link in wait(list(self._crew)):
            worker = self._crew[link]
            try:
                message = link.recv_bytes()
            except (EOFError, OSError):
                self._lost(link, worker)
                continue
            if not message:
                worker.begun = True
            elif worker.order is not None:
                then, worker.order, self._in_a_row = worker.order.then, None, 0
                then(pickle.loads(message))

    def _lost(self, link: Connection, worker: _Worker) -> None:
        how, order = self._fate(link), worker.order
        heir = self._replace(link)
        if order is None:
            return
        order.deaths += worker.begun
        if order.deaths < DEATHS:
            self._give(heir, order)
        else:
            order.then(Outcome(error=WorkerLost(f"a worker process died ({how}) {DEATHS} times over; {ADVICE}")))

    def _fate(self, link: Connection) -> str:
        process = self._crew[link].process
        process.join(5)  # its pipe ends a little before it does
        code = process.exitcode
        return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name

    def _replace(self, link: Connection) -> Connection:
        how = self._fate(link)
        self._in_a_row += 1
        if self._in_a_row > self.LIMIT * (self._size + 1):
            raise NumericalError(f"{self._in_a_row} worker processes died ({how}) one after the other; {ADVICE}")
        self._crew.pop(link).process.kill()
        link.close()
        with environment(SINGLE), deaf():
            return self.hire()

    def dismiss(self) -> None:
        for link in self._crew:
            link.close()
        for worker in self._crew.values():
            worker.process.join()

    def kill(self) -> None:
        for worker in self._crew.values():
            worker.process.kill()
        for link, worker in self._crew.items():
            worker.process.join()
            link.close()


def _serve(link: Connection) -> None:
    """What a worker does until its pipe ends.

    Each task is answered with nothing when it is begun, then with its outcome.
    """
    threading.Thread(target=_follow, daemon=True).start()
    function: Any = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            sent, task = pickle.loads(link.recv_bytes())
            link.send_bytes(b"")
            function = function if sent is None else Sent(sent)
            link.send_bytes(answered(function, task))


def _follow() -> None:
    """End with the process that hired: one that was killed wants no more answers, and its heir would not find us."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def deaf() -> Iterator[None]:
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
def environment(settings: dict[str, str]) -> Iterator[None]:
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
