"""Run folders that appear whole or not at all, and files likewise."""

import contextlib
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import jax
import numpy as np

from ..errors import ConfigError, InputError
from ..plain import to_json


@contextlib.contextmanager
def run_folder(out: Path, force: bool) -> Iterator[Path]:
    """A private folder (mode 0700) to fill; it gets its name when the block ends well, else it is removed.

    An existing folder that is not empty is refused without `force`; with it, it is replaced at the end.
    """
    out = Path(out).absolute()
    refuse_existing(out, force)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(mode=0o700, parents=True)
        yield part
        if out.exists():
            old = out.with_name(f".{out.name}.{os.getpid()}.old")
            out.rename(old)
            part.rename(out)
            shutil.rmtree(old)
        else:
            part.rename(out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from None
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def refuse_existing(out: Path, force: bool) -> None:
    """Complain, before any work is done, about a result that cannot be written or would be overwritten."""
    out = Path(out).absolute()
    if out.is_dir() and any(out.iterdir()) and not force:
        raise ConfigError(f"{out} is not empty: choose another folder or add --force")
    if out.is_file() and not force:
        raise ConfigError(f"{out} is a file already: choose another name or add --force")
    ancestor = next(parent for parent in out.parents if parent.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise ConfigError(f"{out}: {ancestor} is not a folder that can be written")


def write_records(folder: Path, result: dict, origin: dict) -> None:
    """A run's result.json and provenance.json."""
    (folder / "result.json").write_text(to_json(result) + "\n")
    (folder / "provenance.json").write_text(to_json(origin) + "\n")


def provenance(inputs: dict[str, Path], **extra) -> dict:
    """What a result came from: versions, device, precision, and the inputs' hashes."""
    return {
        "actinic": metadata.version("actinic"),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "device": jax.devices()[0].device_kind,
        "precision": "images float32, decompositions and verification float64",
        "seed": None,
        "inputs": {
            name: {"file": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
            for name, path in inputs.items()
        },
        **extra,
    }
