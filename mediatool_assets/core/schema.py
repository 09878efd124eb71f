"""The schema of the source as read in the snapshot: the content of ``schema.json``."""

import hashlib
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from mediatool_assets.domain.gaps import OutsideDependency
from mediatool_assets.domain.json_documents import JsonDocument


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
