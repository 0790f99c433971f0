"""Where this process may connect to: the endpoint that was named, or nowhere; by an audit hook, which nothing removes.

Python raises the event before the system is asked, so a library that would phone home gets an error and no packet
leaves. Code in C that opens sockets past Python is not seen.
"""

import socket
import sys
from urllib.parse import urlsplit

from ..errors import ConfigError, MissingError

Places = frozenset[tuple[str, int]]
_allowed: Places | None = None
_names: frozenset[str] = frozenset()
_hooked = False
_DEFAULT = {"http": 80, "https": 443}


def only(url: str | None) -> None:
    """From now on this process connects to the host and port of an address, or with None to nothing at all."""
    global _allowed, _names, _hooked
    if url is None:
        _allowed, _names = frozenset(), frozenset()
    else:
        host, port = place_of(url)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise MissingError(f"{url}: the host {host} is not known here ({error.strerror or error})") from None
        _names = frozenset({host, *(str(entry[4][0]) for entry in found)})
        _allowed = frozenset((str(entry[4][0]), port) for entry in found)
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True


def place_of(url: str) -> tuple[str, int]:
    """Host and port of an address; ConfigError where it is none, or holds a password, which would be logged."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"endpoint {url!r:.80}: {error}") from None
    if parts.scheme not in _DEFAULT or not parts.hostname:
        raise ConfigError(f"endpoint {url!r:.80}: write it like http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ConfigError("the endpoint's address must hold no name, password or query: keys go into ACTINIC_API_KEY")
    return parts.hostname, port or _DEFAULT[parts.scheme]


def _hook(event: str, args: tuple) -> None:
    if _allowed is None or not event.startswith("socket."):
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1] if len(args) > 1 else None
        if address is not None and (not isinstance(address, tuple) or tuple(address[:2]) not in _allowed):
            raise PermissionError(f"no connection to {address!r:.80}: only to the endpoint that was named")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        name = args[0].decode() if isinstance(args[0], bytes) else args[0]
        if name is not None and name not in _names:
            raise PermissionError(f"no look-up of {name!r:.80}: only of the endpoint that was named")
    elif event == "socket.bind" and not _allowed:
        raise PermissionError("tools open no socket")
