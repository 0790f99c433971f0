"""`actinic audit`: the logs of the assistant."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, progress
from .options import NOTES, Root, deferred

audit = typer.Typer(help="Logs of the assistant: verify them, replay them.", rich_markup_mode=None)
LogFile = Annotated[Path, typer.Argument(metavar="LOG", help="A log, ROOT/.actinic/log/*.jsonl.")]


@audit.command(epilog=NOTES)
@deferred
def verify(log: LogFile) -> Outcome:
    """Check that no line of a log was changed, deleted or reordered.

    Leaves with code 1 where one was.
    """
    from ...assistant.audit import verify as verified

    found = verified(log)
    faults = [f"line {fault['line']}: {fault['what']}" for fault in found["faults"]]
    kinds = ", ".join(f"{n} {kind}" for kind, n in found["kinds"].items())
    good = f"every line follows from the one before: {found['entries']} entries ({kinds}), head {found['head']}"
    return Outcome(found, good if found["good"] else "\n".join(faults), DONE if found["good"] else OUT_OF_SPEC)


@audit.command(epilog=NOTES)
@deferred
def replay(log: LogFile, root: Root = Path(".")) -> Outcome:
    """Call every tool of a log again and compare the results; what writes is left out.

    Leaves with code 1 where one is different.
    """
    from ...assistant.audit import replay as replayed
    from ...assistant.files import Root as Folder

    with progress() as report:
        found = replayed(log, Folder(root), report)
    return Outcome(found, _text(found), DONE if found["good"] else OUT_OF_SPEC)


def _text(found: dict[str, Any]) -> str:
    rows = [("call", "tool", "", "")] + [(c["id"], c["tool"], c["outcome"], c.get("why", "")) for c in found["calls"]]
    return "\n".join([*found["questions"], columns(rows, "<<<<")])
