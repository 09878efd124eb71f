"""The columns of each table that documents contain, and rows in that order."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest, xxh3_128_intdigest

from mediatool_assets.domain.model import AdditionVerb, FieldType
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.shapes import AddedField, DocumentCollection, DocumentShape
from mediatool_assets.flows.formats.deep_json import deep_recursion
from mediatool_assets.flows.integrity import expected_values
from mediatool_assets.flows.integrity.canonical import Canonical, dumps, key_text
from mediatool_assets.flows.integrity.expected_values import Lost, Rule

_LOW = (1 << 64) - 1
_NEGATIVE_ZERO = re.compile(rb"[:,\[]-0[,\]}]")
DELETED = "is_deleted"
"""The column that flags rows as deleted (soft delete)."""
PADDED_KEY = "character"
"""The type whose trailing blanks are insignificant in a key."""
LITERAL_KEYS = ("date", "timestamp without time zone", "timestamp with time zone")
"""The types of keys that are compared to the microsecond, which BSON does not keep."""

Digest = tuple[int, int]
"""XXH3-128 of a row's key, by which it is found on the other side."""


@dataclass(frozen=True)  # no slots: cached_property needs a __dict__
class RowLayout:
    """The columns of a table that its documents contain, with the types that the model gives them.

    ``links`` are columns that a folded row takes from its owner, compared as the text of the key.
    With an empty ``key``, rows are identified by all columns.
    """

    table: Table
    columns: tuple[tuple[str, FieldType | None], ...]
    key: tuple[str, ...]
    links: tuple[str, ...] = ()
    folded: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of their values in a row."""
        return (*(name for name, _ in self.columns), *self.links)

    def finds(self, row: list[Any]) -> list[Any]:
        """The values that identify a row: its key's, or all of them."""
        return [row[at] for at in self._key] or row

    @cached_property
    def deleted(self) -> int | None:
        """The index of the soft-delete flag in a row; None if there is none."""
        return self.names.index(DELETED) if DELETED in self.names else None

    @cached_property
    def _key(self) -> list[int]:
        return [self.names.index(name) for name in self.key]


def digest(values: list[Any]) -> Digest:
    """XXH3-128 of values of either side."""
    number = xxh3_128_intdigest(dumps(values))
    return number >> 64, number & _LOW


def content(values: list[Any]) -> int:
    """XXH3-64 of values of either side."""
    return xxh3_64_intdigest(dumps(values))


def taken_text(values: list[Any]) -> str:
    """XXH3-64 of the values copied from one row, as text."""
    return xxh3_64_hexdigest(dumps(values))


def layouts(collections: Iterable[DocumentCollection]) -> dict[str, RowLayout]:
    """The layout of every table in documents; folded ones have only the columns of the model."""
    found: dict[str, RowLayout] = {}
    for collection in sorted(collections, key=lambda c: c.orphans_of is not None):
        for layout in _layouts(collection.shape):
            found.setdefault(layout.table.name, layout)
    return found


def _layouts(shape: DocumentShape) -> Iterator[RowLayout]:
    for added in shape.additions:
        if added.shape is not None:
            yield from _layouts(added.shape)
        elif added.verb is AdditionVerb.FOLD:
            yield _folded(added)
    columns = tuple((part.column.name, part.type) for part in shape.columns)
    yield RowLayout(shape.table, columns, shape.key)


def _folded(added: AddedField) -> RowLayout:
    columns = tuple((part.column.name, part.type) for part in added.take)
    taken = {name for name, _ in columns}
    links = tuple(name for name in added.path[0].keys if name not in taken)
    return RowLayout(added.path[-1].table, columns, (), links, folded=True)


class RowParser:
    """Reads lines of a raw archive as rows of a layout."""

    def __init__(self, layout: RowLayout) -> None:
        self._layout, table = layout, layout.table
        self.lost: dict[str, Lost] = {name: Counter() for name in layout.names}
        types = dict(layout.columns)
        columns = [(table.column(name), types.get(name)) for name in layout.names]
        self._deep = self._rules(columns, deep=True)
        self._shallow = self._rules(columns, deep=False)
        self._links = len(layout.columns)
        self._floats = [column.name for column in table.columns if column.is_float]

    def _rules(
        self, columns: Sequence[tuple[Column, FieldType | None]], *, deep: bool
    ) -> list[tuple[str, Rule | None]]:
        return [
            (column.name, expected_values.rule(column, wanted, self.lost[column.name], deep=deep))
            for column, wanted in columns
        ]

    def parse(self, line: bytes) -> dict[str, Any]:
        """Parse a line of a raw archive, keeping the sign of -0.0; raises ValueError, KeyError."""
        raw = _parsed(line)
        zero = any(raw[name] == 0 or type(raw[name]) is list for name in self._floats)
        if zero and _NEGATIVE_ZERO.search(line):
            with deep_recursion():
                signed = json.loads(line, parse_int=_whole)
            raw |= {name: signed[name] for name in self._floats}
        return raw

    def read(self, line: bytes) -> tuple[Digest, list[Canonical], dict[str, Any]]:
        """The digest of a row's key, its values, and its columns as they are in the line."""
        raw = self.parse(line)
        row = self.values(raw, deep=line.count(b"{") + line.count(b"[") > expected_values.DEPTH)
        return digest(self._layout.finds(row)), row, raw

    def values(self, raw: dict[str, Any], *, deep: bool) -> list[Canonical]:
        """The row's expected values; raises ValueError, KeyError, TypeError.

        ``deep`` False is faster, for a line with no more levels than a document can have.
        """
        row: list[Canonical] = []
        for name, rule in self._deep if deep else self._shallow:
            value = raw[name]
            row.append(value if value is None or rule is None else rule(value))
        if self._layout.links:
            row[self._links :] = [key_text(value) for value in row[self._links :]]
        return row


def _whole(text: str) -> int | float:
    return float(text) if text == "-0" else int(text)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        with deep_recursion():
            found = json.loads(line)  # orjson parses up to 1024 levels
    if type(found) is not dict:
        raise ValueError("a row is not a JSON object")
    return found


def texts(column: Column) -> Callable[[Any], str | None]:
    """A function from a raw value of the column, or an array element, to its text as a key."""
    single = Column(column.name, column.type, column.element or column.base)
    made: Rule | None = None
    if single.base == PADDED_KEY:
        made = str.rstrip
    elif single.base not in LITERAL_KEYS:
        made = expected_values.rule(single, None, Counter())

    def text(value: Any) -> str | None:
        return key_text(value if value is None or made is None else made(value))

    return text
