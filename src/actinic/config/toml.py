"""TOML text: read with errors of one line, changed by `key=value` settings, written so that it reads the same."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError


def load_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; ConfigError says what is wrong and where."""
    try:
        return tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not text in UTF-8") from None
    # An absurdly long number is a plain ValueError, absurdly deep brackets a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None


def override(data: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A copy of `data` with `a.b=value` settings applied; values are TOML, a bare word is a string.

    A whole number in the path is an index into a list:
    `override(data, ["process.scanner.projector.na=0.68", "corners.0.dose=1.02", "mask.kind=attpsm"])`.
    """
    data = _copied(data)
    for setting in settings:
        path, equals, text = (part.strip() for part in setting.partition("="))
        *parents, last = path.split(".")
        if not equals or not all([*parents, last]):
            raise ConfigError(f"--set {setting}: write key=value, for example process.scanner.projector.na=0.7")
        place: Any = data
        try:
            for key in parents:
                place = place.setdefault(key, {}) if isinstance(place, dict) else place[int(key)]
            place[last if isinstance(place, dict) else int(last)] = _value(text)
        except (IndexError, TypeError, ValueError):
            raise ConfigError(f"--set {setting}: there is no {path} to set") from None
    return data


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def _copied(data) -> Any:
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data


def text(table: dict[str, Any]) -> str:
    """A table of numbers, strings, booleans, lists and tables as TOML."""
    return "\n".join(_lines(table, ())).strip("\n") + "\n"


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    """Plain values first, then tables and arrays of tables."""
    lines = [f"{_key(k)} = {literal(v)}" for k, v in table.items() if not _is_tables(v)]
    for key, value in table.items():
        if _is_tables(value):
            place = (*path, _key(key))
            many = isinstance(value, list)
            for part in value if many else [value]:
                lines += ["", f"[[{'.'.join(place)}]]" if many else f"[{'.'.join(place)}]", *_lines(part, place)]
    return lines


def _is_tables(value) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)
    )


def _key(key: str) -> str:
    return key if key.replace("_", "a").replace("-", "a").isalnum() and key.isascii() else literal(key)


def literal(value) -> str:
    """One value as TOML, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(k)} = {literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    # A JSON string is a TOML string but for DEL, and for surrogate pairs, which stay as they are here.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
