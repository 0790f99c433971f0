"""The ledger: what is changed is found, what is written stays, and two writers never lose a line."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinic.errors import InputError
from actinic.operate.ledger import Ledger, canonical

BODIES = [{"lot": f"L{n}", "setpoint": 0.1 * n} for n in range(6)]


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for body in BODIES:
        ledger.append("proposal", body)
    return ledger


def _lines(ledger):
    return ledger.path.read_bytes().splitlines(keepends=True)


def test_what_was_written_is_read(ledger):
    assert [e.body for e in ledger.entries()] == BODIES
    assert [e.n for e in ledger.entries()] == list(range(6))
    assert ledger.verify() == []


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_to_the_bit(value):
    assert struct.pack("d", json.loads(canonical({"v": value}))["v"]) == struct.pack("d", value)


def _delete(lines):
    return lines[:2] + lines[3:]


def _reorder(lines):
    return lines[:2] + [lines[3], lines[2]] + lines[4:]


def _edit(lines):
    return [*lines[:2], lines[2].replace(b'"lot":"L2"', b'"lot":"L9"'), *lines[3:]]


def _garble(lines):
    return [*lines[:2], b"?\n", *lines[3:]]


def _repeat(lines):
    return [*lines[:2], lines[1], *lines[2:]]


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (_delete, 3, "deleted"),
        (_reorder, 3, "reordered"),
        (_edit, 3, "edited"),
        (_garble, 3, "edited"),
        (_repeat, 3, "reordered"),
        (lambda lines: lines[:-2], 5, "2 entries were deleted at the end"),
        (lambda lines: [], 1, "6 entries were deleted at the end"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], 6, "torn"),
    ],
)
def test_a_changed_ledger_is_found_and_the_line_named(ledger, change, line, said):
    ledger.path.write_bytes(b"".join(change(_lines(ledger))))
    fault = ledger.verify()[0]
    assert fault.line == line and said in str(ledger.verify())


def test_a_line_sealed_again_after_an_edit_breaks_the_chain(ledger):
    lines = _lines(ledger)
    entry = ledger.entries()[2]
    forged = type(entry)(entry.n, entry.at, entry.kind, "nobody", entry.body, entry.previous).sealed()
    lines[2] = canonical(forged.__dict__) + b"\n"
    ledger.path.write_bytes(b"".join(lines))
    assert (ledger.verify()[0].line, "rewritten" in ledger.verify()[0].what) == (4, True)
    lines[2:] = lines[2:3]  # and what would betray it cut off: the head does
    ledger.path.write_bytes(b"".join(lines))
    assert "deleted at the end" in ledger.verify()[0].what


def test_nothing_is_written_to_a_ledger_that_does_not_verify(ledger):
    ledger.path.write_bytes(b"".join(_edit(_lines(ledger))))
    before = ledger.path.read_bytes()
    with pytest.raises(InputError, match="line 3: edited"):
        ledger.append("proposal", {})
    with pytest.raises(InputError, match="line 3"):
        ledger.entries()
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_torn_by_a_power_cut_is_put_aside_and_said(ledger, kept):
    line = _lines(ledger)[-1][:kept]
    with open(ledger.path, "ab") as file:
        file.write(line)
    assert [e.body for e in ledger.entries()] == BODIES, "what was finished can be read"
    entry = ledger.append("proposal", {"lot": "next"})
    kinds = [e.kind for e in ledger.entries()]
    assert kinds == ["proposal"] * 6 + ["recovered", "proposal"] and entry.n == 7
    assert ledger.entries()[6].body["bytes"] == len(line)
    assert Path(f"{ledger.path}.torn").read_bytes() == line + b"\n"
    assert ledger.verify() == []


def test_a_power_cut_between_line_and_head_loses_nothing(ledger):
    head = Path(f"{ledger.path}.head")
    old = head.read_bytes()
    ledger.append("proposal", {"lot": "next"})
    head.write_bytes(old)
    assert ledger.verify() == [] and len(ledger.entries()) == 7


def test_rollback_puts_an_earlier_entry_in_force(ledger):
    assert ledger.in_force("proposal").n == 5
    ledger.rollback(2, "Ada", "L3 was scrapped")
    entry = ledger.in_force("proposal")
    assert entry.kind == "rollback" and entry.who == "Ada"
    assert entry.body["to"] == 2 and entry.body["body"] == BODIES[2]
    assert ledger.append("proposal", {"lot": "L7"}) == ledger.in_force("proposal")
    assert len(ledger.entries()) == 8, "nothing is taken out"
    with pytest.raises(InputError, match="no entry 99"):
        ledger.rollback(99, "Ada", "")
    with pytest.raises(InputError, match="itself a rollback"):
        ledger.rollback(6, "Ada", "")


def test_inputs_are_kept_once_and_a_changed_one_is_refused(ledger):
    name = ledger.keep(b"lots")
    assert ledger.keep(b"lots") == name and ledger.kept(name) == b"lots"
    Path(f"{ledger.path}.inputs", name).write_bytes(b"lies")
    with pytest.raises(InputError, match="was changed"):
        ledger.kept(name)
    with pytest.raises(InputError, match="cannot be read"):
        ledger.kept("0" * 64)


WRITER = """
import sys
from actinic.operate.ledger import Ledger
for n in range(25):
    Ledger(sys.argv[1]).append("proposal", {"writer": sys.argv[2], "n": n})
"""


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path):
    path = tmp_path / "ledger.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "ab"]
    assert [w.wait() for w in writers] == [0, 0]
    written = [(e.body["writer"], e.body["n"]) for e in Ledger(path).entries()]
    assert sorted(written) == [(w, n) for w in "ab" for n in range(25)]
    assert Ledger(path).verify() == []


def test_who_cannot_get_the_lock_is_refused(ledger):
    with ledger._locked(), pytest.raises(InputError, match="another process has been writing"):
        Ledger(ledger.path, wait_s=0.05).append("proposal", {})
    assert len(ledger.entries()) == 6
