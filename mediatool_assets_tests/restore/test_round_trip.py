"""Restore: a version comes back value by value, and object by object."""

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from mediatool_assets.core.metadata import Marker, content_of
from mediatool_assets.core.version import Version
from mediatool_assets.demo.seeding import seed
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.versions.records import restored
from mediatool_assets_tests.database_names import postgres_database
from mediatool_assets_tests.fixtures.restore_place import PEOPLE, Place
from mediatool_assets_tests.postgres_strategies import COLUMNS, TYPES, rows

EVERY_KIND = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TYPE stage AS ENUM ('new', 'quo''te; --');
CREATE DOMAIN fee AS numeric CHECK (value >= 0);
CREATE FUNCTION twice(n integer) RETURNS integer IMMUTABLE LANGUAGE sql
    BEGIN ATOMIC SELECT n; SELECT n * 2; END;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
--
-- Name: fake; Type: INDEX; Schema: media_tool; Owner: me
--
    RAISE EXCEPTION 'fired; "x"';
END$$;
CREATE TABLE owners (id integer PRIMARY KEY, name text UNIQUE, stage stage, fee fee,
    doubled integer GENERATED ALWAYS AS (media_tool.twice(id)) STORED);
CREATE TABLE things (id bigserial PRIMARY KEY, owner_id integer, note text DEFAULT 'a;b',
    CONSTRAINT "Owner's; key" FOREIGN KEY (owner_id) REFERENCES owners ON DELETE CASCADE);
CREATE TABLE special (more text) INHERITS (things);
CREATE TABLE days (on_day date, n integer, PRIMARY KEY (on_day, n)) PARTITION BY RANGE (on_day);
CREATE TABLE days_old PARTITION OF days FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE days_new PARTITION OF days DEFAULT;
CREATE INDEX things_by_note ON things (lower(note)) WHERE note <> ';';
CREATE STATISTICS things_stats ON owner_id, note FROM things;
INSERT INTO owners SELECT n, 'owner ' || n, 'new', n / 7.0 FROM generate_series(1, 20) n;
INSERT INTO things (owner_id) SELECT n % 20 + 1 FROM generate_series(1, 99) n;
INSERT INTO special VALUES (1000, 1, 'note', 'more');
INSERT INTO days SELECT date '2025-12-01' + n, n FROM generate_series(1, 60) n;
ALTER TABLE things ADD CONSTRAINT long CHECK (length(note) < 2) NOT VALID;
CREATE TRIGGER guard BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE RULE keep AS ON DELETE TO owners DO INSTEAD NOTHING;
CREATE VIEW by_owner AS SELECT o.id, o.name, count(*) FROM owners o
    JOIN things t ON t.owner_id = o.id GROUP BY o.id;
CREATE MATERIALIZED VIEW totals AS SELECT name, count FROM by_owner;
CREATE MATERIALIZED VIEW above AS SELECT max(count) FROM totals;
CREATE UNIQUE INDEX totals_by_name ON totals (name);
CREATE SEQUENCE never; CREATE SEQUENCE numbers; SELECT setval('numbers', 46);
COMMENT ON INDEX things_by_note IS 'index; comment';
COMMENT ON COLUMN owners.fee IS 'ünï';
"""


def contents(place: Place, archived: StoredArchive) -> dict[str, bytes | list[bytes]]:
    """Every file of an archive; rows sorted, as COPY does not promise to keep their order."""
    reader = catalog.reader(place.objects, "raw", Version.parse(archived.manifest.version))
    return {
        member.name: sorted(b"".join(reader.blocks(member.blocks)).splitlines())
        if member.table
        else reader.read_file(member.name)
        for member in archived.manifest.members
    }


def test_a_seeded_source_comes_back_byte_for_byte(place: Place) -> None:
    """Source -> archive -> PostgreSQL -> archive: every row and the DDL have the same bytes."""
    seed(place.url, scale=0.003, full=True, day=2, schema="media_tool")
    version, archived = place.export()
    made = place.restore(version)
    assert made.database == postgres_database(version)
    assert made.rows == {t: m.rows for t, m in archived.manifest.tables().items()}
    again = place.again(made.database)
    assert contents(place, again) == contents(place, archived)
    content = content_of(archived.manifest)
    marker = Marker(str(version), complete=True, rows=archived.manifest.rows, content=content)
    assert place.target.marker(made.database) == marker


def test_a_restored_database_is_known_by_its_rows(place: Place) -> None:
    """Whole, it is the version's own; a part of it, or other rows under its name, are not."""
    place.run(PEOPLE)
    version, archived = place.export()
    manifest = archived.manifest
    assert restored(place.target, manifest) is None
    made = place.restore(version)
    assert restored(place.target, manifest) == made
    other = tuple(
        msgspec.structs.replace(m, fingerprint="1:" + "0" * 32) if m.table == "users" else m
        for m in manifest.members
    )
    assert restored(place.target, msgspec.structs.replace(manifest, members=other)) is None
    place.restore(version, tables=["users"], replace=True)
    assert restored(place.target, manifest) is None


def test_every_kind_of_object_comes_back(place: Place, name: str) -> None:
    """Keys, indexes, triggers, rules, statistics, comments; views filled in their order."""
    place.run(EVERY_KIND)
    version, archived = place.export()
    place.restore(version, name)
    assert contents(place, place.again(name)) == contents(place, archived)
    assert place.query(name, "SELECT count(*) FROM media_tool.totals") == [(20,)]
    assert place.query(name, "SELECT max FROM media_tool.above") == [(5,)]
    assert place.query(name, "SELECT nextval('media_tool.numbers')") == [(47,)]
    assert place.query(name, "SELECT nextval('media_tool.never')") == [(1,)]
    with pytest.raises(psycopg.errors.RaiseException, match="fired"):
        place.query(name, "INSERT INTO media_tool.things DEFAULT VALUES")


@pytest.mark.postgres(15)  # 14 reads no interval of 2147483648 microseconds
@given(data=strategies.data())
@hypothesis_settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_row_of_any_type_comes_back(place: Place, data: strategies.DataObject) -> None:
    """``row::text`` is equal before and after, over every type."""
    place.run("DROP SCHEMA IF EXISTS a CASCADE; CREATE SCHEMA a; SET search_path TO a;" + TYPES)
    with psycopg.connect(place.url.reveal(), autocommit=True) as connection:
        definition = sql.SQL(", ").join(
            sql.SQL("{} " + type_).format(sql.Identifier(column))
            for column, (type_, _) in COLUMNS.items()
        )
        connection.execute(sql.SQL("CREATE TABLE a.everything ({})").format(definition))
        names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        query = sql.SQL("COPY a.everything ({}) FROM STDIN").format(names)
        with connection.cursor().copy(query) as copy:
            for row in data.draw(rows(COLUMNS)):
                copy.write_row([row.get(column) for column in COLUMNS])
        wanted = connection.execute("SELECT e::text FROM a.everything e ORDER BY ctid").fetchall()
    version, _ = place.export(schema="a")
    database = place.restore(version).database
    assert place.query(database, "SELECT e::text FROM a.everything e ORDER BY ctid") == wanted


def test_ownership_and_grants_are_left_to_the_target(place: Place, name: str) -> None:
    """What names roles is not made, and row security stays on."""
    place.run(PEOPLE)
    place.run(
        "GRANT SELECT ON media_tool.users TO PUBLIC; ALTER TABLE media_tool.teams OWNER TO"
        " pg_database_owner; ALTER TABLE media_tool.users ENABLE ROW LEVEL SECURITY;"
        " CREATE POLICY own ON media_tool.users TO pg_monitor USING (true)"
    )
    version, _ = place.export()
    place.restore(version, name)
    found = place.query(
        name,
        "SELECT relname, relowner::regrole::text, relacl, relrowsecurity FROM pg_class"
        " WHERE relname IN ('teams', 'users') ORDER BY 1",
    )
    [(role,)] = place.query(name, "SELECT current_user")
    assert found == [("teams", role, None, False), ("users", role, None, True)]


def test_the_schema_public_comes_back_too(place: Place, name: str) -> None:
    """A new database has one already."""
    place.run("CREATE TABLE public.users (id integer PRIMARY KEY); INSERT INTO users VALUES (1)")
    version, _ = place.export(schema="public")
    made = place.restore(version, name)
    assert made.rows == {"users": 1}


def test_a_large_table_is_copied_by_several_workers(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In shares, which come to the same rows."""
    place.run(PEOPLE)
    version, archived = place.export()
    monkeypatch.setattr("mediatool_assets.restore.flow._SMALL_BYTES", 0)
    place.restore(version, name)
    assert contents(place, place.again(name)) == contents(place, archived)


def test_large_values_are_packed_with_lz4_where_the_server_has_it(place: Place, name: str) -> None:
    """A column that names its own compression keeps it."""
    place.run(
        "CREATE SCHEMA media_tool;"
        "CREATE TABLE media_tool.notes (text text, old text COMPRESSION pglz);"
        "INSERT INTO media_tool.notes SELECT long, long FROM repeat('a long text ', 9000) long"
    )
    version, _ = place.export()
    place.restore(version, name)
    query = (
        "SELECT 'lz4' = ANY (enumvals), pg_column_compression(text), pg_column_compression(old)"
        " FROM pg_settings, media_tool.notes WHERE name = 'default_toast_compression'"
    )
    [(offered, text, old)] = place.query(name, query)
    assert (text, old) == ("lz4" if offered else "pglz", "pglz")
