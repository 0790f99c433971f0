"""What the benchmarks share: one thread a process, CPU time with children and threads, a JSON line each."""

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ.setdefault("XLA_FLAGS", ONE_THREAD)
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def cpu_seconds(work, repeats: int) -> tuple[float, float]:
    """Median CPU and wall seconds of `work()` after one uncounted call that compiles."""
    work()
    spent, passed = [], []
    for _ in range(repeats):
        cpu, wall = sum(os.times()[:4]), time.perf_counter()
        work()
        spent.append(sum(os.times()[:4]) - cpu)
        passed.append(time.perf_counter() - wall)
    return statistics.median(spent), statistics.median(passed)


def many(work, times: int):
    """`work` repeated, for clocks that tick in hundredths."""

    def repeated():
        for _ in range(times):
            work()

    return repeated


def report(name: str, **figures) -> None:
    """One line of JSON: the benchmark's name, its figures, the machine."""
    print(json.dumps({"benchmark": name, **figures, "cores": os.cpu_count(), "python": platform.python_version()}))


def data_folder() -> Path | None:
    """The published data, or None with a line that says what is left out."""
    folder = os.environ.get("ACTINIC_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    print("ACTINIC_DATA names no data folder: benchmarks on published data are left out", file=sys.stderr)
    return None
