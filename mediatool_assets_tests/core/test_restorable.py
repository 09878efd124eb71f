"""What a restore executes of pg_dump's text: in order, cut where data goes, and nothing else."""

import pytest

from mediatool_assets.core.ddl import DumpEntry
from mediatool_assets.core.restorable_ddl import ScriptExtension, read
from mediatool_assets_tests.core.dumped import dumped, dumped_entry, header

TRICKY = """BEGIN
    -- not a header: '
--
-- Name: x y; Type: INDEX; Schema: s; Owner: o
--
    PERFORM ';'; RETURN;
END;"""


def test_the_data_goes_before_the_first_key_or_index() -> None:
    """Nothing is reordered; comments stay with what they belong to."""
    script = read(
        dumped(
            header("t", "TABLE") + "CREATE TABLE s.t (id integer);\n\n\n",
            header("TABLE t", "COMMENT") + "COMMENT ON TABLE s.t IS 'it; is';\n\n\n",
            header("t t_pkey", "CONSTRAINT")
            + "ALTER TABLE ONLY s.t\n    ADD PRIMARY KEY (id);\n\n",
            header("INDEX t_pkey", "COMMENT") + "COMMENT ON INDEX s.t_pkey IS 'key';\n\n",
        )
    )
    assert [entry.name for entry in script.before] == ["t", "TABLE t"]
    assert [entry.kind for entry in script.after] == ["CONSTRAINT", "COMMENT"]
    assert script.before[1].statements == ("COMMENT ON TABLE s.t IS 'it; is'",)


def test_owners_grants_policies_and_tablespaces_are_the_target_s() -> None:
    """They name roles and places of the source's server."""
    script = read(
        dumped(
            header("t", "TABLE")
            + 'CREATE TABLE s.t (id integer);\n\n\nALTER TABLE s.t OWNER TO "the ""owner""";\n\n'
            + "SET default_tablespace = fast;\n\n",
            header("t p", "POLICY") + "CREATE POLICY p ON s.t TO somebody;\n\n\n",
            header("TABLE t", "ACL") + "GRANT SELECT ON TABLE s.t TO somebody;\n\n\n",
        )
    )
    assert script.before == (DumpEntry("TABLE", "t", ("CREATE TABLE s.t (id integer)",), "s"),)
    assert (script.after, script.left_out) == ((), ())


@pytest.mark.parametrize(
    "sql",
    [
        f"CREATE FUNCTION s.f() RETURNS void LANGUAGE plpgsql AS $_${TRICKY}$_$;",
        "CREATE FUNCTION s.f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;",
        "CREATE RULE r AS ON INSERT TO s.t DO ALSO ( INSERT INTO s.u VALUES (1);\n NOTIFY u;\n);",
        "COMMENT ON TABLE s.t IS 'a ''quoted''; -- \\';",
        "CREATE VIEW s.v AS SELECT E'a\\';b' AS x, 'OWNER TO me;' AS \"semi;\"\"colon\";",
        "ALTER TABLE s.t ADD CHECK ((v <> ' OWNER TO me'::text));",
        'CREATE TABLE s."ünï\ncode; $$ \'x" (a$1 integer, "b--" text);',
    ],
)
def test_quoted_text_is_never_taken_for_a_statement(sql: str) -> None:
    """Strings, names, function bodies and comments may hold anything."""
    kind = {"COMMENT": "COMMENT", "ALTER": "TABLE"}.get(sql.split(maxsplit=1)[0], sql.split()[1])
    script = read(
        dumped(
            header("thing", kind) + f"{sql}\n\n\nALTER TABLE s.t OWNER TO me;\n\n",
            header("next", "TABLE") + "CREATE TABLE s.next ();\n\n",
        )
    )
    assert (*script.before, *script.after) == (
        DumpEntry(kind, "thing", (sql.removesuffix(";"),), "s"),
        DumpEntry("TABLE", "next", ("CREATE TABLE s.next ()",), "s"),
    )


@pytest.mark.parametrize(
    ("kind", "sql", "says"),
    [
        (
            "TABLE",
            "COPY s.t FROM PROGRAM 'touch owned';",
            "a CopyStmt, which does not create a TABLE",
        ),
        ("TABLE", "DO $$BEGIN PERFORM 1; END$$;", "DoStmt"),
        ("TABLE", "ALTER SYSTEM SET archive_command = 'touch owned';", "AlterSystemStmt"),
        ("TABLE", "alter role me superuser;", "AlterRoleStmt"),
        ("TABLE", "CREATE ROLE thief SUPERUSER;", "CreateRoleStmt"),
        ("TABLE", "CREATE SUBSCRIPTION s CONNECTION 'host=thief' PUBLICATION p;", "Subscription"),
        ("TABLE", "SET standard_conforming_strings = off;", "sets standard_conforming_strings"),
        ("TABLE", "SET SESSION AUTHORIZATION postgres;", "sets session_authorization"),
        ("TABLE", "RESET ROLE;", "sets role"),
        ("TABLE", "SELECT pg_catalog.lo_export(1, '/owned');", "SelectStmt"),
        ("TABLE", "(SELECT 1);", "SelectStmt"),
        ("TABLE", "/* a */ -- b\n DROP TABLE s.t;", "DropStmt"),
        ("TABLE", "CREATE TABLE s.t (); -- it's\r DO $$x$$; --'", "DoStmt"),
        ("TABLE", "CREATE TABLE s.t (); /* /* */ ' */ ; DO $$x$$; -- '", "DoStmt"),
        ("TABLE", "CREATE TABLE s.t (a int DEFAULT 1$$ ' $$); DO $$x$$; --'", "syntax error"),
        (
            "TABLE",
            "CREATE TABLE s.€$a$ (); COPY s.t TO PROGRAM 'id'; SELECT 1 AS €$a$;",
            "CopyStmt",
        ),
        ("TABLE", "CREATE TABLE s.t AS SELECT pg_read_file('/x');", "CreateTableAsStmt"),
        ("TABLE", "SELECT 1 INTO s.t;", "SelectStmt"),
        ("TABLE", "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql RETURN 1;", "CreateFunctionStmt"),
        ("TABLE", "ALTER TABLE s.t SET TABLESPACE fast;", "AT_SetTableSpace"),
        ("TABLE", "ALTER TABLE s.t DROP COLUMN a;", "AT_DropColumn"),
        ("TABLE", "CREATE TABLE s.t (a text DEFAULT pg_read_file('/etc/passwd'));", "pg_read_file"),
        ("CHECK CONSTRAINT", "ALTER TABLE s.t ADD CHECK (lo_import('/x') > 0);", "lo_import"),
        ("FUNCTION", "SELECT pg_catalog.lo_export(1, '/owned');", "SelectStmt"),
        ("FUNCTION", "UPDATE pg_database SET datallowconn = false;", "UpdateStmt"),
        ("FUNCTION", "WITH x AS (DELETE FROM s.t) SELECT 1;", "SelectStmt"),
        (
            "FUNCTION",
            "CREATE FUNCTION s.f() RETURNS int LANGUAGE c AS 'libc.so.6', 'system';",
            "is c",
        ),
        ("FUNCTION", "CREATE FUNCTION s.f() RETURNS int LANGUAGE plpython3u AS '1';", "plpython3u"),
        ("FUNCTION", "CREATE FUNCTION s.f() RETURNS int LANGUAGE INTERNAL AS 'x';", "internal"),
        ("RULE", "DELETE FROM s.t;", "DeleteStmt"),
        ("RULE", 'CREATE RULE "_RETURN" AS ON SELECT TO s.t DO INSTEAD SELECT 1;', "into a view"),
        ("SCHEMA", "CREATE SCHEMA s CREATE TABLE t ();", "more than a schema"),
        ("SCHEMA", "CREATE DATABASE other;", "CreatedbStmt"),
        ("MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW s.m AS SELECT 1;", "it also inserts"),
        ("MATERIALIZED VIEW", "CREATE TABLE s.m AS SELECT 1 WITH NO DATA;", "it also inserts"),
        ("TYPE", "CREATE TEXT SEARCH TEMPLATE s.t (lexize = x);", "OBJECT_TSTEMPLATE"),
        ("COMMENT", "COMMENT ON DATABASE other IS 'x';", "OBJECT_DATABASE"),
        ("COMMENT", "COMMENT ON ROLE postgres IS 'x';", "OBJECT_ROLE"),
        ("DATABASE", "CREATE DATABASE other;", "CreatedbStmt"),
        (
            "EVENT TRIGGER",
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();",
            "Event",
        ),
        ("USER MAPPING", "CREATE USER MAPPING FOR me SERVER s;", "CreateUserMappingStmt"),
        ("CAST", "CREATE CAST (text AS json) WITH INOUT AS IMPLICIT;", "CreateCastStmt"),
        ("TABLE DATA", "COPY s.t FROM STDIN;", "CopyStmt"),
    ],
)
def test_only_what_makes_the_entry_s_object_is_taken(kind: str, sql: str, says: str) -> None:
    """Nothing is executed for a stranger that pg_dump would not have written, however hidden."""
    with pytest.raises(ValueError, match=says):
        read(dumped_entry(kind, sql))


@pytest.mark.parametrize(
    ("kind", "sql", "made", "says"),
    [
        (
            "TABLE",
            "CREATE TABLE s.t (a int);\nALTER TABLE ONLY s.t ALTER COLUMN a SET (pg_attver=1);",
            ["CREATE TABLE s.t (a int)"],
            "TABLE thing: PostgreSQL does not know the option pg_attver",
        ),
        (
            "TABLE",
            "ALTER TABLE s.t ALTER COLUMN a SET (pg_attver=1, n_distinct=5);",
            ["ALTER TABLE s.t ALTER COLUMN a SET (n_distinct=5)"],
            "TABLE thing: PostgreSQL does not know the option pg_attver",
        ),
        (
            "TABLE",
            "CREATE TABLE s.t (a int) WITH (fillfactor='70', shards='4', vacuum_truncate='off');",
            ["CREATE TABLE s.t (a int) WITH (fillfactor='70', vacuum_truncate='off')"],
            "TABLE thing: PostgreSQL does not know the option shards",
        ),
        (
            "TABLE",
            "ALTER TABLE ONLY s.t FORCE ROW LEVEL SECURITY;",
            [],
            "TABLE thing: row policies are not restored, and forced ones would hide every row",
        ),
        (
            "FUNCTION",
            "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql LEAKPROOF RETURN 1;",
            ["CREATE FUNCTION s.f() RETURNS int LANGUAGE sql RETURN 1"],
            "FUNCTION thing: only a superuser may give the option leakproof",
        ),
        (
            "FOREIGN TABLE",
            "CREATE FOREIGN TABLE s.f (a int) SERVER away;",
            None,
            "FOREIGN TABLE thing: foreign servers and their objects are not restored",
        ),
    ],
)
def test_what_no_server_would_take_is_left_out_and_said(
    kind: str, sql: str, made: list[str] | None, says: str
) -> None:
    """Options of forks, of superusers, and servers elsewhere."""
    script = read(dumped_entry(kind, sql))
    found = [list(entry.statements) for entry in (*script.before, *script.after)]
    assert found[:-1] == ([made] if made is not None else [])
    [said] = script.left_out
    assert said.startswith(says)


def test_a_language_comes_from_an_extension() -> None:
    """Whether that is made is for who restores to say."""
    function = "CREATE FUNCTION s.f() RETURNS int LANGUAGE plperl AS 'return 1';"
    made = read(
        dumped(
            header("plperl", "EXTENSION") + "CREATE EXTENSION IF NOT EXISTS plperl;\n\n",
            header("f()", "FUNCTION") + f"{function}\n\n",
        )
    )
    assert made.extensions == (ScriptExtension("plperl", "public"),)
    assert [entry.kind for entry in made.before] == ["FUNCTION"]


def test_the_schema_public_is_there_already() -> None:
    """A new database has one; any other is made."""
    public = header("public", "SCHEMA") + "CREATE SCHEMA public;\n\n"
    assert read(dumped(public)).before == ()
    assert len(read(dumped(public.replace("public", "s"))).before) == 1


@pytest.mark.parametrize("text", ["", "CREATE TABLE t ();", header("t", "TABLE") + "CREATE"])
def test_text_that_does_not_end_as_pg_dump_ends_it_is_refused(text: str) -> None:
    """Half a schema is never restored."""
    with pytest.raises(ValueError, match="does not end"):
        read(text)
