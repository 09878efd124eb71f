"""Documents reach MongoDB in messages that it accepts, whatever their number and size."""

from collections.abc import Iterator
from itertools import chain

import bson
import pytest

from mediatool_assets.archive.reader import split_documents
from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.mongodb import LARGEST, MongoDocuments, _messages
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version

SMALLEST = bson.encode({})
MIB = 1 << 20


@pytest.fixture
def database(documents: MongoDocuments) -> Iterator[str]:
    """The name of a database that is gone afterwards."""
    name = mongodb_database(fresh_version())
    yield name
    documents.drop(name)


def of_size(size: int) -> bytes:
    """A document of so many bytes."""
    document = bson.encode({"": bytes(size - 12)})
    assert len(document) == size
    return document


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([], []),
        ([5], [1]),
        ([5] * 100_000, [100_000]),
        ([5] * 100_001, [100_000, 1]),
        ([8 * MIB, 8 * MIB], [2]),
        ([8 * MIB, 8 * MIB, 12, 12], [2, 2]),
        ([12, 16 * MIB, 12], [1, 1, 1]),
    ],
)
def test_messages_have_no_more_than_mongod_takes(sizes: list[int], wanted: list[int]) -> None:
    """At most 100,000 documents and 16 MiB; together they are all documents in order."""
    made = {size: SMALLEST if size == len(SMALLEST) else of_size(size) for size in set(sizes)}
    documents = [made[size] for size in sizes]
    messages = list(_messages(b"".join(documents)))
    assert [sum(1 for _ in split_documents(message)) for message in messages] == wanted
    assert list(chain.from_iterable(map(split_documents, messages))) == documents
    assert all(len(message) <= LARGEST for message in messages)


def test_as_many_and_as_large_as_a_message_may_have(
    documents: MongoDocuments, database: str
) -> None:
    """mongod and the driver take the largest messages, and the refused one of the next is named."""
    largest = bson.encode({"_id": "large", "text": ""})
    largest = bson.encode({"_id": "large", "text": "x" * (LARGEST - len(largest))})
    numbered = b"".join(bson.encode({"_id": number}) for number in range(100_000))
    documents.insert(database, "users", numbered + bson.encode({"_id": "last"}))
    documents.insert(database, "users", largest)
    assert documents.count(database, "users") == 100_002
    with pytest.raises(CheckFailed, match="1 of 2 documents were refused, first _id 'last'"):
        documents.insert(database, "more", numbered + b"".join([bson.encode({"_id": "last"})] * 2))


def test_a_write_that_is_not_confirmed_is_an_error(
    documents: MongoDocuments, database: str
) -> None:
    """The write concern of the URL applies to inserts: one server cannot give it two copies."""
    url = documents.url.reveal()
    two = Url(f"{url}{'&' if '?' in url else '?'}w=2&wtimeoutMS=1", documents.url.variable)
    with pytest.raises(CheckFailed, match="refused"):
        MongoDocuments(two).insert(database, "users", bson.encode({"_id": 1}))
