"""A small source, its raw archives, and a server to restore them to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.export.flow import export
from mediatool_assets.restore.flow import RestoreOptions, restore_postgres
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.versions.records import Restored
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.canaries import Canaries, canaries
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.twins import DirectoryObjects

PEOPLE = """
CREATE SCHEMA media_tool; SET search_path TO media_tool;
CREATE TABLE teams (id integer PRIMARY KEY, name text);
CREATE TABLE users (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, team_id integer
    REFERENCES teams, name text NOT NULL, length integer GENERATED ALWAYS AS (length(name)) STORED);
INSERT INTO teams SELECT n, 'team ' || n FROM generate_series(1, 3) n;
INSERT INTO users (team_id, name) SELECT n % 3 + 1, repeat('x', n) FROM generate_series(1, 50) n;
CREATE MATERIALIZED VIEW sizes AS SELECT team_id, count(*) FROM users GROUP BY team_id;
"""


@dataclass(frozen=True)
class Place:
    """A source, a bucket in a directory, and databases that go away after the test."""

    url: Url
    target: PostgresTarget
    objects: DirectoryObjects
    pool: Workspace
    scratch: Path

    def run(self, statements: str) -> None:
        """Execute statements in the source."""
        with psycopg.connect(self.url.reveal(), autocommit=True) as connection:
            connection.execute(statements.encode())

    def source(self, schema: str = "media_tool") -> PostgresSource:
        """A schema of the source."""
        return PostgresSource(self.url, schema)

    def export(
        self, url: Url | None = None, schema: str = "media_tool"
    ) -> tuple[Version, StoredArchive]:
        """A raw archive of a database, the source unless another is named."""
        version = fresh_version()
        source = PostgresSource(url or self.url, schema)
        return version, export(source, self.objects, self.pool, version)

    def again(self, database: str, schema: str = "media_tool") -> StoredArchive:
        """A raw archive of a restored database."""
        return self.export(self.target.database(database, schema).url, schema)[1]

    def restore(self, version: Version, database: str | None = None, **options: Any) -> Restored:
        """Restore a version; the options are those of RestoreOptions."""
        chosen = RestoreOptions(database, **options)
        return restore_postgres(self.objects, self.target, self.pool, version, chosen)

    def query(self, database: str, query: str) -> list[Any]:
        """The rows of a query in a restored database."""
        with psycopg.connect(self.target.database(database, "x").url.reveal()) as connection:
            return connection.execute(query.encode()).fetchall()

    def databases(self) -> set[str]:
        """Every database of the server."""
        with psycopg.connect(self.target.url.reveal()) as connection:
            return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


@pytest.fixture
def place(
    postgres_database: Url, settings: Settings, pool: Workspace, tmp_path: Path
) -> Iterator[Place]:
    """An empty source, and a server to restore to."""
    with _place(postgres_database, PostgresTarget.of(settings).url, pool, tmp_path) as place:
        yield place


@pytest.fixture
def debian_place(debian_database: Url, pool: Workspace, tmp_path: Path) -> Iterator[Place]:
    """An empty source on Debian's server, to restore to the same: it has contrib's extensions."""
    server = debian_database.to("postgres")
    with _place(debian_database, server, pool, tmp_path) as place:
        yield place


@contextmanager
def _place(source: Url, server: Url, pool: Workspace, tmp_path: Path) -> Iterator[Place]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)  # where a test has two of them
    target = PostgresTarget(server, source)
    place = Place(source, target, DirectoryObjects(tmp_path), pool, scratch)
    before = place.databases()
    yield place
    with psycopg.connect(target.url.reveal(), autocommit=True) as connection:
        for name in place.databases() - before:
            query = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(query.format(sql.Identifier(name)))


@pytest.fixture
def birds(place: Place, tmp_path: Path) -> Iterator[Canaries]:
    """Canaries on the server that is restored to."""
    with canaries(place.target.url.reveal(), tmp_path / "canaries") as found:
        yield found


@pytest.fixture
def name() -> str:
    """A database's name that nobody has."""
    return f"restored_{uuid4().hex[:12]}"


def damage(place: Place, version: Version, table: str = "users") -> None:
    """Change a byte of a table's block in the archive."""
    block = catalog.reader(place.objects, "raw", version).manifest.tables()[table].blocks[0]
    path = place.objects.root / "objects" / archive_key("raw", version)
    data = bytearray(path.read_bytes())
    data[block.offset + block.length // 2] ^= 0xFF
    path.write_bytes(data)
