"""Hypothesis strategies for BSON: every type that the codec can encode, nested."""

import string
from datetime import UTC, datetime
from typing import Any

import bson
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_LATER = st.builds(Timestamp, st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1))
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    _TEXT,
    st.builds(Binary, st.binary(max_size=20), st.sampled_from([0, 1, 2, 3, 5, 6, 128, 255])),
    st.uuids().map(lambda u: Binary(u.bytes, 4)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.datetimes(timezones=st.just(UTC)),
    st.binary(min_size=16, max_size=16).map(Decimal128.from_bid),
    st.builds(Regex, _KEYS, st.just(0)),
    _TEXT.map(Code),
    st.builds(Code, _TEXT, st.dictionaries(_KEYS, st.integers(0, 9), max_size=2)),
    st.builds(DBRef, st.text(string.ascii_letters, min_size=1), st.integers(0, 9)),
    _LATER,
    st.just(MinKey()),
    st.just(MaxKey()),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
"""Any value of a document."""


def _ids(number: int) -> st.SearchStrategy[Any]:
    """An ``_id`` of any type that differs from that of every other number."""
    moment = datetime(2000, 1, 1, 0, 0, number % 60, number // 60, tzinfo=UTC)
    return st.sampled_from(
        [
            number,
            Int64(number),
            float(number),
            Decimal128(f"{number}.00"),
            f"{number}",
            Binary(bytes([number]) * 16, 4),
            Binary(bytes([number])),
            ObjectId(number.to_bytes(12, "big")),
            moment.replace(microsecond=0, year=2000 + number),
            Timestamp(number + 1, 0),
            {"platformId": number % 3, "date": moment.replace(year=2000 + number)},
        ]
    )


@st.composite
def collections(draw: st.DrawFn) -> list[bytes]:
    """The documents of one collection: any content, distinct ``_id`` values of mixed types.

    mongod puts ``_id`` first, and fills in an empty Timestamp on the top level: neither is drawn.
    """
    fields = st.dictionaries(_KEYS.filter(lambda key: key != "_id"), VALUES, max_size=6)
    contents = draw(st.lists(fields, max_size=12))
    return [bson.encode({"_id": draw(_ids(n)), **content}) for n, content in enumerate(contents)]
