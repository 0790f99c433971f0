"""Lots declared invalid, and valid again: their marks are kept, and every declaration with its reason and time."""

from datetime import UTC, datetime
from os import PathLike

from ...errors import InputError
from .database import WAIT_S, writing


def invalidate(store: str | PathLike[str], lot: str, reason: str, wait_s: float = WAIT_S) -> None:
    """Leave a lot's marks, those to come too, out of what is asked for. InputError where the store has no such lot."""
    _declare(store, lot, True, reason, wait_s)


def reinstate(store: str | PathLike[str], lot: str, reason: str, wait_s: float = WAIT_S) -> None:
    """Let a lot count again. InputError where the store has no such lot."""
    _declare(store, lot, False, reason, wait_s)


def _declare(store, lot: str, invalid: bool, reason: str, wait_s: float) -> None:
    if not reason.strip():
        raise InputError(f"lot {lot}: say why, so that it can be understood later")
    with writing(store, wait_s, make=False) as connection:
        if connection.execute("SELECT 1 FROM marks WHERE lot = ? LIMIT 1", [lot]).fetchone() is None:
            raise InputError(f"{store}: there is no lot {lot!r} in it")
        now = datetime.now(UTC).replace(tzinfo=None)
        row = [lot, invalid, reason, now]
        connection.execute("INSERT INTO flags SELECT coalesce(max(number), 0) + 1, ?, ?, ?, ? FROM flags", row)
