"""TOML <-> modules: one `build`, one `dump`, a JSON Schema, and overrides from the command line."""

from ..types import Scalar as Scalar
from ..types import double as double
from ..types import leaf as leaf
from .modules import build as build
from .modules import dump as dump
from .modules import schema as schema
from .modules import to_toml as to_toml
from .place import limits as limits
from .place import placed as placed
from .place import value_at as value_at
from .toml import load_toml as load_toml
from .toml import override as override
