"""Modules from plain data and back.

A module is an `equinox.Module` whose fields carry pydantic annotations; the same class is the model, the
configuration and the schema. pydantic alone would go past Equinox's metaclass (no `__check_init__`, no
converters, mutable objects), so it only validates a mirror of the class and the constructor makes the module:

    class Annular(eqx.Module):
        sigma_in: Annotated[Scalar, Field(ge=0, le=1)] = leaf()
        sigma_out: Annotated[Scalar, Field(gt=0, le=1)] = leaf()
        kind: Literal["annular"] = eqx.field(static=True, default="annular")

    class Lens(eqx.Module):
        wavelength_nm: Annotated[Scalar, Field(gt=1, lt=500, json_schema_extra={"unit": "nm"})] = leaf()
        source: Annotated[Annular | Conventional, Field(discriminator="kind")]

    lens = build(Lens, load_toml("lens.toml"), "lens.toml")

A frozen dataclass does in place of a module where nothing is differentiated, so that its home needs no JAX.

Fields hold numbers, strings, booleans, literals, modules, and tuples, lists or dicts of these. A length's name
ends in `_nm`, and a value that can only be metres is refused.
"""

import types
import typing
from dataclasses import MISSING, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pydantic
from pydantic_core import PydanticCustomError

from ..errors import ConfigError
from ..types import Scalar, double
from . import toml
from .messages import line, unit_hint

# What a field may hold beside modules and containers; text and true are no numbers.
_PLAIN: dict[Any, Any] = {types.NoneType: None, Scalar: pydantic.StrictFloat, float: pydantic.StrictFloat}
_PLAIN |= {int: pydantic.StrictInt, bool: pydantic.StrictBool, str: pydantic.StrictStr}


def build(cls: type, data: dict[str, Any], where: str = "configuration") -> Any:
    """Make a module from plain data.

    Raises ConfigError with one line for each bad key: its path, what is wrong, and what was probably meant.
    """
    try:
        return _construct(_mirror(cls).model_validate(data), where, ())
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {line(cls, item)}" for item in error.errors())) from None


def dump(module) -> Any:
    """Plain data that `build` turns into the same module; None and empty tables are left out.

    A float32 is written as the shortest decimal that reads as the same float32.
    """
    _mirror(type(module))  # refuses what a file cannot hold
    return _dumped(double(module))


def to_toml(module) -> str:
    """A module as TOML text."""
    return toml.text(dump(module))


def schema(cls: type) -> dict[str, Any]:
    """JSON Schema of a module's file form, with units and bounds."""
    return _mirror(cls).model_json_schema()


@cache
def _mirror(cls: type) -> type[pydantic.BaseModel]:
    """The pydantic model that validates data for a module class."""
    hints, fields = typing.get_type_hints(cls, include_extras=True), {}
    for name, field in cls.__dataclass_fields__.items():
        plain = _plain(hints[name], f"{cls.__name__}.{name}")
        if _holds_scalar(hints[name]) and "converter" not in field.metadata:
            raise TypeError(f"{cls.__name__}.{name} is a Scalar: declare it with leaf(), or it has no gradient")
        if name.endswith("_nm"):
            plain = Annotated[plain, pydantic.AfterValidator(_no_metres(name))]
        if field.default_factory is not MISSING:
            fields[name] = (plain, pydantic.Field(default_factory=field.default_factory))
        else:
            fields[name] = (plain, ... if field.default is MISSING else _dumped(double(field.default)))
    settings = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())
    mirror = pydantic.create_model(cls.__name__, __config__=settings, __doc__=cls.__doc__, **fields)
    mirror.mirrored = cls  # type: ignore[attr-defined]
    return mirror


def _plain(hint, place: str) -> Any:
    """The hint with module classes replaced by their mirrors and plain types by strict ones."""
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _mirror(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[_plain(inner[0], place), *inner[1:]]
    if origin in (Union, types.UnionType):
        return Union[tuple(_plain(part, place) for part in inner)]  # noqa: UP007 built at run time
    if origin in (tuple, list, dict):
        parts = tuple(part if part is Ellipsis else _plain(part, place) for part in inner)
        return types.GenericAlias(origin, parts)
    raise TypeError(f"{place} cannot come from a file: {getattr(hint, '__name__', hint)} is not plain data")


def _holds_scalar(hint) -> bool:
    return hint == Scalar or any(map(_holds_scalar, get_args(hint)))


def _no_metres(key: str):
    def check(value):
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else [value]
        for part in parts:
            # No length in nm is that small, but what rounding leaves of a zero may be smaller still.
            if isinstance(part, float) and 1e-10 <= abs(part) < 1e-5:
                raise PydanticCustomError("unit", "{hint}", {"hint": unit_hint(key, part)})
        return value

    return check


def _construct(value, where: str, path: tuple[str, ...]):
    """Run the constructors on validated data."""
    if isinstance(value, pydantic.BaseModel):
        given = {k: _construct(getattr(value, k), where, (*path, k)) for k in value.model_fields_set}
        try:
            return value.mirrored(**given)  # type: ignore[attr-defined]
        except ValueError as error:
            raise ConfigError(": ".join(filter(None, (where, ".".join(path), str(error))))) from None
    if isinstance(value, tuple | list):
        return type(value)(_construct(part, where, (*path, str(i))) for i, part in enumerate(value))
    if isinstance(value, dict):
        return {k: _construct(part, where, (*path, k)) for k, part in value.items()}
    return value


def _dumped(value):
    if is_dataclass(value):
        items = {name: _dumped(getattr(value, name)) for name in value.__dataclass_fields__}
        # `kind` first: it says how to read the rest.
        return {k: items[k] for k in sorted(items, key=lambda k: k != "kind") if items[k] not in (None, {})}
    if isinstance(value, tuple | list):
        return [_dumped(part) for part in value]
    if isinstance(value, dict):
        return {k: _dumped(part) for k, part in value.items()}
    return np.asarray(value).item() if hasattr(value, "dtype") else value


class Hashed(dict):
    """Dumped data as a cache key."""

    def __hash__(self):  # type: ignore[override]
        return hash(repr(self))
