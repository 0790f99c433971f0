"""Every number of an answer held against what the tools gave: value, unit and quantity.

A number counts as traced when some field of some result (or of the question, or of a call's arguments) has that value
to the digits that are written, in that unit or one that converts, and is the quantity that the sentence speaks of.
Numbers in words are numbers. What cannot be traced is marked in the answer; so are quoted passages that no tool gave.
This is a check by vocabulary and grammar's surface: it can be strict where a person would understand, and where a
sentence names no quantity, value and unit alone decide.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .guard import Call
from .quantities import Mention, mentions, quantity_of, same, words_of
from .results import leaves

UNTRACED = "[not from a tool]"
_UNITS = {
    r"nm\^?2|nm²|square nanomet(?:re|er)s?": "nm2", r"[uµμ]m\^?2|[uµμ]m²|square micro(?:n|met(?:re|er))s?": "um2",
    r"nm|nanomet(?:re|er)s?": "nm", r"[uµμ]m|microns?|micromet(?:re|er)s?": "um", r"mm|millimet(?:re|er)s?": "mm",
    r"%|percent|per cent": "%", r"ppm": "ppm", r"deg(?:rees?)?|°": "deg", r"hours?|h": "h", r"seconds?|s": "s",
    r"metres?|meters?|m": "m", r"GiB|GB": "GiB",
}  # fmt: skip
_UNIT = re.compile(r"[\s\-\u00a0\u202f]?(?:" + "|".join(f"(?P<u{n}>{u})" for n, u in enumerate(_UNITS)) + r")(?![\w²])")
_NAMES = list(_UNITS.values())
_SCALE = {"nm": 1.0, "um": 1e3, "mm": 1e6, "m": 1e9}
_AREA = {"nm2": 1.0, "um2": 1e6}
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = {name: 10 * n for n, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_VALUES = {name: n for n, name in enumerate(_SMALL)} | _TENS
_WORD = "|".join(sorted((*_VALUES, "hundred", "thousand"), key=len, reverse=True))
_IN_WORDS = re.compile(rf"\b(?:minus )?(?:{_WORD})(?:(?:[\s-]+(?:and )?)(?:{_WORD}|point))*\b", re.IGNORECASE)
_FACTORS = {"half": 0.5, "twice": 2.0, "double": 2.0, "doubles": 2.0, "doubled": 2.0, "triple": 3.0, "tripled": 3.0}
_FACTOR = re.compile(r"\b(half(?![- ]pitch)|twice|doubles?|doubled|triple|tripled)\b", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![\w#/])(?<![\w)]-)(?<!\d[.,:])[-+−±]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_LOWER = re.compile(
    r"\b(drop|fall|fell|decreas|reduc|lower|less|shrink|narrow|below|smaller|off|differ|change|los|magnitude|absolute|down"
    r"|shorter|worse|apart|error|within)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z\d\-*])|\n+")
_CITED = re.compile(r"\[?([\w./ +=@,-]+#p\d+\.\d+)\]?")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<?\b[a-z][a-z0-9+.-]{1,10}://[^\s>)]*>?", re.IGNORECASE)
_DIRECT = re.compile(r"\s*(?:of\s+|in\s+|the\s+)?")
_LONG = re.compile(r"[^\W\d_]{5,}")
_COPULA = re.compile(r"\b(is|are|was|were|equals|becomes|comes to|of)\b|[=:]")
_BESIDE = re.compile(
    r"\b(at|over|under|for|with|in|by|against|through)\s+(the\s+|a\s+|an\s+|this\s+|that\s+)?$", re.IGNORECASE
)
_SHARES = re.compile(r"(share|probability|unknown|precision|recall|coverage|fraction|level)(\.\w+)*$")


@dataclass(frozen=True)
class Spoken:
    """A number in a text: where, its value, half of its last digit, its unit ('' if none), whether it is in words."""

    text: str
    start: int
    end: int
    value: float
    slack: float
    unit: str
    words: bool = False


@dataclass(frozen=True)
class Source:
    """A number that may be spoken of: from which call ("question" for the asker's), which field, which quantities."""

    call: str
    field: str
    value: float
    unit: str
    quantities: tuple[str, ...]
    sentence: str = ""  # that it stands in, if it stands in a text


@dataclass(frozen=True)
class Traced:
    """A number of an answer and where it comes from; `tool_call` and `field` are None where it comes from nowhere."""

    text: str
    tool_call: str | None
    field: str | None
    value: float
    unit: str
    why: str = ""


def numbers_in(text: str) -> list[Spoken]:
    """The numbers of a text, in digits and in words. Parts of names such as c1, k3, euv-033 and dates are none."""
    found: list[Spoken] = []
    for match in _DIGITS.finditer(text):
        after = text[match.end() :]
        if re.match(r"(?:st|nd|rd|th)\b|-\d\d-\d\d|:\d\d|/\d|\.\d|[.)]\s+\w", after) and not _is_number_end(
            text, match
        ):
            continue
        unit, width = _unit(after)
        if re.match(r"[A-Za-z_]", after) and not width and not re.match(r"x\b", after):
            continue
        shown = match[0].replace(",", "").replace("−", "-").lstrip("±")
        mantissa, _, exponent = shown.lower().partition("e")
        digits = len(mantissa.partition(".")[2])
        slack = 0.5 * 10.0 ** (-digits + int(exponent or 0))
        end = match.end() + width
        found.append(Spoken(text[match.start() : end], match.start(), end, float(shown), slack, unit))
    for match in _IN_WORDS.finditer(text):
        value = _said(match[0])
        unit, width = _unit(text[match.end() :])
        if value is None or (match[0].lower() == "one" and not unit):
            continue
        end = match.end() + width
        slack = 0.5 if value == int(value) else 0.05
        found.append(Spoken(text[match.start() : end], match.start(), end, value, slack, unit, True))
    for match in _FACTOR.finditer(text):
        value = _FACTORS[match[0].lower()]
        found.append(Spoken(match[0], match.start(), match.end(), value, 0.05 * value, "", True))
    return sorted(found, key=lambda one: one.start)


def sources(question: str, calls: Sequence[Call]) -> list[Source]:
    """Everything that an answer may speak of: numbers of the question, of results, of texts in them, of arguments."""
    found = [Source("question", "", n.value, n.unit, q) for n, q in _spoken_quantities(question, "")]
    good = [call for call in calls if call.result is not None]
    origins: dict[str, tuple[str, ...]] = {}
    for call in good:
        result = call.result or {}
        derived = result.get("of") if call.tool == "calculate" else None
        for leaf in leaves(result):
            known = quantity_of(leaf.field)
            names, unit = (known,) if known else (), leaf.unit
            if derived is not None and leaf.field == "value":
                unit = result["unit"]
                names = tuple(dict.fromkeys(q for name in derived for q in origins.get(name, ())))
            origins[f"{call.id}.{leaf.field}"] = names
            if re.fullmatch(r"dof_nm\.\w+\.\d+", leaf.field):  # a depth of focus stands under its latitude
                found.append(Source(call.id, leaf.field, float(leaf.field.rpartition(".")[2]), "%", ("latitude",)))
            found.append(Source(call.id, leaf.field, leaf.value, unit, names))
        for field, text in _texts(result):
            found += [
                Source(call.id, field, n.value, n.unit, q, _sentence_of(text, n))
                for n, q in _spoken_quantities(text, "")
            ]
    for call in good:
        for leaf in leaves({"arguments": call.arguments}):
            name = "required" if leaf.field.endswith("dof_nm") else quantity_of(leaf.field)
            if name is not None and not leaf.field.startswith("arguments.operands"):
                found.append(Source(call.id, leaf.field, leaf.value, leaf.unit, (name,)))
    found.append(Source("question", "calls.count", float(len(good)), "", ("calls",)))
    return found


def traced(answer: str, question: str, calls: Sequence[Call]) -> list[Traced]:
    """Where each number of an answer comes from; the first source that fits, results before the question."""
    pool = sources(question, calls)
    pool.sort(key=lambda one: (one.call == "question", one.field.startswith("arguments")))
    found = []
    for spoken, names in _spoken_quantities(answer, question):
        if any(match.start(1) <= spoken.start < match.end(1) for match in _CITED.finditer(answer)):
            continue
        sentence = _sentence_of(answer, spoken)
        fitting = [one for one in pool if _same_value(spoken, one, sentence)]
        named = [one for one in fitting if _same_quantity(one, names, sentence)]
        if named:
            one = named[0]
            found.append(Traced(spoken.text, one.call, one.field or None, spoken.value, spoken.unit))
        else:
            why = "no tool gave this number in this unit"
            if fitting:
                why = f"this is {fitting[0].field or 'a number of the question'}, not {' or '.join(names)}"
            found.append(Traced(spoken.text, None, None, spoken.value, spoken.unit, why))
    return found


def marked(answer: str, numbers: Sequence[Traced], passages: Iterable[str]) -> tuple[str, list[str]]:
    """The answer with what is not traced marked, links made inert, control characters gone; and the passages it cites.

    `passages` are ids that tools gave; citing any other is marked as well.
    """
    given = set(passages)
    text, place = "", 0
    spoken = [one for one in numbers_in(answer)]
    for one, number in _paired(spoken, numbers):
        if number.tool_call is None:
            text += answer[place : one.end] + f" {UNTRACED}"
            place = one.end
    text += answer[place:]
    cited = [match[1].strip() for match in _CITED.finditer(answer)]
    for name in dict.fromkeys(cited):
        if name not in given:
            text = text.replace(name, f"{name} [no such passage]")
    return inert(text), [name for name in dict.fromkeys(cited) if name in given]


def inert(text: str) -> str:
    """A text that a terminal or a page only shows: no link is followed, no control character obeyed."""
    text = _LINK.sub(lambda match: f"{match[1]} [link removed]" if match[1] else "[link removed]", text)
    return "".join(c for c in text if c in "\n\t" or (c.isprintable() and not "\u202a" <= c <= "\u202e"))


def _paired(spoken: list[Spoken], numbers: Sequence[Traced]):
    """Numbers of the text with what was found of them; cited passages have none."""
    left = list(numbers)
    for one in spoken:
        if left and left[0].text == one.text and left[0].value == one.value:
            yield one, left.pop(0)


def _is_number_end(text: str, match: re.Match) -> bool:
    """Whether what follows a number, which looks like the mark of a list, is the end of a sentence."""
    after = text[match.end() :]
    start = text.rfind("\n", 0, match.start()) + 1
    return bool(re.match(r"[.)]\s+\w", after)) and text[start : match.start()].strip(" *-#") != ""


def _unit(after: str) -> tuple[str, int]:
    match = _UNIT.match(after)
    if match is None:
        return "", 0
    return _NAMES[next(n for n in range(len(_NAMES)) if match[f"u{n}"] is not None)], match.end()


def _said(words: str) -> float | None:
    """A number in words: forty-five, two hundred and ten, twelve point five."""
    parts = [part for part in re.split(r"[\s-]+", words.lower()) if part != "and"]
    sign = -1.0 if parts[:1] == ["minus"] else 1.0
    parts = parts[1:] if sign < 0 else parts
    whole, _, tail = " ".join(parts).partition(" point")
    total, current = 0, 0
    for part in whole.split():
        if part == "hundred":
            current = max(current, 1) * 100
        elif part == "thousand":
            total, current = total + max(current, 1) * 1000, 0
        elif part in _VALUES:
            current += _VALUES[part]
    decimals = [str(_VALUES[part]) for part in tail.split() if part in _VALUES]
    return sign * (total + current + (float("0." + "".join(decimals)) if decimals else 0.0))


def _sentence_of(text: str, spoken: Spoken) -> str:
    start, end = _bounds(text, spoken.start)
    return text[start:end]


def _bounds(text: str, at: int) -> tuple[int, int]:
    start = 0
    for match in _SENTENCE.finditer(text):
        if match.start() >= at:
            return start, match.start()
        start = match.end()
    return start, len(text)


def _spoken_quantities(text: str, question: str) -> list[tuple[Spoken, tuple[str, ...]]]:
    """Each number of a text with the quantities it may be of: by its own sentence, else the one before, else all that
    the question names; () where nothing is named anywhere."""
    named, spoken = mentions(text), numbers_in(text)
    asked = tuple(dict.fromkeys(one.name for one in mentions(question)))
    found, lists = [], _listed(named, spoken, text)
    after = {one.start: next((m for m in named if m.start >= one.end), None) for one in spoken}
    taken = {m for one in spoken if (m := after[one.start]) and _DIRECT.fullmatch(text[one.end : m.start])}
    for one in spoken:
        if one.start in lists:
            found.append((one, (lists[one.start],)))
            continue
        start, end = _bounds(text, one.start)
        here = [m for m in named if start <= m.start < end]
        right = next((m for m in here if m.start >= one.end), None)
        if right is not None and _DIRECT.fullmatch(text[one.end : right.start]):
            found.append((one, (right.name,)))
            continue
        # What is said of another number, or stands beside the subject ("the CD at best focus is"), is not meant.
        left = [m for m in here if m.end <= one.start and m not in taken]
        while len(left) > 1 and _beside(text, left[-1], one):
            left.pop()
        over = next((m for m in here if m.start <= one.start < m.end), None)
        before = [m for m in named if m.end <= start]
        if over is not None:
            found.append((one, (over.name,)))
        elif left:
            found.append((one, (left[-1].name,)))
        elif right is not None:
            found.append((one, (right.name,)))
        else:
            found.append((one, (before[-1].name,) if before else asked))
    return found


def _beside(text: str, mention: Mention, number: Spoken) -> bool:
    """Whether a quantity only says where or when: "the CD at best focus is" is of the CD."""
    said = text[mention.end : number.start]
    return bool(_BESIDE.search(text[: mention.start]) and _COPULA.search(said))


def _listed(named: list[Mention], spoken: list[Spoken], text: str) -> dict[int, str]:
    """Numbers of "A and B are 1 and 2": in turn."""
    found: dict[int, str] = {}
    group: list[Mention] = []
    for k, one in enumerate(named):
        joined = group and re.fullmatch(r"\s*(?:,|and|,\s*and|&)\s*(?:the\s+)?", text[group[-1].end : one.start])
        group = [*group, one] if joined else [one]
        after = named[k + 1].start if k + 1 < len(named) else len(text)
        stop = min(after, _bounds(text, one.start)[1])
        numbers = [n for n in spoken if one.end <= n.start < stop]
        if len(group) > 1 and len(numbers) == len(group):
            found |= {n.start: m.name for n, m in zip(numbers, group, strict=True)}
    return found


def _texts(value: Any, path: tuple[str, ...] = ()) -> Iterable[tuple[str, str]]:
    if isinstance(value, str):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, (*path, str(key)))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _texts(part, (*path, str(number)))


def _same_value(spoken: Spoken, source: Source, sentence: str) -> bool:
    value = _converted(source, spoken.unit)
    if value is None:
        return False
    slack = spoken.slack * (1 + 1e-9) + 1e-9 * abs(value)
    if abs(value - spoken.value) <= slack:
        return True
    plain = not spoken.text.startswith(("-", "+", "−"))
    return plain and value < 0 and bool(_LOWER.search(sentence)) and abs(abs(value) - spoken.value) <= slack


def _converted(source: Source, unit: str) -> float | None:
    """A source's value in the unit that is spoken of; None where it does not convert. No unit fits only no unit."""
    if source.unit == unit:
        return source.value
    for table in (_SCALE, _AREA):
        if source.unit in table and unit in table:
            return source.value * table[source.unit] / table[unit]
    share = source.unit in ("", "fraction") and bool(_SHARES.search(source.field))
    if unit == "%" and share:
        return 100 * source.value
    if unit == "" and source.unit == "fraction":
        return source.value
    if (source.unit, unit) == ("h", "s") or (source.unit, unit) == ("s", "h"):
        return source.value * 3600 if unit == "s" else source.value / 3600
    return None


def _same_quantity(source: Source, names: tuple[str, ...], sentence: str) -> bool:
    """Whether a source is one of the quantities that are spoken of; one of no known quantity by its own words."""
    if not names or (source.call == "question" and source.field == "calls.count"):
        return True
    if source.quantities:
        return any(same(one, name) for one in source.quantities for name in names)
    text = sentence.lower()
    own = {word.lower() for word in _LONG.findall(source.sentence)} | set(words_of(source.field))
    return source.call == "question" or any(word in text for word in own)
