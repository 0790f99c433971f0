"""Named overlay models: which terms are fitted."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ConfigError
from .terms import Term, polynomial

# Orders over the wafer and in the field; the translation of a field cannot be told from the wafer's.
MODELS = {
    "linear": (1, 0),
    "field-linear": (1, 1),
    "third-order": (1, 3),
    "howa3": (3, 1),
    "howa4": (4, 1),
    "howa5": (5, 1),
}
_FIELD, _CHUCK, _SCAN = "field3", "chuck", "scan"


@dataclass(frozen=True)
class Model:
    """A name and its terms. `Model.named("howa3+field3+chuck", chucks)` reads a name.

    `+field3` makes the field cubic; `+chuck` gives every chuck after the first its own translation and linear terms,
    `+scan` what differs between the scans: translation and the linear terms of the field.
    """

    name: str
    terms: tuple[Term, ...]

    @classmethod
    def named(cls, name: str, chucks: Iterable[str] = ()) -> "Model":
        base, *more = name.split("+")
        if base not in MODELS:
            raise ConfigError(f"there is no model {base!r}: {', '.join(MODELS)}, auto")
        for word in more:
            if word not in (_FIELD, _CHUCK, _SCAN):
                raise ConfigError(f"{name}: there is no +{word}: a model takes +{_FIELD}, +{_CHUCK}, +{_SCAN}")
        wafer, inside = MODELS[base]
        inside = 3 if _FIELD in more else inside
        terms = polynomial(0, wafer) + (polynomial(1, inside, in_field=True) if inside else ())
        if _CHUCK in more:
            others = sorted(set(chucks))[1:]
            if not others:
                raise ConfigError(f"{name}: +{_CHUCK} needs marks of two chucks or more")
            terms += tuple(Term(one.number, chuck=chuck) for chuck in others for one in polynomial(0, 1))
        if _SCAN in more:
            terms += tuple(Term(one.number, scan=True) for one in polynomial(0, 0))
            terms += tuple(Term(one.number, in_field=True, scan=True) for one in polynomial(1, 1))
        return cls(name, terms)

    def along(self, axis: str) -> list[Term]:
        return [one for one in self.terms if one.axis == axis]

    def without(self, names: Iterable[str]) -> "Model":
        dropped = set(names)
        return Model(self.name, tuple(one for one in self.terms if one.name not in dropped))
