"""`actinic status`: how far a run is."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, number, progress

SHOWN = 10  # failed tiles; all are in the JSON document


def status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that a run writes.")],
    follow: Annotated[bool, typer.Option("--follow", help="Watch until it runs no longer.")] = False,
) -> Outcome:
    """Tell how far a run is: running, interrupted, failed or done.

    An interrupted or failed run leaves with code 1; give its command again and it goes on.
    """
    from ... import jobs

    with progress() as report:
        result = jobs.status(run, follow=follow, progress=report)
    return Outcome(result, _text(result), DONE if result["state"] in ("running", "done") else OUT_OF_SPEC)


def _text(result: dict[str, Any]) -> str:
    parts = [_headline(result)]
    if result.get("error"):
        parts.append(result["error"])
    if "total" in result:
        rows = [
            ("computed", number(result["computed"])),
            ("reused", number(result["reused"])),
            ("failed", number(result["failed"])),
            ("workers", number(result["workers"])),
            ("a second", number(result["rate_per_s"])),
            ("started", result["started"]),
            ("last sign of life", result["last_sign_of_life"]),
            ("expected end", result["expected_end"] or "-"),
            ("process", f"{result['pid']} on {result['host']}"),
        ]
        if result["sessions"] > 1:
            rows.append(("sessions", number(result["sessions"])))
        if result["state"] != "running":
            rows = [row for row in rows if row[0] not in ("workers", "a second", "expected end")]
        parts.append(columns(rows, "<<"))
    failures = result.get("failures", [])
    if failures:
        lines = [f"{one['where']}: {one['error']}" for one in failures[:SHOWN]]
        if len(failures) > SHOWN:
            lines.append(f"and {len(failures) - SHOWN} more: --json")
        parts.append("\n".join(lines))
    if result["state"] in ("interrupted", "failed"):
        parts.append("The command it was begun with goes on with it.")
    if result.get("verdict"):
        parts.append(result["verdict"])
    return "\n\n".join(parts)


def _headline(result: dict[str, Any]) -> str:
    state, total = result["state"], result.get("total")
    if not total:
        return state
    done = f"{state}: {number(result['done'])} of {number(total)} tiles ({100 * result['done'] / total:.0f} %)"
    return done if result["left_s"] is None else f"{done}, about {_duration(result['left_s'])} left"


def _duration(seconds: float) -> str:
    """Two figures of a time: 45 s, 12 min, 3.5 h."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
