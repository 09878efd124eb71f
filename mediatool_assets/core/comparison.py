"""The result of comparing two versions: the shape of its JSON, and its verdict.

Changes between two schemas, with their severity for readers of the tables.

- ``breaking``: something that a query or a model relied on is gone or means something else.
- ``warning``: something is new or weaker, and readers should know it.
- ``information``: readers of the rows cannot notice it.

How rows of a table are matched between two versions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from mediatool_assets.core.schema import Column, Enum, ForeignKey, Index, Schema, Table
from mediatool_assets.core.texts import JsonDocument

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


ComparisonVerdict = Literal["same", "different", "unknown"]
MatchedBy = Literal["primary key", "natural key", "whole row"]

METRICS = {
    "total_records": "Rows",
    "data_size_bytes": "Data (JSON)",
    "archive_size_bytes": "Archive",
    "tables": "Tables",
    "schema_changes": "Schema changes",
    "documents": "Documents",
    "collections": "Collections",
}
"""The names for people of the metrics of every version, in order."""


class Figure(msgspec.Struct, frozen=True):
    """One number of both versions; ``change_percent`` is null if it cannot be calculated."""

    v1: int | None
    v2: int | None
    change: int | None
    change_percent: float | None

    @classmethod
    def of(cls, v1: int | None, v2: int | None) -> "Figure":
        """The figure of two numbers; None is an unknown one."""
        if v1 is None or v2 is None:
            return cls(v1, v2, None, None)
        return cls(v1, v2, v2 - v1, percent(v1, v2))


def percent(before: int, after: int) -> float | None:
    """The change in percent of ``before``; None if ``before`` is 0."""
    return round(100 * (after - before) / before, 4) if before else None


class ChangedValue(msgspec.Struct, frozen=True):
    """One value that changed: its row and column, and both values.

    ``key`` and the values are JSON; hidden ones are ``{"hidden": true, "length": n}``. ``row_v1``
    and ``row_v2`` are the line numbers of the row in ``{table}.ndjson`` of each archive, from 1.
    """

    key: dict[str, msgspec.Raw]
    column: str
    before: msgspec.Raw
    after: msgspec.Raw
    row_v1: int
    row_v2: int


class WholeRow(msgspec.Struct, frozen=True):
    """A row that only one version has; ``row`` is its line number in that archive, from 1.

    ``key`` holds the key's columns, or every column if the table's rows are matched as a whole.
    """

    key: dict[str, msgspec.Raw]
    row: int


class Examples(msgspec.Struct, frozen=True):
    """A few of the differences of a table; their total numbers are in the table's comparison."""

    changed: tuple[ChangedValue, ...] = ()
    added: tuple[WholeRow, ...] = ()
    removed: tuple[WholeRow, ...] = ()


class LikelyRename(msgspec.Struct, frozen=True):
    """A removed column and a new one that may be the same column: only a suggestion.

    ``rows_equal`` of the ``rows`` compared have the same value in both.
    """

    before: str
    after: str
    type: str
    rows_equal: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{self.before} may be {self.after} now: {self.type} both, and equal in "
            f"{self.rows_equal:,} of {self.rows:,} rows"
        )


class TableComparison(msgspec.Struct, frozen=True):
    """One table that both versions have.

    ``field_changes`` counts changed values by column, in rows that both versions have. Columns that
    only one version has are schema changes; ``renames`` suggests pairs of them. ``notes`` explain
    the figures.
    """

    count_v1: int
    count_v2: int
    count_diff: int
    count_diff_percent: float | None
    added: int
    removed: int
    changed: int
    field_changes: dict[str, int]
    bytes_v1: int
    bytes_v2: int
    matched_by: MatchedBy
    key: tuple[str, ...]
    examples: Examples
    notes: tuple[str, ...] = ()
    renames: tuple[LikelyRename, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether any row differs."""
        return bool(self.added or self.removed or self.changed)


class NotCompared(msgspec.Struct, frozen=True):
    """Something that could not be compared, so that its outcome is unknown.

    ``table`` is null if the whole archive cannot be read. ``version`` is the version with the
    problem. ``damaged`` distinguishes an archive that cannot be read from a table that does not
    exist.
    """

    table: str | None
    version: str
    reason: str
    damaged: bool = False


class Summary(msgspec.Struct, frozen=True):
    """The totals of all tables. The field names say collections, as earlier reports did."""

    total_collections: int
    collections_with_changes: int
    total_records_v1: int
    total_records_v2: int
    rows_added: int
    rows_removed: int
    rows_changed: int
    tables_not_compared: int
    breaking_schema_changes: int


class Comparison(msgspec.Struct, JsonDocument, frozen=True):
    """Two versions, table by table. A difference is a finding, not an error.

    ``timestamp`` is the time of the comparison. ``verdict`` is ``same`` only if every table was
    compared or has equal fingerprints, and the schemas are equal too. It is ``unknown`` if no
    difference was found but something could not be compared. ``left_out`` are tables that both
    versions leave out on purpose, with the reason: they do not affect the verdict.
    """

    timestamp: str
    version1: str
    version2: str
    verdict: ComparisonVerdict
    summary: Summary
    metrics: dict[str, Figure]
    schema_changes: tuple[SchemaChange, ...]
    errors: tuple[NotCompared, ...]
    details: dict[str, TableComparison]
    left_out: dict[str, str] = {}

    @property
    def damaged(self) -> tuple[NotCompared, ...]:
        """What could not be read."""
        return tuple(problem for problem in self.errors if problem.damaged)


def verdict(
    details: Mapping[str, TableComparison],
    changes: tuple[SchemaChange, ...],
    errors: tuple[NotCompared, ...],
) -> ComparisonVerdict:
    """A known difference decides, whatever else is unknown. Without one, unknown is not same."""
    if changes or any(table.differs for table in details.values()):
        return "different"
    return "unknown" if errors else "same"


def summary(
    details: Mapping[str, TableComparison],
    changes: tuple[SchemaChange, ...],
    errors: tuple[NotCompared, ...],
    records: tuple[int, int],
) -> Summary:
    """The totals; ``records`` are all rows of each version, including tables not compared."""
    return Summary(
        total_collections=len(details),
        collections_with_changes=sum(table.differs for table in details.values()),
        total_records_v1=records[0],
        total_records_v2=records[1],
        rows_added=sum(table.added for table in details.values()),
        rows_removed=sum(table.removed for table in details.values()),
        rows_changed=sum(table.changed for table in details.values()),
        tables_not_compared=len({problem.table for problem in errors}),
        breaking_schema_changes=sum(change.severity == "breaking" for change in changes),
    )


@dataclass(frozen=True, slots=True)
class Matching:
    """What identifies a row, and which columns are compared.

    ``columns`` are those that both versions have, in the first one's order. If ``whole_lines`` is
    true, the lines of both archives can be compared unparsed. ``retyped`` columns are compared by
    the text of their values: ``5`` and ``"5"`` are equal.
    """

    by: MatchedBy
    key: tuple[str, ...]
    columns: tuple[str, ...]
    whole_lines: bool
    retyped: frozenset[str]


def matching(one: Table, two: Table, natural_key: tuple[str, ...] = ()) -> Matching:
    """By primary key if both have the same; else by a natural key; else by whole rows.

    A natural key is the model's, or the primary key of only one side, if both have its columns.
    """
    theirs = {column.name: column for column in two.columns}
    columns = tuple(column.name for column in one.columns if column.name in theirs)
    retyped = frozenset(
        column.name
        for column in one.columns
        if column.name in theirs
        and (column.base, column.element) != (theirs[column.name].base, theirs[column.name].element)
    )
    by: MatchedBy = "whole row"
    key: tuple[str, ...] = ()
    if one.primary_key and set(one.primary_key) == set(two.primary_key):
        by, key = "primary key", one.primary_key
    else:
        for candidate in (natural_key, one.primary_key, two.primary_key):
            if candidate and set(candidate) <= set(columns):
                by, key = "natural key", candidate
                break
    names = [[column.name for column in table.columns] for table in (one, two)]
    return Matching(by, key, columns, names[0] == names[1] and not retyped, retyped)
