"""Values of the raw archive become BSON values, exactly, or are counted as losses."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.model import FieldType
from mediatool_assets.transform.values import (
    DEPTH,
    DocumentReader,
    converter,
    decimal128,
    uncounted,
)
from mediatool_assets_tests.raw_archives import column

document_of = DocumentReader(uncounted)


def convert(type_: str, value: Any, override: FieldType | None = None) -> tuple[Any, Counter[str]]:
    """What a value becomes, and the losses it counts."""
    losses: Counter[str] = Counter()
    made = converter(column("x", type_), override, lambda kind: losses.update([kind]))
    return (made(value) if made is not None else value), losses


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("text", "a\\b\n\u2028😀", "a\\b\n\u2028😀"),
        ("character(3)", "a  ", "a  "),
        ("integer", 7, 7),
        ("bigint", 7, Int64(7)),
        ("bigint", "9223372036854775807", Int64(9223372036854775807)),
        ("bigint", "-9223372036854775808", Int64(-9223372036854775808)),
        ("double precision", 5, 5.0),
        ("double precision", "Infinity", float("inf")),
        ("real", 0.1, 0.1),
        ("numeric", "1.50", Decimal128("1.50")),
        ("numeric", "NaN", Decimal128("NaN")),
        ("numeric", "-Infinity", Decimal128("-Infinity")),
        ("money", "-92233720368547758.08", Decimal128("-92233720368547758.08")),
        ("boolean", False, False),
        ("date", "2025-06-21", datetime(2025, 6, 21)),
        ("date", "0001-01-01", datetime(1, 1, 1)),
        (
            "timestamp without time zone",
            "9999-12-31T23:59:59.999",
            datetime(9999, 12, 31, 23, 59, 59, 999000),
        ),
        ("timestamp with time zone", "2025-06-21T14:30:00+00:00", datetime(2025, 6, 21, 14, 30)),
        ("timestamp with time zone", "2025-06-21T14:30:00+02:00", datetime(2025, 6, 21, 12, 30)),
        ("time without time zone", "14:30:00.123456", "14:30:00.123456"),
        ("interval", "1 day 02:00:00", "1 day 02:00:00"),
        ("int4range", "[1,5)", "[1,5)"),
        ("inet", "10.0.0.0/8", "10.0.0.0/8"),
        (
            "uuid",
            "00112233-4455-6677-8899-aabbccddeeff",
            Binary(bytes.fromhex("00112233445566778899aabbccddeeff"), 4),
        ),
        ("bytea", "\\x00ff", b"\x00\xff"),
        (
            "jsonb",
            {"b": 1, "a": [None, {"$set": 1.5, "x.y": "", "": {}}]},
            {"b": 1, "a": [None, {"$set": 1.5, "x.y": "", "": {}}]},
        ),
        ("jsonb", '"text"', "text"),
        ("jsonb", "18446744073709551616", Decimal128("18446744073709551616")),
        ("json", ' {"a" : 1.0} ', {"a": 1.0}),
        ("integer[]", [1, None, 3], [1, None, 3]),
        ("integer[]", [[1], [2]], [[1], [2]]),
        ("numeric[]", ["1.0", None], [Decimal128("1.0"), None]),
        ("text[]", [], []),
    ],
)
def test_a_value_becomes_its_bson_kin(type_: str, value: Any, expected: Any) -> None:
    """Each PostgreSQL type has one BSON type, and nothing is lost on the way."""
    made, losses = convert(type_, value)
    assert bson.encode({"": made}) == bson.encode({"": expected})
    assert not losses


@pytest.mark.parametrize(
    ("type_", "value", "expected", "kind"),
    [
        ("numeric", "1" * 35, "1" * 35, "digits"),
        ("numeric", "0." + "0" * 6200 + "1", "0." + "0" * 6200 + "1", "digits"),
        ("date", "infinity", "infinity", "out_of_range"),
        ("date", "0044-03-15 BC", "0044-03-15 BC", "out_of_range"),
        (
            "timestamp with time zone",
            "294276-12-31T23:59:59+00:00",
            "294276-12-31T23:59:59+00:00",
            "out_of_range",
        ),
        (
            "timestamp without time zone",
            "2025-06-21T14:30:00.123456",
            datetime(2025, 6, 21, 14, 30, 0, 123000),
            "microseconds",
        ),
        (
            "timestamp without time zone",
            "1969-12-31T23:59:59.999999",
            datetime(1969, 12, 31, 23, 59, 59, 999000),
            "microseconds",
        ),
        ("json", '{"a":1,"a":2}', '{"a":1,"a":2}', "duplicate_key"),
        ("json", '{"a\\u0000":1}', '{"a\\u0000":1}', "nul_in_key"),
        ("json", '"\\ud800"', '"\\ud800"', "lone_surrogate"),
        ("json", "[" * 3000 + "]" * 3000, "[" * 3000 + "]" * 3000, "depth"),
        ("jsonb", '{"n":' + "9" * 5000 + "}", {"n": "9" * 5000}, "digits"),
        ("integer[]", "[0:1]={1,2}", "[0:1]={1,2}", "array_as_text"),
    ],
)
def test_a_loss_is_counted_and_what_was_there_is_kept(
    type_: str, value: Any, expected: Any, kind: str
) -> None:
    """What BSON cannot hold is text or cut to milliseconds, and always counted by its kind."""
    made, losses = convert(type_, value)
    assert bson.decode(bson.encode({"x": made}))["x"] == expected
    assert losses == Counter([kind])


@pytest.mark.parametrize(
    ("type_", "value", "override", "expected"),
    [
        ("bigint", 5, FieldType.STRING, "5"),
        ("boolean", True, FieldType.STRING, "true"),
        ("jsonb", {"a": 1}, FieldType.STRING, '{"a":1}'),
        ("text", "12", FieldType.INT, 12),
        ("text", "1234567890123456789", FieldType.LONG, Int64(1234567890123456789)),
        ("text", "1.5", FieldType.DOUBLE, 1.5),
        ("double precision", 1.5, FieldType.DECIMAL, Decimal128("1.5")),
        ("text", "t", FieldType.BOOL, True),
        ("text", "2025-06-21", FieldType.DATE, datetime(2025, 6, 21)),
        (
            "text",
            "00112233445566778899aabbccddeeff",
            FieldType.UUID,
            Binary(bytes.fromhex("00112233445566778899aabbccddeeff"), 4),
        ),
        ("text", '{"a":1}', FieldType.DOCUMENT, {"a": 1}),
        ("date", "2025-06-21", FieldType.STRING, "2025-06-21"),
        (
            "timestamp with time zone",
            "2025-06-21T14:30:00.123456+00:00",
            FieldType.STRING,
            "2025-06-21T14:30:00.123456+00:00",
        ),
    ],
)
def test_a_model_can_give_a_column_another_type(
    type_: str, value: Any, override: FieldType, expected: Any
) -> None:
    """An override converts without a loss, or not at all."""
    assert convert(type_, value, override) == (expected, Counter())


@pytest.mark.parametrize(
    ("type_", "value", "override"),
    [
        ("text", "x", FieldType.INT),
        ("text", "2147483648", FieldType.INT),
        ("double precision", 1.5, FieldType.LONG),
        ("text", "x", FieldType.DECIMAL),
        ("text", "sNaN", FieldType.DECIMAL),
        ("text", "maybe", FieldType.BOOL),
        ("text", "yesterday", FieldType.DATE),
        ("text", "abc", FieldType.UUID),
        ("text", "{", FieldType.DOCUMENT),
        ("text", "NaN", FieldType.DOCUMENT),
        ("bytea", "ff", None),
        ("boolean", True, FieldType.DOUBLE),
    ],
)
def test_what_cannot_be_converted_is_refused(
    type_: str, value: Any, override: FieldType | None
) -> None:
    """A value that is not of the type is a ValueError, never a null."""
    with pytest.raises(ValueError, match=r"."):
        convert(type_, value, override)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=None).map(lambda d: format(d, "f"))
)
def test_a_decimal_keeps_every_digit_and_its_scale(text: str) -> None:
    """What Decimal128 takes is exactly what PostgreSQL printed."""
    made = decimal128(text)
    if made is None:
        assert len(Decimal(text).as_tuple().digits) > 34 or len(text) > 6000
    else:
        assert made.to_decimal().as_tuple() == Decimal(text).as_tuple()


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_a_moment_loses_its_microseconds_at_most(moment: datetime) -> None:
    """A BSON date is the moment cut to milliseconds, also before 1970."""
    made, losses = convert("timestamp with time zone", moment.isoformat() + "+00:00")
    assert bson.decode(bson.encode({"x": made}))["x"] == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )
    assert losses["microseconds"] == bool(moment.microsecond % 1000)


@given(st.dates())
def test_a_date_never_shifts(day: date) -> None:
    """A date is the midnight of that day in UTC."""
    made, _ = convert("date", day.isoformat())
    instant = int.from_bytes(bson.encode({"x": made})[7:15], "little", signed=True)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant) == datetime(
        day.year, day.month, day.day, tzinfo=UTC
    )


@given(st.uuids())
def test_a_uuid_is_binary_of_subtype_4(value: UUID) -> None:
    """The bytes are in the order of the text."""
    assert convert("uuid", str(value))[0] == Binary(value.bytes, 4)


@given(st.binary())
def test_bytea_is_its_bytes(value: bytes) -> None:
    """Hex in, bytes out."""
    assert convert("bytea", "\\x" + value.hex())[0] == value


TEXT = st.text(st.characters(codec="utf-8"))
KEYS = st.text(st.characters(codec="utf-8", min_codepoint=1))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(JSON)
def test_a_json_document_survives_bson(value: Any) -> None:
    """Keys with dots, dollars or nothing in them, their order and all 64-bit integers stay."""
    made = document_of(json.dumps(value))
    back = bson.decode(bson.encode({"x": made}))["x"]
    assert json.dumps(back) == json.dumps(value)


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_in_a_document_is_exact_or_text(number: int | Decimal) -> None:
    """Whatever type it becomes, it is the same number."""
    text = str(number)
    made = document_of(text)
    exact = made.to_decimal() if isinstance(made, Decimal128) else Decimal(repr(made).strip("'"))
    assert exact == Decimal(text)


def test_nesting_is_kept_up_to_the_limit() -> None:
    """The deepest document that is kept as one, and the first that is not."""
    fits, too_deep = ("[" * n + "]" * n for n in (DEPTH, DEPTH + 1))
    assert document_of(fits) == json.loads(fits)
    assert document_of(too_deep) == too_deep
    assert convert("jsonb", json.loads(too_deep)) == (too_deep, Counter(["depth"]))
