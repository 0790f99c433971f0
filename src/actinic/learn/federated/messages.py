"""What may pass between the server and a site: bytes of a form that both know beforehand.

A reply holds the declared arrays and scalars, written in one way only, and nothing else: any other name, shape, type,
length, word or number that is not finite is refused, at the site before it leaves and at the server when it comes. What
a declared number stands for no gate can see.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from ..weights import pack, unpack
from .task import Arrays

Form = dict[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Request:
    """What the server asks of a site: to train from these shared arrays.

    `run` names the training, `round` and `attempt` count; `sites` are all that are asked, `steps` how many each takes.
    """

    shared: Arrays
    run: str
    round: int
    attempt: int
    sites: tuple[str, ...]
    steps: int
    proximal: float = 0.0


def form_of(shared: Arrays, masked: bool) -> Form:
    """The form of every reply: an update for each shared array, and how many examples it comes from.

    Masked updates are whole numbers (see `secure`).
    """
    kind = "uint64" if masked else "float64"
    return {f"update.{name}": (array.shape, kind) for name, array in shared.items()} | {"examples": ((), "int64")}


def enclose(arrays: Mapping[str, np.ndarray], form: Form) -> bytes:
    """A reply as bytes; InputError where it is not of the form."""
    _check(arrays, form, "reply")
    return pack(arrays, {})


def disclose(content: bytes, form: Form, where: str) -> Arrays:
    """The arrays of a reply; InputError, naming `where`, unless it is of the form and byte for byte what we write."""
    arrays, about = unpack(content, where)
    _check(arrays, form, where)
    if about or pack(arrays, {}) != content:
        raise InputError(f"{where}: holds more than the declared arrays: refused")
    return arrays


def _check(arrays: Mapping[str, np.ndarray], form: Form, where: str) -> None:
    if other := sorted(arrays.keys() ^ form.keys()):
        state = "was not declared" if other[0] in arrays else "is missing"
        raise InputError(f"{where}: {other[0]} {state}: refused")
    for name, (shape, kind) in form.items():
        found = np.asarray(arrays[name])
        if found.shape != shape or found.dtype != kind:
            raise InputError(f"{where}: {name} is {found.dtype} {found.shape}, declared {kind} {shape}: refused")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise InputError(f"{where}: {name} holds numbers that are not finite: refused")
    if not int(arrays["examples"]) > 0:
        raise InputError(f"{where}: says it has {int(arrays['examples'])} examples: refused")


def write_request(request: Request) -> bytes:
    """A request as bytes."""
    about = {key: getattr(request, key) for key in ("run", "round", "attempt", "sites", "steps", "proximal")}
    return pack(request.shared, {**about, "sites": list(request.sites)})


def read_request(content: bytes, like: Arrays) -> Request:
    """The request that bytes are; InputError unless its arrays are like those of the task and its words what we say."""
    arrays, about = unpack(content, "request")
    wanted = {name: (array.shape, "float64") for name, array in like.items()}
    found = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
    if found != wanted or not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError("request: its arrays are not those of this task: the server trains another one")
    kinds: dict[str, Any] = {"run": str, "round": int, "attempt": int, "sites": list, "steps": int, "proximal": float}
    if about.keys() != kinds.keys() or any(type(about[key]) is not kind for key, kind in kinds.items()):
        raise InputError(f"request: says {json.dumps(about)[:120]}, which is not what a server says")
    if not all(isinstance(name, str) for name in about["sites"]):
        raise InputError("request: a site's name must be text")
    return Request(arrays, **(about | {"sites": tuple(about["sites"])}))
