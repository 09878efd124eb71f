"""The documents of a share's rows, one row after the other: the definition of the conversion.

``compiled_documents`` makes the same documents from whole blocks, and calls this module for each
row that it cannot convert.

The results of joins for the rows of one share.

Look-ups that workers do themselves, with the keys of the rows that they convert.

A look-up of one column in a small table whose key is unique needs no join: each worker reads the
small table. So the table of the documents is not read once more for its keys.

Counts the homes of every table's rows and the unresolved references, then checks them.

The ``_id`` of an encoded document, as bytes that are equal if MongoDB treats two as equal.

Tables cut into shares for workers: consecutive blocks, with the ordinal of their first row.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import bson
import duckdb
from bson.decimal128 import Decimal128
from orjson import loads
from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest

from mediatool_assets.archive.reader import grouped, split_lines
from mediatool_assets.core.errors import BadArchive, BadValue, CountMismatch
from mediatool_assets.core.manifest import Block
from mediatool_assets.core.model import AdditionVerb
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import AddedField, Arrow, DocumentCollection, DocumentShape
from mediatool_assets.core.texts import decimal_text
from mediatool_assets.transform.documents import (
    WHOLE,
    BlockColumns,
    DocumentBuilder,
    GatherRequest,
    added_key,
    encoded_value,
    key_of,
    value_of,
)
from mediatool_assets.transform.joins import OCCURRENCE, Joins, Slices
from mediatool_assets.transform.values import Losses, converter, uncounted
from mediatool_assets.versions.records import Row, row_parser
from mediatool_assets.work.scratch import Spooling, identifier

HOMES = ("documents", "embedded", "orphans", "folded", "left_out")
"""Every row of the raw archive has one of these homes."""


@dataclass
class Counts:
    """The counts of one share, or of all shares.

    ``homes`` counts rows by home and table, ``unresolved`` and ``ambiguous`` references by
    ``collection.field``, ``losses`` values by ``table.column`` and kind.
    """

    homes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unresolved: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)
    losses: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add the counts of another share."""
        self.homes += other.homes
        self.unresolved += other.unresolved
        self.ambiguous += other.ambiguous
        for column, kinds in other.losses.items():
            self.losses[column] = self.losses.get(column, Counter()) + kinds

    def rows(self, tables: dict[str, int]) -> dict[str, dict[str, int]]:
        """For each table of the raw archive, its number of rows, and the number by home.

        Raises CountMismatch unless each row went to exactly one place.
        """
        result = {}
        for table, rows in tables.items():
            went = {home: self.homes[home, table] for home in HOMES}
            if sum(went.values()) != rows:
                raise CountMismatch(table, "rows that are accounted for", rows, went)
            result[table] = {"in": rows, **went}
        return result

    def facts(self, tables: dict[str, int]) -> dict[str, object]:
        """All counts for the manifest, in order of name."""
        return {
            "rows": self.rows(tables),
            "unresolved": dict(sorted(self.unresolved.items())),
            "ambiguous": dict(sorted(self.ambiguous.items())),
            "losses": {
                column: dict(sorted(kinds.items())) for column, kinds in sorted(self.losses.items())
            },
        }


class JoinMatch(NamedTuple):
    """One row of a slot, for one owner: the row that was found, or a count."""

    child: int | None
    unresolved: int
    ambiguous: int


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "128MB"})
    connection.execute("SET enable_progress_bar = false")
    return connection


_own_database = cache(_connection)
"""One for all shares of a process: its start takes as long as some thousand rows."""


class Slots:
    """The results of the joins for one range of root ordinals."""

    def __init__(self, joins: Joins, spools: Spooling, first: int, rows: int) -> None:
        self._joins, self._elsewhere = joins, spools.elsewhere
        self._range = (first, first + rows)
        self._db = _connection() if spools.elsewhere else _own_database().cursor()
        spools.reach(self._db)

    def by_owner(self, slot: str) -> dict[int, list[JoinMatch]]:
        """The results in order, by the owner's ordinal; none yet of a direct look-up."""
        if slot in self._joins.direct:
            return {}
        query = (
            "SELECT owner, child, unresolved, ambiguous FROM read_parquet(?) "
            "WHERE root >= ? AND root < ? ORDER BY root, owner, position, child"
        )
        found: dict[int, list[JoinMatch]] = {}
        for row in self._rows(query, self._files(slot), *self._range):
            found.setdefault(row[0], []).append(JoinMatch._make(row[1:]))
        return found

    def ordinals(self, arrow: Arrow) -> dict[str, int]:
        """The ordinals of all rows of a direct look-up's table, by key."""
        slices = self._joins.tables.get(arrow.table.name, ())
        if not slices:
            return {}
        key = identifier(key_of(arrow.keys[0]))
        query = f"SELECT {key}, min(o) FROM read_parquet(?) WHERE {key} IS NOT NULL GROUP BY ALL"  # noqa: S608  # quoted
        return dict(self._rows(query, [piece.file for piece in slices]))

    def values(self, slot: str, added: AddedField) -> dict[int, str]:
        """The JSON of every row in the slot, by ordinal: the taken columns, or the whole row."""
        table = added.path[-1].table.name
        if added.verb is AdditionVerb.COUNT or not (slices := self._joins.tables.get(table)):
            return {}
        query = f"SELECT o, {_value(added)} FROM read_parquet(?)"  # noqa: S608  # quoted
        if slot in self._joins.direct:
            return dict(self._rows(query, [piece.file for piece in slices]))
        query += " WHERE o IN (SELECT child FROM read_parquet(?) WHERE root >= ? AND root < ?)"
        slices = self._holding(slot, slices) if self._elsewhere else slices
        if not slices:
            return {}
        listed = [piece.file for piece in slices]
        return dict(self._rows(query, listed, self._files(slot), *self._range))

    def _holding(self, slot: str, slices: Slices) -> Slices:
        """The slices with any of the rows; only these are opened, with two requests each."""
        query = "SELECT DISTINCT child FROM read_parquet(?) WHERE root >= ? AND root < ?"
        rows = self._rows(query, self._files(slot), *self._range)
        starts = [piece.ordinals.start for piece in slices]
        found = {bisect_right(starts, child) - 1 for (child,) in rows if child is not None}
        return tuple(slices[at] for at in sorted(found))

    def _files(self, slot: str) -> list[str]:
        """The files of the slot that may have rows of the range."""
        first, end = self._range
        return [
            piece.file
            for piece in self._joins.slots[slot]
            if piece.ordinals.start < end and first < piece.ordinals.stop
        ]

    def positions(self, slot: str) -> dict[int, int]:
        """The slot's positions by owner."""
        query = "SELECT owner, position FROM read_parquet(?) WHERE root >= ? AND root < ?"
        return dict(self._rows(query, self._files(slot), *self._range))

    def only(self, collection: str) -> set[int]:
        """The ordinals of the range that belong to a collection of orphans."""
        query = "SELECT o FROM read_parquet(?) WHERE o >= ? AND o < ?"
        return {row[0] for row in self._rows(query, self._joins.only[collection], *self._range)}

    def _rows(self, query: str, *parameters: object) -> Iterator[Any]:
        result = self._db.execute(query, list(parameters))
        while batch := result.fetchmany(8192):
            yield from batch


def _value(added: AddedField) -> str:
    """The taken columns as one JSON list, or the whole row."""
    if added.shape is not None:
        return WHOLE
    names = (value_of(part.column.name).replace('"', '""') for part in added.take)
    return "'[' || " + " || ',' || ".join(f'"{name}"' for name in names) + " || ']'"


class AddedValues:
    """The added fields of one shape, for the rows of one range."""

    def __init__(
        self, place: str, shape: DocumentShape, slots: Slots, losses: Losses, counts: Counts
    ) -> None:
        slot_of = {f"{place}.{added.field}": added for added in shape.additions}
        self._fields = {
            slot: _Field(slot, added, slots, losses, counts) for slot, added in slot_of.items()
        }

    def put(self, slot: str, found: dict[int, list[JoinMatch]]) -> None:
        """What a direct look-up found for the rows that follow, by ordinal."""
        self._fields[slot].found = found

    def complete(self, row: Row, ordinal: int) -> None:
        """Put the values of all added fields into a row."""
        for each in self._fields.values():
            row[each.key] = each.value(row, ordinal)

    def cells(self) -> dict[str, Callable[[Row, int], bytes]]:
        """Functions from a row and its ordinal to BSON type and payload, one for each added field.

        They raise the errors of ``bson.encode``. Of the row, only looked-up arrays are needed.
        """
        return {field.key: field.cell for field in self._fields.values()}


_NO_VALUE = encoded_value(None)


class _Field:
    """One added field: its rows from the joins, and their conversion."""

    def __init__(
        self, slot: str, added: AddedField, slots: Slots, losses: Losses, counts: Counts
    ) -> None:
        self.key = added_key(added.field)
        self._slot, self._added, self._counts = slot, added, counts
        self.found = slots.by_owner(slot)
        self._values = slots.values(slot, added)
        self._taken: dict[int, Any] = {}
        self._cells: dict[int | None, bytes] = {}
        self._is_single = added.verb is AdditionVerb.LOOK_UP and not added.path[0].each
        self._parts = [
            (part.field, part.column.name, converter(part.column, part.type, uncounted))
            for part in added.take
        ]
        self._target = added.path[-1].table
        if added.shape is not None:
            self._parse = row_parser(self._target)
            self._documents = DocumentBuilder(added.shape, losses, root=False)
            self._attached = AddedValues(slot, added.shape, slots, losses, counts)

    def value(self, row: Row, owner: int) -> Any:
        """The field's value for one row."""
        found = self.found.get(owner, [])
        for item in found:
            if item.unresolved:
                self._counts.unresolved[self._slot] += 1
            if item.ambiguous:
                self._counts.ambiguous[self._slot] += 1
        match self._added.verb:
            case AdditionVerb.COUNT:
                return (found[0].child or 0) if found else 0
            case AdditionVerb.LOOK_UP:
                return self._looked_up(row, found)
            case AdditionVerb.UNION:
                return self._united(found)
            case AdditionVerb.FOLD:
                self._counts.homes["folded", self._target.name] += len(found)
                return [self._take(item.child) for item in found]
            case AdditionVerb.EMBED_MANY:
                return [self._embed(item.child) for item in found]
            case AdditionVerb.EMBED_ONE:
                return self._embed(found[0].child) if found else None

    def cell(self, row: Row, owner: int) -> bytes:
        """The field's value for one row as BSON; a row that many look up is encoded once."""
        if not self._is_single:
            return encoded_value(self.value(row, owner))
        found = self.found.get(owner)
        if not found:
            return _NO_VALUE
        first = found[0]
        cell = self._cells.get(first.child)
        if cell is None or first.unresolved or first.ambiguous:
            cell = self._cells[first.child] = encoded_value(self.value(row, owner))
        return cell

    def _looked_up(self, row: Row, found: list[JoinMatch]) -> Any:
        first = self._added.path[0]
        if not first.each:
            return self._take(found[0].child) if found else None
        array = row[first.columns[0]]
        if type(array) is not list:
            self._counts.unresolved[self._slot] += array is not None
            return None
        return [self._take(item.child) for item in found]

    def _united(self, found: list[JoinMatch]) -> list[Any]:
        """Each different value once: different rows may have equal taken columns."""
        once = {self._values[item.child]: item.child for item in found if item.child is not None}
        return [self._take(child) for child in once.values()]

    def _take(self, child: int | None) -> Any:
        """The taken columns of a row, converted once."""
        if child is None:
            return None
        if child not in self._taken:
            taken = {}
            values = loads(self._values[child])
            for (field, column, convert), value in zip(self._parts, values, strict=True):
                try:
                    taken[field] = value if value is None or convert is None else convert(value)
                except ValueError as error:
                    table, problem = self._target.name, f"cannot become {self._slot} ({error})"
                    raise BadValue(table, values, column, value, problem) from error
            self._taken[child] = taken.popitem()[1] if self._added.bare else taken
        return self._taken[child]

    def _embed(self, child: int | None) -> dict[str, Any]:
        ordinal = child or 0
        line = self._values[ordinal].encode()
        row = self._parse(line)
        self._attached.complete(row, ordinal)
        self._counts.homes["embedded", self._target.name] += 1
        return self._documents.document(row, line)


ROWS = 4096
"""Rows of a small table: each share of documents reads all of them."""

_NO_KEY = [JoinMatch(None, 0, 0)]
_UNRESOLVED = [JoinMatch(None, 1, 0)]


def is_direct(added: AddedField, rows: Mapping[str, int]) -> bool:
    """Whether workers do this look-up; ``rows`` are the numbers of rows of all tables."""
    if added.verb is not AdditionVerb.LOOK_UP or len(added.path) > 1:
        return False
    (arrow,) = added.path
    if arrow.each or arrow.caseless or len(arrow.columns) > 1:
        return False
    return arrow.unique and rows.get(arrow.table.name, 0) <= ROWS


class DirectLookUps:
    """The look-ups of one share, by slot; ``where`` names the archive, for messages."""

    def __init__(
        self, table: Table, lookups: Mapping[str, AddedField], slots: Slots, where: str
    ) -> None:
        columns = {slot: added.path[0].columns[0] for slot, added in lookups.items()}
        need = GatherRequest(table, keys=set(columns.values()))
        self._columns, self._names = BlockColumns(need, where), need.schema().names
        self._lookups = [
            (slot, key_of(columns[slot]), _matches(slots.ordinals(added.path[0])))
            for slot, added in lookups.items()
        ]

    def found(self, content: bytes, first: int) -> Iterator[tuple[str, dict[int, list[JoinMatch]]]]:
        """For each slot, what is found for the rows of a block, by ordinal; raises BadArchive.

        ``first`` is the ordinal of the block's first row.
        """
        arrays = dict(zip(self._names, self._columns.arrays(content, first), strict=True))
        for slot, name, matches in self._lookups:
            keys = arrays[name].to_pylist()
            yield slot, {at: matches.get(key, _UNRESOLVED) for at, key in enumerate(keys, first)}


def _matches(ordinals: Mapping[str, int]) -> dict[str | None, list[JoinMatch]]:
    return {None: _NO_KEY} | {key: [JoinMatch(at, 0, 0)] for key, at in ordinals.items()}


_FIXED = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x12: 8, 0x13: 16}
"""Bytes of a value by BSON type; others start with their length."""

_DECIMAL = 0x13
_BEGIN = 9  # after the document's length, the type, and the name "_id"


def identity(document: bytes) -> bytes:
    """Type and value of ``_id``, which is the document's first field; 1.0 and 1.00 are the same."""
    kind = document[4]
    if kind in _FIXED:
        length = _FIXED[kind]
    else:
        length = int.from_bytes(document[_BEGIN : _BEGIN + 4], "little")
        length += {0x02: 4, 0x05: 5}.get(kind, 0)
    value = document[4 : _BEGIN + length]
    if kind == _DECIMAL or (kind == 0x03 and _DECIMAL in value):
        found = bson.decode(document)["_id"]
        if _has_decimal(found):
            return bson.encode({"": _normal(found)})
    return value


def _has_decimal(value: Any) -> bool:
    if type(value) is dict:
        return any(map(_has_decimal, value.values()))
    return isinstance(value, Decimal128)


def _normal(value: Any) -> Any:
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        return "NaN" if number.is_nan() else decimal_text(number)
    if type(value) is dict:
        return {key: _normal(part) for key, part in value.items()}
    return value


SHARE_BYTES = 1 << 24
"""Least bytes of raw JSON in a share: more work than a task's start, little of a large table."""


class Cut(NamedTuple):
    """Consecutive blocks of a table; ``first`` is the ordinal of their first row."""

    blocks: tuple[Block, ...]
    first: int

    @property
    def rows(self) -> int:
        """Rows in all of its blocks."""
        return sum(block.rows for block in self.blocks)


def cuts(blocks: Sequence[Block]) -> Iterator[Cut]:
    """The whole table in cuts of SHARE_BYTES or, with the last block, a little more."""
    first = 0
    for share in grouped(blocks, lambda block: block.bytes, SHARE_BYTES):
        cut = Cut(tuple(share), first)
        yield cut
        first += cut.rows


class BlockDocuments(NamedTuple):
    """The documents of a block, as BSON, one after the other; the hash of the ``_id`` of each."""

    documents: bytes
    identities: list[int]


def identity_hash(document: bytes) -> int:
    """XXH3-64 of the identity of an encoded document."""
    return xxh3_64_intdigest(identity(document))


class RowDocuments:
    """Makes the documents of one share of a collection, and counts in ``counts`` and ``losses``.

    ``where`` names the archive, for messages.
    """

    def __init__(
        self,
        collection: DocumentCollection,
        cut: Cut,
        joins: Joins,
        spools: Spooling,
        *,
        where: str,
    ) -> None:
        self.collection, self._where = collection, where
        self.counts, self.losses = Counts(), Losses()
        self._table = collection.shape.table
        self._parse = row_parser(self._table)
        self.builder = DocumentBuilder(collection.shape, self.losses, root=True)
        self.attached: AddedValues | None = None
        self._occurrences: dict[int, int] = {}
        self.only: set[int] | None = None
        self._direct: DirectLookUps | None = None
        own = f"{collection.name}."
        slots = [name for name in (*joins.slots, *joins.direct) if name.startswith(own)]
        if slots or collection.name in joins.only:
            found = Slots(joins, spools, cut.first, cut.rows)
            if collection.name in joins.only:
                self.only = found.only(collection.name)
            if collection.shape.additions:
                self.attached = AddedValues(
                    collection.name, collection.shape, found, self.losses, self.counts
                )
                additions = {own + added.field: added for added in collection.shape.additions}
                direct = {slot: a for slot, a in additions.items() if slot in joins.direct}
                if direct:
                    self._direct = DirectLookUps(self._table, direct, found, where)
            if not collection.shape.key:
                self._occurrences = found.positions(f"{collection.name}.{OCCURRENCE}")

    def look_up(self, content: bytes, first: int) -> None:
        """Do the direct look-ups of a block's rows, before its documents are made."""
        if self._direct is not None and self.attached is not None:
            for slot, found in self._direct.found(content, first):
                self.attached.put(slot, found)

    def block(self, content: bytes, first: int) -> BlockDocuments:
        """The documents of a block whose first row has the ordinal ``first``."""
        rows = enumerate(split_lines(content), first)
        documents = [self.document(line, at) for at, line in rows if self.is_wanted(at)]
        return BlockDocuments(b"".join(documents), list(map(identity_hash, documents)))

    def is_wanted(self, ordinal: int) -> bool:
        """Whether the row belongs to the collection; a collection of orphans has only some rows."""
        return self.only is None or ordinal in self.only

    def document(self, line: bytes, ordinal: int) -> bytes:
        """The document of one row, as BSON; raises BadValue or BadArchive."""
        row = self._row(line, ordinal)
        if self.attached is not None:
            self.attached.complete(row, ordinal)
        if not self.collection.shape.key:
            row[added_key("_id")] = self.content_id(line, ordinal)
        return self.builder.encode(self.builder.document(row, line), row)

    def content_id(self, line: bytes, ordinal: int) -> str:
        """The ``_id`` of a row without a key: its content's hash, its number among equal rows."""
        return f"{xxh3_128_hexdigest(line)}-{self._occurrences.get(ordinal, 1)}"

    def _row(self, line: bytes, ordinal: int) -> Row:
        try:
            return self._parse(line)
        except ValueError as error:
            problem = f"{self._table.name}: row {ordinal + 1}: {error}"
            raise BadArchive(self._where, problem) from error
