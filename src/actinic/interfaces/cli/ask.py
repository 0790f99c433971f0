"""`actinic ask`: one question, answered by the engine through a model of the site's own."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import DONE, OUT_OF_SPEC, MissingError
from .console import Outcome, columns
from .options import Approve, EndpointUrl, ModelName, Root, Seconds, Steps, Tokens

NO_ENDPOINT = "http://localhost:8000/v1", "MODEL"  # what a dry run speaks of where none is named


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to answer.")],
    root: Root = Path("."),
    endpoint: EndpointUrl = None,
    model: ModelName = None,
    approve: Approve = None,
    steps: Steps = 25,
    tokens: Tokens = 200_000,
    seconds: Seconds = 1800.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show tools, limits and the request that would be sent; send nothing.")
    ] = False,
) -> Outcome:
    """Answer a question with the engine's tools; every number is traced to the call that gave it.

    Needs the extra `assistant` and a server with a model: docs/assistant.md. Leaves with code 1 where a number of the
    answer could not be traced, or the question cannot be answered.
    """
    from .talk import assistant

    parts = assistant()
    guard = parts.guard(root, parts.budget(steps, tokens, seconds), approve, log=None if dry_run else "ask")
    try:
        if dry_run:
            return _dry(question, guard, parts, endpoint, model)
        where = parts.endpoint.named(endpoint, model)
        talk = parts.conversation(where, guard)
        answer = talk.ask(question)
    finally:
        guard.close()
    result = parts.plain(answer, guard) | {"log": str(guard.log.ledger.path)}
    return Outcome(result, text(result), DONE if answer.verified and not answer.cannot else OUT_OF_SPEC)


def text(result: dict[str, Any]) -> str:
    """An answer for a person: the text, then where each number comes from."""
    rows = [("number", "from", "field")]
    rows += [
        (n["text"], n["tool_call"] or "nowhere", (n["field"] or "") if n["tool_call"] else n["why"])
        for n in result["numbers"]
    ]
    parts = [result["answer"]]
    if result["numbers"]:
        parts.append(columns(rows, "<<<"))
    if result["citations"]:
        parts.append("cites " + ", ".join(result["citations"]))
    return "\n\n".join([*parts, f"log {result['log']}"])


def _dry(question: str, guard, parts, endpoint: str | None, model: str | None) -> Outcome:
    from ...plain import to_json

    try:
        where = parts.endpoint.named(endpoint, model)
    except MissingError as missing:
        print(f"actinic: {missing}", file=sys.stderr)
        where = parts.endpoint(*NO_ENDPOINT)
    body = parts.request(question, guard, where)
    limits = vars(guard.budget)
    tools = [{"name": t.name, "writes": t.writes, "seconds": t.seconds, "about": t.about} for t in guard.tools()]
    result = {"endpoint": where.url, "model": where.model, "limits": limits, "tools": tools, "request": body}
    rows = [("tool", "", "")]
    rows += [(t["name"], "writes: needs approval" if t["writes"] else "reads", t["about"]) for t in tools]
    said = ", ".join(f"{name} {value:g}" for name, value in limits.items())
    lines = [
        f"to {where.url}/chat/completions, nothing is sent",
        f"limits: {said}",
        columns(rows, "<<<"),
        to_json(body),
    ]
    return Outcome(result, "\n\n".join(lines))
