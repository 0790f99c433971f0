"""A site: its examples, its head, and the only way out, through the gate and into the operator's log."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...writing import write_file
from ..weights import pack, unpack
from .messages import enclose, form_of, read_request
from .privacy import Privacy, promised
from .secure import Masks
from .task import Arrays, Task, flat, shaped
from .train import SETTLE, descend, settle


@dataclass(frozen=True)
class Terms:
    """On what terms a site takes part: protection of its examples, masks over its updates, and how long.

    `epsilon` is spent over at most `rounds` rounds of the task's steps; then the site answers no more.
    """

    rounds: int
    epsilon: float | None = None
    masks: Masks | None = None


class Site:
    """A site with its own examples. `answer` is all that a server can ask of it.

    With a `folder` its state outlives the process, and every reply is kept there as it left, with a line in
    `outgoing.jsonl`. `secret` (32 bytes) seeds its draws and noise: the same request gets the same reply, another
    one other noise.
    """

    def __init__(
        self, name: str, task: Task, examples: Any, terms: Terms, *, secret: bytes, folder: Path | None = None
    ):
        self.name, self.task, self.examples, self.terms = name, task, examples, terms
        self.folder, self._secret = folder, secret
        shared, head = task.start()
        self.form = form_of(shared, terms.masks is not None)
        self._like, self._heads, self._answered = (shared, head), {0: head}, dict[str, str]()
        self.privacy: Privacy | None = None
        if terms.epsilon is not None:
            self.privacy = promised(terms.epsilon, len(examples), terms.rounds * task.recipe.steps, task.recipe.batch)
        self._restore()

    def answer(self, content: bytes) -> bytes:
        """The reply to a request, both bytes; InputError where the request is refused."""
        request = read_request(content, self._like[0])
        key = hashlib.sha256(content).hexdigest()
        if request.steps != self.task.recipe.steps:
            raise InputError(f"request: asks for {request.steps} steps, agreed are {self.task.recipe.steps}: refused")
        turn = f"{request.run} {request.round} {request.attempt}"
        self._admit(key, turn)
        random = _draws(self._secret, content)
        noise = self.privacy.noise if self.privacy else 0.0
        # A site that was away goes on with its last head; one that is asked again, with the one it had then.
        known = max(n for n in self._heads if n <= request.round or n == min(self._heads))
        parts = (request.shared, self._heads[known])
        shared, head = descend(
            self.task, parts, self.examples, request.steps, random, proximal=request.proximal, noise=noise
        )
        moved = flat(shared) - flat(request.shared)
        if self.terms.masks is not None:
            moved = self.terms.masks.cover(moved * len(self.examples), request.sites, turn)
        [update] = shaped(moved, self._like[0])
        reply = {f"update.{name}": array for name, array in update.items()}
        sent = enclose(reply | {"examples": np.int64(len(self.examples))}, self.form)
        self._keep((known, request.round + 1), head, key, turn)
        self._log(request.round, sent)
        return sent

    def head(self, shared: Arrays) -> Arrays:
        """The site's own head for a shared part that has been learnt; nothing of it leaves."""
        latest = self._heads[max(self._heads)]
        random = _draws(self._secret, b"head")
        return settle(self.task, (shared, latest), self.examples, SETTLE * self.task.recipe.steps, random)

    def note(self, text: str) -> None:
        """Keep a line for the site's operator; nothing of it leaves."""
        if self.folder is not None:
            with open(self.folder / "site.log", "a") as log:
                log.write(text + "\n")

    def _admit(self, key: str, turn: str) -> None:
        """Refuse what would spend more than was promised, or uncover a mask by using it twice."""
        if key in self._answered.values():
            return
        if len(self._answered) >= self.terms.rounds and self.privacy is not None:
            raise InputError(f"{self.name}: epsilon {self.privacy.epsilon:g} is spent: refused")
        if self.terms.masks is not None and turn in self._answered:
            raise InputError(f"{self.name}: round and attempt {turn} were answered already: refused")

    def _keep(self, numbers: tuple[int, int], head: Arrays, key: str, turn: str) -> None:
        before, after = numbers
        self._heads = {before: self._heads[before], after: head}
        self._answered[turn if self.terms.masks is not None else key] = key
        if self.folder is None:
            return
        arrays = {f"{n}.{name}": array for n, kept in self._heads.items() for name, array in kept.items()}
        write_file(self.folder / "state.safetensors", pack(arrays, {"answered": self._answered}), parents=True)

    def _restore(self) -> None:
        place = self.folder / "state.safetensors" if self.folder else None
        if place is None or not place.exists():
            return
        arrays, about = unpack(place.read_bytes(), place)
        self._answered = dict(about["answered"])
        heads: dict[int, Arrays] = {}
        for name, array in arrays.items():
            number, _, rest = name.partition(".")
            heads.setdefault(int(number), {})[rest] = array
        self._heads = heads or self._heads

    def _log(self, number: int, sent: bytes) -> None:
        if self.folder is None:
            return
        digest = hashlib.sha256(sent).hexdigest()
        name = f"round-{number:04d}-{digest[:12]}.safetensors"
        write_file(self.folder / "outgoing" / name, sent, parents=True)
        arrays = {name: f"{kind} {list(shape)}" for name, (shape, kind) in self.form.items()}
        line = {
            "time": time.time(),
            "round": number,
            "bytes": len(sent),
            "sha256": digest,
            "file": name,
            "holds": arrays,
        }
        with open(self.folder / "outgoing.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")


def _draws(secret: bytes, content: bytes) -> np.random.Generator:
    """Random numbers that nobody without the secret can foretell, the same for the same content."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(secret + content).digest()))
