"""What a tool is: a name, typed and bounded arguments, a pure function of them; and how bad arguments are told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ...config.messages import unit_hint
from ...errors import ConfigError
from ..documents import Documents
from ..files import Root

LARGEST_ARGUMENTS = 20_000  # characters
DEEPEST = 20


class Arguments(BaseModel):
    """Arguments of a tool: no key but those named, no NaN, no infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


@dataclass
class Bench:
    """What a tool works with: the files it may read, a folder of its own that is gone afterwards, and progress."""

    root: Root
    scratch: Path
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    pictures: list[tuple[str, bytes]] = field(default_factory=list)  # captions and PNG

    def documents(self) -> Documents:
        return Documents(self.root)


@dataclass(frozen=True)
class Tool:
    """A tool. `writes`: it needs an approval. `reads`: its result holds text that somebody else wrote.

    `seconds` is how long it may take. A tool that is `here` only sets earlier results in relation and needs no process.
    """

    name: str
    about: str
    arguments: type[BaseModel]
    run: Callable[..., dict[str, Any]]
    writes: bool = False
    reads: bool = False
    seconds: float = 300.0
    here: bool = False

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, as a model and a client are told them."""
        return _plain_schema(self.arguments.model_json_schema())


def parsed(tool: Tool, arguments: str | dict[str, Any]) -> BaseModel:
    """Arguments from JSON text or plain data. ConfigError with one line for each that is bad."""
    if isinstance(arguments, str):
        arguments = loaded(arguments)
    elif not _shallow(arguments, DEEPEST):
        raise ConfigError(f"{tool.name}: the arguments are nested deeper than {DEEPEST}")
    if not isinstance(arguments, dict):
        raise ConfigError(f"{tool.name}: the arguments must be an object, not {type(arguments).__name__}")
    try:
        return tool.arguments.model_validate(arguments)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{tool.name}: {_line(item)}" for item in error.errors()[:10])) from None


def loaded(text: str) -> Any:
    """JSON of a bounded size and depth, without NaN and infinity, which JSON does not have."""
    if len(text) > LARGEST_ARGUMENTS:
        raise ConfigError(f"arguments of {len(text)} characters; at most {LARGEST_ARGUMENTS} are read")
    depth = 0
    for character in text:  # before parsing, whose own stack is not to be tried out
        depth += (character in "[{") - (character in "]}")
        if depth > DEEPEST:
            raise ConfigError(f"the arguments are nested deeper than {DEEPEST}")
    try:
        return json.loads(text or "{}", parse_constant=_no_constant)
    except ValueError as error:
        raise ConfigError(f"the arguments are not JSON: {error}") from None


def _no_constant(name: str):
    raise ValueError(f"{name} is no number in JSON")


def _shallow(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    return left > 0 and all(_shallow(part, left - 1) for part in (value.values() if isinstance(value, dict) else value))


def _line(item) -> str:
    """One line on one bad argument: where, what, and for a length whether it looks like another unit."""
    key = ".".join(str(part) for part in item["loc"]) or "arguments"
    value = item.get("input")
    said = f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        hint = unit_hint(key, value) if 0 < abs(value) < 1 and key.endswith("_nm") else ""
        if key.endswith("_um") and abs(value) >= 1000:
            hint = f"{value:g} looks like nm; {key} is in um: write {value / 1000:.6g}"
        said += f", not {value:g}" + (f" ({hint})" if hint else "")
    return said[:300]


def _plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the titles that pydantic adds; definitions stay."""
    if isinstance(schema, dict):
        return {
            key: {name: _plain_schema(part) for name, part in value.items()} if key in ("properties", "$defs")
            else _plain_schema(value)
            for key, value in schema.items() if key != "title"
        }  # fmt: skip
    return [_plain_schema(part) for part in schema] if isinstance(schema, list) else schema
