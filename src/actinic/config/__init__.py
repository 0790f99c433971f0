"""TOML <-> modules: one `build`, one `dump`, a JSON Schema, and overrides from the command line.

Names are imported when they are first used: `config.toml` alone reads a file without Equinox and JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..types import Scalar as Scalar
    from ..types import double as double
    from ..types import leaf as leaf
    from .modules import Hashed as Hashed
    from .modules import build as build
    from .modules import dump as dump
    from .modules import schema as schema
    from .modules import to_toml as to_toml
    from .place import limits as limits
    from .place import placed as placed
    from .place import value_at as value_at
    from .toml import load_toml as load_toml
    from .toml import override as override

_HOME = {
    "Scalar": "..types", "double": "..types", "leaf": "..types",
    "Hashed": ".modules", "build": ".modules", "dump": ".modules", "schema": ".modules", "to_toml": ".modules",
    "limits": ".place", "placed": ".place", "value_at": ".place",
    "load_toml": ".toml", "override": ".toml",
}  # fmt: skip


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'actinic.config' has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
