"""The model: which source tables become which MongoDB collections.

These values are what the file contains, each with its line number. ``domain.resolution`` compares
them with a source's schema and adds the defaults.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mediatool_assets.domain.expectations import LEARNT, Bounds


class AdditionVerb(StrEnum):
    """How an added field is made; the value is the word in the model file."""

    LOOK_UP = "look_up"
    UNION = "union"
    COUNT = "count"
    FOLD = "fold"
    EMBED_ONE = "embed_one"
    EMBED_MANY = "embed_many"

    @property
    def is_home(self) -> bool:
        """Whether the rows of its table are stored in this field, and nowhere else."""
        return self in (AdditionVerb.FOLD, AdditionVerb.EMBED_ONE, AdditionVerb.EMBED_MANY)


class TypeChanges(StrEnum):
    """What to do if the kind of a column's type has changed since the model was written."""

    STRICT = "strict"
    FLAG = "flag"
    ACCEPT = "accept"


class FieldType(StrEnum):
    """The types that a model can give a column instead of the default of its PostgreSQL type."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    DOUBLE = "double"
    DECIMAL = "decimal"
    BOOL = "bool"
    DATE = "date"
    UUID = "uuid"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow of a path, ``columns -> table.keys``: rows whose keys equal the columns' values.

    ``keys`` is empty if the table's own key is meant. ``each``: the (only) column is an array whose
    elements are matched one by one (``columns[]`` in the file).
    """

    columns: tuple[str, ...]
    table: str
    keys: tuple[str, ...]
    each: bool
    line: int

    def __str__(self) -> str:
        keys = f".{_listed(self.keys)}" if self.keys else ""
        return f"{_listed(self.columns)}{'[]' * self.each} -> {in_arrow(self.table)}{keys}"


@dataclass(frozen=True, slots=True)
class Take:
    """What is taken from the rows found: one plain value, or a sub-document."""

    columns: tuple[tuple[str, str], ...]
    bare: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One column to sort by."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class RenamedField:
    """A column with another field name than its camelCase one; dots make sub-documents."""

    column: str
    field: str
    line: int


@dataclass(frozen=True, slots=True)
class Retype:
    """A column whose field has another type than the default of its PostgreSQL type."""

    column: str
    type: FieldType
    line: int


@dataclass(frozen=True, slots=True)
class FieldAddition:
    """A field that is added to a document: looked up, embedded, folded or counted.

    ``orphans`` names the collection for rows of an embedded or folded table that belong to no
    document, and for surplus rows of ``embed_one``. ``shape`` is the shape of the embedded rows.
    """

    field: str
    verb: AdditionVerb
    path: tuple[Step, ...]
    line: int
    take: Take | None = None
    order: tuple[Order, ...] = ()
    orphans: str | None = None
    shape: "RowShape | None" = None


@dataclass(frozen=True, slots=True)
class RowShape:
    """How the rows of one table become documents or sub-documents."""

    table: str
    line: int
    renames: tuple[RenamedField, ...] = ()
    retypes: tuple[Retype, ...] = ()
    additions: tuple[FieldAddition, ...] = ()

    def every_addition(self) -> Iterator[FieldAddition]:
        """Its additions and those of embedded shapes, outer ones first."""
        for addition in self.additions:
            yield addition
            if addition.shape is not None:
                yield from addition.shape.every_addition()


@dataclass(frozen=True, slots=True)
class CollectionIndex:
    """One index: ``keys`` as MongoDB takes them, ``options`` such as ``unique``."""

    keys: tuple[tuple[str, int | str], ...]
    options: Mapping[str, object]
    line: int


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection. ``validator`` None derives it from the types; an empty one turns it off."""

    name: str
    shape: RowShape
    line: int
    indexes: tuple[CollectionIndex, ...] = ()
    validator: Mapping[str, object] | None = None

    @property
    def root(self) -> str:
        """The table with one row for each document."""
        return self.shape.table

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that it is made from, the root first."""
        steps = (step.table for add in self.shape.every_addition() for step in add.path)
        return tuple(dict.fromkeys([self.root, *steps]))

    @property
    def orphans(self) -> dict[str, str]:
        """The collections for rows without a document to be embedded in, and their tables."""
        return {
            addition.orphans: addition.path[0].table
            for addition in self.shape.every_addition()
            if addition.orphans is not None and addition.path
        }


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table that the model knows, with its natural key; empty means the database's own key.

    ``columns`` are those that the model's author knew; others are drift. Empty means not stated.
    ``types`` are their types at that time, if stated, and ``type_changes`` says what to do if they
    change. ``lines`` has the line of each in the file. ``bounds`` are what the table may lose and
    gain from one version to the next. No document depends on these fields, so they are not part of
    the model's digest.
    """

    name: str
    key: tuple[str, ...]
    line: int
    columns: tuple[str, ...] = ()
    bounds: Bounds = LEARNT
    types: Mapping[str, str] = field(default_factory=dict)
    type_changes: TypeChanges = TypeChanges.STRICT
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A table that is in no collection, on purpose."""

    table: str
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Model:
    """One model file. ``source`` is its name, for messages, and ``line`` that of ``tables:``."""

    source: str
    sources: Mapping[str, SourceTable]
    collections: Mapping[str, Collection]
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    line: int = 1
    metrics: tuple[str, ...] = ()
    """The tables whose numbers of rows are metrics of a version, in the order of the file."""
    owners: tuple[str, ...] = ()
    """The owners of the assets: e-mail addresses, and teams as ``team:name``."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The source tables that it knows, by name."""
        return tuple(sorted(self.sources))

    @property
    def orphan_collections(self) -> dict[str, str]:
        """The collections of orphans of all its collections, and their tables."""
        every = (collection.orphans for collection in self.collections.values())
        return {name: table for orphans in every for name, table in orphans.items()}

    def homes(self) -> Iterator[tuple[str, str, int]]:
        """``(table, place, line)`` for each place of a table's rows; a valid model has one each."""
        for collection in self.collections.values():
            yield collection.root, f"collection {collection.name}", collection.shape.line
            for addition in collection.shape.every_addition():
                if addition.verb.is_home and addition.path:
                    place = f"{addition.field} of {collection.name}"
                    yield addition.path[0].table, place, addition.line
        for left_out in self.left_out.values():
            yield left_out.table, "left_out", left_out.line

    def lines_of(self, table: str) -> list[int]:
        """The numbers of all lines that name the table, in order."""
        lines = {line for name, _, line in self.homes() if name == table}
        if table in self.sources:
            lines.add(self.sources[table].line)
        for collection in self.collections.values():
            for addition in collection.shape.every_addition():
                lines |= {step.line for step in addition.path if step.table == table}
        return sorted(lines)

    def at(self, line: int, problem: str) -> str:
        """A problem in the format that editors read: ``file:line: problem``."""
        return f"{self.source}:{line}: {problem}"


def in_arrow(name: str) -> str:
    """A name as it is written in arrows: in double quotes if it contains their characters."""
    if re.fullmatch(r'[^\s,.\[\]>"]+', name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(in_arrow, names))
