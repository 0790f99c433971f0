"""Tasks on the workers of a Dask cluster: the only file that knows Dask.

Dask runs whatever it is sent, so who can talk to a scheduler can do what its workers can: off this machine only TLS
with certificates on both sides is taken. Durability is not asked of it: results are in the store.
"""

import contextlib
import logging
import os
import pickle
import queue
import secrets
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import dask.config
from distributed import Client, Future, KilledWorker, LocalCluster, Security, WorkerPlugin, get_worker

from ..errors import MissingError, WorkerLost
from .address import TLS, parse_address
from .engine import ADVICE, DEATHS, Engine, Outcome, Sent, Task, Then, answered
from .pool import SINGLE, deaf, environment

LEAST_S = 2.0  # of work in what is sent at a time: Dask takes some milliseconds for each
MOST = 1000  # tasks at a time
AHEAD = 2  # packets for each thread: one in work, one that is there when it is done
LOOK_S = 2.0  # between looks at who works


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Engine]:
    """An engine for the block on the workers of `tls://HOST:PORT`, or on N processes it starts: `local:N`.

    Plain `tcp://` is taken on loopback only. Small tasks are sent together, so that what is sent is two seconds of work
    or more; there are two such packets for each of the workers' threads, and never more. Tasks whose worker died are
    tried again alone, and then with nothing else on the cluster. What all tasks share goes to each worker once.
    ConfigError for any other address; MissingError when no scheduler answers, or when it is gone.
    """
    found = parse_address(address)
    opened = _local(found.processes) if found.processes else _remote(address, found.tls)
    with opened as client:
        engine = _Dask(client, address)
        try:
            yield engine
        finally:
            engine.drop()


@contextlib.contextmanager
def _remote(address: str, tls: TLS | None) -> Iterator[Client]:
    security = None
    if tls is not None:
        files = {"tls_ca_file": tls.ca, "tls_client_cert": tls.cert, "tls_client_key": tls.key}
        security = Security(**{name: str(file) for name, file in files.items()}, require_encryption=True)
    with _quiet():
        try:
            client = Client(address, security=security, timeout="20s", set_as_default=False)
        except OSError as error:
            why = " ".join(str(error.__cause__ or error).split())
            raise MissingError(f"--cluster {address}: no scheduler answers: {why}") from error
        try:
            yield client
        finally:
            client.close(timeout=5)


@contextlib.contextmanager
def _local(count: int) -> Iterator[Client]:
    """A scheduler in this process and spawned workers, one thread each, which end with it, however it ends."""
    settings = {
        "distributed.scheduler.allowed-failures": 0,  # we count deaths ourselves
        "distributed.scheduler.http.routes": [],  # pages that nobody asked for
        "distributed.worker.http.routes": [],
        "distributed.nanny.pre-spawn-environ": dask.config.get("distributed.nanny.pre-spawn-environ", {}) | SINGLE,
    }
    with _quiet(), tempfile.TemporaryDirectory(prefix="actinic-") as folder, dask.config.set(settings):
        # Threads started here, and all processes they start, never hear Ctrl-C: this one decides.
        with deaf(), environment(SINGLE):
            workers = LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", memory_limit=0, local_directory=folder, silence_logs=logging.CRITICAL,
                security=Security.temporary(),  # others on this machine can reach a port, too
            )  # fmt: skip
            client = Client(workers, set_as_default=False)
        try:
            yield client
            client.close()
        finally:
            for nanny in workers.workers.values():
                nanny.auto_restart = False
                if nanny.process is not None and nanny.process.pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(nanny.process.pid, 9)
            client.close(timeout=5)
            workers.close(timeout=5)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs about lost workers and schedulers is said by us, in a line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


class _Knows(WorkerPlugin):
    """A function kept by each worker, also by those that come later."""

    def __init__(self, name: str, content: bytes):
        self.name, self.content = name, content

    def setup(self, worker) -> None:
        self.function = Sent(self.content)


def _work(name: str, tasks: list[bytes]) -> tuple[list[bytes], float]:
    """A packet of tasks on a worker: outcomes, and seconds for each."""
    function, began = get_worker().plugins[name].function, time.perf_counter()
    answers = [answered(function, task) for task in tasks]
    return answers, (time.perf_counter() - began) / len(tasks)


@dataclass
class _Order:
    name: str
    task: bytes
    then: Then
    apart: int = 0  # 1: in a packet of its own; 2: on a cluster that does nothing else
    deaths: int = 0  # when nothing else can be to blame


class _Dask(Engine):
    def __init__(self, client: Client, address: str):
        self._client, self._address = client, address
        self._sent: dict[Future, list[_Order]] = {}
        self._packet: list[_Order] = []
        self._again: deque[_Order] = deque()  # whose worker died
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._known: dict[str, Callable] = {}  # functions by the name that workers know them by
        self._seconds: float | None = None  # a task takes
        self._looked, self._threads = -LOOK_S, 0

    @property
    def workers(self) -> int:
        """Threads of all workers that are there."""
        if time.monotonic() - self._looked > LOOK_S:
            try:
                self._threads = sum(self._client.nthreads().values())
            except (OSError, TimeoutError) as error:
                raise self._gone() from error
            self._looked = time.monotonic()
        return self._threads

    @property
    def _size(self) -> int:
        """Tasks in a packet; the first tell how long they take."""
        return 1 if self._seconds is None else max(1, min(MOST, round(LEAST_S / max(self._seconds, 1e-9))))

    def free(self) -> int:
        packets = 0 if self._again else max(1, AHEAD * self.workers) - len(self._sent)
        return packets * self._size - len(self._packet)

    def submit(self, function: Callable[[Task], Any], task: Task, then: Then) -> None:
        self._packet.append(_Order(self._name(function), pickle.dumps(task), then))
        if len(self._packet) >= self._size:
            self._send()

    def _name(self, function: Callable) -> str:
        for name, known in self._known.items():
            if known is function:
                return name
        needed = {order.name for orders in (*self._sent.values(), self._packet, self._again) for order in orders}
        self._forget(self._known.keys() - needed)
        name = f"actinic-{secrets.token_hex(8)}"
        self._client.register_plugin(_Knows(name, pickle.dumps(function)), name=name)
        self._known[name] = function
        return name

    def _forget(self, names) -> None:
        for name in list(names):
            del self._known[name]
            with contextlib.suppress(Exception):  # workers or scheduler may be gone, which is as good
                self._client.unregister_worker_plugin(name)

    def _send(self) -> None:
        """Send what has been gathered, as one packet for each function."""
        for name in dict.fromkeys(order.name for order in self._packet):
            self._hand_over([order for order in self._packet if order.name == name])
        self._packet = []

    def _hand_over(self, orders: list[_Order]) -> None:
        future = self._client.submit(
            _work, orders[0].name, [order.task for order in orders], pure=False, key=f"tiles-{secrets.token_hex(8)}"
        )
        self._sent[future] = orders
        future.add_done_callback(self._ended.put)  # called in a thread of Dask's

    def wait(self) -> None:
        self._send()
        while self._again and self._fits(self._again[0]):
            self._hand_over([self._again.popleft()])
        while True:
            try:
                future = self._ended.get(timeout=1.0)
                break
            except queue.Empty:
                if self._client.status != "running":
                    raise self._gone() from None
        orders = self._sent.pop(future)
        try:
            answers, seconds = future.result()  # is there, or computed again where it was lost with its worker
        except KilledWorker as error:
            self._lost(orders, error.allowed_failures + 1)
        except CancelledError as error:
            raise self._gone() from error
        except Exception as error:
            for order in orders:
                order.then(Outcome(error=RuntimeError(f"Dask: {error!r}")))
        else:
            self._seconds = seconds if self._seconds is None else 0.7 * self._seconds + 0.3 * seconds
            for order, answer in zip(orders, answers, strict=True):
                order.then(pickle.loads(answer))

    def _fits(self, order: _Order) -> bool:
        """Whether an order whose worker died can be sent now: one a thread, or when nothing else is on the cluster."""
        if order.apart == 2 or any(other.apart == 2 for orders in self._sent.values() for other in orders):
            return not self._sent
        return len(self._sent) < max(1, self.workers)

    def _lost(self, orders: list[_Order], deaths: int) -> None:
        for order in orders:
            # Which one it was is not known, nor what else the worker had to do: each is tried again farther apart from
            # the others. What they have stored is not lost.
            order.deaths += deaths if order.apart == 2 else 0
            if order.deaths < DEATHS:
                order.apart = min(order.apart + 1, 2)
                self._again.append(order)
            else:
                why = f"its worker on the cluster died {order.deaths} times over; {ADVICE}"
                order.then(Outcome(error=WorkerLost(why)))

    def _gone(self) -> MissingError:
        return MissingError(f"--cluster {self._address}: the scheduler is gone; what is done is kept: run it again")

    def drop(self) -> None:
        """Leave nothing behind on a cluster that lives on."""
        if self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.cancel(list(self._sent), force=True)
            self._forget(self._known)
