"""No verb opens a socket unless it says so: every verb is run with a hook in the interpreter and in all it starts.

The hook is Python's own (PEP 578): it sees connections, listening sockets and look-ups of names made through Python, in
this process and, by a `sitecustomize`, in every Python that a verb starts. What compiled code does by itself it does
not see; the demonstration was run with no network at all (docs/airgap.md).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

import test_monitor_cli
from actinic import layout
from actinic.design.hotspots import Limits, Spot
from actinic.interfaces.cli.app import app
from actinic.jobs.checked import told_spots

ROOT = Path(__file__).parents[1]

HOOK = """
import os, sys
def hook(event, given):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        opened = isinstance(given[1], tuple)  # of the Internet's families; others have a path
    else:
        opened = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request")
    if opened:
        with open(os.environ["SOCKETS_SEEN"], "a") as log:
            log.write(f"{os.environ.get('VERB', '')}: {event} {given[1:]}\\n")
sys.addaudithook(hook)
"""
# Runs lines of words in one process, so that libraries are imported once; tells the exit code of each.
DRIVER = """
import json, os, sys
from actinic.interfaces.cli.app import main
if __name__ == "__main__":  # not in the workers that a verb starts
    for words in json.load(open(sys.argv[1])):
        os.environ["VERB"] = " ".join(words[:2])
        with open(sys.argv[2], "a") as log:
            log.write(json.dumps([words, main([*words, "--json"])]) + "\\n")
"""

OPC = ("--set", "opc.block_nm=1600", "--set", "opc.ambit_nm=800", "--set", "opc.context_nm=200", "--set",
       "opc.rounds=1", "--set", "tiles.halo_nm=600")  # fmt: skip
BARS = ("bars.oas", "--layer", "1/0", "--window", "0,0,2.2,1.4")
SMALL_LOOP = ("--change", "twin.lots=12", "--change", "calibration.lots=6", "--change", "calibration.delay=1",
              "--change", "spec.gauges=6", "--change", "inspection.lots=4")  # fmt: skip

QUICK = [
    "doctor", "sbom --out sbom.json", "schema", "data list", "roughness edges.csv",
    "wafer simulate interaction --set lots=40 --marks --out sim", "wafer fit sim/marks.csv --out fit",
    "wafer plan sim/marks.csv --points 8 --model linear",
    "wafer replay sim/lots.csv sim/results.csv --controller c.toml",
    "wafer control sim/lots.csv sim/results.csv --controller c.toml --ledger l.jsonl", "wafer ledger l.jsonl",
    "wafer ingest sim/marks.csv --store s.duckdb", "wafer lots --store s.duckdb",
    "wafer export marks.parquet --store s.duckdb", "wafer invalidate L00001 --reason scratched --store s.duckdb",
    "wafer incident --out incident", "wafer diagnose incident/events.csv incident/maps.csv incident/innovations.csv",
    "wafer inspect spots.json --budget 9 --out inspection", "wafer convert inspection/plan.klarf old.klarf --to 1.2",
    "wafer monitor traces.npz", "ask hello --dry-run",
]  # fmt: skip
SLOW = [
    ("correct", *BARS, *OPC, "--method", "opc", "--workers", "2", "--out", "run"),
    ("plan", *BARS, *OPC), ("status", "run"), ("expose", *BARS), ("measure", *BARS),
    ("verify", "bars.oas", "run/mask.oas", *BARS[1:]), ("window", *BARS, "--focus", "-150:150:75", "--out", "window"),
    ("calibrate", "gauges.csv", "--free", "dose_scale", "--out", "calibrated"),
    ("loop", *BARS, *OPC, *SMALL_LOOP, "--workers", "1", "--out", "loop"),
    ("wafer", "features", "features.csv", "--optics", "krf-dry", "--choose", "2"),
    ("wafer", "simulate", "well-specified", "--set", "lots=8", "--features", "features.csv", "--optics", "krf-dry",
     "--out", "printed"),
    ("wafer", "focus", "printed/cds.csv", "--features", "features.csv", "--optics", "krf-dry"),
    ("wafer", "uniformity", "printed/cds.csv"),
    ("generate", "--count", "2", "--width", "170", "--space", "170", "--seed", "1", "--out", "patterns.oas"),
]  # fmt: skip
# Why a verb is not run here; one that has its line above must not stand here.
NOT_RUN = {
    "demo": "is correct on cells of a package; run with the network cut (docs/airgap.md)",
    "score": "needs the contest's data; reads masks and prints them as verify does",
    "bench": "needs the contest's data; corrects as correct does, and scores",
    "smo": "minutes of computing",
    "stochastics": "minutes of computing",
    "wafer predict": "needs traces of five lots; reads files as wafer monitor does",
    "federate simulate": "minutes of computing; its sites are in one process",
    "train patterns": "minutes of computing",
    "chat": "asks the endpoint it is given, as ask does: tests/test_agent.py",
    "mcp": "serves; its tools run where no socket opens: tests/test_mcp.py",
    "federate server": "serves sites: tests/test_federated_flower.py",
    "federate site": "asks its server: tests/test_federated_flower.py",
    "audit verify": "needs an assistant's log",
    "audit replay": "needs an assistant's log",
}


def verbs() -> set[str]:
    """Every verb of the command line, groups spelled out."""

    def walk(command, path):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        else:
            yield " ".join(path)

    return set(walk(typer.main.get_command(app), ()))


def verb(words) -> str:
    two = " ".join(words[:2])
    return two if two in verbs() else words[0]


LINES = [[*line.split()] for line in QUICK], [list(line) for line in SLOW]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Small inputs of every kind."""
    here = tmp_path_factory.mktemp("inputs")
    boxes = [(x, 100, x + 170, 1300) for x in range(100, 2000, 340)]
    bars = layout.rings([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes])
    layout.write_layout(here / "bars.oas", {(1, 0): layout.Layout(bars, 1.0)})
    rough = np.cumsum(np.random.default_rng(0).standard_normal((2048, 2)), axis=0) * 0.02
    rows = [
        f"{n},{a:.4f},{b:.4f}" for n, (a, b) in enumerate(rough + np.random.default_rng(1).normal(0, 0.5, rough.shape))
    ]
    (here / "edges.csv").write_text("y_nm,left,right\n" + "\n".join(rows) + "\n")
    (here / "c.toml").write_text('factors = ["tool", "product"]\n[terms.k1]\nminimum = -30.0\nmaximum = 30.0\n')
    spot = Spot("pinch", (1.4e6, 2e6), (0.0, 0.0, 1.0, 1.0), 30.0, 36.0, "nm", 6.0, "nominal", 3, "a line")
    (here / "spots.json").write_text(json.dumps(told_spots([spot], Limits())))
    test_monitor_cli._archive(here / "traces.npz")
    lines = ["name,kind,cd_nm,pitch_nm,axis,value_nm,sigma_nm,focus_nm,dose"]
    lines += [f"g{n},line,{c},{p},y,{c},1.0,0,1" for n, (c, p) in enumerate(((170, 340), (180, 500), (200, 900)))]
    (here / "gauges.csv").write_text("\n".join(lines) + "\n")
    (here / "features.csv").write_text(
        "feature,kind,cd_nm,pitch_nm,axis,sigma_nm\na,line,170,340,y,1\nb,line,200,1200,y,1\nc,space,180,400,x,1\n"
    )
    return here


def run(folder: Path, lines: list[list[str]]) -> tuple[list, str]:
    """Lines of words run with the hook: [words, exit code] of each, and what the hook saw."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(HOOK)
    (folder / "driver.py").write_text(DRIVER)
    (folder / "lines.json").write_text(json.dumps(lines))
    for name in ("seen", "codes"):
        (folder / name).write_text("")
    path = os.pathsep.join([str(site), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "SOCKETS_SEEN": str(folder / "seen")}
    command = [sys.executable, "driver.py", "lines.json", "codes"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    codes = [json.loads(line) for line in (folder / "codes").read_text().splitlines()]
    bad = [(words, code) for words, code in codes if code not in (0, 1)]
    assert not bad, (bad, done.stderr)
    return codes, (folder / "seen").read_text()


def test_every_verb_has_its_line_or_a_reason():
    run_here = {verb(words) for lines in LINES for words in lines}
    assert not run_here & NOT_RUN.keys()
    missing = verbs() - run_here - NOT_RUN.keys()
    assert not missing, f"say in {Path(__file__).name} how to run {missing}, or why not"
    assert not NOT_RUN.keys() - verbs()


def test_the_hook_sees_what_it_is_for(tmp_path):
    """Look-ups, connections and listening sockets, here and in a process that is started; paths do not count."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(HOOK)
    inner = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0))"
    code = f"""
import contextlib, multiprocessing, socket, subprocess, sys
with contextlib.suppress(OSError):
    socket.getaddrinfo('localhost', 9)
with contextlib.suppress(OSError):
    socket.create_connection(('127.0.0.1', 9), 0.1)
multiprocessing.Pipe()
socket.socketpair()
subprocess.run([sys.executable, '-c', {inner!r}])
"""
    environment = os.environ | {"PYTHONPATH": str(site), "SOCKETS_SEEN": str(tmp_path / "seen")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    seen = [line.split()[1] for line in (tmp_path / "seen").read_text().splitlines()]
    assert set(seen) == {"socket.getaddrinfo", "socket.connect", "socket.bind"}


def test_quick_verbs_open_no_socket(folder):
    codes, seen = run(folder, LINES[0])
    assert len(codes) == len(QUICK) and seen == ""


@pytest.mark.slow
def test_other_verbs_open_no_socket(folder):
    codes, seen = run(folder, LINES[1])
    assert len(codes) == len(SLOW) and seen == ""
