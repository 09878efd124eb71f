"""Writes docs/reference/commands.md from the commands of mediatool_assets/main.py.

make reference
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from mediatool_assets.main import app

PAGE = Path(__file__).parents[1] / "docs/reference/commands.md"

_HEAD = """\
# Commands

What `mediatool COMMAND --help` prints, on one page. Generated from the code: `make reference`.
All commands have the same [exit codes](exit-codes.md) and read the same [settings](settings.md).
"""


def page() -> str:
    """The whole page: a section for each panel of `mediatool --help`."""
    root: Any = get_command(app)
    context = typer.Context(root, info_name="mediatool")
    panels = groupby(root.commands.values(), key=lambda command: command.rich_help_panel)
    sections = (
        f"\n## {panel}\n"
        + "".join(part for command in commands for part in _parts(command, context))
        for panel, commands in panels
    )
    return _HEAD + _options(root, context) + "".join(sections)


def _parts(command: Any, parent: typer.Context) -> Iterator[str]:
    """A command, or a group and each of its commands."""
    context = typer.Context(command, info_name=command.name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"\n### `{context.command_path}`\n\n{command.help}\n\n```text\n{usage}\n```\n"
    yield _options(command, context)
    for part in getattr(command, "commands", {}).values():
        yield from _parts(part, context)


def _options(command: Any, context: typer.Context) -> str:
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [f"| `{_cell(name)}` | {_cell(text)} |\n" for name, text in filter(None, records)]
    return "\n| Argument or option | Meaning |\n|---|---|\n" + "".join(rows) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
