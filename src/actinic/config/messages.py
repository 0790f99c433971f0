"""What validation found wrong, as sentences for the one who wrote the file."""

import difflib
import types
import typing
from dataclasses import is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .toml import literal

_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_WANTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def line(cls: type, item) -> str:
    """One of pydantic's errors in data for a module class: the key's path, what is wrong, what was meant."""
    path, hint = _locate(cls, item["loc"])
    key, value, error = ".".join(path), item["input"], item["type"]
    if error == "extra_forbidden":
        known = [name for module in _modules(_locate(cls, item["loc"][:-1])[1]) for name in module.__dataclass_fields__]
        near = [k for k in known if k.startswith(path[-1])] or difflib.get_close_matches(path[-1], known, 1, 0.5)
        meant = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return " ".join([f"{key} is not a key here; {meant}", *_note(near[0] if near else "", value)])
    if error == "missing":
        return f"{key} is missing"
    if error == "union_tag_not_found":
        return f"{key} needs a kind: {', '.join(_kinds(hint))}"
    if error == "union_tag_invalid":
        tag = str(item["ctx"]["tag"])
        near = difflib.get_close_matches(tag, _kinds(hint), 1, 0.5)
        meant = f"did you mean {near[0]}?" if near else f"choose from {', '.join(_kinds(hint))}"
        return f"{key}.kind = {literal(tag)}: there is no such kind; {meant}"
    shown = f"{key} = {literal(value)}" if isinstance(value, str | int | float) else key or "the whole"
    if error == "unit":
        return f"{shown}: {item['msg']}"
    if error in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        wanted = f"must be {_range(hint)}"
    elif error in _WANTED:
        wanted = f"must be {_WANTED[error]}"
    else:
        wanted = f"{item['msg'][:1].lower()}{item['msg'][1:]}".replace("input should be", "must be")
    return " ".join([f"{shown}: {wanted}", *_note(_named(path), value)])


def unit_hint(key: str, value) -> str:
    """What a value was probably meant as when it is far too small for a length in nm, else nothing."""
    if not (key.endswith("_nm") and isinstance(value, float) and 1e-10 <= abs(value) < 1):
        return ""
    unit, factor = next(
        (unit, factor)
        for limit, unit, factor in ((1e-5, "metres", 1e9), (1e-3, "millimetres", 1e6), (1, "micrometres", 1e3))
        if abs(value) < limit
    )
    return f"{value:g} looks like {unit}; {key} is in nm: write {value * factor:.6g}"


def _note(key: str, value) -> list[str]:
    hint = unit_hint(key, value)
    return [f"({hint})"] if hint else []


def _named(path: list[str]) -> str:
    """The key whose name carries the unit: the last one, or that of the table or list it stands in."""
    return next((key for key in path[:-3:-1] if key.endswith("_nm")), "")


def _locate(cls: type, location) -> tuple[list[str], Any]:
    """The keys as written in the file, without pydantic's own marks, and the hint of what stands there."""
    path, hint = [], cls
    for part in location:
        modules = _modules(hint)
        tagged = [module for module in modules if len(modules) > 1 and _kind(module) == part]
        if tagged:
            hint = tagged[0]
            continue
        containers = [h for h in _members(hint) if get_origin(h) in (tuple, list, dict)]
        if modules and isinstance(part, str):
            hints = [typing.get_type_hints(module, include_extras=True) for module in modules]
            hint = next((h[part] for h in hints if part in h), None)
        elif containers:
            inner = get_args(containers[0])
            hint = inner[part] if isinstance(part, int) and Ellipsis not in inner and part < len(inner) else inner[0]
            if get_origin(containers[0]) is dict:
                hint = inner[1]
        elif hint is not None:
            continue  # which type of a union of plain types was tried
        path.append(str(part))
    return path, hint


def _members(hint) -> list[Any]:
    """The alternatives of a union, or the one thing itself, without annotations."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for part in get_args(hint) for member in _members(part)]
    return [hint]


def _modules(hint) -> list[type]:
    return [member for member in _members(hint) if isinstance(member, type) and is_dataclass(member)]


def _kind(module: type) -> Any:
    field = module.__dataclass_fields__.get("kind")
    return field and field.default


def _kinds(hint) -> list[str]:
    return [_kind(module) for module in _modules(hint)]


def _range(hint) -> str:
    """The bounds that a hint's Field states, with its unit."""
    fields = _fields(hint)
    notes = [field.json_schema_extra for field in fields]
    unit = next((note["unit"] for note in notes if isinstance(note, dict) and "unit" in note), "")
    bounds = [" ".join(filter(None, (_BOUNDS[name], f"{bound:g}", str(unit)))) for name, bound in bounds_of(hint)]
    return " and ".join(bounds)


def bounds_of(hint) -> list[tuple[str, float]]:
    """The bounds that a hint's Field states, as (gt | ge | lt | le, value)."""
    return [
        (name, getattr(limit, name))
        for field in _fields(hint)
        for limit in field.metadata
        for name in _BOUNDS
        if hasattr(limit, name)
    ]


def _fields(hint) -> list[FieldInfo]:
    here = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, FieldInfo)]
    return here + [field for part in get_args(hint) for field in _fields(part)]
