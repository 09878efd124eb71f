"""The ``_id`` of an encoded document, as bytes that are equal if MongoDB treats two as equal."""

from typing import Any

import bson
from bson.decimal128 import Decimal128

from mediatool_assets.domain.decimal_text import decimal_text

_FIXED = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x12: 8, 0x13: 16}
"""Bytes of a value by BSON type; others start with their length."""

_DECIMAL = 0x13
_BEGIN = 9  # after the document's length, the type, and the name "_id"


def identity(document: bytes) -> bytes:
    """Type and value of ``_id``, which is the document's first field; 1.0 and 1.00 are the same."""
    kind = document[4]
    if kind in _FIXED:
        length = _FIXED[kind]
    else:
        length = int.from_bytes(document[_BEGIN : _BEGIN + 4], "little")
        length += {0x02: 4, 0x05: 5}.get(kind, 0)
    value = document[4 : _BEGIN + length]
    if kind == _DECIMAL or (kind == 0x03 and _DECIMAL in value):
        found = bson.decode(document)["_id"]
        if _has_decimal(found):
            return bson.encode({"": _normal(found)})
    return value


def _has_decimal(value: Any) -> bool:
    if type(value) is dict:
        return any(map(_has_decimal, value.values()))
    return isinstance(value, Decimal128)


def _normal(value: Any) -> Any:
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        return "NaN" if number.is_nan() else decimal_text(number)
    if type(value) is dict:
        return {key: _normal(part) for key, part in value.items()}
    return value
