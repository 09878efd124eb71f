"""The DuckDB database of a transform's joins, within a fixed amount of memory.

Every added field of a model becomes one file of ``(root, owner, position, child, unresolved,
ambiguous)``, in the order of the root's rows, that workers read by range:

- ``root`` and ``owner`` are ordinals: of the document's row, and of the row that has the field;
- ``child`` is the ordinal of the row that was found, or a count.

Values are not joined: workers read the values of their own range by ordinal. DuckDB's sort spills
keys well and wide values badly (1 GB of 1 KB values did not sort within 256 MB).

The joins of documents in one DuckDB database, and their result files for workers.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import duckdb
import pyarrow.parquet as pq

from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.model import AdditionVerb, Order
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import (
    AddedField,
    Arrow,
    DocumentCollection,
    DocumentShape,
    is_unique,
)
from mediatool_assets.transform.documents import HASH, GatherRequest, key_of, keys_of
from mediatool_assets.work.scratch import (
    MEMORY,
    Spooling,
    cased,
    duckdb_session,
    identifier,
    literal,
)

# ruff: noqa: S608  # every name in a query is quoted by identifier or literal, or our own


class JoinDatabase:
    """A DuckDB database for one transform or a part of its joins; a context manager."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._db, self._scratch = connection, scratch
        self._files = 0
        self._firsts: dict[tuple[str, tuple[str, ...], tuple[bool, ...]], str] = {}

    @classmethod
    @contextmanager
    def opened(cls, spools: Spooling, scratch: Path, memory: str = MEMORY) -> Iterator[Self]:
        """A database that reads gathered files, and writes and spills to ``scratch``."""
        with duckdb_session(scratch, memory) as connection:
            spools.reach(connection)
            yield cls(connection, scratch)

    def add_table(self, need: GatherRequest, files: Sequence[str]) -> None:
        """Make a gathered table known."""
        if not files:
            empty = self._new()
            pq.write_table(need.schema().empty_table(), empty)
            files = [empty]
        listed = ", ".join(map(literal, files))
        self._run(f"CREATE VIEW {_table(need.table)} AS FROM read_parquet([{listed}])")

    def root_rows(self, table: Table, within: range | None = None) -> str:
        """``(root, o)`` of a table whose rows are root documents: all, or these ordinals."""
        return self._write(f"SELECT o AS root, o FROM {_table(table)} {_among(within)}", "o")

    def orphan_rows(self, orphans: str, within: range | None = None) -> str:
        """``(root, o)`` of the orphans: rows without a document to be embedded in."""
        return self._write(f"SELECT o AS root, o FROM {_file(orphans)} {_among(within)}", "o")

    def embedded_rows(self, placed: str, rows: str) -> str:
        """``(root, o)`` of the embedded rows of the documents that have ``rows``."""
        return self._write(
            f"SELECT m.root, p.child AS o FROM {_file(placed)} p "
            f"JOIN {_file(rows)} m ON m.o = p.owner",
            "root, o",
        )

    def occurrences(self, table: Table, bucket: int = 0, buckets: int = 1) -> str:
        """The second, third, ... of rows that are equal in every column, with their number.

        Rows are divided into buckets by hash, so equal rows are in the same bucket.
        """
        mine = f"WHERE hash({HASH}) % {buckets} = {bucket} " if buckets > 1 else ""
        return self._write(
            f"SELECT o AS root, o AS owner, row_number() OVER (PARTITION BY {HASH} ORDER BY o) "
            f"AS position, NULL AS child, 0 AS unresolved, 0 AS ambiguous "
            f"FROM {_table(table)} {mine}QUALIFY position > 1",
            "root",
        )

    def place(self, added: AddedField, owner: Table, among: str | None = None) -> str:
        """Assign every row of an embedded or folded table to one owner row, or to none.

        Returns a file of (owner, child, position, ambiguous). ``among`` limits it to some owners;
        the rows of an owner do not depend on the other owners.
        """
        arrow = added.path[0]
        order = _ordered(added.order, arrow.table, "c")
        firsts = self._first(owner, arrow.columns, _caseless(arrow))
        if among is not None:
            firsts = f"(SELECT f.* FROM {firsts} f SEMI JOIN {_file(among)} m ON m.o = f.o)"
        equal = " AND ".join(
            f"{_key('c', key, caseless)} = {_key('p', column, caseless)}"
            for column, key, caseless in zip(
                arrow.columns, arrow.keys, _caseless(arrow), strict=True
            )
        )
        return self._write(
            f"SELECT p.o AS owner, c.o AS child, (p.n > 1)::INT AS ambiguous, "
            f"row_number() OVER (PARTITION BY p.o ORDER BY {order}) AS position "
            f"FROM {_table(arrow.table)} c JOIN {firsts} p ON {equal}"
            + (" QUALIFY position = 1" if added.verb is AdditionVerb.EMBED_ONE else ""),
            "child",
        )

    def orphans(self, added: AddedField, placed: str) -> str:
        """The rows of an embedded table to which ``place`` assigned no owner."""
        table = _table(added.path[0].table)
        return self._write(
            f"SELECT c.o FROM {table} c ANTI JOIN {_file(placed)} p ON p.child = c.o", "o"
        )

    def embed_slot(self, placed: str, rows: str) -> str:
        """The slot of an embedded or folded table."""
        return self._write(
            f"SELECT m.root, p.owner, p.position, p.child, 0 AS unresolved, p.ambiguous "
            f"FROM {_file(placed)} p JOIN {_file(rows)} m ON m.o = p.owner",
            "root, owner, position",
        )

    def lookup_slot(self, added: AddedField, owner: Table, rows: str) -> str:
        """The slot of a look_up: one row for a reference, or for each element of an array."""
        current = self._start(added.path[0], owner, rows)
        for position, arrow in enumerate(added.path):
            following = added.path[position + 1] if position + 1 < len(added.path) else None
            picked = _keys("u", following) if following else "u.o AS child"
            current = (
                f"SELECT c.root, c.owner, c.position, {picked}, "
                f"greatest(c.unresolved, ({_known(arrow)} AND u.o IS NULL)::INT) AS unresolved, "
                f"greatest(c.ambiguous, (coalesce(u.n, 1) > 1)::INT) AS ambiguous "
                f"FROM ({current}) c "
                f"LEFT JOIN {self._first(arrow.table, arrow.keys, _caseless(arrow))} u "
                f"ON {_matches('u', arrow)}"
            )
        return self._write(current, "root, owner, position")

    def union_slot(self, added: AddedField, owner: Table, rows: str) -> str:
        """The slot of a union: each row once, in the order of the rows or elements before it."""
        *before, last = added.path
        current = self._walk(before, last, owner, rows)
        side = "LEFT JOIN" if last.unique else "JOIN"
        key = " || ',' || ".join(f"c.k{i}" for i in range(len(last.keys)))
        return self._write(
            f"SELECT DISTINCT c.root, c.owner, {key} AS position, u.o AS child, "
            f"(u.o IS NULL)::INT AS unresolved, 0 AS ambiguous "
            f"FROM ({current}) c {side} {_table(last.table)} u ON {_matches('u', last)} "
            f"WHERE {_known(last)}",
            "root, owner, position, child",
        )

    def count_slot(self, added: AddedField, owner: Table, rows: str) -> str:
        """The slot of a count: how many different rows the path reaches."""
        *before, last = added.path
        current = self._walk(before, last, owner, rows)
        return self._write(
            f"SELECT c.root, c.owner, 0 AS position, count(DISTINCT u.o) AS child, "
            f"0 AS unresolved, 0 AS ambiguous FROM ({current}) c "
            f"JOIN {_table(last.table)} u ON {_matches('u', last)} GROUP BY c.root, c.owner",
            "root, owner",
        )

    def _walk(self, before: Sequence[Arrow], last: Arrow, owner: Table, rows: str) -> str:
        """All rows that a path reaches before its last arrow: root, owner and that arrow's keys."""
        steps = [*before, last]
        current = self._start(steps[0], owner, rows)
        for arrow, following in pairwise(steps):
            source = self._unnested(following, arrow.table)
            current = (
                f"SELECT c.root, c.owner, {_keys('u', following)} "
                f"FROM ({current}) c JOIN {source} u ON {_matches('u', arrow)}"
            )
        return current

    def _start(self, arrow: Arrow, owner: Table, rows: str) -> str:
        """The owner's rows with the keys of the first arrow."""
        position = "e.position" if arrow.each else "0"
        return (
            f"SELECT m.root, e.o AS owner, {position} AS position, "
            f"{_keys('e', arrow)}, 0 AS unresolved, 0 AS ambiguous "
            f"FROM {self._unnested(arrow, owner)} e JOIN {_file(rows)} m ON m.o = e.o"
        )

    def _unnested(self, arrow: Arrow, owner: Table) -> str:
        """The table of an arrow's columns; with a row for each element if the arrow has ``[]``."""
        if not arrow.each:
            return _table(owner)
        array = identifier(keys_of(arrow.columns[0]))
        return (
            f"(SELECT *, unnest({array}) AS element, generate_subscripts({array}, 1) AS position "
            f"FROM {_table(owner)})"
        )

    def _first(self, table: Table, keys: tuple[str, ...], caseless: tuple[bool, ...]) -> str:
        """The table with one row for each key, and ``n``, how many it has."""
        what = (table.name, keys, caseless)
        if what not in self._firsts:
            self._firsts[what] = self._firsts_of(table, keys, caseless)
        return self._firsts[what]

    def _firsts_of(self, table: Table, keys: tuple[str, ...], caseless: tuple[bool, ...]) -> str:
        """The table itself if its key is unique in the database; else the first row of each key."""
        if is_unique(table, keys):
            return f"(SELECT *, 1 AS n FROM {_table(table)})"
        names = ", ".join(_key("t", key, lower) for key, lower in zip(keys, caseless, strict=True))
        present = " AND ".join(f"{identifier(key_of(key))} IS NOT NULL" for key in keys)
        order = _ordered((), table, "t")
        file = self._write(
            f"SELECT o, n FROM (SELECT o, count(*) OVER (PARTITION BY {names}) AS n, "
            f"row_number() OVER (PARTITION BY {names} ORDER BY {order}) AS place "
            f"FROM {_table(table)} t WHERE {present}) WHERE place = 1",
            "o",
        )
        return f"(SELECT t.*, f.n FROM {_table(table)} t JOIN {_file(file)} f ON f.o = t.o)"

    def _write(self, query: str, order: str) -> str:
        file = self._new()
        self._run(
            f"COPY ({query} ORDER BY {order}) TO {literal(file)} "
            "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384, ROW_GROUP_SIZE_BYTES 4194304)"
        )
        return file

    def _new(self) -> str:
        """The path of a new file."""
        self._files += 1
        return str(self._scratch / f"join-{self._files:04}.parquet")

    def _run(self, statement: str) -> None:
        try:
            try:
                self._db.execute(statement)
            except duckdb.OutOfMemoryException:
                self._db.execute("SET threads = 1")  # each thread wants buffers of its own
                self._db.execute(statement)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise CheckFailed(
                f"the joins ended with: {str(error).splitlines()[0]}; nothing was published, "
                f"make room in {self._scratch} and run the step again"
            ) from error


def _table(table: Table) -> str:
    return identifier(f"t:{cased(table.name)}")


def _file(name: str) -> str:
    return f"read_parquet({literal(name)})"


def _among(ordinals: range | None) -> str:
    return "" if ordinals is None else f"WHERE o >= {ordinals.start} AND o < {ordinals.stop}"


def _key(alias: str, column: str, caseless: bool) -> str:
    value = f"{alias}.{identifier(key_of(column))}"
    return f"lower({value})" if caseless else value


def _caseless(arrow: Arrow) -> tuple[bool, ...]:
    """For each key: True if it is compared case-insensitively."""
    return tuple(key in arrow.caseless for key in arrow.keys)


def _keys(alias: str, arrow: Arrow) -> str:
    """The values that the arrow matches, as k0, k1, ..."""
    if arrow.each:
        return f"lower({alias}.element) AS k0" if arrow.caseless else f"{alias}.element AS k0"
    pairs = zip(arrow.columns, _caseless(arrow), strict=True)
    return ", ".join(f"{_key(alias, c, lower)} AS k{i}" for i, (c, lower) in enumerate(pairs))


def _matches(alias: str, arrow: Arrow) -> str:
    pairs = zip(arrow.keys, _caseless(arrow), strict=True)
    return " AND ".join(f"{_key(alias, k, lower)} = c.k{i}" for i, (k, lower) in enumerate(pairs))


def _known(arrow: Arrow) -> str:
    """That no part of the key is null."""
    return " AND ".join(f"c.k{i} IS NOT NULL" for i in range(len(arrow.keys)))


def _ordered(wanted: Sequence[Order], table: Table, alias: str) -> str:
    """A total order of rows: the model's order, then the key, then the table's own order."""
    parts = []
    for order in (*wanted, *(Order(column, False) for column in table.primary_key)):
        value = f"{alias}.{identifier(key_of(order.column))}"
        direction = "DESC NULLS LAST" if order.descending else "ASC NULLS LAST"
        if table.column(order.column).category == "N":
            parts.append(f"TRY_CAST({value} AS DOUBLE) {direction}")
        parts.append(f"{value} {direction}")
    return ", ".join([*parts, f"{alias}.o"])


def needs(shape: DocumentShape) -> Iterator[tuple[Table, str, tuple[str, ...]]]:
    """The table columns that a shape's additions need: ``(table, kind, columns)``."""
    for added in shape.additions:
        owner = shape.table
        for arrow in added.path:
            yield owner, "arrays" if arrow.each else "keys", arrow.columns
            yield arrow.table, "keys", (*arrow.keys, *arrow.table.primary_key)
            owner = arrow.table
        yield shape.table, "keys", shape.table.primary_key
        yield owner, "values", tuple(part.column.name for part in added.take)
        yield owner, "keys", tuple(order.column for order in added.order)
        if added.shape is not None:
            yield owner, "whole", ()
            yield from needs(added.shape)


OCCURRENCE = "_id"
"""The name of the slot of a collection whose documents have no key."""


class OrdinalSlice(NamedTuple):
    """A file with the rows of some ordinals."""

    ordinals: range
    file: str


Slices = tuple[OrdinalSlice, ...]

EVERY = range(1 << 62)
"""The ordinals of all possible rows."""


@dataclass(frozen=True, slots=True)
class Joins:
    """Files for workers: ``slots`` by ``collection.field``, in slices of the root's rows, ``only``
    the rows of a collection of orphans, by collection, and ``tables`` what was gathered of each.

    ``direct`` are the look-ups that have no slot: workers do them (direct_lookups.py).
    """

    slots: Mapping[str, Slices]
    only: Mapping[str, str]
    tables: Mapping[str, Slices]
    direct: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GatheredColumns:
    """The input of the joins, which is sent to workers."""

    needs: tuple[GatherRequest, ...]
    tables: Mapping[str, Slices]
    spools: Spooling
    memory: str

    @contextmanager
    def database(self, scratch: Path) -> Iterator[JoinDatabase]:
        """A database with all gathered tables."""
        with JoinDatabase.opened(self.spools, scratch, self.memory) as database:
            for need in self.needs:
                slices = self.tables.get(need.table.name, ())
                database.add_table(need, [piece.file for piece in slices])
            yield database


@dataclass
class JoinSession:
    """The joins in one database: of all rows, or of some rows of one collection."""

    database: JoinDatabase
    slots: dict[str, str] = field(default_factory=dict)
    placements: dict[str, tuple[AddedField, str]] = field(default_factory=dict)

    def joins(
        self, collections: Sequence[DocumentCollection], tables: Mapping[str, Slices]
    ) -> Joins:
        """All slots; collections of orphans last, since they need the results of ``place``."""
        only: dict[str, str] = {}
        for collection in sorted(collections, key=lambda c: c.orphans_of is not None):
            orphans = None
            if collection.orphans_of is not None:
                orphans = self.database.orphans(*self.placements[collection.orphans_of])
                only[collection.name] = orphans
            if not collection.shape.key:
                occurrences = self.database.occurrences(collection.shape.table)
                self.slots[f"{collection.name}.{OCCURRENCE}"] = occurrences
            if collection.shape.additions:
                self.collection(collection, orphans)
        slots = {slot: (OrdinalSlice(EVERY, file),) for slot, file in self.slots.items()}
        return Joins(slots, only, tables)

    def collection(
        self,
        collection: DocumentCollection,
        orphans: str | None,
        within: range | None = None,
    ) -> None:
        """The slots of a collection, of all documents or of those whose rows are ``within``."""
        if orphans is not None:
            rows = self.database.orphan_rows(orphans, within)
        else:
            rows = self.database.root_rows(collection.shape.table, within)
        self._shape(collection.name, collection.shape, rows, some=within is not None)

    def _shape(self, place: str, shape: DocumentShape, rows: str, *, some: bool) -> None:
        owner: Table = shape.table
        for added in shape.additions:
            slot = f"{place}.{added.field}"
            match added.verb:
                case AdditionVerb.LOOK_UP:
                    self.slots[slot] = self.database.lookup_slot(added, owner, rows)
                case AdditionVerb.UNION:
                    self.slots[slot] = self.database.union_slot(added, owner, rows)
                case AdditionVerb.COUNT:
                    self.slots[slot] = self.database.count_slot(added, owner, rows)
                case _:
                    placed = self.database.place(added, owner, rows if some else None)
                    self.placements[slot] = added, placed
                    self.slots[slot] = self.database.embed_slot(placed, rows)
                    if added.shape is not None and added.shape.additions:
                        within = self.database.embedded_rows(placed, rows)
                        self._shape(slot, added.shape, within, some=some)
