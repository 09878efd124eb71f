"""The model: which source tables become which MongoDB collections.

These values are what the file contains, each with its line number. ``core.resolution`` compares
them with a source's schema and adds the defaults.

What is expected of a version: pure decisions on figures.

The row count of a table is compared with its last versions, by bounds that are learned from them.
Floors prevent tight bounds after a steady history, and failures of small tables over a few rows.
The ceiling prevents that one bad night widens the bounds of the next.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Literal

from mediatool_assets.core.comparison import SchemaChange
from mediatool_assets.core.outcomes import Figure, Finding

HISTORY = 14
"""Versions that the bounds are learned from: two weeks of nights."""

_LOSS_FLOOR, _LOSS_CEILING = 0.1, 0.5
_GAIN_FLOOR = 0.5
_FEW_ROWS = 10  # lost: fewer are not significant, even in a small table
_SOME_ROWS = 100  # gained
_LEARNT = 2  # times the largest change of the history
_COUNT_FLOOR = 10  # unresolved references or losses above the highest earlier count
_COUNT_SHARE = 1.5  # times the highest earlier count


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shares of a table's rows that it may lose and gain; None is learned, 1.0 allows all."""

    may_lose: float | None = None
    may_gain: float | None = None


LEARNT = Bounds()


def counted(table: str, snapshot: int | None, archive: int, damage: str | None) -> Finding:
    """Compare the rows that PostgreSQL counted with those in the archive.

    ``damage`` describes what a reader of the archive found; None if nothing.
    """
    figures: dict[str, Figure] = {"rows_in_snapshot": snapshot, "rows_in_archive": archive}
    if damage is not None:
        return Finding("failed", f"{table}: {damage}", figures)
    if snapshot is None:
        reason = f"{table}: its archive does not record the row count of the source"
        return Finding("unknown", reason, figures)
    if snapshot != archive:
        reason = f"{table}: the source had {snapshot} rows, the archive has {archive}"
        return Finding("failed", reason, figures)
    return Finding("passed", f"{table}: {archive} rows, as in the source", figures)


def rows_as_usual(
    table: str, rows: int, history: Sequence[int], bounds: Bounds = LEARNT
) -> Finding:
    """Compare the row count of a table with its earlier versions, which are given oldest first.

    The bound for the change from the version before is twice the largest change in the history; for
    the difference from the median of the history, twice that. Bounds of the model are exact.
    """
    if not history:
        return Finding("passed", f"{table}: no earlier version has it", {"rows": rows})
    may_lose, may_gain = _bounds(history, bounds)
    previous, usual = history[-1], median(history)
    figures: dict[str, Figure] = {
        "rows": rows,
        "rows_before": previous,
        "rows_usually": usual,
        "change_percent": _percent(rows, previous),
        "may_lose_percent": round(100 * may_lose, 1),
        "may_gain_percent": round(100 * may_gain, 1),
        "versions_compared": len(history),
    }
    if rows == 0 and max(previous, usual) > 0 and may_lose < 1:
        had = f"had {previous}" if previous else f"usually has {usual:g}"
        reason = f"{table}: is empty, and {had} rows"
        return Finding("failed", reason, figures)
    for what, reference, factor in (("had", previous, 1), ("usually has", usual, 2)):
        lose, gain = may_lose * factor, may_gain * factor
        few, some = 0, 0
        if bounds.may_lose is None:
            lose, few = min(_LOSS_CEILING, lose), _FEW_ROWS
        if bounds.may_gain is None:
            some = _SOME_ROWS
        if reference - rows > max(_rows(lose, reference), few):
            reason = f"{table}: {rows} rows, and {what} {reference:g}: more than {lose:.0%} less"
            return Finding("failed", reason, figures)
        if rows - reference > max(_rows(gain, reference), some):
            reason = f"{table}: {rows} rows, and {what} {reference:g}: more than {gain:.0%} more"
            return Finding("warned", reason, figures)
    return Finding("passed", f"{table}: {rows} rows, and had {previous}", figures)


def _rows(share: float, reference: float) -> float:
    """A share of rows; rounded, because 29 % of 100 is a little less than 29 as a float."""
    return round(share * reference, 6)


def _bounds(history: Sequence[int], given: Bounds) -> tuple[float, float]:
    changes = [(after - before) / before for before, after in pairwise(history) if before]
    lost, gained = max((-c for c in changes), default=0), max(changes, default=0)
    may_lose, may_gain = given.may_lose, given.may_gain
    if may_lose is None:
        may_lose = min(_LOSS_CEILING, max(_LOSS_FLOOR, _LEARNT * lost))
    if may_gain is None:
        may_gain = max(_GAIN_FLOOR, _LEARNT * gained)
    return may_lose, may_gain


def _percent(rows: int, previous: int) -> float | None:
    return round(100 * (rows - previous) / previous, 2) if previous else None


def counts_as_usual(
    things: str,
    counts: Mapping[str, int],
    history: Sequence[Mapping[str, int]],
    above: Literal["warned", "failed"],
) -> Finding:
    """Compare counts that should be low with the highest count of each name in the history."""
    figures: dict[str, Figure] = {name: count for name, count in counts.items() if count}
    total = sum(counts.values())
    if not history:
        return Finding("passed", f"{total} {things}; no earlier version to compare with", figures)
    wrong = []
    for name, count in sorted(counts.items()):
        most = max(earlier.get(name, 0) for earlier in history)
        if count > max(_COUNT_SHARE * most, most + _COUNT_FLOOR):
            wrong.append(f"{name}: {count} {things}, at most {most} before")
            figures[f"{name} (most before)"] = most
    if wrong:
        return Finding(above, "; ".join(wrong), figures)
    return Finding("passed", f"{total} {things}, no more than usual", figures)


def schema_kept(thing: str, changes: Sequence[SchemaChange]) -> Finding:
    """The changed columns since the version before: breaking changes fail, others warn."""
    figures: dict[str, Figure] = {"schema_changes": len(changes)}
    grave = [c for c in changes if c.severity != "information"]
    if not grave:
        return Finding("passed", f"{thing}: columns as before", figures)
    broken = any(change.severity == "breaking" for change in grave)
    reason = f"{thing}: " + "; ".join(str(c).removeprefix(f"{thing}: ") for c in grave)
    return Finding("failed" if broken else "warned", reason, figures)


def accounted(raw: Mapping[str, int], homes: Mapping[str, Mapping[str, int]]) -> Finding:
    """Compare the rows of the raw archive with those that the transform counted and placed."""
    wrong = [
        f"{table}: only in the raw or only in the transformed archive"
        for table in sorted(raw.keys() ^ homes)
    ]
    for table in sorted(raw.keys() & homes):
        went = sum(rows for home, rows in homes[table].items() if home != "in")
        if not raw[table] == homes[table].get("in") == went:
            taken = homes[table].get("in")
            wrong.append(f"{table}: {raw[table]} rows, {taken} read, {went} accounted for")
    figures: dict[str, Figure] = {"rows": sum(raw.values()), "tables": len(raw)}
    for home in sorted({home for by_home in homes.values() for home in by_home} - {"in"}):
        figures[f"rows_{home}"] = sum(by_home.get(home, 0) for by_home in homes.values())
    if wrong:
        return Finding("failed", "; ".join(wrong), figures)
    return Finding(
        "passed", f"{figures['rows']} rows of {len(raw)} tables are accounted for", figures
    )


def equal_documents(
    name: str, expected: str | None, found: str | None, live: int | None = None
) -> Finding:
    """Compares a collection in two stores by ``count:fingerprint``, and with a count taken now."""
    count = int(expected.partition(":")[0]) if expected else None
    figures: dict[str, Figure] = {"documents": count, "fingerprint": expected}
    if live is not None:
        figures["documents_now"] = live
    if expected is None or expected != found:
        figures["fingerprint_found"] = found
        return Finding("failed", f"{name}: {found or 'nothing'} instead of {expected}", figures)
    if live is not None and live != count:
        return Finding("failed", f"{name}: {live} documents, and {count} were loaded", figures)
    return Finding("passed", f"{name}: {count} documents in both", figures)


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
