"""Actinic: open, differentiable software for lithography.

Names are imported when they are first used, so that `import actinic` and the command line start fast.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

__version__ = metadata.version("actinic")

if TYPE_CHECKING:
    from .design import Setup as Setup
    from .design import correct as correct
    from .design import verify as verify
    from .forward import Corner as Corner
    from .forward import Imaging as Imaging
    from .forward import Process as Process
    from .forward import expose as expose
    from .forward import prepare as prepare
    from .jobs import load_setup as load_setup
    from .layout import Layout as Layout
    from .layout import coverage as coverage
    from .layout import read_layout as read_layout
    from .layout import write_layout as write_layout
    from .types import Grid as Grid
    from .types import Image as Image

_HOME = {
    "Setup": "design", "correct": "design", "verify": "design",
    "Corner": "forward", "Imaging": "forward", "Process": "forward", "expose": "forward", "prepare": "forward",
    "load_setup": "jobs",
    "Layout": "layout", "coverage": "layout", "read_layout": "layout", "write_layout": "layout",
    "Grid": "types", "Image": "types",
}  # fmt: skip


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'actinic' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
