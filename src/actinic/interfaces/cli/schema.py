"""`actinic schema`: the JSON Schema of what Actinic reads and prints."""

from typing import Annotated

import typer

from ...plain import to_json
from .console import Outcome


def schema(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Which one; setup is the file that --optics takes.")
    ] = "setup",
) -> Outcome:
    """Print the JSON Schema of a process file or a verb's --json."""
    from ... import jobs

    result = jobs.schema(name)
    return Outcome(result, to_json(result))
