"""Rows become documents: their keys, their values, and what MongoDB keeps beside them."""

from typing import Any

from mediatool_assets.core.texts import deep_recursion
from mediatool_assets.load.flow import load
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.transform_runs import (
    BUYS,
    DAILY,
    PEOPLE,
    TEAMS,
    USERS,
    Rows,
    Run,
    facts,
    went,
)
from mediatool_assets_tests.raw_archives import VERSION, table


def test_a_table_becomes_a_collection_row_by_row(run: Run) -> None:
    """One line of a model is enough; order, nulls and empty values stay."""
    rows: Rows = [
        {"id": 2, "name": "", "numbers": []},
        {"id": 1, "name": None, "numbers": None},
        {"id": 3, "name": "x", "numbers": [None, ""]},
    ]
    made = run("tables: {buys: }\none_to_one: [buys]", {BUYS: rows})
    assert run.documents("buys") == [
        {"_id": 2, "name": "", "numbers": []},
        {"_id": 1, "name": None, "numbers": None},
        {"_id": 3, "name": "x", "numbers": [None, ""]},
    ]
    assert facts(made, "rows")["buys"] == {
        "in": 3,
        "documents": 3,
        "embedded": 0,
        "orphans": 0,
        "folded": 0,
        "left_out": 0,
    }


def test_a_composite_key_is_a_document_in_the_order_of_the_key(run: Run) -> None:
    """``_id`` holds the key's fields, by their own names, and nothing of it is repeated."""
    model = (
        "tables: {daily: [day, buy_id]}\ncollections:\n  days:\n"
        "    root: daily\n    rename: {day: date}"
    )
    run(model, {DAILY: [{"buy_id": 1, "day": "2025-06-21", "clicks": "9223372036854775807"}]})
    [document] = run.documents("days")
    assert list(document) == ["_id", "clicks"]
    assert list(document["_id"]) == ["date", "buyId"]
    assert document["clicks"] == 2**63 - 1


def test_rows_without_a_key_are_identified_by_their_content(run: Run) -> None:
    """Equal rows are told apart by their number; the same rows have the same ids every day."""
    keyless = table("notes", (), text="text")
    rows = [{"text": "a"}, {"text": "b"}, {"text": "a"}]
    made = run("tables: {notes: }\none_to_one: [notes]", {keyless: rows})
    first, second, third = (document["_id"] for document in run.documents("notes"))
    assert (first[:-2], first[-2:], third) == (third[:-2], "-1", first[:-1] + "2")
    assert second != first
    assert went(made, "notes") == {"documents": 3}


def test_validators_and_indexes_stand_in_the_metadata(run: Run) -> None:
    """mongodump's shape: the schema of the fields that are written, and the model's indexes."""
    model = """\
tables: {users: , buys: , teams: }
collections:
  users:
    root: users
    indexes: [zohoId, {keys: {name: -1}, unique: true, name: byName}]
  buys:
    root: buys
    validator: off
  teams:
    root: teams
    validator: {name: {$exists: true}}
"""
    run(model, {USERS: PEOPLE, BUYS: [], TEAMS: []})
    users = run.metadata("users")
    assert users["options"]["validator"]["$jsonSchema"] == {
        "bsonType": "object",
        "required": ["_id", "zohoId", "name"],
        "properties": {
            "_id": {"bsonType": "binData"},
            "zohoId": {"bsonType": ["string", "null"]},
            "name": {"bsonType": ["string", "null"]},
        },
    }
    assert users["indexes"] == [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        {"v": 2, "key": {"zohoId": 1}, "name": "zohoId_1"},
        {"v": 2, "key": {"name": -1}, "name": "byName", "unique": True},
    ]
    assert run.metadata("buys")["options"] == {}
    assert run.metadata("teams")["options"] == {"validator": {"name": {"$exists": True}}}


READINGS, PARTS, PEERS = (
    table(name, id="integer", value="double precision", series="real[]", note="text")
    for name in ("readings", "parts", "peers")
)
SIGNED = b'{"id":1,"value":-0,"series":[[-0,0],[1,-0]],"note":"\\"value\\":0,"}'
UNSIGNED = b'{"id":2,"value":0,"series":[0,null],"note":"2025-01-01:-0,"}'


def test_a_negative_zero_is_one_everywhere(run: Run) -> None:
    """In its own document, embedded, looked up, and in arrays; a zero beside it is none."""
    run(
        """\
tables: {readings: , parts: , peers: }
collections:
  readings:
    root: readings
    add:
      seen: {look_up: id -> peers.id, take: [value, series]}
      parts: {embed_many: id -> parts.id, orphans: alone}
  peers: peers
""",
        {each: [SIGNED, UNSIGNED] for each in (READINGS, PARTS, PEERS)},
    )
    for sign, document in zip((-0.0, 0.0), run.documents("readings"), strict=True):
        for found in (document, document["seen"], *document["parts"]):
            series = [[-0.0, 0.0], [1.0, -0.0]] if document["_id"] == 1 else [0.0, None]
            assert repr(found["value"]) == repr(sign)
            assert repr(found["series"]) == repr(series)


def nested(levels: int) -> Any:
    """Arrays within arrays."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_mongodb_takes_every_document_that_is_made(
    run: Run, documents: MongoDocuments, pool: Workspace
) -> None:
    """Odd keys, the deepest nesting, every type at its ends, and validators over all of it."""
    odd = table(
        "odd",
        id="integer",
        doc="jsonb",
        text="json",
        amount="numeric",
        day="date",
        at="timestamp with time zone",
        spans="int4range[]",
        days="date[]",
        content="bytea",
        ratio="double precision",
    )
    strange = {"$set": 1, "a.b": {"": [], "$db": "x", "$id": None}, "_id": 1}
    common = {"at": None, "spans": None, "days": None, "content": "\\x", "ratio": "NaN"}
    rows: Rows = [
        {"id": 1, "doc": strange, "text": '{"a":1,"a":2}', "amount": "NaN", "day": "infinity"}
        | common,
        {"id": 2, "doc": nested(95), "text": "[1e400]", "amount": "1" * 40, "day": None} | common,
        {"id": 3, "doc": nested(5000), "text": "null", "amount": None, "day": "0001-01-01"}
        | common,
        {
            "id": 4,
            "doc": "18446744073709551616",
            "text": None,
            "amount": "0.00",
            "day": "9999-12-31",
        }
        | common
        | {"at": "0044-03-15T00:00:00+00:00 BC", "spans": "{[1\\,2)}", "days": ["infinity", None]},
    ]
    with deep_recursion():
        made = run("tables: {odd: }\none_to_one: [odd]", {odd: rows})
    documents.drop(f"mediatool_{VERSION}")
    assert load(run.objects, documents, pool, VERSION).documents == {"odd": 4}
    first, _, third, _ = run.documents("odd")
    assert first["doc"] == strange
    assert third["doc"].startswith("[" * 5000)
    assert facts(made, "losses")["odd.doc"] == {"depth": 1}
    documents.drop(f"mediatool_{VERSION}")
