"""Markdown: sections and tables, in which no value becomes markup."""

import re
from collections.abc import Iterable, Iterator, Sequence

from mediatool_assets.domain.visible import visible

_SPECIAL = re.compile(r"([\\`*\[\]<>|#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def section(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table under its title; nothing where there is no row."""
    lines = list(table(headings, rows))
    if lines:
        yield from ("", f"## {title}", *lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table after an empty one; nothing where there is no row."""
    lines = [f"| {' | '.join(map(escaped, row))} |" for row in rows]
    if lines:
        yield ""
        yield f"| {' | '.join(headings)} |"
        yield f"|{'---|' * len(headings)}"
        yield from lines


def escaped(text: str) -> str:
    """The text on one line, with nothing in it that Markdown takes for its own."""
    return visible(_SPECIAL.sub(r"\\\1", " ".join(text.split())))
