"""Documents as Arrow tables: a column a field, decimals and dates typed, nested values as JSON."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
from bson import Decimal128, Int64

from mediatool_assets.flows.query.arrow_documents import arrow_table

_UUID = UUID("12345678-1234-5678-1234-567812345678")


def test_fields_are_columns_of_their_type() -> None:
    """A field of one type has Arrow's type for it; where a document lacks it, it is null."""
    noon = datetime(2025, 6, 1, 12, tzinfo=UTC)
    read = arrow_table(
        [
            {"_id": _UUID, "price": Decimal128("1.50"), "at": noon, "n": Int64(2**53 + 1)},
            {"_id": _UUID, "price": None, "late": True, "raw": b"\x00"},
        ]
    )
    assert read.column_names == ["_id", "price", "at", "n", "late", "raw"]
    assert read.schema.field("price").type == pa.decimal128(3, 2)
    assert read.schema.field("at").type == pa.timestamp("ms", "UTC")
    assert read.to_pylist()[0] == {
        "_id": str(_UUID),
        "price": Decimal("1.50"),
        "at": noon,
        "n": 2**53 + 1,
        "late": None,
        "raw": None,
    }
    assert read.to_pylist()[1]["raw"] == b"\x00"


def test_nested_and_mixed_values_are_json() -> None:
    """Sub-documents, arrays, and fields of several types become JSON text."""
    read = arrow_table(
        [
            {"team": {"owner": {"name": "ÅÄÖ", "price": Decimal128("1.50")}}, "x": 1},
            {"team": {"ids": [_UUID]}, "x": "one"},
        ]
    ).to_pylist()
    assert json.loads(read[0]["team"]) == {"owner": {"name": "ÅÄÖ", "price": "1.50"}}
    assert json.loads(read[1]["team"]) == {"ids": [str(_UUID)]}
    assert [row["x"] for row in read] == ["1", '"one"']


def test_infinite_decimals_are_json() -> None:
    """A decimal that Arrow has no value for turns its field into text, the others with it."""
    read = arrow_table([{"x": Decimal128("NaN")}, {"x": Decimal128("1.10")}])
    assert read.column("x").to_pylist() == ['"NaN"', '"1.10"']


def test_no_documents_are_no_columns() -> None:
    """An empty collection is an empty table."""
    assert arrow_table([]).num_rows == 0
