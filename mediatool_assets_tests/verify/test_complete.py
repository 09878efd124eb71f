"""Completion: everything agrees or nothing is published; a killed one is finished by the next."""

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from mediatool_assets.core.errors import BadArchive, CheckFailed, CountMismatch, NotFound
from mediatool_assets.core.metadata import Purpose, RegistryEntry
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import REGISTRY_KEY, Kind, Version, archive_key, metadata_key
from mediatool_assets.load.flow import LoadOptions, dump, load
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_claim import MARKER
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import fetch
from mediatool_assets.work.scratch import Workspace, workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import HOMES, ROWS, finish, load_and_dump, make
from mediatool_assets_tests.transformed import transformed
from mediatool_assets_tests.twins import DirectoryObjects


@pytest.fixture
def bucket_twin(tmp_path: Path) -> DirectoryObjects:
    """An empty bucket."""
    return DirectoryObjects(tmp_path / "objects")


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Where the local registry goes."""
    return tmp_path / "home" / "mongodb-versions.json"


@dataclass(frozen=True)
class Case:
    """A version about to be completed, and all that takes."""

    objects: DirectoryObjects
    documents: MongoDocuments
    pool: Workspace
    version: Version
    local: Path

    def make(self, rows: dict[str, Any] | None = None) -> None:
        """Everything but the completion."""
        make(self.objects, self.version, rows)
        load_and_dump(self.objects, self.documents, self.pool, self.version)

    def finish(
        self,
        objects: DirectoryObjects | None = None,
        notes: str = "n",
        purpose: Purpose = "testing",
    ) -> Any:
        """The completion."""
        bucket = objects or self.objects
        return finish(
            bucket, self.documents, self.pool, self.version, self.local, notes, purpose=purpose
        )

    def published(self) -> list[str]:
        """What of metadata, registry and local registry is there."""
        keys = (metadata_key(self.version), REGISTRY_KEY)
        there = [key for key in keys if self.objects.head(key) is not None]
        return [*there, *([str(self.local)] if self.local.exists() else [])]


@pytest.fixture
def case(
    bucket_twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    local: Path,
) -> Case:
    """One case."""
    return Case(bucket_twin, documents, pool, version, local)


def test_a_test_version_is_tagged(case: Case) -> None:
    """Every object of a version made for testing has the tag by which the bucket deletes it."""
    case.make()
    case.finish()
    kinds: tuple[Kind, ...] = ("raw", "transformed", "dump")
    for key in (metadata_key(case.version), *(archive_key(kind, case.version) for kind in kinds)):
        assert case.objects.tags(key) == {"purpose": "testing"}
    assert case.objects.tags(REGISTRY_KEY) == {}


def test_a_daily_version_is_not_tagged(case: Case) -> None:
    """What is kept as a backup has no tag that would have it deleted."""
    case.make()
    case.finish(purpose="daily_backup")
    assert case.objects.tags(archive_key("raw", case.version)) == {}
    assert case.objects.tags(metadata_key(case.version)) == {}


def test_the_metadata(case: Case) -> None:
    """Every figure of the metadata is that of what lies in the bucket and the database."""
    case.make()
    metadata = case.finish()
    assert metadata == catalog.read(case.objects, case.version)
    raw, transformed_, dumped = (
        metadata.exports.raw,
        metadata.exports.transformed,
        metadata.exports.dump,
    )
    for export, kind in ((raw, "raw"), (transformed_, "transformed"), (dumped, "dump")):
        key = archive_key(kind, case.version)  # type: ignore[arg-type]  # each is a Kind
        data, _ = case.objects.get(key)
        assert export.path == case.objects.uri(key)
        assert export.sha256 == hashlib.sha256(data).hexdigest()
        assert (export.size_bytes, export.size_mb) == (len(data), round(len(data) / 1e6, 3))
        members = catalog.reader(case.objects, kind, case.version).manifest.members  # type: ignore[arg-type]  # as above
        rows = [m for m in members if m.name.endswith((".ndjson", ".bson"))]
        assert export.uncompressed_mb == round(sum(m.bytes for m in rows) / 1e6, 3)
    assert raw.rows == {"accounts": 3, "reps": 5, "teams": 0}
    assert (raw.record_count, raw.tables_exported, raw.tables_with_rows) == (8, 3, 2)
    assert (raw.excluded, raw.excluded_rows) == ({"secrets": "by setting"}, {"secrets": 7})
    assert transformed_.documents == dumped.documents == {"accounts": 3, "repsOrphans": 1}
    assert transformed_.collections == ("accounts", "repsOrphans")
    assert metadata.databases_created.mongodb == mongodb_database(case.version)
    assert metadata.databases_created.postgres is None
    assert (metadata.source.type, metadata.source.instance) == ("postgres", "media-tool-production")
    assert metadata.source.schema == "media_tool"
    assert metadata.export_duration_minutes == 1.5
    assert metadata.export_complete == "2025-06-21T14:45:00Z"
    assert metadata.seconds == {"export": 60, "transform": 30}
    assert metadata.warnings == ("reps: 1 row has no account",)
    assert (metadata.purpose, metadata.notes) == ("testing", "n")


def test_the_registry(case: Case) -> None:
    """The version is in the registry, in the bucket and in its local copy, byte for byte."""
    case.make()
    metadata = case.finish()
    assert catalog.registry(case.objects) == (RegistryEntry.of(metadata),)
    assert case.local.read_bytes() == case.objects.get(REGISTRY_KEY)[0]


def test_again(case: Case) -> None:
    """Completing a complete version changes nothing, and brings back a lost local copy."""
    case.make()
    first = case.finish()
    before = [case.objects.head(info.key) for info in case.objects.list("")]
    case.local.unlink()
    assert case.finish(notes="other") == first
    assert [case.objects.head(info.key) for info in case.objects.list("")] == before
    assert case.local.read_bytes() == case.objects.get(REGISTRY_KEY)[0]


def test_two_at_once(case: Case) -> None:
    """Two runs that complete one version at once agree on one metadata file."""
    case.make()
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda notes: case.finish(notes=notes), ("one", "other"))
    assert one == other == catalog.read(case.objects, case.version)
    assert catalog.registry(case.objects) == (RegistryEntry.of(one),)


def _lost(table: str, **counts: int) -> dict[str, dict[str, int]]:
    return {**ROWS, table: {**ROWS[table], **counts}}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (_lost("accounts", **{"in": 2, "documents": 2}), "accounts: rows transformed.*3.*found 2"),
        (_lost("accounts", documents=2), "accounts: rows that are accounted for.*3.*found 2"),
        (_lost("reps", folded=2), "reps: rows that are accounted for.*5.*found 6"),
        ({name: ROWS[name] for name in ("accounts", "reps")}, "tables teams"),
        ({**ROWS, "ghosts": {"in": 0, **HOMES}}, "tables ghosts"),
    ],
    ids=["fewer read", "lost on the way", "doubled", "table missing", "table from nowhere"],
)
def test_rows_that_do_not_add_up(case: Case, rows: dict[str, Any], problem: str) -> None:
    """A row that was lost or doubled between source and documents keeps the version back."""
    case.make(rows)
    with pytest.raises(CheckFailed, match=problem):
        case.finish()
    assert case.published() == []


@pytest.mark.parametrize("facts", [{}, {"rows": 3}, {"rows": {"accounts": {"in": "3"}}}])
def test_no_account_of_the_rows(case: Case, facts: dict[str, object]) -> None:
    """A transformed archive that does not say where its rows went is not believed."""
    make(DirectoryObjects(case.objects.root / "raw"), case.version)
    key = archive_key("raw", case.version)
    case.objects.put(key, DirectoryObjects(case.objects.root / "raw").get(key)[0])
    transformed(case.objects, case.version, {}, facts=facts)
    load_and_dump(case.objects, case.documents, case.pool, case.version)
    with pytest.raises(BadArchive, match="no count of its rows"):
        case.finish()
    assert case.published() == []


def _unmark(case: Case, live: Any) -> None:
    live[MARKER].delete_many({})


def _mark_otherwise(case: Case, live: Any) -> None:
    live[MARKER].update_one({}, {"$set": {"fingerprints.accounts": "3:" + "0" * 32}})


def _forget_a_collection(case: Case, live: Any) -> None:
    live[MARKER].update_one({}, {"$unset": {"fingerprints.repsOrphans": ""}})


def _dump_otherwise(case: Case, live: Any) -> None:
    """Put another database's dump in the place of this one's."""
    other = DirectoryObjects(case.objects.root / "other")
    transformed(other, case.version, {"accounts": [bson.encode({"_id": "0"})]})
    load(other, case.documents, case.pool, case.version, LoadOptions(replace=True))
    dump(other, case.documents, case.pool, case.version)
    key = archive_key("dump", case.version)
    case.objects.put(key, other.get(key)[0], replacing=case.objects.open(key).etag)
    load(case.objects, case.documents, case.pool, case.version, LoadOptions(replace=True))


@pytest.mark.parametrize(
    ("meddle", "error", "problem"),
    [
        (_unmark, NotFound, "absent or half-loaded"),
        (_mark_otherwise, CountMismatch, "accounts: documents loaded"),
        (_forget_a_collection, CountMismatch, "repsOrphans: documents loaded"),
        (_dump_otherwise, CountMismatch, "accounts: documents dumped"),
    ],
)
def test_what_does_not_agree(
    case: Case, meddle: Callable[[Case, Any], None], error: type[Exception], problem: str
) -> None:
    """A database or a dump that is not the transformed archive keeps the version back."""
    case.make()
    with MongoClient[Any](case.documents.url.reveal()) as client:
        meddle(case, client[mongodb_database(case.version)])
    with pytest.raises(error, match=problem):
        case.finish()
    assert case.published() == []


@pytest.mark.parametrize("kind", ["raw", "transformed", "dump"])
def test_what_was_not_made(case: Case, kind: Any) -> None:
    """A version that lacks an archive is not completed, and the archive is named."""
    case.make()
    (case.objects.root / "objects" / archive_key(kind, case.version)).unlink()
    with pytest.raises(NotFound, match=archive_key(kind, case.version)):
        case.finish()
    assert case.published() == []


@dataclass(frozen=True)
class KilledAt(DirectoryObjects):
    """A bucket whose writer is killed when it comes to write ``key``."""

    key: str = ""

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> str:
        """Write another object."""
        if key == self.key:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put(key, data, replacing=replacing)


def _finish_with_a_pool_of_its_own(
    objects: DirectoryObjects, documents: MongoDocuments, version: Version, local: Path
) -> None:
    with workspace(Settings(workers=1)) as pool:
        finish(objects, documents, pool, version, local, "n")


@pytest.mark.parametrize(("at", "written"), [(metadata_key, 0), (lambda _: REGISTRY_KEY, 1)])
def test_a_killed_completion(case: Case, at: Callable[[Version], str], written: int) -> None:
    """Killed before a write, what was written before it stands, and doing it again ends it."""
    case.make()
    killed = KilledAt(case.objects.root, at(case.version))
    process = multiprocessing.get_context("spawn").Process(
        target=_finish_with_a_pool_of_its_own,
        args=(killed, case.documents, case.version, case.local),
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert case.published() == [metadata_key(case.version)][:written]
    assert len(list(catalog.versions(case.objects))) == written
    metadata = case.finish()
    assert catalog.registry(case.objects) == (RegistryEntry.of(metadata),)
    assert len(case.published()) == 3


def test_on_a_real_bucket(
    objects: S3Objects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    local: Path,
    tmp_path: Path,
) -> None:
    """On S3 itself a version is completed, catalogued, registered and fetched."""
    make(objects, version)
    load_and_dump(objects, documents, pool, version)
    metadata = finish(objects, documents, pool, version, local)
    assert catalog.latest(objects) == metadata
    assert catalog.registry(objects) == (RegistryEntry.of(metadata),)
    assert local.read_bytes() == objects.get(REGISTRY_KEY)[0]
    path = fetch(objects, version, "dump", tmp_path)
    published = metadata.exports.by_archive["dump"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == published.sha256
    listed = [info.key for info in objects.list("")]
    assert listed == [
        archive_key("dump", version),
        REGISTRY_KEY,
        metadata_key(version),
        archive_key("raw", version),
        archive_key("transformed", version),
    ]
