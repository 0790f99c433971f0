"""What stands between a model and the tools, and does not rely on the model's good will.

Arguments are checked against types and bounds; tools that write need a person's approval of exactly these arguments
and files; they are gone once text has been read that somebody else wrote; steps, tokens, seconds and sizes are limited;
everything goes into a hash-chained log.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import ActinicError, ConfigError, InputError
from ..operate.ledger import Ledger, digest
from .files import Root
from .tools import TOOLS, Tool, parsed
from .workshop import Cancelled, LimitError, Progress, Workshops

KEPT = 1000  # calls


@dataclass(frozen=True)
class Budget:
    """Limits of one question: tool calls, tokens of the model, seconds of everything together."""

    steps: int = 25
    tokens: int = 200_000
    seconds: float = 1800.0


@dataclass(frozen=True)
class Call:
    """One call of a tool: a `result`, or an `error` of some `kind` that names what refused it."""

    id: str
    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None = None
    kind: str = ""
    error: str = ""
    seconds: float = 0.0
    pictures: list[tuple[str, bytes]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """What the model is told: the result with the call's id, or the error."""
        if self.result is None:
            return {"call": self.id, "error": {"kind": self.kind, "message": self.error}}
        return {"call": self.id, **self.result}


class Log:
    """A conversation's log: a ledger in which no secret is ever written."""

    def __init__(self, ledger: Ledger | None, secrets: Iterable[str] = ()):
        self.ledger, self._secrets = ledger, [secret for secret in secrets if secret]

    def write(self, kind: str, body: dict[str, Any]) -> None:
        if self.ledger is not None:
            self.ledger.append(kind, self.cleared(body), "assistant")

    def cleared(self, value: Any) -> Any:
        """Plain data or text with the secrets blacked out."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[secret]")
            return value
        if isinstance(value, dict):
            return {self.cleared(str(key)): self.cleared(part) for key, part in value.items()}
        return [self.cleared(part) for part in value] if isinstance(value, list | tuple) else value


class Guard:
    """The tools of one conversation. `approved` are hashes that a person has approved, each for one call; `ask` is
    called with a call and its hash when one is missing, and says whether the person at the terminal approves. So many
    `workers` compute at once; of calls the last thousand are kept."""

    def __init__(
        self, root: Root, log: Log | None = None, budget: Budget = Budget(), approved: Iterable[str] = (),
        ask: Callable[[Call, str], bool] | None = None, tools: dict[str, Tool] | None = None, workers: int = 1,
    ):  # fmt: skip
        self.root, self.log, self.budget = root, log or Log(None), budget
        self._tools = TOOLS if tools is None else tools
        self._approved, self._ask = set(approved), ask
        self._workshop: Any = Workshops(root, workers)
        self.calls: list[Call] = []
        self.asked: list[float] = []
        self.read: str | None = None  # the call that read what somebody else wrote
        self._counter = threading.Lock()
        self._given = 0
        self.begin()

    def use(self, workshop: Any) -> None:
        """Compute elsewhere: by whatever has a workshop's `call` and `close`."""
        self._workshop = workshop

    def begin(self) -> None:
        """A new question: its budget begins. What was read stays read: the model still remembers it."""
        self._steps, self._tokens, self._until = 0, 0, time.monotonic() + self.budget.seconds

    def reading(self, what: str) -> None:
        """Say that text was handed out which somebody else wrote."""
        self.read = self.read or what

    def close(self) -> None:
        self._workshop.close()

    def tools(self) -> list[Tool]:
        """What is offered now."""
        return [tool for tool in self._tools.values() if not (tool.writes and self.read)]

    def results(self) -> dict[str, dict[str, Any]]:
        return {call.id: call.result for call in self.calls if call.result is not None}

    def spend(self, tokens: int) -> None:
        """Count tokens of the model. LimitError when they or the time are used up."""
        self._tokens += tokens
        if self._tokens > self.budget.tokens:
            raise self._over(f"more than {self.budget.tokens} tokens")
        if time.monotonic() > self._until:
            raise self._over(f"more than {self.budget.seconds:g} s")

    def call(
        self, name: str, arguments: str | dict[str, Any], progress: Progress = lambda what, done, total: None,
        cancel: threading.Event | None = None,
    ) -> Call:  # fmt: skip
        """Run a tool, or say why not: what goes wrong is the call's `error`. LimitError when the budget is used up,
        Cancelled when `cancel` is set; in both cases nothing goes on in the background."""
        with self._counter:
            self._steps += 1
            self._given += 1
            number = f"c{self._given}"
        if self._steps > self.budget.steps:
            raise self._over(f"more than {self.budget.steps} tool calls")
        self.spend(0)
        cancel = cancel or threading.Event()
        start = time.monotonic()
        call = Call(number, name[:80], {})
        try:
            tool, call = self._checked(name, arguments, call)
            self._allowed(tool, call)
            self.log.write("call", {"id": number, "tool": name, "arguments": call.arguments})
            if tool.here:
                result, pictures = tool.run(parsed(tool, call.arguments), self.results(), self.asked), []
            else:
                seconds = min(tool.seconds, max(0.1, self._until - time.monotonic()))
                result, pictures = self._workshop.call(name, call.arguments, seconds, progress, cancel)
        except Cancelled as error:
            self.log.write("cancelled", {"id": number, "tool": name, "why": str(error)})
            raise
        except ActinicError as error:
            kind = type(error).__name__
            call = Call(number, call.tool, call.arguments, None, kind, str(error)[:2000], time.monotonic() - start)
            self.log.write("refused", {"id": number, "tool": call.tool, "kind": kind, "message": call.error})
        else:
            if tool.reads:
                self.reading(number)
            call = Call(number, name, call.arguments, result, seconds=time.monotonic() - start, pictures=pictures)
            self.log.write("result", {"id": number, "tool": name, "sha256": digest(result), "result": result})
        self.calls.append(call)
        del self.calls[:-KEPT]
        return call

    def approval(self, tool: str, arguments: dict[str, Any]) -> str:
        """The hash that an approval is bound to: the tool, its exact arguments, and the content of the files named."""
        files = {}
        for value in arguments.values():
            if isinstance(value, str):
                try:
                    files[value] = hashlib.sha256(self.root.file(value).read_bytes()).hexdigest()
                except (InputError, OSError):
                    continue
        return digest({"tool": tool, "arguments": arguments, "files": files})

    def _checked(self, name: str, arguments: str | dict[str, Any], call: Call) -> tuple[Tool, Call]:
        if name not in self._tools:
            raise ConfigError(f"there is no tool {name!r:.80}; there are {', '.join(self._tools)}")
        tool = self._tools[name]
        full = parsed(tool, arguments).model_dump(mode="json")
        return tool, Call(call.id, name, full)

    def _allowed(self, tool: Tool, call: Call) -> None:
        if not tool.writes:
            return
        if self.read is not None:
            raise PermissionDenied(
                f"{tool.name} writes, and call {self.read} has read text that somebody else wrote: "
                "ask for it in a new conversation that reads nothing"
            )
        key = self.approval(tool.name, call.arguments)
        if key not in self._approved and self._ask is not None and self._ask(call, key):
            self._approved.add(key)
        if key not in self._approved:
            raise PermissionDenied(
                f"{tool.name} writes and needs a person's approval of exactly these arguments: --approve {key}"
            )
        self._approved.discard(key)
        self.log.write("approval", {"id": call.id, "tool": tool.name, "hash": key})

    def _over(self, what: str) -> LimitError:
        self.log.write("limit", {"what": what})
        return LimitError(f"stopped: {what} for one question; what was found so far is kept")


class PermissionDenied(ActinicError):
    """A tool that writes was not allowed to."""
