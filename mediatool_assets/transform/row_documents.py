"""The results of joins for the rows of one share."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import duckdb
from orjson import loads

from mediatool_assets.domain.errors import BadValue
from mediatool_assets.domain.model import AdditionVerb
from mediatool_assets.domain.shapes import AddedField, Arrow, DocumentShape
from mediatool_assets.flows.transform.counts import Counts
from mediatool_assets.flows.transform.documents import DocumentBuilder, added_key, encoded_value
from mediatool_assets.flows.transform.gathering import WHOLE, key_of, value_of
from mediatool_assets.flows.transform.join_session import Joins, Slices
from mediatool_assets.flows.transform.losses import Losses, uncounted
from mediatool_assets.flows.transform.values import converter
from mediatool_assets.flows.versions.raw_rows import Row, row_parser
from mediatool_assets.flows.workers.duckdb_session import identifier
from mediatool_assets.flows.workers.spooling import Spooling


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
        for field in self._fields.values():
            row[field.key] = field.value(row, ordinal)

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
