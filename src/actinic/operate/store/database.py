"""The file that holds the measurements: a DuckDB database that appears whole and is written by one at a time.

DuckDB writes every change to a log first and replays it when the file is opened again, so a process that is killed, or
a machine without power, leaves the store as it was before the change. It locks the file for the process that has it
open to write; who comes second waits here for a while and is then refused.
"""

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from ...errors import InputError
from .columns import KEPT, TYPES

VERSION = 1
WAIT_S = 30.0

_COLUMNS = ", ".join(f"{KEPT[name]} {kind}" for name, kind in TYPES.items())
# `marks` holds every version of every mark, in the order it came: never changed, never deleted.
_TABLES = (
    f"CREATE TABLE marks ({_COLUMNS}, ingest INTEGER, line BIGINT)",
    "CREATE TABLE ingests (ingest INTEGER PRIMARY KEY, file VARCHAR, sha256 VARCHAR UNIQUE, arrived TIMESTAMP, "
    "added BIGINT, repeated BIGINT, rejected BIGINT)",
    "CREATE TABLE rejected (ingest INTEGER, line BIGINT, reason VARCHAR)",
    "CREATE TABLE flags (number INTEGER PRIMARY KEY, lot VARCHAR, invalid BOOLEAN, reason VARCHAR, arrived TIMESTAMP)",
    "CREATE TABLE store (version INTEGER)",
    f"INSERT INTO store VALUES ({VERSION})",
)
_ABSENT = "there is no such store; actinic wafer ingest makes one"
_turn = threading.Lock()  # DuckDB's lock is the process's: threads of one take turns here


@contextlib.contextmanager
def reading(path: str | os.PathLike[str], wait_s: float = WAIT_S) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that can only read. InputError where there is no store, or it is written to for longer than that."""
    if not Path(path).is_file():
        raise InputError(f"{path}: {_ABSENT}")
    with _turn, _connected(path, True, wait_s) as connection:
        yield connection


@contextlib.contextmanager
def writing(
    path: str | os.PathLike[str], wait_s: float = WAIT_S, make: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection within a transaction, which takes effect when the block ends well and else leaves nothing.

    A store that is not there is made, if it may be. InputError where it cannot be written, or another process has it
    for longer than `wait_s`.
    """
    if not Path(path).exists():
        if not make:
            raise InputError(f"{path}: {_ABSENT}")
        _make(Path(path))
    with _turn, _connected(path, False, wait_s) as connection:
        connection.begin()
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _make(path: Path) -> None:
    """A new store under another name, complete, then given its own; one that another process made first stays."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            connection = duckdb.connect(str(part))
            try:
                for statement in _TABLES:
                    connection.execute(statement)
            finally:
                connection.close()
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        finally:
            for leftover in (part, Path(f"{part}.wal")):
                leftover.unlink(missing_ok=True)
    except (OSError, duckdb.Error) as error:
        raise InputError(f"{path}: the store cannot be made: {said(error)}") from None


@contextlib.contextmanager
def _connected(path, read_only: bool, wait_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
    until = time.monotonic() + wait_s
    while True:
        try:
            connection = duckdb.connect(str(path), read_only=read_only)
            break
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise InputError(f"{path}: the store cannot be opened: {said(error)}") from None
            if time.monotonic() > until:
                raise InputError(
                    f"{path}: another process has the store open; waited {wait_s:g} s, try again"
                ) from None
            time.sleep(0.05)
        except duckdb.Error as error:
            raise InputError(f"{path}: this is no store, or a damaged one: {said(error)}") from None
    try:
        _known(path, connection)
        yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise InputError(f"{path}: the store cannot be used: {said(error)}") from None
    finally:
        connection.close()


def _known(path, connection: duckdb.DuckDBPyConnection) -> None:
    try:
        row = connection.execute("SELECT version FROM store").fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        raise InputError(f"{path}: this is a DuckDB database, but no store of measurements")
    if row[0] != VERSION:
        raise InputError(f"{path}: the store has version {row[0]}; this Actinic knows {VERSION}")


def said(error: BaseException) -> str:
    """A library's message in one line."""
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
