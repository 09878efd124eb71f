"""Compares a model with a schema: the fields of every document, mistakes and drift.

Drift: tables, columns and types of a source that its model does not know.

The fields that columns become, and conflicts between fields of a document.

Mistakes of a model for a schema, which stop a version, and remarks, which do not.

Finds the tables, columns and keys of a model's shapes in a schema.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mediatool_assets.core import model as m
from mediatool_assets.core.comparison import is_wider
from mediatool_assets.core.errors import BadModel
from mediatool_assets.core.model import SourceTable
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.core.shapes import (
    AddedField,
    Arrow,
    ColumnField,
    DocumentCollection,
    DocumentShape,
    Mistake,
    Names,
    camel_case,
    collection_name,
    exclusion_mistakes,
    field_sources,
    is_unique,
)

NewFields = dict[tuple[str, str], tuple[str, str]]
"""By table and unknown column: the wanted field, and the given one."""


def fields_of(
    shape: m.RowShape,
    table: Table,
    key: tuple[str, ...],
    source: m.SourceTable | None,
    new_fields: NewFields,
) -> dict[str, str]:
    """Each column's field; new columns take free names, so that no known field is renamed.

    ``key`` is the key of a document, and empty for an embedded one. ``source`` says which columns
    the model knows. The fields of the others are added to ``new_fields``.
    """
    renamed = {rename.column: rename.field for rename in shape.renames}
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
            new_fields.setdefault((table.name, name), (field, fields[name]))
    return fields


def _can_be_id(column: Column) -> bool:
    """Whether a column can be ``_id``: MongoDB refuses arrays, and json may contain one."""
    return column.element is None and column.base not in ("json", "jsonb")


def _prefixes(fields: Iterable[str]) -> Iterator[str]:
    """The names, and all their parents: ``team`` of ``team.owner``."""
    for field in fields:
        parts = field.split(".")
        yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))


def clashes(shape: DocumentShape, *, root: bool) -> Iterator[tuple[str, str]]:
    """Pairs of fields where one is equal to, or inside, the other."""
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
            yield from clashes(addition.shape, root=False)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not a mistake. ``drift``: the source changed after the model was written.

    ``fix`` is what to write on that ``line`` of the model to remove the remark.
    """

    line: int
    text: str
    fix: str
    drift: bool


class Remarks:
    """Mistakes and remarks, in the order found."""

    def __init__(self, mistakes: Iterable[Mistake], known: Mapping[str, SourceTable]) -> None:
        self.mistakes, self._known = [*mistakes], known
        self.remarks: list[Remark] = []

    def wrong(self, line: int, problem: str) -> None:
        """Record a mistake."""
        self.mistakes.append((line, problem))

    def remark(self, line: int, text: str, fix: str, *, drift: bool = True) -> None:
        """Record a remark."""
        self.remarks.append(Remark(line, text, fix, drift))

    def column(self, table: Table, name: str, line: int) -> Column | None:
        """The column; if it does not exist, a mistake of that line of the model is recorded."""
        try:
            return table.column(name)
        except KeyError:
            source = self._known.get(table.name)
            known = source.columns if source is not None else ()
            new = [c.name for c in table.columns if known and c.name not in known]
            listed = f" (new are {', '.join(new)})" if new else ""
            self.wrong(
                line,
                f"the source's {table.name} has no column {name}; take it out, or give it the "
                f"column's new name{listed}",
            )
            return None


_ALIKE = 0.5  # of all columns of two tables: with this share in common, one may be a rename


def report_drift(
    model: m.Model,
    tables: Mapping[str, Table],
    excluded: Collection[str],
    new_fields: NewFields,
    said: Remarks,
) -> None:
    """Compare each table and column that the model knows with the source.

    ``excluded`` are tables that are missing on purpose; ``new_fields`` are the fields of columns
    that the model does not know.
    """
    for name, source in model.sources.items():
        table = tables.get(name)
        if table is not None:
            _check_columns(source, table, new_fields, said)
        elif name in excluded:
            said.remark(
                source.line,
                f"{name} was excluded from the export: it has no rows here",
                "leave it, or export the table too",
                drift=False,
            )
        elif name in model.left_out:
            said.remark(
                source.line,
                f"table {name} is gone from the source; it was left out anyway",
                "take it out of tables: and left_out:",
            )
        else:
            said.wrong(source.line, _gone(model, source, tables))


def _gone(model: m.Model, source: m.SourceTable, tables: Mapping[str, Table]) -> str:
    """The message for a missing table, with the new tables that may be its new name."""
    problem, lines = f"the source has no table {source.name}", model.lines_of(source.name)
    others = [str(line) for line in lines if line != source.line]
    where = f"here and on line{'s' * (len(others) > 1)} {', '.join(others)}" if others else "here"
    new = [table for name, table in tables.items() if name not in model.sources]
    shared = {table.name: _shared(source, table) for table in new}
    name = max(shared, key=lambda name: shared[name], default="")
    if shared.get(name, 0) >= _ALIKE:
        has = "has its columns" if shared[name] == 1 else "has most of its columns"
        return (
            f"{problem}, and {name} is new and {has}: if it was renamed, write {name} {where}, "
            "else take it out of the model"
        )
    listed = f" (new are {', '.join(sorted(shared))})" if shared else ""
    return (
        f"{problem}; take it out of the model, or give it the table's new name{listed}, {where}; "
        f"MEDIATOOL_EXCLUDE_TABLES={source.name} goes on without it"
    )


def _shared(source: m.SourceTable, table: Table) -> float:
    """The share of all columns, of the model's table and the new one, that both have."""
    known, present = set(source.columns), {column.name for column in table.columns}
    return len(known & present) / len(known | present) if known else 0.0


def _check_columns(
    source: m.SourceTable, table: Table, new_fields: NewFields, said: Remarks
) -> None:
    present = {column.name for column in table.columns}
    for column in source.key:
        if column not in present:
            said.wrong(
                source.line,
                f"{table.name} has no column {column}, part of its key; take it out of key:, "
                "or give it the column's new name",
            )
    if not source.columns:
        return
    for column in sorted(present - set(source.columns)):
        _new_column(source, column, new_fields, said)
    for column in sorted(set(source.columns) - present):
        said.remark(
            source.lines.get(column, source.line),
            f"column {table.name}.{column} is gone from the source, and so is its field",
            "take it out of columns:",
        )
    for present_column in table.columns:
        _check_type(source, present_column, said)


def _new_column(source: m.SourceTable, column: str, new_fields: NewFields, said: Remarks) -> None:
    became, fix = "nothing takes it", "add it to columns:"
    if (source.name, column) in new_fields:
        wanted, field = new_fields[source.name, column]
        became = f"it became the field {field}"
        if field != wanted:
            became += f", as there is another {wanted}"
            fix += f" and rename: it to {field}"
    said.remark(
        source.line, f"new column {source.name}.{column}, unknown to the model: {became}", fix
    )


def _check_type(source: m.SourceTable, column: Column, said: Remarks) -> None:
    """Accept a wider type; the model decides about a type of another kind."""
    known, now = source.types.get(column.name), column.plain_type
    if known is None or known in (now, now.rpartition(".")[2]):  # the schema may be omitted
        return
    line = source.lines.get(column.name, source.line)
    where = f"{source.name}.{column.name}"
    fix = f"write {now} for it in columns:"
    if is_wider(now, known):
        text = f"column {where} is {now} now, which holds every value of {known}"
        said.remark(line, text, fix)
        return
    text = f"column {where} is {now} now, and was {known}"
    match source.type_changes:
        case m.TypeChanges.STRICT:
            allow = "or allow it with type_changes: flag"
            said.wrong(line, f"{text}; check its readers, then {fix}, {allow}")
        case m.TypeChanges.FLAG:
            said.remark(line, f"{text}; its field has the new type", fix)
        case m.TypeChanges.ACCEPT:
            pass


class Shaper:
    """Finds shapes in ``tables``; what cannot be found is recorded as a mistake, and left out."""

    def __init__(self, model: m.Model, tables: Mapping[str, Table], said: Remarks) -> None:
        self._model, self._tables, self._said = model, tables, said
        self.new_fields: NewFields = {}

    def shape(self, shape: m.RowShape, table: Table, *, root: bool) -> DocumentShape:
        """The shape for the table; what is missing is recorded."""
        key = self._key(table, shape.line)
        renames = {rename.column: rename for rename in shape.renames}
        retypes = {retype.column: retype for retype in shape.retypes}
        named = [(r.column, r.line) for r in shape.renames]
        for name, line in named + [(r.column, r.line) for r in shape.retypes]:
            self._said.column(table, name, line)
        if root and len(key) == 1 and key[0] in renames:
            problem = f"{table.name}.{key[0]} is the key: it is _id; take it out of rename:"
            self._said.wrong(renames[key[0]].line, problem)
        fields = fields_of(
            shape,
            table,
            key if root else (),
            self._model.sources.get(table.name),
            self.new_fields,
        )
        columns = []
        for column in table.columns:
            retype = retypes.get(column.name)
            columns.append(
                ColumnField(column, fields[column.name], retype.type if retype else None)
            )
        additions = (self._addition(addition, table) for addition in shape.additions)
        return DocumentShape(table, key, tuple(columns), tuple(a for a in additions if a))

    def _key(self, table: Table, line: int) -> tuple[str, ...]:
        source = self._model.sources.get(table.name)
        if source is not None and source.key:
            return tuple(c for c in source.key if any(c == x.name for x in table.columns))
        identifying = table.identifying_keys
        if not table.primary_key and source is not None and len(identifying) > 1:
            keys = " or ".join(f"[{', '.join(key)}]" for key in identifying)
            self._said.wrong(
                line, f"{table.name} has an ambiguous key: in tables: name one, {keys}"
            )
        return table.primary_key

    def _addition(self, addition: m.FieldAddition, owner: Table) -> AddedField | None:
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
            self._said.column(target, order.column, addition.line)
        shape = self.shape(addition.shape, target, root=False) if addition.shape else None
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

    def _take(self, addition: m.FieldAddition, target: Table) -> tuple[ColumnField, ...]:
        if addition.take is None:
            return ()
        taken = [
            ColumnField(column, field)
            for field, name in addition.take.columns
            if (column := self._said.column(target, name, addition.line)) is not None
        ]
        if addition.verb is m.AdditionVerb.FOLD:
            carried = {*addition.path[0].keys, *(field.column.name for field in taken)}
            lost = [c.name for c in target.columns if c.name not in carried]
            if lost and len(addition.path[0].keys):
                self._said.remark(
                    addition.line,
                    f"{addition.field} folds {target.name} without its {', '.join(lost)}",
                    "name them in take:, or leave it",
                    drift=False,
                )
        return tuple(taken)

    def _arrow(self, step: m.Step, owner: Table, addition: m.FieldAddition) -> Arrow | None:
        table = self._tables.get(step.table)
        if table is None:
            return None  # reported by report_drift, or with the exclusions
        columns = [self._said.column(owner, name, step.line) for name in step.columns]
        keys = step.keys or self._key(table, step.line)
        if len(keys) != len(step.columns):
            self._said.wrong(
                step.line,
                f"{addition.field}: the key of {table.name} is [{', '.join(keys)}]; "
                f"name the columns: {step}.column",
            )
        found = [self._said.column(table, name, step.line) for name in keys]
        for column in columns:
            if column is not None and (column.element is not None) != step.each:
                article = "is an array: write" if column.element else "is no array: write"
                wanted = f"{column.name}[]" if column.element else column.name
                self._said.wrong(step.line, f"{owner.name}.{column.name} {article} {wanted} ->")
        caseless = set()
        for own, key in zip(columns, found, strict=False):
            if own is None or key is None:
                return None
            if own.caseless_with(key):
                caseless.add(key.name)
        unique = is_unique(table, keys)
        return Arrow(step.columns, table, keys, step.each, unique, frozenset(caseless))


@dataclass(frozen=True, slots=True)
class Resolution:
    """A model applied to one schema: collections by name, and remarks, in the order found."""

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
    collection made only from such a table is left out. Raises BadModel with all problems, each with
    its line.
    """
    return _Resolver(model, schema, frozenset(excluded)).resolution()


class _Resolver:
    def __init__(self, model: m.Model, schema: Schema, excluded: frozenset[str]) -> None:
        self._model, self._excluded = model, excluded
        self._tables = {t.name: t for t in schema.tables if t.name not in excluded}
        self._said = Remarks(exclusion_mistakes(model, excluded), model.sources)
        self._shaper = Shaper(model, self._tables, self._said)

    def resolution(self) -> Resolution:
        collections = [*self._modelled(), *self._defaults()]
        for collection in collections:
            for one, other in clashes(collection.shape, root=True):
                line = self._line(collection.name)
                problem = f"{collection.name}: {one} and {other} cannot both be fields"
                self._said.wrong(line, f"{problem}; give one another name, a column with rename:")
        if mistakes := sorted(set(self._said.mistakes)):
            problems = [self._model.at(*mistake) for mistake in mistakes]
            if not any(name in self._tables for name in self._model.tables):
                hint = (
                    "the model belongs to another database, none of its tables is in the source; "
                    "`mediatool model infer --output FILE` writes one, MEDIATOOL_MODEL names it"
                )
                problems.insert(0, self._model.at(self._model.line, hint))
            raise BadModel(problems)
        left_out = {
            table: left.reason
            for table, left in self._model.left_out.items()
            if table in self._tables
        }
        ordered = tuple(sorted(collections, key=lambda collection: collection.name))
        return Resolution(ordered, left_out, tuple(self._said.remarks))

    def _modelled(self) -> Iterator[DocumentCollection]:
        for collection in self._model.collections.values():
            table = self._tables.get(collection.root)
            if table is None:
                continue  # reported by report_drift, or excluded
            shape = self._shaper.shape(collection.shape, table, root=True)
            yield DocumentCollection(
                collection.name, shape, collection.indexes, collection.validator
            )
            yield from self._orphans(collection.name, collection.shape, shape)
            self._check_indexes(collection, shape)
        report_drift(self._model, self._tables, self._excluded, self._shaper.new_fields, self._said)

    def _orphans(
        self, place: str, shape: m.RowShape, resolved: DocumentShape
    ) -> Iterator[DocumentCollection]:
        """The collections for the orphans of a shape's embedded and folded tables."""
        by_field = {added.field: added for added in resolved.additions}
        for addition in shape.additions:
            added = by_field.get(addition.field)
            if added is None or added.orphans is None:
                continue
            own = addition.shape or m.RowShape(added.path[0].table.name, addition.line)
            root = self._shaper.shape(own, added.path[0].table, root=True)
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
                    self._said.wrong(
                        index.line,
                        f"index: {collection.name} has no field {key}; name a field of its "
                        "documents, or take the index out",
                    )

    def _defaults(self) -> Iterator[DocumentCollection]:
        names = Names({*self._model.collections, *self._model.orphan_collections})
        for name, table in self._tables.items():
            if name in self._model.sources:
                continue
            wanted = collection_name(name)
            collection = names.give(wanted)
            self._said.remark(
                self._model.line,
                f"new table {name}, unknown to the model: it became the collection {collection}"
                + (f", as there is another {wanted}" if collection != wanted else ""),
                "add it to tables: and give it a home, or leave it out with a reason",
            )
            shape = self._shaper.shape(m.RowShape(name, self._model.line), table, root=True)
            yield DocumentCollection(collection, shape)

    def _line(self, collection: str) -> int:
        known = self._model.collections.get(collection)
        return known.line if known is not None else self._model.line
