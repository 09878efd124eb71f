"""What a command prints: JSON or a table on stdout, progress on stderr if it is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.domain.printable import visible, visible_lines

if TYPE_CHECKING:
    from mediatool_assets.domain.page import Page
    from mediatool_assets.flows.ports import Progress

AllowUnsigned = Annotated[
    bool,
    typer.Option(
        "--allow-unsigned", help="With MEDIATOOL_TRUSTED_KEYS: read what has no signature too."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines; what would steer a terminal, such as ESC in somebody's notes, as an escape.

    Every command prints by this or by the functions below, and by nothing else.
    """
    typer.echo(visible_lines(str(text)), err=err, nl=nl)  # noqa: TID251  # the one place


def print_json(value: object) -> None:
    """Print a value that msgspec can encode, indented."""
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    echo(msgspec.json.format(encoded, indent=2).decode())


def print_page(page: "Page") -> None:
    """Print the parts of a report that are for a terminal."""
    from mediatool_assets.cli.table import print_table
    from mediatool_assets.domain.page import Grid, Items

    echo(f"{page.title}: {page.verdict}")
    for line in (page.headline, *page.small):
        echo(line)
    for section in page.shown("summary"):
        echo(f"\n{section.title.upper()}")
        for part in section.shown:
            match part:
                case Grid(headings, rows):
                    print_table([name.upper() for name in headings], rows, wrapped=True)
                case Items(texts):
                    for text in texts:
                        echo(f"  {text}")
                case str():
                    echo(part)


def print_facts(facts: dict[str, str | int]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else visible(value)
        echo(f"{visible(name):{width}}  {shown}")


def megabytes(size: int) -> str:
    """A number of bytes for people, in units of 10**6: ``1.3 MB``."""
    return f"{size / 1e6:,.1f} MB"


@contextmanager
def working(
    task: str, amount: Callable[[int, int], str] = lambda done, total: f"{done:,} of {total:,}"
) -> Iterator["Progress"]:
    """A line on stderr that says what goes on and how far it is; nothing unless on a terminal.

    Print nothing else until it is gone. ``amount`` words what is done, of a total.
    """
    if not sys.stderr.isatty():
        from mediatool_assets.flows.ports import silent

        yield silent
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(visible(task))) as status:

        def progress(step: str, done: int, total: int) -> None:
            share = f" {amount(done, total)}" if total else ""
            status.update(Text(visible(f"{task}: {step}{share}")))

        yield progress


def note(text: str) -> None:
    """Say on stderr what was done, to a person; nothing unless on a terminal."""
    if sys.stderr.isatty():
        echo(text, err=True)
