"""Collections as frames: their columns are typed by the validator, never by that day's values."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from bson import Decimal128, Int64, encode

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.archive.writer import ArchiveWriter, spool_documents
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.query.handles import ArchiveHandle, Documents
from mediatool_assets.query.session import CODEC
from mediatool_assets_tests.raw_archives import VERSION

_ID = UUID("12345678-1234-5678-1234-567812345678")
_FIELDS: Mapping[str, Any] = {
    "_id": {"bsonType": "binData"},
    "price": {"bsonType": ["decimal", "string", "null"]},
    "at": {"bsonType": ["date", "string", "null"]},
    "n": {"bsonType": "long"},
    "team": {"bsonType": "object"},
    "ids": {"bsonType": ["array", "string", "null"]},
    "note": {},
}
_VALIDATOR = {"$jsonSchema": {"required": list(_FIELDS), "properties": _FIELDS}}
_ROW: Mapping[str, Any] = {
    "_id": _ID,
    "price": Decimal128("1.50"),
    "at": datetime(2025, 6, 1, 12, tzinfo=UTC),
    "n": Int64(2**53 + 1),
    "team": {"owner": {"name": "ÅÄÖ", "price": Decimal128("1.50"), "ids": [_ID]}},
    "ids": [_ID],
    "note": "free text",
}
_EMPTY = dict.fromkeys(_FIELDS) | {"_id": _ID, "n": Int64(0), "team": {}}


def _collection(tmp_path: Path, validator: object, *documents: Mapping[str, Any]) -> Documents:
    path = tmp_path / "transformed.tar.gz"
    with path.open("wb") as file:
        writer = ArchiveWriter(file, "transformed", VERSION)
        encoded = [encode(document, codec_options=CODEC) for document in documents]
        spool = spool_documents(tmp_path / "rows", encoded)
        writer.add_rows("db/things.bson", [spool], collection="things")
        described = {"options": {"validator": validator} if validator else {}}
        writer.add_file("db/things.metadata.json", json.dumps(described).encode())
        writer.finish()
    return ArchiveHandle(ArchiveReader(LocalFile(path))).collection("things")


def test_the_types_do_not_depend_on_the_values(tmp_path: Path) -> None:
    """Not on nulls, not on other digits, not on whether there are documents at all."""
    of_text = {**_ROW, "price": "NaN", "ids": "{{a},{b}}", "note": {"a": 1}}
    schemas = [
        _collection(tmp_path, _VALIDATOR, *documents).to_arrow().schema
        for documents in ([_ROW], [_EMPTY], [of_text, _EMPTY], [])
    ]
    assert all(schema == schemas[0] for schema in schemas)
    assert schemas[0].names == list(_FIELDS)
    assert schemas[0].field("at").type == pa.timestamp("us", "UTC")
    assert schemas[0].field("n").type == pa.int64()


def test_values_are_exact(tmp_path: Path) -> None:
    """Decimals are text; what is nested, or of any type, is JSON with strings for such values."""
    (row, empty) = _collection(tmp_path, _VALIDATOR, _ROW, _EMPTY).to_arrow().to_pylist()
    assert (row["_id"], row["price"], row["n"]) == (str(_ID), "1.50", 2**53 + 1)
    assert row["at"] == _ROW["at"]
    assert json.loads(row["team"])["owner"] == {"name": "ÅÄÖ", "price": "1.50", "ids": [str(_ID)]}
    assert (json.loads(row["ids"]), json.loads(row["note"])) == ([str(_ID)], "free text")
    assert (empty["price"], empty["note"]) == (None, None)


@pytest.mark.parametrize(
    "validator", [{}, {"$jsonSchema": {"properties": {"n": {"bsonType": "long"}}}}]
)
def test_a_validator_that_does_not_list_the_fields_loses_none(
    tmp_path: Path, validator: dict[str, Any]
) -> None:
    """A model may switch it off, or write its own: then the names of fields are read first."""
    found = _collection(tmp_path, validator, {"n": Int64(1)}, {"n": Int64(2), "x": "1.50"})
    read = found.to_arrow()
    assert read.column("x").to_pylist() == [None, '"1.50"']
    assert [str(n) for n in read.column("n").to_pylist()] == ["1", "2"]


def test_a_field_that_the_validator_lacks_is_damage(tmp_path: Path) -> None:
    """MongoDB would take it, and no column could have it."""
    with pytest.raises(BadArchive, match="has the field 'more', which its validator lacks"):
        _collection(tmp_path, _VALIDATOR, {**_ROW, "more": 1}).to_arrow()
