"""docs/cli.md: the help of every verb, as an 80-column terminal shows it."""

from collections.abc import Iterator

import typer

from .app import app

TITLE = """# Command line

Written by `python -m actinic.interfaces.cli.reference > docs/cli.md`; a test compares the two.
"""


def help_text() -> str:
    """The text of docs/cli.md."""
    command = typer.main.get_command(app)
    with command.make_context("actinic", [], resilient_parsing=True, terminal_width=78) as context:
        return TITLE + "".join(_sections(context))


def _sections(context) -> Iterator[str]:
    lines = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    yield f"\n## {context.command_path}\n\n```text\n{lines}\n```\n"
    for name, command in getattr(context.command, "commands", {}).items():
        with command.make_context(name, [], parent=context, resilient_parsing=True) as below:
            yield from _sections(below)


if __name__ == "__main__":
    print(help_text(), end="")
