"""Figures of a whole source: every table sounded by workers, references held against each other."""

# ruff: noqa: S608  # every name in a query is quoted by _name or _text, or our own

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow.parquet as pq

from mediatool_assets.domain.inference.figures import FanOut, Figures, TableFigures
from mediatool_assets.domain.inference.references import (
    ALMOST_UNIQUE,
    Inclusion,
    Place,
    Reference,
    candidates,
    chosen,
    declared,
    measurable,
    unnamed,
    words_of,
)
from mediatool_assets.domain.schema import Column, Schema, Table
from mediatool_assets.flows.infer.sounding import SIZE, Sounded, Sounding, schema_of, sound
from mediatool_assets.flows.infer.tables import Lines, Tables
from mediatool_assets.flows.ports import Progress
from mediatool_assets.flows.tasks import in_order
from mediatool_assets.flows.transform.gathering import cased, key_of, keys_of
from mediatool_assets.flows.transform.workbench import MEMORY

AHEAD = 8
"""Shares that workers may be ahead: enough to keep them busy, few enough to wait for in the end."""

TOGETHER = 25
"""Columns that one query counts: of some hundred DuckDB plans longer than it reads."""


def measure(
    tables: Tables, executor: Executor, scratch: Path, sample: int, progress: Progress
) -> Figures:
    """Read at most about ``sample`` rows of each table and hold all references against them.

    ``scratch`` takes the keys that were read. Raises what reading raises.
    """
    schema = tables.schema
    totals: dict[str, _Total] = {}
    shares = list(_shares(tables, schema, scratch, sample, totals))
    done, wanted = 0, sum(share.lines.rows for share in shares)
    with Keys.opened(scratch) as keys:
        with in_order(executor, sound, shares, ahead=AHEAD) as results:
            pairs = zip(shares, results, strict=True)
            for name, group in groupby(pairs, key=lambda pair: pair[0].table.name):
                for _, sounded in group:
                    totals[name].add(sounded)
                    done += sounded.rows
                    progress("reading", done, wanted)
        for table in schema.tables:
            keys.bring(table, totals[table.name].files)
        unique = {t.name: keys.almost_unique(t) for t in schema.tables}
        return _figures(schema, totals, unique, keys)


def _figures(
    schema: Schema,
    totals: Mapping[str, "_Total"],
    unique: Mapping[str, frozenset[str]],
    keys: "Keys",
) -> Figures:
    inclusions = _inclusions(schema, unique, keys)
    inclusions = {
        r: replace(found, known=totals[r.target].known) for r, found in inclusions.items()
    }
    believed = (r.reference for r in chosen(inclusions))
    fan_outs = {r: keys.fan_out(r) for r in believed if inclusions[r].found and not r.each}
    figures = {name: total.figures(unique[name]) for name, total in totals.items()}
    return Figures(figures, inclusions, fan_outs)


def _inclusions(
    schema: Schema, unique: Mapping[str, frozenset[str]], keys: "Keys"
) -> dict[Reference, Inclusion]:
    """Of every reference that is declared or possible how many of its values are keys."""
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
        reference = unnamed(columns[one], targets[other])
        if reference is not None:
            inclusions[reference] = met.pairs[one, other]
    return inclusions


@dataclass(frozen=True, slots=True)
class _Met:
    """What columns and keys have in common: of ``pairs``, by their numbers, all that have any."""

    columns: Mapping[tuple[str, tuple[str, ...]], int]
    targets: Mapping[tuple[str, tuple[str, ...]], int]
    held: Mapping[int, Inclusion]
    pairs: Mapping[tuple[int, int], Inclusion]

    def of(self, reference: Reference) -> Inclusion | None:
        """The reference's, where both its ends took part."""
        one = self.columns.get((reference.table, reference.columns))
        other = self.targets.get((reference.target, reference.keys))
        if one is None or other is None:
            return None
        return self.pairs.get((one, other), self.held.get(one, Inclusion(0, 0, 0)))


def _is_read(reference: Reference, tables: Mapping[str, Table]) -> bool:
    """Whether the columns of both sides are among those that were gathered."""
    own = {column.name for column in measurable(tables[reference.table])}
    theirs = {column.name for column in measurable(tables[reference.target])}
    return own.issuperset(reference.columns) and theirs.issuperset(reference.keys)


@dataclass(slots=True)
class _Total:
    """What the shares of one table came to."""

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
        """Which part of the rows was read."""
        return self.read / self.rows if self.rows else 1.0

    def add(self, share: Sounded) -> None:
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
    tables: Tables, schema: Schema, scratch: Path, sample: int, totals: dict[str, _Total]
) -> Iterator[Sounding]:
    for number, table in enumerate(schema.tables):
        lines = tables.lines(table)
        totals[table.name] = _Total(sum(share.rows for share in lines))
        for index, share in enumerate(_spread(lines, sample)):
            path = scratch / f"keys-{number:05}-{index:05}.parquet"
            yield Sounding(table, tuple(measurable(table)), share, path)


def _spread(lines: Sequence[Lines], sample: int) -> Sequence[Lines]:
    """All shares, or of a larger table every so manieth: some ``sample`` rows from all over it."""
    rows = sum(share.rows for share in lines)
    if rows <= sample:
        return lines
    wanted = max(1, len(lines) * sample // rows)
    return [lines[number * len(lines) // wanted] for number in range(wanted)]


class Keys:
    """The gathered keys in DuckDB, spilling into scratch."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._db, self._scratch = connection, scratch
        self._tables: dict[str, Table] = {}

    @classmethod
    @contextmanager
    def opened(cls, scratch: Path) -> Iterator[Self]:
        """Open until the context is left."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "threads": 2,
            "temp_directory": str(scratch / "spill"),
        }
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            yield cls(connection, scratch)

    def bring(self, table: Table, files: Iterable[Path]) -> None:
        """Make a table's keys known."""
        self._tables[table.name] = table
        paths = list(files)
        if not paths:
            paths = [self._scratch / "empty.parquet"]
            pq.write_table(schema_of(measurable(table)).empty_table(), paths[0])
        listed = ", ".join(_text(str(path)) for path in paths)
        self._run(f"CREATE TABLE {_table(table.name)} AS FROM read_parquet([{listed}])")

    def almost_unique(self, table: Table) -> frozenset[str]:
        """The single columns of which nearly every value stands once."""
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

    def inclusion(self, reference: Reference) -> Inclusion:
        """How many of the values are among the target's."""
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
        return Inclusion(int(values), int(found), int(distinct))

    def met(self, columns: Sequence[Place], targets: Sequence[Place]) -> "_Met":
        """All columns held against all keys in one join: pairs would be their product."""
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
        totals = {number: Inclusion(*map(int, counts)) for number, *counts in held}
        return _Met(
            {(table.name, (c.name,)): number for number, (table, c) in enumerate(columns)},
            {(table.name, (c.name,)): number for number, (table, c) in enumerate(targets)},
            totals,
            {(one, other): replace(totals[one], found=int(n)) for one, other, n in found},
        )

    def fan_out(self, reference: Reference) -> FanOut:
        """How many rows name each row of the target, and what they weigh with it."""
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

    def _caseless(self, reference: Reference) -> list[bool]:
        """Of each column and its key whether their case counts nothing."""
        table, target = self._tables[reference.table], self._tables[reference.target]
        pairs = zip(reference.columns, reference.keys, strict=True)
        return [table.column(own).caseless_with(target.column(key)) for own, key in pairs]

    def _row(self, query: str) -> tuple[Any, ...]:
        [row] = self._run(query).fetchall()
        return tuple(row)

    def _run(self, query: str) -> duckdb.DuckDBPyConnection:
        return self._db.execute(query)


def _referring(reference: Reference, caseless: Sequence[bool]) -> str:
    return _values(reference.table, reference.columns, reference.each, caseless)


def _listed(columns: Sequence[str], caseless: Sequence[bool]) -> str:
    """The columns as k0, k1, ..., in lower case where theirs counts nothing."""
    names = [
        f"lower({_name(key_of(c))})" if caseless[i] else _name(key_of(c))
        for i, c in enumerate(columns)
    ]
    return ", ".join(f"{name} AS k{i}" for i, name in enumerate(names))


def _values(
    name: str, columns: Sequence[str], each: bool, caseless: Sequence[bool] = (False,)
) -> str:
    """The columns' values, or elements, that are no null, as k0, k1, ..., with their row's size."""
    table = _table(name)
    if each:
        array = _name(keys_of(columns[0]))
        return (
            f"SELECT {'lower(k0) AS k0' if caseless[0] else 'k0'}, {SIZE} "
            f"FROM (SELECT unnest({array}) AS k0, {SIZE} FROM {table}) "
            "WHERE k0 IS NOT NULL"
        )
    present = " AND ".join(f"{_name(key_of(column))} IS NOT NULL" for column in columns)
    return f"SELECT {_listed(columns, caseless)}, {SIZE} FROM {table} WHERE {present}"


def _key(column: Column) -> str:
    return _name(key_of(column.name))


def _table(name: str) -> str:
    return _name(f"t:{cased(name)}")


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(literal: str) -> str:
    return "'" + literal.replace("'", "''") + "'"
