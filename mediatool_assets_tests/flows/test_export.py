"""Export: the raw archive holds every row of one instant, or there is none."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import msgspec
import psycopg
import pytest

from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.domain import schema as schemas
from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.errors import (
    AlreadyExists,
    BadSource,
    CheckFailed,
    CountMismatch,
)
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Exclusion
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.domain.settings import Url
from mediatool_assets.domain.version import Version
from mediatool_assets.flows import archives
from mediatool_assets.flows.archives import Archived
from mediatool_assets.flows.export import BY_SETTING, export, member_name
from mediatool_assets.flows.pool import worker_pool
from mediatool_assets.flows.ports import RowReader, Snapshot, Source
from mediatool_assets.stores.postgres import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
KEY = archive_key("raw", VERSION)

SOURCE = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 250) n;
CREATE TABLE empty (id integer);
CREATE TABLE daily (day date, clicks bigint) PARTITION BY RANGE (day);
CREATE TABLE daily_b PARTITION OF daily FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE daily_a PARTITION OF daily FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
    PARTITION BY LIST (clicks);
CREATE TABLE daily_a_few PARTITION OF daily_a FOR VALUES IN (1, 2, 3);
CREATE TABLE daily_a_rest PARTITION OF daily_a DEFAULT;
INSERT INTO daily SELECT date '2026-01-01' + n, n FROM generate_series(0, 49) n;
CREATE TABLE media (id integer);
CREATE TABLE films (minutes integer) INHERITS (media);
INSERT INTO media VALUES (1); INSERT INTO films VALUES (2, 90);
CREATE TABLE "a/b %" (id integer);
CREATE SEQUENCE numbers; SELECT setval('numbers', 46);
CREATE SEQUENCE unused START 7;
CREATE VIEW names AS SELECT name FROM users;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM users;
"""


@pytest.fixture
def source(postgres_database: Url) -> PostgresSource:
    """A small schema with a table of each kind, read in chunks of 100 rows."""
    run(postgres_database, SOURCE)
    return PostgresSource(postgres_database, "media_tool", chunk_rows=100, lock_timeout="300ms")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A directory for spools."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def twin(tmp_path: Path) -> DirectoryObjects:
    """An empty bucket, in a directory."""
    return DirectoryObjects(tmp_path / "objects")


def run(url: Url, statements: str) -> None:
    """Execute statements, and commit."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def rows_of(archived: Archived, reader: ArchiveReader, table: str) -> list[Any]:
    """A table's rows, decoded."""
    blocks = archived.manifest.tables()[table].blocks
    return [
        msgspec.json.decode(line)
        for content in reader.blocks(blocks)
        for line in split_lines(content)
    ]


def test_the_archive_holds_every_table_once(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path
) -> None:
    """Partitions under their parent, inherited rows where they are, empty tables empty."""
    archived = export(source, objects, pool, VERSION, scratch)
    reader = archives.reader(objects, "raw", VERSION)
    assert archived.uri == objects.uri(KEY)
    assert {name: member.rows for name, member in archived.manifest.tables().items()} == {
        "a/b %": 0, "daily": 50, "empty": 0, "films": 1, "media": 1, "users": 250,
    }  # fmt: skip
    assert [member.name for member in archived.manifest.members] == [
        "a%2Fb %25.ndjson", "daily.ndjson", "empty.ndjson", "films.ndjson", "media.ndjson",
        "users.ndjson", "schema.sql", "schema.json",
    ]  # fmt: skip
    assert sorted(row["clicks"] for row in rows_of(archived, reader, "daily")) == list(range(50))
    assert rows_of(archived, reader, "media") == [{"id": 1}]
    assert rows_of(archived, reader, "films") == [{"id": 2, "minutes": 90}]
    assert rows_of(archived, reader, "users")[249] == {"id": 250, "name": "user 250"}
    for member in archived.manifest.members:
        reader.verify(member)
    assert not list(scratch.iterdir())


def test_the_manifest_names_its_source_and_no_secret(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path
) -> None:
    """Server version and snapshot are there, the password is not."""
    archived = export(source, objects, pool, VERSION, scratch)
    assert archived.manifest.source.keys() == {
        "type", "instance", "schema", "server_version", "snapshot_id",
    }  # fmt: skip
    assert str(archived.manifest.source["server_version"]).split(".")[0] in ("16", "17", "18")
    password = psycopg.conninfo.conninfo_to_dict(source.url).get("password")
    assert password is None or str(password) not in repr(archived.manifest)
    assert password is None or str(password) not in repr(source)


def test_schema_json_and_schema_sql_tell_the_structure(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path
) -> None:
    """Both are in the archive: tables, views by name, and where sequences stood."""
    archived = export(source, objects, pool, VERSION, scratch)
    reader = archives.reader(objects, "raw", VERSION)
    schema = schemas.decode(reader.read_file("schema.json"))
    assert schema.table("daily").partitions == ("daily_a_few", "daily_a_rest", "daily_b")
    assert schema.views == ("names", "totals")
    assert archived.manifest.facts["schema_fingerprint"] == schema.fingerprint()
    assert archived.manifest.facts["counted"] == {
        name: member.rows for name, member in archived.manifest.tables().items()
    }
    ddl = reader.read_file("schema.sql").decode()
    assert "CREATE MATERIALIZED VIEW media_tool.totals" in ddl
    assert """SELECT pg_catalog.setval('"media_tool"."numbers"', 46, true);""" in ddl
    assert """SELECT pg_catalog.setval('"media_tool"."unused"', 7, false);""" in ddl


def test_gnu_tar_lists_and_extracts_it(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path, tmp_path: Path
) -> None:
    """``tar -xzf`` gives the files of the manifest, to the byte."""
    archived = export(source, twin, pool, VERSION, scratch)
    path = tmp_path / "raw.tar.gz"
    opened = twin.open(KEY)
    path.write_bytes(opened.read(0, opened.size))
    subprocess.run(["tar", "-xzf", str(path), "-C", str(tmp_path)], check=True)
    for member in archived.manifest.members:
        content = (tmp_path / str(VERSION) / member.name).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (member.bytes, member.sha256)


def test_excluded_tables_are_recorded_with_reason_and_rows(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path
) -> None:
    """What is left out is told, and a name that fits no table is a warning."""
    archived = export(source, twin, pool, VERSION, scratch, exclude={"users": "test", "nine": "x"})
    assert archived.manifest.exclusions == (Exclusion("users", "test", 250),)
    assert "users" not in archived.manifest.tables()
    assert archived.manifest.warnings == ("nine is excluded, and the source has no such table",)


def test_tables_excluded_by_setting_have_that_as_reason(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path
) -> None:
    """A set of names is what the setting gives."""
    archived = export(source, twin, pool, VERSION, scratch, exclude=frozenset(["daily"]))
    assert archived.manifest.exclusions == (Exclusion("daily", BY_SETTING, 50),)


def test_a_table_that_lost_all_its_rows_is_a_warning(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path
) -> None:
    """Compared with the last version's counts; what was empty before is none."""
    previous = {"empty": 12, "users": 3, "gone": 1, "a/b %": 0}
    archived = export(source, twin, pool, VERSION, scratch, previous=previous)
    assert archived.manifest.warnings == (
        "empty is empty, and had 12 rows in the last version",
        "gone is gone, and had 1 rows in the last version",
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("ALTER SCHEMA media_tool RENAME TO other", "there is no schema media_tool"),
        ("DROP SCHEMA media_tool CASCADE; CREATE SCHEMA media_tool", "holds no table"),
    ],
)
def test_a_source_without_tables_is_refused(
    source: PostgresSource,
    twin: DirectoryObjects,
    pool: Executor,
    scratch: Path,
    statement: str,
    message: str,
) -> None:
    """No schema and no table fail the version, with the next step."""
    run(source.url, statement)
    with pytest.raises(BadSource, match=f"{message}.*MEDIATOOL_POSTGRES_SCHEMA"):
        export(source, twin, pool, VERSION, scratch)
    assert twin.head(KEY) is None


def test_excluding_every_table_is_refused(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path
) -> None:
    """An export of nothing is a mistake."""
    names = frozenset(["a/b %", "daily", "empty", "films", "media", "users"])
    with pytest.raises(BadSource, match="every table is excluded"):
        export(source, twin, pool, VERSION, scratch, exclude=names)


def test_a_second_export_of_a_version_leaves_the_first(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path
) -> None:
    """Names are written once."""
    export(source, objects, pool, VERSION, scratch)
    before = objects.head(KEY)
    with pytest.raises(AlreadyExists):
        export(source, objects, pool, VERSION, scratch)
    assert objects.head(KEY) == before


def test_the_same_rows_give_the_same_bytes(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path, tmp_path: Path
) -> None:
    """Two exports of an unchanged database are equal up to the manifest, which has the snapshot."""
    other = DirectoryObjects(tmp_path / "other")
    one, two = (export(source, store, pool, VERSION, scratch) for store in (twin, other))
    assert one.manifest.members == two.manifest.members
    last = one.manifest.members[-1].blocks[-1]
    end = last.offset + last.length
    assert twin.open(KEY).read(0, end) == other.open(KEY).read(0, end)


@dataclass
class CountingBytes:
    """Bytes that notes what is read of it."""

    source: Bytes
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of what it reads."""
        return self.source.name

    @property
    def size(self) -> int:
        """The size of what it reads."""
        return self.source.size

    def read(self, start: int, length: int) -> bytes:
        """Read, and note it."""
        self.reads.append((start, length))
        return self.source.read(start, length)


def test_one_table_is_read_without_the_others(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path
) -> None:
    """After the manifest, only the table's own bytes are fetched, once."""
    export(source, objects, pool, VERSION, scratch)
    counting = CountingBytes(objects.open(KEY))
    reader = ArchiveReader(counting)
    member = reader.manifest.tables()["users"]
    counting.reads.clear()
    assert sum(len(split_lines(content)) for content in reader.blocks(member.blocks)) == 250
    assert sum(length for _, length in counting.reads) == sum(b.length for b in member.blocks)
    assert min(start for start, _ in counting.reads) == member.blocks[0].offset


@dataclass(frozen=True)
class Lying:
    """A source whose snapshot counts one row too many in every chunk."""

    source: Source

    @contextmanager
    def snapshot(self) -> Iterator["LyingSnapshot"]:
        """The true snapshot, with its counts wrong."""
        with self.source.snapshot() as snapshot:
            yield LyingSnapshot(snapshot, snapshot.reader)


@dataclass(frozen=True)
class LyingSnapshot:
    """The snapshot of Lying; ``reader`` can be another than the true one."""

    true: Snapshot
    reader: RowReader
    surplus: int = 1

    @property
    def schema(self) -> Schema:
        """The true schema."""
        return self.true.schema

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The true facts."""
        return self.true.facts

    def ddl(self) -> bytes:
        """The true DDL."""
        return self.true.ddl()

    def chunks(self, table: Table) -> list[Chunk]:
        """The true chunks, with rows that are not there."""
        return [replace(c, rows=c.rows + self.surplus) for c in self.true.chunks(table)]


def test_a_wrong_count_fails_the_version(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path, bucket: str
) -> None:
    """Rows read that are not the rows counted: nothing is published, nothing is left."""
    with pytest.raises(CountMismatch, match="daily, chunk 0: rows: expected"):
        export(Lying(source), objects, pool, VERSION, scratch)
    assert_nothing_left(objects, bucket, scratch)


@dataclass(frozen=True)
class Fatal:
    """A source whose rows kill the worker that reads them."""

    source: Source

    @contextmanager
    def snapshot(self) -> Iterator[LyingSnapshot]:
        """The true snapshot, with a deadly reader."""
        with self.source.snapshot() as snapshot:
            yield LyingSnapshot(snapshot, FatalReader(), surplus=0)


class FatalReader:
    """A RowReader that ends its process as the kernel does when memory runs out."""

    def read(self, table: Table, chunk: Chunk) -> Iterator[list[bytes]]:
        """Never return."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(f"{table.name} {chunk.index}: still alive")


def test_a_killed_worker_fails_the_version(
    source: PostgresSource, objects: S3Objects, scratch: Path, bucket: str
) -> None:
    """The export says so, and leaves neither an object nor an upload nor a spool."""
    with pytest.raises(CheckFailed, match="worker process died"), worker_pool(1) as own:
        export(Fatal(source), objects, own, VERSION, scratch)
    assert_nothing_left(objects, bucket, scratch)


def test_a_table_that_cannot_be_read_fails_the_version(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path, bucket: str
) -> None:
    """A role that row policies apply to is refused by the server, not shown fewer rows."""
    run(
        source.url,
        "DROP ROLE IF EXISTS mediatool_reader; CREATE ROLE mediatool_reader;"
        "GRANT USAGE ON SCHEMA media_tool TO mediatool_reader;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA media_tool TO mediatool_reader;"
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA media_tool TO mediatool_reader;"
        "ALTER TABLE media_tool.users ENABLE ROW LEVEL SECURITY;",
    )
    url = psycopg.conninfo.make_conninfo(source.url, options="-c role=mediatool_reader")
    try:
        with pytest.raises(BadSource, match=r"media_tool\.users.*row-level security.*BYPASSRLS"):
            export(replace(source, url=Url(url)), objects, pool, VERSION, scratch)
        run(source.url, "REVOKE SELECT ON media_tool.users FROM mediatool_reader")
        with pytest.raises(BadSource, match=r"permission denied for table users.*GRANT"):
            export(replace(source, url=Url(url)), objects, pool, VERSION, scratch)
    finally:
        run(source.url, "DROP OWNED BY mediatool_reader; DROP ROLE mediatool_reader")
    assert_nothing_left(objects, bucket, scratch)


def test_a_locked_table_fails_the_version(
    source: PostgresSource, objects: S3Objects, pool: Executor, scratch: Path, bucket: str
) -> None:
    """An export does not wait for ever behind a migration."""
    with psycopg.connect(source.url) as migration:
        migration.execute("LOCK TABLE media_tool.users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BadSource, match=r"lock.*run again"):
            export(source, objects, pool, VERSION, scratch)
    assert_nothing_left(objects, bucket, scratch)


def assert_nothing_left(objects: S3Objects, bucket: str, scratch: Path) -> None:
    """No object, no unfinished upload, no spool file."""
    client = boto3.client("s3", endpoint_url=objects.endpoint_url)
    assert objects.head(KEY) is None
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    client.close()
    assert not list(scratch.iterdir())


def test_progress_ends_at_the_rows_of_each_table(
    source: PostgresSource, twin: DirectoryObjects, pool: Executor, scratch: Path
) -> None:
    """Told after every chunk, table by table."""
    told: list[tuple[str, int, int]] = []
    export(
        source, twin, pool, VERSION, scratch,
        progress=lambda step, done, total: told.append((step, done, total)),
    )  # fmt: skip
    assert [step for step in told if step[0] == "users"] == [
        ("users", 100, 250), ("users", 200, 250), ("users", 250, 250),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "name"),
    [("users", "users"), ("a/b", "a%2Fb"), ("..", ".."), ("50%", "50%25"), ("a\nb", "a%0Ab")],
)
def test_member_names_stay_inside_the_folder(table: str, name: str) -> None:
    """Whatever a table is called, its file has one name of its own."""
    assert member_name(table) == f"{name}.ndjson"
