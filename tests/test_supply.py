"""Bill of materials and licences, and the bundle for machines without a network."""

import hashlib
import json
import re
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

from actinic.interfaces.cli import app
from actinic.jobs import supply

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("MIT", True), ("mit", True), ("GPL-3.0-or-later", False), ("", False), ("Proprietary", False),
        ("Apache-2.0 OR GPL-2.0-only", True), ("Apache-2.0 AND GPL-2.0-only", False),
        ("GPL-2.0-only AND MIT OR BSD-3-Clause", True), ("GPL-2.0-only AND (MIT OR BSD-3-Clause)", False),
        ("(GPL-2.0-only OR MIT) AND ISC", True), ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH GCC-exception-3.1", False), ("MIT)", False),
    ],
)  # fmt: skip
def test_licence_expressions(expression, good):
    assert supply.allowed(expression) is good


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        ({"License-Expression": "MIT OR X"}, "MIT OR X"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "long text"}, "BSD"),
        ({"License": "GNU LGPL v3"}, "LGPL-3.0-or-later"),
        ({"License": "GPL-3.0-or-later"}, "GPL-3.0-or-later"),
        ({"License": "Apache License\n Version 2.0, January 2004"}, "Apache-2.0"),
        ({"License": "see file"}, ""),
    ],
)
def test_licences_are_read_from_metadata(said, licence):
    message = Message()
    for name, value in said.items():
        message[name] = value
    assert supply.licence(message) == licence


def test_the_bill_names_what_is_needed_and_nothing_twice(tmp_path, capsys):
    file = tmp_path / "sbom.json"
    assert app.main(["sbom", "--out", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    bill = json.loads(file.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    names = [c["name"] for c in bill["components"]]
    assert len(set(names)) == len(names) == len(told["packages"]) - 1
    assert {"jax", "jaxlib", "scipy", "klayout", "numpy"} <= set(names) and "pytest" not in names
    refs = {bill["metadata"]["component"]["bom-ref"], *(c["bom-ref"] for c in bill["components"])}
    edges = {d["ref"]: d["dependsOn"] for d in bill["dependencies"]}
    assert set(edges) == refs and all(set(to) <= refs for to in edges.values())
    reached, todo = set(), ["pkg:pypi/actinic@" + bill["metadata"]["component"]["version"]]
    while todo:
        one = todo.pop()
        todo += [] if one in reached else edges[one]
        reached.add(one)
    assert reached == refs, "what nothing needs is in the bill"
    assert told["excepted"].keys() == {"klayout"} and "layout/" in told["excepted"]["klayout"]
    again = supply.cyclonedx(supply.installed("actinic", ("all",)))
    assert again == bill, "the same packages give another document"


def test_what_is_not_allowed_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(supply, "EXCEPTED", {})
    assert app.main(["sbom"]) == 1
    said = capsys.readouterr().out
    assert "refused: klayout (GPL-3.0-or-later)" in said and "REFUSED" in said
    assert app.main(["sbom", "--allow", "GPL-3.0-or-later"]) == 0


def test_the_bill_is_cyclonedx():
    """By the schema that the library of CycloneDX holds, where it is installed."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    pytest.importorskip("jsonschema")
    bill = json.dumps(supply.cyclonedx(supply.installed("actinic", ("all",))))
    assert validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(bill) is None


def test_a_bundle_is_locked_by_hash(tmp_path, monkeypatch):
    """Wheels that pip would fetch are made here: what is locked is what they are, and an altered one is refused."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import bundle
    finally:
        sys.path.pop(0)
    wheel = "alpha-1.0-py3-none-any.whl"

    def fetched(command, **kwargs):
        if "download" not in command:
            return run(command, **kwargs)
        folder = Path(command[command.index("-d") + 1])
        said = "Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"
        content = {"alpha.py": "x = 1\n", "alpha-1.0.dist-info/METADATA": said,
                   "alpha-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                   "alpha-1.0.dist-info/RECORD": ""}  # fmt: skip
        with bundle.zipfile.ZipFile(folder / wheel, "w") as file:
            for name, text in content.items():
                file.writestr(name, text)

    run = subprocess.run
    monkeypatch.setattr(bundle.subprocess, "run", fetched)
    bundle.main(tmp_path / "bundle", ["all"])
    monkeypatch.undo()
    wheels = tmp_path / "bundle" / "wheels"
    digest = hashlib.sha256((wheels / wheel).read_bytes()).hexdigest()
    assert (wheels / "requirements.txt").read_text() == f"alpha==1.0 --hash=sha256:{digest}\n"
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "bundle" / "SHA256SUMS").read_text().splitlines())
    assert sums[f"wheels/{wheel}"] == digest and "actinic/pyproject.toml" in sums
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(wheels), "--no-deps",
           "--require-hashes", "--target", str(tmp_path / "site"), "-r", str(wheels / "requirements.txt")]  # fmt: skip
    assert run(pip, capture_output=True).returncode == 0
    with bundle.zipfile.ZipFile(wheels / wheel, "a") as file:
        file.writestr("more.py", "")
    failed = run([*pip, "--upgrade"], capture_output=True, text=True)
    assert failed.returncode != 0 and "DO NOT MATCH" in failed.stderr


def test_every_pinned_need_can_be_named():
    """What the bundle asks for: no reference to the package itself, and every pin of the constraints is a version."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import bundle
    finally:
        sys.path.pop(0)
    needs = bundle._needs(ROOT, ["all"])
    assert any(n.startswith("distributed") for n in needs) and not any(n.startswith("actinic") for n in needs)
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), line
