"""One number of a module by its dotted key, as `--set` names it: read it, put another in its place, its bounds."""

import typing
from dataclasses import replace
from typing import Any

import equinox as eqx
import numpy as np

from ..errors import ConfigError
from .messages import bounds_of


def value_at(module, key: str) -> Any:
    """What stands at a key such as `process.scanner.projector.na`; None where nothing is given there."""
    for part in key.split("."):
        module = _child(module, part, key)
    return module


def placed(module, key: str, value) -> Any:
    """A copy of a module with a value at the key; constructors run, so an impossible module is a ValueError."""
    part, _, rest = key.partition(".")
    inner = placed(_child(module, part, key), rest, value) if rest else value
    if isinstance(module, dict):
        return {**module, part: inner}
    if isinstance(module, tuple):
        return tuple(inner if str(n) == part else kept for n, kept in enumerate(module))
    return replace(module, **{part: inner})


def limits(module, key: str) -> tuple[float, float]:
    """Smallest and largest number that a key may hold, +-inf where none is stated.

    Where a bound itself is excluded (`gt`, `lt`) the next float64 stands for it.
    """
    hint: Any = None
    for part in key.split("."):
        if isinstance(module, eqx.Module):
            hint = typing.get_type_hints(type(module), include_extras=True).get(part)
        module = _child(module, part, key)
    low, high = -np.inf, np.inf
    for name, bound in bounds_of(hint):
        if name in ("gt", "ge"):
            low = max(low, bound if name == "ge" else np.nextafter(bound, np.inf))
        else:
            high = min(high, bound if name == "le" else np.nextafter(bound, -np.inf))
    return float(low), float(high)


def _child(module, part: str, key: str):
    if isinstance(module, dict):
        return module.get(part)
    try:
        return module[int(part)] if isinstance(module, tuple) else getattr(module, part)
    except (AttributeError, ValueError, IndexError):
        raise ConfigError(f"{key}: there is no {part}") from None
