"""The assistant's exam: scripted models, which prove that the scorer tells them apart, and any model of your own.

`python assistant.py` asks the scripted ones. `python assistant.py --endpoint URL --model NAME [--kind KIND...]` asks
yours (key in ACTINIC_API_KEY), and prints each wrong answer. Two minutes without the model.
"""

from common import report  # noqa: I001 sets the environment before NumPy starts

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from actinic.assistant.endpoint import Endpoint
from actinic.assistant.exam.exam import Engine, examine, prepare, questions
from actinic.assistant.exam.scripted import SCRIPTED


def share(n: int, of: int) -> dict:
    """n of so many, with Wilson's 95 % interval."""
    z, p = 1.96, n / of
    middle, half = (p + z * z / (2 * of), z * (p * (1 - p) / of + z * z / (4 * of * of)) ** 0.5)
    scale = 1 + z * z / of
    return {"n": n, "of": of, "low_95": round((middle - half) / scale, 3), "high_95": round((middle + half) / scale, 3)}


def figures(scores) -> dict:
    """What a site chooses by."""
    answerable = [s for s in scores if s.question.answerable]
    trapped = [s for s in scores if s.question.trap is not None]
    rest = [s for s in scores if not s.question.answerable]
    calls = sum(s.calls for s in scores)
    kinds = {s.question.group for s in scores}
    return {
        "right": share(sum(s.right for s in scores), len(scores)),
        "answerable": share(sum(s.right for s in answerable), len(answerable)) if answerable else None,
        "with_a_trap": share(sum(s.right for s in trapped), len(trapped)) if trapped else None,
        "unanswerable": share(sum(s.right for s in rest), len(rest)) if rest else None,
        "by_group": {g: [sum(s.right for s in scores if s.question.group == g),
                         sum(s.question.group == g for s in scores)] for g in sorted(kinds)},
        "calls": calls,
        "valid_calls": share(calls - sum(s.invalid for s in scores), calls) if calls else None,
        "untraced_numbers": sum(s.untraced for s in scores),
        "tokens": sum(s.tokens for s in scores),
        "median_s": round(statistics.median(s.seconds for s in scores), 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint"), parser.add_argument("--model"), parser.add_argument("--kind", nargs="*")
    given = parser.parse_args()
    asked = [q for q in questions() if not given.kind or q.kind in given.kind]
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(prepare(Path(folder)))
        try:
            if given.endpoint:
                where = Endpoint(given.endpoint, given.model or "", os.environ.get("ACTINIC_API_KEY", ""))
                scores = examine(lambda asked, engine: where.chat(), asked, engine)
                for one in scores:
                    if not one.right:
                        print(f"{one.question.kind}: {one.why}: {one.question.text}\n  {one.answer}", file=sys.stderr)
                report("assistant", model=given.model, kinds=len({q.kind for q in asked}), **figures(scores))
                return
            for name, model in SCRIPTED.items():
                scores = examine(model, asked, engine)
                report("assistant", model=f"scripted: {name}", kinds=len({q.kind for q in asked}), **figures(scores))
        finally:
            engine.end()


if __name__ == "__main__":
    main()
