"""What this installation has and how its files look: data sets, health, schemas."""

import importlib.metadata
import os
import platform
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..config import schema as module_schema
from ..design import Setup
from ..errors import ConfigError

# name, what it is, licence, origin, what it is for
DATA_SETS = (
    ("iccad13", "10 metal clips and the optical kernels of the ICCAD 2013 mask-optimisation contest", "MIT",
     "OpenOPC/OpenILT dabb97c", "score and bench iccad13"),
    ("lithobench", "200 StdMetal, 120 StdContact and 10 via clips", "MIT",
     "shelljane/lithobench 9c74e82", "score and bench lithobench-metal, lithobench-contact"),
    ("chips", "four designs taped out on SkyWater 130 nm, hierarchical OASIS", "Apache-2.0",
     "TinyTapeout/tinytapeout-04 f83a6a7", "correct and verify on real layouts"),
    ("asap7", "the ASAP7 7 nm predictive standard cells", "BSD-3-Clause",
     "The-OpenROAD-Project/asap7sc7p5t_28", "layouts with a database unit of 0.25 nm"),
    ("bosch_etch", "59 etched wafers of 6 lots: traces and measured depth", "CC-BY-4.0",
     "doi 10.5281/zenodo.17122442", "virtual metrology"),
    ("nist_lithography", "450 line widths by cassette, wafer and site; handbook case studies", "public domain",
     "NIST Dataplot", "variance components"),
    ("klarf", "KLARF 1.2 and 1.8 defect files, two of them faulty", "MIT", "btrapp/jklarfreader", "defect files"),
    ("local_only", "data with unverified terms: measure with them, never pass them on", "unverified",
     "see the folder's README", "equipment monitoring, a 45 nm block"),
)  # fmt: skip


def data_sets() -> list[dict]:
    """The published data sets Actinic knows, and whether ACTINIC_DATA holds them."""
    folder = os.environ.get("ACTINIC_DATA")
    keys = ("name", "what", "licence", "origin", "used_for")
    return [
        {**dict(zip(keys, row, strict=True)), "present": bool(folder) and (Path(folder) / row[0]).is_dir()}
        for row in DATA_SETS
    ]


def doctor() -> dict:
    """Check what a first run needs; each check has a name, ok, value and advice when it is not ok."""
    checks = [
        _check("Python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or newer"),
        *(_installed(package) for package in ("jax", "equinox", "klayout", "numpy", "scipy")),
        _check("compute device", True, f"{jax.default_backend()}: {jax.devices()[0].device_kind}", ""),
        _computes(),
        _writable("temporary folder", Path(tempfile.gettempdir())),
        _writable("current folder", Path.cwd()),
    ]
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    checks.append(
        _writable("compilation cache", Path(cache))
        if cache
        else _check("compilation cache", True, "off: every run compiles anew", "")
    )
    data = [row["name"] for row in data_sets() if row["present"]]
    checks.append(
        _check("published data (optional)", True, ", ".join(data) or "none: ACTINIC_DATA names no data folder", "")
    )
    return {"ok": all(check["ok"] for check in checks), "checks": checks}


def schema(name: str = "setup") -> dict:
    """JSON Schema of a file a user may write."""
    schemas = {"setup": Setup}
    if name not in schemas:
        raise ConfigError(f"there is no schema {name!r}; there is {', '.join(schemas)}")
    return module_schema(schemas[name])


def _check(name: str, ok: bool, value: str, advice: str) -> dict:
    return {"name": name, "ok": bool(ok), "value": value, "advice": "" if ok else advice}


def _installed(package: str) -> dict:
    try:
        return _check(package, True, importlib.metadata.version(package), "")
    except importlib.metadata.PackageNotFoundError:
        return _check(package, False, "missing", "reinstall: pip install actinic")


def _computes() -> dict:
    """A Fourier transform there and back, in the precision of the images."""
    values = np.arange(64, dtype=np.float32).reshape(8, 8)
    error = float(jnp.abs(jnp.fft.ifft2(jnp.fft.fft2(values)).real - values).max())
    return _check("Fourier transform", error < 1e-4, f"error {error:.1e}", "JAX computes wrongly here: reinstall it")


def _writable(name: str, folder: Path) -> dict:
    place = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    return _check(name, os.access(place, os.W_OK), str(folder), "cannot be written: choose another or change its mode")
