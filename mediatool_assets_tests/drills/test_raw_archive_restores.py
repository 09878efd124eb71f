"""The raw archive alone makes the database again: DDL, every row, and where sequences stood."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.stores.local_servers import postgres_binaries
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.restoring import restore_rows
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture
def other_database(postgres_database: Url) -> Iterator[Url]:
    """A second empty database on the same server."""
    name = sql.Identifier(f"test_{uuid4().hex[:12]}")
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield postgres_database.to(name.as_string().strip(chr(34)))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_a_seeded_database_is_made_again_from_its_archive(
    postgres_database: Url, other_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """psql takes schema.sql as it is; each table has the same fingerprint as in the source."""
    seed(postgres_database, scale=0.001, full=True, day=0, schema="media_tool")
    first = _export(postgres_database, tmp_path / "first", pool)
    _restore(catalog.reader(first, "raw", VERSION), other_database, tmp_path / "schema.sql")
    second = _export(other_database, tmp_path / "second", pool)
    before, after = (catalog.reader(store, "raw", VERSION).manifest for store in (first, second))
    assert before.rows > 1000
    assert {name: m.fingerprint for name, m in after.tables().items()} == {
        name: m.fingerprint for name, m in before.tables().items()
    }
    assert _digest(after, "schema.sql") == _digest(before, "schema.sql")
    assert {**after.facts, "not_carried": None} == {**before.facts, "not_carried": None}


def _digest(manifest: Manifest, name: str) -> str | None:
    member = manifest.member(name)
    return member.digest if member else None


def _export(url: Url, folder: Path, pool: Workspace) -> DirectoryObjects:
    folder.mkdir()
    objects = DirectoryObjects(folder / "objects")
    export(PostgresSource(url, "media_tool", chunk_rows=1000), objects, pool, VERSION)
    return objects


def _restore(reader: ArchiveReader, url: Url, script: Path) -> None:
    """Run schema.sql through psql, then put the rows of every table in."""
    script.write_bytes(reader.read_file("schema.sql"))
    psql = [str(postgres_binaries() / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    subprocess.run([*psql, f"--file={script}", "--output=/dev/null", url.reveal()], check=True)
    schema = Schema.from_json(reader.read_file("schema.json"))
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # keys in any order
        for table in schema.tables:
            blocks = reader.manifest.tables()[table.name].blocks
            rows = (row for content in reader.blocks(blocks) for row in split_lines(content))
            restore_rows(connection, table, (schema.name, table.name), rows)
