"""What spreading costs: a task's overhead here, by local processes and by Dask's; two workers against one.

Trivial tasks are polygons of 64 corners moved by 1 nm: hashed, given out, computed, stored, told of in the journal,
read again. Times are on the wall, so measure on a quiet machine; `load` is what else was running before each part.
"""

from common import report  # noqa: I001 sets the environment before JAX starts

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from actinic.scale import Journal, Kind, Store, content_key, durable, spreading

TRIVIAL = 10_000
MEMORY = Path("/dev/shm")  # where a store costs no flush to a disk


def polygons(count: int):
    for seed in range(count):
        yield seed, np.random.default_rng(seed).integers(0, 4000, (64, 2), dtype=np.int32)


def moved(task) -> dict:
    return {"mask": task[1] + np.int32(1)}


def rested(task) -> dict:
    """A task of two seconds that takes no core, so that what comes on top is seen even where others compute."""
    time.sleep(2.0)
    return {"n": task}


def computed(task) -> dict:
    """About a second of one core's work, counted in turns and not by the clock."""
    total = 0
    for turn in range(12_000_000):
        total += turn & 3
    return {"total": total, "n": task}


def place(task) -> str:
    return f"tile {task if isinstance(task, int) else task[0]}"


def run(spread, base: Path | None, function, tasks) -> tuple[float, float]:
    """Wall and CPU seconds of this process for a run with store and journal."""
    with tempfile.TemporaryDirectory(dir=base) as folder, Journal(Path(folder), {}) as journal:
        journal.begin(len(tasks), lambda: spread.workers)
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        kind = Kind(function, content_key, place)
        for _, value in durable(spread, Store(Path(folder) / "store"), kind, tasks, on_done=journal.told):
            done += isinstance(value, dict)
        assert done == len(tasks)
        return time.perf_counter() - wall, time.process_time() - cpu


def trivial() -> None:
    tasks = list(polygons(TRIVIAL))
    for workers, cluster in ((1, None), (2, None), (2, "local:2")):
        with spreading(workers, cluster) as spread:
            run(spread, MEMORY, moved, tasks[:100])  # processes have started
            for where, base in (("disk, flushed", None), ("memory", MEMORY)):
                load = os.getloadavg()[0]
                wall, cpu = run(spread, base, moved, tasks)
                report(
                    "overhead of a trivial task", by=cluster or workers, store=where, tasks=TRIVIAL,
                    ms_a_task=1e3 * wall / TRIVIAL, client_cpu_ms_a_task=1e3 * cpu / TRIVIAL, load=load,
                )  # fmt: skip


def packets() -> None:
    with spreading(cluster="local:2") as spread:
        run(spread, MEMORY, moved, list(polygons(100)))
        spread._seconds = None  # forget what those took
        load, tasks = os.getloadavg()[0], list(range(40))
        wall, cpu = run(spread, None, rested, tasks)
        ideal = 2.0 * len(tasks) / 2
        report(
            "overhead of Dask, tasks of 2 s", tasks=len(tasks), workers=2, wall_s=wall, ideal_s=ideal,
            overhead_percent=100 * (wall / ideal - 1), client_cpu_s=cpu, load=load,
        )  # fmt: skip


def speed() -> None:
    for name, function, count in (("tasks that rest 2 s", rested, 8), ("tasks that compute", computed, 12)):
        took: dict[int, list[float]] = {1: [], 2: []}
        load = os.getloadavg()[0]
        for workers in (1, 2, 1, 2):
            with spreading(workers) as spread:
                run(spread, None, moved, list(polygons(20)))  # processes have started
                wall, _ = run(spread, None, function, list(range(count)))
            took[workers].append(wall)
        report(
            f"two workers against one, {name}", tasks=count, one_s=took[1], two_s=took[2],
            times_faster=min(took[1]) / min(took[2]), load=load,
        )  # fmt: skip


def main() -> None:
    trivial()
    packets()
    speed()


if __name__ == "__main__":
    main()
