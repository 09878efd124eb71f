"""The schema of a source, and what follows from it: dependencies, structure, chunks.

The schema of the source as read in the snapshot: the content of ``schema.json``.

Objects of the exported schemas that depend on objects outside of them.

Compares the structure of two schemas, for instance of a restored database.

Releases of PostgreSQL servers and clients, and their order.

A chunk of a table: the rows that one worker reads at once.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from mediatool_assets.core.texts import JsonDocument


class NamedEntry(Protocol):
    """An entry of ``schema.sql``."""

    @property
    def name(self) -> str:
        """Its name; for a trigger, its table's name, a space, and its own name."""

    @property
    def namespace(self) -> str:
        """Its schema."""


def _names(entry: NamedEntry) -> Iterator[str]:
    """The names by which PostgreSQL identifies the object: ``s.v``, ``trigger on s.t``."""
    yield f"{entry.namespace}.{entry.name}"
    relation, space, part = entry.name.partition(" ")
    if space:
        yield f"{part} on {entry.namespace}.{relation}"


class OutsideDependency(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object of the exported schemas that needs an object outside of them.

    Kinds and names are PostgreSQL's own (``pg_identify_object``). ``schema`` is the schema of the
    needed object; None if it is in no schema, like a foreign server.
    """

    kind: str
    name: str
    needs_kind: str
    needs: str
    schema: str | None = None

    @property
    def stops_restore(self) -> bool:
        """Whether the object cannot be created without it; a foreign key is left out instead."""
        return self.kind != "table constraint"

    def is_of(self, entries: Iterable[NamedEntry]) -> bool:
        """Whether one of these entries of ``schema.sql`` creates the object."""
        return self.name.replace('"', "") in {name for each in entries for name in _names(each)}

    def __str__(self) -> str:
        if self.kind == "table constraint":
            fate = "restores leave it out"
            what = f"the foreign key {self.name} refers to {self.needs}"
        else:
            fate = "a restore fails"
            what = f"the {self.kind} {self.name} needs the {self.needs_kind} {self.needs}"
        if self.name == self.needs:
            what = f"the {self.kind} {self.name} has rows of a table in an exported schema, and is"
        if self.schema is None or self.needs_kind == "foreign table":
            return f"{what}, which no version carries: {fate}; {_SKIP}"
        fix = f"add {self.schema} to MEDIATOOL_POSTGRES_SCHEMA"
        where = f"in a schema that is not exported: {fate}; {fix}"
        if self.name == self.needs:
            return f"{what} {where}"
        return f"{what}, {where}, or {_SKIP}" if self.stops_restore else f"{what}, {where}"


_SKIP = "leave it out of restores with MEDIATOOL_RESTORE_SKIP"


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column, in table order.

    ``type`` is PostgreSQL's ``format_type`` text, with a domain's own name. ``base`` is the type
    below all domains, ``element`` that of an array's elements; both without modifiers. ``category``
    is ``pg_type.typcategory`` of the base type and ``kind`` its ``typtype`` (``b`` base, ``c``
    composite, ``e`` enum, ``r`` range, ``m`` multirange). A ``computed_anew`` column is null in a
    sanitized copy; PostgreSQL computes it when the copy is restored.
    """

    name: str
    type: str
    base: str
    kind: str = "b"
    category: str = "U"
    nullable: bool = True
    element: str | None = None
    element_kind: str | None = None
    default: str | None = None
    generated: bool = False
    computed_anew: bool = False
    identity: str | None = None
    comment: str | None = None

    @property
    def is_float(self) -> bool:
        """Whether its values, or an array's elements, are real or double precision."""
        return (self.element or self.base) in ("real", "double precision")

    @property
    def plain_type(self) -> str:
        """The type without domains and modifiers, as models name it: ``uuid[]``, ``shop.state``."""
        return self.base if self.element is None else f"{self.element}[]"

    def caseless_with(self, other: "Column") -> bool:
        """Whether PostgreSQL compares the two without case: only if both are citext."""
        return self.value_type == other.value_type == "citext"

    @property
    def value_type(self) -> str:
        """The type of its values, or of an array's elements, without its schema: ``citext``."""
        return (self.element or self.base).rpartition(".")[2]


class ForeignKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A declared foreign key, columns in matching order.

    ``on_delete`` is the action when the referenced row is deleted, unless that is refused:
    ``cascade``, ``set null`` or ``set default``. A key that is not ``validated`` (NOT VALID, NOT
    ENFORCED) was never checked for all rows. In a temporal one (``period``) the last column is a
    range of time, which several rows of the target may cover together. The values of a key that is
    not ``exact`` can be equal although their texts differ: intervals, documents, case-insensitive
    texts.
    """

    name: str
    columns: tuple[str, ...]
    table: str
    target_columns: tuple[str, ...]
    on_delete: str | None = None
    validated: bool = True
    period: bool = False
    exact: bool = True


class Index(msgspec.Struct, frozen=True):
    """One index, with the DDL that PostgreSQL prints."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    definition: str


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One table; ``partitions`` names the leaves of a partitioned one, whose rows are its own.

    ``namespace`` is its PostgreSQL schema if several were exported; ``name`` then begins with it.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    partitions: tuple[str, ...] = ()
    comment: str | None = None
    namespace: str | None = None

    @property
    def relation(self) -> str:
        """Its name inside its PostgreSQL schema."""
        return self.name.removeprefix(f"{self.namespace}.") if self.namespace else self.name

    @property
    def identifying_keys(self) -> tuple[tuple[str, ...], ...]:
        """The unique keys without a nullable column: each identifies every row."""
        nullable = {column.name for column in self.columns if column.nullable}
        return tuple(key for key in self.unique_keys if not nullable.intersection(key))

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class Sequence(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sequence and its position; unless ``called``, the next value is ``last_value``.

    ``namespace`` and ``name`` are defined as for a table.
    """

    name: str
    last_value: int
    called: bool = True
    namespace: str | None = None

    @property
    def relation(self) -> str:
        """Its name inside its PostgreSQL schema."""
        return self.name.removeprefix(f"{self.namespace}.") if self.namespace else self.name


class Enum(msgspec.Struct, frozen=True):
    """An enum type and its labels in order."""

    name: str
    labels: tuple[str, ...]


class Schema(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """The content of ``schema.json``: one PostgreSQL schema or several, tables by name.

    With several, ``name`` is a list with commas, and the names of tables, sequences, enums and
    views begin with their schema and a dot. ``views`` also names materialized views;
    ``unpopulated`` names those that were WITH NO DATA. ``foreign_tables`` have their rows on other
    servers, which no snapshot covers. ``gaps`` are objects that depend on an object outside of
    these schemas.
    """

    INDENT: ClassVar = 1

    name: str
    tables: tuple[Table, ...]
    enums: tuple[Enum, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    views: tuple[str, ...] = ()
    unpopulated: tuple[str, ...] = ()
    foreign_tables: tuple[str, ...] = ()
    gaps: tuple[OutsideDependency, ...] = ()

    def table(self, name: str) -> Table:
        """The table of that name; raises KeyError."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def fingerprint(self) -> str:
        """SHA-256 of the structure: two versions with equal fingerprints have the same schema.

        The positions of sequences and whether a view was populated are data, not structure, and are
        left out; so are dependencies on objects outside.
        """
        structure = msgspec.structs.replace(self, sequences=(), unpopulated=(), gaps=())
        return hashlib.sha256(structure.to_json()).hexdigest()

    def checked(self) -> "Schema":
        """The schema, whose tables and columns must have different names, and keys equal sides."""
        _require_different("table", (table.name for table in self.tables))
        for table in self.tables:
            _require_different(f"column of {table.name}", (column.name for column in table.columns))
            for key in table.foreign_keys:
                if len(key.columns) != len(key.target_columns):
                    problem = f"a foreign key of {table.name} has {len(key.columns)} columns for "
                    raise msgspec.ValidationError(f"{problem}{len(key.target_columns)}")
        return self


def namespaces(schema: str) -> tuple[str, ...]:
    """The PostgreSQL schemas in a ``Schema.name``: one, or a list with commas."""
    return tuple(name for part in schema.split(",") if (name := part.strip()))


_LONGEST_NAME = 1024  # characters; PostgreSQL's have 63 bytes, plus those of their schema


def _require_different(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if len(name) > _LONGEST_NAME:
            raise msgspec.ValidationError(f"the {what} {name[:40]}... has {len(name)} characters")
        if name in seen:
            raise msgspec.ValidationError(f"the {what} {name} is listed twice")
        seen.add(name)


_Named = Table | Enum | Sequence


def differing(
    wanted: Schema, found: Schema, *, left_out: Collection[str], texts: bool
) -> list[str]:
    """The tables, enums, sequences and views that only one schema has, or that differ.

    Columns are matched by name: PostgreSQL creates a parent's columns first, even if they were
    added later.

    Foreign keys named in ``left_out`` (``table key``) are not required. Without ``texts``, defaults
    and index definitions are not compared, because servers of other releases print them
    differently.
    """
    wanted, found = _comparable(wanted, left_out, texts), _comparable(found, (), texts)
    return [
        *_unequal(wanted.tables, found.tables),
        *_unequal(wanted.enums, found.enums),
        *_unequal(wanted.sequences, found.sequences),
        *sorted({*wanted.views} ^ {*found.views}),
    ]


def in_its_order(found: Schema, wanted: Schema) -> Iterator[Table]:
    """The tables found, with their columns in the wanted order, matched by name.

    A table with other columns than the wanted ones is unchanged.
    """
    tables = {table.name: table for table in wanted.tables}
    for table in found.tables:
        names = [column.name for column in tables.get(table.name, table).columns]
        columns = {column.name: column for column in table.columns}
        if columns.keys() == set(names):
            columns_in_order = tuple(columns[name] for name in names)
            yield msgspec.structs.replace(table, columns=columns_in_order)
        else:
            yield table


def _comparable(schema: Schema, left_out: Collection[str], texts: bool) -> Schema:
    tables = (
        msgspec.structs.replace(
            table,
            columns=tuple(sorted(table.columns, key=attrgetter("name"))),
            foreign_keys=tuple(  # older archives have no more about them
                ForeignKey(key.name, key.columns, key.table, key.target_columns)
                for key in table.foreign_keys
                if f"{table.name} {key.name}" not in left_out
            ),
        )
        for table in schema.tables
    )
    compared = tables if texts else map(_wordless, tables)
    return msgspec.structs.replace(schema, tables=tuple(compared))


def _wordless(table: Table) -> Table:
    return msgspec.structs.replace(
        table,
        indexes=tuple(msgspec.structs.replace(i, definition="") for i in table.indexes),
        columns=tuple(msgspec.structs.replace(c, default=None) for c in table.columns),
    )


def _unequal(wanted: Iterable[_Named], found: Iterable[_Named]) -> Iterator[str]:
    left, right = ({item.name: item for item in side} for side in (wanted, found))
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield name


_RELEASE = re.compile(r"(\d+)(?:\.(\d+))?")


class Release(NamedTuple):
    """A release: ``17.12``."""

    major: int
    minor: int

    @classmethod
    def of(cls, number: int) -> "Release":
        """The release with this ``server_version_num``."""
        return cls(*divmod(number, 10_000))

    @classmethod
    def parse(cls, text: str | int | None) -> "Release":
        """The release that a version text begins with; 0.0 for any other text."""
        match = _RELEASE.match(str(text))
        return cls(int(match[1]), int(match[2] or 0)) if match else cls(0, 0)

    def dumps(self, server: "Release") -> bool:
        """Whether a pg_dump of this release can dump everything that the server may store."""
        return self.major == server.major and self.minor >= server.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows ``first`` to ``first + rows`` of a table's order.

    ``bounds`` is defined by the source (a relation and a range of it). ``rows`` was counted in the
    snapshot; the number of rows read is compared with it.
    """

    table: str
    index: int
    first: int
    rows: int
    bounds: tuple[str, ...]
