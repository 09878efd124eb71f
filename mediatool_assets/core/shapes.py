"""Documents with their tables, columns and lineage: a model's shapes applied to a schema.

Mistakes in a model that can be found without the source.

A digest of a model's content, independent of the form of its file.

How names of the source become names of documents: snake_case to camelCase.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from mediatool_assets.core import model as m
from mediatool_assets.core.model import AdditionVerb, Collection, FieldAddition, Model, RowShape
from mediatool_assets.core.schema import Column, Table

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


Mistake = tuple[int, str]
"""Line and text."""


def mistakes(model: Model) -> list[Mistake]:
    """Every mistake that can be found without a schema, in the order of the checks."""
    found = [*_homes(model), *_names(model)]
    for collection in model.collections.values():
        found += _shape(model, collection.shape)
        found += _duplicate_fields(collection)
    return [*found, *_shared_names(model)]


def exclusion_mistakes(model: Model, excluded: frozenset[str]) -> Iterator[Mistake]:
    """Excluded tables that the model needs, and collections that are only partly excluded."""
    for collection in model.collections.values():
        for addition in collection.shape.every_addition():
            if collection.root not in excluded:
                for step in addition.path:
                    if step.table in excluded:
                        yield step.line, f"{addition.field} needs {step.table}; do not exclude it"
            elif addition.verb.is_home and addition.path[0].table not in excluded:
                yield (
                    addition.line,
                    f"{addition.path[0].table} lives in {collection.name}, which goes with "
                    f"{collection.root}: exclude both or neither",
                )


def _shared_names(model: Model) -> Iterator[Mistake]:
    """Added fields of two collections with one name: ``a.b`` with ``c``, and ``a`` with ``b.c``.

    By that name, the results of joins and the counts of a version are found.
    """
    owners: dict[str, str] = {}
    for collection in model.collections.values():
        for owner, name, line in _added_names(collection.name, collection.name, collection.shape):
            other = owners.setdefault(name, owner)
            if other != owner:
                yield (
                    line,
                    f"{name} is an added field of {other} and of {owner}; rename one of them",
                )


def _added_names(owner: str, place: str, shape: RowShape) -> Iterator[tuple[str, str, int]]:
    """``(collection, name, line)`` of every added field, and of those of orphans."""
    for addition in shape.additions:
        name = f"{place}.{addition.field}"
        yield owner, name, addition.line
        if addition.shape is not None:
            yield from _added_names(owner, name, addition.shape)
            if addition.orphans is not None:
                yield from _added_names(addition.orphans, addition.orphans, addition.shape)


def _homes(model: Model) -> Iterator[Mistake]:
    homes: dict[str, list[str]] = defaultdict(list)
    for table, place, line in model.homes():
        if not table:
            continue  # the reader has reported it
        if table not in model.sources:
            yield line, f"{place}: unknown table {table}; add it to tables:, or correct its name"
            continue
        homes[table].append(place)
        if len(homes[table]) > 1:
            places = " and ".join(homes[table])
            yield line, f"{table} has {len(homes[table])} homes, {places}; its rows can have one"
    for name, source in model.sources.items():
        if name not in homes:
            yield (
                source.line,
                f"{name} is neither used nor left out; give it a collection, embed or fold it, or "
                "name it in left_out: with the reason",
            )


def _names(model: Model) -> Iterator[Mistake]:
    taken = {name: f"collection {name}" for name in model.collections}
    for collection in model.collections.values():
        if collection.name.startswith("system.") or "$" in collection.name:
            yield collection.line, f"MongoDB keeps collection names such as {collection.name}"
        for addition in collection.shape.every_addition():
            if addition.orphans is None:
                continue
            if addition.orphans in taken:
                where = f"{addition.field}: orphans: {addition.orphans} is taken by"
                yield addition.line, f"{where} {taken[addition.orphans]}"
            taken[addition.orphans] = f"the orphans of {addition.field} of {collection.name}"


def _shape(model: Model, shape: RowShape) -> Iterator[Mistake]:
    for addition in shape.additions:
        yield from _addition(model, addition)
        if addition.shape is not None:
            yield from _shape(model, addition.shape)


def _addition(model: Model, addition: FieldAddition) -> Iterator[Mistake]:
    verb, line, name = addition.verb, addition.line, addition.field
    if not addition.path:
        yield line, f"{name}: {verb} wants at least one arrow"
    if verb.is_home and len(addition.path) > 1:
        yield line, f"{name}: {verb} takes one arrow; longer paths are for look_up, union and count"
    if (
        verb in (AdditionVerb.LOOK_UP, AdditionVerb.UNION, AdditionVerb.FOLD)
        and addition.take is None
    ):
        yield line, f"{name}: {verb} wants take: which columns of {_last(addition)}"
    if addition.take is not None and not addition.take.columns:
        yield line, f"{name}: take is empty; name at least one column of {_last(addition)}"
    if verb.is_home and addition.orphans is None:
        yield line, f"{name}: {verb} wants orphans: the collection for rows without a document"
    for position, step in enumerate(addition.path):
        if step.table not in model.sources and not (verb.is_home and position == 0):
            yield step.line, f"{name}: unknown table {step.table}; add it to tables:"
        if step.each and (verb.is_home or (verb is AdditionVerb.LOOK_UP and position > 0)):
            yield step.line, f"{name}: {verb} cannot match elements ([]) in {step}"


def _last(addition: FieldAddition) -> str:
    return addition.path[-1].table if addition.path else "the table"


def _duplicate_fields(collection: Collection) -> Iterator[Mistake]:
    shapes = [collection.shape]
    while shapes:
        shape = shapes.pop()
        seen: set[str] = set()
        named = [(r.field, r.line) for r in shape.renames] + [
            (a.field, a.line) for a in shape.additions
        ]
        for name, line in named:
            if name in seen:
                yield line, f"two fields of {collection.name} are called {name}; rename one"
            seen.add(name)
        shapes += [a.shape for a in shape.additions if a.shape is not None]


_BESIDE = (
    "source",
    "line",
    "lines",
    "reason",
    "bounds",
    "types",
    "type_changes",
    "metrics",
    "owners",
)
"""Fields on which no document depends: where something stands, why, and what checks make of it."""


def digest(said: Any) -> str:
    """SHA-256 of a model, or of a part of it, in hex.

    Only values that differ from their default count. So a new feature of the model language changes
    the digests only of the models that use it.
    """
    text = json.dumps(_canonical(said), default=_typed)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(said: Any) -> Any:
    if is_dataclass(said):
        told = ((f.name, getattr(said, f.name), f) for f in fields(said) if f.name not in _BESIDE)
        return {name: _canonical(part) for name, part, f in told if part != _default(f)}
    if isinstance(said, Mapping):
        named = all(map(is_dataclass, said.values()))  # by name; options of MongoDB have an order
        names = sorted(said) if named else list(said)
        return {str(name): _canonical(said[name]) for name in names}
    if isinstance(said, list | tuple):
        return list(map(_canonical, said))
    return said


def _default(field: "Field[Any]") -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _typed(value: object) -> list[str]:
    """Values of YAML that JSON lacks, such as a date, which must differ from its text."""
    return [type(value).__name__, str(value)]


_JOINT = re.compile(r"(?<=[^_])_+([^_])")

_MOST_BYTES = 120
"""The longest collection name: MongoDB limits database, collection and index names to 255 bytes."""


class Names:
    """Unique names within one document or database."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def give(self, wanted: str) -> str:
        """The name, or the name with the first number that makes it unique."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def camel_case(name: str) -> str:
    """``line_item_media_buys`` -> ``lineItemMediaBuys``; a name without underscores is unchanged.

    Leading and trailing underscores are kept. Dots, which mean sub-documents in a model, become
    underscores. A leading dollar sign, which MongoDB reserves for operators, is dropped.
    """
    return _JOINT.sub(lambda joint: joint[1].upper(), name.lstrip("$").replace(".", "_")) or "_"


def collection_name(table: str) -> str:
    """The collection of a table, without the ``$`` that MongoDB refuses; it may not be unique."""
    name = camel_case(table).replace("$", "_")
    return name.encode()[:_MOST_BYTES].decode(errors="ignore")
