"""Dask's workers, in small and on loopback only: the same store, and what kills of worker, scheduler, client leave."""

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from actinic.errors import ConfigError, MissingError
from actinic.scale import Failure, Store, spreading
from actinic.scale.address import Address, parse_address
from durable_tasks import contents, run, tried
from test_durable import COUNT, begun, calm, gone, tasks  # noqa: F401 `calm` is a fixture

HAS_DASK = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not HAS_DASK, reason="needs the extra `cluster`")


def children(pid: int) -> set[int]:
    """All processes below one."""
    found, todo = set(), [pid]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            new = {int(word) for word in task.read_text().split()} - found
            found |= new
            todo += new
    return found


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://10.0.0.1:8786", "plain tcp is for this machine only, as Dask runs what it is sent: use tls://"),
        ("tcp://127.0.0.1.example.org:8786", "plain tcp is for this machine only"),
        ("tcp://0.0.0.0:8786", "plain tcp is for this machine only"),
        ("tcp://[2001:db8::1]:8786", "plain tcp is for this machine only"),
        ("10.0.0.1:8786", r"takes tls://HOST:PORT, local:N, or tcp://127\.0\.0\.1:PORT"),
        ("ucx://10.0.0.1:8786", "takes tls://HOST:PORT"),
        ("tcp://user@127.0.0.1:8786", "takes tls://HOST:PORT"),
        ("local:0", "takes tls://HOST:PORT"),
        ("tls://10.0.0.1:8786", "set ACTINIC_TLS_CA to a PEM file"),
    ],
)
def test_addresses_that_are_not_talked_to(address, said, monkeypatch):
    for part in ("CA", "CERT", "KEY"):
        monkeypatch.delenv(f"ACTINIC_TLS_{part}", raising=False)
    with pytest.raises(ConfigError, match=said):
        parse_address(address)


def test_addresses_that_are():
    assert parse_address("local:12").processes == 12
    for host in ("127.0.0.1", "127.3.2.1", "localhost", "[::1]"):
        assert parse_address(f"tcp://{host}:8786") == Address()
    with pytest.raises(ConfigError, match="plain tcp is for this machine only"), spreading(cluster="tcp://10.0.0.1:1"):
        pytest.fail("it was talked to")


@needs_dask
def test_no_scheduler_is_told(monkeypatch):
    from actinic.scale import cluster

    real = cluster.Client
    monkeypatch.setattr(cluster, "Client", lambda *args, **given: real(*args, **(given | {"timeout": "0.5s"})))
    with pytest.raises(MissingError, match=r"--cluster tcp://127\.0\.0\.1:1: no scheduler answers: "):
        with spreading(cluster="tcp://127.0.0.1:1"):
            pass


def test_a_missing_certificate_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("ACTINIC_TLS_CA", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match=r"ACTINIC_TLS_CA names .*ca\.pem, which is no file"):
        with spreading(cluster="tls://127.0.0.1:1"):
            pass


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "actinic.scale.cluster", raising=False)
    with pytest.raises(MissingError, match=r"--cluster needs Dask: pip install 'actinic\[cluster\]'"):
        with spreading(cluster="local:2"):
            pass


@needs_dask
def test_two_processes_of_dask_leave_the_same_store_though_killed(tmp_path, calm):  # noqa: F811
    random_, left, work = random.Random(7), [1], tasks(takes_s=0.01)
    work[3]["kills"], work[4]["raises"] = True, 9
    resource_tracker.ensure_running()  # a process of Python's own, which stays
    before = children(os.getpid())
    with spreading(cluster="local:2") as spread:
        assert spread.workers == 2

        def kill(index, how, value):
            if left[0] and index % 5 == 1:
                pids = [nanny.process.pid for nanny in spread._client.cluster.workers.values() if nanny.process]
                os.kill(random_.choice([pid for pid in pids if pid]), signal.SIGKILL)
                left[0] -= 1

        (tmp_path / "calmly").mkdir()
        calmly = run(tmp_path / "calmly", tasks(), spread)
        assert contents(tmp_path / "calmly") == calm and len(calmly) == COUNT
        # Two seconds of work at a time: fewer packets than tasks.
        assert spread._size > 10
        assert list(spread(abs, range(-30, 0))) == list(range(30, 0, -1))
        spread._seconds = None  # as at first, one by one
        found = run(tmp_path, work, spread, on_done=kill)
    failures = {index: value for index, value in found.items() if isinstance(value, Failure)}
    assert sorted(failures) == [3, 4] and left == [0] and len(found) == COUNT
    assert failures[3].error.startswith("its worker on the cluster died 3 times over")
    assert failures[4].error == "ValueError: no mask for 4" and failures[4].where == "tile 4, at 4.5,2 um"
    Store(tmp_path / "store").sweep()  # as the next run does: who was killed while writing left a part
    stored = contents(tmp_path)
    assert len(stored) == COUNT - 2 and stored.items() <= calm.items()
    assert gone(children(os.getpid()) - before)


@pytest.fixture
def authority(tmp_path, monkeypatch) -> list[str]:
    """Certificates of our own and where they are, for Dask's own commands and, by the environment, for Actinic."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=actinic", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    files = {"CA": "cert.pem", "CERT": "cert.pem", "KEY": "key.pem"}
    for part, file in files.items():
        monkeypatch.setenv(f"ACTINIC_TLS_{part}", str(tmp_path / file))
    return [f"--tls-{part}={tmp_path / file}" for part, file in
            (("ca-file", "cert.pem"), ("cert", "cert.pem"), ("key", "key.pem"))]  # fmt: skip


@needs_dask
def test_the_end_of_a_tls_scheduler_ends_the_run_which_goes_on_elsewhere(tmp_path, authority, calm, monkeypatch):  # noqa: F811
    port = str(random.Random(os.getpid()).randrange(20_000, 30_000))
    address, dask = f"tls://127.0.0.1:{port}", [sys.executable, "-m", "dask"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    commands = (
        ["scheduler", "--host", "tls://127.0.0.1", "--port", port, "--no-dashboard", *authority],
        ["worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1", *authority],
    )
    scheduler, _ = started = [
        subprocess.Popen(
            [*dask, *words], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for words in commands
    ]

    monkeypatch.setattr("actinic.scale.cluster.LEAST_S", 0.05)  # a task a packet

    def kill(index, how, value):
        if index == 6:
            scheduler.kill()

    try:
        with pytest.raises(MissingError, match=f"--cluster {address}: the scheduler is gone; what is done is kept"):
            run(tmp_path, tasks(takes_s=0.05), address, on_done=kill)
    finally:
        below = set().union(*(children(process.pid) for process in started))
        for process in started:
            process.kill()
            process.wait()
        assert gone(below)
    before = contents(tmp_path)
    assert 6 <= len(before) < COUNT and before.items() <= calm.items()
    run(tmp_path, tasks())
    assert contents(tmp_path) == calm and len(tried(tmp_path / "log")) <= COUNT + 2


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_client_takes_its_own_cluster_with_it(tmp_path, calm, sign, code):  # noqa: F811
    process = begun(tmp_path, 6, 0.1, "local:2")
    below = children(process.pid)
    assert len(below) >= 2
    began = time.monotonic()
    os.kill(process.pid, sign) if sign == signal.SIGKILL else os.killpg(process.pid, sign)
    process.communicate(timeout=20)
    assert process.returncode == code and gone(below) and time.monotonic() - began < 10
    run(tmp_path, tasks())
    assert contents(tmp_path) == calm
    assert max(Counter(tried(tmp_path / "log")).values()) <= 2
