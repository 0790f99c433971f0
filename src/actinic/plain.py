"""Results as text that other programs read: JSON documents, rows of CSV."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence


def to_json(value) -> str:
    """A JSON document; arrays become lists, NaN and infinity null, anything unknown its text."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value):
    if hasattr(value, "tolist"):  # scalars and arrays of NumPy and JAX, without importing them
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def csv_text(header: Sequence, rows: Iterable[Sequence], digits: int | None = 6) -> str:
    """A table as CSV, floats with so many significant digits (all they have: None); None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(row if digits is None else [f"{v:.{digits}g}" if isinstance(v, float) else v for v in row])
    return text.getvalue()
