"""Versions of two databases in one bucket: each is held against its own source's only."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql

from mediatool_assets.core.metadata import RecordedSource
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version, metadata_key
from mediatool_assets.export.flow import export
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.verify.checks import raw_as_usual, schema_beside_model
from mediatool_assets.versions import catalog
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.twins import DirectoryObjects

SHOP = "CREATE TABLE orders (id int, at date); INSERT INTO orders VALUES (1), (2)"
LIBRARY = "CREATE TABLE books (id int); CREATE TABLE orders (id text)"


def day(number: int) -> Version:
    """A version of the Nth of May."""
    return Version(datetime(2025, 5, number, 2, tzinfo=UTC))


def filled(url: Url, statements: str) -> PostgresSource:
    """A source whose schema has these tables."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA app; SET search_path TO app; {statements}".encode())
    return PostgresSource(url, "app")


@pytest.fixture
def sources(postgres_database: Url) -> Iterator[tuple[PostgresSource, PostgresSource]]:
    """Two databases of one server, each with a schema of the same name and a table ``orders``."""
    name = f"{postgres_database.database}_library"
    with psycopg.connect(postgres_database.reveal(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield (
            filled(postgres_database, SHOP),
            filled(postgres_database.to(name), LIBRARY),
        )
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def published(objects: DirectoryObjects, version: Version) -> None:
    """Metadata that says of the version's raw archive what its manifest says."""
    archive, found = catalog.reader(objects, "raw", version), example(str(version))
    facts = {name: str(fact) for name, fact in archive.manifest.source.items()}
    source = msgspec.convert(facts, RecordedSource)
    assert source.system_identifier is not None
    raw = msgspec.structs.replace(
        found.exports.raw,
        rows={name: member.rows for name, member in archive.manifest.tables().items()},
        schema_fingerprint=Schema.from_json(archive.read_file("schema.json")).fingerprint(),
    )
    exports = msgspec.structs.replace(found.exports, raw=raw)
    made = msgspec.structs.replace(found, source=source, exports=exports)
    objects.put(metadata_key(version), made.to_json())


def test_each_is_held_against_its_own_last_version(
    sources: tuple[PostgresSource, PostgresSource], pool: Workspace, tmp_path: Path
) -> None:
    """Night after night of two databases: no table is missed, none has too few rows."""
    objects, shop, library = DirectoryObjects(tmp_path / "objects"), *sources
    for number, source in enumerate((shop, library, shop, library), 1):
        archived = export(source, objects, pool, day(number))
        assert archived.manifest.warnings == ()
        tables = archived.manifest.tables().keys()
        found = raw_as_usual(objects, day(number), tables, {})
        assert {finding.outcome for finding in found.values()} == {"passed"}
        assert schema_beside_model(objects, day(number), {"orders"}).outcome == "passed"
        published(objects, day(number))
    assert [m.version for m in catalog.versions_before(objects, day(4), 14)] == [day(2)]
    assert [m.version for m in catalog.versions_before(objects, day(3), 14)] == [day(1)]
    own = catalog.source_of(objects, day(4))
    assert own is not None
    assert catalog.newest_of_day(objects, date(2025, 5, 3), own) is None


def test_what_its_own_last_version_had_is_still_missed(
    sources: tuple[PostgresSource, PostgresSource], pool: Workspace, tmp_path: Path
) -> None:
    """Behind the other's version, too."""
    objects, (shop, library) = DirectoryObjects(tmp_path / "objects"), sources
    for number, source in enumerate((shop, library), 1):
        export(source, objects, pool, day(number))
        published(objects, day(number))
    with psycopg.connect(shop.url.reveal(), autocommit=True) as connection:
        connection.execute("DELETE FROM app.orders")
    archived = export(shop, objects, pool, day(3))
    assert archived.manifest.warnings == ("orders is empty, and had 2 rows in the last version",)
    found = raw_as_usual(objects, day(3), ["orders"], {})
    assert found["orders"].outcome == "failed"
