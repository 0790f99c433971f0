"""Where a conversation is logged."""

import os
from datetime import UTC, datetime

from ..operate.ledger import Ledger
from .files import Root


def new_log(root: Root, what: str) -> Ledger:
    """A log of its own for each conversation, named by time and process: its size bounds what an entry costs."""
    folder = root.own / "log"
    folder.mkdir(mode=0o700, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    return Ledger(folder / f"{now}-{what}-{os.getpid()}.jsonl")
