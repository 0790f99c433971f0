"""The tools over the Model Context Protocol: stdio, or streamable HTTP on this machine with a token.

One guard stands before all clients of a server: once one of them has been handed text that somebody else wrote, tools
that write are refused to all until it is started again, since nobody knows which of them share a model.
"""

import base64
import contextlib
import hmac
import json
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

from ..assistant.guard import Guard
from ..assistant.sockets import only
from ..assistant.tools import Tool
from ..errors import ActinicError, ConfigError, InputError

HOST, PATH = "127.0.0.1", "/mcp"
LARGEST_BODY = 1_000_000
LARGEST_RESOURCE = 20_000_000
LEAST_TOKEN = 24
_SCHEME = "actinic://run/"
_KINDS = {"result.json": "application/json", "report.html": "text/html"}
INSTRUCTIONS = (
    "Tools of a lithography engine. Lengths carry their unit in the name (nm at wafer scale, windows in um). Files are "
    "ids under one folder: list_files. Report numbers only from results, with their units."
)


def server(guard: Guard) -> Server:
    """The server of a guard's tools, and of the run folders under its root, without any transport."""

    async def list_tools(context, params) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in guard.tools()])

    async def call_tool(context, params: types.CallToolRequestParams) -> types.CallToolResult:
        cancel = threading.Event()

        def progress(what: str, done: int, total: int) -> None:
            with contextlib.suppress(Exception):  # a client that has gone wants none
                anyio.from_thread.run(context.session.report_progress, float(done), float(total), what)

        def called():
            return guard.call(params.name, params.arguments or {}, progress, cancel)

        try:
            call = await anyio.to_thread.run_sync(called, abandon_on_cancel=True)
        except ActinicError as error:
            return _failed({"error": {"kind": type(error).__name__, "message": str(error)}})
        finally:
            cancel.set()  # whether cancelled or done: nothing computes for nobody
        if call.result is None:
            return _failed(call.plain())
        content: list[Any] = [types.TextContent(type="text", text=json.dumps(call.plain()))]
        for caption, picture in call.pictures:
            content.append(types.TextContent(type="text", text=caption))
            data = base64.b64encode(picture).decode()
            content.append(types.ImageContent(type="image", data=data, mime_type="image/png"))
        return types.CallToolResult(content=content, structured_content=call.plain())

    async def list_resources(context, params) -> types.ListResourcesResult:
        found = []
        for name in guard.root.ids((".json", ".html")):
            folder, _, kind = name.rpartition("/")
            if kind in _KINDS and folder:
                uri = f"{_SCHEME}{quote(folder, safe='')}/{kind}"
                found.append(types.Resource(uri=uri, name=name, mime_type=_KINDS[kind]))
        return types.ListResourcesResult(resources=found)

    async def read_resource(context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        folder, _, kind = uri.removeprefix(_SCHEME).rpartition("/")
        if not uri.startswith(_SCHEME) or kind not in _KINDS:
            raise InputError(f"{uri!r:.200}: is no resource of this server")
        path = guard.root.file(f"{unquote(folder)}/{kind}")
        if path.stat().st_size > LARGEST_RESOURCE:
            raise InputError(f"{uri}: larger than {LARGEST_RESOURCE // 1_000_000} MB")
        guard.reading(uri)
        guard.log.write("resource", {"uri": uri})
        text = path.read_text(errors="replace")
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type=_KINDS[kind], text=text)]
        )

    return Server(
        "actinic",
        version=metadata.version("actinic"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )


def serve_stdio(guard: Guard) -> None:
    """Serve one client on standard input and output until it closes them."""

    async def run() -> None:
        only(None)
        made = server(guard)
        async with stdio_server() as (read, write):
            await made.run(read, write, made.create_initialization_options())

    anyio.run(run)


def serve_http(guard: Guard, port: int, token: str, told: Callable[[str], None]) -> None:
    """Serve any number of clients on this machine's loopback until interrupted; port 0 takes a free one.

    `told` gets the address when it can be connected to.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigError(f"--http {port}: cannot be listened on ({error.strerror or error})") from None
    with listening:
        only(None)
        served = server(guard).streamable_http_app(
            streamable_http_path=PATH, max_request_body_size=LARGEST_BODY, host=HOST
        )
        app = protected(served, token)
        settings = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2)
        told(f"http://{HOST}:{listening.getsockname()[1]}{PATH}")
        uvicorn.Server(settings).run(sockets=[listening])


def protected(app: Any, token: str) -> Callable[..., Awaitable[None]]:
    """An ASGI application that answers 401 to whoever does not send the token, before anything is read."""
    wanted = f"Bearer {token}".encode()

    async def guarded(scope, receive, send) -> None:
        if scope["type"] == "http":
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            if len(sent) != 1 or not hmac.compare_digest(sent[0], wanted):
                headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b"a token is required\n"})
                return
        await app(scope, receive, send)

    return guarded


def read_token(file: Path) -> str:
    """The token in a file that only its owner can read; ConfigError where others can, or it is too short."""
    try:
        token, mode = file.read_text().strip(), stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        raise ConfigError(f"--token-file {file}: cannot be read ({error.strerror or error})") from None
    if mode & 0o077:
        raise ConfigError(f"--token-file {file}: others can read it: chmod 600 {file}")
    if len(token) < LEAST_TOKEN or not token.isascii() or any(c.isspace() for c in token):
        raise ConfigError(f"--token-file {file}: needs one word of {LEAST_TOKEN} characters or more")
    return token


def _described(tool: Tool) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=not tool.writes, destructive_hint=False, idempotent_hint=not tool.writes, open_world_hint=False
    )
    return types.Tool(name=tool.name, description=tool.about, input_schema=tool.schema(), annotations=hints)


def _failed(what: dict[str, Any]) -> types.CallToolResult:
    text = types.TextContent(type="text", text=json.dumps(what))
    return types.CallToolResult(content=[text], structured_content=what, is_error=True)
