"""Restore: what other people's databases have, on Debian's servers and on the local one."""

import pytest

from mediatool_assets_tests.fixtures.restore_place import Place

EXTENSIONS_IN_USE = {
    "a text search configuration": (
        "CREATE EXTENSION unaccent SCHEMA public",
        "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple);"
        "ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH public.unaccent, simple",
        "SELECT to_tsvector('s.c', 'é')::text",
        "'e':1",
    ),
    "a dictionary": (
        "CREATE SCHEMA tools; CREATE EXTENSION unaccent SCHEMA tools",
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = tools.unaccent, RULES = 'unaccent')",
        "SELECT ts_lexize('s.d', 'é')::text",
        "{e}",
    ),
    "an operator class": (
        "CREATE EXTENSION btree_gist SCHEMA public",
        "CREATE OPERATOR CLASS k FOR TYPE integer USING gist AS OPERATOR 3 =, FUNCTION 1"
        " public.gbt_int4_consistent (internal, integer, smallint, oid, internal), FUNCTION 2"
        " public.gbt_int4_union (internal, internal), FUNCTION 3 public.gbt_int4_compress"
        " (internal), FUNCTION 5 public.gbt_int4_penalty (internal, internal, internal), FUNCTION 6"
        " public.gbt_int4_picksplit (internal, internal), FUNCTION 7 public.gbt_int4_same"
        " (public.gbtreekey8, public.gbtreekey8, internal), STORAGE public.gbtreekey8",
        "SELECT opcname FROM pg_opclass WHERE opcname = 'k'",
        "k",
    ),
    "a cast": (
        "CREATE EXTENSION hstore SCHEMA public",
        "CREATE VIEW v AS SELECT ('a=>' || id)::public.hstore::jsonb AS j FROM t",
        "SELECT j::text FROM s.v",
        '{"a": "1"}',
    ),
    "an array": (
        "CREATE EXTENSION hstore SCHEMA public",
        "ALTER TABLE t ADD h public.hstore[] DEFAULT '{a=>1}'",
        "SELECT h::text FROM s.t",
        '{"\\"a\\"=>\\"1\\""}',
    ),
    "a function's body, with what the extension requires": (
        "CREATE SCHEMA tools; CREATE EXTENSION cube SCHEMA tools;"
        "CREATE EXTENSION earthdistance SCHEMA tools",
        "CREATE FUNCTION far() RETURNS text LANGUAGE sql SET search_path = tools"
        " AS 'SELECT round(sec_to_gc(1.0))::text'",
        "SELECT s.far()",
        "1",
    ),
    "a type in a body": (
        "CREATE EXTENSION citext SCHEMA public",
        "CREATE FUNCTION same() RETURNS text LANGUAGE plpgsql"
        " AS 'DECLARE a public.citext := ''A''; BEGIN RETURN a = ''a''; END'",
        "SELECT s.same()",
        "true",
    ),
}


@pytest.mark.parametrize("use", EXTENSIONS_IN_USE)
def test_an_extension_comes_with_what_uses_it(use: str, debian_place: Place, name: str) -> None:
    """Whatever object it is that needs it, and whatever schema it is in."""
    extension, user, query, answer = EXTENSIONS_IN_USE[use]
    table = "CREATE SCHEMA s; SET search_path TO s; CREATE TABLE t (id integer PRIMARY KEY)"
    debian_place.run("; ".join([extension, table, "INSERT INTO t VALUES (1)", user]))
    version, _ = debian_place.export(schema="s")
    debian_place.restore(version, name)
    assert debian_place.query(name, query) == [(answer,)]


def test_a_partitioned_table_without_partitions_comes_back(place: Place, name: str) -> None:
    """It has no rows, and there is nothing to empty; nor where its partitions have none."""
    place.run(
        "CREATE SCHEMA media_tool; SET search_path TO media_tool;"
        "CREATE TABLE e (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE l (id integer, k text) PARTITION BY LIST (k);"
        "CREATE TABLE l_a PARTITION OF l FOR VALUES IN ('a') PARTITION BY HASH (id);"
        "CREATE TABLE filled (id integer PRIMARY KEY); INSERT INTO filled VALUES (1)"
    )
    version, _ = place.export()
    made = place.restore(version, name)
    assert made.rows == {"e": 0, "filled": 1, "l": 0}


def test_columns_that_were_added_to_a_parent_are_matched_by_name(place: Place, name: str) -> None:
    """PostgreSQL makes a parent's columns first, whatever their order in the source was."""
    place.run(
        "CREATE SCHEMA media_tool; SET search_path TO media_tool;"
        "CREATE TABLE p (a integer PRIMARY KEY); CREATE TABLE c (b integer) INHERITS (p);"
        "ALTER TABLE p ADD COLUMN z integer; INSERT INTO c VALUES (1, 2, 3);"
        "CREATE TABLE days (d date, n integer) PARTITION BY RANGE (d);"
        "CREATE TABLE old (n integer, gone text, d date); ALTER TABLE old DROP COLUMN gone;"
        "ALTER TABLE days ATTACH PARTITION old DEFAULT; INSERT INTO days VALUES ('2026-01-01', 7);"
        "CREATE TABLE q (w integer); CREATE TABLE two (b integer) INHERITS (p, q);"
        "ALTER TABLE q ADD COLUMN y integer; INSERT INTO two VALUES (1, 2, 3, 4, 5)"
    )
    version, _ = place.export()
    made = place.restore(version, name)
    assert made.rows == {"c": 1, "days": 1, "p": 0, "q": 0, "two": 1}
    assert place.query(name, "SELECT a, b, z FROM media_tool.c") == [(1, 2, 3)]


def test_a_materialized_view_without_data_stays_so(place: Place, name: str) -> None:
    """Also where others read it; those that had rows are refreshed from the restored tables."""
    place.run(
        "CREATE SCHEMA media_tool; SET search_path TO media_tool;"
        "CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1);"
        "CREATE MATERIALIZED VIEW never AS SELECT 1 / (id - 1) AS x FROM t WITH NO DATA;"
        "CREATE MATERIALIZED VIEW below AS SELECT id FROM t;"
        "CREATE VIEW between AS SELECT id FROM below;"
        "CREATE MATERIALIZED VIEW above AS SELECT id FROM between;"
        "INSERT INTO t VALUES (2); REFRESH MATERIALIZED VIEW below WITH NO DATA"
    )
    version, _ = place.export()
    place.restore(version, name)
    found = "SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1"
    assert place.query(name, found) == [("above", True), ("below", False), ("never", False)]
    assert place.query(name, "SELECT count(*) FROM media_tool.above") == [(2,)]


def test_an_extension_that_nothing_uses_is_not_carried(debian_place: Place) -> None:
    """A name that PostgreSQL or the schema has too, and a word of SQL, are no use of it."""
    debian_place.run(
        "CREATE EXTENSION hstore SCHEMA public; CREATE EXTENSION fuzzystrmatch SCHEMA public;"
        "CREATE EXTENSION pg_stat_statements SCHEMA public; CREATE SCHEMA s; SET search_path TO s;"
        "CREATE TABLE t (id integer PRIMARY KEY);"
        "CREATE FUNCTION difference(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql"
        " AS 'BEGIN DELETE FROM t; PERFORM s.difference(1), length(''a''); END'"
    )
    with debian_place.source("s").snapshot() as snapshot:
        assert b"EXTENSION" not in snapshot.ddl()
