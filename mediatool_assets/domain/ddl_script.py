"""``schema.sql`` taken apart: what pg_dump wrote, entry by entry, before and after the data.

pg_dump orders its entries into sections: all that must be there before the data, then all that is
better made after it. The text does not say where the one ends, but it names the kind of every
entry, and some kinds stand in the second section only: the first of them is where data goes.
Entries are never reordered.

An archive may come from a stranger, and its text is executed: so only statements that make the
objects of a schema are taken. What functions do that those call is not looked into.
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

_MAKING = re.compile(
    r"""
      CREATE\ (?:OR\ REPLACE\ )?
      (?: SCHEMA | EXTENSION | (?:UNLOGGED\ )?(?:TABLE|SEQUENCE) | (?:UNIQUE\ )?INDEX
        | (?:MATERIALIZED\ |RECURSIVE\ )?VIEW | FOREIGN\ TABLE | TYPE | DOMAIN | FUNCTION
        | PROCEDURE | AGGREGATE | OPERATOR | COLLATION | (?:DEFAULT\ )?CONVERSION | TEXT\ SEARCH
        | STATISTICS | (?:CONSTRAINT\ )?TRIGGER | RULE )\b
    | ALTER\ (?: TABLE | SEQUENCE | INDEX | (?:MATERIALIZED\ )?VIEW | FOREIGN\ TABLE | TYPE
        | DOMAIN | FUNCTION | PROCEDURE | TRIGGER | OPERATOR\ FAMILY | TEXT\ SEARCH
        | STATISTICS )\b
    | COMMENT\ ON\b
    | SET\ DEFAULT_TABLE_ACCESS_METHOD\b
    | $
    """,
    re.VERBOSE,
)
"""How the statements of a schema begin, as pg_dump writes them; an empty one does nothing."""
_WITHIN = re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE|MERGE|VALUES|WITH|RETURN|NOTIFY|END)\b")
_MADE_OF_STATEMENTS = frozenset({"FUNCTION", "PROCEDURE", "RULE"})
_LEADING = 4  # words of a statement that tell what it does

# Whatever may hold a semicolon, or look like a header, without being one, is passed over whole.
_TOKEN = re.compile(
    r"""
      (?P<header>^--\n--\ Name:\ (?P<name>[^\n]*);\ Type:\ (?P<kind>[A-Z\ ]+)
                 ;\ Schema:\ (?P<schema>[^\n]*);\ Owner:\ [^\n]*\n--\n)
    | (?P<end>^--\n--\ PostgreSQL\ database\ dump\ complete\n--\n)
    | --[^\n\r]*
    | (?P<comment>/\*.*?\*/)
    | [eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'
    | '[^']*(?:''[^']*)*'
    | "[^"]*(?:""[^"]*)*"
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | (?P<word>[^\W\d][\w$]*)
    | \d\w*
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


class _Statement(NamedTuple):
    """A statement, and the words that it begins with."""

    text: str
    words: str


class Script(NamedTuple):
    """The entries in order, those before the data and those after it."""

    before: tuple[Entry, ...]
    after: tuple[Entry, ...]


def parse(text: str) -> Script:
    """Read ``schema.sql``, without what names roles or tablespaces, and without its settings.

    What follows pg_dump's last entry (where sequences stand) is left out: ``schema.json`` has it.
    Raises ValueError where the text is not pg_dump's, or does more than make objects.
    """
    entries = [entry for entry in _entries(text) if _belongs(entry)]
    before = tuple(takewhile(lambda entry: entry.kind not in _AFTER_DATA, entries))
    return Script(before, tuple(entries[len(before) :]))


def _belongs(entry: Entry) -> bool:
    """Whether a new database needs it: one has a schema ``public`` already."""
    return entry.kind not in _ACCESS and (entry.kind, entry.name) != ("SCHEMA", "public")


def _entries(text: str) -> Iterator[Entry]:
    header: re.Match[str] | None = None
    statements: list[_Statement] = []
    words: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        if token["stop"]:
            statements.append(_Statement(text[start : token.end()], " ".join(words)))
            start, words = token.end(), []
        elif token["header"] or token["end"]:
            if header is not None:
                yield _entry(header, statements)
            header, statements, start, words = token, [], token.end(), []
            if token["end"]:
                return
        elif token["word"]:
            if len(words) < _LEADING:
                words.append(token["word"].upper())
        elif token["comment"] and "/*" in token["comment"][2:]:
            raise ValueError("a comment stands in a comment")  # PostgreSQL nests them
    raise ValueError("it does not end as pg_dump's text does")


def _entry(header: re.Match[str], statements: list[_Statement]) -> Entry:
    kept = [s for s in statements if not _LEFT_TO_TARGET.fullmatch(s.text)]
    sql = "".join(statement.text for statement in kept).strip()
    entry = Entry(header["kind"], header["name"], sql, header["schema"])
    if _belongs(entry):
        for _, words in kept:
            within = entry.kind in _MADE_OF_STATEMENTS and _WITHIN.match(words)
            if not within and not _MAKING.match(words):
                raise ValueError(f"{entry.kind} {entry.name} has the statement {words} ...")
    return entry
