"""Measurements into a store and out of it, and defect files from one version to another."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..operate import formats
from ..operate import store as measured
from ..operate.store import WAIT_S
from ..operate.store import Wanted as WantedMarks
from .folder import refuse_existing


def ingest(files: Sequence[Path], store: Path, *, wait_s: float = WAIT_S) -> dict[str, Any]:
    """Take files of measurements (CSV, Parquet) into a store; each goes in whole or not at all, whatever the others do.

    `files` of the result tells, for each, how many rows it has, how many were added or there already, and every
    rejected row's line and reason; one that cannot be used has an `error` instead. InputError where none can be used.
    """
    done, errors = [], []
    for file in files:
        try:
            found = measured.ingest(file, store, wait_s)
        except InputError as error:
            errors.append(str(error))
            done.append({"file": str(file), "error": str(error)})
            continue
        rejected = [row._asdict() for row in found.rejected]
        done.append(asdict(found) | {"rejected": rejected, "ignored": list(found.ignored)})
    if len(errors) == len(done):
        raise InputError("\n".join(errors) or "no files were given")
    used = [entry for entry in done if "error" not in entry]
    totals = {key: sum(entry[key] for entry in used) for key in ("rows", "added", "repeated", "remeasured", "older")}
    rejected = sum(len(entry["rejected"]) for entry in used)
    return {"store": str(store), **totals, "rejected": rejected, "refused": len(errors), "files": done}


def export(
    store: Path, out: Path, wanted: WantedMarks, *, force: bool = False, wait_s: float = WAIT_S
) -> dict[str, Any]:
    """Write marks of a store to a .csv, .csv.gz or .parquet file."""
    refuse_existing(out, force)
    return {"store": str(store), "out": str(out), "marks": measured.export(store, out, wanted, wait_s)}


def lots(store: Path, *, wait_s: float = WAIT_S) -> list[dict[str, Any]]:
    """The lots of a store: wafers, current marks, first and last time, and why one is invalid."""
    return [asdict(lot) for lot in measured.lots(store, wait_s)]


def invalidate(store: Path, lot: str, reason: str, *, undo: bool = False, wait_s: float = WAIT_S) -> dict[str, Any]:
    """Leave a lot out of what is asked for, or with `undo` let it count again; its marks are kept either way."""
    (measured.reinstate if undo else measured.invalidate)(store, lot, reason, wait_s)
    return {"store": str(store), "lot": lot, "invalid": not undo, "reason": reason}


def convert(file: Path, out: Path, to: formats.Version, *, force: bool = False) -> dict[str, Any]:
    """Write a KLARF file in another version; `lost` names what that version, or Actinic, does not hold of it."""
    refuse_existing(out, force)
    found = formats.read_klarf(file)
    formats.write_klarf(out, found, to)
    defects = {wafer.id: len(wafer.defects) for wafer in found.wafers}
    return {
        "file": str(file),
        "out": str(out),
        "to": to,
        "lot": found.lot,
        "defects": defects,
        "lost": formats.lost(found, to),
    }
