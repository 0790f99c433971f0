"""The exam for models: enough questions, traps that give another number, and a scorer that tells models apart."""

import pytest

pytest.importorskip("pydantic_ai")

from actinic.assistant.exam.exam import Engine, examine, prepare, questions, right_answer, trapped
from actinic.assistant.exam.scripted import SCRIPTED
from actinic.assistant.tools import TOOLS, parsed

QUICK = {"process_facts", "control_chart", "search_documents", "watch_equipment", "split_uniformity", "plan_marks"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    made = Engine(prepare(tmp_path_factory.mktemp("exam")))
    yield made
    made.end()


def quick():
    """One question of each kind whose tools answer at once, and some that cannot be answered."""
    kinds = {q.kind: q for q in questions() if q.answerable and {tool for tool, _ in q.steps} <= QUICK}
    return [*kinds.values(), *[q for q in questions() if not q.answerable][::5]]


def test_there_are_enough_questions():
    asked = questions()
    assert len(asked) >= 120 and len({q.kind for q in asked}) >= 45
    assert sum(not q.answerable for q in asked) >= 25
    assert sum(q.trap is not None for q in asked) >= 20
    assert len({q.text for q in asked}) == len(asked)
    assert len({tool for q in asked for tool, _ in q.steps}) >= 14


def test_every_step_has_good_arguments():
    for question in questions():
        for tool, arguments in (*question.steps, *([question.trap[0]] if question.trap else ())):
            parsed(TOOLS[tool], arguments)


def scores(asked, engine):
    return {name: sum(s.right for s in examine(model, asked, engine)) / len(asked) for name, model in SCRIPTED.items()}


def discriminated(found):
    assert found["perfect"] == 1.0, found
    assert found["malicious"] == 0.0, found
    assert found["refusing"] < 0.3 and found["first tool"] < 0.3, found
    assert found["careless"] < 0.6, found


def test_models_are_told_apart(engine):
    asked = quick()
    assert len(asked) >= 20
    discriminated(scores(asked, engine))


def test_an_answer_must_be_the_right_quantity_by_the_right_tool(engine):
    question = next(q for q in questions() if q.kind == "shewhart-shift")
    wanted = right_answer(question, engine)
    assert wanted == pytest.approx(43.9, abs=0.05)
    (score,) = examine(SCRIPTED["perfect"], [question], engine)
    assert score.right and score.invalid == 0 and score.calls == 1
    (wrong,) = examine(SCRIPTED["careless"], [question], engine)
    assert not wrong.right and wrong.why == "another number" and trapped(question, engine) == pytest.approx(370.4)
    (refused,) = examine(SCRIPTED["refusing"], [question], engine)
    assert (refused.right, refused.why) == (False, "refused")
    guess = next(q for q in questions() if not q.answerable)
    (answered,) = examine(SCRIPTED["careless"], [guess], engine)
    assert not answered.right and answered.why == "answered what cannot be answered"


@pytest.mark.slow
def test_traps_give_another_number(engine):
    for question in questions():
        if question.trap is not None:
            right, wrong = right_answer(question, engine), trapped(question, engine)
            assert abs(right - wrong) > 0.01 * abs(right), question.text


@pytest.mark.slow
def test_models_are_told_apart_by_all_questions(engine):
    discriminated(scores(questions(), engine))
