"""What a command prints: JSON or a table on stdout, progress on stderr if it is a terminal."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mediatool_assets.flows.ports import Progress

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

_ANY_WIDTH = 1000  # columns of a table that no terminal shows: a pipe must not lose text


def print_json(value: object) -> None:
    """Print a value that msgspec can encode, indented."""
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    typer.echo(msgspec.json.format(encoded, indent=2).decode())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    """Print rows in columns, whole numbers to the right with their thousands marked."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        right = any(isinstance(row[index], int) for row in rows)
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(f"{v:,}" if isinstance(v, int) else v) for v in row))
    console = Console(width=None if sys.stdout.isatty() else _ANY_WIDTH, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def print_facts(facts: dict[str, str | int]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:{width}}  {f'{value:,}' if isinstance(value, int) else value}")


def megabytes(size: int) -> str:
    """A number of bytes for people, in units of 10**6: ``1.3 MB``."""
    return f"{size / 1e6:,.1f} MB"


@contextmanager
def working(task: str) -> Iterator["Progress"]:
    """A line on stderr that says what goes on and how far it is; nothing unless on a terminal."""
    if not sys.stderr.isatty():
        from mediatool_assets.flows.ports import silent

        yield silent
        return
    from rich.console import Console

    with Console(stderr=True).status(task) as status:

        def progress(step: str, done: int, total: int) -> None:
            share = f" {done:,} of {total:,}" if total else ""
            status.update(f"{task}: {step}{share}")

        yield progress


def note(text: str) -> None:
    """Say on stderr what was done, to a person; nothing unless on a terminal."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)
