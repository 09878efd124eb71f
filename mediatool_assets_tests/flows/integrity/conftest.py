"""One complete version, for tests that plant a defect in it, report on it, and put it back."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pymongo.collection import Collection

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.core.model import Model
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import SHIPPED_MODEL, Url
from mediatool_assets.core.version import Kind, Version, archive_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.integrity.flow import integrity
from mediatool_assets.integrity.plan import Area, Defect, Integrity, Line
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.transform.flow import transform
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.compared import plain
from mediatool_assets_tests.conftest import superuser
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.database_names import postgres_database as restored_name
from mediatool_assets_tests.flows.finished import finish, load_and_dump
from mediatool_assets_tests.planting import Document, lines_of, live_collection, restored_database
from mediatool_assets_tests.twins import DirectoryObjects

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A complete version of the demo source: archives, MongoDB, and a restored PostgreSQL."""

    version: Version
    objects: DirectoryObjects
    documents: MongoDocuments
    target: PostgresTarget
    pool: Workspace
    model: Model

    def report(self, *, sample: float | None = None, days: int = 0) -> Integrity:
        """The report of so many days from now."""
        with TemporaryDirectory() as scratch:
            return integrity(
                Stores(self.objects, self.documents, self.target),
                replace(self.pool, scratch=Path(scratch), clock=lambda: NOW + timedelta(days)),
                self.version,
                self.model,
                sample=sample,
            )

    def collection(self, name: str) -> AbstractContextManager[Collection[Document]]:
        """A live collection, that takes whatever it is given."""
        return live_collection(self.documents, self.version, name)

    def restored(self) -> AbstractContextManager[Callable[[str], None]]:
        """Executes statements in the restored database."""
        return restored_database(self.target, self.version)

    def path(self, kind: Kind) -> Path:
        """The file that an archive is, here."""
        return self.objects.root / "objects" / archive_key(kind, self.version)

    def reader(self, kind: Kind) -> ArchiveReader:
        """An archive, as it is now."""
        return ArchiveReader(LocalFile(self.path(kind)))

    def rows(self, table: str) -> list[bytes]:
        """The lines of a table."""
        return lines_of(self.path("raw"), table)


@pytest.fixture(scope="package")
def source(stack: Stack) -> Iterator[Url]:
    """The demo source, small."""
    server = superuser(stack).reveal()
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = Url(server.rpartition("/")[0] + f"/{name}")
        seed(url, scale=0.001, full=True, day=0, schema="media_tool")
        yield url
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="package")
def made(
    source: Url, settings: Settings, pool: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    """One version for all tests of this folder; each puts back what it changes."""
    folder = tmp_path_factory.mktemp("made")
    version = Version(datetime(2005, 1, 1, tzinfo=UTC))
    objects, target = DirectoryObjects(folder), PostgresTarget.of(settings)
    documents, model = MongoDocuments.of(settings), load_model(SHIPPED_MODEL)
    export(PostgresSource(source, "media_tool"), objects, pool, version)
    transform(objects, pool, version, model)
    load_and_dump(objects, documents, pool, version)
    restore_postgres(objects, target, pool, version)
    finish(objects, documents, pool, version, folder / "registry.json")
    yield Made(version, objects, documents, target, pool, model)
    documents.drop(mongodb_database(version))
    with psycopg.connect(target.url.reveal(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{restored_name(version)}" WITH (FORCE)'.encode())


def failed(report: Integrity, area: Area) -> dict[str, Line]:
    """The failed lines of an area, by what they are of; the report reads back as it was."""
    assert report.verdict == "failed"
    data = report.to_json()
    assert json.loads(Integrity.from_json(data).to_json()) == json.loads(data)
    return {x.thing: x for x in report.lines if x.area == area and x.outcome == "failed"}


def areas(report: Integrity) -> set[str]:
    """The areas in which something did not pass."""
    return {line.area for line in report.lines if line.outcome != "passed"}


def values(defect: Defect) -> tuple[object, object]:
    """What was expected and what was found, as far as it may be shown."""
    assert defect.has_values
    return plain(defect.expected), plain(defect.found)


def key(defect: Defect) -> dict[str, object]:
    """The key of the row."""
    return {name: plain(value) for name, value in defect.key.items()}
