"""Ctrl-C counts, even when it falls into code that cannot raise."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise a KeyboardInterrupt again that Python dropped in a destructor or, as with JAX, a collector's callback."""
    before = sys.unraisablehook

    def hook(dropped) -> None:
        if dropped.exc_type is KeyboardInterrupt:
            # Once this hook is over, which cannot raise either.
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            before(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
