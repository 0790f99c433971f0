"""The entry point: environment, verbs, exit codes."""

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from ...errors import DONE, USAGE
from .ask import ask
from .audit import audit
from .bench import bench
from .calibrate import calibrate
from .chat import chat
from .console import Outcome, show
from .correct import correct
from .data import data
from .demo import demo
from .doctor import doctor
from .expose import expose
from .failures import explain
from .federate import federate
from .generate import generate
from .interrupt import interruptible
from .loop import loop
from .mcp import mcp
from .measure import measure
from .options import NOTES, deferred
from .plan import plan
from .roughness import roughness
from .sbom import sbom
from .schema import schema
from .score import score
from .smo import smo
from .status import status
from .stochastics import stochastics
from .train import train
from .verify import verify
from .wafer import wafer
from .window import window

ANYWHERE = ("--json", "--debug")
ALL_NOTES = """\b
Every verb also takes
  --json   one JSON document on stdout, text for people on stderr
  --debug  tracebacks of errors; so does ACTINIC_DEBUG=1

\b
Environment:
  ACTINIC_DATA   folder of published data sets
  ACTINIC_ENDPOINT, ACTINIC_MODEL, ACTINIC_API_KEY  the assistant's model
  ACTINIC_CACHE  folder for compiled code (default: in ~/.cache; empty: none)
  ACTINIC_NAMES  omit: reports name no file and no cell
  ACTINIC_FLOWER folder of the programs of Flower (see federate)
  ACTINIC_TLS_CA, ACTINIC_TLS_CERT, ACTINIC_TLS_KEY  PEM files for a cluster off this machine

\b
Exit codes:
  0    done and in spec
  1    done, but out of spec
  2    wrong usage or configuration, or a file that cannot be read or written
  3    numerical failure, or a fault of Actinic
  4    a missing package, device or data set
  130  interrupted
"""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    correct,
    plan,
    status,
    expose,
    measure,
    verify,
    smo,
    calibrate,
    window,
    roughness,
    loop,
    stochastics,
    ask,
    chat,
    mcp,
    score,
    bench,
    doctor,
    sbom,
    schema,
    generate,
    demo,
):
    app.command(epilog=NOTES)(deferred(verb))
app.add_typer(wafer, name="wafer")
app.add_typer(federate, name="federate")
app.add_typer(train, name="train")
app.add_typer(data, name="data")
app.add_typer(audit, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"actinic {metadata.version('actinic')}")
        raise typer.Exit


@app.callback(epilog=ALL_NOTES)
def actinic(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Lithography from layout to print, and back to the mask that prints it."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if args is None else args)
    as_json, debug = "--json" in words, "--debug" in words or os.environ.get("ACTINIC_DEBUG", "0") not in ("", "0")
    set_environment()
    code = DONE
    try:
        try:
            run = parse(words)
            # Whatever a library prints, stdout holds the JSON document alone.
            with interruptible(), redirect_stdout(sys.stderr) if as_json else nullcontext():
                outcome = run()
        except (Exception, KeyboardInterrupt) as error:
            if debug:
                traceback.print_exc()
            outcome = explain(error)
        code = outcome.exit_code
        show(outcome, as_json)
    except OSError as error:  # of stdout: everything else was explained
        if not isinstance(error, BrokenPipeError):
            print(f"actinic: standard output: {error.strerror}", file=sys.stderr)
            code = USAGE
    return code


def parse(words: Sequence[str]) -> Callable[[], Outcome]:
    """The verb that a command line asks for, ready to run; help and version are said when it runs."""
    rest = [word for word in words if word not in ANYWHERE] or ["--help"]
    command, said = typer.main.get_command(app), StringIO()
    try:
        with (
            redirect_stdout(said),
            command.make_context("actinic", rest, obj=shlex.join(["actinic", *words])) as context,
        ):
            return command.invoke(context)
    except typer.Exit:
        return lambda: Outcome(None, said.getvalue().rstrip())


def set_environment() -> None:
    """One thread a process, and compiled code kept for the next run: read by JAX when it starts.

    What the user set stays. ACTINIC_CACHE names the cache folder; when it is empty nothing is kept.
    """
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    # Two cores and two workers: a thread pool in each would only get in the way of the others.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    folder = _cache_folder()
    if folder and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return  # a read-only home: it works without, only slower
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)


def _cache_folder() -> Path | None:
    chosen = os.environ.get("ACTINIC_CACHE")
    if chosen is not None:
        return Path(chosen).absolute() if chosen else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return Path(base) / "actinic" if os.path.isabs(base) else None
