import os
import typing
from pathlib import Path

# One thread a process: stable on two cores, and workers are never starved. Before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import pytest
from beartype import BeartypeConf, beartype
from hypothesis import settings
from jaxtyping import AbstractArray, install_import_hook

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# No test is about time, and the same commit gives the same result.
settings.register_profile("actinic", deadline=None, derandomize=True)
settings.load_profile("actinic")


def shapes_checked(function):
    """Check the array shapes that a function states, and nothing else: wrong arguments must reach its own errors."""
    function.__annotations__ = {name: h for name, h in function.__annotations__.items() if _has_shape(h)}
    return beartype(function, conf=BeartypeConf(is_pep484_tower=True))


def _has_shape(hint) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in typing.get_args(hint))


install_import_hook("actinic", "conftest.shapes_checked")


def pytest_configure(config):
    """Compile once: the second run of the suite, and the processes it starts, find the first one's work."""
    cache = getattr(config, "cache", None)
    if cache is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache.mkdir("jax")))
        jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of published data sets; skips when it is not on this machine."""
    folder = os.environ.get("ACTINIC_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ACTINIC_DATA names no folder of published data (see docs/data.md)")
    return Path(folder)
