"""Learning together over Flower on loopback: TLS, registered keys, a server that dies; and what leaves a site."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actinic.jobs import Learning, load_setup
from actinic.jobs.federate import federated_task
from actinic.learn import unpack
from actinic.learn.federated import Plan, Site, Terms, conduct
from actinic.learn.federated.tasks import Calibration
from actinic.operate.calibration import read_gauges, to_csv
from canaries import leaks
from test_cli import ROOT

# Says of every process below which addresses it binds, connects to and asks for by name.
WITNESS = """
import os, sys
def hook(event, args, folder=os.environ["WITNESS"]):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
        place = args[0] if event == "socket.getaddrinfo" else args[-1]
        place = place[0] if isinstance(place, tuple) else place
        with open(f"{folder}/{os.getpid()}", "a") as file:
            file.write(f"{event} {place!r}\\n")
sys.addaudithook(hook)
"""


def site_files(folder: Path, canary: bytes, number: int) -> Path:
    """A site's gauge file, whose names hold a secret."""
    task = Calibration(load_setup("krf-dry").process)
    made, _ = task.site(number, 0)
    words = canary.hex()
    rows = [
        replace(made.problem.measurements[o], value_nm=float(v), sigma_nm=1.0, name=words[(8 * n) % 256 :])
        for n, (o, v) in enumerate(zip(made.of, made.value_nm, strict=True))
    ]
    place = folder / f"site-{number + 1}.csv"
    place.write_text(to_csv(rows))
    return place


def keyed(folder: Path, name: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", folder / name], check=True)
    return folder / name


def free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


@pytest.fixture
def processes():
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_flower_on_loopback(tmp_path, processes):
    """Three sites, TLS and registered keys; a stranger is refused; the server is killed and goes on; the result is
    that of the same sites in one process, bit for bit; nothing of the data is in what left or at the server."""
    if not os.environ.get("ACTINIC_FLOWER"):
        pytest.skip("ACTINIC_FLOWER names no folder of Flower's programs (see docs/federated.md)")
    (tmp_path / "witness").mkdir()
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(WITNESS)
    environment = os.environ | {
        "WITNESS": str(tmp_path / "witness"), "PYTHONPATH": f"{tmp_path / 'hook'}:{ROOT / 'src'}",
    }  # fmt: skip
    canary = np.random.default_rng(7).bytes(256)
    data = [site_files(tmp_path, canary, number) for number in range(3)]
    keys = [keyed(tmp_path, f"node-{n}") for n in range(4)]
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext".split()
    pem, key = tmp_path / "server.pem", tmp_path / "server.key"
    names = ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(["openssl", *made, *names], check=True, capture_output=True)
    port, *near = free_ports(5)

    def start(name, *words):
        log = open(tmp_path / f"{name}.log", "ab")
        command = [sys.executable, "-c", "import sys; from actinic.interfaces.cli.app import main; sys.exit(main())"]
        processes.append(
            subprocess.Popen([*command, "federate", *map(str, words)], env=environment, stdout=log, stderr=log)
        )
        log.close()
        return processes[-1]

    def serve():
        members = [word for n in range(3) for word in ("--site", f"site-{n + 1}={keys[n]}.pub")]
        tls = "--cert", pem, "--key", key, "--ca", pem
        plan = "--rounds", 2, "--least", 3, "--patience", 200, "--port", port
        return start("server", "server", *members, *tls, *plan, "--out", tmp_path / "server", "--json")

    def join(number, data, key):
        words = "--data", data, "--server", f"127.0.0.1:{port}", "--ca", pem, "--key", key, "--port", near[number]
        return start(
            f"s{number}", "site", f"site-{number + 1}", *words, "--rounds", 9, "--out", tmp_path / f"at-{number}"
        )

    def wait(ready, what, seconds=300):
        for _ in range(4 * seconds):
            if ready():
                return
            time.sleep(0.25)
        logs = "".join(p.read_text(errors="replace")[-1500:] for p in tmp_path.glob("*.log"))
        raise AssertionError(f"{what} did not come\n{logs}")

    server = serve()
    wait(lambda: (tmp_path / "server" / "course.json").exists(), "the registration of the sites")
    stranger = join(3, data[0], keys[3])
    sites = [join(n, data[n], keys[n]) for n in range(3)]
    shared = tmp_path / "server" / "shared.safetensors"
    wait(shared.exists, "the first round")
    [link] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(link), signal.SIGKILL)
    assert server.wait(30) == 3
    first = unpack(shared.read_bytes(), shared)[0]
    server = serve()
    wait(lambda: server.poll() is not None, "the end")
    assert server.returncode == 0, (tmp_path / "server.log").read_text()[-2000:]
    assert stranger.wait(60) == 3 and "has not registered its key" in (tmp_path / "s3.log").read_text()
    assert [site.poll() for site in sites] == [None] * 3
    told = json.loads((tmp_path / "server" / "result.json").read_text())
    assert told["rounds"] == 2 and told["refused"] == []
    last = unpack(shared.read_bytes(), shared)[0]
    assert int(first["round"]) == 1 and int(last["round"]) == 2

    # The same in one process: neither Flower nor the break changed a bit.
    task, _ = federated_task(Learning("calibration"))
    inside = {}
    for n in range(3):
        secret = (tmp_path / f"at-{n}" / "secret").read_bytes()
        inside[f"site-{n + 1}"] = Site(
            f"site-{n + 1}", task, task.gauges(read_gauges(data[n])[0]), Terms(9), secret=secret
        )
    plan = Plan("calibration", 2, least=3)
    wanted, _ = conduct(task, list(inside), lambda asked: {n: inside[n].answer(c) for n, c in asked.items()}, plan)
    assert last["shared.settings"].tobytes() == wanted["settings"].tobytes()

    # What left the sites, and what the server has.
    for n in range(3):
        sent = [line for line in (tmp_path / f"at-{n}" / "outgoing.jsonl").read_text().splitlines()]
        wire = (tmp_path / f"at-{n}" / "wire" / "outgoing.bin").read_bytes()
        kept = (tmp_path / f"at-{n}" / "outgoing" / json.loads(sent[0])["file"]).read_bytes()
        assert kept in wire, "the relay sees replies as the site's log has them"
        assert not leaks(wire, canary)
    for file in (tmp_path / "server").rglob("*"):
        assert not (file.is_file() and leaks(file.read_bytes(), canary)), file
    assert leaks(data[0].read_bytes(), canary)

    # Nobody was called but this machine.
    places = {line for file in (tmp_path / "witness").iterdir() for line in file.read_text().splitlines()}
    assert any("socket.connect '127.0.0.1'" in line for line in places)
    strange = [line for line in places if line.split(" ", 1)[1].strip("'b") not in ALLOWED and "'/" not in line]
    assert strange == []


ALLOWED = {"127.0.0.1", "localhost", "::1", "", "None"}
