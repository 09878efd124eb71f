"""Restore to MongoDB: under any name, in parts, never over what no load made; and the evidence."""

import dataclasses
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient

from mediatool_assets.core.errors import AlreadyExists, BadArchive, CheckFailed, NotFound, Refused
from mediatool_assets.core.metadata import RestoreRecord
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.load.flow import LoadOptions
from mediatool_assets.restore.flow import restore_mongodb
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_claim import MARKER
from mediatool_assets.versions.records import Restored, RestoreRequest, recorded, restore_records
from mediatool_assets.work.scratch import Workspace, workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import load_and_dump, make
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.twins import DirectoryObjects

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A transformed archive, and a name to restore it under."""

    version: Version
    objects: DirectoryObjects
    documents: MongoDocuments
    pool: Workspace
    name: str

    def restore(
        self,
        database: str | None = None,
        collections: list[str] | None = None,
        *,
        replace: bool = False,
    ) -> Restored:
        """Restore under this name, else the version's own."""
        return restore_mongodb(
            self.objects,
            self.documents,
            self.pool,
            self.version,
            LoadOptions(database=database, collections=collections, replace=replace),
        )


@pytest.fixture
def case(documents: MongoDocuments, pool: Workspace, tmp_path: Path) -> Iterator[Case]:
    """Archives of a few documents; both databases are gone after the test."""
    version = fresh_version()
    objects, name = DirectoryObjects(tmp_path), f"scratch_{uuid4().hex[:8]}"
    make(objects, version)
    yield Case(version, objects, replace(documents, other=name), pool, name)
    with MongoClient[dict[str, object]](documents.url.reveal()) as client:
        client.drop_database(mongodb_database(version))
        client.drop_database(name)


def test_a_version_comes_back_under_another_name(case: Case) -> None:
    """Whole and complete; a second time only when asked."""
    assert case.restore(case.name) == Restored(case.name, {"accounts": 3, "repsOrphans": 1})
    assert case.documents.marker(case.name) is not None
    with pytest.raises(AlreadyExists, match="--replace"):
        case.restore(case.name)
    assert case.restore(case.name, replace=True).rows["accounts"] == 3


def test_the_dump_holds_the_same(case: Case, tmp_path: Path) -> None:
    """Where the transformed archive is gone, the dump takes its place."""
    load_and_dump(case.objects, case.documents, case.pool, case.version)
    (tmp_path / "objects" / archive_key("transformed", case.version)).unlink()
    made = restore_mongodb(
        case.objects,
        case.documents,
        case.pool,
        case.version,
        LoadOptions(kind="dump", database=case.name),
    )
    assert made == Restored(case.name, {"accounts": 3, "repsOrphans": 1})
    of_version, of_dump = (
        case.documents.marker(name) for name in (mongodb_database(case.version), case.name)
    )
    assert of_version is not None
    assert of_dump is not None
    assert of_dump["fingerprints"] == of_version["fingerprints"]


def test_a_part_does_not_count_as_complete(case: Case) -> None:
    """Only what was asked for is there; the version's own load takes its place."""
    assert case.restore(collections=["accounts"]) == Restored(
        mongodb_database(case.version), {"accounts": 3}, part=True
    )
    assert case.documents.marker(mongodb_database(case.version)) is None
    assert [c.name for c in case.documents.collections(mongodb_database(case.version))] == [
        "accounts"
    ]
    assert not case.restore().part


def test_an_unknown_collection_is_named(case: Case) -> None:
    """With those that the archive has."""
    with pytest.raises(NotFound, match=r"no collection Accounts; did you mean accounts\?"):
        case.restore(collections=["Accounts", "accounts"])


def test_what_no_load_made_is_never_replaced(case: Case) -> None:
    """Not a database of somebody else, nor the server's own, nor another version's."""
    with MongoClient[dict[str, object]](case.documents.url.reveal()) as client:
        client[case.name]["mine"].insert_one({"_id": 1})
        with pytest.raises(Refused, match="was not made by a load"):
            case.restore(case.name, replace=True)
        assert client[case.name].list_collection_names() == ["mine"]
    admin = replace(case, documents=replace(case.documents, other="admin"))
    with pytest.raises(Refused):
        admin.restore("admin", replace=True)
    with pytest.raises(Refused, match="another version's"):
        case.restore("mediatool_20200101-000000", replace=True)
    with pytest.raises(Refused, match="is neither a version"):
        case.restore("unnamed")


def test_what_a_failed_load_left_is_replaced(case: Case) -> None:
    """Its claim says whose it is."""
    case.documents.begin(case.name, "died")
    case = replace(case, documents=replace(case.documents, patience=1))
    assert not case.restore(case.name).part
    with MongoClient[dict[str, object]](case.documents.url.reveal()) as client:
        assert client[case.name][MARKER].count_documents({"complete": True}) == 1


@dataclass(frozen=True)
class Gated(MongoDocuments):
    """A store whose inserts wait, once they are reached, until they may go on."""

    gate: Path = Path()

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        """Say that it is reached, wait, and insert."""
        (self.gate / "reached").touch()
        while not (self.gate / "open").exists():
            time.sleep(0.05)
        super().insert(database, collection, documents)


def _restore_apart(case: Case, replace: bool) -> None:
    with workspace(Settings(workers=1)) as pool:
        dataclasses.replace(case, pool=pool).restore(case.name, replace=replace)


@pytest.mark.parametrize("stood", [False, True])
def test_of_two_restores_at_once_one_wins(case: Case, tmp_path: Path, stood: bool) -> None:
    """The other one is refused; what stood is whole until the winner is."""
    if stood:
        case.restore(case.name)
    before = case.documents.marker(case.name)
    gated = Gated(case.documents.url, other=case.name, gate=tmp_path)
    process = multiprocessing.get_context("spawn").Process(
        target=_restore_apart,
        args=(dataclasses.replace(case, documents=gated, pool=None), stood),  # type: ignore[arg-type]  # it makes its own
    )
    process.start()
    while not (tmp_path / "reached").exists():
        assert process.exitcode is None
        time.sleep(0.05)
    with pytest.raises(Refused, match=f"another load of {case.name} has been running"):
        case.restore(case.name, replace=stood)
    assert case.documents.marker(case.name) == before
    if stood:
        assert case.documents.count(case.name, "accounts") == 3
        assert [c.name for c in case.documents.collections(case.name)] == [
            "accounts",
            "repsOrphans",
        ]
    (tmp_path / "open").touch()
    process.join()
    assert process.exitcode == 0
    assert case.documents.marker(case.name) is not None
    assert case.documents.count(case.name, "accounts") == 3
    with MongoClient[dict[str, object]](case.documents.url.reveal()) as client:
        names = client[case.name].list_collection_names()
    assert sorted(names) == [MARKER, "accounts", "repsOrphans"]


def test_a_restore_leaves_evidence(case: Case) -> None:
    """Who, when, where to, how many rows, how long, and how it went."""
    ticks = iter([NOW, NOW + timedelta(seconds=2.5)])
    request = RestoreRequest(case.version, "mongodb", case.name, "host:1", "somebody")
    evidence = recorded(case.objects, request, lambda: case.restore(case.name), lambda: next(ticks))
    assert evidence == RestoreRecord(
        version=str(case.version),
        to="mongodb",
        database=case.name,
        server="host:1",
        who="somebody",
        began="2026-11-23T04:05:06Z",
        seconds=2.5,
        verdict="verified",
        rows={"accounts": 3, "repsOrphans": 1},
    )
    assert list(restore_records(case.objects, case.version)) == [evidence]
    folder = f"postgres-exports/restores/{case.version.partition}"
    key = f"{folder}/{case.version}-20261123T040506.000789-mongodb.json"
    assert case.objects.head(key) is not None


def test_a_failed_restore_leaves_evidence_too(case: Case) -> None:
    """With the reason, which is raised as well."""

    def fail() -> Restored:
        raise BadArchive("raw", "is damaged")

    request = RestoreRequest(case.version, "postgres", case.name, "host:1", "somebody")
    with pytest.raises(BadArchive):
        recorded(case.objects, request, fail, lambda: NOW)
    [evidence] = restore_records(case.objects, case.version)
    assert (evidence.verdict, evidence.rows) == ("failed", {})
    assert evidence.reason is not None
    assert evidence.reason.startswith("raw: is damaged")


def test_what_was_refused_was_no_restore(case: Case) -> None:
    """It leaves no evidence."""
    case.restore()
    request = RestoreRequest(case.version, "mongodb", case.name, "host:1", "somebody")
    with pytest.raises(AlreadyExists):
        recorded(case.objects, request, case.restore, lambda: NOW)
    assert not list(restore_records(case.objects, case.version))


def test_evidence_that_cannot_be_kept_does_not_hide_the_failure(case: Case) -> None:
    """The first error is the one that is raised, with a note of the second."""
    folder = f"postgres-exports/restores/{case.version.partition}"
    key = f"{folder}/{case.version}-20261123T040506.000789-postgres.json"
    case.objects.put(key, b"taken")

    def fail() -> Restored:
        raise CheckFailed("the rows differ")

    request = RestoreRequest(case.version, "postgres", case.name, "host:1", "somebody")
    with pytest.raises(CheckFailed, match="the rows differ") as caught:
        recorded(case.objects, request, fail, lambda: NOW)
    assert "no record of it could be stored" in caught.value.__notes__[0]
