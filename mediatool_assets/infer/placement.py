"""Decides where the rows of each table go: own collections, or embedded in others.

The measured figures of a source's rows, for decisions and reports.

The risk report: differences between PostgreSQL and MongoDB, and possible problems.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.model import AdditionVerb
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.core.shapes import camel_case, is_unique
from mediatool_assets.infer.references import (
    CandidateReference,
    Coverage,
    MeasuredReference,
    NameMatch,
    identifying_key,
    is_past_of,
    past_tables,
)


@dataclass(frozen=True, slots=True)
class TableFigures:
    """One table: its rows, how many of them were read, and their sizes as documents in bytes.

    ``values`` counts the values that are not null, by column. ``losses`` counts values that BSON
    cannot hold exactly, by column and kind. ``odd_keys`` counts JSON documents with keys that
    contain ``$``, ``.`` or NUL.
    """

    rows: int
    read: int
    bytes: int = 0
    largest: int = 0
    largest_key: str = ""
    values: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    odd_keys: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unique: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether every row was read."""
        return self.read == self.rows

    @property
    def mean(self) -> int:
        """The size of an average row's document, in bytes."""
        return self.bytes // self.read if self.read else 0


NO_ROWS = TableFigures(0, 0)


@dataclass(frozen=True, slots=True)
class FanOut:
    """How many rows refer to one row of the target: the median, the 99th percentile, the maximum.

    Only the ``parents`` count: those of all ``targets`` that at least one row refers to.
    ``largest`` is
    the size in bytes of the largest document of a target's row with all rows that refer to it.
    """

    targets: int
    parents: int
    median: int
    p99: int
    most: int
    largest: int

    def __str__(self) -> str:
        return (
            f"rows a parent: p50 {self.median:,}, p99 {self.p99:,}, at most {self.most:,}; "
            f"largest document about {bytes_text(self.largest)}"
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """All measurements: tables by name, and references with their coverage."""

    tables: Mapping[str, TableFigures] = field(default_factory=dict)
    inclusions: Mapping[CandidateReference, Coverage] = field(default_factory=dict)
    fan_outs: Mapping[CandidateReference, FanOut] = field(default_factory=dict)

    def of(self, table: str) -> TableFigures:
        """The table's figures."""
        return self.tables.get(table, NO_ROWS)


def bytes_text(number: int) -> str:
    """Bytes for people: ``512 bytes``, ``3.4 kB``, ``16.8 MB``."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1e3:,.1f} kB" if number < 1_000_000 else f"{number / 1e6:,.1f} MB"


MOST_EMBEDDED = 500
"""The most rows in one document; a large or growing array is rewritten with each new row."""

LARGEST_EMBEDDED = 2 * 1024 * 1024
"""The most bytes of a document with its embedded rows: an eighth of MongoDB's limit, to grow."""

MOST_FOLDED = 1000
"""The most references in one array."""

_LOOKUP_ROWS = 1000
_LOOKUP_BYTES = 1000  # of a row: a label and its attributes, not an entity
_LABELS = ("name", "title", "label", "display_name", "description", "code", "abbreviation")
_JOIN_EXTRAS = 2  # columns of a join table beside its references


@dataclass(frozen=True, slots=True)
class NestedTable:
    """A table that is embedded or folded in the documents of another; ``take`` if folded.

    ``certain`` if the database declares everything that the decision depends on.
    """

    verb: AdditionVerb
    relation: MeasuredReference
    why: str
    certain: bool
    take: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CopiedColumn:
    """A column of a small table that is copied next to the reference to it."""

    relation: MeasuredReference
    column: str


@dataclass(frozen=True, slots=True)
class Entity:
    """What a table becomes: a collection or a part of one; ``proposals`` are not certain."""

    table: Table
    home: NestedTable | None
    copies: tuple[CopiedColumn, ...] = ()
    references: tuple[MeasuredReference, ...] = ()
    proposals: tuple[NestedTable | CopiedColumn, ...] = ()


def entities(
    schema: Schema, relations: Sequence[MeasuredReference], figures: Figures
) -> dict[str, Entity]:
    """Every table of the schema, by name: where its rows are stored, and what is copied to them."""
    return _Shaping(schema, relations, figures).entities()


class _Shaping:
    def __init__(
        self, schema: Schema, relations: Sequence[MeasuredReference], figures: Figures
    ) -> None:
        self._tables = {table.name: table for table in schema.tables}
        self._past = past_tables(self._tables)
        self._figures = figures
        self._from: dict[str, list[MeasuredReference]] = defaultdict(list)
        self._to: dict[str, list[MeasuredReference]] = defaultdict(list)
        self._homes: dict[str, NestedTable] = {}
        for relation in relations:
            self._from[relation.reference.table].append(relation)
            self._to[relation.reference.target].append(relation)

    def entities(self) -> dict[str, Entity]:
        while self._settled():
            pass
        proposed = self._proposed()
        return {
            name: Entity(
                table,
                self._homes.get(name),
                tuple(c for c in self._copies(table) if c.relation.certain),
                tuple(self._from[name]),
                (*proposed[name], *(c for c in self._copies(table) if not c.relation.certain)),
            )
            for name, table in self._tables.items()
        }

    def _settled(self) -> bool:
        """Place tables without a place inside others; whether any was placed.

        A table that is placed inside another no longer counts as a reference to it: hence
        bottom-up.
        """
        found = False
        for name, table in self._tables.items():
            if name in self._homes:
                continue
            for inside in self._insides(table):
                if inside.certain and not self._is_named(table) and self._fits(inside):
                    self._homes[name] = inside
                    found = True
                    break
        return found

    def _proposed(self) -> dict[str, list[NestedTable | CopiedColumn]]:
        """What could be placed inside a table if it were certain and not referred to by others."""
        proposed: dict[str, list[NestedTable | CopiedColumn]] = defaultdict(list)
        for name, table in self._tables.items():
            best = next(self._insides(table), None)
            if name not in self._homes and best is not None:
                proposed[best.relation.reference.target].append(best)
        return proposed

    def _is_named(self, table: Table) -> bool:
        """Whether other tables refer to the table's rows, which then need a collection."""
        others = {r.reference.table for r in self._to[table.name]} - {table.name}
        return any(
            other not in self._homes or self._homes[other].relation.reference.target != table.name
            for other in others
        )

    def _fits(self, inside: NestedTable) -> bool:
        """Whether the placement makes no cycle, and the size of one document stays bounded."""
        reference = inside.relation.reference
        if _holds(self._homes, reference.target, reference.table):
            return False
        if inside.verb is AdditionVerb.FOLD:
            return True
        fan_out = self._figures.fan_outs[reference]
        own = [h.relation.reference for h in self._homes.values()]
        beside = [r for r in own if r.target == reference.target]
        within = [r for r in own if r.target == reference.table]
        inner = sum(self._figures.fan_outs[r].largest for r in within)
        outer = sum(self._figures.fan_outs[r].largest for r in beside)
        return outer + max(fan_out.largest, fan_out.most * inner) <= LARGEST_EMBEDDED

    def _insides(self, table: Table) -> Iterator[NestedTable]:
        """The ways to store the table's rows in other documents, best first."""
        folded = list(self._folds(table))
        if any(inside.certain for inside in folded):
            yield from (inside for inside in folded if inside.certain)
            return
        relations = sorted(self._from[table.name], key=lambda r: not r.reference.cascade)
        embedded = [e for r in relations if (e := self._embedding(table, r)) is not None]
        yield from (inside for inside in embedded if inside.certain)
        yield from folded
        yield from (inside for inside in embedded if not inside.certain)

    def _folds(self, table: Table) -> Iterator[NestedTable]:
        own = [r for r in self._from[table.name] if r.reliable and not _is_own(r)]
        pairs = [
            (one, other)
            for one in own
            for other in own
            if one is not other and _together(table, one.reference, other.reference)
        ]
        for one, other in sorted(pairs, key=lambda pair: _fold_order(table, pair[0])):
            fan_out = self._fan_out(one.reference)
            caseless = any(table.column(c).value_type == "citext" for c in one.reference.columns)
            if fan_out is not None and fan_out.most <= MOST_FOLDED and not caseless:
                columns = set(one.reference.columns) - set(other.reference.columns)
                take = tuple(c.name for c in table.columns if c.name not in columns)
                told = "" if other.certain else f" ({other.evidence()})"
                why = f"joins {one.reference.target} with {other.reference.target}{told}; {fan_out}"
                yield NestedTable(AdditionVerb.FOLD, one, why, one.certain and other.certain, take)

    def _fan_out(self, reference: CandidateReference) -> FanOut | None:
        """The rows that one document would get; None if not all rows were read."""
        figures = [self._figures.of(name) for name in (reference.table, reference.target)]
        return self._figures.fan_outs.get(reference) if all(f.whole for f in figures) else None

    def _embedding(self, table: Table, relation: MeasuredReference) -> NestedTable | None:
        reference = relation.reference
        fan_out = self._fan_out(reference)
        if reference.each or _is_own(relation) or fan_out is None or not fan_out.parents:
            return None
        if table.name in self._past:
            return None  # it grows without a limit
        if reference.named is NameMatch.NONE or not _bounded(fan_out):
            return None
        if not is_unique(self._tables[reference.target], reference.keys):
            return None
        single = is_unique(table, reference.columns)
        inside_key = bool(table.primary_key) and set(reference.columns) < set(table.primary_key)
        if single:
            why = "one row each at most"
        elif reference.cascade:
            why = "deleted with it"
        elif inside_key and not _is_link(table, self._from[table.name]):
            why = "its key begins with the other's"
        else:
            return None
        verb = AdditionVerb.EMBED_ONE if single else AdditionVerb.EMBED_MANY
        return NestedTable(verb, relation, f"{why}; {fan_out}", relation.certain)

    def _copies(self, table: Table) -> Iterator[CopiedColumn]:
        for relation in self._from[table.name]:
            reference = relation.reference
            if len(reference.columns) > 1 or _is_own(relation):
                continue
            if is_past_of(reference.table, reference.target):
                continue
            label = self._label(self._tables[reference.target], reference.keys)
            if label is not None and relation.inclusion.share > 0.5:
                yield CopiedColumn(relation, label.name)

    def _label(self, table: Table, keys: Iterable[str]) -> Column | None:
        """The column with the names of a small table's rows; None if it has none."""
        figures = self._figures.of(table.name)
        if not figures.whole or figures.rows > _LOOKUP_ROWS or figures.mean > _LOOKUP_BYTES:
            return None
        if not is_unique(table, keys):
            return None
        columns = {column.name.lower(): column for column in table.columns}
        return next((columns[name] for name in _LABELS if name in columns), None)


def _is_own(relation: MeasuredReference) -> bool:
    """Whether the reference is within one table: a tree, kept by reference."""
    return relation.reference.table == relation.reference.target


def _bounded(fan_out: FanOut) -> bool:
    return fan_out.most <= MOST_EMBEDDED and fan_out.largest <= LARGEST_EMBEDDED


def _together(table: Table, one: CandidateReference, other: CandidateReference) -> bool:
    """Whether the table has no more than both references and a column or two."""
    both = set(one.columns) | set(other.columns)
    if one.columns == other.columns or len(table.columns) - len(both) > _JOIN_EXTRAS:
        return False
    key = set(table.primary_key)
    return key == both if key else len(table.columns) == len(both)


def _fold_order(table: Table, relation: MeasuredReference) -> tuple[bool, int]:
    first = relation.reference.columns[0]
    names = [column.name for column in table.columns]
    return not relation.reference.cascade, names.index(first)


def _is_link(table: Table, relations: Sequence[MeasuredReference]) -> bool:
    """Whether the key consists of several references: such a row belongs to no single parent."""
    covered: set[str] = set()
    count = 0
    for relation in relations:
        if relation.reliable and set(relation.reference.columns) <= set(table.primary_key):
            covered |= set(relation.reference.columns)
            count += 1
    return count > 1 and covered == set(table.primary_key)


def _holds(homes: Mapping[str, NestedTable], target: str, name: str) -> bool:
    """Whether the target is already stored, at any depth, in ``name``; folded rows contain none."""
    while True:
        if target == name:
            return True
        inside = homes.get(target)
        if inside is None:
            return False
        if inside.verb is AdditionVerb.FOLD:
            return True
        target = inside.relation.reference.target


Kind = Literal[
    "precision", "large_document", "odd_keys", "name_collision", "as_text", "no_key", "time_zone"
]

NEAR_LIMIT = 12 * 1024 * 1024
"""The size in bytes of a document near MongoDB's limit of 16 MiB."""

_HEADINGS: Mapping[Kind, str] = {
    "precision": "Values that BSON cannot hold exactly",
    "large_document": "Documents near 16 MB",
    "odd_keys": "Keys and names with `$`, `.` or NUL",
    "name_collision": "Names that are equal in camelCase",
    "as_text": "Types carried as text",
    "no_key": "Tables without a key",
    "time_zone": "Times without a zone, read as UTC",
}

_LOSSES = {
    "digits": "more than 34 digits: kept as a string",
    "microseconds": "cut to milliseconds",
    "out_of_range": "infinity, or a year outside of 1 to 9999: kept as a string",
    "array_as_text": "an array that JSON cannot represent: kept as PostgreSQL's text",
    "duplicate_key": "a JSON document with one key twice: kept as its text",
    "nul_in_key": "a JSON document with NUL in a key: kept as its text",
    "lone_surrogate": "a JSON document with half a character: kept as its text",
    "depth": "a JSON document of more than 95 levels: kept as its text",
}

_TEXT_LIKE = frozenset(
    {"text", "character varying", "character", "name", "citext", '"char"', "xml", "bytea"}
)

_TYPED = frozenset(
    {"smallint", "integer", "bigint", "real", "double precision", "numeric", "money", "boolean"}
    | {"date", "timestamp with time zone", "timestamp without time zone", "uuid", "json", "jsonb"}
)


class Risk(msgspec.Struct, frozen=True):
    """One risk; ``values`` is the number of values concerned in the rows that were read."""

    kind: Kind
    table: str
    column: str | None
    values: int
    what: str


class RiskReport(msgspec.Struct, frozen=True):
    """All risks, by kind, and the number of rows read to find them."""

    source: str
    tables: int
    rows: int
    rows_read: int
    risks: tuple[Risk, ...]
    not_carried: tuple[NotCarried, ...] = ()


def report(
    source: str, schema: Schema, figures: Figures, not_carried: tuple[NotCarried, ...] = ()
) -> RiskReport:
    """The risks of a schema with these figures, and what a version would not contain."""
    order = list(_HEADINGS)
    risks = sorted(
        _risks(schema, figures), key=lambda r: (order.index(r.kind), r.table, r.column or "")
    )
    found = [figures.of(table.name) for table in schema.tables]
    rows, read = sum(f.rows for f in found), sum(f.read for f in found)
    return RiskReport(source, len(schema.tables), rows, read, tuple(risks), not_carried)


def _risks(schema: Schema, figures: Figures) -> Iterator[Risk]:
    for table in schema.tables:
        yield from _of_table(table, figures.of(table.name))
    yield from _large(figures)
    for names in _clashes(table.name for table in schema.tables):
        what = f"tables {', '.join(names)}: collections get names of their own"
        yield Risk("name_collision", names[0], None, len(names), what)


def _of_table(table: Table, figures: TableFigures) -> Iterator[Risk]:
    name = table.name
    for column, losses in figures.losses.items():
        for kind, count in losses.items():
            yield Risk("precision", name, column, count, _LOSSES.get(kind, kind))
    for column, odd in figures.odd_keys.items():
        for sign, count in odd.items():
            yield Risk("odd_keys", name, column, count, f"documents with {sign} in a key")
    for names in _clashes(column.name for column in table.columns):
        what = f"columns {', '.join(names)}: fields get names of their own"
        yield Risk("name_collision", name, names[-1], len(names), what)
    for column_ in table.columns:
        if column_.name.startswith("$") or "." in column_.name:
            values = figures.values.get(column_.name, 0)
            what = f"the field is called {camel_case(column_.name)}"
            yield Risk("odd_keys", name, column_.name, values, what)
    if not identifying_key(table)[0]:
        what = "_id is made from the row's content and a number: an edited row is a new document"
        yield Risk("no_key", name, None, figures.rows, what)
    for column_ in table.columns:
        base, values = column_.value_type, figures.values.get(column_.name, 0)
        if base not in _TYPED and base not in _TEXT_LIKE:
            yield Risk("as_text", name, column_.name, values, f"{column_.type} as its text")
        if base == "timestamp without time zone":
            yield Risk("time_zone", name, column_.name, values, "read as UTC")


def _large(figures: Figures) -> Iterator[Risk]:
    for name, table in figures.tables.items():
        if table.largest >= NEAR_LIMIT:
            what = f"{bytes_text(table.largest)}: the row {table.largest_key}"
            yield Risk("large_document", name, None, 1, what)


def _clashes(names: Iterable[str]) -> Iterator[list[str]]:
    by_field: dict[str, list[str]] = {}
    for name in names:
        by_field.setdefault(camel_case(name), []).append(name)
    return (found for found in by_field.values() if len(found) > 1)


def markdown(found: RiskReport) -> str:
    """The report for people."""
    read = "all" if found.rows_read == found.rows else f"{found.rows_read:,}"
    lines = [
        f"# Risks of {found.source}",
        "",
        f"{found.tables:,} tables, {found.rows:,} rows, of which {read} were read. "
        f"{len(found.risks)} risks.",
    ]
    for kind, heading in _HEADINGS.items():
        risks = [risk for risk in found.risks if risk.kind == kind]
        if risks:
            lines += ["", f"## {heading}", "", "| Where | Values | What |", "|---|---:|---|"]
            lines += [_line(risk) for risk in risks]
    if found.not_carried:
        lines += ["", "## What no version carries", ""]
        lines += ["| Kind | What | Of | Why |", "|---|---|---|---|"]
        lines += [
            f"| {each.kind} | {_cell(each.name)} | {_cell(', '.join(each.objects))} | {each.why} |"
            for each in found.not_carried
        ]
    return "\n".join(lines) + "\n"


def _line(risk: Risk) -> str:
    where = risk.table if risk.column is None else f"{risk.table}.{risk.column}"
    return f"| {_cell(where)} | {risk.values:,} | {_cell(risk.what)} |"


def _cell(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|")
