"""Whole batches: those of the driver, and none that is too large is sent."""

from collections.abc import Iterator

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from pymongo import MongoClient
from pymongo.database import Database

from mediatool_assets.archive.reader import split_documents
from mediatool_assets.domain.errors import CheckFailed, Full
from mediatool_assets.stores import mongodb_batches
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_batches import RawBatches
from mediatool_assets_tests.bson_strategies import collections
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version


@pytest.fixture
def database(documents: MongoDocuments) -> Iterator[str]:
    """The name of a database that no other test has; it is gone afterwards."""
    name = mongodb_database(fresh_version())
    yield name
    documents.drop(name)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=collections())
def test_batches_are_those_of_the_driver(
    documents: MongoDocuments, database: str, content: list[bytes]
) -> None:
    """Of documents of all types, in several batches."""
    documents.drop(database)
    if content:
        documents.insert(database, "c", content)
    with MongoClient[dict[str, object]](documents.url.reveal()) as client:
        collection = client[database]["c"]
        ours, theirs = (
            list(cursor.sort("_id", 1).batch_size(3))
            for cursor in (RawBatches(collection, {}), collection.find_raw_batches({}))
        )
    assert ours == theirs
    assert sorted(split_documents(b"".join(ours))) == sorted(content)


@pytest.mark.parametrize(
    ("limit", "most", "messages"),
    [("_MESSAGE_DOCUMENTS", 3, [3, 3, 2]), ("_MESSAGE_BYTES", 30, [2, 2, 2, 2])],
)
def test_a_message_has_no_more_than_mongod_takes(
    documents: MongoDocuments,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
    messages: list[int],
) -> None:
    """Every document arrives, and one that is refused is named, whichever message it is in."""
    monkeypatch.setattr(mongodb_batches, limit, most)
    content = [bson.encode({"_id": number}) for number in range(8)]
    sent = mongodb_batches._messages(content)
    assert [len(message) for message in sent] == messages
    documents.insert(database, "c", content)
    assert [d for batch in documents.documents(database, "c") for d in batch] == content
    new = [bson.encode({"_id": number}) for number in range(8, 13)]
    with pytest.raises(CheckFailed, match=r"1 of \d documents were refused, first _id 7: "):
        documents.insert(database, "c", [*new, content[7]])


def test_a_write_that_too_few_members_confirm_has_failed(
    documents: MongoDocuments, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mongod says so beside the number of documents that it has written."""
    answer = {"n": 1, "ok": 1.0, "writeConcernError": {"code": 64, "errmsg": "timed out"}}
    monkeypatch.setattr(Database, "command", lambda *_, **__: answer)
    with pytest.raises(CheckFailed, match="the server did not confirm"):
        documents.insert(database, "c", [bson.encode({"_id": 1})])
    full = {"code": 14031, "errmsg": "available disk space is less than the minimum"}
    monkeypatch.setitem(answer, "writeConcernError", full)
    with pytest.raises(Full, match="no room left"):
        documents.insert(database, "c", [bson.encode({"_id": 1})])
    monkeypatch.undo()
