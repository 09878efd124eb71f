"""An archive from a stranger executes nothing but its own objects, with rights on nothing else."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.ddl import Statement
from mediatool_assets.core.errors import BadArchive, CheckFailed, Refused
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.setting_values import OF_CODE
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.versions import catalog
from mediatool_assets_tests.canaries import Canaries, attacks
from mediatool_assets_tests.core.dumped import header
from mediatool_assets_tests.fixtures.restore_place import Place

HOUSES = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE FUNCTION looked(n integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE attack text;
BEGIN
    FOREACH attack IN ARRAY ARRAY['SELECT 1'] LOOP
        BEGIN EXECUTE attack; EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
    RETURN true;
END $f$;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM media_tool.looked(1); RETURN NEW; END';
CREATE TABLE houses (id integer PRIMARY KEY, street text,
    CHECK (looked(id)), seen boolean GENERATED ALWAYS AS (looked(id)) STORED);
CREATE TABLE visits (id integer PRIMARY KEY, said boolean DEFAULT looked(1));
CREATE INDEX ON houses (looked(id));
CREATE INDEX ON houses (id) WHERE looked(1);
CREATE MATERIALIZED VIEW counted AS SELECT count(*), looked(2) FROM houses;
CREATE VIEW seen AS SELECT looked(3), id FROM houses;
CREATE RULE told AS ON INSERT TO visits DO ALSO SELECT looked(4);
CREATE TRIGGER rung BEFORE INSERT ON houses FOR EACH ROW EXECUTE FUNCTION fired();
CREATE DOMAIN odd AS integer CHECK (looked(VALUE));
CREATE TABLE rooms (id odd PRIMARY KEY);
INSERT INTO houses SELECT n, 'street ' || n FROM generate_series(1, 9) n;
INSERT INTO rooms VALUES (1);
REFRESH MATERIALIZED VIEW counted;
"""


HOUSES_ALONE = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE houses (id integer PRIMARY KEY, street text);
INSERT INTO houses SELECT n, 'street ' || n FROM generate_series(1, 9) n;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
COMMENT ON FUNCTION fired() IS 'runs';
CREATE VIEW seen AS SELECT id FROM houses;
COMMENT ON COLUMN seen.id IS 'of a view';
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM houses;
CREATE INDEX counted_n ON counted (n);
CREATE RULE told AS ON DELETE TO houses DO INSTEAD NOTHING;
CREATE TRIGGER rung BEFORE INSERT ON houses FOR EACH ROW EXECUTE FUNCTION fired();
"""


def with_ddl(place: Place, version: Version, change: Callable[[str], str]) -> Version:
    """Another version with the same rows, its ``schema.sql`` changed as by a stranger."""
    reader = catalog.reader(place.objects, "raw", version)
    other = Version(version.moment + timedelta(days=1))

    def write(writer: ArchiveWriter) -> Manifest:
        for table, member in reader.manifest.tables().items():
            content = [list(b.splitlines()) for b in reader.blocks(member.blocks)]
            spool = spool_rows(place.scratch / table, iter(content))
            writer.add_rows(member.name, [spool], table=table)
        writer.add_file("schema.sql", change(reader.read_file("schema.sql").decode()).encode())
        writer.add_file("schema.json", reader.read_file("schema.json"))
        return writer.finish(Manifest("", "raw", "", (), source=reader.manifest.source))

    catalog.publish(place.objects, "raw", other, write)
    return other


def test_what_an_archive_calls_has_rights_on_its_own_database_alone(
    place: Place, name: str, birds: Canaries
) -> None:
    """Checks, defaults, computed columns, indexes, views, rules, triggers and domains call it."""
    place.run(HOUSES)
    made, _ = place.export()
    quoted = ", ".join(sql.Literal(attack).as_string() for attack in attacks(birds))
    version = with_ddl(place, made, lambda text: text.replace("'SELECT 1'", quoted))
    restored = place.restore(version, name)
    assert restored.rows == {"houses": 9, "rooms": 1, "visits": 0}
    assert birds.harmed() == []
    # Reading it later, as verify and the integrity report do, runs with the same rights.
    assert place.query(name, "SELECT bool_and(looked) FROM media_tool.seen") == [(True,)]
    place.query(name, "INSERT INTO media_tool.visits VALUES (1) RETURNING 1")
    assert birds.harmed() == []
    owners = (
        "SELECT DISTINCT rolname, rolsuper OR rolcreatedb OR rolcreaterole FROM pg_class"
        " JOIN pg_roles r ON r.oid = relowner WHERE relname IN ('houses', 'seen')"
    )
    [(owner, more)] = place.query(name, owners)
    assert owner.startswith("mediatool_restored_")
    assert not more


def test_the_canaries_are_alive(birds: Canaries) -> None:
    """With a superuser's rights the attacks are what they look like."""
    program, file, comment = [a for a in attacks(birds) if a.startswith(("COPY", "COMMENT"))]
    for attack in (program, file, comment):
        birds.admin.execute(attack.encode())
    assert len(birds.harmed()) == 2 + 2


def test_a_superuser_s_index_runs_nothing_either(place: Place, name: str, birds: Canaries) -> None:
    """The planner calls an index's constant expressions as whoever reads the table."""
    place.run(HOUSES)
    made, _ = place.export()
    write = f"COPY (SELECT 1) TO PROGRAM ''cat > {birds.folder}/planned''"
    version = with_ddl(place, made, lambda text: text.replace("'SELECT 1'", f"'{write}'"))
    place.restore(version, name)
    with place.target.database(name, "media_tool").snapshot() as snapshot:
        table = next(t for t in snapshot.schema.tables if t.name == "houses")
        assert sum(chunk.rows for chunk in snapshot.chunks(table)) == 9
    assert birds.harmed() == []


ENTRIES = {
    "letters beyond ASCII": (
        "TABLE",
        "CREATE TABLE media_tool.€$a$ (); {attack}; SELECT 1 AS €$a$",
    ),
    "digits beyond ASCII": ("TABLE", "CREATE TABLE media_tool.٣$a$ (); {attack}; SELECT 1 AS ٣$a$"),
    "a comment in a comment": ("TABLE", "/* /* */ CREATE TABLE x () */ {attack}"),
    "a function's entry": ("FUNCTION", "{attack}"),
    "a rule's entry": ("RULE", "{attack}"),
    "a view's entry": ("VIEW", "CREATE VIEW media_tool.w AS SELECT 1; {attack}"),
    "a comment's entry": ("COMMENT", "COMMENT ON TABLE media_tool.houses IS ''; {attack}"),
    "an extension's entry": ("EXTENSION", "{attack}"),
}


@pytest.mark.parametrize("hidden", ENTRIES)
def test_no_statement_is_hidden_in_an_entry(
    place: Place, name: str, birds: Canaries, hidden: str
) -> None:
    """The server's own reading decides, and it is refused before a database is made."""
    kind, text = ENTRIES[hidden]
    place.run(HOUSES)
    made, _ = place.export()
    mark = "--\n-- PostgreSQL database dump complete"
    for attack in attacks(birds):
        entry = header("thing", kind) + text.format(attack=attack) + ";\n\n\n"
        version = with_ddl(place, made, partial(_before, mark, entry))
        with pytest.raises(BadArchive, match=r"schema\.sql cannot be restored"):
            place.restore(version, name)
        (place.objects.root / "objects" / archive_key("raw", version)).unlink()
    assert birds.harmed() == []
    assert name not in place.databases()


def _before(mark: str, entry: str, text: str) -> str:
    return text.replace(mark, entry + mark)


def test_what_runs_is_left_out_of_an_archive_that_is_not_trusted(place: Place, name: str) -> None:
    """Functions, triggers, rules and views, with what is part of them; the rows are all there."""
    place.run(HOUSES_ALONE)
    version, _ = place.export()
    made = place.restore(version, name, skip=OF_CODE)
    assert made.rows == {"houses": 9}
    assert {note.partition(": ")[0] for note in made.notes} == {
        "FUNCTION fired()",
        "INDEX counted_n",
        "MATERIALIZED VIEW counted",
        "RULE houses told",
        "TRIGGER houses rung",
        "VIEW seen",
    }
    found = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'media_tool'::regnamespace"
    assert place.query(name, found) == [(0,)]


def test_two_statements_are_never_one_to_the_server(place: Place, name: str) -> None:
    """The second wall of the first wall: whatever is sent, one statement is executed, or none."""
    with (
        pytest.raises(CheckFailed, match="cannot insert multiple commands"),
        place.target.restoration(name, replace=False) as work,
    ):
        work.run([Statement("two", "CREATE TABLE public.a (); CREATE TABLE public.b ()")])


@pytest.mark.local_postgres  # it has vector
def test_an_extension_has_to_be_allowed(place: Place, name: str) -> None:
    """By PostgreSQL, which trusts some, or by who restores."""
    place.run("CREATE SCHEMA media_tool; CREATE EXTENSION vector SCHEMA media_tool;")
    place.run("CREATE TABLE media_tool.t (v media_tool.vector(2) PRIMARY KEY)")
    version, _ = place.export()
    careful = PostgresTarget(place.target.url, extensions=frozenset())
    with pytest.raises(
        Refused, match="vector, which PostgreSQL does not trust; add it to MEDIATOOL"
    ):
        restore_postgres(place.objects, careful, place.pool, version, RestoreOptions(database=name))
    assert name not in place.databases()
    place.restore(version, name)
    owner = "SELECT extowner::regrole::text, nspname FROM pg_extension JOIN pg_namespace n ON"
    found = place.query(name, f"{owner} n.oid = extnamespace WHERE extname = 'vector'")
    [(user,)] = _asked(place, "SELECT current_user")
    assert found == [(user, "media_tool")]


def test_roles_go_with_their_databases(place: Place, name: str) -> None:
    """Each restore has its own, and prune and the next restore drop what is left."""
    place.run(HOUSES)
    version, _ = place.export()
    before = _roles(place)
    for replace in (False, True):
        place.restore(version, name, replace=replace)
    assert len(_roles(place) - before) == 1
    place.target.drop(name)
    assert _roles(place) <= before


def test_a_role_s_password_is_mended(place: Place, name: str) -> None:
    """What runs as the role may have changed its own, and its settings."""
    place.run(HOUSES)
    version, _ = place.export()
    place.restore(version, name)
    [(role,)] = place.query(name, "SELECT current_user")
    change = "ALTER ROLE {} PASSWORD 'x' CONNECTION LIMIT -1"
    with psycopg.connect(place.target.url.reveal(), autocommit=True) as admin:
        admin.execute(sql.SQL(change).format(sql.Identifier(role)))
        query = sql.SQL("ALTER ROLE {} SET statement_timeout = 1")
        admin.execute(query.format(sql.Identifier(role)))
    assert place.query(name, "SHOW statement_timeout") == [("0",)]


def _roles(place: Place) -> set[str]:
    query = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'mediatool_restored_')"
    return {role for (role,) in _asked(place, query)}


def _asked(place: Place, query: str) -> list[tuple[str, ...]]:
    with psycopg.connect(place.target.url.reveal()) as connection:
        return connection.execute(query.encode()).fetchall()
