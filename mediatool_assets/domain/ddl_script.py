"""``schema.sql`` taken apart: what pg_dump wrote, entry by entry, before and after the data.

pg_dump orders its entries into sections: all that must be there before the data, then all that is
better made after it. The text does not say where the one ends, but it names the kind of every
entry, and some kinds stand in the second section only: the first of them is where data goes.
Entries are never reordered.
"""

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

_AFTER_DATA = frozenset(
    {
        "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "STATISTICS",
        "RULE", "TRIGGER", "EVENT TRIGGER",
    }
)  # fmt: skip

_ACCESS = frozenset({"ACL", "DEFAULT ACL", "POLICY", "SECURITY LABEL"})
"""Kinds that name roles of the source's server."""

# Whatever may hold a semicolon, or look like a header, without being one, is passed over whole.
_TOKEN = re.compile(
    r"""
      (?P<header>^--\n--\ Name:\ (?P<name>[^\n]*);\ Type:\ (?P<kind>[A-Z\ ]+)
                 ;\ Schema:\ (?P<schema>[^\n]*);\ Owner:\ [^\n]*\n--\n)
    | (?P<end>^--\n--\ PostgreSQL\ database\ dump\ complete\n--\n)
    | --[^\n]*
    | /\*.*?\*/
    | [eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'
    | '[^']*(?:''[^']*)*'
    | "[^"]*(?:""[^"]*)*"
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | \w[\w$]*
    | (?P<stop>;)
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)

# Owners and tablespaces are the target's own affair. pg_dump ends an entry with its owner.
_LEFT_TO_TARGET = re.compile(
    r"""\s*(?:ALTER\ .*\ OWNER\ TO\ (?:[\w$]+|"(?:[^"]|"")*")|SET\ default_tablespace\ =\ .*);""",
    re.VERBOSE | re.DOTALL,
)


class Entry(NamedTuple):
    """One object as pg_dump makes it: its kind (``FK CONSTRAINT``), its name, its statements.

    The name of a constraint, trigger or rule is that of its table, a space, and its own.
    ``namespace`` is its PostgreSQL schema, ``-`` for what has none.
    """

    kind: str
    name: str
    sql: str
    namespace: str


class Script(NamedTuple):
    """The entries in order, those before the data and those after it."""

    before: tuple[Entry, ...]
    after: tuple[Entry, ...]


def parse(text: str) -> Script:
    """Read ``schema.sql``, without what names roles or tablespaces, and without its settings.

    What follows pg_dump's last entry (where sequences stand) is left out: ``schema.json`` has it.
    Raises ValueError where the text is not pg_dump's.
    """
    entries = [entry for entry in _entries(text) if _belongs(entry)]
    before = tuple(takewhile(lambda entry: entry.kind not in _AFTER_DATA, entries))
    return Script(before, tuple(entries[len(before) :]))


def _belongs(entry: Entry) -> bool:
    """Whether a new database needs it: one has a schema ``public`` already."""
    return entry.kind not in _ACCESS and (entry.kind, entry.name) != ("SCHEMA", "public")


def _entries(text: str) -> Iterator[Entry]:
    header: re.Match[str] | None = None
    statements: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        if token["stop"]:
            statements.append(text[start : token.end()])
            start = token.end()
        elif token["header"] or token["end"]:
            if header is not None:
                yield _entry(header, statements)
            header, statements, start = token, [], token.end()
            if token["end"]:
                return
    raise ValueError("it does not end as pg_dump's text does")


def _entry(header: re.Match[str], statements: list[str]) -> Entry:
    kept = [s for s in statements if not _LEFT_TO_TARGET.fullmatch(s)]
    return Entry(header["kind"], header["name"], "".join(kept).strip(), header["schema"])
