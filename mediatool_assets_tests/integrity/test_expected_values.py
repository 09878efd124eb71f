"""The plain rules of the integrity report agree with the transform, which they know nothing of."""

from collections import Counter
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.model import FieldType
from mediatool_assets.core.schema import Table
from mediatool_assets.integrity import expected_values
from mediatool_assets.integrity.expected_values import (
    CODEC,
    MISSING,
    RowLayout,
    RowParser,
    is_double,
    key_text,
    plain,
    rule,
    texts,
)
from mediatool_assets.transform.values import converter
from mediatool_assets_tests.raw_archives import column


def both(type_: str, value: Any, override: FieldType | None = None) -> tuple[Any, Any]:
    """What is expected of a value, and what the transform makes of it; each with its losses."""
    of = column("x", type_)
    lost: Counter[str] = Counter()
    made = rule(of, override, lost)
    expected = value if made is None else made(value)
    losses: Counter[str] = Counter()
    convert = converter(of, override, lambda kind: losses.update([kind]))
    document = {"x": value if convert is None else convert(value)}
    found = bson.decode(bson.encode(document), CODEC)["x"]
    if is_double(of, override) and isinstance(found, float):
        found = expected_values.double(found)
    return (plain(expected), +lost), (plain(found), +losses)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("integer", 7),
        ("bigint", 7),
        ("bigint", 2**31),
        ("bigint", "-9223372036854775808"),
        ("double precision", 5),
        ("double precision", "-Infinity"),
        ("double precision", "NaN"),
        ("numeric", "1.50"),
        ("numeric", "0.0000001"),
        ("numeric", "NaN"),
        ("numeric", "1" * 35),
        ("numeric", "0." + "0" * 6200 + "1"),
        ("money", "-92233720368547758.08"),
        ("boolean", False),
        ("date", "infinity"),
        ("date", "0044-03-15 BC"),
        ("timestamp with time zone", "2025-06-21T14:30:00.123456+00:00"),
        ("timestamp without time zone", "1969-12-31T23:59:59.999999"),
        ("timestamp without time zone", "12345-06-07T00:00:00"),
        ("uuid", "00112233-4455-6677-8899-aabbccddeeff"),
        ("bytea", "\\x00ff"),
        ("inet", "10.0.0.0/8"),
        ("integer[]", [1, None, [2]]),
        ("uuid[]", ["00112233-4455-6677-8899-aabbccddeeff", None]),
        ("numeric[]", ["1.10"]),
        ("text[]", "[0:0]={a}"),
        ("jsonb", {"b": [1, 2.5, 2**40, None, {"": ""}], "a": True}),
        ("jsonb", "18446744073709551616"),
        ("jsonb", '"text"'),
        ("json", '{"a": 1, "a": 2}'),
        ("json", '{"a": 0.1000000000000000055511151231257827}'),
        ("json", '["\\ud800"]'),
        ("json", '{"a\\u0000": 1}'),
        ("json", "[" * 96 + "]" * 96),
        ("json", "[" * 95 + "]" * 95),
        ("json", "[" + "9" * 40 + "]"),
    ],
)
def test_a_value_is_what_the_transform_made_of_it(type_: str, value: Any) -> None:
    """Value, type and declared losses, by two programs."""
    expected, found = both(type_, value)
    assert expected == found


@given(st.decimals(allow_nan=False, allow_infinity=False).map("{:f}".format))
def test_every_number_is(text: str) -> None:
    """At any scale."""
    expected, found = both("numeric", text)
    assert expected == found


@given(st.datetimes().map(lambda moment: moment.isoformat()))
def test_every_moment_is(text: str) -> None:
    """Before 1970 too, where milliseconds are counted backwards."""
    expected, found = both("timestamp without time zone", text)
    assert expected == found


def test_a_negative_zero_is_one() -> None:
    """In a column of floats and in an array of them, and in the text of JSON."""
    table = Table("t", (column("a", "real"), column("b", "double precision[]"), column("c")))
    rows = RowParser(RowLayout(table, (("a", None), ("b", None), ("c", None)), ()))
    line = b'{"a":-0,"b":[0,-0,[-0]],"c":"-0,"}'
    raw = rows.parse(line)
    assert repr(raw) == "{'a': -0.0, 'b': [0, -0.0, [-0.0]], 'c': '-0,'}"
    assert repr(rows.values(raw, deep=False)) == "[-0.0, [0.0, -0.0, [-0.0]], '-0,']"
    expected, found = both("json", '{"a":-0,"b":[-0, 0]}')
    assert repr(expected) == repr(found) == "({'a': -0.0, 'b': [-0.0, 0]}, Counter())"


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab$.", max_size=3), inner),
)


@given(st.dictionaries(st.text("ab", max_size=2), _JSON))
def test_every_document_is(document: dict[str, Any]) -> None:
    """Keys in order, integers by their size, doubles as doubles."""
    expected, found = both("jsonb", document)
    assert expected == found


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (5, bson.Int64(5)),
        (2**40, float(2**40)),
        (1, True),
        (1.5, bson.Decimal128("1.5")),
        (bson.Decimal128("1.5"), bson.Decimal128("1.50")),
        ("1", 1),
        (None, MISSING),
        (None, []),
        ([], {}),
        (bson.Binary(b"1" * 16, 4), bson.Binary(b"1" * 16, 0)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ],
)
def test_what_differs_in_type_scale_or_order_is_not_the_same(one: Any, two: Any) -> None:
    """A type is as much a part of a value as its digits."""
    assert plain([one]) != plain([two]) or expected_values.dumps([one]) != expected_values.dumps(
        [two]
    )


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("integer", 7, "7"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("numeric", "7.00", "7"),
        ("numeric", "1234567890123456789012345678901234", "1234567890123456789012345678901234"),
        ("text", "7", "7"),
        ("boolean", True, "true"),
        ("uuid", "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff"),
    ],
)
def test_keys_match_by_value_across_types(type_: str, value: Any, text: str) -> None:
    """As PostgreSQL compares them: 7 is 7.00; the same of a raw value and of a document's."""
    assert texts(column("x", type_))(value) == text
    convert = converter(column("x", type_), None, lambda _: None)
    made = bson.decode(bson.encode({"x": convert(value) if convert else value}), CODEC)["x"]
    assert key_text(plain(made)) == text
