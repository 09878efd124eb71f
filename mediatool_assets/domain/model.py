"""The model: which source tables become which MongoDB collections.

These values are what stands in the file, each with its line. ``domain.resolution`` holds them
against a source's schema and adds all that goes without saying.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mediatool_assets.domain.expectations import LEARNT, Bounds


class AdditionVerb(StrEnum):
    """What an added field is made of; the word is the one that the model file uses."""

    LOOK_UP = "look_up"
    UNION = "union"
    COUNT = "count"
    FOLD = "fold"
    EMBED_ONE = "embed_one"
    EMBED_MANY = "embed_many"

    @property
    def is_home(self) -> bool:
        """Whether the rows of the table it names live here, and nowhere else."""
        return self in (AdditionVerb.FOLD, AdditionVerb.EMBED_ONE, AdditionVerb.EMBED_MANY)


class TypeChanges(StrEnum):
    """What to do where a column's type has changed its kind since the model was written."""

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

    ``keys`` is empty where the table's own key is meant. ``each`` says that the (only) column is an
    array, and that its elements are matched one by one (``columns[]`` in the file).
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
    """What is taken of the rows found: one bare value, or a sub-document of ``(field, column)``."""

    columns: tuple[tuple[str, str], ...]
    bare: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One column to sort by."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class RenamedField:
    """A column whose field has another name than camelCase gives; dots make sub-documents."""

    column: str
    field: str
    line: int


@dataclass(frozen=True, slots=True)
class Retype:
    """A column whose field has another type than its PostgreSQL type gives."""

    column: str
    type: FieldType
    line: int


@dataclass(frozen=True, slots=True)
class FieldAddition:
    """A field that is added to a document: looked up, embedded, folded or counted.

    ``orphans`` names the collection that takes the rows of an embedded or folded table that belong
    to no document, and the surplus of ``embed_one``; ``shape`` is the embedded rows' own.
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
        """The table that gives one document a row."""
        return self.shape.table

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that it is made of, the root first."""
        steps = (step.table for add in self.shape.every_addition() for step in add.path)
        return tuple(dict.fromkeys([self.root, *steps]))

    @property
    def orphans(self) -> dict[str, str]:
        """Collections for rows that found no document to be embedded in, and their tables."""
        return {
            addition.orphans: addition.path[0].table
            for addition in self.shape.every_addition()
            if addition.orphans is not None and addition.path
        }


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table that the model knows, with its natural key; empty means the database's own.

    ``columns`` are those that the model's author knew; any other is drift. Empty means not said.
    ``types`` are their types then, as far as said, and ``type_changes`` is what to do about others;
    ``lines`` is where each stands in the file;
    ``bounds`` say what the table may lose and gain from one version to the next. No document
    depends on these, and so the model's digest does not either.
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
    """A table that reaches no collection, on purpose."""

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
        """``(table, place, line)`` wherever the rows of a table live; once for each, if well."""
        for collection in self.collections.values():
            yield collection.root, f"collection {collection.name}", collection.shape.line
            for addition in collection.shape.every_addition():
                if addition.verb.is_home and addition.path:
                    place = f"{addition.field} of {collection.name}"
                    yield addition.path[0].table, place, addition.line
        for left_out in self.left_out.values():
            yield left_out.table, "left_out", left_out.line

    def lines_of(self, table: str) -> list[int]:
        """Every line that names the table, in order."""
        lines = {line for name, _, line in self.homes() if name == table}
        if table in self.sources:
            lines.add(self.sources[table].line)
        for collection in self.collections.values():
            for addition in collection.shape.every_addition():
                lines |= {step.line for step in addition.path if step.table == table}
        return sorted(lines)

    def at(self, line: int, problem: str) -> str:
        """A problem as people and editors read it: ``file:line: problem``."""
        return f"{self.source}:{line}: {problem}"


def in_arrow(name: str) -> str:
    """A name as arrows have it: in double quotes where it holds what arrows are made of."""
    if re.fullmatch(r'[^\s,.\[\]>"]+', name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(in_arrow, names))
