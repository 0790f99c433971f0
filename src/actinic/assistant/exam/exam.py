"""Questions with checkable answers: what a model is asked, what the engine says, and how answers are scored.

The questions are data (`questions.toml`); right numbers are computed by the tools when the exam is held, from files
that the engine makes. An answer is right when a number of it is traced to a call of the right tool that gave the right
number (to half a percent) in the right unit, and nothing of it is untraced; where nothing can be answered, when it says
so. Guessing, refusing and always calling one tool do not pass (`scripted.py`, tests).
"""

import itertools
import json
import math
import threading
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_ai.models import Model
from scipy import signal

from ... import jobs
from ...errors import ActinicError
from ...layout import lines, write_layout
from ...plain import csv_text
from ..agent import Answer, Conversation
from ..files import Root
from ..guard import Budget, Call, Guard
from ..numbers import sources, traced
from ..results import at, unit_of
from ..workshop import Workshop

QUESTIONS = Path(__file__).with_name("questions.toml")
CLOSE = 0.005  # of the right number
MOST_NUMBERS = 8  # an answer that lists everything answers nothing
BUDGET = Budget(steps=15, tokens=150_000, seconds=900.0)


@dataclass(frozen=True)
class Question:
    """One question: `steps` are (tool, arguments), `trap` a last step that is plausible and wrong, with its field."""

    kind: str
    group: str
    text: str
    quantity: str
    steps: tuple[tuple[str, dict[str, Any]], ...] = ()
    field: str = ""
    unit: str = ""
    passage: str = ""  # the answer stands in the passage that holds this
    trap: tuple[tuple[str, dict[str, Any]], str] | None = None

    @property
    def answerable(self) -> bool:
        return bool(self.steps)


@dataclass(frozen=True)
class Score:
    """What became of a question: right or not and why, its calls, those with bad arguments, tokens, seconds."""

    question: Question
    right: bool
    why: str
    answer: str
    calls: int
    invalid: int
    tokens: int
    seconds: float
    untraced: int


@dataclass
class Engine:
    """The tools' process with its results kept: the same call is computed once for all questions and models."""

    root: Root
    kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        self._workshop = Workshop(self.root)

    def call(self, name: str, arguments: dict[str, Any], seconds: float, progress, cancel: threading.Event):
        key = json.dumps([name, arguments], sort_keys=True)
        if key not in self.kept:
            try:
                self.kept[key] = self._workshop.call(name, arguments, seconds, progress, cancel)
            except ActinicError as error:
                self.kept[key] = error
        if isinstance(self.kept[key], ActinicError):
            raise self.kept[key]
        return self.kept[key]

    def close(self) -> None:
        """The guards of single questions share it."""

    def end(self) -> None:
        self._workshop.close()

    def guard(self) -> Guard:
        made = Guard(self.root, budget=BUDGET)
        made.use(self)
        return made


def questions(file: Path = QUESTIONS) -> list[Question]:
    """All questions, each case of a kind one."""
    found = []
    for kind in tomllib.loads(file.read_text())["kind"]:
        for case in kind["cases"]:
            fill = lambda value, case=case: _filled(value, case)  # noqa: E731
            steps = tuple((step["tool"], fill(step["arguments"])) for step in kind.get("steps", ()))
            trap = None
            if "trap" in kind:
                changed = kind["trap"]
                last = (
                    changed.get("tool", steps[-1][0]),
                    fill(changed.get("arguments", kind["steps"][-1]["arguments"])),
                )
                trap = last, fill(changed.get("field", kind["field"]))
            found.append(Question(
                kind["name"], kind["group"], fill(kind["text"]), fill(kind.get("quantity", "")), steps,
                fill(kind.get("field", "")), kind.get("unit", ""), fill(kind.get("passage", "")), trap,
            ))  # fmt: skip
    return found


def prepare(folder: Path) -> Root:
    """The files that questions speak of: a layout, overlay marks, lots of a drifting fab, an incident, edges, widths,
    equipment, a manual; all made by the engine or with a seed."""
    root, random = Root(folder), np.random.default_rng(7)
    write_layout(folder / "drawn.oas", {(1, 0): lines(170, 400, (-2000, -2000, 4000, 4000))})
    made = folder / ".made"
    jobs.simulate(seed=3, out=made / "fab", changes=("lots=60",), metrology=jobs.Metrology(marks=True))
    rows = (made / "fab" / "lots.csv").read_text().splitlines()
    head = rows[0].split(",")
    coming = dict(zip(head, rows[-1].split(","), strict=True)) | {"lot": "NEXT"}
    coming |= {name: "" for name in head if name.startswith("set")}
    (folder / "lots.csv").write_text("\n".join([*rows, ",".join(coming[name] for name in head)]) + "\n")
    (folder / "results.csv").write_text((made / "fab" / "results.csv").read_text())
    (folder / "controller.toml").write_text('stage = "advisory"\n[terms.k1]\n[terms.k2]\n')
    (folder / "marks.csv").write_text("\n".join(_one_lot((made / "fab" / "marks.csv").read_text().splitlines())) + "\n")
    jobs.incident(made / "incident", seed=5)
    for name in ("events.csv", "maps.csv", "innovations.csv"):
        (folder / name).write_text((made / "incident" / name).read_text())
    keep = math.exp(-1.0 / 20.0)
    white = random.standard_normal((2048, 24)) * math.sqrt(1 - keep**2)
    edges = 1.5 * signal.lfilter([1.0], [1.0, -keep], white, axis=0) + 0.3 * random.standard_normal(white.shape)
    (folder / "edges.csv").write_text(csv_text([f"edge_{n}" for n in range(24)], edges.tolist()))
    table = random.standard_normal((40, 6))
    table[[31, 36]] += 8.0
    names = ["wafer", *(f"sensor_{n}" for n in range(6))]
    (folder / "wafers.csv").write_text(csv_text(names, [[f"w{n:02d}", *row] for n, row in enumerate(table.tolist())]))
    places = itertools.product("AB", "12", range(3), range(3), (-8, 0, 8), (-10, 10))
    field_nm = dict(zip([(c, r) for c in range(3) for r in range(3)], random.standard_normal(9), strict=True))
    widths = [
        [
            lot,
            w,
            c,
            r,
            "L50",
            float(x),
            float(y),
            50.0 + 0.8 * field_nm[c, r] + 0.05 * x + 0.3 * random.standard_normal(),
        ]
        for lot, w, c, r, x, y in places
    ]
    header = ["lot", "wafer", "field_column", "field_row", "feature", "x_mm", "y_mm", "cd_nm"]
    (folder / "widths.csv").write_text(csv_text(header, widths))
    (folder / "manual.md").write_text(
        "# Alarms of the stages\n\nALM-4711: the wafer stage settles within 12 nm of its place, or this alarm is "
        "raised. Look at the interferometer.\n\n" + "Cleaning is described elsewhere. " * 40 +
        "\n\nALM-4712: the reticle stage settles within 35 nm of its place, or this alarm is raised. Look at the air "
        "bearing.\n"
    )  # fmt: skip
    return root


def right_answer(question: Question, engine: Engine) -> float:
    """The number that the engine gives, by the question's own steps."""
    return _computed(question, question.steps, question.field, engine)


def trapped(question: Question, engine: Engine) -> float:
    """The number that the plausible wrong last step gives."""
    assert question.trap is not None
    last, name = question.trap
    return _computed(question, (*question.steps[:-1], last), name, engine)


def examine(
    model_of: Callable[[Sequence[Question], Engine], Model], asked: Sequence[Question], engine: Engine,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[Score]:  # fmt: skip
    """Ask every question in a conversation of its own, and score the answers."""
    model, found = model_of(asked, engine), []
    for number, question in enumerate(asked):
        progress("questions", number, len(asked))
        guard, start = engine.guard(), time.perf_counter()
        talk = Conversation(model, guard)
        try:
            answer = talk.ask(question.text)
        except ActinicError as error:
            found.append(_scored(question, None, str(error), guard, start, 0))
            continue
        right, why = judged(question, answer, guard.calls, engine)
        found.append(_scored(question, right, why, guard, start, answer.tokens, answer))
    progress("questions", len(asked), len(asked))
    return found


def judged(question: Question, answer: Answer, calls: Sequence[Call], engine: Engine) -> tuple[bool, str]:
    """Whether an answer is right, and why not."""
    if not question.answerable:
        return (True, "") if answer.cannot else (False, "answered what cannot be answered")
    if answer.cannot:
        return False, "refused"
    if not answer.verified:
        return False, "untraced numbers"
    numbers = [one for one in answer.numbers if one.tool_call not in (None, "question")]
    if not numbers:
        return False, "no number from a tool"
    if len(numbers) > MOST_NUMBERS:
        return False, "more numbers than an answer has"
    wanted, tools = right_answer(question, engine), {call.id: call.tool for call in calls}
    pool = {(one.call, one.field): one for one in sources("", calls)}
    for one in numbers:
        source = pool.get((one.tool_call or "", one.field or ""))
        if source is None or (one.field or "").startswith("arguments"):
            continue
        if tools.get(source.call) != question.steps[-1][0]:
            continue
        same_unit = source.unit == question.unit or not question.unit
        if same_unit and abs(source.value - wanted) <= CLOSE * abs(wanted) + 1e-12:
            if question.passage and not answer.citations:
                return False, "no passage cited"
            return True, ""
    return False, "another number"


def _scored(question, right, why, guard: Guard, start: float, tokens: int, answer: Answer | None = None) -> Score:
    invalid = sum(call.kind == "ConfigError" for call in guard.calls)
    untraced = sum(one.tool_call is None for one in answer.numbers) if answer else 0
    text = answer.text if answer else ""
    return Score(
        question, bool(right), why, text, len(guard.calls), invalid, tokens, time.perf_counter() - start, untraced
    )


def _computed(question: Question, steps, name: str, engine: Engine) -> float:
    guard, call = engine.guard(), None
    for tool, arguments in steps:
        call = guard.call(tool, arguments)
        if call.result is None:
            raise ActinicError(f"{question.text}: {tool} gave no result: {call.error}")
    assert call is not None and call.result is not None
    if question.passage:
        text = next(p["text"] for p in call.result["passages"] if question.passage in p["text"])
        [number] = [n for n in traced(text[text.index(question.passage) :], "", [call]) if n.unit == question.unit][:1]
        return number.value
    value = float(at(call.result, name))
    unit = call.result.get("unit", "") if name == "value" else unit_of(tuple(name.split(".")))
    if question.unit and unit != question.unit:
        raise ActinicError(f"{question.text}: {name} is in {unit!r}, not {question.unit!r}")
    return value


def _one_lot(rows: list[str]) -> list[str]:
    """A file's head and the rows of its last lot."""
    at = rows[0].split(",").index("lot")
    last = rows[-1].split(",")[at]
    return [rows[0], *(row for row in rows[1:] if row.split(",")[at] == last)]


def _filled(value: Any, case: dict[str, Any]) -> Any:
    """A template with a case's values: a text that is one placeholder takes the value itself."""
    if isinstance(value, str):
        if value[:1] == "{" and value[-1:] == "}" and value[1:-1] in case:
            return case[value[1:-1]]
        return value.format(**case) if "{" in value else value
    if isinstance(value, dict):
        return {key: _filled(part, case) for key, part in value.items()}
    return [_filled(part, case) for part in value] if isinstance(value, list) else value
