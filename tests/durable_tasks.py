"""Small tasks that tell who computed them, for processes that know nothing of the tests."""

import contextlib
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from actinic.scale import Engine, Kind, Store, content_key, durable, spreading


def key(task: dict) -> str:
    return content_key("test", task["n"])


def where(task: dict) -> str:
    return f"tile {task['n']}, at {task['n']}.5,2 um"


def drawn(log: Path, task: dict) -> dict:
    """A polygon that depends on the task; a line in the log, and then whatever trouble the task asks for."""
    with open(log, "a") as file:
        file.write(f"{task['n']} {os.getpid()}\n")
    time.sleep(task.get("takes_s", 0.0))
    if task.get("raises", 0) > tried(log).count(task["n"]) - 1:
        raise ValueError(f"no mask for {task['n']}")
    if task.get("kills"):
        os.kill(os.getpid(), signal.SIGKILL)
    rng = np.random.default_rng(task["n"])
    return {"mask": rng.integers(0, 4000, (50, 2), dtype=np.int32), "epe_nm": rng.normal(), "rounds": [1, 2]}


def tried(log: Path) -> list[int]:
    """Which tasks were begun, as often as they were."""
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def kind(folder: Path) -> Kind:
    return Kind(partial(drawn, folder / "log"), key, where)


def contents(folder: Path) -> dict[str, bytes]:
    """Every sound entry of a run's store, byte by byte; fails on anything else that lies there."""
    store = Store(folder / "store")
    files = {path for path in store.root.rglob("*") if path.is_file()} - set(store.damaged)
    found = {name: (store.root / name[:2] / name).read_bytes() for name in store.keys()}
    assert {path.name for path in files} == set(found)
    return found


def run(folder: Path, tasks, by: int | str | Engine = 1, **given) -> dict:
    """Results of all tasks by their index; by so many new processes, a cluster at an address, or what is there."""
    store = Store(folder / "store")
    store.sweep()
    engine = contextlib.nullcontext(by) if isinstance(by, Engine) else None
    engine = engine or (spreading(by) if isinstance(by, int) else spreading(cluster=by))
    with engine as spread:
        return dict(durable(spread, store, kind(folder), tasks, **given))


def main(folder: str, count: str, takes_s: str, by: str) -> None:
    """A client of its own, which says how far it is."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tasks = ({"n": n, "takes_s": float(takes_s)} for n in range(int(count)))
    with contextlib.suppress(KeyboardInterrupt):
        run(
            Path(folder),
            tasks,
            int(by) if by.isdecimal() else by,
            on_done=lambda index, how, value: print(index, how, flush=True),
        )
        return
    sys.exit(130)


if __name__ == "__main__":
    main(*sys.argv[1:])
