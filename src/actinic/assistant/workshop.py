"""A process in which tools compute: it can be stopped at any moment, has bounded memory and opens no socket."""

import contextlib
import json
import multiprocessing
import queue
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .. import errors
from ..errors import ActinicError, NumericalError
from ..plain import to_json
from ..scale.pool import SINGLE, deaf, environment
from .files import Root
from .results import fitted
from .sockets import only
from .tools import TOOLS, Bench, parsed

MEMORY_GIB = 12
_POLL_S = 0.05
Progress = Callable[[str, int, int], None]
Pictures = list[tuple[str, bytes]]


class LimitError(ActinicError):
    """A budget is used up: time, memory, size of a result, steps, tokens."""


class Cancelled(ActinicError):
    """Whoever asked does not want the answer any more."""


class Workshop:
    """One process at most, started when it is needed and kept for the next call; killed when a call must end."""

    def __init__(self, root: Root):
        self._root = root
        self._process: Any = None
        self._link: Connection | None = None
        self._busy = threading.Lock()

    def call(
        self, name: str, arguments: dict[str, Any], seconds: float, progress: Progress, cancel: threading.Event
    ) -> tuple[dict[str, Any], Pictures]:
        """Run a tool on arguments that were checked; errors are the tool's own.

        LimitError when `seconds` are over, Cancelled when `cancel` is set: then the computation has stopped.
        """
        until = time.monotonic() + seconds
        with self._busy:
            link = self._started()
            try:
                link.send((name, arguments))
                while True:
                    if cancel.is_set():
                        raise Cancelled(f"{name}: cancelled")
                    if time.monotonic() > until:
                        raise LimitError(f"{name}: stopped after {seconds:g} s; ask for less at once")
                    if not link.poll(_POLL_S):
                        continue
                    kind, *said = link.recv()
                    if kind == "progress":
                        progress(*said)
                    elif kind == "result":
                        return said[0], said[1]
                    else:
                        raise _error(*said)
            except (EOFError, OSError):
                self._end()
                raise LimitError(f"{name}: its process died, perhaps for want of memory ({MEMORY_GIB} GiB)") from None
            except (Cancelled, LimitError):
                self._end()
                raise
            except BaseException as error:
                if not isinstance(error, ActinicError):
                    self._end()  # a computation that nobody waits for, such as after Ctrl-C
                raise

    def close(self) -> None:
        """End the process, if there is one."""
        with self._busy:
            self._end()

    def _started(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._link is None:
            self._end()
            context = multiprocessing.get_context("spawn")
            with environment(SINGLE), deaf():
                self._link, there = context.Pipe()
                self._process = context.Process(target=_serve, args=(there, str(self._root.folder)), daemon=True)
                self._process.start()
            there.close()
        return self._link

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._link is not None:
            self._link.close()
        self._process = self._link = None


class Workshops:
    """Several of them, so that so many calls are computed at once; others wait for one to be free."""

    def __init__(self, root: Root, size: int = 1):
        self._all = [Workshop(root) for _ in range(size)]
        self._free: queue.Queue[Workshop] = queue.Queue()
        for one in self._all:
            self._free.put(one)

    def call(
        self, name: str, arguments: dict[str, Any], seconds: float, progress: Progress, cancel: threading.Event
    ) -> tuple[dict[str, Any], Pictures]:
        """As a workshop's; waiting counts."""
        until = time.monotonic() + seconds
        while True:
            if cancel.is_set():
                raise Cancelled(f"{name}: cancelled")
            try:
                one = self._free.get(timeout=_POLL_S)
                break
            except queue.Empty:
                if time.monotonic() > until:
                    raise LimitError(f"{name}: not begun within {seconds:g} s; others are being computed") from None
        try:
            return one.call(name, arguments, until - time.monotonic(), progress, cancel)
        finally:
            self._free.put(one)

    def close(self) -> None:
        for one in self._all:
            one.close()


def _error(kind: str, text: str) -> ActinicError:
    known = {"LimitError": LimitError} | {n: c for n, c in vars(errors).items() if isinstance(c, type)}
    found = known.get(kind, NumericalError)
    return found(text) if issubclass(found, ActinicError) else NumericalError(text)


def _serve(link: Connection, folder: str) -> None:
    """What the process does until its pipe ends."""
    limit = MEMORY_GIB << 30
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    only(None)
    root = Root(folder)
    with contextlib.suppress(EOFError, OSError):
        while True:
            name, arguments = link.recv()
            try:
                link.send(("result", *made(root, name, arguments, lambda *said: link.send(("progress", *said)))))
            except ActinicError as error:
                link.send(("error", type(error).__name__, str(error).replace(f"{root.folder}/", "")))
            except MemoryError:
                link.send(("error", "LimitError", f"{name}: out of memory ({MEMORY_GIB} GiB); ask for less at once"))
            except OverflowError as error:
                link.send(("error", "LimitError", f"{name}: {error}"))
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:
                said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                link.send(("error", "NumericalError", f"{name}: unexpected {said}"))


def made(root: Root, name: str, arguments: dict[str, Any], progress: Progress) -> tuple[dict[str, Any], Pictures]:
    """What a tool gives, of a size that fits, with ids in place of this machine's paths."""
    tool = TOOLS[name]
    with tempfile.TemporaryDirectory(prefix="actinic-") as scratch:
        bench = Bench(root, Path(scratch), progress)
        found = tool.run(parsed(tool, arguments), bench)
        text = to_json(found)
        for folder in (root.folder, scratch):
            text = text.replace(f"{folder}/", "")
        return fitted(json.loads(text)), bench.pictures
