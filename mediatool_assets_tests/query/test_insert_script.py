"""Single rows as INSERT statements: a real PostgreSQL takes them and has the source's rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from mediatool_assets.core.errors import Misuse, NotFound, UnknownName
from mediatool_assets.core.schema import ForeignKey
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import export
from mediatool_assets.query.row_selection import (
    RowCondition,
    WrittenRows,
    select_rows,
    write_inserts,
)
from mediatool_assets.query.session import ParquetCache, QuerySession, query_session, tables_of
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.complete_versions import complete
from mediatool_assets_tests.conftest import empty_database
from mediatool_assets_tests.fixtures.query_session import Session
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.twins import DirectoryObjects

_VERSION = Version.parse("20251101-020000")

_TABLES = """
CREATE SCHEMA "Shop";
SET search_path TO "Shop";
CREATE TYPE state AS ENUM ('it''s new', 'done');
CREATE TABLE people (
    name text PRIMARY KEY,
    boss text REFERENCES people
);
CREATE TABLE "Order" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    twice bigint GENERATED ALWAYS AS (id * 2) STORED,
    owner text REFERENCES people,
    state state,
    note text,
    tags text[],
    grid integer[],
    body jsonb,
    raw bytea,
    at timestamptz,
    lasts interval,
    price numeric(12, 2),
    code character(4),
    span int4range
);
CREATE TABLE lines (
    order_id bigint REFERENCES "Order",
    number integer,
    next_order bigint,
    next_number integer,
    PRIMARY KEY (order_id, number),
    FOREIGN KEY (next_order, next_number) REFERENCES lines DEFERRABLE
);
"""

_ROWS = r"""
INSERT INTO people VALUES ('Zoe', NULL), ('Ada', 'Zoe'), ('Bob', 'Ada'), ('Eve', NULL);
INSERT INTO "Order" (owner, state, note, tags, grid, body, raw, at, lasts, price, code, span) VALUES
    ('Bob', 'it''s new', E'a\\b''c\n\t"d"\r\u2028', ARRAY['x,y', NULL, '"', '\', ''],
     '[0:1][1:2]={{1,2},{3,4}}', '{"big": 12345678901234567890.10, "s": "\\\"''"}', '\x00ff5c27',
     '0044-03-15 00:00:00+00 BC', '-1 day +02:03:04', '-0.10', 'ab', '[1,5)'),
    (NULL, 'done', '\N', '{}', NULL, '"text"', '', 'infinity', '1 mon', 'NaN', '', 'empty'),
    ('Eve', 'done', NULL, NULL, NULL, 'null', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO lines VALUES (1, 2, NULL, NULL), (1, 1, 1, 2), (3, 1, 3, 2), (3, 2, 3, 1);
"""


@pytest.fixture
def shop(postgres_database: Url, pool: Workspace, tmp_path: Path) -> Iterator[QuerySession]:
    """A session over a version of a database whose rows reference one another."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_ROWS)
    objects = DirectoryObjects(tmp_path / "bucket")
    export(PostgresSource(postgres_database, "Shop"), objects, pool, _VERSION)
    versions = [tables_of(catalog.reader(objects, "raw", _VERSION))]
    with query_session(versions, ParquetCache(tmp_path / "cache", 1 << 30), tmp_path) as session:
        yield session


@contextmanager
def _loaded(
    source: Url, session: QuerySession, tmp_path: Path, *conditions: str, references: bool
) -> Iterator[tuple[psycopg.Connection, tuple[WrittenRows, ...]]]:
    """An empty database with the tables, into which the rows' file was loaded."""
    wanted = [RowCondition.parse(text) for text in conditions]
    written = write_inserts(
        tmp_path / "rows.sql", session, wanted, select_rows(session, wanted, references=references)
    )
    with (
        empty_database(source) as url,
        psycopg.connect(url.reveal(), autocommit=True) as connection,
    ):
        connection.execute(_TABLES)
        connection.execute((tmp_path / "rows.sql").read_bytes())
        yield connection, written


def _texts(connection: psycopg.Connection, table: str, condition: str = "true") -> list[str]:
    query = sql.SQL("SELECT t::text FROM {} t WHERE {} ORDER BY 1").format(
        sql.Identifier("Shop", table), sql.SQL(condition)
    )
    return [text for (text,) in connection.execute(query)]


def test_rows_load_with_all_that_they_reference(
    postgres_database: Url, shop: QuerySession, tmp_path: Path
) -> None:
    """Through every table and level; each value is the source's."""
    with _loaded(
        postgres_database,
        shop,
        tmp_path,
        "lines where order_id = 1 and number = 1",
        references=True,
    ) as (found, written):
        assert written == (
            WrittenRows("Order", 0, 1, 1, 0),
            WrittenRows("lines", 1, 1, 2, 0),
            WrittenRows("people", 0, 3, 3, 0),
        )
        with psycopg.connect(postgres_database.reveal()) as source:
            assert _texts(found, "lines") == _texts(source, "lines", "order_id = 1")
            assert _texts(found, "Order") == _texts(source, "Order", "id = 1")
            assert _texts(found, "people") == _texts(source, "people", "name <> 'Eve'")


def test_every_value_is_the_source_s(
    postgres_database: Url, shop: QuerySession, tmp_path: Path
) -> None:
    """Rows in a circle load where their keys are deferrable; a row that is there is an error."""
    asked = ('"Order"', "lines where order_id = 3", "people where name = 'Eve'")
    with (
        _loaded(postgres_database, shop, tmp_path, *asked, references=True) as (found, _),
        psycopg.connect(postgres_database.reveal()) as source,
    ):
        assert _texts(found, "Order") == _texts(source, "Order")
        assert _texts(found, "people") == _texts(source, "people")
        assert _texts(found, "lines") == _texts(source, "lines", "order_id = 3")
        with pytest.raises(psycopg.errors.UniqueViolation):
            found.execute((tmp_path / "rows.sql").read_bytes())


def test_what_is_referenced_stays_as_it_is(
    postgres_database: Url, shop: QuerySession, tmp_path: Path
) -> None:
    """A deleted row goes back into the database that it came from, beside newer rows."""
    wanted = [RowCondition.parse("ORDER where state = 'done' and owner is not null")]
    selected = select_rows(shop, wanted, references=True)
    write_inserts(tmp_path / "rows.sql", shop, wanted, selected)
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as source:
        source.execute("""SET search_path TO "Shop"; DELETE FROM lines""")
        source.execute("""DELETE FROM "Order" WHERE id = 3; UPDATE people SET boss = 'Eve'""")
        source.execute((tmp_path / "rows.sql").read_bytes())
        assert source.execute("""SELECT count(*) FROM "Order" """).fetchone() == (3,)
        assert source.execute("SELECT DISTINCT boss FROM people").fetchall() == [("Eve",)]


def test_references_that_are_not_written_are_named(shop: QuerySession, tmp_path: Path) -> None:
    """The file says which keys lead out of it."""
    wanted = [RowCondition("lines", "number = 1")]
    write_inserts(tmp_path / "rows.sql", shop, wanted, select_rows(shop, wanted, references=False))
    head = (tmp_path / "rows.sql").read_text().splitlines()[:2]
    assert head == [
        f"-- Rows of version {_VERSION}: lines where number = 1",
        "-- References to rows that are not in this file: lines (order_id) -> Order",
    ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("campagns where id = 'a'", UnknownName, "no table campagns; did you mean campaigns"),
        ("zzz", UnknownName, "no table zzz; it has campaigns, teams"),
        ("campaigns where stge = 'Won'", Misuse, "stge.*stage"),
        ("campaigns where stage = = 'Won'", Misuse, "syntax error"),
        ("campaigns where id in (select id from nothing)", Misuse, "nothing does not exist"),
        ("campaigns id = 'a'", Misuse, "write TABLE where CONDITION"),
        ("", Misuse, "write TABLE where CONDITION"),
        ("campaigns where id = 'zz'", NotFound, "no row of campaigns where id = 'zz'; .*history"),
        ("campaigns where false", NotFound, "no row"),
    ],
)
def test_a_condition_that_selects_nothing_says_why(
    session: Session, text: str, error: type[Exception], message: str
) -> None:
    """Before any row is read, where that can be known."""
    with session("20251103-020000") as found, pytest.raises(error, match=message):
        select_rows(found, [RowCondition.parse(text)], references=False)


def test_a_condition_may_ask_other_tables(session: Session) -> None:
    """A subquery reads what it names; the table's own name qualifies its columns."""
    text = "Campaigns where campaigns.id in (select 'b' from teams where version = 7)"
    with session("20251103-020000") as found:
        (rows,) = select_rows(found, [RowCondition.parse(text)], references=True).values()
        assert len(rows.asked) == 1
        twice = [RowCondition("teams"), RowCondition("teams", "id = 1")]
        with pytest.raises(Misuse, match="with OR"):
            select_rows(found, twice, references=False)


def test_keys_whose_case_counts_nothing_reference_each_other(tmp_path: Path) -> None:
    """``citext``: the reference is found whatever its case, and comes first."""
    objects = DirectoryObjects(tmp_path / "bucket")
    people = replace(
        table("people", ["name"], name="public.citext", boss="public.citext"),
        foreign_keys=(ForeignKey("boss", ("boss",), "people", ("name",)),),
    )
    complete(objects, str(_VERSION), {people: [_person("Zoe", None), _person("ada", "ZOE")]})
    versions = [tables_of(catalog.reader(objects, "raw", _VERSION))]
    with query_session(versions, ParquetCache(tmp_path / "cache", 0), tmp_path) as session:
        wanted = [RowCondition("people", "name = 'ada'")]
        selected = select_rows(session, wanted, references=True)
        (written,) = write_inserts(tmp_path / "rows.sql", session, wanted, selected)
    assert written == WrittenRows("people", 1, 1, 2, 0)
    lines = (tmp_path / "rows.sql").read_text().splitlines()
    assert [line.partition("VALUES ")[2] for line in lines[-3:-1]] == [
        "('Zoe', NULL) ON CONFLICT DO NOTHING;",
        "('ada', 'ZOE');",
    ]


def test_a_reference_to_a_row_that_is_not_there_is_counted(tmp_path: Path) -> None:
    """A key that was never validated may lead nowhere: that is said, and the row is written."""
    objects = DirectoryObjects(tmp_path / "bucket")
    people = replace(
        table("people", ["name"], name="text", boss="text"),
        foreign_keys=(ForeignKey("boss", ("boss",), "people", ("name",), validated=False),),
    )
    complete(objects, str(_VERSION), {people: [_person("Ada", "Zoe")]})
    versions = [tables_of(catalog.reader(objects, "raw", _VERSION))]
    with query_session(versions, ParquetCache(tmp_path / "cache", 0), tmp_path) as session:
        wanted = [RowCondition("people")]
        selected = select_rows(session, wanted, references=True)
        (written,) = write_inserts(tmp_path / "rows.sql", session, wanted, selected)
    assert written == WrittenRows("people", 1, 0, 1, missing=1)


def _person(name: str, boss: str | None) -> dict[str, str | None]:
    return {"name": name, "boss": boss}
