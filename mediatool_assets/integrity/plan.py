"""The integrity report of one version: its lines, defects and verdict.

A line reports one check of one table or collection. If something could not be read, the line is
unknown, which does not count as passed. If what was read is wrong, it has failed.

What a report checks for one schema and model: rows, references, copies.

Rows as digests on disk: small Parquet files that workers write and DuckDB reads.

What the joins of a report need of a table, and the columns of its files of digests.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mediatool_assets.core.metrics import ChartPoint
from mediatool_assets.core.model import AdditionVerb
from mediatool_assets.core.outcomes import Figure, Finding, Outcome
from mediatool_assets.core.resolution import Resolution
from mediatool_assets.core.schema import ForeignKey, Schema, Table
from mediatool_assets.core.shapes import AddedField, DocumentShape
from mediatool_assets.core.texts import JsonDocument
from mediatool_assets.integrity.expected_values import RowLayout, layouts
from mediatool_assets.work.scratch import cased

OUTCOMES: tuple[Outcome, ...] = ("passed", "unknown", "failed")
"""The outcomes of a line, from best to worst."""

Area = Literal[
    "stores",
    "counts",
    "fingerprints",
    "values",
    "losses",
    "copies",
    "references",
    "duplicates",
    "soft deletes",
    "indexes",
    "structure",
]

EXAMPLES = 20
"""The most rows named for one kind of defect of one table; all of them are counted."""


NO_VALUE = msgspec.Raw(b"null")
"""JSON's null: the value is null, or there is no value."""


class Defect(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wrong row in ``store``, or one wrong value of it.

    ``key`` is the key of its table. ``column`` is a column of the table; ``field`` is the
    document's field if only that has a name. ``expected`` and ``found`` are JSON if a column
    ``differs``; hidden values are ``{"hidden": true, "length": n}``. A ``missing`` row is only in
    the raw archive, a ``surplus`` row only in the store.
    """

    what: Literal["missing", "surplus", "differs", "orphan", "duplicate"]
    store: str
    table: str
    key: dict[str, msgspec.Raw]
    column: str | None = None
    field: str | None = None
    expected: msgspec.Raw = NO_VALUE
    found: msgspec.Raw = NO_VALUE

    @property
    def has_values(self) -> bool:
        """Whether ``expected`` and ``found`` are set."""
        return self.what == "differs" and self.column is not None


@dataclass(frozen=True, slots=True)
class RowFinding(Finding):
    """A finding, and the rows that it names."""

    defects: tuple[Defect, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was checked, how, and the result; ``seconds`` are the workers' time."""

    area: Area
    thing: str
    checked: str
    how: str
    outcome: Outcome
    reason: str = ""
    figures: dict[str, Figure] = {}
    seconds: float = 0.0
    defects: tuple[Defect, ...] = ()


class Integrity(msgspec.Struct, JsonDocument, frozen=True):
    """The report. ``sample`` is the percentage of rows compared by value, null for all rows.

    ``lines`` starts with the failed ones, then the unknown ones; ``outcomes`` counts them.
    ``history`` holds the last versions, up to this one.
    """

    version: str
    at: str
    seconds: float
    verdict: Outcome
    sample: float | None
    outcomes: dict[str, int]
    figures: dict[str, Figure]
    lines: tuple[Line, ...]
    history: tuple[ChartPoint, ...] = ()


def ordered(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The worst first, otherwise in the given order."""
    return tuple(sorted(lines, key=lambda line: -OUTCOMES.index(line.outcome)))


def headline(report: Integrity) -> str:
    """One sentence for a person."""
    counts = ", ".join(f"{report.outcomes.get(outcome, 0):,} {outcome}" for outcome in OUTCOMES)
    shares = "every row" if report.sample is None else f"{report.sample:g} % of the rows"
    return f"{len(report.lines):,} checks: {counts}; {shares} compared by value."


def equal(held: Mapping[str, Figure], problems: Mapping[str, str] | None = None) -> Finding:
    """Whether all stores have the same figure; ``problems`` says why a store's figure is unknown.

    Two different figures fail, even if a third is unknown.
    """
    known = {figure for figure in held.values() if figure is not None}
    if len(known) > 1:
        return Finding("failed", "; ".join(f"{store}: {figure}" for store, figure in held.items()))
    unknown = [store for store, figure in held.items() if figure is None]
    if unknown or not known:
        reasons = ((problems or {}).get(store, f"{store} is unknown") for store in unknown)
        return Finding("unknown", "; ".join(reasons))
    return Finding("passed")


def compared(counts: tuple[int, int, int], named: Iterable[Defect]) -> Finding:
    """The numbers of missing, surplus and different rows, and the columns of the examples."""
    missing, surplus, differing = counts
    if not (missing or surplus or differing):
        return Finding("passed")
    fields = sorted({d.column or d.field or "" for d in named if d.what == "differs"} - {""})
    where = f" in {', '.join(fields)}" if fields else ""
    said = ((missing, "missing"), (surplus, "too many"), (differing, f"different{where}"))
    return Finding("failed", "; ".join(f"{count:,} {what}" for count, what in said if count))


def referenced(orphans: int, *, declared: bool, expected: int | None) -> Finding:
    """References that find no row: 0 if a foreign key is declared, otherwise ``expected``.

    ``expected`` is the transform's count; None if it counts something else.
    """
    if declared and orphans:
        reason = f"{orphans:,} references find no row, although a foreign key is declared"
        return Finding("failed", reason)
    if expected is not None and orphans != expected:
        reason = f"{orphans:,} references find no row; the transform counted {expected:,}"
        return Finding("failed", reason)
    return Finding("passed", f"{orphans:,} references find no row" if orphans else "")


def percent_of(part: int, whole: int) -> float | None:
    """Percent; None if ``whole`` is 0."""
    return round(100 * part / whole, 4) if whole else None


_ROWS = 1 << 16  # rows of a file held in memory: some 10 MB of Python objects
_PLAIN: Final[Mapping[str, Any]] = {
    "compression": "lz4",
    "use_dictionary": False,  # digests do not repeat
    "write_statistics": False,
}
KEY = (("k0", pa.uint64()), ("k1", pa.uint64()))
ROWS = pa.schema([*KEY, ("h", pa.uint64())])
"""A row found in a document: the digests of its key and of its content."""
COPIES = pa.schema([*KEY, ("v", pa.string())])
"""A field that is copied from other rows: the row's key, and a text of the field's value."""


class DigestFile:
    """One file, written in groups of rows; close it with ``contextlib.closing``."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self._schema = path, schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._writer = pq.ParquetWriter(path, schema, **_PLAIN)

    def add(self, row: Sequence[Any]) -> None:
        """Add a row, in the order of the schema."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        if len(self._columns[0]) >= _ROWS:
            self._flush()

    def add_all(self, columns: Sequence[pa.Array]) -> None:
        """Add rows as columns, in the order of the schema."""
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def close(self) -> None:
        """Write the remaining rows."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrays = [pa.array(v, f.type) for v, f in zip(self._columns, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


class DigestFiles:
    """Files by name, each created with its first row; ``path`` is the prefix of their paths."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._files: dict[str, DigestFile] = {}

    def add(self, name: str, row: Sequence[Any]) -> None:
        """Add a row to the file of this name."""
        self._file(name).add(row)

    def add_all(self, name: str, columns: Sequence[pa.Array]) -> None:
        """Add rows as columns to the file of this name."""
        self._file(name).add_all(columns)

    def _file(self, name: str) -> DigestFile:
        file = self._files.get(name)
        if file is None:
            path = self._path.with_name(f"{self._path.name}-{len(self._files)}.parquet")
            file = self._files[name] = DigestFile(path, self._schema)
        return file

    def close(self) -> None:
        """Close all of them."""
        for file in self._files.values():
            file.close()

    @property
    def paths(self) -> Mapping[str, Path]:
        """The files, by name."""
        return {name: file.path for name, file in self._files.items()}


Take = tuple[tuple[str, ...], bool]
"""Columns that are copied together, and whether as one bare value."""


def column_of(name: str) -> str:
    """The name of the file's column with a column's text, as a key."""
    return f"c:{cased(name)}"


def array_of(name: str) -> str:
    """The name of the file's column with the texts of an array's elements, as keys."""
    return f"a:{cased(name)}"


@dataclass(frozen=True, slots=True)
class TableNeeds:
    """The columns needed from a table: columns and arrays as keys, and copied values."""

    keys: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    takes: tuple[Take, ...] = ()

    def schema(self) -> pa.Schema:
        """The columns of the table's files."""
        return pa.schema(
            [*ROWS]
            + [(column_of(name), pa.string()) for name in self.keys]
            + [(array_of(name), pa.list_(pa.string())) for name in self.arrays]
            + [(f"t:{number}", pa.string()) for number in range(len(self.takes))]
        )


Counted = tuple[Literal["unresolved", "orphans"], str]
"""A fact that the transformed archive records, and a name in it."""


@dataclass(frozen=True, slots=True)
class CopiedField:
    """A field of documents that is derived from other rows; ``slot`` is ``collection.field``."""

    slot: str
    owner: Table
    added: AddedField


@dataclass(frozen=True, slots=True)
class CheckedReference:
    """Columns of ``owner`` that reference rows of ``target``.

    ``declared`` is true if the database allows no orphans. ``says`` describes the foreign key or
    the field of the model. ``counted`` is the fact, and the name in it, where the transform counted
    these orphans, if it did.
    """

    owner: Table
    columns: tuple[str, ...]
    target: Table
    keys: tuple[str, ...]
    each: bool
    declared: bool
    says: str
    counted: Counted | None = None

    def __str__(self) -> str:
        columns = ", ".join(self.columns) + "[]" * self.each
        return f"{self.owner.name}.{columns} -> {self.target.name}.{', '.join(self.keys)}"


@dataclass(slots=True)
class ReportPlan:
    """Everything to check, by table where possible."""

    layouts: dict[str, RowLayout]
    left_out: dict[str, RowLayout]
    copies: list[CopiedField]
    references: list[CheckedReference]
    looked_up: dict[tuple[str, tuple[str, ...]], Table] = field(default_factory=dict)
    needs: dict[str, TableNeeds] = field(default_factory=dict)

    def layout(self, table: str) -> RowLayout:
        """The columns of a table that are compared; all columns if no document contains it."""
        return self.layouts.get(table) or self.left_out[table]


def plan(
    schema: Schema, resolution: Resolution, excluded: Collection[str] = frozenset[str]()
) -> ReportPlan:
    """Return everything to check for these collections.

    ``excluded`` are tables of the schema whose rows were excluded from the export.
    """
    found = layouts(resolution.collections)
    left_out = {
        table.name: RowLayout(
            table, tuple((c.name, None) for c in table.columns), table.primary_key
        )
        for table in schema.tables
        if table.name not in found
    }
    declared = [r for r in _declared(schema) if r.target.name not in excluded]
    made = ReportPlan(found, left_out, [], [r for r in declared if r.declared])
    for collection in resolution.collections:
        whole = collection.orphans_of is None
        _follow(made, collection.name, collection.shape, top=whole)
    made.references += (r for r in declared if not r.declared)
    made.references = list({str(r): r for r in reversed(made.references)}.values())[::-1]
    made.needs = _needs(schema, made)
    return made


def _declared(schema: Schema) -> Iterator[CheckedReference]:
    tables = {table.name: table for table in schema.tables}
    for table in schema.tables:
        for key in table.foreign_keys:
            if key.table in tables:
                yield _foreign_key(table, key, tables[key.table])


def _foreign_key(table: Table, key: ForeignKey, target: Table) -> CheckedReference:
    """The check of a foreign key, row by row.

    Several rows together may cover the range of a temporal key. Only the columns before the range
    have to be found.
    """
    held = key.validated and key.exact
    if not key.period:
        return CheckedReference(
            table, key.columns, target, key.target_columns, False, held, key.name
        )
    *own, span = key.columns
    held &= not table.column(span).nullable
    return CheckedReference(
        table, tuple(own), target, key.target_columns[:-1], False, held, key.name
    )


def _follow(made: ReportPlan, place: str, shape: DocumentShape, *, top: bool) -> None:
    for added in shape.additions:
        slot = f"{place}.{added.field}"
        owner = shape.table
        if added.verb.is_home:
            arrow = added.path[0]
            counted: Counted | None = (
                None if added.verb is AdditionVerb.EMBED_ONE else ("orphans", arrow.table.name)
            )
            if not arrow.each:
                made.references.append(
                    CheckedReference(
                        arrow.table, arrow.keys, owner, arrow.columns, False, False, slot, counted
                    )
                )
        else:
            made.copies.append(CopiedField(slot, owner, added))
            _refer(made, slot, owner, added, top=top)
        if added.shape is not None:
            _follow(made, slot, added.shape, top=False)


def _refer(made: ReportPlan, slot: str, owner: Table, added: AddedField, *, top: bool) -> None:
    """Add a path's steps that reference rows; steps of a union or count go from one to many."""
    alone = top and added.verb is AdditionVerb.LOOK_UP and len(added.path) == 1
    for step in added.path:
        if added.verb is AdditionVerb.LOOK_UP or (step.each and step is added.path[-1]):
            made.looked_up[step.table.name, step.keys] = step.table
            counted: Counted | None = ("unresolved", slot) if alone else None
            made.references.append(
                CheckedReference(
                    owner, step.columns, step.table, step.keys, step.each, False, slot, counted
                )
            )
        owner = step.table


def _needs(schema: Schema, made: ReportPlan) -> dict[str, TableNeeds]:
    """The columns that each table's files need for all joins."""
    keys: dict[str, set[str]] = {table.name: set() for table in schema.tables}
    arrays: dict[str, set[str]] = {table.name: set() for table in schema.tables}
    takes: dict[str, dict[Take, None]] = {table.name: {} for table in schema.tables}

    def start(owner: Table, columns: Iterable[str], *, each: bool) -> None:
        (arrays if each else keys)[owner.name].update(columns)

    for table in schema.tables:
        for unique in table.unique_keys:
            keys[table.name].update(unique)
    for reference in made.references:
        start(reference.owner, reference.columns, each=reference.each)
        keys[reference.target.name].update(reference.keys)
    for copy in made.copies:
        owner = copy.owner
        for arrow in copy.added.path:
            start(owner, arrow.columns, each=arrow.each)
            keys[arrow.table.name].update((*arrow.keys, *arrow.table.primary_key))
            owner = arrow.table
        if copy.added.take:
            takes[owner.name][take_of(copy.added)] = None
    return {
        name: TableNeeds(tuple(sorted(keys[name])), tuple(sorted(arrays[name])), tuple(takes[name]))
        for name in keys
    }


def take_of(added: AddedField) -> Take:
    """The part that a copy takes from the row that its path finds."""
    return tuple(part.column.name for part in added.take), added.bare
