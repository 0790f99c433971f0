"""Tasks on this machine: in the calling process, or spread over spawned ones, one thread each."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

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
    here. They live as long as the block, so what they have compiled serves every map in it.
    """
    if workers <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_deaf)
    try:
        with _environment(SINGLE):
            yield executor.map
        executor.shutdown()  # waits, so that what the workers spent can be counted
    except BaseException:
        # Nobody waits for what the others still compute. (Python 3.14 has a public way to do this.)
        for process in list((executor._processes or {}).values()):
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


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


def _deaf() -> None:
    """Ctrl-C reaches the whole group of processes; the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
