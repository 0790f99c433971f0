"""The store gives back what was put in, byte for byte, or nothing; keys tell apart what differs and nothing else."""

import hashlib
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actinic.errors import InputError
from actinic.scale import Store, content_key
from actinic.scale.store import decode, encode

KEY = content_key("a task")
NUMBERS = st.sampled_from(["?", "<i2", "<i8", "<u4", "<f4", "<f8", ">f8", "<c8"])
ARRAYS = NUMBERS.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"]))
PARTS = st.recursive(
    ARRAYS | SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab{}\"'", max_size=3), part)
)
VALUES = st.dictionaries(st.text("abc", max_size=2), PARTS, max_size=4)


def same(one, other) -> bool:
    """Equal in value, type, shape and every bit."""
    if isinstance(one, np.ndarray | np.generic):
        return type(one) is type(other) and (one.dtype, one.shape, one.tobytes()) == (
            other.dtype, other.shape, other.tobytes()
        )  # fmt: skip
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one != one)


@given(VALUES)
def test_what_is_put_in_comes_out(value):
    content = encode(KEY, value)
    assert same(value, decode(KEY, bytearray(content)))
    assert content == encode(KEY, dict(reversed(value.items())))
    assert content == encode(KEY, decode(KEY, bytearray(content)))


@given(VALUES, st.data())
def test_no_damage_goes_unseen(value, data):
    content = bytearray(encode(KEY, value))
    place = data.draw(st.integers(0, len(content) - 1))
    assert decode(KEY, content[:place]) is None
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(KEY, content) is None
    content[place:place] = b"\0"
    assert decode(KEY, content) is None


def test_a_file_under_a_wrong_name_is_not_taken_for_another():
    assert decode(content_key("another task"), bytearray(encode(KEY, {"a": 1}))) is None


def test_bytes_on_the_disk_are_those_of_this_format():
    """Whoever changes the format changes its mark too: stores of the past must not be misread."""
    value = {"mask": np.arange(6, dtype="<i4").reshape(2, 3), "epe_nm": np.float64(0.25), "note": ["é", None, True, 1]}
    content = encode(KEY, value)
    assert len(content) % 64 == 0 and content[:8] == b"actinic\x01"
    assert hashlib.sha256(content).hexdigest() == "0f72aee0710f8978aa25652a2a9a4de6f2be250056197782e58fbe43df71c478"


def test_a_store_on_the_disk(tmp_path):
    store = pickle.loads(pickle.dumps(Store(tmp_path / "store")))
    assert KEY not in store and store.get(KEY) is None and list(store.keys()) == []
    value = {"mask": np.ones((3, 2), np.float32), "n": 3}
    for _ in range(2):
        store.put(KEY, value)
    assert KEY in store and same(store.get(KEY), value) and list(store.keys()) == [KEY]
    store.get(KEY)["mask"][0] = 7  # what one reader does is nobody else's business
    assert same(store.get(KEY), value)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_damaged_files_are_set_aside(tmp_path, damage):
    store = Store(tmp_path)
    store.put(KEY, {"mask": np.arange(1000)})
    path = tmp_path / KEY[:2] / KEY
    content = bytearray(path.read_bytes())
    content[5000] ^= 4
    path.write_bytes({"truncated": content[:5000], "flipped": content, "emptied": b""}[damage])
    assert store.get(KEY) is None and KEY not in store
    assert [file.name for file in store.damaged] == [KEY]
    store.put(KEY, {"mask": np.arange(1000)})
    assert same(store.get(KEY), {"mask": np.arange(1000)}) and list(store.keys()) == [KEY]


WRITER = """
import os, signal, sys
from actinic.scale import Store
# No thread has been started, so a process may be forked for every step at which one is killed.
step = 0
while step >= 0:
    step += 1
    child = os.fork()
    if child:
        print(step, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    calls = 0
    def deadly(real):
        def call(*args, **kwargs):
            global calls
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)
        return call
    for name in ("open", "fsync", "replace", "close"):
        setattr(os, name, deadly(getattr(os, name)))
    Store(f"{sys.argv[1]}/{step}").put(sys.argv[2], {"a": "b" * 1000})
    os._exit(0)
"""


def test_a_writer_killed_at_any_step_leaves_all_or_nothing(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WRITER, tmp_path, KEY], stdout=subprocess.PIPE, text=True
    ) as writer:
        codes = [code for code in iter(lambda: int(writer.stdout.readline().split()[1]), 0)]
        writer.kill()
    assert len(codes) >= 7 and set(codes) == {-9}
    seen = set()
    for step in range(1, len(codes) + 1):
        store = Store(tmp_path / str(step))
        found = store.get(KEY)
        assert found in (None, {"a": "b" * 1000}) and store.damaged == []
        seen.add(found is None)
        store.sweep()
        files = [path.name for path in store.root.rglob("*") if path.is_file()]
        assert files == ([] if found is None else [KEY])
    assert seen == {True, False}


def test_a_write_whose_file_was_swept_away_is_done_again(tmp_path, monkeypatch):
    store, real, calls = Store(tmp_path), os.replace, []

    def swept(one, other):
        calls.append(one)
        if len(calls) == 1:
            store.sweep()
        real(one, other)

    monkeypatch.setattr(os, "replace", swept)
    store.put(KEY, {"a": 1})
    assert store.get(KEY) == {"a": 1} and len(calls) == 2


def test_many_writers_of_one_key_do_not_mind_each_other(tmp_path):
    store, value = Store(tmp_path), {"a": np.arange(10_000)}
    threads = [threading.Thread(target=lambda: [store.put(KEY, value) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert store.get(KEY) is None or same(store.get(KEY), value)
    assert store.damaged == [] and list(store.keys()) == [KEY]


def test_errors_say_what_and_where(tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(TypeError, match=r"^value\['a'\]\[1\] is a set; only plain data"):
        store.put(KEY, {"a": [1, {2}]})
    with pytest.raises(TypeError, match="is an array of object; only numbers"):
        store.put(KEY, {"a": np.array([None])})
    with pytest.raises(TypeError, match="has the name 3; only text"):
        store.put(KEY, {"a": {3: 4}})
    with pytest.raises(ValueError, match="is no key"):
        store.get("../../etc/passwd")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/.*cannot be written: Not a directory"):
        Store(tmp_path / "file").put(KEY, {})
    assert list(store.keys()) == []


@dataclass
class Point:
    x: float
    y: object


@dataclass
class Spot:
    x: float
    y: object


DISTINCT = [
    (), (1,), (1.0,), (True,), ("1",), (None,), (b"1",), (-1,), (0.0,), (-0.0,), ("",), ([],), ({},), ([[]],), (1, 1),
    ("ab", "c"), ("a", "bc"), (["ab"], "c"), ({"a": 1},), ({"a": 1.0},), ({"b": 1},), ({"a": {"b": 1}},),
    (np.zeros(2),), (np.zeros(2, np.float32),), (np.zeros((2, 1)),), (np.zeros((1, 2)),), (np.zeros(2, np.int64),),
    (np.zeros(0),), (np.float64(1),), (np.zeros(()),), (10**30,), (Point(1, 2),), (Spot(1, 2),), (Point(1, 3),),
    ({"x": 1, "y": 2},), (Point(1, Point(1, 2)),),
]  # fmt: skip


def test_what_differs_has_different_keys():
    keys = [content_key(*parts) for parts in DISTINCT]
    assert len(set(keys)) == len(DISTINCT) and {len(key) for key in keys} == {64}


def test_what_is_the_same_has_the_same_key():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    for one, other in (
        ({"a": 1, "b": (2, 3)}, {"b": [2, 3], "a": 1}),
        (array, np.asfortranarray(array)),
        (array, array.astype(">f4")),
        (array, jnp.asarray(array)),
        (array[:, ::2], array[:, ::2].copy()),
        (np.float32(2), np.array(2, np.float32)),
        (Point(1, array), Point(1, array.copy())),
    ):
        assert content_key(one) == content_key(other)
    # From one process, machine and version to the next: stores live long.
    assert content_key("a task", {"x": array}) == "1f870f962dd91fc8a2c82ccfa836c7390a6319d815e2400d04d3eaa943cff7a1"


def test_what_has_no_content_is_refused():
    for value, said in (
        (len, r"^key\[0\].a is a builtin"),
        (np.array([None]), "an array of object"),
        ({1: 2}, "name 1"),
    ):
        with pytest.raises(TypeError, match=said):
            content_key({"a": value})
