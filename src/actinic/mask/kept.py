"""Fitted fast masks, found again: those that come with the presets, and those that were fitted on this machine."""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..config import Hashed, build, dump, load_toml
from ..config.toml import text
from ..optics import Scanner
from ..types import double
from ..writing import write_file
from .fast import Fast, fitted, held_out, training
from .reflective import Reflective
from .resolved import lit

# One file for each mask, lens and source; the name is their key.
FOLDER = Path(__file__).with_name("fitted")


def fast_of(mask: Reflective, scanner: Scanner) -> Fast:
    """The fast model of a mask under a scanner: a kept one, or a new fit, which takes minutes and is kept."""
    absorber, projector = dump(mask), dump(scanner.projector)
    what = {key: absorber[key] for key in ("absorber", "mirror")}
    lens = {key: value for key, value in projector.items() if key not in ("zernikes_nm", "jones")}
    light = {"projector": lens, "source": dump(scanner.source), "polarisation": scanner.polarisation}
    return _found(Hashed(what), Hashed(light))


def cache_folder() -> Path:
    """Where fits are kept: $XDG_CACHE_HOME/actinic, or ~/.cache/actinic."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actinic"


@lru_cache(8)
def _found(what: Hashed, light: Hashed) -> Fast:
    key = hashlib.sha256(json.dumps([what, light], sort_keys=True).encode()).hexdigest()[:20]
    mask = build(Reflective, {"kind": "reflective", **what}, "mask")
    scanner = build(Scanner, {"kind": "scanner", **light}, "scanner")
    for folder in (FOLDER, cache_folder()):
        if (folder / f"{key}.toml").is_file():
            return _read(folder / f"{key}.toml", scanner)
    unit = scanner.na_over_lambda
    found = fitted(mask, scanner, training(unit), held_out(unit))
    write_file(cache_folder() / f"{key}.toml", _text(found).encode(), parents=True)
    return found


def _text(found: Fast) -> str:
    parts = {"real": found.coefficients.real.tolist(), "imaginary": found.coefficients.imag.tolist()}
    return text({"plane_nm": found.plane_nm, "held_out": found.held_out} | parts)


def _read(path: Path, scanner: Scanner) -> Fast:
    table = load_toml(path)
    coefficients = np.array(table["real"]) + 1j * np.array(table["imaginary"])
    return Fast(coefficients, lit(double(scanner)), table["plane_nm"], scanner.na_over_lambda, table["held_out"])
