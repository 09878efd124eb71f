"""Dump: the database as mongodump would have written it, byte for byte what was loaded."""

import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import bson
import pytest
from bson import json_util
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from mediatool_assets.archive import compress, writer
from mediatool_assets.archive.reader import ArchiveReader, split_documents
from mediatool_assets.core.errors import BadArchive, CheckFailed, CountMismatch, NotFound
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.load.flow import LoadOptions, dump, load, load_and_dump
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import loaded
from mediatool_assets.work import RemoteExecutor
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.bson_strategies import collections
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version
from mediatool_assets_tests.transformed import made_up_people, transformed
from mediatool_assets_tests.twins import DirectoryObjects


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A directory for spools."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def pool(pool: Workspace, scratch: Path) -> Workspace:
    """The workers, with a scratch folder that a test can look into."""
    return replace(pool, scratch=scratch)


@pytest.fixture
def live(documents: MongoDocuments, version: Version) -> Iterator[Any]:
    """The version's database through another client, to look and to meddle."""
    with MongoClient[Any](documents.url.reveal()) as client:
        yield client[mongodb_database(version)]


def _content(reader: ArchiveReader, collection: str) -> list[bytes]:
    blocks = reader.blocks(reader.manifest.collections()[collection].blocks)
    return [document for block in blocks for document in split_documents(block)]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=st.dictionaries(st.sampled_from(["a", "b.c", "d e"]), collections(), max_size=2))
def test_any_document_comes_back_with_the_same_bytes(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    content: dict[str, list[bytes]],
) -> None:
    """Archive -> MongoDB -> dump: every BSON type, nested, under an _id of any type."""
    version = fresh_version()
    try:
        archive = transformed(twin, version, content)
        result = load(twin, documents, pool, version)
        dumped = dump(twin, documents, pool, version)
    finally:
        documents.drop(mongodb_database(version))
    assert result.agrees_with(archive.manifest)
    assert result.agrees_with(dumped.manifest)
    reader = catalog.reader(twin, "dump", version)
    for name, expected in content.items():
        assert sorted(_content(reader, name)) == sorted(expected)


def test_large_collections_are_dumped_in_ranges_in_order_of_id(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    scratch: Path,
) -> None:
    """40 MB of shuffled documents, read by several workers, come out sorted and whole."""
    people = made_up_people(400, 100_000)
    transformed(twin, version, {"entities": people[200:] + people[:200]})
    load(twin, documents, pool, version)
    dumped = dump(twin, documents, pool, version)
    assert _content(catalog.reader(twin, "dump", version), "entities") == people
    assert dumped.manifest.source["database"] == mongodb_database(version)
    assert list(scratch.iterdir()) == []


@dataclass(frozen=True)
class CountingReads(MongoDocuments):
    """Lists what is read, and when all was journalled."""

    reads: ClassVar[list[str]] = []

    def make_durable(self, database: str, load: str) -> None:
        """As the server does."""
        super().make_durable(database, load)
        self.reads.append("journalled")

    def documents(
        self,
        database: str,
        collection: str,
        first: bytes | None = None,
        end: bytes | None = None,
        batch: int | None = None,
    ) -> Iterator[bytes]:
        """As the server does."""
        self.reads.append(collection)
        return super().documents(database, collection, first, end, batch)


def test_what_reads_a_new_database_back_makes_its_dump(
    documents: MongoDocuments, version: Version, scratch: Path, tmp_path: Path
) -> None:
    """mongod is read once, when all is journalled; the dump is the one that is made afterwards."""
    with ThreadPoolExecutor(2) as threads:
        workspace = Workspace(threads, scratch)
        dumps = []
        for name in ("together", "one after the other"):
            twin = DirectoryObjects(tmp_path / name)
            transformed(twin, version, {"a": made_up_people(9), "b": []})
            documents.drop(mongodb_database(version))
            if name == "together":
                reading = CountingReads(documents.url)
                made = load_and_dump(twin, reading, workspace, version)
                assert reading.reads[0] == "journalled"
                assert sorted(reading.reads[1:]) == ["a", "b"]
                assert loaded(documents, version) == made
            else:
                load(twin, documents, workspace, version)
            assert made.agrees_with(dump(twin, documents, workspace, version).manifest)
            dumps.append(twin.get(archive_key("dump", version))[0])
    assert dumps[0] == dumps[1]


@dataclass(frozen=True)
class LosesOne(MongoDocuments):
    """Inserts all documents but the last."""

    def insert(self, database: str, collection: str, documents: bytes) -> None:
        """As a server that loses one."""
        super().insert(database, collection, b"".join([*split_documents(documents)][:-1]))


def test_a_database_that_lacks_a_document_gets_no_dump_and_no_marker(
    twin: DirectoryObjects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """Also where the read-back is the dump; a load beside a dump that is there is verified too."""
    transformed(twin, version, {"a": made_up_people(9)})
    losing = LosesOne(documents.url)
    with pytest.raises(CountMismatch):
        load_and_dump(twin, losing, pool, version)
    assert loaded(documents, version) is None
    assert catalog.find(twin, "dump", version) is None
    made = load_and_dump(twin, documents, pool, version)
    documents.drop(mongodb_database(version))
    with pytest.raises(CountMismatch):
        load_and_dump(twin, losing, pool, version)
    assert loaded(documents, version) is None
    assert load_and_dump(twin, documents, pool, version) == made


def test_equal_databases_give_equal_dumps(
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loaded and dumped twice, the bytes are the same; also by workers that share no disk."""
    url = stack.environment["MEDIATOOL_MONGODB_URL"]
    monkeypatch.setenv("MEDIATOOL_MONGODB_URL", url)  # a cluster's workers have their own
    contents = []
    index = {"v": 2, "key": {"n": 1}, "name": "n_1"}
    with ThreadPoolExecutor(2) as threads:
        elsewhere = replace(pool, executor=RemoteExecutor(threads))
        for name, workspace in {"first": pool, "second": pool, "other": elsewhere}.items():
            twin = DirectoryObjects(tmp_path / name)
            transformed(twin, version, {"a": made_up_people(9), "b": []}, indexes={"a": [index]})
            load(twin, documents, pool, version, LoadOptions(replace=True))
            dump(twin, documents, workspace, version)
            contents.append(twin.get(archive_key("dump", version))[0])
    assert contents[0] == contents[1] == contents[2]


def test_a_dump_restores_as_mongorestore_reads_it(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    tmp_path: Path,
    live: Any,
) -> None:
    """Unpacked by tar, names unescaped, documents concatenated, options and indexes as JSON."""
    validator = {"$jsonSchema": {"required": ["n"], "properties": {"n": {"bsonType": "int"}}}}
    transformed(
        twin,
        version,
        {"line items": made_up_people(20), "a.b/c": made_up_people(2), "empty": []},
        options={"line items": {"validator": validator}},
        indexes={"line items": [{"v": 2, "key": {"n": -1}, "name": "n_-1", "unique": True}]},
    )
    load(twin, documents, pool, version)
    dump(twin, documents, pool, version)
    with tarfile.open(twin.root / "objects" / archive_key("dump", version)) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    (database,) = (p for p in (tmp_path / "out" / str(version)).iterdir() if p.is_dir())
    assert database.name == mongodb_database(version)
    with MongoClient[Any](documents.url.reveal()) as client:
        restored = client["restored_by_test_dump"]
        try:
            _restore(database, restored)
            _assert_equal(restored, live)
        finally:
            client.drop_database(restored)


def _restore(folder: Path, database: Any) -> None:
    """What mongorestore does with a folder: its rules read in its source, none of our code."""
    for metadata in sorted(folder.glob("*.metadata.json")):
        content = json_util.loads(metadata.read_text())
        name = unquote(metadata.name.removesuffix(".metadata.json"))
        assert content["collectionName"] == name
        database.command({"create": name, **content["options"]})
        data = metadata.with_name(metadata.name.replace(".metadata.json", ".bson")).read_bytes()
        if rows := [RawBSONDocument(bson.encode(row)) for row in bson.decode_all(data)]:
            database[name].insert_many(rows)
        if indexes := [i for i in content["indexes"] if i["name"] != "_id_"]:
            database.command({"createIndexes": name, "indexes": indexes})


def _assert_equal(one: Any, other: Any) -> None:
    for name in ("a.b/c", "empty", "line items"):
        assert list(one[name].find()) == list(other[name].find())
        assert list(one[name].list_indexes()) == list(other[name].list_indexes())
        assert one[name].options() == other[name].options()


def test_metadata_is_canonical_extended_json_without_a_uuid(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
) -> None:
    """Numbers keep their types, and nothing of the server's own is in the file."""
    transformed(twin, version, {"teams": made_up_people(1)})
    load(twin, documents, pool, version)
    dump(twin, documents, pool, version)
    reader = catalog.reader(twin, "dump", version)
    assert json.loads(reader.read_file(f"mediatool_{version}/teams.metadata.json")) == {
        "options": {},
        "indexes": [
            {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}
        ],
        "collectionName": "teams",
        "type": "collection",
    }


def test_a_dump_that_is_there_is_adopted(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
) -> None:
    """A retried step finds its own archive and returns it."""
    transformed(twin, version, {"teams": made_up_people(3)})
    load(twin, documents, pool, version)
    first = dump(twin, documents, pool, version)
    assert dump(twin, documents, pool, version) == first


def test_a_block_that_does_not_unpack_to_its_documents_stops_the_dump(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is unpacked where it was packed: no later step reads the dump before it is published."""
    transformed(twin, version, {"teams": made_up_people(3)})
    load(twin, documents, pool, version)
    monkeypatch.setattr(writer, "compress", lambda data: compress(data[::-1]))
    with (
        ThreadPoolExecutor(1) as threads,
        pytest.raises(BadArchive, match="does not unpack to what was packed"),
    ):
        dump(twin, documents, replace(pool, executor=threads), version)
    assert catalog.find(twin, "dump", version) is None


def test_a_database_without_a_marker_is_not_dumped(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    live: Any,
) -> None:
    """A half-loaded database is refused with the next step."""
    live["teams"].insert_one({"_id": 1})
    with pytest.raises(NotFound, match="load the version first"):
        dump(twin, documents, pool, version)


@pytest.mark.parametrize(
    "change",
    [
        {"update": "teams", "updates": [{"q": {"_id": 1}, "u": {"$set": {"n": 8}}}]},
        {"delete": "teams", "deletes": [{"q": {"_id": 2}, "limit": 1}]},
        {"insert": "teams", "documents": [{"_id": 99}]},
    ],
    ids=["update", "delete", "insert"],
)
def test_a_document_changed_after_the_load_stops_the_dump(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    live: Any,
    change: dict[str, Any],
) -> None:
    """The collection is named and no archive is left."""
    transformed(twin, version, {"teams": made_up_people(3)})
    load(twin, documents, pool, version)
    live.command(change)
    with pytest.raises(CountMismatch, match="teams"):
        dump(twin, documents, pool, version)
    assert twin.head(archive_key("dump", version)) is None


@pytest.mark.parametrize("name", ["strays", "teams"])
def test_a_collection_that_came_or_went_stops_the_dump(
    twin: DirectoryObjects,
    documents: MongoDocuments,
    pool: Workspace,
    version: Version,
    live: Any,
    name: str,
) -> None:
    """The collection is named and no archive is left."""
    transformed(twin, version, {"teams": made_up_people(3)})
    load(twin, documents, pool, version)
    if name == "teams":
        live.drop_collection(name)
    else:
        live.create_collection(name)
    with pytest.raises(CheckFailed, match=name):
        dump(twin, documents, pool, version)
    assert twin.head(archive_key("dump", version)) is None


def test_the_whole_way_through_the_bucket(
    objects: S3Objects, documents: MongoDocuments, pool: Workspace, version: Version
) -> None:
    """From and to real S3, by range and in parts, what was loaded is what is dumped."""
    archive = transformed(objects, version, {"entities": made_up_people(400, 100_000), "empty": []})
    result = load(objects, documents, pool, version)
    dumped = dump(objects, documents, pool, version)
    assert result.agrees_with(archive.manifest)
    assert result.agrees_with(dumped.manifest)
    assert catalog.find(objects, "dump", version) == dumped
