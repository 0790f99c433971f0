"""Names by content: one key for the same data, whoever made it and in whatever order its dictionaries were filled."""

import dataclasses
import hashlib
import struct
from collections.abc import Callable

import numpy as np

PLAIN = "biufc"  # kinds of array elements that are their own bytes: bool, integers, floats, complex


def content_key(*parts) -> str:
    """SHA-256 (64 hexadecimal digits) of plain data: nested dicts, sequences, dataclasses, arrays, scalars, text.

    Every value is hashed with its kind and length, so 1, 1.0, True and "1" differ, and so do ("ab", "c") and
    ("a", "bc"). A list is the same as a tuple; an array is its type, shape and elements in C order, and so are
    NumPy's scalars and JAX's arrays; a dataclass (an Equinox module too) is its name and fields. TypeError, which says
    where, for what has no content to go by, such as a function.
    """
    digest = hashlib.sha256()
    _feed(digest.update, parts, "key")
    return digest.hexdigest()


def _feed(take: Callable[[bytes], None], value, where: str) -> None:
    match value:
        case None:
            take(b"n")
        case bool():
            take(b"t" if value else b"f")
        case str():
            _feed_bytes(take, b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            _feed_bytes(take, b"b", value)
        case _ if hasattr(value, "__array__"):
            _feed_array(take, np.asarray(value), where)
        case int():
            _feed_bytes(take, b"i", str(value).encode())
        case float():
            take(b"d" + struct.pack("<d", value))
        case dict():
            _feed_names(take, b"m", value, where)
        case list() | tuple():
            take(b"l" + struct.pack("<q", len(value)))
            for place, part in enumerate(value):
                _feed(take, part, f"{where}[{place}]")
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            _feed_bytes(take, b"c", type(value).__qualname__.encode())
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            _feed_names(take, b"m", fields, where)
        case _:
            raise TypeError(f"{where} is a {type(value).__name__}, which has no content to hash")


def _feed_bytes(take: Callable[[bytes], None], kind: bytes, content: bytes) -> None:
    take(kind + struct.pack("<q", len(content)))
    take(content)


def _feed_names(take: Callable[[bytes], None], kind: bytes, value: dict, where: str) -> None:
    take(kind + struct.pack("<q", len(value)))
    for name in value:
        if not isinstance(name, str):
            raise TypeError(f"{where} has the name {name!r}; only text names are hashed")
    for name in sorted(value):
        _feed(take, name, where)
        _feed(take, value[name], f"{where}.{name}")


def _feed_array(take: Callable[[bytes], None], array: np.ndarray, where: str) -> None:
    if array.dtype.kind not in PLAIN:
        raise TypeError(f"{where} is an array of {array.dtype}; only numbers are hashed")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    _feed_bytes(take, b"a", f"{array.dtype.str}{array.shape}".encode())
    take(np.ascontiguousarray(array).tobytes())
