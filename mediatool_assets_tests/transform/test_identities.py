"""Two documents have one identity exactly where MongoDB would refuse the second."""

from datetime import datetime
from typing import Any

import bson
import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from mediatool_assets.transform.row_documents import identity

IDS = [
    None,
    True,
    1,
    Int64(1 << 40),
    1.5,
    "text",
    "",
    datetime(2025, 6, 21),
    Binary(bytes(16), 4),
    b"",
    Decimal128("1.5"),
    Decimal128("NaN"),
    Decimal128("1234567890123456789012345678901234"),
    Decimal128("1234567890123456789012345678901235"),
    {"a": 1, "b": "x"},
    {"b": "x", "a": 1},
    {"a": Decimal128("1.0")},
    {"a": 0x13},
]


@pytest.mark.parametrize("value", IDS, ids=repr)
def test_an_identity_depends_on_the_id_alone(value: Any) -> None:
    """Whatever else the document holds."""
    plain, full = ({"_id": value}, {"_id": value, "more": "x", "_ids": [1]})
    assert identity(bson.encode(plain)) == identity(bson.encode(full))


def test_different_ids_have_different_identities() -> None:
    """Types and the order of fields count."""
    assert len({identity(bson.encode({"_id": value})) for value in IDS}) == len(IDS)


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1.00"), ("0", "0.0"), ("-0", "0"), ("1E+2", "100"), ("NaN", "-NaN")]
)
def test_decimals_are_compared_by_value(one: str, other: str) -> None:
    """MongoDB does not tell apart what differs in scale only, at any depth."""
    first, second = Decimal128(one), Decimal128(other)
    assert identity(bson.encode({"_id": first})) == identity(bson.encode({"_id": second}))
    assert identity(bson.encode({"_id": {"a": {"b": first}}})) == identity(
        bson.encode({"_id": {"a": {"b": second}}})
    )
