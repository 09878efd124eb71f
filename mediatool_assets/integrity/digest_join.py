"""Compares rows of all stores by their digests, in DuckDB."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import duckdb
import pyarrow as pa

from mediatool_assets.core.authenticity import DailySample
from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.model import AdditionVerb
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import AddedField, Arrow
from mediatool_assets.integrity.disassembly import NOTHING
from mediatool_assets.integrity.expected_values import Digest
from mediatool_assets.integrity.plan import (
    COPIES,
    EXAMPLES,
    ROWS,
    ReportPlan,
    array_of,
    column_of,
    take_of,
)
from mediatool_assets.integrity.readers import ShareResult
from mediatool_assets.work.scratch import MEMORY, cased, duckdb_session, identifier, literal

# ruff: noqa: S608  # every name in a query is quoted by identifier or literal, or our own


Kind = Literal["missing", "surplus", "differs"]
KINDS: tuple[Kind, ...] = ("missing", "surplus", "differs")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Rows or references that are wrong: their number, and the digests of some."""

    count: int
    examples: tuple[Digest, ...]


def counts_of(found: Mapping[Kind, Mismatch]) -> tuple[int, int, int]:
    """The numbers of missing, surplus and different rows."""
    return found["missing"].count, found["surplus"].count, found["differs"].count


class DigestJoin:
    """One DuckDB database for one report; close it by leaving its context."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, plan: ReportPlan, scratch: Path
    ) -> None:
        self._db, self._plan, self._scratch = connection, plan, scratch

    @classmethod
    @contextmanager
    def opened(cls, scratch: Path, plan: ReportPlan) -> Iterator[Self]:
        """Open a DuckDB database that spills into ``scratch``."""
        with duckdb_session(scratch, MEMORY) as connection:
            yield cls(connection, plan, scratch)

    def add_all(self, raw: Mapping[str, ShareResult], live: ShareResult) -> None:
        """Add the raw rows of every table, and the rows from the live documents."""
        for table, need in self._plan.needs.items():
            rows = [path for _, path in raw[table].files] if table in raw else []
            self.add(f"raw:{table}", rows, need.schema())
            self.add(f"docs:{table}", [path for name, path in live.files if name == table])
        for copy in self._plan.copies:
            files = [path for name, path in live.copies if name == copy.slot]
            self.add(f"copies:{copy.slot}", files, COPIES)

    def add(self, name: str, files: Sequence[Path], schema: pa.Schema = ROWS) -> None:
        """Add files under a name, with their ``schema``."""
        listed = ", ".join(literal(str(file)) for file in files)
        source = f"read_parquet([{listed}])" if files else f"(SELECT {_columns(schema)} LIMIT 0)"
        self._rows(f"CREATE OR REPLACE VIEW {_view(name)} AS FROM {source}")

    def mismatches(self, one: str, two: str, share: DailySample) -> dict[Kind, Mismatch]:
        """Compare two stores' rows by key: missing, surplus, and different in today's sample."""
        self._rows(
            "CREATE OR REPLACE TEMP TABLE mismatches AS SELECT k0, k1, "
            "CASE WHEN n > 0 THEN 'missing' WHEN n < 0 THEN 'surplus' ELSE 'differs' END AS kind "
            "FROM (SELECT k0, k1, sum(s) AS n, sum(s * h::HUGEINT) AS d FROM "
            f"(SELECT k0, k1, h, 1 AS s FROM {_view(one)} UNION ALL "
            f"SELECT k0, k1, h, -1 FROM {_view(two)}) GROUP BY k0, k1) "
            f"WHERE n <> 0 OR (d <> 0 AND {_today(share)})"
        )
        present = {kind for (kind,) in self._rows("SELECT DISTINCT kind FROM mismatches")}
        return {
            kind: self._mismatch(f"SELECT k0, k1 FROM mismatches WHERE kind = '{kind}'")
            if kind in present
            else Mismatch(0, ())
            for kind in KINDS
        }

    def repeated(self, table: str) -> Mismatch:
        """Rows with the same key as another row."""
        query = f"SELECT k0, k1 FROM {_raw(table)} GROUP BY k0, k1 HAVING count(*) > 1"
        return self._mismatch(query)

    def duplicates(self, table: str, columns: Sequence[str]) -> Mismatch:
        """Rows whose values in these columns, none of them null, occur in another row."""
        names = ", ".join(_key(column) for column in columns)
        present = " AND ".join(f"{_key(column)} IS NOT NULL" for column in columns)
        return self._mismatch(
            f"SELECT k0, k1 FROM {_raw(table)} WHERE {present} "
            f"QUALIFY count(*) OVER (PARTITION BY {names}) > 1"
        )

    def orphans(
        self, owner: Table, columns: Sequence[str], target: Table, keys: Sequence[str], each: bool
    ) -> tuple[int, Mismatch]:
        """The number of references of a table, and those that find no row."""
        equal = " AND ".join(
            _equal(f"s.x{i}", f"t.x{i}", owner.column(one).caseless_with(target.column(other)))
            for i, (one, other) in enumerate(zip(columns, keys, strict=True))
        )
        known = " AND ".join(f"x{i} IS NOT NULL" for i in range(len(keys)))
        start = self._start(owner, columns, each, "")
        targets = ", ".join(f"{_key(key)} AS x{i}" for i, key in enumerate(keys))
        self._rows(
            f"CREATE OR REPLACE TEMP TABLE reference AS SELECT k0, k1, t.x0 IS NULL AS orphan FROM "
            f"({start}) s LEFT JOIN (SELECT DISTINCT {targets} FROM {_raw(target.name)}) t "
            f"ON {equal} WHERE {known.replace('x', 's.x')}"
        )
        [(total,)] = self._rows("SELECT count(*) FROM reference")
        return int(total), self._mismatch("SELECT k0, k1 FROM reference WHERE orphan")

    def copies(self, slot: str, added: AddedField, owner: Table) -> tuple[int, Mismatch]:
        """The number of copied fields in documents, and those that differ from their origin."""
        self._rows(
            f"CREATE OR REPLACE TEMP TABLE copy AS SELECT c.k0, c.k1, c.v IS DISTINCT FROM "
            f"{self._otherwise(added)} AS differs FROM {_view(slot)} c LEFT JOIN "
            f"(SELECT DISTINCT * FROM ({self._says(added, owner)})) e USING (k0, k1)"
        )
        [(total,)] = self._rows("SELECT count(*) FROM copy")
        return int(total), self._mismatch("SELECT k0, k1 FROM copy WHERE differs")

    def _otherwise(self, added: AddedField) -> str:
        match added.verb:
            case AdditionVerb.COUNT:
                return "coalesce(e.v, '0')"
            case AdditionVerb.UNION:
                return "coalesce(e.v, '[]')"
            case _:
                return f"coalesce(e.v, {literal(NOTHING)})"

    def _says(self, added: AddedField, owner: Table) -> str:
        """``(k0, k1, v)``: the expected value of each row's field."""
        match added.verb:
            case AdditionVerb.LOOK_UP:
                return self._looked_up(added, owner)
            case AdditionVerb.UNION:
                found = f"SELECT DISTINCT k0, k1, v FROM ({self._walked(added, owner)})"
                return _listed(found, "v")
            case _:
                found = self._walked(added, owner)
                return f"SELECT k0, k1, count(DISTINCT r)::VARCHAR AS v FROM ({found}) GROUP BY ALL"

    def _looked_up(self, added: AddedField, owner: Table) -> str:
        """One row per reference: the value of the first row by key at the end of its path."""
        first = added.path[0]
        carried = "k0, k1, p"
        current = self._start(owner, first.columns, first.each, ", p" if first.each else ", 0 AS p")
        for number, arrow in enumerate(added.path):
            following = added.path[number + 1] if number + 1 < len(added.path) else None
            gives = self._gives(arrow, following, added)
            names = ", ".join(f"u.{name}" for name in _given(following))
            current = (
                f"SELECT {', '.join(f'c.{name}' for name in carried.split(', '))}, {names} "
                f"FROM ({current}) c LEFT JOIN ({gives}) u ON {_on(arrow)}"
            )
        if not first.each:
            return f"SELECT k0, k1, coalesce(v, {literal(NOTHING)}) AS v FROM ({current})"
        array = _array(first.columns[0])
        empty = f"SELECT k0, k1, '[]' AS v FROM {_raw(owner.name)} WHERE len({array}) = 0"
        each = _listed(
            f"SELECT k0, k1, p, coalesce(v, {literal(NOTHING)}) AS v FROM ({current})", "p"
        )
        return f"{each} UNION ALL {empty}"

    def _gives(self, arrow: Arrow, following: Arrow | None, added: AddedField) -> str:
        """The first row by key for each value that an arrow matches, with its next columns."""
        keys = ", ".join(f"{_key(key)} AS y{i}" for i, key in enumerate(arrow.keys))
        order = ", ".join(
            f"TRY_CAST({_key(c)} AS DOUBLE), {_key(c)}" for c in arrow.table.primary_key
        )
        by = ", ".join(f"lower({_key(k)})" if k in arrow.caseless else _key(k) for k in arrow.keys)
        over = f"PARTITION BY {by} ORDER BY {order or 'k0, k1'}"
        return (
            f"SELECT {keys}, {self._next(arrow, following, added)} FROM {_raw(arrow.table.name)} "
            f"QUALIFY row_number() OVER ({over}) = 1"
        )

    def _next(self, arrow: Arrow, following: Arrow | None, added: AddedField) -> str:
        if following is not None:
            return ", ".join(f"{_key(c)} AS x{i}" for i, c in enumerate(following.columns))
        takes = self._plan.needs[arrow.table.name].takes
        return f'"t:{takes.index(take_of(added))}" AS v'

    def _walked(self, added: AddedField, owner: Table) -> str:
        """Every row that the path reaches: ``v`` is its value, ``r`` identifies the row."""
        first = added.path[0]
        current = self._start(owner, first.columns, first.each, "")
        for number, arrow in enumerate(added.path):
            following = added.path[number + 1] if number + 1 < len(added.path) else None
            keys = ", ".join(f"{_key(key)} AS y{i}" for i, key in enumerate(arrow.keys))
            if following is not None:
                gives = self._start(arrow.table, following.columns, following.each, f", {keys}")
                names = ", ".join(f"u.{name}" for name in _given(following))
            else:
                what = (
                    "NULL AS v"
                    if added.verb is AdditionVerb.COUNT
                    else self._next(arrow, None, added)
                )
                gives = f"SELECT {keys}, (k0, k1) AS r, {what} FROM {_raw(arrow.table.name)}"
                names = "u.r, u.v"
            current = (
                f"SELECT c.k0, c.k1, {names} FROM ({current}) c JOIN ({gives}) u ON {_on(arrow)}"
            )
        return current

    def _start(self, owner: Table, columns: Sequence[str], each: bool, more: str) -> str:
        """The rows of a table with the values that an arrow matches, as x0, x1, ..."""
        if each:
            array = _array(columns[0])
            inner = (
                f"SELECT *, unnest({array}) AS x0, generate_subscripts({array}, 1) AS p "
                f"FROM {_raw(owner.name)}"
            )
            return f"SELECT k0, k1, x0{more} FROM ({inner})"
        keys = ", ".join(f"{_key(column)} AS x{i}" for i, column in enumerate(columns))
        return f"SELECT k0, k1, {keys}{more} FROM {_raw(owner.name)}"

    def _mismatch(self, query: str) -> Mismatch:
        [(count,)] = self._rows(f"SELECT count(*) FROM ({query})")
        if not count:
            return Mismatch(0, ())
        few = self._rows(f"SELECT DISTINCT k0, k1 FROM ({query}) ORDER BY ALL LIMIT {EXAMPLES}")
        return Mismatch(int(count), tuple((int(k0), int(k1)) for k0, k1 in few))

    def _rows(self, statement: str) -> list[Any]:
        try:
            return self._db.execute(statement).fetchall()
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise CheckFailed(
                f"comparing the rows of all stores failed: "
                f"{str(error).splitlines()[0]}; free space in {self._scratch}, and run it again"
            ) from error


def _columns(schema: pa.Schema) -> str:
    """The columns of a file, without rows."""
    kinds = {"string": "VARCHAR", "uint64": "UBIGINT"}
    return ", ".join(
        f"NULL::{kinds.get(str(part.type), 'VARCHAR[]')} AS {identifier(part.name)}"
        for part in schema
    )


def _listed(query: str, order: str) -> str:
    return (
        f"SELECT k0, k1, '[' || string_agg(v, ',' ORDER BY {order}) || ']' AS v FROM ({query}) "
        "GROUP BY k0, k1"
    )


def _given(following: Arrow | None) -> list[str]:
    return ["v"] if following is None else [f"x{i}" for i in range(len(following.columns))]


def _on(arrow: Arrow) -> str:
    return " AND ".join(
        _equal(f"c.x{i}", f"u.y{i}", key in arrow.caseless) for i, key in enumerate(arrow.keys)
    )


def _equal(one: str, other: str, caseless: bool) -> str:
    return f"lower({one}) = lower({other})" if caseless else f"{one} = {other}"


def _today(share: DailySample) -> str:
    return "true" if share.is_whole else f"k0 % {share.days} = {share.offset}"


def _raw(table: str) -> str:
    return _view(f"raw:{table}")


def _view(name: str) -> str:
    return identifier(cased(name))


def _key(column: str) -> str:
    return identifier(column_of(column))


def _array(column: str) -> str:
    return identifier(array_of(column))
