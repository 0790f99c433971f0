"""A run survives whatever happens to it: kills, full disks, damaged files; its store is that of a calm run."""

import importlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import durable_tasks
from actinic.errors import InputError
from actinic.scale import Failure, Here, Kind, Store, content_key, durable, pool
from durable_tasks import contents, run, tried

module = importlib.import_module("actinic.scale.durable")  # the package gives this name to the function
COUNT = 24


def tasks(count: int = COUNT, **more) -> list[dict]:
    return [{"n": n, **more} for n in range(count)]


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The store of an undisturbed run in one process."""
    folder = tmp_path_factory.mktemp("calm")
    found = run(folder, tasks())
    assert sorted(found) == list(range(COUNT)) and sorted(tried(folder / "log")) == list(range(COUNT))
    return contents(folder)


@pytest.fixture(scope="module")
def crew():
    """Two workers that nothing happens to."""
    with pool(2) as spread:
        yield spread


@pytest.fixture(params=["here", "two"])
def spread(request):
    return Here() if request.param == "here" else request.getfixturevalue("crew")


def test_a_run_goes_on_where_it_was(tmp_path, calm):
    done = []
    first = run(tmp_path, tasks(10), on_done=lambda *what: done.append(what[:2]))
    again = run(tmp_path, tasks(), on_done=lambda *what: done.append(what[:2]))
    assert done == [(n, "computed") for n in range(10)] + [
        (n, "stored" if n < 10 else "computed") for n in range(COUNT)
    ]
    assert contents(tmp_path) == calm and tried(tmp_path / "log") == list(range(COUNT))
    assert all(np.array_equal(first[n]["mask"], again[n]["mask"]) for n in range(10))


def test_two_workers_leave_the_same_store(tmp_path, calm, crew):
    run(tmp_path, tasks(), crew)
    assert contents(tmp_path) == calm and sorted(tried(tmp_path / "log")) == list(range(COUNT))


def test_the_same_task_is_computed_once(tmp_path, spread):
    how = Counter()
    order = [n % 3 for n in range(60)]
    found = run(
        tmp_path, ({"n": n, "takes_s": 0.02} for n in order), spread, on_done=lambda _, one, value: how.update([one])
    )
    assert sorted(tried(tmp_path / "log")) == [0, 1, 2] and how["computed"] == 3 and how.total() == 60
    assert (how["repeated"] > 0) == (spread.workers == 2)
    for index, n in enumerate(order):
        np.testing.assert_array_equal(found[index]["mask"], np.random.default_rng(n).integers(0, 4000, (50, 2)))


def test_tasks_are_taken_one_by_one(tmp_path):
    taken = []
    stream = (taken.append(n) or {"n": n} for n in range(10**9))
    results = durable(Here(), Store(tmp_path / "store"), durable_tasks.kind(tmp_path), stream)
    assert [next(results)[0] for _ in range(5)] == list(range(5)) and len(taken) == 5


def test_repeats_of_what_is_computed_are_held_within_bounds(tmp_path, monkeypatch, crew):
    monkeypatch.setattr(module, "WAITING", 5)
    taken = []
    stream = (taken.append(n) or {"n": 1, "takes_s": 0.3} for n in range(50))
    results = durable(crew, Store(tmp_path / "store"), durable_tasks.kind(tmp_path), stream)
    assert next(results)[0] == 0 and len(taken) == 6
    assert sorted(index for index, _ in results) == list(range(1, 50))


def test_it_waits_for_room_that_others_have(tmp_path, crew, monkeypatch):
    left = crew(time.sleep, [0.0, 0.3, 0.3, 0.3])
    next(left)  # and the others are in hand, for nobody
    waits, wait = [], crew.wait
    monkeypatch.setattr(crew, "wait", lambda: waits.append(1) or wait())
    assert len(run(tmp_path, tasks(3), crew)) == 3 and 0 < len(waits) < 20


def test_a_task_that_raises_is_tried_again_then_given_up(tmp_path, spread):
    work = [{"n": 0}, {"n": 1, "raises": 9}, {"n": 2, "raises": 2}, {"n": 3}, {"n": 1, "raises": 9}, {"n": 4}]
    how = {}
    found = run(tmp_path, work, spread, on_done=lambda index, one, value: how.update({index: one}))
    assert Counter(tried(tmp_path / "log")) == {0: 1, 1: 3, 2: 3, 3: 1, 4: 1}
    assert {index for index, one in how.items() if one == "failed"} == {1, 4} and len(found) == 6
    for index in (1, 4):
        failure = found[index]
        assert (failure.index, failure.where) == (index, "tile 1, at 1.5,2 um")
        assert failure.error == "ValueError: no mask for 1" and failure.attempts == 3
        assert 'raise ValueError(f"no mask' in failure.details
    assert len(contents(tmp_path)) == 4
    # The next run gives it another chance.
    found = run(tmp_path, [{"n": 1}], spread)
    assert not isinstance(found[0], Failure)


def test_a_result_that_cannot_be_stored_is_a_failure(tmp_path):
    kind = Kind(lambda task: {"mask": {1, 2}}, content_key, lambda task: "here")
    [(_, failure)] = durable(Here(), Store(tmp_path), kind, [1], retries=0)
    assert failure.error.startswith("TypeError: value['mask'] is a set;") and failure.where == "here"


def test_a_task_that_kills_its_workers_is_given_up_and_the_rest_done(tmp_path, calm):
    work = tasks()
    work[3]["kills"] = True
    found = run(tmp_path, work, 2)
    failure = found[3]
    assert failure.error.startswith("a worker process died (SIGKILL) 3 times over") and failure.where.startswith(
        "tile 3,"
    )
    stored = contents(tmp_path)
    assert len(stored) == COUNT - 1 and stored.items() <= calm.items()
    counts = Counter(tried(tmp_path / "log"))
    assert counts.pop(3) == 3 and set(counts.values()) == {1}


def test_five_killed_workers_cost_a_task_each_at_most(tmp_path, calm):
    random_, left = random.Random(5), [5]

    def kill(index, how, value):
        # A new worker is often killed while it starts: that is not the fault of the task it was to get.
        if left[0] and index % 3 == 0:
            os.kill(random_.choice(multiprocessing.active_children()).pid, signal.SIGKILL)
            left[0] -= 1

    found = run(tmp_path, tasks(takes_s=0.02), 2, on_done=kill)
    assert left == [0] and not any(isinstance(value, Failure) for value in found.values())
    assert contents(tmp_path) == calm
    twice = len(tried(tmp_path / "log")) - COUNT
    assert twice <= 5


def begun(folder: Path, results: int, takes_s: float = 0.05, by: str = "2") -> subprocess.Popen:
    """A client with two workers or a cluster that has handed out so many results."""
    process = subprocess.Popen(
        [sys.executable, durable_tasks.__file__, folder, str(COUNT), str(takes_s), by],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    for _ in range(results):
        assert process.stdout.readline()
    return process


def gone(pids: set[int]) -> bool:
    """Whether processes end; zombies that nobody waits for are gone too."""

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    for _ in range(500):
        if not any(map(alive, pids)):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_client_leaves_no_worker_and_its_run_goes_on(tmp_path, calm, sign, code):
    process = begun(tmp_path, 6)
    workers = {int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines()}
    os.kill(process.pid, sign) if sign == signal.SIGKILL else os.killpg(process.pid, sign)
    process.communicate(timeout=20)
    assert process.returncode == code and gone(workers) and 6 <= len(tried(tmp_path / "log")) < COUNT
    run(tmp_path, tasks())
    assert contents(tmp_path) == calm
    assert len(tried(tmp_path / "log")) - COUNT <= 2, "more than one task a worker was lost"


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_full_disk_ends_the_run_which_goes_on_later(tmp_path, calm, monkeypatch, step):
    """Injected: the nth call of a step of writing fails as on a full disk."""
    left, real = [random.Random(step).randrange(5, 20)], getattr(os, step)

    def failing(*args, **kwargs):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing)
        with pytest.raises(InputError, match=r"written: No space left on device; what is done is kept: run it again"):
            run(tmp_path, tasks())
    before = contents(tmp_path)
    assert before.items() <= calm.items() and before != calm
    run(tmp_path, tasks())
    assert contents(tmp_path) == calm and len(tried(tmp_path / "log")) <= COUNT + 1


def test_a_disk_that_is_really_full(tmp_path, calm, spread):
    """A file system of 64 KiB in memory, where one may be mounted; 24 entries take 96."""
    disk = tmp_path / "store"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(InputError, match="No space left on device; what is done is kept"):
            run(tmp_path, tasks(), spread)
        before = contents(tmp_path)
        assert 5 < len(before) < COUNT and before.items() <= calm.items()
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        run(tmp_path, tasks(), spread)
        assert contents(tmp_path) == calm and len(tried(tmp_path / "log")) <= COUNT + spread.workers
    finally:
        list(spread(len, ["" for _ in range(spread.workers)]))  # who may still be writing has ended
        subprocess.run(["umount", disk], check=True)


def test_damaged_entries_are_computed_again(tmp_path, calm):
    run(tmp_path, tasks())
    names = sorted(calm)
    for name, content in ((names[2], calm[names[2]][:100]), (names[7], calm[names[7]].replace(b"rounds", b"Rounds"))):
        (tmp_path / "store" / name[:2] / name).write_bytes(content)
    how = Counter()
    run(tmp_path, tasks(), on_done=lambda _, one, value: how.update([one]))
    assert how == {"stored": COUNT - 2, "computed": 2} and contents(tmp_path) == calm
    assert {path.name for path in Store(tmp_path / "store").damaged} == {names[2], names[7]}


def test_a_folder_that_workers_do_not_share_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSES_S", (0.0, 0.01))

    class Elsewhere(Here):
        def submit(self, function, task, then):
            super().submit(lambda task: None, task, then)

    with pytest.raises(InputError, match="was written and is not there: is it a folder that all workers share"):
        list(durable(Elsewhere(), Store(tmp_path), durable_tasks.kind(tmp_path), tasks(1)))
