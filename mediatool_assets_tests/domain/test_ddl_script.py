"""pg_dump's text taken apart: in order, cut where data goes, without what the target decides."""

import pytest

from mediatool_assets.domain.ddl_script import Entry, parse

TRICKY = """BEGIN
    -- not a header: '
--
-- Name: x y; Type: INDEX; Schema: s; Owner: o
--
    PERFORM ';'; RETURN;
END;"""


def _header(name: str, kind: str) -> str:
    return f"--\n-- Name: {name}; Type: {kind}; Schema: s; Owner: me\n--\n\n"


def _script(*parts: str) -> str:
    return (
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict key\n\nSET statement_timeout = 0;\n\n"
        + "".join(parts)
        + "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict key\n\n"
        "SELECT pg_catalog.setval('s.numbers', 46, true);\n"
    )


def test_the_data_goes_before_the_first_key_or_index() -> None:
    """Nothing is reordered; comments stay with what they belong to."""
    script = parse(
        _script(
            _header("t", "TABLE") + "CREATE TABLE s.t (id integer);\n\n\n",
            _header("TABLE t", "COMMENT") + "COMMENT ON TABLE s.t IS 'it; is';\n\n\n",
            _header("t t_pkey", "CONSTRAINT")
            + "ALTER TABLE ONLY s.t\n    ADD PRIMARY KEY (id);\n\n",
            _header("INDEX t_pkey", "COMMENT") + "COMMENT ON INDEX s.t_pkey IS 'key';\n\n",
        )
    )
    assert [entry.name for entry in script.before] == ["t", "TABLE t"]
    assert [entry.kind for entry in script.after] == ["CONSTRAINT", "COMMENT"]
    assert script.before[1].sql == "COMMENT ON TABLE s.t IS 'it; is';"


def test_owners_grants_policies_and_tablespaces_are_the_target_s() -> None:
    """They name roles and places of the source's server."""
    script = parse(
        _script(
            _header("t", "TABLE")
            + 'CREATE TABLE s.t (id integer);\n\n\nALTER TABLE s.t OWNER TO "the ""owner""";\n\n'
            + "SET default_tablespace = fast;\n\n",
            _header("t p", "POLICY") + "CREATE POLICY p ON s.t TO somebody;\n\n\n",
            _header("TABLE t", "ACL") + "GRANT SELECT ON TABLE s.t TO somebody;\n\n\n",
        )
    )
    assert script == ((Entry("TABLE", "t", "CREATE TABLE s.t (id integer);", "s"),), ())


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
    kind = sql.split()[1] if sql.startswith("CREATE") else "TABLE"
    script = parse(
        _script(
            _header("thing", kind) + f"{sql}\n\n\nALTER TABLE s.t OWNER TO me;\n\n",
            _header("next", "TABLE") + "CREATE TABLE s.next ();\n\n",
        )
    )
    assert (*script.before, *script.after) == (
        Entry(kind, "thing", sql, "s"),
        Entry("TABLE", "next", "CREATE TABLE s.next ();", "s"),
    )


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("COPY s.t FROM PROGRAM 'touch owned';", "COPY S T FROM"),
        ("DO $$BEGIN PERFORM 1; END$$;", "DO"),
        ("ALTER SYSTEM SET archive_command = 'touch owned';", "ALTER SYSTEM SET"),
        ("alter role me superuser;", "ALTER ROLE ME"),
        ("CREATE ROLE thief SUPERUSER;", "CREATE ROLE"),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=thief' PUBLICATION p;", "CREATE SUBSCRIPTION"),
        ("SET standard_conforming_strings = off;", "SET STANDARD_CONFORMING_STRINGS"),
        ("SELECT pg_catalog.lo_export(1, '/owned');", "SELECT"),
        ("(SELECT 1);", "SELECT"),
        ("/* a */ -- b\n DROP TABLE s.t;", "DROP TABLE"),
        ("CREATE TABLE s.t (); -- it's\r DO $$x$$; --'", "DO"),
        ("CREATE TABLE s.t (); /* /* */ ' */ ; DO $$x$$; -- '", "comment"),
        ("CREATE TABLE s.t (a int DEFAULT 1$$ ' $$); DO $$x$$; --'", "DO"),
    ],
)
def test_only_what_makes_a_schema_is_taken(sql: str, says: str) -> None:
    """Nothing is executed for a stranger that pg_dump would not have written, however hidden."""
    text = _script(_header("t", "TABLE") + f"{sql}\n\n", _header("u", "TABLE"))
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_the_schema_public_is_there_already() -> None:
    """A new database has one; any other is made."""
    public = _header("public", "SCHEMA") + "CREATE SCHEMA public;\n\n"
    assert parse(_script(public)).before == ()
    assert len(parse(_script(public.replace("public", "s"))).before) == 1


@pytest.mark.parametrize("text", ["", "CREATE TABLE t ();", _header("t", "TABLE") + "CREATE"])
def test_text_that_does_not_end_as_pg_dump_ends_it_is_refused(text: str) -> None:
    """Half a schema is never restored."""
    with pytest.raises(ValueError, match="does not end"):
        parse(text)
