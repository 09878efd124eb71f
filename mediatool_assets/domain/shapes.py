"""Documents with their tables, columns and lineage: a model's shapes applied to a schema."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mediatool_assets.domain import model as m
from mediatool_assets.domain.schema import Column, Table

Source = tuple[str, str]
"""A table and one of its columns."""


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A column and its field, with dots for sub-documents; ``type`` None is the default."""

    column: Column
    field: str
    type: m.FieldType | None = None


@dataclass(frozen=True, slots=True)
class Arrow:
    """A step of a path; ``unique``: the database allows only one row for each key.

    ``caseless`` are the keys that are citext on both sides.
    """

    columns: tuple[str, ...]
    table: Table
    keys: tuple[str, ...]
    each: bool
    unique: bool
    caseless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AddedField:
    """An addition, with its path, columns and embedded shape as found in the schema."""

    field: str
    verb: m.AdditionVerb
    path: tuple[Arrow, ...]
    take: tuple[ColumnField, ...] = ()
    bare: bool = False
    order: tuple[m.Order, ...] = ()
    shape: "DocumentShape | None" = None
    orphans: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentShape:
    """How a row of one table becomes a document. Empty ``key``: its content identifies it.

    In a collection's documents, the key's columns are the field ``_id``, or below it. In an
    embedded document they are ordinary fields.
    """

    table: Table
    key: tuple[str, ...]
    columns: tuple[ColumnField, ...]
    additions: tuple[AddedField, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentCollection:
    """A collection to create. ``orphans_of`` is the ``collection.field`` whose orphans it takes.

    Its documents are then only those rows of its table that found no place there.
    """

    name: str
    shape: DocumentShape
    indexes: tuple[m.CollectionIndex, ...] = ()
    validator: Mapping[str, object] | None = None
    orphans_of: str | None = None

    def lineage(self) -> dict[str, tuple[Source, ...]]:
        """For each field, dotted, the tables' columns that its values come from."""
        return dict(field_sources(self.shape))

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that it is made from, the root first."""
        tables = [self.shape.table.name]
        tables += [table for sources in self.lineage().values() for table, _ in sources]
        return tuple(dict.fromkeys(tables))


def is_unique(table: Table, keys: Iterable[str]) -> bool:
    """Whether the database allows only one row for each value of the keys."""
    known = set(keys)
    return any(known >= set(key) for key in (table.primary_key, *table.unique_keys) if key)


def field_sources(
    shape: DocumentShape, prefix: str = ""
) -> Iterator[tuple[str, tuple[Source, ...]]]:
    """Every field, dotted, and the tables' columns that its values come from."""
    table = shape.table.name
    for column in shape.columns:
        yield prefix + column.field, ((table, column.column.name),)
    for added in shape.additions:
        place = prefix + added.field
        if added.shape is not None:
            yield from field_sources(added.shape, place + ".")
            continue
        via = _path_sources(shape.table, added)
        target = added.path[-1].table.name
        if not added.take:
            yield place, via
        for taken in added.take:
            name = place if added.bare else f"{place}.{taken.field}"
            yield name, tuple(dict.fromkeys([(target, taken.column.name), *via]))


def _path_sources(owner: Table, added: AddedField) -> tuple[Source, ...]:
    """The columns that the arrows match."""
    sources: list[Source] = []
    for arrow in added.path:
        sources += [(owner.name, column) for column in arrow.columns]
        sources += [(arrow.table.name, key) for key in arrow.keys]
        owner = arrow.table
    return tuple(sources)
