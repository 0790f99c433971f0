"""An append-only ledger: one JSON line an entry, each holding the hash of the one before it.

A line reads `{"n", "at", "kind", "who", "body", "previous", "hash"}`; `hash` is the SHA-256 of the line without it, in
canonical JSON. Beside `ledger.jsonl` stand `ledger.jsonl.head` (number and hash of the last entry, so that lines
missing at the end are noticed), `ledger.jsonl.lock`, and `ledger.jsonl.inputs/` with what entries were computed from.
Whoever can write all of these can forge them: keep a head hash elsewhere (reports print it) to be safe from that.

Numbers are written as the shortest decimal that reads as the same float64, so they come back to the bit.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..writing import flush, write_file

START = "0" * 64
ROLLBACK, RECOVERED = "rollback", "recovered"
_POLL_S = 0.02


@dataclass(frozen=True)
class Entry:
    """One line: its number from 0, time (UTC), kind, who is responsible, body, hash of the line before, own hash."""

    n: int
    at: str
    kind: str
    who: str
    body: dict[str, Any]
    previous: str
    hash: str = ""

    def sealed(self) -> "Entry":
        return Entry(**{**asdict(self), "hash": digest({k: v for k, v in asdict(self).items() if k != "hash"})})


@dataclass(frozen=True)
class Fault:
    """What is wrong with a ledger: the line of the file, counted from 1, and what happened to it."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


class Ledger:
    """A ledger file, made when the first entry is written.

    Any number of processes may append: each waits for the others up to `wait_s`, then is refused with InputError. An
    entry is on the disk when `append` returns. What a power cut left of a line is put aside in `ledger.jsonl.torn`,
    and the next append says so in an entry of kind `recovered`.
    """

    def __init__(self, path: str | os.PathLike[str], wait_s: float = 10.0):
        self.path, self.wait_s = Path(path), wait_s
        self._head = self.path.with_name(f"{self.path.name}.head")
        self._inputs = self.path.with_name(f"{self.path.name}.inputs")

    def append(self, kind: str, body: Mapping[str, Any], who: str = "actinic", at: str | None = None) -> Entry:
        """Write one entry and return it; `body` is plain data. InputError on a ledger that does not verify."""
        with self._locked():
            entries = self._recovered()
            return self._write(entries, kind, body, who, at)

    def entries(self) -> list[Entry]:
        """All entries, verified; what is left of a torn last line is passed over. InputError names the first fault."""
        entries, faults, _ = self._read()
        if faults:
            raise InputError(f"{self.path}, {faults[0]}")
        return entries

    def verify(self) -> list[Fault]:
        """Every fault found; none if each line follows from the one before it and none is missing at the end."""
        _, faults, torn = self._read()
        if torn:
            lines = self.path.read_bytes().count(b"\n") + 1
            faults.append(Fault(lines, f"torn: {len(torn)} bytes of an entry that was never finished"))
        return faults

    def rollback(self, n: int, who: str, why: str) -> Entry:
        """Put an earlier entry in force again, by a new entry that holds its number, kind and body."""
        with self._locked():
            entries = self._recovered()
            if not 0 <= n < len(entries):
                raise InputError(f"{self.path}: there is no entry {n} to go back to; the last is {len(entries) - 1}")
            to = entries[n]
            if to.kind == ROLLBACK:
                raise InputError(f"{self.path}: entry {n} is itself a rollback; go to entry {to.body['to']}")
            body = {"to": n, "kind": to.kind, "body": to.body, "why": why}
            return self._write(entries, ROLLBACK, body, who, None)

    def in_force(self, kind: str) -> Entry | None:
        """The last entry of a kind, or the rollback to one."""
        of_kind = (e for e in reversed(self.entries()) if e.kind == kind or self._back_to(e) == kind)
        return next(of_kind, None)

    def keep(self, content: bytes) -> str:
        """Keep what entries are computed from, once, under its SHA-256, which is returned."""
        name = hashlib.sha256(content).hexdigest()
        if not (self._inputs / name).exists():
            write_file(self._inputs / name, content, parents=True)
        return name

    def kept(self, name: str) -> bytes:
        """What `keep` was given; InputError where it is missing or was changed."""
        try:
            content = (self._inputs / name).read_bytes()
        except OSError as error:
            raise InputError(f"{self._inputs}/{name}: cannot be read ({error.strerror or error})") from None
        if hashlib.sha256(content).hexdigest() != name:
            raise InputError(f"{self._inputs}/{name}: was changed since it was kept")
        return content

    @staticmethod
    def _back_to(entry: Entry) -> str | None:
        return entry.body["kind"] if entry.kind == ROLLBACK else None

    def _write(self, entries: list[Entry], kind: str, body: Mapping[str, Any], who: str, at: str | None) -> Entry:
        now = at or datetime.now(UTC).isoformat(timespec="milliseconds")
        previous = entries[-1].hash if entries else START
        entry = Entry(len(entries), now, kind, who, dict(body), previous).sealed()
        line = canonical(asdict(entry)) + b"\n"
        new = not self.path.exists()
        with open(self.path, "ab", buffering=0) as file:
            if file.write(line) != len(line):
                raise InputError(f"{self.path}: no room for another entry")
            os.fsync(file.fileno())
        if new:
            flush(self.path.parent)
        write_file(self._head, canonical({"n": entry.n, "hash": entry.hash}))
        return entry

    def _recovered(self) -> list[Entry]:
        """The entries after a torn last line was put aside; refuses any other fault."""
        entries, faults, torn = self._read()
        if faults:
            raise InputError(f"{self.path}, {faults[0]}; nothing is written to a ledger that does not verify")
        if torn:
            with open(self.path.with_name(f"{self.path.name}.torn"), "ab") as aside:
                aside.write(torn + b"\n")
                os.fsync(aside.fileno())
            with open(self.path, "r+b") as file:
                file.truncate(self.path.stat().st_size - len(torn))
                os.fsync(file.fileno())
            body = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
            entries.append(self._write(entries, RECOVERED, body, "actinic", None))
        return entries

    def _read(self) -> tuple[list[Entry], list[Fault], bytes]:
        """Entries up to the first fault, faults, and the bytes after the last line end."""
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
            head = json.loads(self._head.read_bytes()) if self._head.exists() else {"n": -1, "hash": START}
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error})") from None
        except ValueError:
            return [], [Fault(0, f"{self._head.name} is not what was written")], b""
        *lines, torn = content.split(b"\n")
        entries, faults, previous = [], [], START
        for number, line in enumerate(lines):
            entry = _parsed(line)
            fault = _fault(entry, number, previous)
            if fault:
                faults.append(Fault(number + 1, fault))
            if entry:
                previous = entry.hash
                if not faults:
                    entries.append(entry)
        if not faults:
            if head["n"] >= len(lines):
                missing = head["n"] - len(lines) + 1
                faults.append(Fault(len(lines) + 1, f"{missing} entries were deleted at the end"))
            elif head["n"] >= 0 and entries[head["n"]].hash != head["hash"]:
                faults.append(Fault(head["n"] + 1, f"not the entry that {self._head.name} knows: rewritten"))
        return entries, faults, torn

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, which the system lets go when a process dies."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = open(self.path.with_name(f"{self.path.name}.lock"), "ab")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from None
        with lock:
            until = time.monotonic() + self.wait_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise InputError(f"{self.path}: another process has been writing for {self.wait_s:g} s; "
                                         "try again when it is done") from None  # fmt: skip
                    time.sleep(_POLL_S)
            yield


def canonical(data) -> bytes:
    """Plain data as JSON that is the same bytes for the same data; NaN and infinity are a ValueError."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def digest(data) -> str:
    """SHA-256 of plain data in canonical JSON."""
    return hashlib.sha256(canonical(data)).hexdigest()


def _parsed(line: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _fault(entry: Entry | None, number: int, previous: str) -> str | None:
    if entry is None:
        return "edited: this is not an entry"
    if entry.sealed() != entry:
        return f"edited: its text no longer gives the hash of entry {entry.n}"
    if entry.n > number and entry.previous != previous:
        return f"deleted or reordered: entry {entry.n} stands where entry {number} should"
    if entry.n != number:
        return f"reordered: entry {entry.n} stands where entry {number} should"
    if entry.previous != previous:
        return f"rewritten: entry {number} does not follow from the line before it"
    return None
