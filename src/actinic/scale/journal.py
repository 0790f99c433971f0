"""What a run tells about itself while it runs: a file of JSON lines that only grows, and who holds its lock runs it.

    {"event": "start", "time": ..., "inputs": {...}, "host": ..., "pid": ...}     once a session
    {"event": "work", "time": ..., "total": ...}                                  when its tasks are known
    {"event": "tick", "time": ..., "computed": ..., "reused": ..., "failed": ..., "workers": ...}
    {"event": "failure", "index": ..., "where": ..., "error": ..., "attempts": ...}
    {"event": "end", "time": ..., "state": "done" | "failed" | "interrupted", "error": ...}

A session that was killed has no end. Times are seconds since 1970; the file's own is the last sign of life.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..errors import ConfigError, InputError
from .durable import Failure, How

NAME = "progress.jsonl"
COUNTS = ("computed", "reused", "failed")
BEAT_S = 5.0  # between signs of life
SILENT_S = 60.0  # without one, a run whose lock cannot be seen from here counts as gone


class Journal:
    """The one writer of a run's journal, for the block; ConfigError if the run has one.

    `inputs` is what the session goes by (name: hash of content); `afresh` forgets earlier ones. Leaving the block
    writes how it ended: done, failed if a task was given up or an error ended it, or interrupted.
    """

    def __init__(self, folder: Path, inputs: dict[str, str], afresh: bool = False):
        self._path = Path(folder) / NAME
        self._count = dict.fromkeys(COUNTS, 0)
        self._workers: Callable[[], int] = lambda: 0
        self._began = self._ticked = time.monotonic()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        try:
            self._file = open(self._path, "a+b", buffering=0)
            if not _locked(self._file, fcntl.LOCK_EX, patience_s=1.0):
                self._file.close()
                raise ConfigError(f"{folder}: {_holder(self._path.parent)} is at work on it")
            if afresh:
                self._file.truncate(0)
            size = self._file.seek(0, os.SEEK_END)
            if size and os.pread(self._file.fileno(), 1, size - 1) != b"\n":
                self._file.write(b"\n")  # whoever was killed while writing a line
            self._write("start", inputs=inputs, host=socket.gethostname(), pid=os.getpid())
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        self._heart.start()

    def begin(self, total: int | None, workers: Callable[[], int] = lambda: 1) -> None:
        """How many tasks there will be, if that is known, and who tells how many work on them."""
        self._workers = workers
        self._began = self._ticked = time.monotonic()
        self._say("work", total=total)

    def told(self, index: int, how: How, value: dict | Failure) -> None:
        """One more task is over; what `durable` calls as `on_done`."""
        kind = how if how in self._count else "reused"
        self._count[kind] += 1
        if isinstance(value, Failure):
            self._say("failure", index=index, where=value.where, error=value.error, attempts=value.attempts)
        # A thousand lines or so a run, however long it is.
        now = time.monotonic()
        if now - self._ticked >= max(1.0, (now - self._began) / 500):
            self._ticked = now
            self._say("tick", **self._count, workers=self._workers())

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _say(self, event: str, **what) -> None:
        with contextlib.suppress(OSError):  # a full disk is the store's to tell
            self._write(event, **what)

    def _write(self, event: str, **what) -> None:
        self._file.write(json.dumps({"event": event, "time": round(time.time(), 3), **what}).encode() + b"\n")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._heart.join()
        self._say("tick", **self._count, workers=0)
        if error is None:
            state = "failed" if self._count["failed"] else "done"
        else:
            state = "failed" if isinstance(error, Exception) else "interrupted"
        self._say("end", state=state, error="" if error is None else " ".join(str(error).split()))
        self._file.close()


def _locked(file, kind: int, patience_s: float = 0.0) -> bool:
    """Whether a lock was to be had; who only looks holds one for a moment."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        except OSError:
            return True  # a file system without locks: times must do


def _holder(folder: Path) -> str:
    with contextlib.suppress(InputError):
        who = read_journal(folder)
        return f"process {who.pid} on {who.host}"
    return "another process"


@dataclass(frozen=True)
class Progress:
    """What a journal tells. Counts of tasks are the last session's, but for `computed_ever`; times since 1970.

    `state` is running, done, failed, or interrupted: its process is gone. `rate_per_s` is that of the last minute, or
    of the last half of a shorter session; `expected_end` holds if it stays so.
    """

    state: str
    inputs: dict[str, str]
    total: int | None
    computed: int
    reused: int
    failed: int
    computed_ever: int
    failures: tuple[dict, ...]
    error: str
    workers: int
    sessions: int
    started: float
    session_started: float
    last_sign: float
    rate_per_s: float | None
    expected_end: float | None
    host: str
    pid: int

    @property
    def done(self) -> int:
        return self.computed + self.reused + self.failed


def read_journal(folder: Path) -> Progress:
    """The progress of a run from its journal; InputError if it has none."""
    path = Path(folder) / NAME
    try:
        with open(path, "rb") as file:
            held = not _locked(file, fcntl.LOCK_SH)
            sessions, last_sign = _sessions(file.read()), os.fstat(file.fileno()).st_mtime
    except OSError as error:
        raise InputError(f"{folder}: no run that tells of itself: {NAME}: {error.strerror or error}") from error
    if not sessions:
        raise InputError(f"{path}: tells of no run: it was killed as it began")
    last = sessions[-1]
    start, end = last[0], last[-1] if last[-1]["event"] == "end" else None
    if end is None:
        elsewhere = start["host"] != socket.gethostname() and time.time() - last_sign < SILENT_S
        state = "running" if held or elsewhere else "interrupted"
    else:
        state, last_sign = end["state"], end["time"]
    work = next((one for one in last if one["event"] == "work"), {"time": start["time"], "total": None})
    ticks = [[one for one in session if one["event"] == "tick"] for session in sessions]
    now = ticks[-1][-1] if ticks[-1] else dict.fromkeys((*COUNTS, "workers"), 0)
    rate = _rate(work["time"], ticks[-1])
    end_s = now["time"] + (work["total"] - _done(now)) / rate if rate and work["total"] is not None else None
    return Progress(
        state=state,
        inputs=start["inputs"],
        total=work["total"],
        **{name: now[name] for name in COUNTS},
        computed_ever=sum(session[-1]["computed"] for session in ticks if session),
        failures=tuple(
            {n: v for n, v in one.items() if n not in ("event", "time")} for one in last if one["event"] == "failure"
        ),
        error=end["error"] if end else "",
        workers=now["workers"] if state == "running" else 0,
        sessions=len(sessions),
        started=sessions[0][0]["time"],
        session_started=start["time"],
        last_sign=last_sign,
        rate_per_s=rate,
        expected_end=end_s if state == "running" else None,
        host=start["host"],
        pid=start["pid"],
    )


def _sessions(content: bytes) -> list[list[dict]]:
    """The lines of a journal, from start to start."""
    found: list[list[dict]] = []
    for line in content.splitlines():
        try:
            said = json.loads(line)
            event = said["event"]
        except (ValueError, TypeError, KeyError):
            continue  # whoever was killed while writing it
        if event == "start":
            found.append([])
        if found:
            found[-1].append(said)
    return found


def _done(tick: dict) -> int:
    return sum(tick[name] for name in COUNTS)


def _rate(began: float, ticks: list[dict]) -> float | None:
    """Tasks a second of late: what the store had at the beginning goes by at once and tells nothing."""
    if not ticks or ticks[-1]["time"] <= began:
        return None
    last = ticks[-1]
    since = max(last["time"] - 60.0, 0.5 * (began + last["time"]))
    before = [(_done(tick), tick["time"]) for tick in ticks if tick["time"] <= since]
    base, at = before[-1] if before else (0, began)
    return (_done(last) - base) / (last["time"] - at)
