"""What `ask` and `chat` share: the assistant's parts, late, and what is shown while it works."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...errors import MissingError


def assistant() -> SimpleNamespace:
    """The assistant's parts; MissingError where the extra is not installed."""
    try:
        from ...assistant import agent, endpoint
    except ImportError as error:
        raise MissingError(f"the assistant needs pydantic-ai: pip install 'actinic[assistant]' ({error})") from error
    from ...assistant.conversation import new_log
    from ...assistant.files import Root
    from ...assistant.guard import Budget, Guard, Log
    from ...assistant.sockets import only

    class Terminal(agent.Show):
        streams = True

        def text(self, piece: str) -> None:
            print(piece, end="", file=sys.stderr, flush=True)

        def call(self, name: str, arguments: dict[str, Any]) -> None:
            said = ", ".join(f"{key}={value}" for key, value in arguments.items() if value is not None)
            print(f"\n  {name}({said[:200]})", end="", file=sys.stderr, flush=True)

        def result(self, id: str, error: str, seconds: float) -> None:
            print(f" -> {id}: {error[:200] or 'done'} ({seconds:.1f} s)", file=sys.stderr, flush=True)

        def again(self, numbers: int) -> None:
            print(f"\n  asked again: {numbers} numbers that no tool gave", file=sys.stderr, flush=True)

    def guard_of(root: Path, budget: Budget, approve: list[str] | None, log: str | None, ask=None) -> Guard:
        folder = Root(root)
        book = None if log is None else new_log(folder, log)
        return Guard(folder, Log(book, [os.environ.get("ACTINIC_API_KEY", "")]), budget, approve or (), ask)

    def conversation(where: endpoint.Endpoint, guard: Guard) -> agent.Conversation:
        only(where.url)
        return agent.Conversation(where.chat(), guard, where, Terminal())

    return SimpleNamespace(
        guard=guard_of, budget=Budget, endpoint=endpoint.Endpoint, conversation=conversation, plain=agent.plain,
        request=agent.request,
    )  # fmt: skip
