"""Load: what reaches MongoDB is what the archive holds, or nothing looks complete."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context, parent_process
from typing import Any

import bson
import pytest
from bson import Timestamp
from pymongo import MongoClient

from mediatool_assets.core.errors import AlreadyExists, BadArchive, CheckFailed, CountMismatch
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.load.flow import LoadOptions, load
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_claim import CLAIM, MARKER
from mediatool_assets.versions.records import loaded
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace, workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.transformed import made_up_people, transformed
from mediatool_assets_tests.twins import DirectoryObjects


@pytest.fixture
def live(documents: MongoDocuments, version: Version) -> Iterator[Any]:
    """The version's database through another driver's client, to look and to meddle."""
    with MongoClient[Any](documents.url.reveal()) as client:
        yield client[mongodb_database(version)]


def test_every_document_arrives_and_the_marker_says_so(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Counts and fingerprints of the marker are those of the archive, empty collections too."""
    archive = transformed(twin, version, {"campaigns": made_up_people(300), "teams": []})
    result = load(twin, documents, pool, version)
    assert result.documents == {"campaigns": 300, "teams": 0}
    assert result.agrees_with(archive.manifest)
    assert loaded(documents, version) == result
    assert [c.name for c in documents.collections(result.database)] == ["campaigns", "teams"]


def test_large_collections_are_loaded_and_verified_in_shares(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """40 MB in one collection is inserted and read back by several workers, whole."""
    steps: list[tuple[str, int, int]] = []
    archive = transformed(twin, version, {"entities": made_up_people(400, 100_000)})
    result = load(
        twin, documents, replace(pool, progress=lambda *step: steps.append(step)), version
    )
    assert result.agrees_with(archive.manifest)
    assert len([step for step in steps if step[0] == "load"]) > 1
    assert len([step for step in steps if step[0] == "verify"]) > 1
    assert steps[-1] == ("verify", 400, 400)


def test_a_complete_database_is_refused(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Loading again touches nothing, and names --replace."""
    transformed(twin, version, {"teams": made_up_people(3)})
    first = load(twin, documents, pool, version)
    with pytest.raises(AlreadyExists, match="--replace"):
        load(twin, documents, pool, version)
    assert loaded(documents, version) == first


def test_a_complete_database_is_replaced_when_told(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    live: Any,
) -> None:
    """With replace, what was added by hand is gone and the archive's documents stand."""
    transformed(twin, version, {"teams": made_up_people(3)})
    first = load(twin, documents, pool, version)
    live["notes"].insert_one({"_id": 1})
    assert load(twin, documents, pool, version, LoadOptions(replace=True)) == first
    assert sorted(live.list_collection_names()) == [MARKER, "teams"]


@pytest.mark.parametrize("failing", ["insert", "create_indexes"])
def test_a_failed_load_costs_no_complete_database(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    live: Any,
    failing: str,
) -> None:
    """What stood is there, every document and the marker, and nothing of the new one."""
    people = {"teams": made_up_people(3)}
    index = {"v": 2, "key": {"n": 1}, "name": "n_1"}
    transformed(twin, version, people, indexes={"teams": [index]})
    first = load(twin, documents, pool, version)

    class Failing(MongoDocuments):
        """Fails in one of its steps."""

    def fail(*_: object) -> None:
        raise CheckFailed("it failed")

    setattr(Failing, failing, fail)
    with ThreadPoolExecutor(2) as threads, pytest.raises(CheckFailed, match="it failed"):
        load(
            twin,
            Failing(documents.url),
            replace(pool, executor=threads),
            version,
            LoadOptions(replace=True),
        )
    assert loaded(documents, version) == first
    assert sorted(live.list_collection_names()) == [MARKER, "teams"]
    assert live["teams"].count_documents({}) == 3
    assert live[MARKER].count_documents({}) == 1


def test_a_damaged_archive_costs_no_complete_database(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Replacing reads the archive to its end before the first drop."""
    archive = transformed(twin, version, {"teams": made_up_people(3)})
    first = load(twin, documents, pool, version)
    path = twin.root / "objects" / archive_key("transformed", version)
    block = archive.manifest.collections()["teams"].blocks[0]
    data = bytearray(path.read_bytes())
    data[block.offset + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadArchive):
        load(twin, documents, pool, version, LoadOptions(replace=True))
    assert loaded(documents, version) == first


def test_a_half_loaded_database_is_replaced(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    live: Any,
) -> None:
    """What has only a load's claim is not complete, and the next load starts from nothing."""
    documents.begin(mongodb_database(version), "killed")
    live["teams"].insert_many([{"_id": n} for n in range(100, 110)])
    assert loaded(documents, version) is None
    transformed(twin, version, {"teams": made_up_people(3)})
    hasty = replace(documents, patience=1)
    assert load(twin, hasty, pool, version).documents == {"teams": 3}
    assert loaded(documents, version) is not None


@dataclass(frozen=True)
class _Mortal(MongoDocuments):
    """A store whose worker is killed, as by the kernel, after it has inserted document 250."""

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        MongoDocuments.insert(self, database, collection, documents)
        if any(each["_id"] == 250 for each in bson.decode_all(documents)):
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_leaves_no_complete_database(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """SIGKILL in mid-load fails the load with a next step; the same load then succeeds."""
    transformed(twin, version, {"entities": made_up_people(400, 100_000)})
    with worker_pool(1) as mortals, pytest.raises(CheckFailed, match="worker process died"):
        load(twin, _Mortal(documents.url), replace(pool, executor=mortals), version)
    assert not documents.exists(mongodb_database(version))
    assert loaded(documents, version) is None
    assert load(twin, documents, pool, version).documents == {"entities": 400}


@dataclass(frozen=True)
class _Parricide(MongoDocuments):
    """A store whose worker kills the coordinator after it has inserted document 250."""

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        MongoDocuments.insert(self, database, collection, documents)
        if any(each["_id"] == 250 for each in bson.decode_all(documents)):
            coordinator = parent_process()
            assert coordinator is not None
            assert coordinator.pid is not None
            os.kill(coordinator.pid, signal.SIGKILL)
            signal.pause()  # the pool ends its workers when their coordinator is gone


def _coordinate(twin: DirectoryObjects, store: MongoDocuments, version: Version) -> None:
    with workspace(Settings(workers=1)) as own:  # of two, the other's last insert could end later
        load(twin, store, own, version)


def test_a_killed_coordinator_leaves_no_complete_database(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """SIGKILL of the whole run in mid-load; the same load then succeeds."""
    transformed(twin, version, {"entities": made_up_people(400, 100_000)})
    run = get_context("spawn").Process(
        target=_coordinate, args=(twin, _Parricide(documents.url), version)
    )
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    assert documents.exists(mongodb_database(version))
    assert loaded(documents, version) is None
    hasty = replace(documents, patience=1)
    assert load(twin, hasty, pool, version).documents == {"entities": 400}


def test_a_marker_that_cannot_be_read_is_no_complete_database(
    documents: MongoDocuments, version: Version, live: Any
) -> None:
    """Something else wrote it: the database is neither adopted nor called absent."""
    live[MARKER].insert_one({"_id": "x", "complete": True, "documents": {"teams": "many"}})
    with pytest.raises(CheckFailed, match="--replace"):
        loaded(documents, version)


def test_a_document_that_the_validator_refuses_stops_the_load(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """The message names collection, _id and rule, and no value; no marker is left."""
    schema = {"properties": {"email": {"bsonType": "string", "maxLength": 5}}, "required": ["n"]}
    transformed(
        twin,
        version,
        {"users": [bson.encode({"_id": "u7", "n": 1, "email": "secret@example.org"})]},
        options={"users": {"validator": {"$jsonSchema": schema}}},
    )
    with pytest.raises(CheckFailed, match=r"users: 1 of 1 .*'u7'.*maxLength of email") as caught:
        load(twin, documents, pool, version)
    assert "secret" not in str(caught.value)
    assert loaded(documents, version) is None


def test_indexes_and_validators_are_those_of_the_archive(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Unique, compound, partial and text indexes, and the validator, stand after the load."""
    wanted = [
        {"v": 2, "key": {"n": 1}, "name": "n_1", "unique": True},
        {"v": 2, "key": {"text": 1, "n": -1}, "name": "both", "sparse": True},
        {"v": 2, "key": {"n": 1, "_id": 1}, "name": "part", "partialFilterExpression": {"n": 1}},
        {"v": 2, "key": {"text": "text"}, "name": "words"},
    ]
    validator = {"$jsonSchema": {"required": ["n"], "properties": {"n": {"bsonType": "int"}}}}
    transformed(
        twin,
        version,
        {"teams": made_up_people(5)},
        options={"teams": {"validator": validator}},
        indexes={"teams": wanted},
    )
    load(twin, documents, pool, version)
    (info,) = documents.collections(mongodb_database(version))
    assert [index["name"] for index in info.indexes] == ["_id_", "n_1", "both", "part", "words"]
    assert info.options["validator"] == validator


def test_a_unique_index_that_the_data_breaks_stops_the_load(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Two documents with one value are an error without that value; no marker is left."""
    twice = [bson.encode({"_id": n, "email": "secret@example.org"}) for n in range(2)]
    unique = {"v": 2, "key": {"email": 1}, "name": "email_1", "unique": True}
    transformed(twin, version, {"users": twice}, indexes={"users": [unique]})
    with pytest.raises(CheckFailed, match="DuplicateKey") as caught:
        load(twin, documents, pool, version)
    assert "secret" not in str(caught.value)
    assert loaded(documents, version) is None


@dataclass(frozen=True)
class _Forgetful(MongoDocuments):
    """A store that does not build indexes."""

    def create_indexes(
        self, database: str, collection: str, indexes: Sequence[dict[str, object]]
    ) -> None:
        """Build nothing."""


def test_a_missing_index_is_noticed(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """The list that mongod gives is compared with the archive's; no marker is left."""
    index = {"v": 2, "key": {"n": 1}, "name": "n_1"}
    transformed(twin, version, {"teams": made_up_people(5)}, indexes={"teams": [index]})
    with pytest.raises(CheckFailed, match=r"indexes differ .*: n_1"):
        load(twin, _Forgetful(documents.url), pool, version)
    assert loaded(documents, version) is None


def test_what_mongod_would_alter_is_noticed(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """mongod fills in an empty Timestamp; the document read back is not the one of the archive."""
    altered = [bson.encode({"_id": 1, "at": Timestamp(0, 0)})]
    transformed(twin, version, {"teams": altered})
    with pytest.raises(CountMismatch, match="fingerprint"):
        load(twin, documents, pool, version)
    assert loaded(documents, version) is None


def test_no_other_database_is_touched(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """A neighbouring version and a stranger's database keep every document through a replace."""
    neighbour = Version(version.moment + timedelta(days=1))
    with MongoClient[Any](documents.url.reveal()) as client:
        for name in (mongodb_database(neighbour), "strangers"):
            client[name]["teams"].insert_one({"_id": 1})
        try:
            transformed(twin, version, {"teams": made_up_people(3)})
            load(twin, documents, pool, version)
            load(twin, documents, pool, version, LoadOptions(replace=True))
            for name in (mongodb_database(neighbour), "strangers"):
                assert list(client[name]["teams"].find()) == [{"_id": 1}]
        finally:
            for name in (mongodb_database(neighbour), "strangers"):
                client.drop_database(name)


@dataclass(frozen=True)
class _TakenOver(MongoDocuments):
    """A store in which, when the data is in, another load takes the claim over."""

    def create_indexes(
        self, database: str, collection: str, indexes: Sequence[dict[str, object]]
    ) -> None:
        MongoDocuments.create_indexes(self, database, collection, indexes)
        with MongoClient[Any](self.url.reveal()) as client:
            client[database][MARKER].update_one({"_id": CLAIM}, {"$set": {"load": "another"}})


def test_a_load_that_was_taken_over_marks_nothing(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Of two loads at once, the earlier one cannot call the later one's work complete."""
    index = {"v": 2, "key": {"n": 1}, "name": "n_1"}
    transformed(twin, version, {"teams": made_up_people(3)}, indexes={"teams": [index]})
    with pytest.raises(CheckFailed, match="taken it over"):
        load(twin, _TakenOver(documents.url), pool, version)
    assert loaded(documents, version) is None
    assert documents.count(mongodb_database(version), "teams") == 3
    hasty = replace(documents, patience=1)
    assert load(twin, hasty, pool, version).documents == {"teams": 3}
