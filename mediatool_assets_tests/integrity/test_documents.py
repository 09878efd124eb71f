"""Every defect planted in MongoDB is named by table, key and column, and no other is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import bson
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from mediatool_assets.integrity.plan import Integrity
from mediatool_assets_tests.fixtures.complete_version import Made, areas, failed, key, values
from mediatool_assets_tests.planting import Document


def test_a_value_changed_by_one_digit_is_named(made: Made) -> None:
    """Table, key, column, and both values; nothing else is blamed but the content's fingerprint."""
    with made.collection("campaigns") as campaigns:
        before = campaigns.find_one({"budget": {"$type": "decimal"}})
        assert before is not None
        text = str(before["budget"])
        other = text[:-1] + ("1" if text[-1] != "1" else "2")
        found = changed(made, campaigns, before, {"$set": {"budget": Decimal128(other)}})
    [defect] = failed(found, "values")["campaigns"].defects
    assert (defect.store, defect.table, defect.column) == ("mongodb", "campaigns", "budget")
    assert key(defect) == {"id": before["_id"]}
    assert values(defect) == (f"{Decimal(text):f}", f"{Decimal(other):f}")
    assert areas(found) == {"values", "fingerprints"}
    assert failed(found, "fingerprints").keys() == {"campaigns"}


def changed(
    made: Made, collection: Collection[Document], document: Document, update: Document
) -> Integrity:
    """The report while one document is another; it is put back."""
    with put_back(collection, document):
        collection.update_one({"_id": document["_id"]}, update)
        return made.report()


@contextmanager
def put_back(collection: Collection[Document], document: Document) -> Iterator[None]:
    """A document that may be changed; behind, it is again what it was, byte by byte."""
    raw = collection.database.get_collection(
        collection.name, bson.CodecOptions(document_class=RawBSONDocument)
    )
    kept = raw.find_one({"_id": document["_id"]})
    assert kept is not None
    try:
        yield
    finally:
        raw.replace_one({"_id": document["_id"]}, kept)


def test_types_arrays_and_documents_are_compared(made: Made) -> None:
    """A value of another type, an element, a field deep within, a folded row: none is the same."""
    items = {
        "flightDays": Int64(3),
        "price": 1.5,
        "pacing.type": "",
        "pacing.details": {"a": 1},
        "mediaTraderUserIds": [None],
    }
    with (
        altered(made, "lineItems", items, *items),
        altered(made, "platformEntities", {"payload.more": 0.5}, "payload"),
        altered(made, "teams", {"reps.0.since": datetime(1999, 1, 1)}, "reps.0.since"),
    ):
        found = failed(made.report(), "values")
    defects = {thing: line.defects for thing, line in found.items()}
    columns = {"flight_days", "price", "pacing_type", "pacing_details", "media_trader_user_ids"}
    by_column = {defect.column: defect for defect in defects.pop("line_items")}
    assert by_column.keys() == columns
    assert values(by_column["flight_days"])[1] == {"$numberLong": "3"}
    assert [defect.column for defect in defects.pop("media_platform_entities")] == ["metadata"]
    # a folded row has no key but itself: one is missing, one too many
    assert [defect.what for defect in defects.pop("reps_x_teams")] == ["missing", "surplus"]
    assert defects == {}


@contextmanager
def altered(made: Made, name: str, fields: Document, *needed: str) -> Iterator[None]:
    """One document that has what is needed gets other fields; it is put back."""
    with made.collection(name) as live:
        document = live.find_one({path: {"$exists": True} for path in needed})
        assert document is not None
        with put_back(live, document):
            live.update_one({"_id": document["_id"]}, {"$set": fields})
            yield


def test_a_time_off_by_a_millisecond_is_named(made: Made) -> None:
    """BSON's own precision; what is finer it cannot hold, and that is a declared loss."""
    with made.collection("users") as users:
        before = users.find_one()
        assert before is not None
        later = before["createdAt"] + timedelta(milliseconds=1)
        found = changed(made, users, before, {"$set": {"createdAt": later}})
    [defect] = failed(found, "values")["users"].defects
    assert (defect.column, key(defect)["id"]) == ("created_at", str(before["_id"].as_uuid()))
    assert values(defect)[1] == later.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
    assert not failed(found, "losses")


def test_personal_values_are_never_shown(made: Made) -> None:
    """A name that changed is told by its length."""
    with made.collection("users") as users:
        before = users.find_one()
        assert before is not None
        found = changed(made, users, before, {"$set": {"name": "Somebody Else", "email": 5}})
    first, second = failed(found, "values")["users"].defects
    assert values(first)[1] == {"hidden": True, "length": len("Somebody Else")}
    assert (first.column, second.column) == ("name", "email")
    text = found.to_json().decode()
    assert before["name"] not in text
    assert before["email"] not in text
    assert "Somebody" not in text


def test_a_document_that_is_missing_is_named(made: Made) -> None:
    """By the key of its row; counts and fingerprint of the collection fail as well."""
    with made.collection("mediaBuys") as buys:
        document = buys.find_one_and_delete({})
        assert document is not None
        found = made.report()
        buys.insert_one(document)
    [defect] = failed(found, "values")["media_buys"].defects
    assert (defect.what, key(defect)) == ("missing", {"id": raw_text(document["_id"])})
    assert failed(found, "counts").keys() == {"mediaBuys"}


def raw_text(value: object) -> object:
    """An ``_id`` as the raw archive has it."""
    return str(value.as_uuid()) if isinstance(value, bson.Binary) else value


def test_a_duplicate_is_named(made: Made) -> None:
    """A second document of a row, under another ``_id``, is one too many."""
    with made.collection("accounts") as accounts:
        document = accounts.find_one()
        assert document is not None
        accounts.insert_one({**document, "_id": "doubled1"})
        found = made.report()
        accounts.delete_one({"_id": "doubled1"})
    [defect] = failed(found, "values")["accounts"].defects
    assert (defect.what, key(defect)) == ("surplus", {"id": "doubled1"})
    assert failed(found, "counts").keys() == {"accounts"}


def test_an_embedded_array_that_is_shortened_is_named(made: Made) -> None:
    """By the row that is gone from it, though the number of documents is right."""
    with made.collection("lineItems") as items:
        document = items.find_one({"mediaPlans.0": {"$exists": True}})
        assert document is not None
        found = changed(made, items, document, {"$pop": {"mediaPlans": -1}})
    [defect] = failed(found, "values")["line_item_media_buys"].defects
    assert defect.what == "missing"
    assert key(defect) == {"id": raw_text(document["mediaPlans"][0]["id"])}
    assert not failed(found, "counts")


def test_an_embedded_row_in_another_document_is_named(made: Made) -> None:
    """All its values are right, and it lies where it does not belong."""
    with made.collection("lineItems") as items:
        [one, two] = items.find({"mediaPlans.0": {"$exists": True}}).limit(2)
        plan = one["mediaPlans"][0]
        items.update_one({"_id": one["_id"]}, {"$pop": {"mediaPlans": -1}})
        found = changed(made, items, two, {"$push": {"mediaPlans": plan}})
        items.update_one(
            {"_id": one["_id"]}, {"$push": {"mediaPlans": {"$each": [plan], "$position": 0}}}
        )
    [defect] = failed(found, "values")["line_item_media_buys"].defects
    assert (defect.what, defect.field) == ("differs", "(the document that it is in)")
    assert key(defect) == {"id": raw_text(plan["id"])}


def test_a_copied_value_that_is_stale_is_named(made: Made) -> None:
    """Look-ups, unions and counts say what the rows say that they are taken from."""
    with made.collection("campaigns") as campaigns:
        document = campaigns.find_one({"accountName": {"$ne": None}})
        assert document is not None
        update = {
            "$set": {"accountName": "Other", "lineItemCount": 99, "team.mediaTraders": [None]}
        }
        found = changed(made, campaigns, document, update)
    lines = failed(found, "copies")
    assert lines.keys() == {
        "campaigns.accountName", "campaigns.lineItemCount", "campaigns.team.mediaTraders"
    }  # fmt: skip
    assert {key(d)["id"] for line in lines.values() for d in line.defects} == {document["_id"]}
    assert not failed(found, "values")


def test_a_collection_that_is_emptied_is_found(made: Made) -> None:
    """Its rows are missing, one by one."""
    with made.collection("channels") as channels:
        kept = list(channels.find())
        channels.delete_many({})
        found = made.report()
        channels.insert_many(kept)
    line = failed(found, "values")["channels"]
    assert {key(defect)["id"] for defect in line.defects} == {row["_id"] for row in kept}
    assert failed(found, "counts")["channels"].figures["MongoDB"] == 0


def test_a_field_that_is_dropped_is_named(made: Made) -> None:
    """And one that no rule of the model explains."""
    with made.collection("reps") as reps:
        kept = list(reps.find())
        reps.update_many({}, {"$unset": {"isActive": ""}, "$set": {"mystery": 1}})
        found = made.report()
        for document in kept:
            reps.replace_one({"_id": document["_id"]}, document)
    line = failed(found, "values")["reps"]
    assert line.figures["differs"] == len(kept)
    assert {defect.column or defect.field for defect in line.defects} == {"is_active", "mystery"}


def test_nothing_is_left_of_the_defects(made: Made) -> None:
    """Every test put back what it had changed, so that none found what another had planted."""
    assert made.report().verdict == "passed"
