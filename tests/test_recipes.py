"""The recipes of docs/cluster.md, run as they stand there with stand-ins for the queue's commands."""

import contextlib
import importlib.util
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from durable_tasks import contents, run
from test_cluster import authority, children  # noqa: F401 the first is a fixture
from test_durable import COUNT, calm, gone, tasks  # noqa: F401 the second is a fixture

PAGE = Path(__file__).parents[1] / "docs" / "cluster.md"
HAS = all(importlib.util.find_spec(name) for name in ("dask_jobqueue", "distributed"))

# The queue: what a real one would put on a node runs here, in a session of its own.
SUBMIT = """#!{python}
import os, subprocess, sys
script = {script}
job = subprocess.Popen(["bash", script], start_new_session=True, stdout=open(script + ".log", "w"), stderr=-2)
open(os.environ["QUEUE_JOBS"], "a").write(f"{{job.pid}}\\n")
print({said})
"""
COMMANDS = {
    "sbatch": SUBMIT.format(python=sys.executable, script="sys.argv[-1]", said='f"Submitted batch job {job.pid}"'),
    "bsub": SUBMIT.format(
        python=sys.executable,
        script='os.environ["QUEUE_JOBS"] + ".sh"; open(script, "w").write(sys.stdin.read())',
        said='f"Job <{job.pid}> is submitted to queue <normal>."',
    ),
    "scancel": '#!/bin/sh\nkill -- "-$1" || true\n',
    "bkill": '#!/bin/sh\nkill -- "-$1" || true\n',
}


@pytest.mark.slow
@pytest.mark.skipif(not HAS, reason="needs distributed and dask-jobqueue")
@pytest.mark.parametrize("queue", ["SLURM", "LSF"])
def test_a_recipe_serves_a_run(tmp_path, authority, calm, monkeypatch, queue):  # noqa: F811
    [program] = re.findall(rf"^## {queue}$.*?^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    port = str(random.Random(os.getpid()).randrange(30_001, 32_000))
    here = program.replace("socket.getfqdn()", '"127.0.0.1"').replace("8786", port)
    here = here.replace("scale(jobs=4)", "scale(jobs=1)").replace("cores=8, processes=8", "cores=2, processes=2")
    assert here.count("127.0.0.1") == 2 and here.count("=2") == 2 and here.count(port) == 1
    (tmp_path / "workers.py").write_text(here)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, text in COMMANDS.items():
        (bin_ / name).write_text(text)
        (bin_ / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    # Started in the background, a shell makes its programs deaf to Ctrl-C.
    hearing = "import runpy, signal; signal.signal(2, signal.default_int_handler); "
    hearing += "runpy.run_path('workers.py', {}, '__main__')"
    program = subprocess.Popen(
        [sys.executable, "-c", hearing], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = program.stdout.readline().strip()
        assert address == f"tls://127.0.0.1:{port}", program.stderr.read()
        found = run(tmp_path, tasks(), address)
    finally:
        below = (
            {int(line) for line in (tmp_path / "jobs").read_text().split()} if (tmp_path / "jobs").exists() else set()
        )
        below |= set().union(*map(children, below)) if below else set()
        program.send_signal(2)
        try:
            program.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
            raise
        finally:
            stopped = gone(below)
            for job in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(job, 9)
    assert stopped, "the jobs are cancelled with the program"
    assert contents(tmp_path) == calm and len(found) == COUNT
