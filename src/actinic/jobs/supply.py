"""What an installation is made of: a CycloneDX bill of materials, and whether every licence in it is an allowed one.

Everything comes from the metadata of the installed packages, so it can be made where there is no network.
"""

import base64
import hashlib
import json
import platform
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ..errors import ConfigError
from ..writing import write_file
from .folder import refuse_existing

# SPDX identifiers that may be depended on.
ALLOWED = (
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD", "CC0-1.0", "CNRI-Python", "HPND", "ISC",
    "LGPL-2.1-or-later",
    "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
)  # fmt: skip
# Allowed although its licence is not: why.
EXCEPTED = {"klayout": "imported behind layout/ alone, not copied, replaceable; see the README's licence paragraph"}

# What packages write that is no SPDX identifier: in their classifiers, in their licence field.
_WORDS = (
    (r"gnu lesser|lgpl", "LGPL-3.0-or-later"), (r"gnu affero|agpl", "AGPL-3.0-or-later"),
    (r"gnu general|gpl", "GPL-3.0-or-later"), (r"apache", "Apache-2.0"), (r"mozilla|mpl", "MPL-2.0"),
    (r"bsd.?3", "BSD-3-Clause"), (r"bsd.?2", "BSD-2-Clause"), (r"bsd|kiwi", "BSD"), (r"isc\b", "ISC"),
    (r"python software foundation|psf", "PSF-2.0"), (r"public domain|unlicense", "Unlicense"), (r"\bmit\b", "MIT"),
    (r"zlib", "Zlib"),
)  # fmt: skip
_NOT_SPDX = {"BSD"}  # of unknown clauses: told by name


@dataclass(frozen=True)
class Package:
    """An installed distribution: its licence as an SPDX expression ("" where none is stated), what it needs."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]
    summary: str
    files: tuple[tuple[str, str], ...]  # names and SHA-256, base64 as the record has it

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def sbom(out: Path | None = None, extras: Sequence[str] = (), allow: Sequence[str] = (), force: bool = False) -> dict:
    """The bill of materials of Actinic and all it needs, with extras; written as CycloneDX 1.6 JSON to `out`.

    In spec means that every licence is an allowed one (`ALLOWED` and `allow`) or excepted by name with its reason.
    """
    if out is not None:
        refuse_existing(out, force)
    found = installed("actinic", extras)
    listed = [
        {"package": p.name, "version": p.version, "licence": p.licence or "not stated", **_judged(p, allow)}
        for p in found
    ]
    refused = [one for one in listed if not one["allowed"]]
    if out is not None:
        write_file(out, (json.dumps(cyclonedx(found), indent=2) + "\n").encode())
    many = f"{len(found)} packages"
    bad = ", ".join(f"{one['package']} ({one['licence']})" for one in refused)
    return {
        "verdict": f"{many}, refused: {bad}." if refused else f"{many}, every licence allowed.",
        "in_spec": not refused,
        "packages": listed,
        "excepted": {one["package"]: one["why"] for one in listed if one["why"]},
        "file": None if out is None else str(out),
    }


def allowed(expression: str, more: Sequence[str] = ()) -> bool:
    """Whether an SPDX expression is allowed: all parts of AND, one of OR; an exception (WITH) only loosens."""
    if not expression.strip():
        return False
    known = {one.lower() for one in (*ALLOWED, *more)}
    words = re.findall(r"\(|\)|[^\s()]+", expression)

    def either(at: int) -> tuple[bool, int]:
        value, at = both(at)
        while at < len(words) and words[at].upper() == "OR":
            other, at = both(at + 1)
            value = value or other
        return value, at

    def both(at: int) -> tuple[bool, int]:
        value, at = one(at)
        while at < len(words) and words[at].upper() == "AND":
            other, at = one(at + 1)
            value = value and other
        return value, at

    def one(at: int) -> tuple[bool, int]:
        if at >= len(words):
            raise ConfigError(f"{expression!r} is no licence expression")
        if words[at] == "(":
            value, at = either(at + 1)
            return value, at + 1
        value, at = words[at].lower() in known, at + 1
        return (value, at + 2) if at < len(words) and words[at].upper() == "WITH" else (value, at)

    value, end = either(0)
    return value and end == len(words)


def installed(name: str, extras: Sequence[str] = ()) -> list[Package]:
    """A distribution and all that it needs and that is installed, by name; with what its extras need."""
    found: dict[str, Package] = {}
    todo = [(name, tuple(extras))]
    done: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        name, more = todo.pop()
        if (name, more) in done:
            continue
        done.add((name, more))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        needs = list(_needed(distribution, more))
        key = _plain(name)
        before = found[key].needs if key in found else ()
        found[key] = _package(distribution, sorted({*before, *(_plain(other) for other, _ in needs)}))
        todo += needs
    here = found.keys()
    return [
        Package(p.name, p.version, p.licence, tuple(n for n in p.needs if n in here), p.summary, p.files)
        for p in sorted(found.values(), key=lambda p: p.name)
    ]


def _needed(distribution: metadata.Distribution, extras: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in distribution.requires or []:
        asked = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", line)
        match = re.match(r"([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?", line)
        if match is not None and (asked is None or asked[1] in extras):
            yield match[1], tuple(sorted(part.strip() for part in (match[2] or "").split(",") if part.strip()))


def _package(distribution: metadata.Distribution, needs: Sequence[str]) -> Package:
    said = distribution.metadata
    files = tuple((str(f), f.hash.value) for f in distribution.files or [] if f.hash and f.hash.mode == "sha256")
    name = _plain(said["Name"])
    return Package(name, distribution.version, licence(said), tuple(needs), said.get("Summary") or "", files)


def licence(said) -> str:
    """The SPDX expression of a distribution's metadata: as stated, else from its classifiers, else from its text."""
    stated = said.get("License-Expression")
    if stated:
        return stated
    classifiers = [c.split("::")[-1] for c in said.get_all("Classifier") or [] if c.startswith("License ::")]
    for text in (*classifiers, (said.get("License") or "").strip()[:200]):
        for pattern, name in _WORDS:
            if text == name or re.search(pattern, text.lower()):
                return name
    return ""


def _judged(package: Package, allow: Sequence[str]) -> dict:
    if allowed(package.licence, allow):
        return {"allowed": True, "why": ""}
    why = EXCEPTED.get(package.name, "")
    return {"allowed": bool(why), "why": why}


def cyclonedx(packages: Sequence[Package]) -> dict:
    """The packages as a CycloneDX 1.6 document; the same packages give the same document, serial number included."""
    first = next(p for p in packages if p.name == "actinic")
    serial = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(f"{p.purl} {p.licence}" for p in packages))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": _component(first) | {"type": "application"},
            "properties": [{"name": "python", "value": platform.python_version()},
                           {"name": "platform", "value": platform.machine()}],
        },
        "components": [_component(p) for p in packages if p is not first],
        "dependencies": [
            {"ref": p.purl, "dependsOn": [q.purl for q in packages if q.name in p.needs]} for p in packages
        ],
    }  # fmt: skip


def _component(p: Package) -> dict:
    """A package; a hash of each of its files' hashes stands for what is on the disk."""
    found: dict = {"type": "library", "bom-ref": p.purl, "name": p.name, "version": p.version, "purl": p.purl}
    if p.summary:
        found["description"] = p.summary
    if p.licence in _NOT_SPDX:
        found["licenses"] = [{"license": {"name": p.licence}}]
    elif p.licence:
        found["licenses"] = [{"expression": p.licence}]
    listed = [f"{name} {_hex(digest)}" for name, digest in sorted(p.files)]
    if listed:
        found["properties"] = [{"name": "actinic:files", "value": str(len(listed))},
                               {"name": "actinic:record-sha256", "value": _record(listed)}]  # fmt: skip
    return found


def _record(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _hex(digest: str) -> str:
    return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
