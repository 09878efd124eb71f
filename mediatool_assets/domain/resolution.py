"""A model held against a source's schema: every document's fields, and what has drifted."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mediatool_assets.domain import model as m
from mediatool_assets.domain.errors import BadModel
from mediatool_assets.domain.model_checks import exclusion_mistakes
from mediatool_assets.domain.names import Names, camel_case, collection_name
from mediatool_assets.domain.schema import Column, Schema, Table
from mediatool_assets.domain.schema_changes import is_wider
from mediatool_assets.domain.shapes import (
    AddedField,
    Arrow,
    ColumnField,
    DocumentCollection,
    DocumentShape,
    field_sources,
    is_unique,
)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is no mistake. ``drift``: the source has gone on from what the model knows.

    ``fix`` is what to write on that ``line`` of the model, for who wants it gone.
    """

    line: int
    text: str
    fix: str
    drift: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a model makes of one schema: collections by name, and remarks, as they were found."""

    collections: tuple[DocumentCollection, ...]
    left_out: Mapping[str, str]
    remarks: tuple[Remark, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The remarks' texts, for manifests."""
        return tuple(remark.text for remark in self.remarks)


def resolve(
    model: m.Model, schema: Schema, excluded: Iterable[str] = frozenset[str]()
) -> Resolution:
    """Find every table and column that the model names.

    ``excluded`` are tables that the export left out on purpose, though the schema has them: a
    collection of nothing but such a table is not made. Raises BadModel with all problems, each with
    its line.
    """
    return _Resolver(model, schema, frozenset(excluded)).resolution()


class _Resolver:
    def __init__(self, model: m.Model, schema: Schema, excluded: frozenset[str]) -> None:
        self._model = model
        self._tables = {t.name: t for t in schema.tables if t.name not in excluded}
        self._absent = excluded
        self._problems = [*exclusion_mistakes(model, excluded)]
        self._remarks: list[Remark] = []
        self._new_fields: dict[tuple[str, str], tuple[str, str]] = {}

    def resolution(self) -> Resolution:
        collections = [*self._modelled(), *self._defaults()]
        for collection in collections:
            for one, other in _clashes(collection.shape, root=True):
                line = self._line(collection.name)
                problem = f"{collection.name}: {one} and {other} cannot both be fields"
                self._wrong(line, f"{problem}; give one another name, a column with rename:")
        if self._problems:
            raise BadModel(self._model.at(*problem) for problem in sorted(set(self._problems)))
        left_out = {
            table: left.reason
            for table, left in self._model.left_out.items()
            if table in self._tables
        }
        ordered = tuple(sorted(collections, key=lambda collection: collection.name))
        return Resolution(ordered, left_out, tuple(self._remarks))

    def _modelled(self) -> Iterator[DocumentCollection]:
        for collection in self._model.collections.values():
            table = self._tables.get(collection.root)
            if table is None:
                continue  # reported by _check_tables, or excluded
            shape = self._shape(collection.shape, table, root=True)
            yield DocumentCollection(
                collection.name, shape, collection.indexes, collection.validator
            )
            yield from self._orphans(collection.name, collection.shape, shape)
            self._check_indexes(collection, shape)
        self._check_tables()

    def _defaults(self) -> Iterator[DocumentCollection]:
        names = Names({*self._model.collections, *self._model.orphan_collections})
        for name, table in self._tables.items():
            if name in self._model.sources:
                continue
            wanted = collection_name(name)
            collection = names.give(wanted)
            self._remark(
                self._model.line,
                f"new table {name}, unknown to the model: it became the collection {collection}"
                + (f", as there is another {wanted}" if collection != wanted else ""),
                "add it to tables: and give it a home, or leave it out with a reason",
            )
            shape = self._shape(m.Shape(name, self._model.line), table, root=True)
            yield DocumentCollection(collection, shape)

    def _check_tables(self) -> None:
        for name, source in self._model.sources.items():
            table = self._tables.get(name)
            if table is not None:
                self._check_columns(source, table)
            elif name in self._absent:
                self._remark(
                    source.line,
                    f"{name} was excluded from the export: nothing of it is here",
                    "leave it, or export the table too",
                    drift=False,
                )
            elif name in self._model.left_out:
                self._remark(
                    source.line,
                    f"table {name} is gone from the source; it was left out anyway",
                    "take it out of tables: and left_out:",
                )
            else:
                self._wrong(
                    source.line,
                    f"the source has no table {name}; take it out of the model, "
                    "or give it the table's new name",
                )

    def _check_columns(self, source: m.SourceTable, table: Table) -> None:
        present = {column.name for column in table.columns}
        for column in source.key:
            if column not in present:
                self._wrong(
                    source.line,
                    f"{table.name} has no column {column}, part of its key; take it out of key:, "
                    "or give it the column's new name",
                )
        if not source.columns:
            return
        for column in sorted(present - set(source.columns)):
            self._new_column(source, column)
        for column in sorted(set(source.columns) - present):
            self._remark(
                source.lines.get(column, source.line),
                f"column {table.name}.{column} is gone from the source, and so is its field",
                "take it out of columns:",
            )
        for present_column in table.columns:
            self._check_type(source, present_column)

    def _new_column(self, source: m.SourceTable, column: str) -> None:
        became, fix = "nothing takes it", "add it to columns:"
        if (source.name, column) in self._new_fields:
            wanted, field = self._new_fields[source.name, column]
            became = f"it became the field {field}"
            if field != wanted:
                became += f", as there is another {wanted}"
                fix += f" and rename: it to {field}"
        self._remark(
            source.line, f"new column {source.name}.{column}, unknown to the model: {became}", fix
        )

    def _check_type(self, source: m.SourceTable, column: Column) -> None:
        """A wider type is taken; what to do about one of another kind is the model's to say."""
        known, now = source.types.get(column.name), column.plain_type
        if known is None or known in (now, now.rpartition(".")[2]):  # a schema need not be said
            return
        line = source.lines.get(column.name, source.line)
        where = f"{source.name}.{column.name}"
        fix = f"write {now} for it in columns:"
        if is_wider(now, known):
            text = f"column {where} is {now} now, which holds all that {known} did"
            self._remark(line, text, fix)
            return
        text = f"column {where} is {now} now, and was {known}"
        match source.type_changes:
            case m.TypeChanges.STRICT:
                allow = "or allow it with type_changes: flag"
                self._wrong(line, f"{text}; see what reads it, then {fix}, {allow}")
            case m.TypeChanges.FLAG:
                self._remark(line, f"{text}; its field has the new type", fix)
            case m.TypeChanges.ACCEPT:
                pass

    def _key(self, table: Table, line: int) -> tuple[str, ...]:
        source = self._model.sources.get(table.name)
        if source is not None and source.key:
            return tuple(c for c in source.key if any(c == x.name for x in table.columns))
        identifying = table.identifying_keys
        if not table.primary_key and source is not None and len(identifying) > 1:
            keys = " or ".join(f"[{', '.join(key)}]" for key in identifying)
            self._wrong(line, f"{table.name} has an ambiguous key: in tables: name one, {keys}")
        return table.primary_key

    def _shape(self, shape: m.Shape, table: Table, *, root: bool) -> DocumentShape:
        key = self._key(table, shape.line)
        renames = {rename.column: rename for rename in shape.renames}
        retypes = {retype.column: retype for retype in shape.retypes}
        named = [(r.column, r.line) for r in shape.renames]
        for name, line in named + [(r.column, r.line) for r in shape.retypes]:
            self._column(table, name, line)
        if root and len(key) == 1 and key[0] in renames:
            self._wrong(renames[key[0]].line, f"{table.name}.{key[0]} is the key: it is _id")
        fields = self._fields(shape, table, key if root else ())
        columns = []
        for column in table.columns:
            retype = retypes.get(column.name)
            columns.append(
                ColumnField(column, fields[column.name], retype.type if retype else None)
            )
        additions = (self._addition(addition, table) for addition in shape.additions)
        return DocumentShape(table, key, tuple(columns), tuple(a for a in additions if a))

    def _fields(self, shape: m.Shape, table: Table, key: tuple[str, ...]) -> dict[str, str]:
        """Each column's field; new columns take what is free, so that they move no known field."""
        renamed = {rename.column: rename.field for rename in shape.renames}
        source = self._model.sources.get(table.name)
        known = {c.name for c in table.columns} if source and not source.columns else set(renamed)
        known.update(source.columns if source else ())
        fields = {}
        for column in table.columns:
            field = renamed.get(column.name, camel_case(column.name))
            if column.name in key:
                field = "_id" if len(key) == 1 and _can_be_id(column) else f"_id.{field}"
            fields[column.name] = field
        said = [field for name, field in fields.items() if name in known]
        names = Names({"_id", *_prefixes([*said, *(a.field for a in shape.additions)])})
        for name, field in fields.items():
            if name not in known:
                fields[name] = field if key == (name,) else names.give(field)
                self._new_fields.setdefault((table.name, name), (field, fields[name]))
        return fields

    def _addition(self, addition: m.Addition, owner: Table) -> AddedField | None:
        path: list[Arrow] = []
        for step in addition.path:
            arrow = self._arrow(step, path[-1].table if path else owner, addition)
            if arrow is None:
                return None
            path.append(arrow)
        if not path:
            return None
        target = path[-1].table
        for order in addition.order:
            self._column(target, order.column, addition.line)
        shape = self._shape(addition.shape, target, root=False) if addition.shape else None
        return AddedField(
            addition.field,
            addition.verb,
            tuple(path),
            self._take(addition, target),
            addition.take is not None and addition.take.bare,
            addition.order,
            shape,
            addition.orphans,
        )

    def _take(self, addition: m.Addition, target: Table) -> tuple[ColumnField, ...]:
        if addition.take is None:
            return ()
        taken = [
            ColumnField(column, field)
            for field, name in addition.take.columns
            if (column := self._column(target, name, addition.line)) is not None
        ]
        if addition.verb is m.Verb.FOLD:
            carried = {*addition.path[0].keys, *(field.column.name for field in taken)}
            lost = [c.name for c in target.columns if c.name not in carried]
            if lost and len(addition.path[0].keys):
                self._remark(
                    addition.line,
                    f"{addition.field} folds {target.name} without its {', '.join(lost)}",
                    "name them in take:, or leave it",
                    drift=False,
                )
        return tuple(taken)

    def _arrow(self, step: m.Step, owner: Table, addition: m.Addition) -> Arrow | None:
        table = self._tables.get(step.table)
        if table is None:
            return None  # reported by _check_tables, or with the exclusions
        columns = [self._column(owner, name, step.line) for name in step.columns]
        keys = step.keys or self._key(table, step.line)
        if len(keys) != len(step.columns):
            self._wrong(
                step.line,
                f"{addition.field}: the key of {table.name} is [{', '.join(keys)}]; "
                f"name the columns: {step}.column",
            )
        found = [self._column(table, name, step.line) for name in keys]
        for column in columns:
            if column is not None and (column.element is not None) != step.each:
                article = "is an array: write" if column.element else "is no array: write"
                wanted = f"{column.name}[]" if column.element else column.name
                self._wrong(step.line, f"{owner.name}.{column.name} {article} {wanted} ->")
        caseless = set()
        for own, key in zip(columns, found, strict=False):
            if own is None or key is None:
                return None
            if own.caseless_with(key):
                caseless.add(key.name)
        unique = is_unique(table, keys)
        return Arrow(step.columns, table, keys, step.each, unique, frozenset(caseless))

    def _orphans(
        self, place: str, shape: m.Shape, resolved: DocumentShape
    ) -> Iterator[DocumentCollection]:
        """The collections for what is left over from a shape's embedded and folded tables."""
        by_field = {added.field: added for added in resolved.additions}
        for addition in shape.additions:
            added = by_field.get(addition.field)
            if added is None or added.orphans is None:
                continue
            own = addition.shape or m.Shape(added.path[0].table.name, addition.line)
            root = self._shape(own, added.path[0].table, root=True)
            label = f"{place}.{added.field}"
            yield DocumentCollection(added.orphans, root, orphans_of=label)
            if addition.shape is not None and added.shape is not None:
                yield from self._orphans(label, addition.shape, added.shape)

    def _check_indexes(self, collection: m.Collection, shape: DocumentShape) -> None:
        fields = {name for name, _ in field_sources(shape)} | {"_id"}
        fields |= {a.field for a in shape.additions}
        prefixes = {name.rsplit(".", depth)[0] for name in fields for depth in range(4)}
        for index in collection.indexes:
            for key, _ in index.keys:
                if key not in prefixes:
                    self._wrong(
                        index.line,
                        f"index: {collection.name} has no field {key}; name a field of its "
                        "documents, or take the index out",
                    )

    def _column(self, table: Table, name: str, line: int) -> Column | None:
        try:
            return table.column(name)
        except KeyError:
            self._wrong(
                line,
                f"the source's {table.name} has no column {name}; take it out, or give it the "
                "column's new name",
            )
            return None

    def _line(self, collection: str) -> int:
        known = self._model.collections.get(collection)
        return known.line if known is not None else self._model.line

    def _remark(self, line: int, text: str, fix: str, *, drift: bool = True) -> None:
        self._remarks.append(Remark(line, text, fix, drift))

    def _wrong(self, line: int, problem: str) -> None:
        self._problems.append((line, problem))


def _can_be_id(column: Column) -> bool:
    """MongoDB refuses arrays as ``_id``; json can be one, and so goes a level below as well."""
    return column.element is None and column.base not in ("json", "jsonb")


def _prefixes(fields: Iterable[str]) -> Iterator[str]:
    """The names, and all that lies above them: ``team`` of ``team.owner``."""
    for field in fields:
        parts = field.split(".")
        yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))


def _clashes(shape: DocumentShape, *, root: bool) -> Iterator[tuple[str, str]]:
    """Pairs of fields of which one is, or is part of, the other."""
    names = [(c.field, f"{c.field} (column {c.column.name})") for c in shape.columns]
    names += [(a.field, f"{a.field} (add:)") for a in shape.additions]
    if root and not shape.key:
        names.append(("_id", "_id (a row without a key)"))
    seen: dict[str, str] = {}
    for name, told in names:
        if name in seen:
            yield seen[name], told
        seen[name] = told
    for name, told in names:
        for above in _prefixes([name]):
            if above != name and above in seen:
                yield seen[above], told
    for addition in shape.additions:
        if addition.shape is not None:
            yield from _clashes(addition.shape, root=False)
