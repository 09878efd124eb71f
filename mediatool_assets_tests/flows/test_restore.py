"""Restore: a version comes back value by value, or nothing comes that looks like it."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.archive.spool import spool_rows
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.errors import (
    AlreadyExists,
    BadArchive,
    CheckFailed,
    CountMismatch,
    Misuse,
    NotFound,
    Refused,
)
from mediatool_assets.domain.keys import archive_key, postgres_database
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.restored import Marker, content_of
from mediatool_assets.domain.settings import Settings, Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import archives
from mediatool_assets.flows.archives import Archived
from mediatool_assets.flows.export import export
from mediatool_assets.flows.restore import restore_postgres, restored
from mediatool_assets.seed import seed
from mediatool_assets.stores.local import Stack
from mediatool_assets.stores.postgres import PostgresSource, PostgresTarget
from mediatool_assets_tests.postgres_strategies import COLUMNS, TYPES, rows
from mediatool_assets_tests.twins import DirectoryObjects

_SECONDS = itertools.count()

PEOPLE = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE teams (id integer PRIMARY KEY, name text);
CREATE TABLE users (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, team_id integer
    REFERENCES teams, name text NOT NULL, length integer GENERATED ALWAYS AS (length(name)) STORED);
INSERT INTO teams SELECT n, 'team ' || n FROM generate_series(1, 3) n;
INSERT INTO users (team_id, name) SELECT n % 3 + 1, repeat('x', n) FROM generate_series(1, 50) n;
CREATE MATERIALIZED VIEW sizes AS SELECT team_id, count(*) FROM users GROUP BY team_id;
"""

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


@dataclass(frozen=True)
class Place:
    """A source, a bucket in a directory, and databases that go away after the test."""

    url: Url
    target: PostgresTarget
    objects: DirectoryObjects
    pool: Executor
    scratch: Path

    def run(self, statements: str) -> None:
        """Execute statements in the source."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statements.encode())

    def export(
        self, url: Url | None = None, schema: str = "media_tool"
    ) -> tuple[Version, Archived]:
        """A raw archive of a database, the source unless another is named."""
        version = Version(datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=next(_SECONDS)))
        source = PostgresSource(url or self.url, schema)
        return version, export(source, self.objects, self.pool, version, self.scratch)

    def again(self, database: str, schema: str = "media_tool") -> Archived:
        """A raw archive of a restored database."""
        return self.export(self.target.database(database, schema).url, schema)[1]

    def query(self, database: str, query: str) -> list[Any]:
        """The rows of a query in a restored database."""
        with psycopg.connect(self.target.database(database, "x").url) as connection:
            return connection.execute(query.encode()).fetchall()

    def databases(self) -> set[str]:
        """Every database of the server."""
        with psycopg.connect(self.target.url) as connection:
            return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


@pytest.fixture
def place(
    postgres_database: Url, settings: Settings, pool: Executor, tmp_path: Path
) -> Iterator[Place]:
    """An empty source, and a server to restore to."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    target = PostgresTarget(PostgresTarget.of(settings).url, postgres_database)
    place = Place(postgres_database, target, DirectoryObjects(tmp_path), pool, scratch)
    before = place.databases()
    yield place
    with psycopg.connect(target.url, autocommit=True) as connection:
        for name in place.databases() - before:
            query = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(query.format(sql.Identifier(name)))


@pytest.fixture
def name() -> str:
    """A database's name that nobody has."""
    return f"restored_{uuid4().hex[:12]}"


def contents(place: Place, archived: Archived) -> dict[str, bytes | list[bytes]]:
    """Every file of an archive; rows sorted, as COPY does not promise to keep their order."""
    reader = archives.reader(place.objects, "raw", Version.parse(archived.manifest.version))
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
    made = restore_postgres(place.objects, place.target, place.pool, version)
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
    made = restore_postgres(place.objects, place.target, place.pool, version)
    assert restored(place.target, manifest) == made
    other = tuple(
        msgspec.structs.replace(m, fingerprint="1:" + "0" * 32) if m.table == "users" else m
        for m in manifest.members
    )
    assert restored(place.target, msgspec.structs.replace(manifest, members=other)) is None
    restore_postgres(
        place.objects, place.target, place.pool, version, tables=["users"], replace=True
    )
    assert restored(place.target, manifest) is None


def test_every_kind_of_object_comes_back(place: Place, name: str) -> None:
    """Keys, indexes, triggers, rules, statistics, comments; views filled in their order."""
    place.run(EVERY_KIND)
    version, archived = place.export()
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert contents(place, place.again(name)) == contents(place, archived)
    assert place.query(name, "SELECT count(*) FROM media_tool.totals") == [(20,)]
    assert place.query(name, "SELECT max FROM media_tool.above") == [(5,)]
    assert place.query(name, "SELECT nextval('media_tool.numbers')") == [(47,)]
    assert place.query(name, "SELECT nextval('media_tool.never')") == [(1,)]
    with pytest.raises(psycopg.errors.RaiseException, match="fired"):
        place.query(name, "INSERT INTO media_tool.things DEFAULT VALUES")


@given(data=strategies.data())
@hypothesis_settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_row_of_any_type_comes_back(place: Place, data: strategies.DataObject) -> None:
    """``row::text`` is equal before and after, over every type."""
    place.run("DROP SCHEMA IF EXISTS a CASCADE; CREATE SCHEMA a; SET search_path TO a;" + TYPES)
    with psycopg.connect(place.url, autocommit=True) as connection:
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
    database = restore_postgres(place.objects, place.target, place.pool, version).database
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
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
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
    made = restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert made.rows == {"users": 1}


def test_a_restored_database_is_replaced_only_when_asked(place: Place, name: str) -> None:
    """It stays as it is, and the answer says what to ask; with ``replace`` it is new."""
    place.run(PEOPLE)
    version, _ = place.export()
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
    place.run("DELETE FROM media_tool.users WHERE id > 10")
    other, _ = place.export()
    with pytest.raises(AlreadyExists, match="--replace"):
        restore_postgres(place.objects, place.target, place.pool, other, database=name)
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]
    restore_postgres(place.objects, place.target, place.pool, other, database=name, replace=True)
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(10,)]


def test_a_database_in_use_is_replaced_all_the_same(place: Place, name: str) -> None:
    """Sessions in the old one go on until the new one is proven, and end with it."""
    place.run(PEOPLE)
    version, _ = place.export()
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
    with psycopg.connect(place.target.database(name, "x").url, autocommit=True) as session:
        assert session.execute("SELECT count(*) FROM media_tool.users").fetchone() == (50,)
        restore_postgres(
            place.objects, place.target, place.pool, version, database=name, replace=True
        )
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT 1")
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]


def test_a_large_table_is_copied_by_several_workers(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In shares, which come to the same rows."""
    place.run(PEOPLE)
    version, archived = place.export()
    monkeypatch.setattr("mediatool_assets.flows.restore._WHOLE_BYTES", 0)
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert contents(place, place.again(name)) == contents(place, archived)


def test_a_failed_replacement_leaves_the_old_one(place: Place, name: str) -> None:
    """What is there goes only when the new one is proven."""
    place.run(PEOPLE)
    version, _ = place.export()
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
    damage(place, version)
    with pytest.raises(BadArchive):
        restore_postgres(
            place.objects, place.target, place.pool, version, database=name, replace=True
        )
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]
    assert f"{name}.restoring" not in place.databases()


def test_no_database_is_touched_that_no_restore_made(place: Place, name: str) -> None:
    """The source least of all; nor with ``replace``."""
    place.run(PEOPLE)
    version, _ = place.export()
    source = place.url.rpartition("/")[2]
    other = PostgresTarget(place.target.url)  # it is not told of the source, and sees it as foreign
    for target, database in (
        (place.target, source),
        (other, source),
        (place.target, "postgres"),
        (place.target, "template1"),
        (place.target, "media_tool_20200101-000000"),
    ):
        with pytest.raises(Refused):
            restore_postgres(
                place.objects, target, place.pool, version, database=database, replace=True
            )
    assert place.query(source, "SELECT count(*) FROM media_tool.users") == [(50,)]


@pytest.mark.parametrize("database", ["", "x" * 54, "ü" * 27, "a\0b"])
def test_a_name_that_cannot_be_one_is_misuse(place: Place, database: str) -> None:
    """PostgreSQL would cut it, or refuse it in words of its own."""
    place.run(PEOPLE)
    version, _ = place.export()
    with pytest.raises(Misuse, match="cannot be a database's name"):
        restore_postgres(place.objects, place.target, place.pool, version, database=database)


def test_two_restores_of_one_name_do_not_meet(place: Place, name: str) -> None:
    """The second is told that there is a first."""
    place.run(PEOPLE)
    version, _ = place.export()
    with (
        place.target.restoration(name, replace=False),
        pytest.raises(Refused, match="under way"),
    ):
        restore_postgres(place.objects, place.target, place.pool, version, database=name)


def damage(place: Place, version: Version, table: str = "users") -> None:
    """Change a byte of a table's block in the archive."""
    block = archives.reader(place.objects, "raw", version).manifest.tables()[table].blocks[0]
    path = place.objects.root / "objects" / archive_key("raw", version)
    data = bytearray(path.read_bytes())
    data[block.offset + block.length // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_damaged_archive_leaves_nothing(place: Place, name: str) -> None:
    """Neither the database nor what it was made in."""
    place.run(PEOPLE)
    version, _ = place.export()
    damage(place, version)
    before = place.databases()
    with pytest.raises(BadArchive, match="gzip"):
        restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert place.databases() == before


def changed(
    place: Place, version: Version, change: Callable[[bytes], bytes], **source: str
) -> Version:
    """Another version of the same schema, its rows changed as by a program that is wrong."""
    reader = archives.reader(place.objects, "raw", version)
    other = Version(version.moment + timedelta(days=1))

    def write(writer: ArchiveWriter) -> Manifest:
        for table, member in reader.manifest.tables().items():
            lines = [split_lines(content) for content in reader.blocks(member.blocks)]
            changed_rows = (list(map(change, batch)) for batch in lines)
            spool = spool_rows(place.scratch / table, changed_rows, b"\n")
            writer.add_rows(member.name, [spool], table=table)
        for file in ("schema.sql", "schema.json"):
            writer.add_file(file, reader.read_file(file))
        return writer.finish(
            Manifest("", "raw", "", (), source={**reader.manifest.source, **source})
        )

    archives.publish(place.objects, "raw", other, write)
    return other


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda row: row.replace(b"team 1", b"team 1 "), None, ""),
        (lambda row: row.replace(b'"length":7', b'"length":8'), CountMismatch, "users"),
        (lambda row: row.replace(b'"team_id":3', b'"team_id":9'), CheckFailed, "FK CONSTR"),
        (lambda row: row.replace(b'"id":7,', b'"id":"x",'), CheckFailed, "users"),
        (lambda row: row.replace(b'"name"', b'"no"'), BadArchive, "cannot be read"),
        (lambda row: row + b",", BadArchive, "cannot be read"),
    ],
)
def test_rows_that_do_not_come_back_as_they_are_fail(
    place: Place,
    name: str,
    change: Callable[[bytes], bytes],
    error: type[Exception] | None,
    message: str,
) -> None:
    """A wrong value, key or row names its table, and leaves nothing; another value is just data."""
    place.run(PEOPLE)
    version = changed(place, place.export()[0], change)
    if error is None:
        restore_postgres(place.objects, place.target, place.pool, version, database=name)
        return
    before = place.databases()
    with pytest.raises(error, match=message):
        restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert place.databases() == before


def test_an_older_server_is_refused_before_anything_is_made(place: Place, name: str) -> None:
    """DDL of a newer server means nothing to it."""
    place.run(PEOPLE)
    version = changed(place, place.export()[0], lambda row: row, server_version="99.1")
    with pytest.raises(Misuse, match=r"PostgreSQL 99.*MEDIATOOL_RESTORE_POSTGRES_URL"):
        restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert name not in place.databases()


def test_a_part_holds_the_rows_that_were_asked_for(place: Place, name: str) -> None:
    """Its marker says that it is one, and which foreign keys it could not hold."""
    place.run(PEOPLE)
    version, _ = place.export()
    made = restore_postgres(
        place.objects, place.target, place.pool, version, database=name, tables=["users"]
    )
    assert (made.part, made.rows) == (True, {"users": 50})
    assert made.left_out == ("users users_team_id_fkey",)
    assert place.query(name, "SELECT count(*) FROM media_tool.teams") == [(0,)]
    marker = place.target.marker(name)
    assert marker is not None
    assert (marker.complete, marker.tables) == (False, ("users",))
    with pytest.raises(AlreadyExists):
        restore_postgres(place.objects, place.target, place.pool, version, database=name)


def test_a_table_that_the_archive_does_not_have_is_named(place: Place, name: str) -> None:
    """With those that it has."""
    place.run(PEOPLE)
    version, _ = place.export()
    with pytest.raises(NotFound, match=r"no rows of nobody; it has those of teams, users"):
        restore_postgres(
            place.objects, place.target, place.pool, version, database=name, tables=["nobody"]
        )


def test_a_version_that_left_a_table_out_restores_as_a_part(place: Place, name: str) -> None:
    """What an export excludes is never taken for empty."""
    place.run(PEOPLE)
    version = Version(datetime(2002, 1, 1, tzinfo=UTC))
    source = PostgresSource(place.url, "media_tool")
    export(source, place.objects, place.pool, version, place.scratch, exclude=frozenset({"teams"}))
    made = restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert (made.part, made.left_out) == (True, ("users users_team_id_fkey",))


KILLED = """
import sys
from pathlib import Path
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.pool import worker_pool
from mediatool_assets.flows.restore import restore_postgres
from mediatool_assets.stores.postgres import PostgresTarget
from mediatool_assets_tests.twins import DirectoryObjects

url, root, version, database = sys.argv[1:]
with worker_pool(1) as pool:
    restore_postgres(DirectoryObjects(Path(root)), PostgresTarget(url), pool,
                     Version.parse(version), database=database)
"""


def test_a_killed_restore_leaves_nothing_that_looks_complete(
    place: Place, name: str, stack: Stack
) -> None:
    """Nothing has the name; the next restore removes what was left, and succeeds."""
    place.run(PEOPLE)
    version, _ = place.export()
    words = [place.target.url, str(place.objects.root), str(version), name]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *words], start_new_session=True)
    while f"{name}.restoring" not in place.databases():
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert name not in place.databases()
    assert f"{name}.restoring" in place.databases()
    restore_postgres(place.objects, place.target, place.pool, version, database=name)
    assert f"{name}.restoring" not in place.databases()
    assert place.query(name, "SELECT count(*) FROM media_tool.users") == [(50,)]
