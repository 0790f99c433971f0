"""`actinic chat`: questions one after the other, with what was found before them at hand."""

import json
import sys
from pathlib import Path

from ...errors import ActinicError
from .ask import text
from .console import Outcome
from .options import Approve, EndpointUrl, ModelName, Root, Seconds, Steps, Tokens


def chat(
    root: Root = Path("."),
    endpoint: EndpointUrl = None,
    model: ModelName = None,
    approve: Approve = None,
    steps: Steps = 25,
    tokens: Tokens = 200_000,
    seconds: Seconds = 1800.0,
) -> Outcome:
    """Ask one question after the other; an empty line or the end of the input ends it.

    A call of a tool that writes is shown with its arguments and asks for a yes. What fails is told, and the
    conversation goes on. Needs the extra `assistant`.
    """
    from .talk import assistant

    parts = assistant()
    where = parts.endpoint.named(endpoint, model)
    guard = parts.guard(root, parts.budget(steps, tokens, seconds), approve, "chat", _approves)
    answers, log = [], str(guard.log.ledger.path)
    try:
        talk = parts.conversation(where, guard)
        print(f"{where.model} at {where.url}; log {log}", file=sys.stderr)
        while question := _line("? "):
            first = len(guard.calls)
            try:
                answer = talk.ask(question)
            except ActinicError as error:
                print(f"actinic: {error}", file=sys.stderr)
                continue
            result = parts.plain(answer, guard, first) | {"log": log}
            answers.append({"question": question} | result)
            print("\n" + text(result), file=sys.stderr)
    finally:
        guard.close()
    return Outcome({"answers": answers, "log": log}, f"{len(answers)} answers; log {log}")


def _line(prompt: str) -> str:
    try:
        print(prompt, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()
    except UnicodeDecodeError:
        return ""


def _approves(call, key: str) -> bool:
    """Whether the person at the terminal approves; nobody there approves nothing."""
    if not sys.stdin.isatty():
        return False
    print(f"\n{call.tool} writes:\n{json.dumps(call.arguments, indent=2)}\nhash {key}", file=sys.stderr)
    return _line("approve? type yes: ") == "yes"
