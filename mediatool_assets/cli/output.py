"""What a command prints: JSON or a table on stdout, progress on stderr if it is a terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.domain.printable import visible, visible_lines

if TYPE_CHECKING:
    from mediatool_assets.domain.page import Cell, Page
    from mediatool_assets.flows.ports import Progress

AllowUnsigned = Annotated[
    bool,
    typer.Option(
        "--allow-unsigned", help="With MEDIATOOL_TRUSTED_KEYS: read what has no signature too."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

_ANY_WIDTH = 1000  # columns of a table that no terminal shows: a pipe must not lose text


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


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence["int | Cell"]],
    *,
    wrapped: bool = False,
    droppable: Sequence[str] = (),
) -> None:
    """Print rows in columns, numbers to the right, whole ones with their thousands marked.

    What is too wide for the terminal is cut off, unless it is to be ``wrapped``. Where there are
    ``droppable`` columns these go instead, the first named first; the first column is never cut.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mediatool_assets.domain.page import Number

    console = Console(width=None if sys.stdout.isatty() else _ANY_WIDTH, highlight=False)
    rows = list(rows)
    texts = [[f"{v:,}" if isinstance(v, int) else visible(str(v)) for v in row] for row in rows]
    kept = _fitting(headings, texts, droppable, console.width)
    first = max((len(text[0]) for text in texts), default=0) if droppable else None
    if first is not None and first > console.width:
        console.width = first
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for index in kept:
        right = any(isinstance(row[index], int | Number) for row in rows)
        table.add_column(
            Text(visible(headings[index])),
            justify="right" if right else "left",
            no_wrap=not wrapped or right,
            overflow="fold" if wrapped else "ellipsis",
            min_width=first if index == 0 else None,
        )
    for text in texts:
        table.add_row(*(Text(text[index]) for index in kept))
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())  # noqa: TID251  # with the colours of a terminal


_ELASTIC = 12
"""Characters of a text that may be cut off, without which its column is not worth showing."""


def _fitting(
    headings: Sequence[str], texts: Sequence[Sequence[str]], droppable: Sequence[str], width: int
) -> list[int]:
    """The columns that are shown: those that may go do so, one by one, until the others fit."""
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    if droppable:
        widths[-1] = min(widths[-1], _ELASTIC)  # the last is cut off where it is too long
    kept = list(range(len(headings)))
    for name in droppable:
        if sum(widths[index] + 1 for index in kept) - 1 <= width:
            break
        kept.remove(headings.index(name))
    return kept


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
