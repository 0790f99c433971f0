"""Mutants in one process: the code of living functions is exchanged for a mutant's, the named tests run, and back.

`python mutants.py NUMBER...` prints a line of JSON for each of these mutants of `mutants.toml`, counted from 0: caught,
survived, or "other" where the changed line is not in a function and a copy of the package is needed. NUMBER=TEST runs
another test than the mutant's own.
"""

import contextlib
import functools
import gc
import io
import json
import os
import sys
import tomllib
from pathlib import Path
from types import CodeType, FunctionType

import jax
import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "actinic"
# Two of pytest's plugins collect all garbage at the end of every session, most of the time of a quick test.
QUICK = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception")
KEEPERS = "actinic", "test_", "second_opinion", "calibration_draws"
MUTANTS = tomllib.loads((TESTS / "mutants.toml").read_text())["mutant"]


def codes(code: CodeType, found: dict[str, list[CodeType]] | None = None) -> dict[str, list[CodeType]]:
    """The code of all functions of a module by qualified name, in the order of the file."""
    found = {} if found is None else found
    for part in code.co_consts:
        if isinstance(part, CodeType):
            found.setdefault(part.co_qualname, []).append(part)
            codes(part, found)
    return found


def outside(code: CodeType) -> list:
    """What a module or a class body does itself, without the functions in it."""
    bodies = [part for part in code.co_consts if isinstance(part, CodeType) and not part.co_flags & 0x2]
    plain = [part for part in code.co_consts if not isinstance(part, CodeType)]
    return [code.co_code, plain, code.co_names, *(outside(body) for body in bodies)]


def exchanged(path: Path, old: str, new: str) -> list[tuple[FunctionType, CodeType]] | None:
    """Living functions of a file and the code they get; None where the change is not in a function."""
    source = path.read_text()
    before, after = (compile(text, str(path), "exec") for text in (source, source.replace(old, new)))
    if outside(before) != outside(after):
        return None
    plain, changed = codes(before), codes(after)
    wanted = {}
    for name, versions in plain.items():
        for place, (one, other) in enumerate(zip(versions, changed.get(name, []), strict=False)):
            if (one.co_code, one.co_names, one.co_consts) != (other.co_code, other.co_names, other.co_consts):
                wanted[name, one.co_firstlineno] = changed[name][place]
    pairs = []
    for function in living()[0].get(str(path), []):
        code = function.__code__
        new_code = wanted.get((code.co_qualname, code.co_firstlineno))
        if new_code is not None and new_code.co_freevars == code.co_freevars:
            pairs.append((function, new_code))
    return pairs or None


@functools.cache
def living() -> tuple[dict[str, list[FunctionType]], list]:
    """The functions of every file of the package, and what keeps results for package and tests."""
    functions, keepers = {}, []
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(SOURCE)):
            functions.setdefault(one.__code__.co_filename, []).append(one)
        elif isinstance(one, functools._lru_cache_wrapper):
            if (getattr(one, "__module__", None) or "").startswith(KEEPERS):
                keepers.append(one)
    return functions, keepers


def forget() -> None:
    """Nothing computed or compiled with other code is used again."""
    jax.clear_caches()
    for keeper in living()[1]:
        keeper.cache_clear()


def run(tests: str) -> tuple[int, str]:
    """Pytest's exit code and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main([*QUICK, *tests.split()])
    return int(code), said.getvalue()


def judged(mutant: dict) -> str:
    pairs = exchanged(SOURCE / mutant["file"], mutant["old"], mutant["new"])
    if pairs is None:
        return "other"
    kept = [(function, function.__code__) for function, _ in pairs]
    try:
        for function, code in pairs:
            function.__code__ = code
        forget()
        code, said = run(mutant["test"])
    finally:
        for function, own in kept:
            function.__code__ = own
        forget()
    return {0: "survived", 1: "caught"}.get(code, f"pytest said {code}: {said[-500:]}")


def main(words: list[str]) -> None:
    os.chdir(TESTS)
    asked = []
    for word in words:
        number, _, test = word.partition("=")
        asked.append((word, MUTANTS[int(number)] | ({"test": test} if test else {})))
    # Imports what is to be changed.
    run("--collect-only " + " ".join(sorted({mutant["test"].split("::")[0] for _, mutant in asked})))
    for word, mutant in asked:
        start = sum(os.times()[:4])
        verdict = judged(mutant)
        cpu_s = round(sum(os.times()[:4]) - start, 2)
        print(json.dumps({"mutant": word, "verdict": verdict, "cpu_s": cpu_s}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
