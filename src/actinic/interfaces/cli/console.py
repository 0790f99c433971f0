"""What a verb hands back, and how it reaches a person or a program."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import DONE
from ...plain import to_json


@dataclass(frozen=True)
class Outcome:
    """The end of a verb: `result` is for programs, `text` for people; None prints no JSON document."""

    result: Any
    text: str
    exit_code: int = DONE
    failed: bool = False


def show(outcome: Outcome, as_json: bool) -> None:
    """Print an outcome: text on stdout, or one JSON document on stdout and the text on stderr."""
    if outcome.text:
        _write(outcome.text, sys.stderr if as_json or outcome.failed else sys.stdout)
    if as_json and outcome.result is not None:
        _write(to_json(outcome.result), sys.stdout)


def _write(text: str, stream) -> None:
    # A file name may hold what the terminal's encoding does not.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, total) that draws bars on stderr while it is a terminal and else does nothing."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        tasks = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report


def columns(rows: Sequence[Sequence[str]], align: str) -> str:
    """Rows of cells in aligned columns; `align` holds < or > for each column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{c:{a}{w}}" for c, a, w in zip(row, align, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def number(value, digits: int = 2) -> str:
    """A number for a person: thousands marked, counts without decimals, a dash for what is not known."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
