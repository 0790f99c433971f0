"""Federated learning between machines: a server and sites that run Flower's programs, and what these programs call.

Flower runs what the server sends. What it sends here are three lines that import this file as it is installed at the
site; a site that is sent anything else runs that too, see docs/federated.md.
"""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ConfigError, InputError, MissingError, NumericalError
from ..learn.federated import Plan, Site, Terms, relay
from ..learn.federated.tasks import Calibration
from ..operate.calibration import read_gauges
from ..writing import write_file
from .federate import Learning, federated_task
from .folder import provenance, write_records
from .work import Progress, quiet

# Flower tells its makers of every start, and asks them for newer versions, unless it is told not to.
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "PYTHONWARNINGS": "ignore"}
APP = """from importlib import import_module

from actinic.jobs.federate_apart import open_course, open_site

flower = import_module("actinic.learn.federated.flower")
client = flower.client_app(open_site)
server = flower.server_app(open_course)
"""
PROJECT = """[project]
name = "actinic-federated"
version = "1.0.0"
description = "Sites that learn together with Actinic"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "actinic"

[tool.flwr.app.components]
serverapp = "app:server"
clientapp = "app:client"

[tool.flwr.app.config]
course = ""
"""
_LOOK_S = 0.5
_TRIES = 60
_END_S = 3.0


@dataclass(frozen=True)
class Certificates:
    """PEM files of the server's TLS: the authority that signed its certificate, that certificate, its key."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Member:
    """A site as the server knows it: its name, and the public key of its node in a PEM or OpenSSH file."""

    name: str
    key: Path


@dataclass(frozen=True)
class Serving:
    """Where the server listens, how many sites make a round, and how long it waits for a site, in seconds."""

    port: int
    host: str = "127.0.0.1"
    least: int = 2
    patience_s: float = 600.0


@dataclass(frozen=True)
class Participation:
    """How a site takes part: its name, its own data, its node's private key, and on what terms."""

    name: str
    data: Path
    key: Path
    rounds: int
    epsilon: float | None = None


def open_site(file: str) -> Site:
    """The site whose file `federate site` wrote, in the process that Flower started for one request."""
    told = _read(Path(file))
    task, _ = federated_task(Learning(told["task"], told["optics"]))
    folder, terms = Path(file).parent, Terms(told["rounds"], told["epsilon"])
    secret = (folder / "secret").read_bytes()
    return Site(told["name"], task, _examples(task, Path(told["data"])), terms, secret=secret, folder=folder)


def open_course(file: str) -> Any:
    """The course whose file `federate server` wrote, in the process that Flower started for the server's app."""
    told = _read(Path(file))
    task, _ = federated_task(Learning(**told["learning"]))
    flower = import_module("actinic.learn.federated.flower")
    return flower.Course(task, Plan(**told["plan"]), told["nodes"], Path(file).parent, told["patience_s"])


def federate_site(
    wanted: Learning, site: Participation, server: str, authority: Path, out: Path, port: int = 9094
) -> dict[str, Any]:
    """Take part until interrupted: a Flower node for the server at HOST:PORT, its training on this site's data.

    `out` keeps the site's state, its secret, every reply as it left, and in `wire/outgoing.bin` every byte that the
    node sent. `port` is for Flower's own processes on this machine. Raises MissingError without Flower, NumericalError
    when the node ends by itself, as one that is not registered does.
    """
    task, _ = federated_task(wanted)
    _examples(task, site.data)
    for file in (site.key, authority):
        _readable(file)
    _program("flower-supernode")
    _able()
    out = Path(out).absolute()
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (out / "secret").exists():
        write_file(out / "secret", secrets.token_bytes(32))
        (out / "secret").chmod(0o600)
    told = {"name": site.name, "task": wanted.task, "optics": wanted.optics, "data": str(site.data.absolute())}
    write_file(out / "site.json", json.dumps(told | {"rounds": site.rounds, "epsilon": site.epsilon}).encode())
    with relay(server, authority, out / "wire") as (near, certificate):
        words = [
            *("--superlink", f"127.0.0.1:{near}", "--root-certificates", str(certificate), "--port", str(port)),
            *("--auth-supernode-private-key", str(site.key.absolute())),
            *("--node-config", f'site="{out / "site.json"}"', "--max-retries", "10"),
        ]
        with _running("flower-supernode", words, out) as node:
            code = node.wait()
    if "Failed to activate SuperNode" in (out / "flower.log").read_text(errors="replace"):
        raise NumericalError(f"{site.name}: {server} has not registered its key: start the server first, with that key")
    raise NumericalError(f"the node of {site.name} ended ({code}): {_last(out / 'flower.log')}")


def federate_server(
    wanted: Learning,
    members: Sequence[Member],
    serving: Serving,
    certificates: Certificates,
    out: Path,
    *,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Serve one training to the end: register the sites' keys, wait for them, train, and stop.

    A folder `out` of a training that was stopped goes on with it. Raises MissingError without Flower, NumericalError
    when the training fails.
    """
    _, rounds = federated_task(wanted)
    for file in (*(getattr(certificates, n) for n in ("authority", "certificate", "key")), *(m.key for m in members)):
        _readable(file)
    if len({m.name for m in members}) != len(members) or len(members) < serving.least:
        raise ConfigError(f"{len(members)} sites: give {serving.least} or more, each with a name of its own")
    _program("flower-superlink")
    _able()
    out = Path(out).absolute()
    (out / "flwr").mkdir(mode=0o700, parents=True, exist_ok=True)
    (out / "app").mkdir(exist_ok=True)
    (out / "app" / "app.py").write_text(APP)
    (out / "app" / "pyproject.toml").write_text(PROJECT)
    address = f"{serving.host}:{serving.port}"
    connection = f'address = "{address}"\nroot-certificates = "{certificates.authority.absolute()}"\n'
    (out / "flwr" / "config.toml").write_text(f'[superlink]\ndefault = "actinic"\n\n[superlink.actinic]\n{connection}')
    words = [
        *("--ssl-ca-certfile", certificates.authority, "--ssl-certfile", certificates.certificate),
        *("--ssl-keyfile", certificates.key, "--host", serving.host, "--port", serving.port),
        *("--enable-supernode-auth", "--disable-runtime-dependency-installation", "--database", out / "flower.db"),
    ]
    with _running("flower-superlink", [str(word) for word in words], out) as link:
        nodes = _registered(out, members, link)
        plan = Plan(f"{wanted.task}", rounds, wanted.aggregate, wanted.proximal, serving.least)
        told = {"learning": asdict(wanted), "plan": asdict(plan), "nodes": nodes, "patience_s": serving.patience_s}
        write_file(out / "course.json", json.dumps(told).encode())
        (out / "ended").unlink(missing_ok=True)
        words = "run", str(out / "app"), "actinic", "--run-config", f'course="{out / "course.json"}"'
        _flwr(out, *words, wanted=r'"run-id":\s*"?(\d+)', link=link)
        while not (out / "ended").exists():
            if link.poll() is not None:
                raise NumericalError(f"the server's Flower ended: {_last(out / 'flower.log')}")
            time.sleep(_LOOK_S)
        problem = (out / "ended").read_text()
    if problem:
        raise NumericalError(problem)
    result = {"task": wanted.task, "run": str(out), "rounds": rounds, "sites": [m.name for m in members]}
    result |= _read(out / "told.json")
    write_records(out, result, provenance({}, precision="float64", optics=wanted.optics))
    return result


def _examples(task: Any, data: Path) -> Any:
    if not isinstance(task, Calibration):
        raise ConfigError(f"{task.name} is not trained on a site's own files yet: calibration is")
    return task.gauges(read_gauges(data)[0])


def _registered(out: Path, members: Sequence[Member], link: subprocess.Popen) -> dict[str, int]:
    """The node of every member, by name; those that are registered already stay."""
    place = out / "nodes.json"
    nodes = _read(place) if place.exists() else {}
    for member in members:
        if member.name not in nodes:
            words = "supernode", "register", str(member.key.absolute()), "actinic"
            nodes[member.name] = int(_flwr(out, *words, wanted=r'"node-id":\s*"?(\d+)', link=link))
            write_file(place, json.dumps(nodes).encode())
    return nodes


def _flwr(out: Path, *words: str, wanted: str, link: subprocess.Popen) -> str:
    """The part of what Flower's command line says that is wanted; tried again while the server starts."""
    said = ""
    for _ in range(_TRIES):
        done = subprocess.run(
            [_program("flwr"), *words, "--format", "json"],
            env=_environment(out),
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        if found := re.search(wanted, said):
            return found[1]
        if link.poll() is not None or "unavailable" not in said:
            break
        time.sleep(_LOOK_S)
    raise NumericalError(f"flwr {' '.join(words[:2])}: {' '.join(said.split())[-300:]}")


@contextlib.contextmanager
def _running(program: str, words: Sequence[str], out: Path) -> Iterator[subprocess.Popen]:
    """One of Flower's servers for the block, with all that it starts; what it says goes to flower.log."""
    with open(out / "flower.log", "ab") as log, _ended_by(signal.SIGTERM):
        process = subprocess.Popen(
            [_program(program), *words], env=_environment(out), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                pass
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def _ended_by(number: int) -> Iterator[None]:
    """A signal that ends the block as Ctrl-C does, so that what it started ends too."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


def _environment(out: Path) -> Mapping[str, str]:
    path = os.pathsep.join([str(_programs()), os.environ.get("PATH", "")])
    return os.environ | QUIET | {"FLWR_HOME": str(out / "flwr"), "PATH": path}


def _programs() -> Path:
    """The folder of Flower's programs: in an environment of its own, for its pins and ours collide."""
    return Path(os.environ.get("ACTINIC_FLOWER") or Path(sys.executable).parent).absolute()


def _program(name: str) -> str:
    found = _programs() / name
    if not found.exists():
        raise MissingError(
            f"{found.parent} has no {name}: install Flower in an environment of its own and let ACTINIC_FLOWER name "
            "its folder of programs (docs/federated.md)"
        )
    return str(found)


def _able() -> None:
    """MissingError where the environment of Flower's programs has no Actinic that runs: its apps would die unheard."""
    words = [_program("python"), "-c", "import actinic.jobs.federate_apart, actinic.learn.federated.flower"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise MissingError(f"{_programs()}: Actinic does not run there ({last}): see docs/federated.md")


def _readable(file: Path) -> None:
    if not os.access(file, os.R_OK) or not Path(file).is_file():
        raise InputError(f"{file}: is no file that can be read")


def _read(place: Path) -> dict[str, Any]:
    try:
        return json.loads(place.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be read: {error}") from None


def _last(log: Path) -> str:
    """The last words of a log."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace")).split())[-300:]
