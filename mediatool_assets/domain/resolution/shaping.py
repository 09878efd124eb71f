"""Finds the tables, columns and keys of a model's shapes in a schema."""

from collections.abc import Mapping

from mediatool_assets.domain import model as m
from mediatool_assets.domain.resolution.fields import NewFields, fields_of
from mediatool_assets.domain.resolution.remarks import Remarks
from mediatool_assets.domain.schema import Table
from mediatool_assets.domain.shapes import AddedField, Arrow, ColumnField, DocumentShape, is_unique


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
