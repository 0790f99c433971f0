"""Every exception as one clear line and an exit code."""

import typer

from ...errors import INTERRUPTED, MISSING, NUMERICAL, USAGE, ActinicError
from .console import Outcome


def explain(error: BaseException) -> Outcome:
    """What to say about an exception that ended a verb, and with which code to leave."""
    message, code = _sentence(error)
    text = "\n".join(f"actinic: {line}" for line in message.splitlines())
    return Outcome({"error": message, "exit_code": code}, text, code, failed=True)


def _sentence(error: BaseException) -> tuple[str, int]:
    match error:
        case KeyboardInterrupt():
            return "interrupted", INTERRUPTED
        case ActinicError():
            return str(error), error.exit_code
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "actinic"
            said = _line(error.format_message()).replace("Value error, ", "").rstrip(".")
            return f"{said} (see {command} --help)", USAGE
        case ImportError() if not (error.name or "").startswith("actinic"):
            return f"a package is missing: {_line(error)}; install actinic[all]", MISSING
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or _line(error) or type(error).__name__}", USAGE
        case MemoryError():
            return "out of memory; take a smaller window or fewer workers", NUMERICAL
    what = f"{type(error).__name__}: {_line(error)}".removesuffix(": ")
    return f"unexpected {what} (a fault of Actinic; add --debug for the traceback)", NUMERICAL


def _line(what) -> str:
    """At most one line of text, however much there is."""
    text = " ".join(str(what).split())
    return text if len(text) <= 300 else text[:297] + "..."
