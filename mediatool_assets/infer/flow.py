"""Infer: proposes a model and a report of risks from a source's schema and rows.

Statistics of a whole source: workers profile every table, and references are compared.

Finds the common values of gathered keys, in DuckDB.

Profiles part of a table in a worker: its keys as Parquet, its risks as counts.

The tables to profile, from a raw archive or a live source, with one interface.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, Self

import bson
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from bson.errors import InvalidDocument

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.core.manifest import Block, NotCarried
from mediatool_assets.core.schema import Chunk, Column, Schema, Table
from mediatool_assets.core.shapes import ColumnField, DocumentShape
from mediatool_assets.infer import placement
from mediatool_assets.infer.model_text import model_text
from mediatool_assets.infer.placement import (
    Entity,
    FanOut,
    Figures,
    RiskReport,
    TableFigures,
    entities,
)
from mediatool_assets.infer.references import (
    ALMOST_UNIQUE,
    CandidateReference,
    Coverage,
    MeasuredReference,
    Place,
    accepted_references,
    candidates,
    declared,
    fields_of,
    identifying_key,
    measurable,
    undeclared_reference,
    words_of,
)
from mediatool_assets.stores.ports import RowReader, SourceSnapshot
from mediatool_assets.transform.documents import DocumentBuilder, canonical, key_of, keys_of
from mediatool_assets.transform.values import Losses
from mediatool_assets.versions.records import Row, row_parser
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace, cased, duckdb_session, identifier, literal


class RowRange(Protocol):
    """Consecutive rows of a table, to be read by a worker; can be pickled."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    def batches(self) -> Iterator[list[bytes]]:
        """The rows as NDJSON lines without newlines."""


class TableSource(Protocol):
    """A schema and the rows of its tables, at one instant."""

    @property
    def name(self) -> str:
        """The name of the source, for display."""

    @property
    def schema(self) -> Schema:
        """The schema with every table, including those without rows."""

    @property
    def excluded(self) -> frozenset[str]:
        """Tables whose rows were excluded."""

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """Known objects of the source that no archive contains."""

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The source's facts, with the keys of the metadata file."""

    def ddl(self) -> bytes:
        """The content of ``schema.sql``; raises the errors of creating it."""

    def lines(self, table: Table) -> list[RowRange]:
        """All rows of a table in order, in shares of some megabytes."""


@dataclass(frozen=True, slots=True)
class BlockLines:
    """A block of a raw archive."""

    archive: ArchiveReader
    block: Block

    @property
    def rows(self) -> int:
        """The number of rows in the manifest."""
        return self.block.rows

    def batches(self) -> Iterator[list[bytes]]:
        """The block's rows, read by range."""
        return (split_lines(content) for content in self.archive.blocks((self.block,)))


@dataclass(frozen=True, slots=True)
class ChunkLines:
    """A chunk of a live table, read in the coordinator's snapshot."""

    reader: RowReader
    table: Table
    chunk: Chunk

    @property
    def rows(self) -> int:
        """The number of rows that the snapshot counted."""
        return self.chunk.rows

    def batches(self) -> Iterator[list[bytes]]:
        """The chunk's rows."""
        return self.reader.read(self.table, self.chunk)


@dataclass(frozen=True, slots=True)
class ArchivedTables:
    """The tables of a raw archive; tables excluded from the export have no rows."""

    archive: ArchiveReader

    @property
    def name(self) -> str:
        """The archive's name, without its location."""
        return self.archive.source.name.rpartition("/")[2]

    @property
    def schema(self) -> Schema:
        """The schema in ``schema.json``."""
        return self.archive.schema()

    @property
    def excluded(self) -> frozenset[str]:
        """The excluded tables in the manifest."""
        return frozenset(exclusion.table for exclusion in self.archive.manifest.exclusions)

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects that the manifest lists."""
        return self.archive.manifest.not_carried

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The facts in the manifest."""
        return self.archive.manifest.source

    def ddl(self) -> bytes:
        """The DDL in the archive."""
        return self.archive.read_file("schema.sql")

    def lines(self, table: Table) -> list[RowRange]:
        """One share per block."""
        member = self.archive.manifest.tables().get(table.name)
        blocks = member.blocks if member is not None else ()
        reader = ArchiveReader(self.archive.source)
        return [BlockLines(reader, block) for block in blocks]


@dataclass(frozen=True, slots=True)
class LiveTables:
    """The tables of a snapshot that the caller keeps open."""

    snapshot: SourceSnapshot

    @property
    def name(self) -> str:
        """The schema and its server."""
        facts = self.snapshot.facts
        return f"schema {facts['schema']} of {facts['instance']}"

    @property
    def schema(self) -> Schema:
        """The schema in pg_catalog."""
        return self.snapshot.schema

    @property
    def excluded(self) -> frozenset[str]:
        """Empty: tables are excluded by an export, not by a source."""
        return frozenset()

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects that the catalogs list."""
        return self.snapshot.not_carried()

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """The snapshot's facts."""
        return self.snapshot.facts

    def ddl(self) -> bytes:
        """The DDL as pg_dump writes it now."""
        return self.snapshot.ddl()

    def lines(self, table: Table) -> list[RowRange]:
        """One share per chunk."""
        reader = self.snapshot.reader
        return [ChunkLines(reader, table, chunk) for chunk in self.snapshot.chunks(table)]


SIZE = "size"
"""The name of the column with the size of each row, in bytes as a document of its own."""


@dataclass(frozen=True, slots=True)
class ProfileShare:
    """Rows to read in a worker, and the columns that may be parts of references."""

    table: Table
    columns: tuple[Column, ...]
    lines: RowRange
    path: Path


@dataclass(slots=True)
class ShareProfile:
    """The figures of a share; the file at ``path`` holds the key and size of each row."""

    path: Path
    rows: int = 0
    bytes: int = 0
    largest: int = 0
    largest_key: str = ""
    values: Counter[str] = field(default_factory=Counter)
    losses: dict[str, dict[str, int]] = field(default_factory=dict)
    odd_keys: dict[str, Counter[str]] = field(default_factory=dict)


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """The Parquet file's columns: canonical texts, as the transform's joins compare them."""
    fields = [
        (keys_of(c.name), pa.list_(pa.string())) if c.element else (key_of(c.name), pa.string())
        for c in columns
    ]
    return pa.schema([(SIZE, pa.int64()), *fields])


def profile_share(share: ProfileShare) -> ShareProfile:
    """In a worker: read the share once; raises errors of reading and parsing."""
    losses = Losses()
    table = share.table
    documents = DocumentBuilder(_shape(table), losses, root=False)
    parse = row_parser(table)
    found = ShareProfile(share.path)
    nested = [c.name for c in table.columns if c.base in ("json", "jsonb")]
    schema = schema_of(share.columns)
    with pq.ParquetWriter(share.path, schema, compression="zstd", compression_level=1) as writer:
        for lines in share.lines.batches():
            rows = list(map(parse, lines))
            sizes = [
                _size(documents, row, line, found) for row, line in zip(rows, lines, strict=True)
            ]
            for row in rows:
                found.values.update(name for name, value in row.items() if value is not None)
            for name in nested:
                counts = found.odd_keys.setdefault(name, Counter())
                for row in rows:
                    counts.update(odd_keys(row[name]))
            arrays = [pa.array(sizes, pa.int64()), *_keys(share.columns, rows)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            found.rows += len(rows)
    found.losses = {
        name.removeprefix(f"{table.name}."): counts for name, counts in losses.counted().items()
    }
    return found


def _shape(table: Table) -> DocumentShape:
    """The shape of the table's rows as documents, by the defaults."""
    key, _ = identifying_key(table)
    fields, _ = fields_of(table, key)
    return DocumentShape(table, key, tuple(ColumnField(c, fields[c.name]) for c in table.columns))


def _size(documents: DocumentBuilder, row: Row, line: bytes, found: ShareProfile) -> int:
    """The bytes of the row's document, or of its JSON if it cannot become a document."""
    try:
        size = len(bson.encode(documents.document(row, line)))
    except (InvalidDocument, OverflowError, UnicodeEncodeError):
        size = len(line)
    found.bytes += size
    if size > found.largest:
        found.largest, found.largest_key = size, str(documents.key(row))
    return size


def _keys(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[pa.Array]:
    for column in columns:
        name = column.name
        if column.element is None:
            yield pa.array([_told(row[name], column) for row in rows], pa.string())
        else:
            yield pa.array([_elements(row[name], column) for row in rows], pa.list_(pa.string()))


def _elements(value: Any, column: Column) -> list[str | None] | None:
    if type(value) is not list:
        return None
    return [_told(item, column) for item in value if type(item) is not list]


def _told(value: Any, column: Column) -> str | None:
    """The value as joins compare it; None for an empty text, which references nothing."""
    return canonical(value, column) or None


def odd_keys(value: Any) -> set[str]:
    """Return which of ``$`` (at the start), ``.`` and NUL occur in a JSON document's keys."""
    found: set[str] = set()
    level = [value]
    while level:
        following: list[Any] = []
        for item in level:
            if type(item) is dict:
                for key, child in item.items():
                    if key.startswith("$"):
                        found.add("$")
                    if "." in key:
                        found.add(".")
                    if "\0" in key:
                        found.add("NUL")
                    if type(child) in (dict, list):
                        following.append(child)
            elif type(item) is list:
                following += [child for child in item if type(child) in (dict, list)]
        level = following
    return found


# ruff: noqa: S608  # every name in a query is quoted by identifier or literal, or our own


TOGETHER = 25
"""Columns per query: DuckDB plans some hundred of them for longer than it reads."""


@dataclass(frozen=True, slots=True)
class KeyOverlap:
    """The common values of columns and keys, for those ``pairs`` that have any."""

    columns: Mapping[tuple[str, tuple[str, ...]], int]
    targets: Mapping[tuple[str, tuple[str, ...]], int]
    held: Mapping[int, Coverage]
    pairs: Mapping[tuple[int, int], Coverage]

    def of(self, reference: CandidateReference) -> Coverage | None:
        """The coverage of a reference, or None if a column of it was not compared."""
        one = self.columns.get((reference.table, reference.columns))
        other = self.targets.get((reference.target, reference.keys))
        if one is None or other is None:
            return None
        return self.pairs.get((one, other), self.held.get(one, Coverage(0, 0, 0)))


class KeyDatabase:
    """The gathered keys in DuckDB, spilling into scratch."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._db, self._scratch = connection, scratch
        self._tables: dict[str, Table] = {}

    @classmethod
    @contextmanager
    def opened(cls, scratch: Path) -> Iterator[Self]:
        """Open the database until the context ends."""
        with duckdb_session(scratch) as connection:
            yield cls(connection, scratch)

    def bring(self, table: Table, files: Iterable[Path]) -> None:
        """Load a table's keys."""
        self._tables[table.name] = table
        paths = list(files)
        if not paths:
            paths = [self._scratch / "empty.parquet"]
            pq.write_table(schema_of(measurable(table)).empty_table(), paths[0])
        listed = ", ".join(literal(str(path)) for path in paths)
        self._run(f"CREATE TABLE {_table(table.name)} AS FROM read_parquet([{listed}])")

    def almost_unique(self, table: Table) -> frozenset[str]:
        """The single columns in which nearly every value occurs once."""
        single = [c for c in measurable(table) if c.element is None]
        found: set[str] = set()
        for first in range(0, len(single), TOGETHER):
            some = single[first : first + TOGETHER]
            counts = ", ".join(f"count({_key(c)}), count(DISTINCT {_key(c)})" for c in some)
            row = self._row(f"SELECT {counts} FROM {_table(table.name)}")
            found.update(
                column.name
                for column, values, distinct in zip(some, row[::2], row[1::2], strict=True)
                if values > 1 and distinct >= ALMOST_UNIQUE * values
            )
        return frozenset(found)

    def inclusion(self, reference: CandidateReference) -> Coverage:
        """Count how many of the values exist in the target."""
        own = ", ".join(f"k{i}" for i in range(len(reference.columns)))
        caseless = self._caseless(reference)
        theirs = _listed(reference.keys, caseless)
        values, found, distinct = self._row(
            f"WITH r AS ({_referring(reference, caseless)}), "
            f"v AS (SELECT {own}, count(*) AS n FROM r GROUP BY {own}), "
            f"t AS (SELECT DISTINCT {theirs} FROM {_table(reference.target)}) "
            f"SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (t.k0 IS NOT NULL), 0), count(*) "
            f"FROM v LEFT JOIN t USING ({own})"
        )
        return Coverage(int(values), int(found), int(distinct))

    def met(self, columns: Sequence[Place], targets: Sequence[Place]) -> KeyOverlap:
        """Compare all columns with all keys in one join, instead of one query per pair."""
        self._run("CREATE TABLE held (number INT, k0 VARCHAR, n BIGINT)")
        self._run("CREATE TABLE known (number INT, k0 VARCHAR)")
        for number, (table, column) in enumerate(columns):
            values = _values(table.name, (column.name,), column.element is not None)
            self._run(f"INSERT INTO held SELECT {number}, k0, count(*) FROM ({values}) GROUP BY k0")
        for number, (table, key) in enumerate(targets):
            values = _values(table.name, (key.name,), False)
            self._run(f"INSERT INTO known SELECT DISTINCT {number}, k0 FROM ({values})")
        held = self._run("SELECT number, sum(n), 0, count(*) FROM held GROUP BY number").fetchall()
        found = self._run(
            "SELECT h.number, k.number, sum(n) FROM held h JOIN known k USING (k0) "
            "GROUP BY h.number, k.number ORDER BY h.number, k.number"
        ).fetchall()
        totals = {number: Coverage(*map(int, counts)) for number, *counts in held}
        return KeyOverlap(
            {(table.name, (c.name,)): number for number, (table, c) in enumerate(columns)},
            {(table.name, (c.name,)): number for number, (table, c) in enumerate(targets)},
            totals,
            {(one, other): replace(totals[one], found=int(n)) for one, other, n in found},
        )

    def fan_out(self, reference: CandidateReference) -> FanOut:
        """Count the rows that reference each row of the target, and the size of both together."""
        own = ", ".join(f"k{i}" for i in range(len(reference.columns)))
        caseless = self._caseless(reference)
        theirs = _listed(reference.keys, caseless)
        targets, parents, median, p99, most, largest = self._row(
            f"WITH v AS (SELECT {own}, count(*) AS n, sum({SIZE}) AS weight "
            f"FROM ({_referring(reference, caseless)}) GROUP BY {own}), "
            f"t AS (SELECT {theirs}, {SIZE} FROM {_table(reference.target)}), "
            f"j AS (SELECT n, {SIZE} + coalesce(weight, 0) AS whole "
            f"FROM t LEFT JOIN v USING ({own})) "
            "SELECT count(*), count(n), quantile_disc(n, 0.5), quantile_disc(n, 0.99), max(n), "
            "max(whole) FROM j"
        )
        return FanOut(*(int(x or 0) for x in (targets, parents, median, p99, most, largest)))

    def _caseless(self, reference: CandidateReference) -> list[bool]:
        """For each column and its key: True if they are compared case-insensitively."""
        table, target = self._tables[reference.table], self._tables[reference.target]
        pairs = zip(reference.columns, reference.keys, strict=True)
        return [table.column(own).caseless_with(target.column(key)) for own, key in pairs]

    def _row(self, query: str) -> tuple[Any, ...]:
        [row] = self._run(query).fetchall()
        return tuple(row)

    def _run(self, query: str) -> duckdb.DuckDBPyConnection:
        return self._db.execute(query)


def _referring(reference: CandidateReference, caseless: Sequence[bool]) -> str:
    return _values(reference.table, reference.columns, reference.each, caseless)


def _listed(columns: Sequence[str], caseless: Sequence[bool]) -> str:
    """The columns as k0, k1, ..., in lower case if they are compared case-insensitively."""
    names = [
        f"lower({identifier(key_of(c))})" if caseless[i] else identifier(key_of(c))
        for i, c in enumerate(columns)
    ]
    return ", ".join(f"{name} AS k{i}" for i, name in enumerate(names))


def _values(
    name: str, columns: Sequence[str], each: bool, caseless: Sequence[bool] = (False,)
) -> str:
    """The columns' non-null values, or array elements, as k0, k1, ..., with their row's size."""
    table = _table(name)
    if each:
        array = identifier(keys_of(columns[0]))
        return (
            f"SELECT {'lower(k0) AS k0' if caseless[0] else 'k0'}, {SIZE} "
            f"FROM (SELECT unnest({array}) AS k0, {SIZE} FROM {table}) "
            "WHERE k0 IS NOT NULL"
        )
    present = " AND ".join(f"{identifier(key_of(column))} IS NOT NULL" for column in columns)
    return f"SELECT {_listed(columns, caseless)}, {SIZE} FROM {table} WHERE {present}"


def _key(column: Column) -> str:
    return identifier(key_of(column.name))


def _table(name: str) -> str:
    return identifier(f"t:{cased(name)}")


AHEAD = 8
"""Shares handed out in advance: enough to keep workers busy, few enough to wait for at the end."""


def measure(tables: TableSource, workspace: Workspace, sample: int) -> Figures:
    """Read at most about ``sample`` rows of each table, and test all references with them.

    Raises the errors of reading.
    """
    schema, scratch = tables.schema, workspace.scratch
    totals: dict[str, _Total] = {}
    shares = list(_shares(tables, schema, scratch, sample, totals))
    done, wanted = 0, sum(share.lines.rows for share in shares)
    with KeyDatabase.opened(scratch) as keys:
        with in_order(workspace.executor, profile_share, shares, ahead=AHEAD) as results:
            pairs = zip(shares, results, strict=True)
            for name, group in groupby(pairs, key=lambda pair: pair[0].table.name):
                for _, sounded in group:
                    totals[name].add(sounded)
                    done += sounded.rows
                    workspace.progress("reading", done, wanted)
        for table in schema.tables:
            keys.bring(table, totals[table.name].files)
        unique = {t.name: keys.almost_unique(t) for t in schema.tables}
        return _figures(schema, totals, unique, keys)


def _figures(
    schema: Schema,
    totals: Mapping[str, "_Total"],
    unique: Mapping[str, frozenset[str]],
    keys: KeyDatabase,
) -> Figures:
    inclusions = _inclusions(schema, unique, keys)
    inclusions = {
        r: replace(found, known=totals[r.target].known) for r, found in inclusions.items()
    }
    believed = (r.reference for r in accepted_references(inclusions))
    fan_outs = {r: keys.fan_out(r) for r in believed if inclusions[r].found and not r.each}
    figures = {name: total.figures(unique[name]) for name, total in totals.items()}
    return Figures(figures, inclusions, fan_outs)


def _inclusions(
    schema: Schema, unique: Mapping[str, frozenset[str]], keys: KeyDatabase
) -> dict[CandidateReference, Coverage]:
    """For every declared or possible reference, count how many of its values are keys."""
    by_name = {table.name: table for table in schema.tables}
    references = [*declared(schema), *candidates(schema, unique)]
    columns, targets = words_of(schema, unique)
    met = keys.met(columns, targets)
    inclusions = {
        reference: found if (found := met.of(reference)) is not None else keys.inclusion(reference)
        for reference in references
        if _is_read(reference, by_name)
    }
    for one, other in met.pairs:
        reference = undeclared_reference(columns[one], targets[other])
        if reference is not None:
            inclusions[reference] = met.pairs[one, other]
    return inclusions


def _is_read(reference: CandidateReference, tables: Mapping[str, Table]) -> bool:
    """True if the columns of both sides were gathered."""
    own = {column.name for column in measurable(tables[reference.table])}
    theirs = {column.name for column in measurable(tables[reference.target])}
    return own.issuperset(reference.columns) and theirs.issuperset(reference.keys)


@dataclass(slots=True)
class _Total:
    """The sum of the figures of all shares of one table."""

    rows: int
    read: int = 0
    bytes: int = 0
    largest: int = 0
    largest_key: str = ""
    files: list[Path] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)
    losses: dict[str, Counter[str]] = field(default_factory=dict)
    odd_keys: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def known(self) -> float:
        """The proportion of the rows that was read."""
        return self.read / self.rows if self.rows else 1.0

    def add(self, share: ShareProfile) -> None:
        self.read += share.rows
        self.bytes += share.bytes
        if share.largest > self.largest:
            self.largest, self.largest_key = share.largest, share.largest_key
        self.files.append(share.path)
        self.values.update(share.values)
        for name, counts in share.losses.items():
            self.losses.setdefault(name, Counter()).update(counts)
        for name, counts in share.odd_keys.items():
            self.odd_keys.setdefault(name, Counter()).update(counts)

    def figures(self, unique: frozenset[str]) -> TableFigures:
        return TableFigures(
            self.rows,
            self.read,
            self.bytes,
            self.largest,
            self.largest_key,
            dict(self.values),
            {name: dict(counts) for name, counts in self.losses.items()},
            {name: dict(counts) for name, counts in self.odd_keys.items() if counts},
            unique,
        )


def _shares(
    tables: TableSource, schema: Schema, scratch: Path, sample: int, totals: dict[str, _Total]
) -> Iterator[ProfileShare]:
    for number, table in enumerate(schema.tables):
        lines = tables.lines(table)
        totals[table.name] = _Total(sum(share.rows for share in lines))
        for index, share in enumerate(_spread(lines, sample)):
            path = scratch / f"keys-{number:05}-{index:05}.parquet"
            yield ProfileShare(table, tuple(measurable(table)), share, path)


def _spread(lines: Sequence[RowRange], sample: int) -> Sequence[RowRange]:
    """All shares, or of a larger table every n-th: about ``sample`` rows from all over it."""
    rows = sum(share.rows for share in lines)
    if rows <= sample:
        return lines
    wanted = max(1, len(lines) * sample // rows)
    return [lines[number * len(lines) // wanted] for number in range(wanted)]


SAMPLE_ROWS = 200_000
"""Approximate number of rows read per table: all of most tables, some minutes for the largest."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A model's text, which loads and runs unchanged, and the figures it was made from."""

    model: str
    risks: RiskReport
    relations: tuple[MeasuredReference, ...]
    entities: dict[str, Entity]
    figures: Figures


def infer(tables: TableSource, workspace: Workspace, *, sample: int = SAMPLE_ROWS) -> Inferred:
    """Read the tables, and propose a model; uncertain parts are written as comments.

    Raises the errors of the source.
    """
    schema = tables.schema
    figures = measure(tables, workspace, sample)
    relations = accepted_references(figures.inclusions)
    shaped = entities(schema, relations, figures)
    return Inferred(
        model_text(tables.name, shaped, figures),
        placement.report(tables.name, schema, figures, tables.not_carried),
        relations,
        shaped,
        figures,
    )
