"""Results by the content they came from: one folder, here or on a file system that many machines share.

An entry is one file, `root/ab/abcd...`, named by its key. It appears whole, by a rename after its bytes are on the
disk, so whoever is killed at whatever moment leaves no half of one; two who write the same key write the same bytes.
A file holds

    8 bytes   mark and version of this format
    32 bytes  SHA-256 of the key and of all that follows
    8 bytes   length of the tree, little-endian
    tree      JSON: the value with each array replaced by its type, shape and place
    arrays    their elements in C order, each on a multiple of 64 bytes

and no time, name or machine, so the same value gives the same file. Nothing in it is ever executed.
"""

import contextlib
import hashlib
import json
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..writing import write_file
from .content import PLAIN

MARK = b"actinic\x01"
HEAD = len(MARK) + 32 + 8
ALIGN = 64
KEY = re.compile("[0-9a-f]{16,128}")


class Store:
    """Values by key. Pickles as its folder's name alone; any number of processes may use it at once."""

    def __init__(self, root: Path):
        self.root = Path(root).absolute()

    def get(self, key: str) -> dict | None:
        """The value of a key; None if there is none, or if its file is damaged, which is then set aside."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                content = bytearray(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        value = decode(key, content)
        if value is None:
            self._set_aside(path)
        return value

    def put(self, key: str, value: dict) -> None:
        """Keep a value. InputError if it cannot be written, TypeError if it is not plain data (see `encode`)."""
        content = encode(key, value)
        try:
            write_file(self._path(key), content, parents=True)
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            write_file(self._path(key), content, parents=True)  # swept away as another's leftover: once more

    def __contains__(self, key: str) -> bool:
        return os.path.isfile(self._path(key))

    def keys(self) -> Iterator[str]:
        """All keys in order, whether their files are sound or not."""
        for shard in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(entry.name for entry in os.scandir(shard) if KEY.fullmatch(entry.name))

    def refresh(self, key: str) -> None:
        """Have the file server itself say what is there: NFS remembers for a while that a key was not."""
        for folder in (self.root, os.path.dirname(self._path(key))):
            with contextlib.suppress(OSError):
                os.listdir(folder)

    def sweep(self) -> None:
        """Remove what writers that were killed have left; for who knows that nobody else writes."""
        for leftover in self.root.glob("[0-9a-f][0-9a-f]/.*"):
            leftover.unlink(missing_ok=True)

    @property
    def damaged(self) -> list[Path]:
        """Files that were found damaged: a sign that a disk, or a machine's memory, is not sound."""
        return sorted((self.root / "damaged").glob("*"))

    def _path(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key: 16 to 128 lower-case hexadecimal digits")
        return f"{self.root}/{key[:2]}/{key}"

    def _set_aside(self, path: str) -> None:
        aside = self.root / "damaged" / os.path.basename(path)
        aside.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another has done it
            os.replace(path, aside)


def encode(key: str, value: dict) -> bytes:
    """The file of a value: nested dicts and lists of arrays of numbers, NumPy scalars, text, numbers, booleans, None.

    Tuples come back as lists. TypeError, which says where, for anything else.
    """
    arrays: list[bytes] = []
    size = 0

    def plain(part, where: str):
        nonlocal size
        match part:
            case np.ndarray() | np.generic():
                if part.dtype.kind not in PLAIN:
                    raise TypeError(f"{where} is an array of {part.dtype}; only numbers are stored")
                content = np.ascontiguousarray(part).tobytes()
                array = {"type": part.dtype.str, "shape": list(part.shape), "at": size}
                arrays.append(content + bytes(-len(content) % ALIGN))
                size += len(arrays[-1])
                return {"array" if isinstance(part, np.ndarray) else "scalar": array}
            case None | bool() | int() | float() | str():
                return part
            case dict():
                for name in part:
                    if not isinstance(name, str):
                        raise TypeError(f"{where} has the name {name!r}; only text names are stored")
                return {"dict": {name: plain(part[name], f"{where}[{name!r}]") for name in sorted(part)}}
            case list() | tuple():
                return [plain(one, f"{where}[{place}]") for place, one in enumerate(part)]
        raise TypeError(f"{where} is a {type(part).__name__}; only plain data and NumPy's numbers are stored")

    if not isinstance(value, dict):
        raise TypeError(f"value is a {type(value).__name__}; a dict is stored")
    tree = json.dumps(plain(value, "value"), separators=(",", ":")).encode()
    tree += b" " * (-(HEAD + len(tree)) % ALIGN)
    body = struct.pack("<Q", len(tree)) + tree + b"".join(arrays)
    return MARK + hashlib.sha256(key.encode() + body).digest() + body


def decode(key: str, content: bytearray) -> dict | None:
    """The value in a file's bytes, which its arrays share; None if they are not those that were written."""
    view = memoryview(content)
    if len(content) < HEAD or bytes(view[: len(MARK)]) != MARK:
        return None
    digest = hashlib.sha256(key.encode())
    digest.update(view[HEAD - 8 :])
    if digest.digest() != bytes(view[len(MARK) : HEAD - 8]):
        return None
    [length] = struct.unpack("<Q", view[HEAD - 8 : HEAD])
    start = HEAD + length

    def whole(part) -> Any:
        if isinstance(part, list):
            return [whole(one) for one in part]
        if not isinstance(part, dict):
            return part
        [(kind, inner)] = part.items()
        if kind == "dict":
            return {name: whole(one) for name, one in inner.items()}
        dtype, shape = np.dtype(inner["type"]), tuple(inner["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(content, dtype, count, start + inner["at"]) if count else np.empty(0, dtype)
        array = array.reshape(shape)
        return array if kind == "array" else array[()]

    return whole(json.loads(bytes(view[HEAD:start])))
