"""The PostgreSQL source: one instant, whatever others write meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from mediatool_assets.core.errors import BadSettings, BadSource, Unreachable
from mediatool_assets.core.schema import Column, Enum, ForeignKey, Sequence
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres_source import PostgresSnapshot, PostgresSource


def run(url: Url, statements: str) -> None:
    """Execute statements, and commit."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute(statements.encode())


def read(snapshot: PostgresSnapshot, table: str) -> list[bytes]:
    """Every row of a table through the snapshot, in order."""
    found = snapshot.schema.table(table)
    return [
        row
        for chunk in snapshot.chunks(found)
        for batch in snapshot.reader.read(found, chunk)
        for row in batch
    ]


@contextmanager
def in_background(work: Callable[[], object]) -> Iterator[None]:
    """Run ``work`` over and over in a thread until the context is left."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_until(url: Url, query: str) -> None:
    """Wait until a query of one value answers true."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        Retrying(
            retry=retry_if_result(lambda found: not found),
            wait=wait_fixed(0.02),
            stop=stop_after_delay(30),
        )(lambda: one(connection, query))


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    """The value of a query of one row and column."""
    [(value,)] = connection.execute(query.encode())
    return value


def test_all_tables_are_of_one_instant(postgres_database: Url) -> None:
    """Rows that a writer keeps moving between two tables are each in exactly one of them."""
    run(
        postgres_database,
        "CREATE SCHEMA a; CREATE TABLE a.here (id integer); CREATE TABLE a.there (id integer);"
        "INSERT INTO a.here SELECT generate_series(1, 2000)",
    )
    source = PostgresSource(postgres_database, "a", chunk_rows=150)
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as writer:

        def move() -> None:
            for origin, target in (("here", "there"), ("there", "here")):
                moving = sql.SQL(
                    "WITH moved AS (DELETE FROM a.{} WHERE id % 7 = (random() * 6)::int "
                    "RETURNING id) INSERT INTO a.{} SELECT id FROM moved"
                ).format(sql.Identifier(origin), sql.Identifier(target))
                writer.execute(moving)

        with in_background(move), source.snapshot() as snapshot:
            moves = "SELECT n_tup_del > 4000 FROM pg_stat_user_tables WHERE relname = 'here'"
            first = read(snapshot, "here")
            wait_until(postgres_database, moves)
            second = read(snapshot, "there")
            assert read(snapshot, "here") == first
    assert sorted([*first, *second]) == sorted(b'{"id":%d}' % n for n in range(1, 2001))


def test_a_table_is_locked_before_the_snapshot_is_taken(postgres_database: Url) -> None:
    """A TRUNCATE under way is waited for: an older snapshot would show an empty table."""
    run(
        postgres_database,
        "CREATE SCHEMA a; CREATE TABLE a.t (id integer); INSERT INTO a.t VALUES (1)",
    )
    found: list[bytes] = []

    def export() -> None:
        with PostgresSource(postgres_database, "a").snapshot() as snapshot:
            found.extend(read(snapshot, "t"))

    with psycopg.connect(postgres_database.reveal()) as rewriter:
        rewriter.execute("TRUNCATE a.t")
        rewriter.execute("INSERT INTO a.t VALUES (2)")
        thread = threading.Thread(target=export)
        thread.start()
        wait_until(postgres_database, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        rewriter.commit()
        thread.join()
    assert found == [b'{"id":2}']


def test_a_table_made_while_waiting_for_locks_is_there(postgres_database: Url) -> None:
    """The tables locked are the tables of the snapshot."""
    run(postgres_database, "CREATE SCHEMA a; CREATE TABLE a.t (id integer)")
    names: list[str] = []

    def export() -> None:
        with PostgresSource(postgres_database, "a").snapshot() as snapshot:
            names.extend(table.name for table in snapshot.schema.tables)

    with psycopg.connect(postgres_database.reveal()) as migration:
        migration.execute("ALTER TABLE a.t RENAME TO renamed; CREATE TABLE a.added (id integer)")
        thread = threading.Thread(target=export)
        thread.start()
        wait_until(postgres_database, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        migration.commit()
        thread.join()
    assert names == ["added", "renamed"]


def test_a_migration_that_waits_behind_the_export_does_not_hang_it(postgres_database: Url) -> None:
    """Workers and pg_dump queue behind the migration, as PostgreSQL has it, and give up in time."""
    run(postgres_database, "CREATE SCHEMA a; CREATE TABLE a.t AS SELECT 1 AS id")
    source = PostgresSource(postgres_database, "a", lock_timeout="200ms")
    migration = threading.Thread(
        target=run, args=(postgres_database, "ALTER TABLE a.t ADD COLUMN more integer")
    )
    with source.snapshot() as snapshot:
        table = snapshot.schema.table("t")
        chunks = snapshot.chunks(table)
        migration.start()
        wait_until(postgres_database, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        with pytest.raises(BadSource, match=r"lock.*run again"):
            list(snapshot.reader.read(table, chunks[0]))
        with pytest.raises(BadSource, match=r"statement timeout.*LOCK TABLE"):
            snapshot.ddl()
    migration.join()


def test_chunks_cover_the_table_row_by_row(postgres_database: Url) -> None:
    """Exact counts, aligned to rows, over pages with holes and moved rows."""
    run(
        postgres_database,
        "CREATE SCHEMA a; CREATE TABLE a.t (id integer, pad text);"
        "INSERT INTO a.t SELECT n, repeat('x', n % 90) FROM generate_series(1, 5000) n;"
        "DELETE FROM a.t WHERE id % 3 = 0 OR id BETWEEN 1000 AND 2000;"
        "UPDATE a.t SET pad = pad || 'y' WHERE id % 5 = 0",
    )
    with PostgresSource(postgres_database, "a", chunk_rows=97).snapshot() as snapshot:
        table = snapshot.schema.table("t")
        chunks = snapshot.chunks(table)
        read_rows = [
            sum(len(batch) for batch in snapshot.reader.read(table, chunk)) for chunk in chunks
        ]
        total = one(snapshot.connection, "SELECT count(*) FROM a.t")
    assert [chunk.rows for chunk in chunks] == read_rows
    assert sum(read_rows) == total
    assert {chunk.rows for chunk in chunks[:-1]} == {97}
    assert [c.first for c in chunks] == [97 * index for index in range(len(chunks))]


def test_a_partition_attached_during_the_export_is_not_in_it(postgres_database: Url) -> None:
    """The partitions are those of the snapshot, and so are their rows."""
    run(
        postgres_database,
        "SET lock_timeout = '5s'; CREATE SCHEMA a; CREATE SCHEMA b;"
        "CREATE TABLE a.p (id integer) PARTITION BY LIST (id);"
        "CREATE TABLE a.p1 PARTITION OF a.p FOR VALUES IN (1); INSERT INTO a.p VALUES (1);"
        "CREATE TABLE b.p2 (id integer); INSERT INTO b.p2 VALUES (2)",
    )
    source = PostgresSource(postgres_database, "a")
    attach = "SET lock_timeout = '5s'; ALTER TABLE a.p ATTACH PARTITION b.p2 FOR VALUES IN (2)"
    with source.snapshot() as before:
        run(postgres_database, attach)
        assert read(before, "p") == [b'{"id":1}']
    with source.snapshot() as after:
        assert read(after, "p") == [b'{"id":1}', b'{"id":2}']


def test_partitions_lie_where_they_like(postgres_database: Url) -> None:
    """Other schemas and other column orders are no matter; rows stand under the topmost parent."""
    run(
        postgres_database,
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.p (id integer, t text)"
        " PARTITION BY LIST (id);"
        "CREATE TABLE b.p1 (gone text, t text, id integer); ALTER TABLE b.p1 DROP COLUMN gone;"
        "ALTER TABLE a.p ATTACH PARTITION b.p1 FOR VALUES IN (1);"
        "CREATE TABLE a.z PARTITION OF a.p FOR VALUES IN (2);"
        "INSERT INTO a.p VALUES (1, 'x'), (2, 'y')",
    )
    with PostgresSource(postgres_database, "a").snapshot() as snapshot:
        assert snapshot.schema.table("p").partitions == ("z", "b.p1")
        assert read(snapshot, "p") == [b'{"id":2,"t":"y"}', b'{"id":1,"t":"x"}']


SCHEMA = """
CREATE SCHEMA a; SET search_path TO a;
CREATE DOMAIN currency AS numeric; CREATE DOMAIN fee AS currency;
CREATE TYPE stage AS ENUM ('b', 'a');
CREATE TABLE parents (x integer, y text, PRIMARY KEY (y, x), UNIQUE (x));
CREATE TABLE children (
    id bigint GENERATED ALWAYS AS IDENTITY,
    parent_y text, parent_x integer NOT NULL,
    fees fee[] DEFAULT '{}', stage stage, price numeric(12,4),
    twice numeric GENERATED ALWAYS AS (price * 2) STORED,
    FOREIGN KEY (parent_x, parent_y) REFERENCES parents (x, y)
);
CREATE UNIQUE INDEX by_stage ON children (stage, id);
CREATE INDEX lowered ON children (lower(parent_y)) WHERE parent_x > 0;
COMMENT ON TABLE children IS 'a table'; COMMENT ON COLUMN children.price IS 'a column';
"""


def test_the_catalog_is_read_to_the_last_key(postgres_database: Url) -> None:
    """Types below domains, keys in order, identity, defaults, comments, enums, sequences."""
    run(postgres_database, SCHEMA)
    with PostgresSource(postgres_database, "a").snapshot() as snapshot:
        schema = snapshot.schema
    children, parents = schema.tables
    assert parents.primary_key == ("y", "x")
    assert parents.unique_keys == (("x",),)
    assert children.comment == "a table"
    assert children.columns == (
        Column("id", "bigint", "bigint", "b", "N", nullable=False, identity="a"),
        Column("parent_y", "text", "text", "b", "S"),
        Column("parent_x", "integer", "integer", "b", "N", nullable=False),
        Column("fees", "a.fee[]", "a.fee[]", "b", "A", element="numeric", element_kind="b",
               default="'{}'::a.fee[]"),
        Column("stage", "a.stage", "a.stage", "e", "E"),
        Column("price", "numeric(12,4)", "numeric", "b", "N", comment="a column"),
        Column("twice", "numeric", "numeric", "b", "N", default="(price * (2)::numeric)",
               generated=True),
    )  # fmt: skip
    assert children.foreign_keys == (
        ForeignKey(
            "children_parent_x_parent_y_fkey", ("parent_x", "parent_y"), "parents", ("x", "y")
        ),
    )
    assert [(i.name, i.unique, i.columns) for i in children.indexes] == [
        ("by_stage", True, ("stage", "id")),
        ("lowered", False, ("lower(parent_y)",)),
    ]
    assert children.unique_keys == (("stage", "id"),)
    assert schema.enums == (Enum("stage", ("b", "a")),)
    assert schema.sequences == (Sequence("children_id_seq", 1, called=False),)


def test_ddl_has_neither_clock_nor_chance(postgres_database: Url) -> None:
    """The same schema gives the same bytes."""
    run(postgres_database, SCHEMA)
    source = PostgresSource(postgres_database, "a")
    with source.snapshot() as one_snapshot, source.snapshot() as two_snapshot:
        assert one_snapshot.ddl() == two_snapshot.ddl()


@pytest.mark.local_postgres  # it has vector
def test_extensions_that_the_schema_needs_are_in_its_ddl(postgres_database: Url) -> None:
    """Their types are exported as they print themselves, and can be restored."""
    run(
        postgres_database,
        "CREATE EXTENSION vector; CREATE SCHEMA a; CREATE TABLE a.t (v vector(2), vs vector[]);"
        "INSERT INTO a.t VALUES ('[1,2.5]', '{\"[1,2]\"}')",
    )
    with PostgresSource(postgres_database, "a").snapshot() as snapshot:
        assert b"CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public" in snapshot.ddl()
        assert read(snapshot, "t") == [rb'{"v":"[1,2.5]","vs":"{\"[1,2]\"}"}']


@pytest.mark.local_postgres
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong-one"}, "password authentication failed"),
        ({"dbname": "nowhere"}, "does not exist"),
        ({"port": "1"}, "refused"),
    ],
)
def test_an_unreachable_server_is_named_without_its_password(
    postgres_database: Url, change: dict[str, str], message: str
) -> None:
    """The message has host and database, what the server said, and the next step."""
    given = psycopg.conninfo.conninfo_to_dict(postgres_database.reveal()) | change
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(given)
    source = PostgresSource(Url(url), "a")
    with pytest.raises(Unreachable, match=rf"{message}.*MEDIATOOL_POSTGRES_URL") as caught:
        source.snapshot().__enter__()
    assert str(given["password"]) not in str(caught.value)


def test_a_parameter_that_there_is_not_is_a_clear_error() -> None:
    """It is not shown, as it may hold a password."""
    source = PostgresSource(Url("postgresql://u@h/d?hunter2=hunter2"), "a")
    with pytest.raises(BadSettings, match="MEDIATOOL_POSTGRES_URL has a parameter") as caught:
        source.snapshot().__enter__()
    assert "hunter2" not in str(caught.value)


def test_settings_without_a_url_are_refused() -> None:
    """The variable is named."""
    with pytest.raises(BadSettings, match="MEDIATOOL_POSTGRES_URL is not set"):
        PostgresSource.of(Settings())


def test_a_snapshot_that_has_ended_is_not_read(postgres_database: Url) -> None:
    """A worker that comes late fails, and does not read another instant."""
    run(
        postgres_database,
        "CREATE SCHEMA a; CREATE TABLE a.t (id integer); INSERT INTO a.t VALUES (1)",
    )
    with PostgresSource(postgres_database, "a").snapshot() as snapshot:
        table, reader = snapshot.schema.table("t"), snapshot.reader
        [chunk] = snapshot.chunks(table)
    with pytest.raises(BadSource, match="snapshot"):
        list(reader.read(table, chunk))
