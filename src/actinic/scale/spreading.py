"""Which engine: processes of this machine, or a cluster's."""

import contextlib
from collections.abc import Iterator
from importlib import import_module

from ..errors import MissingError
from .address import parse_address
from .engine import Engine
from .pool import pool


@contextlib.contextmanager
def spreading(workers: int = 1, cluster: str | None = None) -> Iterator[Engine]:
    """An engine for the block: Dask's workers at an address (see `cluster.cluster`), or so many local processes.

    MissingError when an address is given and the extra `cluster` is not installed.
    """
    if cluster is None:
        chosen = pool(workers)
    else:
        parse_address(cluster)  # refuses before anything is loaded
        # Loaded when it is asked for: it is an extra, and takes half a second.
        try:
            chosen = import_module(".cluster", __package__).cluster(cluster)
        except ImportError as error:
            raise MissingError(f"--cluster needs Dask: pip install 'actinic[cluster]' ({error})") from error
    with chosen as engine:
        yield engine
