"""An export that fails says why, and leaves nothing."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import psycopg
import pytest

from mediatool_assets.core.errors import AlreadyExists, BadSource, CheckFailed, CountMismatch
from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.schema import Chunk, Schema, Table
from mediatool_assets.core.texts import Url
from mediatool_assets.export.flow import export
from mediatool_assets.stores.ports import RowReader, Source, SourceSnapshot
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.export_source import KEY, VERSION, run
from mediatool_assets_tests.twins import DirectoryObjects


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("ALTER SCHEMA media_tool RENAME TO other", "there is no schema media_tool"),
        ("DROP SCHEMA media_tool CASCADE; CREATE SCHEMA media_tool", "has no table"),
    ],
)
def test_a_source_without_tables_is_refused(
    mixed_source: PostgresSource,
    twin: DirectoryObjects,
    scratch_pool: Workspace,
    statement: str,
    message: str,
) -> None:
    """No schema and no table fail the version, with the next step."""
    run(mixed_source.url, statement)
    with pytest.raises(BadSource, match=f"{message}.*MEDIATOOL_POSTGRES_SCHEMA"):
        export(mixed_source, twin, scratch_pool, VERSION)
    assert twin.head(KEY) is None


def test_a_second_export_of_a_version_leaves_the_first(
    mixed_source: PostgresSource, objects: S3Objects, scratch_pool: Workspace
) -> None:
    """Names are written once."""
    export(mixed_source, objects, scratch_pool, VERSION)
    before = objects.head(KEY)
    with pytest.raises(AlreadyExists):
        export(mixed_source, objects, scratch_pool, VERSION)
    assert objects.head(KEY) == before


@dataclass(frozen=True)
class Lying:
    """A source whose snapshot counts one row too many in every chunk."""

    source: Source
    primary: Source | None = None

    @contextmanager
    def snapshot(self) -> Iterator["LyingSnapshot"]:
        """The true snapshot, with its counts wrong."""
        with self.source.snapshot() as snapshot:
            yield LyingSnapshot(snapshot, snapshot.reader)


@dataclass(frozen=True)
class LyingSnapshot:
    """The snapshot of Lying; ``reader`` can be another than the true one."""

    true: SourceSnapshot
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

    def not_carried(self) -> tuple[NotCarried, ...]:
        """Truly."""
        return self.true.not_carried()

    def chunks(self, table: Table) -> list[Chunk]:
        """The true chunks, with rows that are not there."""
        return [replace(c, rows=c.rows + self.surplus) for c in self.true.chunks(table)]


def test_a_wrong_count_fails_the_version(
    mixed_source: PostgresSource,
    objects: S3Objects,
    scratch_pool: Workspace,
    scratch: Path,
    bucket: str,
) -> None:
    """Rows read that are not the rows counted: nothing is published, nothing is left."""
    with pytest.raises(CountMismatch, match="daily, chunk 0: rows: expected"):
        export(Lying(mixed_source), objects, scratch_pool, VERSION)
    assert_nothing_left(objects, bucket, scratch)


@dataclass(frozen=True)
class Fatal:
    """A source whose rows kill the worker that reads them."""

    source: Source
    primary: Source | None = None

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
    mixed_source: PostgresSource, objects: S3Objects, scratch: Path, bucket: str
) -> None:
    """The export says so, and leaves neither an object nor an upload nor a spool."""
    with pytest.raises(CheckFailed, match="worker process died"), worker_pool(1) as own:
        export(Fatal(mixed_source), objects, Workspace(own, scratch), VERSION)
    assert_nothing_left(objects, bucket, scratch)


def test_a_table_that_cannot_be_read_fails_the_version(
    mixed_source: PostgresSource,
    objects: S3Objects,
    scratch_pool: Workspace,
    scratch: Path,
    bucket: str,
) -> None:
    """A role that row policies apply to is refused by the server, not shown fewer rows."""
    run(
        mixed_source.url,
        "DROP ROLE IF EXISTS mediatool_reader; CREATE ROLE mediatool_reader;"
        "GRANT USAGE ON SCHEMA media_tool TO mediatool_reader;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA media_tool TO mediatool_reader;"
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA media_tool TO mediatool_reader;"
        "ALTER TABLE media_tool.users ENABLE ROW LEVEL SECURITY;",
    )
    url = f"{mixed_source.url.reveal()}?options=-c%20role%3Dmediatool_reader"
    try:
        with pytest.raises(BadSource, match=r"media_tool\.users.*row-level security.*BYPASSRLS"):
            export(replace(mixed_source, url=Url(url)), objects, scratch_pool, VERSION)
        run(mixed_source.url, "REVOKE SELECT ON media_tool.users FROM mediatool_reader")
        with pytest.raises(BadSource, match=r"permission denied for table users.*GRANT"):
            export(replace(mixed_source, url=Url(url)), objects, scratch_pool, VERSION)
    finally:
        run(mixed_source.url, "DROP OWNED BY mediatool_reader; DROP ROLE mediatool_reader")
    assert_nothing_left(objects, bucket, scratch)


def test_a_locked_table_fails_the_version(
    mixed_source: PostgresSource,
    objects: S3Objects,
    scratch_pool: Workspace,
    scratch: Path,
    bucket: str,
) -> None:
    """An export does not wait for ever behind a migration."""
    with psycopg.connect(mixed_source.url.reveal()) as migration:
        migration.execute("LOCK TABLE media_tool.users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BadSource, match=r"lock.*run again"):
            export(mixed_source, objects, scratch_pool, VERSION)
    assert_nothing_left(objects, bucket, scratch)


def assert_nothing_left(objects: S3Objects, bucket: str, scratch: Path) -> None:
    """No object, no unfinished upload, no spool file."""
    client = boto3.client("s3", endpoint_url=objects.endpoint_url)
    assert objects.head(KEY) is None
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    client.close()
    assert not list(scratch.iterdir())
