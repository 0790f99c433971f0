"""Run folders that are there from the beginning: who may go on with one, and what it tells of itself."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from actinic import jobs
from actinic.errors import ConfigError, InputError
from actinic.interfaces.cli.app import main
from actinic.jobs.runs import resumable
from actinic.scale import Failure, Journal, durable, pool, read_journal
from durable_tasks import kind, tried

module = importlib.import_module("actinic.scale.journal")
INPUTS = {"layout": "a1", "setup": "b2"}


def work(out, log, tasks, inputs=INPUTS, force=False, stop_at=None):
    """A run in one process that is interrupted at a result; its results by index."""
    found = {}
    with resumable(out, inputs, "key = 1\n", force) as run, pool(1) as spread:
        run.journal.begin(len(tasks), lambda: spread.workers)
        for index, value in durable(spread, run.store, kind(log), tasks, on_done=run.journal.told):
            if index == stop_at:
                raise KeyboardInterrupt
            found[index] = value
    return found


def test_an_interrupted_run_goes_on(tmp_path):
    out, tasks = tmp_path / "run", [{"n": n} for n in range(10)]
    with pytest.raises(KeyboardInterrupt):
        work(out, tmp_path, tasks, stop_at=4)
    assert out.stat().st_mode & 0o777 == 0o700 and (out / "run.toml").read_text() == "key = 1\n"
    found = jobs.status(out)
    assert (found["state"], found["done"], found["computed"], found["total"]) == ("interrupted", 5, 5, 10)
    assert len(work(out, tmp_path, tasks)) == 10
    found = jobs.status(out)
    assert (found["state"], found["computed"], found["reused"], found["sessions"]) == ("done", 5, 5, 2)
    assert found["computed_in_all_sessions"] == 10 and found["rate_per_s"] is None and found["error"] == ""
    assert tried(tmp_path / "log") == list(range(10))


def test_who_may_go_on(tmp_path):
    out, tasks = tmp_path / "run", [{"n": n} for n in range(4)]
    with pytest.raises(KeyboardInterrupt):
        work(out, tmp_path, tasks, stop_at=1)
    other = INPUTS | {"setup": "c3", "layer": "d4"}
    with pytest.raises(ConfigError, match=r"run holds a run with other inputs \(layer, setup\) that is not done: give"):
        work(out, tmp_path, tasks, other)
    assert read_journal(out).sessions == 1, "who is refused leaves no trace"
    work(out, tmp_path, tasks)
    with pytest.raises(ConfigError, match="run is not empty: choose another folder or add --force"):
        work(out, tmp_path, tasks)
    work(out, tmp_path, tasks, other, force=True)
    assert read_journal(out).inputs == other and read_journal(out).sessions == 1
    assert tried(tmp_path / "log") == [0, 1, 2, 3, 0, 1, 2, 3]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="mine is not empty"):
        work(tmp_path / "mine", tmp_path, tasks)


def test_given_up_tiles_and_errors_are_failures_and_get_another_chance(tmp_path):
    out, tasks = tmp_path / "run", [{"n": 0}, {"n": 1, "raises": 3}, {"n": 2}]
    assert isinstance(work(out, tmp_path, tasks)[1], Failure)
    found = jobs.status(out)
    assert found["state"] == "failed" and found["failed"] == 1 and found["computed"] == 2
    assert found["failures"] == [
        {"index": 1, "where": "tile 1, at 1.5,2 um", "error": "ValueError: no mask for 1", "attempts": 3}
    ]
    assert len(work(out, tmp_path, tasks)) == 3 and jobs.status(out)["state"] == "done"
    with pytest.raises(InputError), resumable(tmp_path / "two", INPUTS, ""):
        raise InputError("the disk is\nfull")
    found = jobs.status(tmp_path / "two")
    assert found["state"] == "failed" and found["error"] == "the disk is full" and found["total"] is None


RUN = """
import sys, time
from pathlib import Path
from actinic.jobs.runs import resumable
with resumable(Path(sys.argv[1]), {"layout": "a1", "setup": "b2"}, "") as run:
    run.journal.begin(7, lambda: 2)
    time.sleep(0.05)  # times in the journal have milliseconds
    run.journal.told(0, "computed", {})
    run.journal._ticked = -9.0
    run.journal.told(1, "stored", {})
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_a_run_of_another_process_is_running_until_it_is_killed(tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, out], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        found = jobs.status(out)
        assert (found["state"], found["done"], found["total"], found["workers"]) == ("running", 2, 7, 2)
        assert found["pid"] == process.pid and found["rate_per_s"] > 0 and found["left_s"] > 0
        with pytest.raises(ConfigError, match=rf"run: process {process.pid} on .* is at work on it"):
            work(out, tmp_path, [{"n": 0}])
        with pytest.raises(ConfigError, match="is at work on it"):
            work(out, tmp_path, [{"n": 0}], force=True)
        looks = []

        def kill(seconds):
            looks.append(seconds)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

        assert jobs.status(out, follow=True, sleep=kill)["state"] == "interrupted" and len(looks) == 1
    assert main(["status", str(out), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["state"] == "interrupted"
    assert said.err.startswith("interrupted: 2 of 7 tiles (29 %)\n")
    work(out, tmp_path, [{"n": 0}])
    assert main(["status", str(out)]) == 0 and capsys.readouterr().out.startswith("done: 1 of 1 tiles (100 %)")


def test_a_run_on_another_machine_is_known_by_its_signs_of_life(tmp_path):
    line = {"event": "start", "time": time.time() - 1e4, "inputs": {}, "host": "elsewhere", "pid": 1}
    path = tmp_path / "progress.jsonl"
    path.write_text(json.dumps(line) + "\n")
    assert read_journal(tmp_path).state == "running"
    os.utime(path, (time.time() - 70, time.time() - 70))
    assert read_journal(tmp_path).state == "interrupted"


def test_signs_of_life_are_given_while_nothing_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    with Journal(tmp_path, INPUTS):
        os.utime(tmp_path / "progress.jsonl", (1, 1))
        for _ in range(500):
            if read_journal(tmp_path).last_sign > 1:
                break
            time.sleep(0.01)
        assert read_journal(tmp_path).last_sign > 1


def test_a_journal_stays_small_however_long_the_run(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with Journal(tmp_path, INPUTS) as journal:
        journal.begin(10**6)
        for index in range(100_000):
            clock[0] += 0.5
            journal.told(index, "computed", {})
    assert 1000 < len((tmp_path / "progress.jsonl").read_text().splitlines()) < 4000
    assert read_journal(tmp_path).computed == 100_000


def test_torn_lines_and_foreign_ones_are_passed_over(tmp_path):
    with Journal(tmp_path, INPUTS) as journal:
        journal.begin(3)
        journal.told(0, "computed", {})
    path = tmp_path / "progress.jsonl"
    path.write_bytes(b'[1]\nnull\n{"a": 1}\n' + path.read_bytes() + b'{"event": "ti')
    assert read_journal(tmp_path).state == "done"
    with Journal(tmp_path, INPUTS):
        pass
    found = read_journal(tmp_path)
    assert found.sessions == 2 and found.computed_ever == 1


def test_rates_and_ends_are_those_of_late(tmp_path):
    path, now = tmp_path / "progress.jsonl", time.time()
    lines = [{"event": "start", "time": now - 1000, "inputs": {}, "host": "elsewhere", "pid": 1}]
    lines.append({"event": "work", "time": now - 1000, "total": 1300})
    for ago, computed in ((999, 0), (600, 40), (60, 94), (30, 97), (0, 100)):
        lines.append(
            {"event": "tick", "time": now - ago, "computed": computed, "reused": 1000, "failed": 0, "workers": 3}
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_journal(tmp_path)
    # A tenth of a task a second in the last minute; what the store had went by in the first second.
    assert found.rate_per_s == pytest.approx(0.1) and found.expected_end == pytest.approx(now + 2000)
    assert found.workers == 3 and found.done == 1100


def test_what_is_no_run_is_told(tmp_path, capsys):
    assert main(["status", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.endswith(
        "none: no run that tells of itself: progress.jsonl: No such file or directory\n"
    )
    (tmp_path / "progress.jsonl").touch()
    assert main(["status", str(tmp_path)]) == 2 and "tells of no run" in capsys.readouterr().err
    (tmp_path / "result.json").write_text('{"verdict": "In spec: all is well."}')
    assert main(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "done\n\nIn spec: all is well.\n"


def test_a_disk_that_fills_up_while_a_run_tells_of_itself_does_not_end_it(tmp_path, monkeypatch):
    with Journal(tmp_path, INPUTS) as journal:
        monkeypatch.setattr(journal, "_write", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
        journal.begin(1)
        journal.told(0, "failed", Failure(0, "here", "why", 3))
    assert read_journal(tmp_path).state == "interrupted"
