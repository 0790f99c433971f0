"""`actinic mcp`: the tools for any program that speaks the Model Context Protocol."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ...errors import ConfigError, MissingError
from .console import Outcome
from .options import Approve, Root

MANY = 100_000  # calls of a server


def mcp(
    root: Root = Path("."),
    http: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="Streamable HTTP on 127.0.0.1; 0: a free port."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The token that HTTP clients must send; mode 600.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=16, help="Calls computed at once.")] = 2,
    approve: Approve = None,
) -> Outcome:
    """Serve the tools by MCP: on standard input and output, or by HTTP with a token.

    Needs the extra `assistant`.
    """
    try:
        from .. import mcp as door
    except ImportError as error:
        raise MissingError(f"mcp needs the SDK: pip install 'actinic[assistant]' ({error})") from error
    from ...assistant.conversation import new_log
    from ...assistant.files import Root as Folder
    from ...assistant.guard import Budget, Guard, Log

    if http is None and token_file is not None:
        raise ConfigError("--token-file belongs to --http PORT")
    token = None
    if http is not None:
        if token_file is None:
            raise ConfigError("--http needs --token-file FILE: whoever can connect could use the tools")
        token = door.read_token(token_file)
    folder = Folder(root)
    log = Log(new_log(folder, "mcp"), [token or ""])
    guard = Guard(folder, log, Budget(MANY, 0, 1e9), approve or (), workers=workers)
    try:
        if http is None or token is None:
            door.serve_stdio(guard)
        else:
            door.serve_http(guard, http, token, lambda address: print(address, file=sys.stderr, flush=True))
    finally:
        guard.close()
    return Outcome(None, "")
