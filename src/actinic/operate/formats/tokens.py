"""The words of a KLARF file with the lines they stand on, and exact changes of unit."""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from ...errors import InputError

_FLAT = re.compile(r'"(?P<quoted>[^"\n]*)"|(?P<mark>;)|(?P<word>[^\s;"]+)|(?P<bad>\S)')
_NESTED = re.compile(r'"(?P<quoted>[^"\n]*)"|(?P<mark>[;,{}])|(?P<word>[^\s;,{}"]+)|(?P<bad>\S)')


class Token(NamedTuple):
    """A word; `kind` is quoted, mark or word, and `first` tells that it begins its line."""

    text: str
    kind: str
    line: int
    first: bool


class Faulty(Exception):
    """What is wrong with a file, and on which line; becomes an InputError that names the file."""

    def __init__(self, line: int, what: str):
        super().__init__(f"line {line}: {what}")


def tokens(text: str, nested: bool) -> Iterator[Token]:
    """The words of a file; `nested` is the grammar of 1.8, where braces and commas are marks."""
    pattern = _NESTED if nested else _FLAT
    for number, line in enumerate(lines(text), 1):
        first = True
        for match in pattern.finditer(line):
            kind = match.lastgroup or ""
            if kind == "bad":
                raise Faulty(number, "a quotation mark that is not closed on its line")
            yield Token(match[kind], kind, number, first)
            first = False


def lines(text: str) -> list[str]:
    """A text's lines, which end where an editor ends them: a form feed does not."""
    return re.split("\r\n|\n|\r", text)


def read_text(path: str | Path) -> str:
    """A file's text: UTF-8, or else Latin-1, in which older tools write. InputError where it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not content.strip():
        raise InputError(f"{path}: the file is empty")
    if b"\0" in content:
        raise InputError(f"{path}: this is no text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def scaled(token: Token, factor: int) -> float:
    """A number times a whole factor, without rounding twice: 3500.123 um are 3500123 nm."""
    try:
        value = Decimal(token.text)
        product = float(value * factor)
    except (InvalidOperation, OverflowError):
        raise Faulty(token.line, f"{token.text!r} is not a number") from None
    if token.kind == "quoted" or not isfinite(product):
        raise Faulty(token.line, f"{token.text!r} is not a number")
    return product


def whole(token: Token) -> int:
    """A whole number, also where it is written with a point."""
    value = scaled(token, 1)
    if value != int(value):
        raise Faulty(token.line, f"{token.text!r} is not a whole number")
    return int(value)


def divided(value: float, factor: int) -> str:
    """The shortest text of a number divided by a power of ten; what `scaled` makes the number of again."""
    return plain(Decimal(repr(float(value))) / factor)


def plain(value: Decimal | float) -> str:
    """A number's shortest text that reads the same."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    exact = exact.normalize()
    exponent = exact.adjusted()
    return f"{exact:f}" if -7 <= exponent <= 17 else f"{exact:e}"


def quoted(text: str) -> str:
    """A string in quotation marks. InputError where it holds one, or a line's end: the format has no escape."""
    if any(c in '"\n\r\0' for c in text):
        raise InputError(f"{text!r} cannot be written: KLARF has no way to write a quotation mark or a line's end")
    return f'"{text}"'
