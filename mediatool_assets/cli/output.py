"""The output of a command: JSON or a table on stdout, notes on stderr."""

import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli.session import SESSION
from mediatool_assets.domain.printable import visible, visible_lines

if TYPE_CHECKING:
    from mediatool_assets.domain.page import Page

AllowUnsigned = Annotated[
    bool,
    typer.Option(
        "--allow-unsigned", help="With MEDIATOOL_TRUSTED_KEYS: also read unsigned archives."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Format = Annotated[
    Literal["json", "html", "markdown"] | None,
    typer.Option("--format", help="Otherwise as the file's name ends: .html, .md, else JSON."),
]
Folder = Annotated[
    Path,
    typer.Option(metavar="DIR", file_okay=False, help="The folder; created if it does not exist."),
]


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A path beside ``output``; what is written there replaces it at the end, or nothing does."""
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".mediatool-") as beside:
        written = Path(beside, output.name)
        yield written
        written.replace(output)


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines; control characters, such as ESC in a user's notes, are escaped.

    Commands print only with this function and those below.
    """
    typer.echo(visible_lines(str(text)), err=err, nl=nl)  # noqa: TID251  # the one place


def print_json(value: object) -> None:
    """Print a value that msgspec can encode, indented."""
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    echo(msgspec.json.format(encoded, indent=2).decode())


def print_page(page: "Page", leaving_out: Collection[str] = ()) -> None:
    """Print the parts of a report for terminals, without the sections with these titles."""
    from mediatool_assets.cli.print_table import print_table
    from mediatool_assets.domain.page import Grid, Items

    echo(f"{page.title}: {page.verdict}")
    for line in (page.headline, *page.small):
        echo(line)
    for section in page.shown("summary"):
        if section.title in leaving_out:
            continue
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
    """Print names and values, one per line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else visible(value)
        echo(f"{visible(name):{width}}  {shown}")


def megabytes(size: int) -> str:
    """A number of bytes for display, in units of 10**6: ``1.3 MB``."""
    return f"{size / 1e6:,.1f} MB"


def note(text: str) -> None:
    """Print a note on stderr, only on a terminal and without --quiet."""
    if sys.stderr.isatty() and not SESSION.quiet:
        echo(text, err=True)
