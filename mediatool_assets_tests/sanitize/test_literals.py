"""No literal that nobody has let through is in a statement that is printed."""

from dataclasses import replace

import pytest

from mediatool_assets.core.schema import Schema
from mediatool_assets.sanitize.ddl import SanitizedDdl, sanitized_ddl
from mediatool_assets.sanitize.pseudonyms import PseudonymKind
from mediatool_assets.sanitize.redaction import Masker
from mediatool_assets.sanitize.rules import MaskingRule, MaskingVerb, Rules
from mediatool_assets_tests.core.dumped import dumped, header
from mediatool_assets_tests.fixtures.sanitizing_bench import KEY
from mediatool_assets_tests.raw_archives import table

KEEP, PERSON, REDACT = (
    MaskingRule(MaskingVerb.KEEP),
    MaskingRule(MaskingVerb.PSEUDONYM, "person"),
    MaskingRule(MaskingVerb.REDACT),
)
SCHEMA = Schema(
    "s", (table("t", id="integer", name="text", note="text", kept="text", doc="jsonb"),)
)
COLUMNS = {"id": KEEP, "name": PERSON, "note": REDACT, "kept": KEEP, "doc": KEEP}
RULES = Rules("rules.yaml", "", {"person": PseudonymKind("person", "person")}, {"t": COLUMNS})
TABLE = "CREATE TABLE s.t (id integer, name text, note text, kept text, doc jsonb);\n\n"


def sanitized(kind: str, sql: str) -> SanitizedDdl:
    """The DDL of a table and one more entry."""
    text = dumped(header("t", "TABLE") + TABLE, header("thing", kind) + f"{sql};\n\n\n")
    return sanitized_ddl(text, SCHEMA, RULES, Masker(KEY, RULES.kinds.values()))


DENIED = [
    ("VIEW","CREATE VIEW s.v AS SELECT 'Ottoline M' AS x FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT id FROM s.t WHERE kept = 'x' AND (name || 'Ottoline M') = kept"),  # noqa: E501
    ("VIEW","CREATE VIEW s.v AS SELECT id FROM s.t WHERE (kept || 'Ottoline M') = kept"),
    ("VIEW","CREATE VIEW s.v AS SELECT coalesce(kept, 'Ottoline M') FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT coalesce(name, 'Ottoline M') FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT id FROM s.t JOIN (VALUES ('Ottoline M')) w(n) ON w.n = t.kept"),  # noqa: E501
    ("VIEW","CREATE VIEW s.v AS SELECT id, E'Ottoline\\x20Marchbanks'::text FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT id, U&'Ottoline M' FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT doc -> 'Ottoline M' FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT to_char(id, '\"Ottoline M\"') FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT 'Ottoline M'::regclass FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT xmlelement(name \"a\", 'Ottoline M') FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT id FROM s.t WHERE name IN ('Ottoline M', 'b') OR note = 'Ottoline M'"),  # noqa: E501
    ("VIEW","CREATE VIEW s.v AS SELECT id FROM s.t WHERE name = ANY (ARRAY['Ottoline M'])"),
    ("VIEW","CREATE VIEW s.v AS SELECT id FROM s.t WHERE kept = 'call +44 20 7946 0018'"),
    ("VIEW","CREATE VIEW s.v WITH (security_barrier='Ottoline M') AS SELECT id FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT json_object('Ottoline M': id) FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT count(*) FILTER (WHERE name = 'Ottoline M') FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT CASE name WHEN 'Ottoline M' THEN 1 END FROM s.t"),
    ("VIEW","CREATE VIEW s.v AS SELECT 123456789012 FROM s.t"),
    ("FUNCTION","CREATE FUNCTION s.f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 'Ottoline M'; END"),  # noqa: E501
    ("FUNCTION","CREATE FUNCTION s.f() RETURNS text LANGUAGE sql SET application_name TO 'Ottoline M' AS $$SELECT 1$$"),  # noqa: E501
    ("FUNCTION","CREATE FUNCTION s.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN $q$Ottoline M$q$; END$$"),  # noqa: E501
    ("FUNCTION","CREATE FUNCTION s.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN \"Ottoline M\"; END$$"),  # noqa: E501
    ("FUNCTION","CREATE FUNCTION s.f() RETURNS text LANGUAGE sql AS 'SELECT 1 -- Ottoline M'"),
    ("FUNCTION","CREATE FUNCTION s.f() RETURNS text LANGUAGE plpython3u AS 'return \"Ottoline M\"'"),  # noqa: E501
    ("RULE","CREATE RULE r AS ON INSERT TO s.t DO ALSO NOTIFY x, 'Ottoline M'"),
    ("RULE","CREATE RULE r AS ON INSERT TO s.t DO ALSO INSERT INTO s.t (name) VALUES ('Ottoline M')"),  # noqa: E501
    ("AGGREGATE","CREATE AGGREGATE s.a(text) (SFUNC = textcat, STYPE = text, INITCOND = 'Ottoline M')"),  # noqa: E501
    ("COLLATION","CREATE COLLATION s.c (provider = icu, locale = 'de', rules = '&a < Ottoline M')"),
    ("TEXT SEARCH DICTIONARY","CREATE TEXT SEARCH DICTIONARY s.d (TEMPLATE = simple, stopwords = 'Ottoline M')"),  # noqa: E501
    ("INDEX","CREATE INDEX i ON s.t (lower(name)) WHERE lower(name) = 'ottoline m'"),
    ("INDEX","CREATE INDEX i ON s.t ((kept || 'Ottoline M'))"),
    ("STATISTICS","CREATE STATISTICS s.st ON (kept || 'Ottoline M'), id FROM s.t"),
    ("DEFAULT","ALTER TABLE ONLY s.t ALTER COLUMN note SET DEFAULT 'Ottoline M'"),
    ("DEFAULT","ALTER TABLE ONLY s.t ALTER COLUMN kept SET DEFAULT upper('Ottoline M')"),
    ("CONSTRAINT","ALTER TABLE ONLY s.t ADD CONSTRAINT c EXCLUDE USING gist (id WITH =) WHERE (name = 'Ottoline M')"),  # noqa: E501
    ("TABLE","CREATE TABLE s.x (a text DEFAULT 'Ottoline M', CHECK (a <> 'Ottoline M'))"),
    ("TYPE","CREATE TYPE s.e AS ENUM ('Ottoline M')"),
    ("DOMAIN","CREATE DOMAIN s.d AS text DEFAULT 'Ottoline M'"),
    ("EXTENSION","CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA s VERSION 'Ottoline'"),
    ("CONVERSION","CREATE CONVERSION s.c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"),
    ("PUBLICATION","CREATE PUBLICATION p FOR TABLE s.t WHERE (name = 'Ottoline M')"),
    ("SUBSCRIPTION","CREATE SUBSCRIPTION p CONNECTION 'password=Ottoline' PUBLICATION x"),
    ("EVENT TRIGGER","CREATE EVENT TRIGGER e ON ddl_command_start WHEN TAG IN ('Ottoline M') EXECUTE FUNCTION s.f()"),  # noqa: E501
    ("CAST","CREATE CAST (text AS int) WITH INOUT"),
    ("TABLE","INSERT INTO s.t (name) VALUES ('Ottoline M')"),
    ("TABLE","SELECT 'Ottoline M'"),
    ("TABLE","DO $$ BEGIN RAISE 'Ottoline M'; END $$"),
    ("MATERIALIZED VIEW","CREATE MATERIALIZED VIEW s.m AS SELECT id FROM s.t WHERE name ~~ '%Ottoline%' WITH NO DATA"),  # noqa: E501
    ("INDEX","CREATE INDEX i ON s.t (id) WHERE name IS DISTINCT FROM 'Ottoline M'"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "sql"), DENIED, ids=[sql[:60] for _, sql in DENIED])
def test_nobody_is_named(kind: str, sql: str) -> None:
    """Whatever is left out or replaced, what is printed does not name her."""
    made = sanitized(kind, sql).sql
    assert "ottoline" not in made.lower()
    assert "123456789012" not in made


KEPT = [
    ("VIEW", "CREATE VIEW s.v AS SELECT id FROM s.t WHERE kept = 'draft' AND id < 1000000000"),
    ("VIEW", "CREATE VIEW s.v AS SELECT doc ->> 'owner', kept || ', ' FROM s.t"),
    ("VIEW", "CREATE VIEW s.v AS SELECT date_trunc('month', now()) - '3 days'::interval FROM s.t"),
    ("VIEW", "CREATE VIEW s.v AS SELECT to_char(now(), 'YYYY-MM-DD HH24:MI') FROM s.t"),
    ("VIEW", "CREATE VIEW s.v AS SELECT timezone('Europe/Vienna', now()) FROM s.t"),
    ("INDEX", "CREATE INDEX i ON s.t (lower(name)) WHERE kept ~ '^draft'"),
    ("DEFAULT", "ALTER TABLE ONLY s.t ALTER COLUMN kept SET DEFAULT 'draft'::text"),
    ("SEQUENCE", "CREATE SEQUENCE s.q MAXVALUE 9223372036854775807"),
    ("FUNCTION", "CREATE FUNCTION s.f() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$"),
]


@pytest.mark.parametrize(("kind", "sql"), KEPT, ids=[sql[:60] for _, sql in KEPT])
def test_harmless_literals_stay(kind: str, sql: str) -> None:
    """Nothing is left out, and nothing replaced."""
    made = sanitized(kind, sql)
    assert (made.left_out, made.replaced) == ((), 0)
    for literal in ("draft", "owner", "month", "YYYY", "Europe/Vienna"):
        assert (literal in made.sql) == (literal in sql)


def test_a_literal_of_a_pseudonym_is_the_rows_own() -> None:
    """One name, one pseudonym, in rows and in the schema."""
    masker = Masker(KEY, RULES.kinds.values())
    sql = "CREATE VIEW s.v AS SELECT id FROM s.t WHERE name = 'Ottoline Marchbanks'"
    assert masker.pseudonym("person", "Ottoline Marchbanks") in sanitized("VIEW", sql).sql


STEPS = [
    ("CHECK (id >= 0 AND id <= (10)::numeric)", True),
    ("CHECK (id >= 0 AND (id)::numeric <= (10)::numeric)", False),  # of another type, by a cast
    ("CHECK (5 <= id AND id < 100 OR kept = 'x')", True),
    ("CHECK (NOT id >= 5)", True),
    ("CHECK (NOT id <= 5)", False),  # 6 becomes 5
    ("CHECK (id > 5)", False),
    ("CHECK (id >= 7)", False),
    ("CHECK (id = 5 OR id IS NULL)", True),
    ("CHECK (id <> 5)", False),
]


@pytest.mark.parametrize(("check", "stays"), STEPS, ids=[check for check, _ in STEPS])
def test_a_check_of_whole_steps_stays(check: str, stays: bool) -> None:
    """The multiple of 5 at or below a number is on the same side of every multiple of 5."""
    columns = {**COLUMNS, "id": MaskingRule(MaskingVerb.GENERALIZE, "5")}
    sql = f"ALTER TABLE ONLY s.t ADD CONSTRAINT c {check};"
    text = dumped(header("t", "TABLE") + TABLE, header("t c", "CHECK CONSTRAINT") + f"{sql}\n\n\n")
    rules = replace(RULES, tables={"t": columns})
    made = sanitized_ddl(text, SCHEMA, rules, Masker(KEY, RULES.kinds.values()))
    assert ("CONSTRAINT c CHECK" in made.sql, not made.left_out) == (stays, stays)
