"""The MongoDB store: our databases only, errors in our words, documents in every order of _id."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from multiprocessing.reduction import ForkingPickler
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.binary import Binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediatool_assets.archive.reader import split_documents
from mediatool_assets.core.errors import BadSettings, CheckFailed, Refused, Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.mongodb_claim import MARKER
from mediatool_assets_tests.bson_strategies import collections
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.fresh_versions import fresh_version

_CALLS: dict[str, Callable[[MongoDocuments, str], object]] = {
    "marker": lambda store, name: store.marker(name),
    "exists": lambda store, name: store.exists(name),
    "is_busy": lambda store, name: store.is_busy(name),
    "drop": lambda store, name: store.drop(name),
    "create": lambda store, name: store.create(name, "c", {}),
    "insert": lambda store, name: store.insert(name, "c", bson.encode({"_id": 1})),
    "create_indexes": lambda store, name: store.create_indexes(name, "c", []),
    "begin": lambda store, name: store.begin(name, "one"),
    "mark": lambda store, name: store.mark(name, "one", {"_id": 1}),
    "collections": lambda store, name: store.collections(name),
    "bounds": lambda store, name: store.bounds(name, "c", 1),
    "count": lambda store, name: store.count(name, "c"),
    "documents": lambda store, name: list(store.documents(name, "c")),
}


@pytest.fixture
def database(documents: MongoDocuments) -> Iterator[str]:
    """The name of a database that no other test has; it is gone afterwards."""
    name = mongodb_database(fresh_version())
    yield name
    documents.drop(name)


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
@pytest.mark.parametrize(
    "name", ["admin", "mediatool", "media_tool_20250101-000000", "mediatool_20250101-000000\n"]
)
def test_other_databases_are_refused(
    call: Callable[[MongoDocuments, str], object], name: str
) -> None:
    """Every method refuses, before it connects, what is not a version's database."""
    nowhere = MongoDocuments(Url("mongodb://127.0.0.1:1"), answer_ms=1)
    with pytest.raises(Refused, match="is neither a version"):
        call(nowhere, name)


@pytest.mark.parametrize("call", ["create", "insert", "create_indexes", "bounds", "documents"])
def test_the_marker_is_no_collection(call: str) -> None:
    """Nothing is created, written or read under the marker's name but by mark and marker."""
    arguments = {"create": ({},), "insert": ([],), "create_indexes": ([],), "bounds": (1,)}
    nowhere = MongoDocuments(Url("mongodb://127.0.0.1:1"), answer_ms=1)
    with pytest.raises(Refused, match="reserved for the marker"):
        result = getattr(nowhere, call)(
            "mediatool_20250101-000000", MARKER, *arguments.get(call, ())
        )
        list(result)


def test_settings_without_a_url_are_refused() -> None:
    """The missing variable is named."""
    with pytest.raises(BadSettings, match="MEDIATOOL_MONGODB_URL"):
        MongoDocuments.of(Settings())


def test_an_unreachable_server_is_named_without_its_password() -> None:
    """Host and next step are in the message; the password is in neither it nor the repr."""
    url = Url("mongodb://reader:hunter2@127.0.0.1:1/?authSource=admin")
    nowhere = MongoDocuments.of(Settings(mongodb_url=url))
    quick = MongoDocuments(nowhere.url, answer_ms=50)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 does not answer") as caught:
        quick.exists("mediatool_20250101-000000")
    assert "hunter2" not in str(caught.value) + repr(quick)


def test_wrong_credentials_are_called_so(documents: MongoDocuments) -> None:
    """A server that answers and refuses the password is told from one that does not answer."""
    host = documents.url.hosts
    stranger = MongoDocuments(Url(f"mongodb://stranger:hunter2@{host}/?authSource=admin"))
    with pytest.raises(Unreachable, match="refuses the credentials") as caught:
        stranger.exists("mediatool_20250101-000000")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://u:p@127.0.0.1/?tls=hunter2",
        "mongodb://u:p@127.0.0.1/?authMechanism=hunter2",
        "mongodb+srv://u:hunter2@no.such.host.invalid/",
    ],
)
def test_a_url_that_the_driver_cannot_read_is_a_setting(url: str) -> None:
    """The setting is named and its shape shown; no part of what may be secret is."""
    with pytest.raises(BadSettings, match="MEDIATOOL_MONGODB_URL") as caught:
        MongoDocuments(Url(url)).exists("mediatool_20250101-000000")
    assert "hunter2" not in str(caught.value)


def test_a_copy_for_a_worker_reaches_the_same_server(
    documents: MongoDocuments, database: str
) -> None:
    """Pickling keeps the settings and no connection."""
    documents.create(database, "teams", {})
    copy = ForkingPickler.loads(ForkingPickler.dumps(documents))
    assert copy == documents
    assert copy.exists(database)


def test_the_first_refused_document_is_named(documents: MongoDocuments, database: str) -> None:
    """A duplicate _id is reported with it, and without the document's values."""
    same = bson.encode({"_id": ObjectId(b"a" * 12), "email": "secret@example.org"}) * 2
    with pytest.raises(CheckFailed, match=r"1 of 2 .*the same _id") as caught:
        documents.insert(database, "users", same)
    assert repr(ObjectId(b"a" * 12)) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_document_too_large_for_mongodb_is_named(
    documents: MongoDocuments, database: str
) -> None:
    """More than 16 MiB is refused with its _id and size."""
    large = bson.encode({"_id": 1}) + bson.encode({"_id": 2, "text": "x" * (17 << 20)})
    with pytest.raises(CheckFailed, match="_id 2 has 17825817 bytes"):
        documents.insert(database, "users", large)


@pytest.mark.parametrize(
    ("validator", "document", "reason"),
    [
        ({"$jsonSchema": {"required": ["name"]}}, {}, "required of name"),
        (
            {"$jsonSchema": {"properties": {"n": {"bsonType": "int"}}}},
            {"n": "secret"},
            "bsonType of n",
        ),
        ({"n": {"$gt": 5}}, {"n": 1}, "the validator refuses it"),
    ],
    ids=["required", "type", "expression"],
)
def test_the_validators_reason_is_told_without_values(
    documents: MongoDocuments,
    database: str,
    validator: dict[str, Any],
    document: dict[str, Any],
    reason: str,
) -> None:
    """The rule and the field are named; the value, which may be personal, is not."""
    documents.create(database, "users", {"validator": validator})
    with pytest.raises(CheckFailed, match=reason) as caught:
        documents.insert(database, "users", bson.encode({"_id": 1, **document}))
    assert "secret" not in str(caught.value)


def test_a_validator_that_mongod_does_not_take_is_explained(
    documents: MongoDocuments, database: str
) -> None:
    """mongod's own words say what is wrong with it."""
    with pytest.raises(CheckFailed, match="bsontype"):
        documents.create(database, "users", {"validator": {"$jsonSchema": {"bsontype": "int"}}})


def test_the_marker_takes_the_claims_place_once(documents: MongoDocuments, database: str) -> None:
    """A claim is no marker; the marker is found as it was written, and counts no collection."""
    documents.begin(database, "one")
    assert documents.marker(database) is None
    documents.mark(database, "one", {"_id": "v", "documents": {"a.b": 3}})
    assert documents.marker(database) == {"_id": "v", "documents": {"a.b": 3}, "complete": True}
    assert documents.collections(database) == []
    with pytest.raises(CheckFailed, match="taken it over"):
        documents.mark(database, "one", {"_id": "v", "documents": {}})


def test_a_live_load_keeps_its_database(documents: MongoDocuments, database: str) -> None:
    """Whoever comes second is refused while the first one lasts, and can come after it."""
    with documents.loading(database, "one"):
        with pytest.raises(Refused, match=f"another load of {database} has been running since"):
            documents.begin(database, "two")
        documents.mark(database, "one", {"_id": "v"})
    assert documents.begin(database, "three").startswith("_mediatool_")


def test_a_dead_load_or_removal_keeps_nobody_waiting(
    documents: MongoDocuments, database: str
) -> None:
    """Its claim or announcement does not change for a while: what it left is incomplete."""
    hasty = replace(documents, patience=0.5)
    documents.begin(database, "one")
    assert not hasty.is_busy(database)
    documents.mark(database, "one", {"_id": "v"})

    def seen() -> None:
        assert not hasty.is_busy(database)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        documents.drop(database, seen)
    assert not hasty.is_busy(database)


def test_a_dead_load_is_taken_over(documents: MongoDocuments, database: str) -> None:
    """Its claim has not changed for a while: what it left is gone, and it can mark nothing."""
    documents.begin(database, "one")
    documents.insert(database, "teams", bson.encode({"_id": 1}))
    replace(documents, patience=0.5).begin(database, "two")
    assert documents.collections(database) == []
    with pytest.raises(CheckFailed, match="taken it over"):
        documents.mark(database, "one", {"_id": "v"})
    assert documents.marker(database) is None


def test_a_failed_load_leaves_nothing(documents: MongoDocuments, database: str) -> None:
    """Neither a database nor a claim; of a complete one nothing is missing, and nothing is more."""
    with pytest.raises(ValueError, match="ours"), documents.loading(database, "one"):
        documents.insert(database, "teams", bson.encode({"_id": 1}))
        raise ValueError("ours")
    assert not documents.exists(database)
    with documents.loading(database, "two"):
        documents.insert(database, "teams", bson.encode({"_id": 1}))
        documents.mark(database, "two", {"_id": "v"})
    marker = documents.marker(database)
    with pytest.raises(ValueError, match="ours"), documents.loading(database, "three") as prefix:
        documents.insert(database, prefix + "teams", bson.encode({"_id": 2}))
        raise ValueError("ours")
    assert documents.marker(database) == documents.label(database) == marker
    assert documents.collections(database, "_mediatool_load") == []
    assert documents.count(database, "teams") == 1


def test_what_no_load_made_is_never_taken_over(documents: MongoDocuments, database: str) -> None:
    """Not under a version's name either: mongorestore of a dump makes that, without a marker."""
    documents.create(database, "teams", {})
    documents.insert(database, "teams", bson.encode({"_id": 1}))
    with pytest.raises(Refused, match="was not made by a load"):
        documents.begin(database, "one")
    assert documents.count(database, "teams") == 1


def test_dropping_what_is_absent_does_nothing(documents: MongoDocuments, database: str) -> None:
    """No error, before and after."""
    documents.drop(database)
    assert not documents.exists(database)
    documents.create(database, "teams", {})
    documents.drop(database)
    assert not documents.exists(database)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=collections(), step=st.integers(1, 5))
def test_ranges_hold_every_document_once_in_order(
    documents: MongoDocuments, database: str, content: list[bytes], step: int
) -> None:
    """Whatever the types of the _id values, the ranges together are the whole, sorted."""
    documents.drop(database)
    if content:
        documents.insert(database, "c", b"".join(content))
    whole = list(split_documents(b"".join(documents.documents(database, "c"))))
    bounds = [None, *documents.bounds(database, "c", step), None]
    parts = [
        list(split_documents(b"".join(documents.documents(database, "c", first, end))))
        for first, end in pairwise(bounds)
    ]
    assert sorted(whole) == sorted(content)
    assert [d for part in parts for d in part] == whole
    assert all(len(part) == step for part in parts[:-1])


def test_documents_are_counted_as_they_are_now(documents: MongoDocuments, database: str) -> None:
    """None where there is no collection, else what is there."""
    assert documents.count(database, "c") == 0
    documents.insert(database, "c", b"".join(bson.encode({"_id": n}) for n in range(3)))
    assert documents.count(database, "c") == 3


def test_ids_of_unlike_types_have_one_order(documents: MongoDocuments, database: str) -> None:
    """Numbers of all types together, then text, documents, binary, ids, dates."""
    ids: list[Any] = [
        1,
        Int64(2),
        2.5,
        Decimal128("3"),
        "a",
        {"platformId": 1, "date": datetime(2020, 1, 1, tzinfo=UTC)},
        Binary(b"x" * 16, 4),
        ObjectId(b"a" * 12),
        datetime(2020, 1, 1, tzinfo=UTC),
    ]
    wanted = [bson.encode({"_id": value}) for value in ids]
    documents.insert(database, "c", b"".join(wanted[::-1]))
    assert list(split_documents(b"".join(documents.documents(database, "c")))) == wanted
    assert list(split_documents(b"".join(documents.bounds(database, "c", 4)))) == wanted[4::4]
