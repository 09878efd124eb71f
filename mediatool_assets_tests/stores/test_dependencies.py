"""What a schema's objects need outside of it is known before the export."""

from collections.abc import Iterator

import psycopg
import pytest

from mediatool_assets.core.metadata import source_warnings
from mediatool_assets.core.schema import OutsideDependency
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres_source import PostgresSource

OTHER = """
CREATE SCHEMA other; SET search_path TO other;
CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN small AS integer; CREATE SEQUENCE numbers;
CREATE TABLE users (id integer PRIMARY KEY); CREATE VIEW everybody AS SELECT id FROM users;
CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE SCHEMA s; SET search_path TO s; CREATE TABLE t (id integer PRIMARY KEY);
"""

TABLE_T = ("table", "s.t")
NEEDS = {
    "CREATE TABLE s.a (m other.mood)": ("table", "s.a", "type", "other.mood", "other"),
    "CREATE TABLE s.a (m other.mood[])": ("table", "s.a", "type", "other.mood", "other"),
    "CREATE TABLE s.a (m other.small)": ("table", "s.a", "type", "other.small", "other"),
    "CREATE DOMAIN s.d AS other.small": ("type", "s.d", "type", "other.small", "other"),
    "CREATE TYPE s.c AS (u other.users)": (
        *("composite type", "s.c"),
        *("table", "other.users", "other"),
    ),
    "ALTER TABLE s.t ADD n integer DEFAULT other.one()": (
        *TABLE_T,
        *("function", "other.one()", "other"),
    ),
    "ALTER TABLE s.t ADD n integer DEFAULT nextval('other.numbers')": (
        *TABLE_T,
        *("sequence", "other.numbers", "other"),
    ),
    "CREATE VIEW s.v AS SELECT id FROM other.everybody": (
        *("view", "s.v"),
        *("view", "other.everybody", "other"),
    ),
    "CREATE MATERIALIZED VIEW s.v AS SELECT id FROM other.users": (
        *("materialized view", "s.v"),
        *("table", "other.users", "other"),
    ),
    "CREATE FUNCTION s.f(other.users) RETURNS integer LANGUAGE sql AS 'SELECT 1'": (
        *("function", "s.f(other.users)"),
        *("table", "other.users", "other"),
    ),
    "CREATE TRIGGER r BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION other.fired()": (
        *("trigger", "r on s.t"),
        *("function", "other.fired()", "other"),
    ),
    "CREATE TABLE s.child () INHERITS (other.users)": (
        *("table", "s.child"),
        *("table", "other.users", "other"),
    ),
    "CREATE TABLE s.p (n integer) PARTITION BY RANGE (n);"
    "CREATE TABLE other.part PARTITION OF s.p DEFAULT": (
        *("table", "other.part"),
        *("table", "other.part", "other"),
    ),
    "CREATE FOREIGN TABLE s.f (id integer) SERVER far; CREATE VIEW s.v AS SELECT id FROM s.f": (
        *("view", "s.v"),
        *("foreign table", "s.f", "s"),
    ),
    "ALTER TABLE s.t ADD FOREIGN KEY (id) REFERENCES other.users": (
        *("table constraint", "t_id_fkey on s.t"),
        *("table", "other.users", "other"),
    ),
}

FINE = """
CREATE TABLE f (id integer REFERENCES t, h t[], n integer DEFAULT nextval('f_n') CHECK (n > 0));
CREATE POLICY p ON t USING (other.one() = 1); CREATE PUBLICATION p FOR TABLE t;
CREATE FUNCTION body() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM other.users';
CREATE STATISTICS st ON id, n FROM f; CREATE RULE r AS ON DELETE TO f DO INSTEAD NOTHING;
ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC;
"""


@pytest.fixture
def source(postgres_database: Url) -> Iterator[tuple[psycopg.Connection, PostgresSource]]:
    """A session that makes things, and the schema ``s`` beside another."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(OTHER)
        yield connection, PostgresSource(postgres_database, "s")


@pytest.mark.parametrize("statements", NEEDS)
def test_what_an_object_needs_elsewhere_is_known(
    statements: str, source: tuple[psycopg.Connection, PostgresSource]
) -> None:
    """By name, with the schema to add; with that schema exported too, nothing is missing."""
    connection, schema = source
    connection.execute(statements.encode())
    kind, name, needs_kind, needs, where = NEEDS[statements]
    with schema.snapshot() as snapshot:
        assert snapshot.schema.gaps == (OutsideDependency(kind, name, needs_kind, needs, where),)
        assert list(source_warnings(snapshot.facts, snapshot.schema))[-1] == str(
            snapshot.schema.gaps[0]
        )
    if where == "other":
        assert "add other to MEDIATOOL_POSTGRES_SCHEMA" in str(snapshot.schema.gaps[0])
        with PostgresSource(schema.url, "s,other").snapshot() as snapshot:
            assert snapshot.schema.gaps == ()


def test_what_needs_nothing_elsewhere_is_no_gap(
    source: tuple[psycopg.Connection, PostgresSource],
) -> None:
    """Nor what no restore makes: policies, publications, privileges; nor a body, which is text."""
    connection, schema = source
    connection.execute(b"CREATE SEQUENCE f_n;" + FINE.encode())
    with schema.snapshot() as snapshot:
        assert snapshot.schema.gaps == ()
