"""How far a run is, from the journal in its folder: whoever may read the folder may ask, from any machine."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InputError
from ..scale import Progress, read_journal
from .work import Progress as Tell
from .work import quiet

LOOK_S = 1.0  # between looks when following


def status(run: Path, *, follow: bool = False, progress: Tell = quiet, sleep: Callable = time.sleep) -> dict:
    """The state of a run: running, interrupted (its process is gone), failed (tiles were given up, or an error), done.

    With `follow` it returns when the run is no longer running. InputError for what is no run folder.
    """
    run = Path(run)
    while True:
        found = _journal_of(run)
        if found is None:
            return _of_result(run)
        if found.total is not None:
            progress("tiles", found.done, found.total)
        if not follow or found.state != "running":
            return _told(run, found)
        sleep(LOOK_S)


def _journal_of(run: Path) -> Progress | None:
    """None for a run that keeps no journal, but has a result."""
    try:
        return read_journal(run)
    except InputError:
        if (run / "result.json").is_file():
            return None
        raise


def _told(run: Path, found: Progress) -> dict:
    until = time.time() if found.state == "running" else found.last_sign
    return {
        "run": str(run),
        "state": found.state,
        "total": found.total,
        "done": found.done,
        "computed": found.computed,
        "reused": found.reused,
        "failed": found.failed,
        "failures": list(found.failures),
        "error": found.error,
        "workers": found.workers,
        "rate_per_s": found.rate_per_s if found.state == "running" else None,
        "started": _text(found.started),
        "session_started": _text(found.session_started),
        "last_sign_of_life": _text(found.last_sign),
        "expected_end": _text(found.expected_end),
        "left_s": None if found.expected_end is None else max(found.expected_end - time.time(), 0.0),
        "session_s": max(until - found.session_started, 0.0),
        "sessions": found.sessions,
        "computed_in_all_sessions": found.computed_ever,
        "host": found.host,
        "pid": found.pid,
        "verdict": _verdict(run) if found.state in ("done", "failed") else None,
    }


def _of_result(run: Path) -> dict:
    """A run made in one go, which tells nothing until it is done."""
    return {"run": str(run), "state": "done", "verdict": _verdict(run)}


def _verdict(run: Path) -> str | None:
    try:
        return json.loads((run / "result.json").read_text()).get("verdict")
    except (OSError, ValueError, AttributeError):
        return None


def _text(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
