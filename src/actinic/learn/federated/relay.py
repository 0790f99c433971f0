"""A relay at a site, between its Flower node and the server, that keeps every byte which leaves, as it was before TLS.

The node talks to the relay on loopback, over TLS with a certificate made for it, and the relay to the server, whose
certificate it checks as the node would have done.
"""

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ...errors import MissingError

_MOST = 65536


@contextlib.contextmanager
def relay(server: str, authority: Path, folder: Path) -> Iterator[tuple[int, Path]]:
    """A relay to HOST:PORT for the block: its port on 127.0.0.1, and its certificate as a PEM file.

    What the node sends is kept in `folder`/outgoing.bin, what it gets is not.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    host, _, port = server.rpartition(":")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = _certificate(folder)
    inside.load_cert_chain(certificate, folder / "relay.key")
    outside = ssl.create_default_context(cafile=authority)
    with socket.create_server(("127.0.0.1", 0)) as listener, open(folder / "outgoing.bin", "ab", buffering=0) as log:
        threading.Thread(target=_serve, args=(listener, inside, outside, (host, int(port)), log), daemon=True).start()
        try:
            yield listener.getsockname()[1], certificate
        finally:
            # An accept that waits is not ended by closing its socket.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _serve(listener, inside, outside, place, log) -> None:
    while True:
        try:
            node, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_passed, args=(node, inside, outside, place, log), daemon=True).start()


def _passed(node, inside, outside, place, log) -> None:
    """One connection, until either side ends it."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as open_:
        open_.callback(node.close)
        node = open_.enter_context(inside.wrap_socket(node, server_side=True))
        far = open_.enter_context(socket.create_connection(place, timeout=30))
        far = open_.enter_context(outside.wrap_socket(far, server_hostname=place[0]))
        far.settimeout(None)
        back = threading.Thread(target=_pumped, args=(far, node, None), daemon=True)
        back.start()
        _pumped(node, far, log)
        back.join()


def _pumped(source, sink, log) -> None:
    try:
        while part := source.recv(_MOST):
            if log is not None:
                log.write(part)
            sink.sendall(part)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody else has, for a year."""
    try:
        x509 = import_module("cryptography.x509")
        hashes, serialization, ec = (
            import_module(f"cryptography.hazmat.primitives.{name}")
            for name in ("hashes", "serialization", "asymmetric.ec")
        )
    except ImportError:
        raise MissingError('a site\'s relay needs cryptography: pip install "actinic[federated]"') from None
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "actinic relay")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    with open(os.open(folder / "relay.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, plain[1], plain[0]))
    (folder / "relay.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return folder / "relay.pem"
