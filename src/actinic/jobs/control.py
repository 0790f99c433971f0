"""Run-to-run control on files: set-points for the lots to come, replay of a history, and the ledger of both."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..config import build, load_toml
from ..errors import ConfigError, InputError
from ..operate.control import MODEL, STAGES, Settings
from ..operate.control.files import LotRow, read_lots
from ..operate.control.history import Result
from ..operate.control.replay import Replay, replay
from ..operate.ledger import ROLLBACK, Entry, Ledger, canonical
from ..operate.rows import Rejected
from .lot_terms import lot_results

PROPOSAL, STAGE, REARM = "proposal", "stage", "rearm"
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Person:
    """Who answers for a step, and why."""

    who: str | None = None
    why: str = ""

    def named(self, deed: str) -> str:
        if not (self.who or "").strip():
            raise ConfigError(f"{deed} needs a person: add --by NAME")
        return str(self.who)


@dataclass(frozen=True)
class History:
    """The three files that set-points are computed from."""

    settings: Settings
    lots: list[LotRow]
    results: list[Result]
    rejected: dict[str, list[Rejected]]
    files: dict[str, Path]

    @classmethod
    def read(cls, lots: Path, results: Path, controller: Path) -> "History":
        settings = build(Settings, load_toml(controller), str(controller))
        rows, bad_lots = read_lots(Path(lots))
        found, bad_results = lot_results(Path(results), settings.terms)
        rejected = {name: rows for name, rows in ((str(lots), bad_lots), (str(results), bad_results)) if rows}
        if not rows:
            raise InputError(f"{lots}: no lot can be used")
        files = {"lots": Path(lots), "results": Path(results), "controller": Path(controller)}
        return cls(settings, rows, found, rejected, files)

    def rejections(self) -> list[dict[str, Any]]:
        return [{"file": file, **row._asdict()} for file, rows in self.rejected.items() for row in rows]


@dataclass(frozen=True)
class Standing:
    """Where a controller stands by its ledger: stage, the time since when, and from when signs are judged afresh."""

    stage: str
    since: float = float("-inf")
    rearmed: float | None = None


def standing(settings: Settings, entries: list[Entry]) -> Standing:
    """The stage by the last entry that says one; after a rollback a person must close the loop again."""
    now = Standing(settings.stage)
    for entry in entries:
        kind, body = (entry.body["kind"], entry.body["body"]) if entry.kind == ROLLBACK else (entry.kind, entry.body)
        if kind == STAGE:
            now = Standing(body["stage"], body["time"], now.rearmed)
        elif kind == REARM:
            now = Standing(now.stage, now.since, body["time"])
        elif entry.kind == ROLLBACK and now.stage == "closed":
            now = Standing("advisory", now.since, now.rearmed)
    return now


def control(
    lots: Path, results: Path, controller: Path, *, ledger: Path | None = None, promote: bool = False,
    demote: str | None = None, rearm: bool = False, person: Person | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Set-points for the lots of a file that have none yet, written to the ledger if there is one.

    `promote` goes to the next stage if its gates hold, `demote` to an earlier one, `rearm` starts again after a stop;
    they need a ledger and a `person`. The result's `apply` is true in the closed loop only.
    """
    history, person = History.read(lots, results, controller), person or Person()
    book = None if ledger is None else Ledger(ledger)
    if book is None and (promote or demote or rearm):
        raise ConfigError("the stage is kept in a ledger: add --ledger FILE")
    entries = book.entries() if book else []
    last = max(lot.time for lot in history.lots)
    if book and rearm:
        book.append(REARM, {"time": last, "why": person.why}, person.named("starting again"))
        entries = book.entries()
    now = standing(history.settings, entries)
    found = replay(history.lots, history.results, history.settings, now.rearmed)
    loop = found.controller
    loop.stage, loop.since = now.stage, now.since  # type: ignore[assignment]
    gates = loop.gates()
    if book and (promote or demote):
        who = person.named("a change of stage")
        if promote:
            loop.promote(who, last)
        elif demote in STAGES:
            loop.demote(demote, last)
        else:
            raise ConfigError(f"there is no stage {demote}: {', '.join(STAGES)}")
        book.append(STAGE, _stage(loop.stage, last, person.why, gates), who)
    elif book and loop.stopped and loop.stage == "closed":
        loop.demote("advisory", last)
        book.append(STAGE, _stage(loop.stage, last, "; ".join(loop.stopped.values()), gates))
    proposals = _plain(found, loop.stage)
    result = {
        "stage": loop.stage,
        "apply": loop.stage == "closed" and not loop.stopped,
        "proposals": proposals,
        "stopped": loop.stopped,
        "gates": [asdict(gate) for gate in gates],
        "alarms": {term: [asdict(a) for a in loop.alarms(term)] for term in history.settings.terms},
        "rejected": history.rejections(),
        "model": MODEL,
        "entry": None,
    }
    if book:
        inputs = {name: book.keep(path.read_bytes()) for name, path in history.files.items()}
        code = {"actinic": metadata.version("actinic"), "numpy": np.__version__, "model": MODEL}
        body = {
            "inputs": inputs, "code": code, "rearmed": now.rearmed, "stage": loop.stage, "apply": result["apply"],
            "proposals": proposals,
        }  # fmt: skip
        written = book.append(PROPOSAL, body, person.who or "actinic")
        result |= {"entry": written.n, "hash": written.hash, "ledger": str(ledger)}
    return result


def ledger(
    path: Path, *, rollback: int | None = None, reproduce: int | None = None, person: Person | None = None
) -> dict[str, Any]:  # fmt: skip
    """Verify a ledger and list it; go back to an entry, or compute one again and compare it to the bit."""
    book, person = Ledger(path), person or Person()
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such ledger")
    result: dict[str, Any] = {"ledger": str(path), "faults": [asdict(fault) for fault in book.verify()]}
    torn = [fault for fault in result["faults"] if fault["what"].startswith("torn")]
    if len(torn) < len(result["faults"]):
        return {**result, "good": False, "entries": [], "in_force": None}
    if rollback is not None:
        book.rollback(rollback, person.named("a rollback"), person.why)
    if reproduce is not None:
        result["reproduced"] = _reproduced(book, reproduce)
    entries, force = book.entries(), book.in_force(PROPOSAL)
    return {
        **result,
        "good": result.get("reproduced", {}).get("same", True),
        "entries": [{"n": e.n, "at": e.at, "kind": e.kind, "who": e.who, "hash": e.hash} for e in entries],
        "in_force": None if force is None else _in_force(force),
    }


def _in_force(entry: Entry) -> dict[str, Any]:
    body = entry.body["body"] if entry.kind == ROLLBACK else entry.body
    lots = {p["lot"]: {name: t["setpoint"] for name, t in p["terms"].items()} for p in body["proposals"]}
    back = entry.body["to"] if entry.kind == ROLLBACK else None
    return {"n": entry.n, "rolled_back_to": back, "who": entry.who, "setpoints": lots}


def _reproduced(book: Ledger, n: int) -> dict[str, Any]:
    """An entry computed again from the inputs that were kept."""
    entries = book.entries()
    if not 0 <= n < len(entries) or entries[n].kind != PROPOSAL:
        numbers = [str(e.n) for e in entries if e.kind == PROPOSAL]
        raise InputError(f"{book.path}: entry {n} is no proposal; these are: {', '.join(numbers) or 'none'}")
    body = entries[n].body
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, kept in body["inputs"].items():
            files[name] = Path(folder) / name
            files[name].write_bytes(book.kept(kept))
        history = History.read(**files)
        found = replay(history.lots, history.results, history.settings, body["rearmed"])
    again = _plain(found, body["stage"])
    return {
        "n": n,
        "same": canonical(again) == canonical(body["proposals"]),
        "then": body["code"],
        "now": {"actinic": metadata.version("actinic"), "numpy": np.__version__, "model": MODEL},
    }


def _plain(found: Replay, stage: str) -> list[dict[str, Any]]:
    """The proposals for the lots to come, as plain data that JSON gives back the same."""
    coming = set(found.coming)
    return [_listed(p.plain() | {"stage": stage}) for p in found.proposals if p.lot in coming]


def _listed(value) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, list | tuple) else value


def _stage(stage: str, time: float, why: str, gates) -> dict[str, Any]:
    return {"stage": stage, "time": time, "why": why, "gates": [asdict(gate) for gate in gates]}
