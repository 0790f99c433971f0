"""The loop's ledger, written again from its beginning by whoever goes on: what is there must be what comes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..errors import InputError
from ..loop.evidence import COST
from ..operate.ledger import RECOVERED, Entry, Ledger, canonical

START = datetime(2026, 1, 1, tzinfo=UTC)


class Book:
    """Entries are compared with those already there and appended after them. Times are the fab's.

    What things cost is compared with nothing: an entry of it that is there stays.
    """

    def __init__(self, path: Path):
        self._ledger = Ledger(path)
        self._known = self._own()
        self._next = 0

    def _own(self) -> list[Entry]:
        return [entry for entry in self._ledger.entries() if entry.kind != RECOVERED]

    def keep(self, content: bytes) -> str:
        return self._ledger.keep(content)

    def write(self, kind: str, body: dict, hour: float) -> int:
        """One entry; its number. InputError where another stands in its place."""
        body = json.loads(canonical(body))
        if self._next < len(self._known):
            entry = self._known[self._next]
            if entry.kind != kind or (kind != COST and entry.body != body):
                raise InputError(
                    f"{self._ledger.path}: entry {entry.n} does not follow from these inputs: begin again with --force"
                )
        else:
            entry = self._ledger.append(kind, body, at=(START + timedelta(hours=hour)).isoformat())
            self._known.append(entry)
        self._next += 1
        return entry.n

    def close(self) -> None:
        """InputError where more is there than came."""
        if self._next < len(self._known):
            raise InputError(f"{self._ledger.path}: goes on after the loop's end: begin again with --force")

    def entries(self) -> list[Entry]:
        return list(self._known)

    @property
    def head(self) -> str:
        """The hash of the last entry."""
        return self._known[-1].hash if self._known else ""
