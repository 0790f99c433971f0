"""The tests of the physics against physics gone wrong: every one-line mutant of `mutants.toml` must be caught."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mutants import MUTANTS, SOURCE, TESTS


def run(package: Path, tests: str) -> subprocess.CompletedProcess:
    """The named tests on a copy of the package, one thread."""
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()],
        cwd=TESTS,
        env=os.environ | threads | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m['file']}: {m['new'].strip()}")
def test_every_mutant_still_applies(mutant):
    assert (SOURCE / mutant["file"]).read_text().count(mutant["old"]) == 1
    assert mutant["old"] != mutant["new"] and (TESTS / mutant["test"].split("::")[0]).is_file()


def test_quick_mutants_are_caught(tmp_path):
    """All but those with `slow` in their list, in one process; what lives there is tried on a copy of the package."""
    quick = [str(number) for number, mutant in enumerate(MUTANTS) if not mutant.get("slow")]
    # Another test than its own does not see a mutant.
    blind = "0=test_layers.py"
    done = subprocess.run(
        [sys.executable, "mutants.py", blind, *quick], cwd=TESTS, capture_output=True, text=True, timeout=1200
    )
    verdicts = {one["mutant"]: one["verdict"] for one in map(json.loads, done.stdout.splitlines())}
    assert list(verdicts) == [blind, *quick], done.stderr[-2000:]
    assert verdicts.pop(blind) == "survived"
    for number, verdict in verdicts.items():
        if verdict != "caught":
            (folder := tmp_path / number).mkdir()
            test_mutant_is_caught(MUTANTS[int(number)], folder)


@pytest.mark.slow
def test_the_unchanged_copy_passes(tmp_path):
    package = Path(shutil.copytree(SOURCE, tmp_path / "actinic", ignore=shutil.ignore_patterns("__pycache__")))
    found = run(package, "test_truths.py::test_row_01_three_beams test_source.py::test_absent_files_and_dark_sources")
    assert found.returncode == 0, found.stdout[-2000:]
    # It is the copy that runs.
    (package / "__init__.py").write_text("raise RuntimeError('the copy')\n")
    assert "the copy" in run(package, "test_truths.py::test_row_01_three_beams").stdout


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m['file']}: {m['new'].strip()}")
def test_mutant_is_caught(mutant, tmp_path):
    package = Path(shutil.copytree(SOURCE, tmp_path / "actinic", ignore=shutil.ignore_patterns("__pycache__")))
    path = package / mutant["file"]
    path.write_text(path.read_text().replace(mutant["old"], mutant["new"]))
    found = run(package, mutant["test"])
    # 1: tests ran and one failed; a mutant that does not even import proves nothing.
    assert found.returncode == 1, f"survived {mutant['test']}:\n{found.stdout[-2000:]}"
