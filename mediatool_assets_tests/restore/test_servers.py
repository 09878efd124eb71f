"""Restores to servers that are not as they should be: full, older, or in use."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mediatool_assets.core import version
from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import export
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.postgres_servers import packaged_programs, server
from mediatool_assets_tests.server_folders import server_folder
from mediatool_assets_tests.twins import DirectoryObjects

OLD = packaged_programs("pginstall")  # PostgreSQL 16
NEW = packaged_programs("pginstall18")
VERSION = Version(datetime(2003, 1, 1, tzinfo=UTC))
OWN = version.AS_DESCRIBED.in_postgres(VERSION)
ROOM = 30 << 20  # bytes beside an empty cluster

THINGS = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE things (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL);
CREATE INDEX things_by_note ON things (left(note, 8));
INSERT INTO things (note) SELECT repeat(md5(n::text), 4) FROM generate_series(1, {rows}) n;
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user may walk into: PostgreSQL does not run as root."""
    with server_folder() as folder:
        folder.chmod(0o755)
        yield folder


def made(url: Url, rows: int) -> Url:
    """A source on a server, with so many rows of 128 bytes."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE source")
    source = url.to("source")
    with psycopg.connect(source.reveal(), autocommit=True) as connection:
        connection.execute(THINGS.format(rows=rows).encode())
    return source


def exported(source: Url, pool: Workspace, scratch: Path) -> DirectoryObjects:
    """A bucket with a raw archive of the source."""
    objects = DirectoryObjects(scratch / "bucket")
    export(PostgresSource(source, "media_tool"), objects, pool, VERSION)
    return objects


def databases(url: Url) -> set[str]:
    """Every database of a server but those that it comes with."""
    with psycopg.connect(url.reveal()) as connection:
        found = connection.execute("SELECT datname FROM pg_database").fetchall()
    return {name for (name,) in found} - {"postgres", "template0", "template1"}


@contextmanager
def small_disk(place: Path) -> Iterator[Sequence[str]]:
    """A disk of little room under ``place/data``; who may not mount gets files of little room."""
    (place / "data").mkdir()
    size = f"size={(48 << 20) + ROOM}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place / "data")]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        yield ("prlimit", f"--fsize={ROOM}")
        return
    try:
        yield ()
    finally:
        subprocess.run(["umount", str(place / "data")], check=True)


@pytest.mark.local_postgres
def test_a_full_disk_leaves_nothing_and_the_server_alive(
    place: Path, postgres_database: Url, pool: Workspace, tmp_path: Path
) -> None:
    """The restore fails with the server's own words and what to do; room is free again."""
    server_of_source = postgres_database
    with psycopg.connect(server_of_source.reveal(), autocommit=True) as connection:
        connection.execute(THINGS.format(rows=400_000).encode())
    objects = exported(server_of_source, pool, tmp_path)
    with small_disk(place) as limit, server(place, NEW, limit) as url:
        target = PostgresTarget(url)
        with pytest.raises(CheckFailed, match=r"things: could not .* (No space left|too large)"):
            restore_postgres(objects, target, pool, VERSION)
        assert databases(url) == set()
        small = tmp_path / "small"
        small.mkdir()
        with psycopg.connect(server_of_source.reveal(), autocommit=True) as connection:
            connection.execute("DELETE FROM media_tool.things WHERE id > 100")
        again = exported(server_of_source, pool, small)
        assert restore_postgres(again, target, pool, VERSION).rows == {"things": 100}


@pytest.mark.local_postgres
def test_an_older_server_is_refused_and_a_newer_one_is_not(
    place: Path, postgres_database: Url, settings: Settings, pool: Workspace, tmp_path: Path
) -> None:
    """PostgreSQL 18 to 16: refused before anything is made; 16 to 16 and to 18: restored."""
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(THINGS.format(rows=100).encode())
    newer, older = tmp_path / "newer", tmp_path / "older"
    newer.mkdir()
    older.mkdir()
    objects = exported(postgres_database, pool, newer)
    with server(place, OLD) as url:
        target = PostgresTarget(url)
        with pytest.raises(CheckFailed, match=r"came from PostgreSQL 18 and .* is 16; set MEDI"):
            restore_postgres(objects, target, pool, VERSION)
        assert databases(url) == set()
        objects = exported(made(url, 100), pool, older)
        assert restore_postgres(objects, target, pool, VERSION).rows == {"things": 100}
        newest = PostgresTarget.of(settings)
        name = postgres_database.database + "_again"
        try:
            again = restore_postgres(objects, newest, pool, VERSION, RestoreOptions(database=name))
            assert again.rows == {"things": 100}
        finally:
            newest.drop(name)
        assert databases(url) == {"source", OWN}
