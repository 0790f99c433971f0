"""Where a cluster is, and with whom it is safe to talk: Dask runs whatever it is sent."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError


@dataclass(frozen=True)
class TLS:
    """Files in PEM: the authority that signed both sides' certificates, and this side's certificate and key."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class Address:
    """A cluster of so many processes to be started here, or one that is there already, with or without TLS."""

    processes: int = 0
    tls: TLS | None = None


def parse_address(address: str) -> Address:
    """From `local:N`, `tls://HOST:PORT`, or `tcp://HOST:PORT` with a host that is this machine itself.

    ConfigError for any other, and where TLS lacks its files, which ACTINIC_TLS_CA, ACTINIC_TLS_CERT and
    ACTINIC_TLS_KEY name.
    """
    if local := re.fullmatch(r"local:([1-9]\d{0,5})", address):
        return Address(processes=int(local[1]))
    found = re.fullmatch(r"(tls|tcp)://(\[[0-9a-fA-F:.]+\]|[^\[\]/:@]+):(\d+)", address)
    if not found:
        raise ConfigError(f"--cluster {address}: takes tls://HOST:PORT, local:N, or tcp://127.0.0.1:PORT")
    if found[1] == "tls":
        return Address(tls=_tls(address))
    if not _is_loopback(found[2].strip("[]")):
        raise ConfigError(
            f"--cluster {address}: plain tcp is for this machine only, as Dask runs what it is sent: use tls://"
        )
    return Address()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(address: str) -> TLS:
    files = []
    for name in ("ACTINIC_TLS_CA", "ACTINIC_TLS_CERT", "ACTINIC_TLS_KEY"):
        file = os.environ.get(name, "")
        if not file:
            raise ConfigError(f"--cluster {address}: set {name} to a PEM file (see docs/cluster.md)")
        if not Path(file).is_file():
            raise ConfigError(f"{name} names {file}, which is no file")
        files.append(Path(file))
    return TLS(*files)
