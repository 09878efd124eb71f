"""What stays behind of a database is told, object by object, and no secret with it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.manifest import NotCarried, in_few_words
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2026, 1, 1, tzinfo=UTC))

SCRIPT = """
CREATE SCHEMA shop; CREATE SCHEMA audit; CREATE SCHEMA unused;
CREATE TABLE audit.log (at date);
CREATE TABLE shop.orders (id serial PRIMARY KEY, total int, n int GENERATED ALWAYS AS IDENTITY);
ALTER TABLE shop.orders OWNER TO {role};
GRANT SELECT, INSERT ON shop.orders TO {reader} WITH GRANT OPTION;
GRANT SELECT (total) ON shop.orders TO PUBLIC;
CREATE TYPE shop.state AS ENUM ('new');
CREATE FUNCTION shop.number(shop.state) RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION shop.number FROM PUBLIC;
CREATE CAST (shop.state AS int) WITH FUNCTION shop.number(shop.state);
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION of_orders FOR TABLE shop.orders;
CREATE PUBLICATION of_logs FOR TABLE audit.log;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.orders USING (true);
ALTER DEFAULT PRIVILEGES FOR ROLE {role} IN SCHEMA shop GRANT SELECT ON TABLES TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT USAGE ON TYPES TO {reader};
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper OPTIONS (host 'h');
CREATE USER MAPPING FOR {reader} SERVER elsewhere OPTIONS (password 'hush-1');
CREATE FUNCTION audit.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watching ON sql_drop EXECUTE FUNCTION audit.watch();
SELECT lo_create(0), lo_create(0);
"""


@pytest.fixture
def roles(debian_database: Url) -> Iterator[tuple[str, str]]:
    """An owner and a reader, with the objects of the script."""
    role, reader = (f"{name}_{uuid4().hex[:8]}" for name in ("owner", "reader"))
    with psycopg.connect(debian_database.reveal(), autocommit=True) as connection:
        names = {"role": sql.Identifier(role), "reader": sql.Identifier(reader)}
        connection.execute(sql.SQL("CREATE ROLE {role}; CREATE ROLE {reader}").format(**names))
        connection.execute(sql.SQL(SCRIPT).format(**names))
        database = sql.Identifier(connection.info.dbname)
        setting = sql.SQL("ALTER DATABASE {} SET app.key = 'hush-2'").format(database)
        connection.execute(setting)
        yield role, reader
        for name in names.values():
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
        connection.execute(sql.SQL("DROP ROLE {role}, {reader}").format(**names))


def test_what_stays_behind_is_told_by_object(debian_database: Url, roles: tuple[str, str]) -> None:
    """On every server: owners, rights, policies, publications, and what is in no schema."""
    role, reader = roles
    with PostgresSource(debian_database, "shop").snapshot() as snapshot:
        found = snapshot.not_carried()
    *others, locale, first_owner, second_owner = sorted(
        found, key=lambda each: (each.kind == "owner", each.kind == "locale")
    )
    table = ("table shop.orders",)
    assert others == [
        NotCarried("cast", "(shop.state AS integer)"),
        NotCarried(
            "default privileges", f"SELECT on tables of {role} to {reader}", ("schema shop",)
        ),
        NotCarried("default privileges", f"USAGE on types of {role} to PUBLIC"),
        NotCarried("default privileges", f"USAGE on types of {role} to {reader}"),
        NotCarried("event trigger", "watching"),
        NotCarried("foreign data wrapper", "wrapper"),
        NotCarried("foreign server", "elsewhere"),
        NotCarried(
            "grant", f"INSERT WITH GRANT OPTION, SELECT WITH GRANT OPTION to {reader}", table
        ),
        NotCarried("grant", "SELECT to PUBLIC", ("table column shop.orders.total",)),
        NotCarried("large objects", "2"),
        NotCarried("policy", "own", table),
        NotCarried("publication", "everything", table),
        NotCarried("publication", "of_logs"),
        NotCarried("publication", "of_orders", table),
        NotCarried("revoked", "EXECUTE from PUBLIC", ("function shop.number(shop.state)",)),
        NotCarried("schema", "audit"),
        NotCarried("setting", "app.key"),
        NotCarried("user mapping", f"{reader} on elsewhere"),
    ]
    assert locale.kind == "locale"
    assert {first_owner.name, second_owner.name} == {role, "postgres"}
    assert all(each.why for each in found)
    assert "hush" not in str(found)


def test_an_extension_that_nothing_uses_stays_behind(debian_database: Url) -> None:
    """One that a column uses is carried, with its casts, operators and functions."""
    with psycopg.connect(debian_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE EXTENSION citext; CREATE EXTENSION hstore")
        connection.execute("CREATE TABLE shop.words (word citext)")
    with PostgresSource(debian_database, "shop").snapshot() as snapshot:
        found = snapshot.not_carried()
    assert [each.name for each in found if each.kind != "owner"][:1] == ["hstore"]
    assert in_few_words(found) == "1 extension, 1 locale, 1 owner"


def test_the_archive_says_it(postgres_database: Url, pool: Workspace, tmp_path: Path) -> None:
    """Its manifest, which the metadata of the version takes it from."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.t (id int)")
        connection.execute("CREATE PUBLICATION p FOR TABLE shop.t")
    source = PostgresSource(postgres_database, "shop")
    archived = export(source, DirectoryObjects(tmp_path / "o"), pool, VERSION)
    assert NotCarried("publication", "p", ("table shop.t",)) in archived.manifest.not_carried


def test_the_stored_rows_of_materialized_views_stay_behind(postgres_database: Url) -> None:
    """A restore computes them; those of a view WITH NO DATA there are none."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA s; CREATE TABLE s.t (id integer); CREATE MATERIALIZED VIEW s.m AS TABLE"
            " s.t; CREATE MATERIALIZED VIEW s.none AS TABLE s.t WITH NO DATA"
        )
    with PostgresSource(postgres_database, "s").snapshot() as snapshot:
        stored = [each for each in snapshot.not_carried() if each.kind == "stored rows"]
    wanted = NotCarried("stored rows", "of materialized views", ("materialized view s.m",))
    assert stored == [wanted]
    assert stored[0].why.startswith("no archive contains them")
