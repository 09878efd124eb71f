"""Changes between two schemas, with their severity for readers of the tables.

- ``breaking``: something that a query or a model relied on is gone or means something else.
- ``warning``: something is new or weaker, and readers should know it.
- ``information``: readers of the rows cannot notice it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeVar

import msgspec

from mediatool_assets.domain.schema import Column, Enum, ForeignKey, Index, Schema, Table

Severity = Literal["breaking", "warning", "information"]
SEVERITIES: tuple[Severity, ...] = ("breaking", "warning", "information")


class SchemaChange(msgspec.Struct, frozen=True):
    """One change; ``before`` is null for an addition, ``after`` for a removal.

    ``table`` is null for objects that belong to no table (enum types, views).
    """

    severity: Severity
    table: str | None
    what: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        where = f"{self.table}: " if self.table not in (None, self.name) else ""
        if self.before is None:
            return f"{where}{self.what} {self.name} added ({self.after})"
        if self.after is None:
            return f"{where}{self.what} {self.name} removed ({self.before})"
        return f"{where}{self.what} {self.name}: {self.before} became {self.after}"


def schema_changes(one: Schema, two: Schema) -> tuple[SchemaChange, ...]:
    """Every structural change from ``one`` to ``two``, the most severe first, then by table."""
    changes = [*_tables(one, two), *_enums(one, two), *_views(one, two)]
    return tuple(
        sorted(changes, key=lambda c: (SEVERITIES.index(c.severity), c.table or "", c.what, c.name))
    )


_WIDER = {
    "smallint": {"integer", "bigint", "numeric", "real", "double precision"},
    "integer": {"bigint", "numeric", "double precision"},
    "bigint": {"numeric"},
    "real": {"double precision"},
    "character varying": {"text"},
    "character": {"character varying", "text"},
}
"""Types, with the wider types that hold all their values; the same applies to arrays of them."""

Named = TypeVar("Named", Table, Column, Enum, Index, ForeignKey)
Pair = tuple[Named | None, Named | None]


def _pairs(one: Iterable[Named], two: Iterable[Named]) -> Iterator[tuple[str, Pair[Named]]]:
    first, second = {x.name: x for x in one}, {x.name: x for x in two}
    for name in first | second:
        yield name, (first.get(name), second.get(name))


def _tables(one: Schema, two: Schema) -> Iterator[SchemaChange]:
    for name, (before, after) in _pairs(one.tables, two.tables):
        if after is None:
            yield SchemaChange("breaking", name, "table", name, _size(before), None)
        elif before is None:
            yield SchemaChange("warning", name, "table", name, None, _size(after))
        else:
            yield from _columns(before, after)
            yield from _keys(before, after)
            yield from _indexes(before, after)
            yield from _foreign_keys(before, after)
            yield from _texts(name, before, after)


def _size(table: Table | None) -> str:
    return f"{len(table.columns)} columns" if table else ""


def _columns(one: Table, two: Table) -> Iterator[SchemaChange]:
    for name, (before, after) in _pairs(one.columns, two.columns):
        if after is None:
            yield SchemaChange("breaking", one.name, "column", name, _type_of(before), None)
        elif before is None:
            yield SchemaChange("warning", one.name, "column", name, None, after.type)
        else:
            yield from _column(one.name, before, after)
    both = {c.name for c in one.columns} & {c.name for c in two.columns}
    orders = [", ".join(c.name for c in t.columns if c.name in both) for t in (one, two)]
    if orders[0] != orders[1]:
        yield SchemaChange("information", one.name, "column order", "", *orders)


def _type_of(column: Column | None) -> str | None:
    return column.type if column else None


def _column(table: str, before: Column, after: Column) -> Iterator[SchemaChange]:
    def change(severity: Severity, what: str, one: object, two: object) -> SchemaChange:
        return SchemaChange(severity, table, what, before.name, _text(one), _text(two))

    if before.type != after.type:
        yield change(_type(before, after), "type", before.type, after.type)
    if before.nullable != after.nullable:
        severity: Severity = "warning" if after.nullable else "information"
        words = {True: "nullable", False: "not null"}
        yield change(severity, "nullability", words[before.nullable], words[after.nullable])
    if before.generated != after.generated:
        words = {True: "generated", False: "stored as written"}
        yield change("warning", "generation", words[before.generated], words[after.generated])
    others: Mapping[str, Callable[[Column], str | None]] = {
        "default": lambda c: c.default,
        "identity": lambda c: c.identity,
        "comment": lambda c: c.comment,
    }
    for what, of in others.items():
        if of(before) != of(after):
            yield change("information", what, of(before) or "none", of(after) or "none")


def _type(before: Column, after: Column) -> Severity:
    """The severity of a changed type: a warning if it is wider or has the same base type."""
    same = before.plain_type == after.plain_type or is_wider(after.plain_type, before.plain_type)
    return "warning" if same else "breaking"


def is_wider(after: str, before: str) -> bool:
    """Whether a type, as ``Column.plain_type`` names it, holds all values of another one."""
    if before.endswith("[]") and after.endswith("[]"):
        return is_wider(after.removesuffix("[]"), before.removesuffix("[]"))
    return after in _WIDER.get(before, ())


def _keys(one: Table, two: Table) -> Iterator[SchemaChange]:
    if one.primary_key != two.primary_key:
        severity: Severity = "breaking" if one.primary_key else "information"
        before, after = _listed(one.primary_key), _listed(two.primary_key)
        yield SchemaChange(severity, one.name, "primary key", "", before, after)
    for key in sorted({*one.unique_keys} ^ {*two.unique_keys}):
        if key in one.unique_keys:
            yield SchemaChange("warning", one.name, "unique key", _name(key), _listed(key), None)
        else:
            added = _listed(key)
            yield SchemaChange("information", one.name, "unique key", _name(key), None, added)


def _indexes(one: Table, two: Table) -> Iterator[SchemaChange]:
    for name, (before, after) in _pairs(one.indexes, two.indexes):
        if before is None or after is None or before.definition != after.definition:
            yield SchemaChange(
                "information" if before is None else "warning",
                one.name,
                "index",
                name,
                before.definition if before else None,
                after.definition if after else None,
            )


def _foreign_keys(one: Table, two: Table) -> Iterator[SchemaChange]:
    for name, (before, after) in _pairs(one.foreign_keys, two.foreign_keys):
        texts = [
            f"{_name(key.columns)} -> {key.table}.{_name(key.target_columns)}" if key else None
            for key in (before, after)
        ]
        if texts[0] != texts[1]:
            severity: Severity = "information" if before is None else "warning"
            yield SchemaChange(severity, one.name, "foreign key", name, *texts)


def _texts(table: str, one: Table, two: Table) -> Iterator[SchemaChange]:
    """Changes of partitions and of the table's comment."""
    pairs = {
        "partitions": (_listed(one.partitions), _listed(two.partitions)),
        "comment": (one.comment or "none", two.comment or "none"),
    }
    for what, (before, after) in pairs.items():
        if before != after:
            yield SchemaChange("information", table, what, "", before, after)


def _enums(one: Schema, two: Schema) -> Iterator[SchemaChange]:
    for name, (before, after) in _pairs(one.enums, two.enums):
        if before != after:
            kept = set(after.labels) if after else set()
            lost = before is not None and not kept.issuperset(before.labels)
            texts = [_name(enum.labels) if enum else None for enum in (before, after)]
            yield SchemaChange("breaking" if lost else "warning", None, "enum", name, *texts)


def _views(one: Schema, two: Schema) -> Iterator[SchemaChange]:
    for name in sorted({*one.views} ^ {*two.views}):
        if name in one.views:
            yield SchemaChange("warning", None, "view", name, "a view", None)
        else:
            yield SchemaChange("information", None, "view", name, None, "a view")


def _name(names: Iterable[str]) -> str:
    return ", ".join(names)


def _listed(names: tuple[str, ...]) -> str:
    return _name(names) or "none"


def _text(value: object) -> str:
    return str(value)
