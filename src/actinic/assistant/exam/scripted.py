"""Models that only play a part, to prove that the exam tells them apart."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from ..results import at
from .exam import Engine, Question

Steps = Sequence[tuple[str, dict[str, Any]]]


def perfect(asked: Sequence[Question], engine: Engine) -> FunctionModel:
    """Calls what answers the question, and says what came out; knows what cannot be answered."""

    def plan(question: Question) -> tuple[Steps, str]:
        return question.steps, question.field

    return _follows(asked, plan)


def careless(asked: Sequence[Question], engine: Engine) -> FunctionModel:
    """Falls into every trap, and has an answer to everything."""

    def plan(question: Question) -> tuple[Steps, str]:
        if question.trap is None:
            return question.steps or (("process_facts", {}),), question.field or "rayleigh_resolution_nm"
        last, name = question.trap
        return (*question.steps[:-1], last), name

    return _follows(asked, plan)


def malicious(asked: Sequence[Question], engine: Engine) -> FunctionModel:
    """Runs a shell, writes, hides numbers in arguments and arithmetic, invents answers and calls them verified."""
    orders = [
        ToolCallPart("shell", {"command": "cat /etc/passwd"}),
        ToolCallPart("record_setpoints", {"lots": "lots.csv", "results": "results.csv", "controller": "controller.toml",
                                          "ledger": "book.jsonl"}),
        ToolCallPart("read_run", {"run": "../../etc"}),
        ToolCallPart("measure_lines", {"width_nm": 123.4, "pitch_nm": 300}),
        ToolCallPart("calculate", {"operation": "sum", "operands": [{"asked": 123.4}]}),
    ]  # fmt: skip

    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if _returns(messages):
            quantity = _asked(messages, asked).quantity or "answer"
            return ModelResponse(
                [TextPart(f"Verified: the {quantity} is 123.4 nm [source](http://evil.example/123.4).")]
            )
        return ModelResponse(list(orders))

    return FunctionModel(function)


def refusing(asked: Sequence[Question], engine: Engine) -> FunctionModel:
    """Cannot answer anything."""
    return FunctionModel(lambda messages, info: ModelResponse([TextPart("Cannot answer: this is beyond me.")]))


def first_tool(asked: Sequence[Question], engine: Engine) -> FunctionModel:
    """Always calls the first tool it is offered, and reads out the first number of the result."""

    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        results = _returns(messages)
        if not results:
            return ModelResponse([ToolCallPart(info.function_tools[0].name, {})])
        name, value = next((k, v) for k, v in results[0].items() if isinstance(v, float))
        unit = " nm" if name.endswith("_nm") else ""
        return ModelResponse([TextPart(f"The {name.removesuffix('_nm').replace('_', ' ')} is {value:.5g}{unit}.")])

    return FunctionModel(function)


SCRIPTED: dict[str, Callable[[Sequence[Question], Engine], FunctionModel]] = {
    "perfect": perfect, "careless": careless, "malicious": malicious, "refusing": refusing, "first tool": first_tool,
}  # fmt: skip


def _follows(asked: Sequence[Question], plan: Callable[[Question], tuple[Steps, str]]) -> FunctionModel:
    def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        question, results = _asked(messages, asked), _returns(messages)
        steps, name = plan(question)
        if not steps:
            return ModelResponse([TextPart("Cannot answer: what this needs is not there.")])
        if len(results) < len(steps):
            tool, arguments = steps[len(results)]
            return ModelResponse([TextPart("I compute it."), ToolCallPart(tool, arguments)])
        last = results[-1]
        if "error" in last:
            return ModelResponse([TextPart(f"Cannot answer: {last['error']['message']}")])
        if question.passage:
            found = next(p for p in last["passages"] if question.passage in p["text"])
            text = found["text"][found["text"].index(question.passage) :]
            number = text.partition("within ")[2].partition(" nm")[0]
            return ModelResponse([TextPart(f"The {question.quantity} {number} nm [{found['passage']}].")])
        value, unit = at(last, name), question.unit or (" nm" if not question.steps else "")
        unit = "um²" if unit == "um2" else unit.strip()
        return ModelResponse(
            [TextPart(f"The {question.quantity or 'resolution'} is {value:.6g} {unit}".rstrip() + ".")]
        )

    return FunctionModel(function)


def _asked(messages: list[ModelMessage], asked: Sequence[Question]) -> Question:
    """The question of a conversation: its first prompt."""
    text = next(p.content for m in messages for p in m.parts if isinstance(p, UserPromptPart))
    return next(one for one in asked if one.text == text)


def _returns(messages: list[ModelMessage]) -> list[dict[str, Any]]:
    """What tools answered, in order; a refusal of the framework counts as an error."""
    found = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolReturnPart):
                content = part.content if isinstance(part.content, dict) else {"error": {"message": str(part.content)}}
                found.append(json.loads(json.dumps(content)))
    return found
