"""The same training over Flower, for sites on other machines: the only file that knows flwr.

Flower carries the requests and replies of `messages` as bytes, registers and authenticates the sites' nodes and starts
these two apps; what is trained, what may leave and what the server makes of it are the files beside this one.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

# Flower lives in an environment of its own, where nothing is type-checked.
from flwr.app import ConfigRecord, Context, Message, RecordDict  # pyright: ignore[reportMissingImports]
from flwr.clientapp import ClientApp  # pyright: ignore[reportMissingImports]
from flwr.serverapp import Grid, ServerApp  # pyright: ignore[reportMissingImports]

from ...errors import ActinicError, NumericalError
from ...plain import to_json
from ...writing import write_file
from .server import Plan, conduct
from .site import Site
from .task import Task

_LOOK_S = 0.5


class Course(NamedTuple):
    """What the server's app needs: the task and plan, the nodes of the sites by name, where files go, how long to wait
    for a site's node to come and for its reply, in seconds."""

    task: Task
    plan: Plan
    nodes: dict[str, int]
    folder: Path
    patience_s: float


def client_app(opened: Callable[[str], Site]) -> ClientApp:
    """The app of a site. Its node's configuration names the site's file, `site`, which `opened` reads."""
    app = ClientApp()

    @app.train()
    def answer(message: Message, context: Context) -> Message:
        site = opened(str(context.node_config["site"]))
        try:
            sent = site.answer(bytes(message.content["request"]["bytes"]))
        except ActinicError as error:
            # Why stays here: an error's words may tell of the data.
            site.note(f"refused: {error}")
            sent = b""
        return Message(RecordDict({"reply": ConfigRecord({"bytes": sent})}), reply_to=message)

    return app


def server_app(opened: Callable[[str], Course]) -> ServerApp:
    """The app of the server. The run's configuration names its file, `course`, which `opened` reads."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        course = opened(str(context.run_config["course"]))
        try:
            _conducted(grid, course)
        except Exception as error:
            write_file(course.folder / "ended", f"{type(error).__name__}: {error}".encode())
            raise

    return app


def _conducted(grid: Grid, course: Course) -> None:
    names = {node: name for name, node in course.nodes.items()}
    until = time.monotonic() + course.patience_s
    while len(names.keys() & set(grid.get_node_ids())) < course.plan.least:
        if time.monotonic() > until:
            raise NumericalError(f"fewer than {course.plan.least} sites came within {course.patience_s:g} s")
        time.sleep(_LOOK_S)

    def ask(requests: Mapping[str, bytes]) -> dict[str, bytes]:
        there = set(grid.get_node_ids())
        messages = [
            Message(RecordDict({"request": ConfigRecord({"bytes": content})}), course.nodes[name], "train")
            for name, content in requests.items()
            if course.nodes[name] in there
        ]
        replies = {}
        for reply in grid.send_and_receive(messages, timeout=course.patience_s):
            if reply.has_content():
                replies[names[reply.metadata.src_node_id]] = bytes(reply.content["reply"]["bytes"])
        return {name: sent for name, sent in replies.items() if sent}

    _, told = conduct(course.task, list(course.nodes), ask, course.plan, folder=course.folder)
    write_file(course.folder / "told.json", to_json({"sent": told.sent, "refused": told.refused}).encode())
    write_file(course.folder / "ended", b"")
