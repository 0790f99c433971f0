"""A report without the names of who drew the layout: files, folders and cells become file-1, cell-1 and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

# Set to omit, no report names a file or a cell.
VARIABLE, OMIT = "ACTINIC_NAMES", "omit"
_SUFFIXES = (".oas", ".gds", ".gz", ".glp", ".csv", ".toml", ".json", ".parquet", ".klarf")


def without_names(report: Any) -> Any:
    """A `report.Report` with every name that its provenance or its command tells replaced, wherever it stands.

    Pictures hold no names: axes and legends are the program's own words.
    """
    names = known_names(report)

    def clean(value):
        if isinstance(value, str):
            for name, alias in names.items():
                value = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", alias, value)
            return value
        if isinstance(value, Mapping):
            return {key: clean(part) for key, part in value.items()}
        return [clean(part) for part in value] if isinstance(value, list | tuple) else value

    texts = ("title", "verdict", "numbers", "notes", "configuration", "provenance", "reproduce", "tables")
    pictures = {
        part: [(clean(caption), figure) for caption, figure in getattr(report, part)] for part in ("figures", "gallery")
    }
    return replace(report, **{name: clean(getattr(report, name)) for name in texts}, **pictures)


def known_names(report: Any) -> dict[str, str]:
    """Names and what stands for each, the longest first, so that a name within another is not met before it."""
    found: dict[str, str] = {}

    def learn(kind: str, *names: str) -> None:
        new = [name for name in names if name and name not in found]
        if new:
            before = next((found[name] for name in names if name in found), None)
            alias = before or f"{kind}-{1 + sum(a.startswith(kind) for a in set(found.values()))}"
            found.update(dict.fromkeys(new, alias))

    origin = report.provenance
    inputs = origin.get("inputs")
    for one in inputs.values() if isinstance(inputs, Mapping) else ():
        file = str(one.get("file", "")) if isinstance(one, Mapping) else ""
        learn("file", file, file.split(".")[0])
    learn("cell", str(origin.get("cell") or ""))
    words = report.reproduce.split()
    for word, before in zip(words, ["", *words], strict=False):
        path = word.strip("'\"").rpartition("=")[2]
        if before == "--cell":
            learn("cell", path)
        elif ("/" in path and not re.fullmatch(r"\d+/\d+(:[\d.]+)?", path)) or PurePath(path).suffix in _SUFFIXES:
            name = PurePath(path).name
            learn("file", path, name, name.split(".")[0])
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))
