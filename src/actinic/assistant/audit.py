"""What a conversation's log proves: that no line was changed, and that the tools give the same results again."""

import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ActinicError, InputError
from ..jobs.work import Progress, quiet
from ..operate.ledger import Entry, Ledger, digest
from .files import Root
from .tools import TOOLS, parsed
from .workshop import Workshop


def verify(file: Path) -> dict[str, Any]:
    """Every fault of a log, none if each line follows from the one before it, and what it holds."""
    entries, faults = _read(file)
    kinds = [entry.kind for entry in entries]
    return {
        "log": str(file),
        "good": not faults,
        "faults": [asdict(fault) for fault in faults],
        "entries": len(entries),
        "head": entries[-1].hash if entries else None,
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def replay(file: Path, root: Root, progress: Progress = quiet) -> dict[str, Any]:
    """Call every tool of a log again and compare the results; tools that write are not called.

    `calls` tells of each: same, different, or skipped, and why. InputError on a log that does not verify.
    """
    entries, faults = _read(file)
    if faults:
        raise InputError(f"{file}, {faults[0]}; a log that does not verify is not replayed")
    results = {e.body["id"]: e.body for e in entries if e.kind == "result"}
    made = [e for e in entries if e.kind == "call"]
    asked = [number for e in entries if e.kind == "question" for number in e.body.get("numbers", [])]
    workshop, told = Workshop(root), []
    try:
        for done, entry in enumerate(made):
            progress("calls", done, len(made))
            told.append(_again(entry, results, asked, workshop))
    finally:
        workshop.close()
    progress("calls", len(made), len(made))
    questions = [e.body["text"] for e in entries if e.kind == "question"]
    answers = [e.body["answer"] for e in entries if e.kind == "answer"]
    return {
        "log": str(file),
        "questions": questions,
        "answers": answers,
        "calls": told,
        "good": all(one["outcome"] != "different" for one in told),
    }


def _again(entry: Entry, results: dict[str, dict], asked: list[float], workshop: Workshop) -> dict[str, Any]:
    number, name, arguments = (entry.body[key] for key in ("id", "tool", "arguments"))
    told = {"id": number, "tool": name, "arguments": arguments}
    tool, before = TOOLS.get(name), results.get(number)
    if tool is None or before is None or tool.writes:
        why = "no such tool" if tool is None else "it writes" if tool.writes else "it gave no result then"
        return told | {"outcome": "skipped", "why": why}
    try:
        if tool.here:
            now = tool.run(parsed(tool, arguments), {n: body["result"] for n, body in results.items()}, asked)
        else:
            now, _ = workshop.call(name, arguments, tool.seconds, quiet, threading.Event())
    except ActinicError as error:
        return told | {"outcome": "different", "why": str(error)}
    same = digest(now) == before["sha256"]
    return told | {"outcome": "same" if same else "different", "why": "" if same else "another result"}


def _read(file: Path) -> tuple[list[Entry], list]:
    if not Path(file).is_file():
        raise InputError(f"{file}: there is no such log")
    book = Ledger(file)
    faults = book.verify()
    torn = all(fault.what.startswith("torn") for fault in faults)
    return (book.entries() if torn else []), faults
