"""Finds the common values of gathered keys, in DuckDB."""

# ruff: noqa: S608  # every name in a query is quoted by identifier or literal, or our own

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow.parquet as pq

from mediatool_assets.domain.inference.figures import FanOut
from mediatool_assets.domain.inference.references import (
    ALMOST_UNIQUE,
    CandidateReference,
    Coverage,
    Place,
    measurable,
)
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.infer.profiling import SIZE, schema_of
from mediatool_assets.flows.transform.gathering import key_of, keys_of
from mediatool_assets.flows.workers.duckdb_session import cased, duckdb_session, identifier, literal

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
