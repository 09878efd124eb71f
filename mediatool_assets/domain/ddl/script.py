"""``schema.sql`` as pg_dump writes it, entry by entry.

The comment before every entry names its kind. A string or a function's body may contain the same
lines. Then PostgreSQL's parser finds no end of the statement before such a line, and the line is
treated as part of the statement.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from mediatool_assets.domain.ddl.tree import MOST_BYTES, BadStatement, statements

_MARK = re.compile(
    r"""
    ^--\n--\ (?:
      Name:\ (?P<name>[^\n]*);\ Type:\ (?P<kind>[A-Z\ ]+);\ Schema:\ (?P<schema>[^\n]*)
        ;\ Owner:\ [^\n]*
    | PostgreSQL\ database\ dump\ complete
    )\n--\n
    """,
    re.VERBOSE | re.MULTILINE,
)
_MOST_ENTRIES = 250_000  # some 400 bytes each while they are read
_MOST_QUOTED = 100  # headers within one entry's strings


class DumpEntry(NamedTuple):
    """One object as pg_dump writes it: its kind (``FK CONSTRAINT``), its name, its statements.

    The name of a constraint, trigger or rule is its table's name, a space, and its own name.
    ``namespace`` is its PostgreSQL schema, ``-`` if it has none.
    """

    kind: str
    name: str
    statements: tuple[str, ...]
    namespace: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Statement(NamedTuple):
    """One statement, and the entry that it belongs to, as ``VIEW totals``."""

    makes: str
    sql: str


def entries(text: str) -> Iterator[DumpEntry]:
    """Every entry in order, up to pg_dump's last line, without the settings before them.

    What follows that line (the positions of sequences) is also in ``schema.json``. Raises
    BadStatement if the text does not end as pg_dump's does, or an entry is not valid SQL.
    """
    marks = list(islice(_MARK.finditer(text), _MOST_ENTRIES + 1))
    if len(marks) > _MOST_ENTRIES:
        raise BadStatement(f"it has more than {_MOST_ENTRIES} entries")
    at = 0
    while at < len(marks) and marks[at]["kind"] is not None:
        header = marks[at]
        made, at = _statements(text, marks, at)
        yield DumpEntry(header["kind"], header["name"], made, header["schema"])
    if at == len(marks):
        raise BadStatement("it does not end as pg_dump's text does")


def _statements(text: str, marks: list[re.Match[str]], at: int) -> tuple[tuple[str, ...], int]:
    """The statements after a header, and the index of the mark that ends them."""
    header = marks[at]
    for end in range(at + 1, min(at + 1 + _MOST_QUOTED, len(marks))):
        if marks[end].start() - header.end() > MOST_BYTES:
            break
        try:
            return tuple(statements(text[header.end() : marks[end].start()])), end
        except BadStatement as error:
            if not error.unterminated:
                raise BadStatement(f"{header['kind']} {header['name']}: {error}") from error
    raise BadStatement(f"{header['kind']} {header['name']}: it does not end")
