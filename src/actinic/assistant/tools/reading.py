"""Tools that look: at files, runs, documents; and the one that computes with earlier results."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ... import jobs
from ...errors import ConfigError, InputError
from ..files import FileId
from ..results import at, unit_of
from .registry import Arguments, Bench, Tool

FieldName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]


class Listed(Arguments):
    suffix: Annotated[str, Field(pattern=r"^\.[a-z0-9]{1,8}$")] | None = Field(None, description="such as .csv")


class Nothing(Arguments):
    pass


class Run(Arguments):
    run: FileId = Field(description="name of a run folder")


class Search(Arguments):
    words: Annotated[str, Field(min_length=2, max_length=300)]
    most: Annotated[int, Field(ge=1, le=10)] = 5


class PassageId(Arguments):
    passage: Annotated[str, Field(max_length=230)] = Field(description="as search_documents gave it: file#p1.2")


class Operand(Arguments):
    """An earlier result's field, or a number that stands in the question."""

    call: Annotated[str, Field(pattern=r"^c\d{1,4}$")] | None = Field(None, description="such as c1")
    field: FieldName | None = Field(None, description="such as cd_nm or per_gauge.0.nils")
    asked: float | None = Field(None, description="a number of the question")

    @model_validator(mode="after")
    def _one(self):
        if (self.asked is None) == (self.call is None or self.field is None):
            raise ValueError("give call and field, or asked")
        return self


class Calculation(Arguments):
    operation: Literal["difference", "sum", "mean", "ratio", "percent_change", "absolute", "smallest", "largest"]
    operands: Annotated[tuple[Operand, ...], Field(min_length=1, max_length=20)] = Field(
        description="difference: first minus second; ratio: first by second; percent_change: from second to first"
    )


def list_files(given: Listed, bench: Bench) -> dict[str, Any]:
    names = bench.root.ids(() if given.suffix is None else (given.suffix,))
    return {"files": [{"file": name, "bytes": bench.root.file(name).stat().st_size} for name in names]}


def list_runs(given: Nothing, bench: Bench) -> dict[str, Any]:
    runs = [name.rpartition("/")[0] for name in bench.root.ids((".json",)) if name.endswith("/result.json")]
    return {"runs": [{"run": name, "verdict": _verdict(name, bench)} for name in runs]}


def read_run(given: Run, bench: Bench) -> dict[str, Any]:
    folder = bench.root.run(given.run)
    status = jobs.status(folder) | {"run": given.run}
    file = bench.root.folder / given.run / "result.json"
    if not file.is_file() or file.is_symlink():
        return {"state": status["state"], "done": status.get("done"), "total": status.get("total")}
    if file.stat().st_size > 20_000_000:
        raise InputError(f"{given.run}: its result.json is larger than 20 MB")
    try:
        return {"state": status["state"], "result": json.loads(file.read_text())}
    except (ValueError, RecursionError):
        raise InputError(f"{given.run}: result.json is not JSON") from None


def search_documents(given: Search, bench: Bench) -> dict[str, Any]:
    index = bench.documents()
    told = index.update()
    found = index.search(given.words, given.most)
    passages = [{"passage": p.id, "file": p.file, "page": p.page, "text": p.text} for p in found]
    return {"passages": passages, "unreadable": sorted(told.troubles)}


def read_passage(given: PassageId, bench: Bench) -> dict[str, Any]:
    found = bench.documents().passage(given.passage)
    return {"passage": found.id, "file": found.file, "page": found.page, "text": found.text}


def calculate(given: Calculation, results: dict[str, dict[str, Any]], asked: list[float]) -> dict[str, Any]:
    """Arithmetic on earlier results, by call, or on numbers of the question: what it gives can be traced as they can.

    Sums and differences need one unit; a ratio of one unit has none. ConfigError says what does not fit.
    """
    found = [_operand(one, results, asked) for one in given.operands]
    values = [value for value, _ in found]
    needed = {"difference": 2, "ratio": 2, "percent_change": 2, "absolute": 1}.get(given.operation)
    if needed is not None and len(values) != needed:
        raise ConfigError(f"calculate: {given.operation} takes {needed} operands, not {len(values)}")
    units = sorted({unit for _, unit in found if unit is not None})
    if len(units) > 1:
        raise ConfigError(f"calculate: the operands have different units: {', '.join(u or 'none' for u in units)}")
    unit, first, last = units[0] if units else "", values[0], values[-1]
    if given.operation in ("ratio", "percent_change") and last == 0:
        raise ConfigError("calculate: division by zero")
    value, unit = {
        "difference": lambda: (first - last, unit),
        "sum": lambda: (sum(values), unit),
        "mean": lambda: (sum(values) / len(values), unit),
        "ratio": lambda: (first / last, ""),
        "percent_change": lambda: (100 * (first / last - 1), "%"),
        "absolute": lambda: (abs(first), unit),
        "smallest": lambda: (min(values), unit),
        "largest": lambda: (max(values), unit),
    }[given.operation]()
    names = ["question" if one.call is None else f"{one.call}.{one.field}" for one in given.operands]
    return {"operation": given.operation, "value": value, "unit": unit, "of": names}


def _operand(one: Operand, results: dict[str, dict[str, Any]], asked: list[float]) -> tuple[float, str | None]:
    if one.call is None:
        assert one.asked is not None
        if not any(abs(one.asked - value) <= 1e-9 * max(1.0, abs(value)) for value in asked):
            raise ConfigError(f"calculate: {one.asked:g} does not stand in the question")
        return one.asked, None
    assert one.field is not None
    if one.call not in results:
        raise ConfigError(f"calculate: there is no result {one.call}; there are {', '.join(results) or 'none'}")
    try:
        value = at(results[one.call], one.field)
    except KeyError:
        raise ConfigError(f"calculate: {one.call} has no field {one.field}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"calculate: {one.call}.{one.field} is no number")
    result = results[one.call]
    own = result.get("unit") if one.field == "value" and "operation" in result else None
    return float(value), unit_of(tuple(one.field.split("."))) if own is None else own


def _verdict(name: str, bench: Bench) -> str | None:
    try:
        return str(jobs.status(bench.root.run(name))["verdict"])[:300]
    except (InputError, KeyError):
        return None


TOOLS = (
    Tool("list_files", "Files that the other tools can read, by id.", Listed, list_files),
    Tool("list_runs", "Run folders and their verdicts.", Nothing, list_runs, reads=True),
    Tool("read_run", "State and result of a run folder.", Run, read_run, reads=True),
    Tool(
        "search_documents", "Passages of the site's manuals, notes and logs that hold the words; cite their ids.",
        Search, search_documents, reads=True,
    ),
    Tool("read_passage", "One passage of a document.", PassageId, read_passage, reads=True),
    Tool(
        "calculate", "Arithmetic on fields of earlier results, or on numbers of the question. Never compute yourself.",
        Calculation, calculate, here=True,
    ),
)  # fmt: skip
