"""Run folders of long runs: there from the beginning, so that who is interrupted can go on.

While it runs, OUT holds run.toml (what is done), progress.jsonl (how far it is) and store/ (what is done of it); the
results come beside them, each whole, when all is done.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, InputError
from ..scale import Journal, Progress, Store, read_journal
from ..scale.journal import NAME
from ..writing import write_file
from .folder import refuse_existing


@dataclass(frozen=True)
class Run:
    """A run that has begun or goes on: `journal.begin` is to be called when its work is known."""

    folder: Path
    store: Store
    journal: Journal


@contextlib.contextmanager
def resumable(out: Path, inputs: dict[str, str], run_toml: str, force: bool = False) -> Iterator[Run]:
    """The folder (mode 0700) of a run which this process alone works on, begun or gone on with.

    A run that was interrupted, or in which tasks failed, goes on if its inputs (name: hash of content) are the same.
    ConfigError if they are not, if somebody is at work on it, and, without `force`, if OUT holds a run that is done or
    anything else. With `force` what is there is removed at once.
    """
    out = Path(out).absolute()
    before = unfinished(out)
    if force or before is None:
        refuse_existing(out, force)
    elif other := sorted(n for n in before.inputs.keys() | inputs if before.inputs.get(n) != inputs.get(n)):
        raise ConfigError(
            f"{out} holds a run with other inputs ({', '.join(other)}) that is not done: "
            "give those it was begun with, choose another folder or add --force"
        )
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        with Journal(out, inputs, afresh=force) as journal:
            if force:
                _clear(out)
            write_file(out / "run.toml", run_toml.encode())
            store = Store(out / "store")
            store.sweep()
            yield Run(out, store, journal)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error


def unfinished(out: Path) -> Progress | None:
    """The progress of a run in a folder that can go on; None if there is none."""
    try:
        found = read_journal(out)
    except InputError:
        return None
    return None if found.state == "done" else found


def _clear(folder: Path) -> None:
    """Remove everything but the journal, whose lock is held."""
    for entry in folder.iterdir():
        if entry.name == NAME:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
