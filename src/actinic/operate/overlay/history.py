"""What earlier fits say of the terms: a prior for wafers with few marks."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from .fit import Prior


def read_prior(files: Sequence[Path]) -> Prior:
    """Mean and standard deviation of each term over earlier results (`wafer fit --json`, or their result.json).

    Of one file they are its values and standard errors: another measurement of the same wafer. Of more, mean and
    spread from wafer to wafer, which hold what one more wafer will be; of two files the spread is little known, and
    every term must be in all of them.
    """
    tables = [_terms(Path(file)) for file in files]
    if len(tables) == 1:
        return {name: (value, sigma) for name, (value, sigma) in tables[0].items() if np.isfinite(sigma) and sigma > 0}
    names = [name for name in tables[0] if all(name in table for table in tables)]
    if not names:
        raise InputError(f"{', '.join(map(str, files))}: no term is in all of these results")
    found = {}
    for name in names:
        values = np.array([table[name][0] for table in tables])
        errors = np.array([table[name][1] for table in tables])
        # No wafer is known better than the fits that say so.
        spread = max(float(values.std(ddof=1) * np.sqrt(1 + 1 / len(values))), float(np.sqrt(np.mean(errors**2))))
        if 0 < spread < np.inf:
            found[name] = float(values.mean()), spread
    return found


def _terms(file: Path) -> dict[str, tuple[float, float]]:
    try:
        terms = json.loads(file.read_text(encoding="utf-8"))["terms"]
        return {
            name: (float(t["value"]), float("inf" if t["sigma"] is None else t["sigma"])) for name, t in terms.items()
        }
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{file}: is not the JSON result of `actinic wafer fit`") from None
