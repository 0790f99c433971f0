"""Overlay terms: names, signs and units of the polynomial of a wafer and of a field.

Per axis, in nm, with X, Y on the wafer and x, y in the field in mm (wafer terms k use X, Y; field terms f_k use x, y):

    dx = k1 + k3 x + k5 y + k7 x2 + k9 xy + k11 y2 + k13 x3 + k15 x2y + k17 xy2 + k19 y3 + ...
    dy = k2 + k4 y + k6 x + k8 y2 + k10 xy + k12 x2 + k14 y3 + k16 xy2 + k18 x2y + k20 x3 + ...

and so on: order n has n + 1 terms an axis, from x^n to y^n in dx and from y^n to x^n in dy; order 4 ends at k30,
order 5 at k42. A linear term in nm/mm is in parts per million, a rotation in microradians. A prefix tells where a term
works: `c2_k1` on chuck 2 only (on top of k1), `s_k1` with the sign of the scan: it is half of up minus down.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import ConfigError

HIGHEST = 5


@dataclass(frozen=True)
class Places:
    """Where overlay is wanted: arrays (n,) in mm, and the chuck's name and the scan's sign where terms need them."""

    X_mm: np.ndarray
    Y_mm: np.ndarray
    x_mm: np.ndarray
    y_mm: np.ndarray
    chuck: np.ndarray | None = None
    scan: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.X_mm)

    def __getitem__(self, rows) -> "Places":
        parts = (self.X_mm, self.Y_mm, self.x_mm, self.y_mm, self.chuck, self.scan)
        return Places(*(None if part is None else part[rows] for part in parts))


@dataclass(frozen=True)
class Term:
    """One term: `x**px * y**py` in the displacement along `axis`, over the wafer or in the field.

    `chuck` limits it to one chuck, `scan` gives it the sign of the scan.
    """

    number: int
    in_field: bool = False
    chuck: str | None = None
    scan: bool = False

    @property
    def name(self) -> str:
        prefix = f"c{self.chuck}_" if self.chuck is not None else "s_" if self.scan else ""
        return f"{prefix}{'f_' if self.in_field else ''}k{self.number}"

    @property
    def axis(self) -> str:
        return "x" if self.number % 2 else "y"

    @cached_property
    def order(self) -> int:
        pair = (self.number - 1) // 2  # 0 | 1 2 | 3 4 5 | ...
        return int((np.sqrt(8 * pair + 1) - 1) / 2)

    @cached_property
    def powers(self) -> tuple[int, int]:
        """Exponents of x and y."""
        n = self.order
        back = (self.number - 1) // 2 - n * (n + 1) // 2
        return (n - back, back) if self.axis == "x" else (back, n - back)

    @property
    def unit(self) -> str:
        return ("nm", "nm/mm")[self.order] if self.order < 2 else f"nm/mm{self.order}"

    @property
    def rank(self) -> tuple[int, int, int]:
        """Who keeps what cannot be told apart: wafer before field, all before a chuck or a scan, low orders first."""
        return int(self.chuck is not None or self.scan), int(self.in_field), self.order


def term(name: str) -> Term:
    """The term of a name such as k3, f_k13, c2_k1 or s_f_k4; ConfigError where there is none."""
    found = re.fullmatch(r"(?:c(?P<chuck>\w+?)_|(?P<scan>s)_)?(?P<field>f_)?k(?P<number>[1-9]\d*)", name)
    most = (HIGHEST + 1) * (HIGHEST + 2)
    if found is None or int(found["number"]) > most or (found["field"] and int(found["number"]) > 20):
        raise ConfigError(f"there is no overlay term {name!r}: k1 to k{most} on the wafer, f_k3 to f_k20 in the field")
    return Term(int(found["number"]), bool(found["field"]), found["chuck"], bool(found["scan"]))


def polynomial(lowest: int, highest: int, in_field: bool = False) -> tuple[Term, ...]:
    """All terms of both axes of the orders named, by number."""
    return tuple(Term(k, in_field) for k in range(lowest * (lowest + 1) + 1, (highest + 1) * (highest + 2) + 1))


def design(terms: Sequence[Term], at: Places) -> np.ndarray:
    """Columns (n, term): the displacement along its own axis that each term makes at 1."""
    powers: dict[tuple[str, int], np.ndarray] = {}

    def power(letter: str, n: int) -> np.ndarray:
        if (letter, n) not in powers:
            base = np.asarray(getattr(at, f"{letter}_mm"), np.float64)
            powers[letter, n] = base if n == 1 else power(letter, n - 1) * base
        return powers[letter, n]

    columns = np.ones((len(at), len(terms)))
    for column, one in zip(columns.T, terms, strict=True):
        for letter, n in zip("xy" if one.in_field else "XY", one.powers, strict=True):
            if n:
                column *= power(letter, n)
        if one.chuck is not None:
            if at.chuck is None:
                raise ConfigError(f"{one.name} needs the chuck of every place")
            column *= at.chuck == one.chuck
        if one.scan:
            if at.scan is None:
                raise ConfigError(f"{one.name} needs the scan direction of every place")
            column *= at.scan
    return columns


def evaluate(values: Mapping[str, float], at: Places) -> tuple[np.ndarray, np.ndarray]:
    """Displacements dx, dy (n,) in nm of terms by name."""
    both = []
    for axis in "xy":
        names = [name for name in values if term(name).axis == axis]
        both.append(design([term(name) for name in names], at) @ np.array([values[name] for name in names], np.float64))
    return both[0], both[1]


@dataclass(frozen=True)
class Convention:
    """How another description signs its terms: which are negated by name, and which of its axes run the other way.

    `negated` are terms that it subtracts, such as k5 where dx = k1 + k3 x - k5 y. With `flip_x` its positions and
    displacements along x count to the left, likewise `flip_y`; `correction` gives what takes the error away instead
    of the error. `apply` goes from our terms to its own, and back again: signs undo themselves.
    """

    negated: frozenset[str] = field(default_factory=frozenset)
    flip_x: bool = False
    flip_y: bool = False
    correction: bool = False

    def __post_init__(self):
        for name in self.negated:
            term(name)

    def sign(self, name: str) -> int:
        one = term(name)
        px, py = one.powers
        flips = self.flip_x * (px + (one.axis == "x")) + self.flip_y * (py + (one.axis == "y"))
        return (-1) ** (flips + (name in self.negated) + self.correction)

    def apply(self, values: Mapping[str, float]) -> dict[str, float]:
        return {name: self.sign(name) * value for name, value in values.items()}
