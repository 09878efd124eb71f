"""Comparison of exports of real databases, held against what PostgreSQL itself says differs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mediatool_assets.compare.flow import compare
from mediatool_assets.core.comparison import Comparison, TableComparison
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.compared import NOW, ONE, TWO
from mediatool_assets_tests.postgres_strategies import COLUMNS, TYPES, rows
from mediatool_assets_tests.twins import DirectoryObjects

Row = dict[str, str | None]
NAMES = tuple(COLUMNS)


@dataclass(frozen=True)
class Twofold:
    """Schemas ``one`` and ``two``: a table ``keyed`` by id and a table ``loose``, of every type."""

    url: Url
    connection: psycopg.Connection[Any]
    pool: Workspace

    def fill(self, schema: str, keyed: dict[int, Row], loose: Sequence[Row]) -> None:
        """Put these rows into both tables of a schema, and nothing else."""
        self._run("TRUNCATE {s}.keyed, {s}.loose", s=sql.Identifier(schema))
        columns = sql.SQL(", ").join(map(sql.Identifier, NAMES))
        into = "COPY {s}.keyed (id, {columns}) FROM STDIN"
        query = sql.SQL(into).format(s=sql.Identifier(schema), columns=columns)
        with self.connection.cursor().copy(query) as copy:
            for number, row in keyed.items():
                copy.write_row([number, *(row.get(name) for name in NAMES)])
        into = "COPY {s}.loose ({columns}) FROM STDIN"
        query = sql.SQL(into).format(s=sql.Identifier(schema), columns=columns)
        with self.connection.cursor().copy(query) as copy:
            for row in loose:
                copy.write_row([row.get(name) for name in NAMES])

    def compared(self, folder: Path) -> Comparison:
        """Export both schemas and compare the archives."""
        objects = DirectoryObjects(folder)
        for schema, version in (("one", ONE), ("two", TWO)):
            export(PostgresSource(self.url, schema), objects, self.pool, version)
        return between(objects, self.pool, ONE, TWO)

    def counted(self, query: str, **parts: sql.Composable) -> int:
        """The number that a query gives."""
        [(number,)] = self._run(query, **parts).fetchall()
        return int(number)

    def changes(self) -> tuple[int, dict[str, int]]:
        """Rows of both schemas that differ, and values that differ by column, without zeros."""
        counts = [
            sql.SQL("count(*) FILTER (WHERE x.{c}::text IS DISTINCT FROM y.{c}::text)").format(
                c=sql.Identifier(name)
            )
            for name in NAMES
        ]
        query = (
            "SELECT count(*) FILTER (WHERE x::text IS DISTINCT FROM y::text), {counts}"
            " FROM one.keyed x JOIN two.keyed y USING (id)"
        )
        [(changed, *values)] = self._run(query, counts=sql.SQL(", ").join(counts)).fetchall()
        return changed, {name: n for name, n in zip(NAMES, values, strict=True) if n}

    def _run(self, query: str, **parts: sql.Composable) -> psycopg.Cursor[Any]:
        return self.connection.execute(sql.SQL(query).format(**parts))


def between(objects: ObjectStore, pool: Workspace, one: Version, two: Version) -> Comparison:
    """Compare the raw archives of two versions."""
    sources = (objects.open(archive_key("raw", one)), objects.open(archive_key("raw", two)))
    return compare(sources, replace(pool, clock=lambda: NOW))


@pytest.fixture
def twofold(postgres_database: Url, pool: Workspace) -> Iterator[Twofold]:
    """Both schemas, empty."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA a; SET search_path TO a;" + TYPES)
        columns = sql.SQL(", ").join(
            sql.SQL("{} " + type_).format(sql.Identifier(name))
            for name, (type_, _) in COLUMNS.items()
        )
        create = sql.SQL(
            "CREATE SCHEMA {s}; CREATE TABLE {s}.keyed (id bigint PRIMARY KEY, {columns});"
            "CREATE TABLE {s}.loose ({columns})"
        )
        for schema in ("one", "two"):
            connection.execute(create.format(s=sql.Identifier(schema), columns=columns))
        yield Twofold(postgres_database, connection, pool)


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[int, Row], dict[int, Row]]:
    """Rows by id, and the same after edits: some kept, some changed in a cell or two, some gone."""
    before = dict(enumerate(draw(rows(COLUMNS))))
    after: dict[int, Row] = {}
    for number, row in before.items():
        match draw(st.sampled_from(["keep", "change", "drop"])):
            case "keep":
                after[number] = row
            case "change":
                after[number] = row | draw(rows(COLUMNS))[0]
    new = draw(rows(COLUMNS))
    return before, after | {1000 + number: row for number, row in enumerate(new)}


@given(states=edited())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_edits_are_counted_as_postgresql_counts_them(
    twofold: Twofold, tmp_path_factory: pytest.TempPathFactory, states: Any
) -> None:
    """Added, removed, changed rows, and changed values by column, over every type."""
    for schema, state in zip(("one", "two"), states, strict=True):
        twofold.fill(schema, state, list(state.values()))
    found = twofold.compared(tmp_path_factory.mktemp("oracle"))
    keyed, loose = found.details["keyed"], found.details["loose"]
    only = (
        "SELECT count(*) FROM {a}.keyed x"
        " WHERE NOT EXISTS (SELECT FROM {b}.keyed y WHERE x.id = y.id)"
    )
    one, two = sql.Identifier("one"), sql.Identifier("two")
    assert keyed.removed == twofold.counted(only, a=one, b=two)
    assert keyed.added == twofold.counted(only, a=two, b=one)
    assert (keyed.changed, keyed.field_changes) == twofold.changes()
    surplus = (
        "SELECT count(*) FROM (SELECT x::text FROM {a}.loose x EXCEPT ALL"
        " SELECT y::text FROM {b}.loose y) z"
    )
    assert loose.removed == twofold.counted(surplus, a=one, b=two)
    assert loose.added == twofold.counted(surplus, a=two, b=one)


def test_each_day_of_edits_is_found_exactly(
    postgres_database: Url, objects: S3Objects, pool: Workspace
) -> None:
    """Rows added, removed and changed are those that the seed says it edited, and no others.

    Through the bucket; on day 4 a table gains a column, on day 5 the schema a table.
    """
    versions = [Version.parse(f"2025060{day + 1}-020000") for day in range(6)]
    edits: Any = {}
    for day, version in enumerate(versions):
        edits = seed(postgres_database, scale=0.002, full=True, day=day).edits
        export(PostgresSource(postgres_database, "media_tool"), objects, pool, version)
    for day in range(1, 6):
        found = between(objects, pool, versions[day - 1], versions[day])
        made = {name: of for name, of in edits[day].items() if name != "schema"}
        expected = {name: _expected(of) for name, of in made.items() if name in found.details}
        assert {n: _found(t) for n, t in found.details.items() if t.differs} == expected
        assert len(found.schema_changes) == len(edits[day]["schema"])
        assert [error.table for error in found.errors] == (["campaign_notes"] if day == 5 else [])


def test_restored_versions_differ_as_their_comparison_says(
    postgres_database: Url, stack: Stack, pool: Workspace, tmp_path: Path
) -> None:
    """By PostgreSQL's own EXCEPT ALL, of both versions restored and every table of them."""
    objects = DirectoryObjects(tmp_path)
    target = PostgresTarget(Url(stack.environment["MEDIATOOL_RESTORE_POSTGRES_URL"]))
    made = []
    for day, version in enumerate((ONE, TWO)):
        seed(postgres_database, scale=0.001, day=day)
        export(PostgresSource(postgres_database, "media_tool"), objects, pool, version)
        name = f"{postgres_database.database}_{day}"
        restore_postgres(objects, target, pool, version, RestoreOptions(database=name))
        made.append(target.database(name, "media_tool").url)
    found = between(objects, pool, ONE, TWO).details
    assert any(table.changed for table in found.values())
    with psycopg.connect(made[0].reveal()) as one, psycopg.connect(made[1].reveal()) as two:
        told = {n: (t.removed + t.changed, t.added + t.changed) for n, t in found.items()}
        assert {name: _excepted(one, two, name) for name in found} == told
    for url in made:
        target.drop(url.database)


def _excepted(
    one: psycopg.Connection[Any], two: psycopg.Connection[Any], name: str
) -> tuple[int, int]:
    """How many rows of a table only the one has, and only the other."""
    table = sql.Identifier("media_tool", name)
    one.execute("DROP TABLE IF EXISTS other; CREATE TEMP TABLE other (line text)")
    query = sql.SQL("COPY (SELECT x::text FROM {} x) TO STDOUT").format(table)
    with two.cursor().copy(query) as rows, one.cursor().copy("COPY other FROM STDIN") as copy:
        for row in rows:
            copy.write(row)
    mine, other = sql.SQL("SELECT x::text FROM {} x").format(table), sql.SQL("TABLE other")
    count = sql.SQL("SELECT count(*) FROM ({} EXCEPT ALL {}) z")
    [(removed,)] = one.execute(count.format(mine, other)).fetchall()
    [(added,)] = one.execute(count.format(other, mine)).fetchall()
    return removed, added


def _expected(of: dict[str, int]) -> tuple[int, int, int]:
    return of["inserted"], of["deleted"], of["updated"] + of["soft_deleted"]


def _found(table: TableComparison) -> tuple[int, int, int]:
    return table.added, table.removed, table.changed
