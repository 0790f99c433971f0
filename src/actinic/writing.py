"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError


@contextlib.contextmanager
def appearing(path: str | os.PathLike[str], parents: bool = False) -> Iterator[Path]:
    """The name of a file to write, which gets the name `path` when the block ends well and is removed otherwise.

    It is on the disk, and so is its name, when the block is left. With `parents` the folder is made if need be.
    InputError where it cannot be written.
    """
    target = Path(path).absolute()
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        try:
            if parents:
                target.parent.mkdir(parents=True, exist_ok=True)
            yield part
            flush(part)
            os.replace(part, target)
            flush(target.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def flush(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_file(path: str | os.PathLike[str], content: bytes, parents: bool = False) -> None:
    """Write a file by renaming a finished one."""
    with appearing(path, parents) as part, open(part, "xb") as file:
        file.write(content)
