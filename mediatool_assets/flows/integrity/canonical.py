"""A canonical JSON form for the values of both sides, which includes their type.

Values that JSON has are unchanged: null, booleans, texts, doubles, 32-bit integers (and 64-bit
integers that do not fit into 32), lists and documents. Every other BSON type is a list of its name
and its text.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import orjson
from bson.binary import Binary
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from mediatool_assets.domain.decimal_text import decimal_text

Canonical = Any
"""A value of this form; ``orjson`` can write it."""

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS  # as in BSON: no calendar, no zone
)
LONG, DOUBLE, DECIMAL, DATE, BINARY, ABSENT = (
    f"\0{name}" for name in ("int64", "double", "decimal", "date", "binary", "absent")
)

INT32: Final = range(-(1 << 31), 1 << 31)


class Absent:
    """Stands for a field that a document does not have."""


MISSING = Absent()


def long(number: int) -> Canonical:
    """A 64-bit integer; marked as such only if it would fit into 32 bits."""
    return [LONG, number] if number in INT32 else number


def double(number: float) -> Canonical:
    """A double; infinity and NaN, which JSON lacks, are marked."""
    return number if number - number == 0 else [DOUBLE, repr(number)]


def decimal(number: Decimal) -> Canonical:
    """A Decimal128 with its scale."""
    return [DECIMAL, str(number)]


def date(milliseconds: int) -> Canonical:
    """A date in milliseconds since 1970."""
    return [DATE, milliseconds]


def binary(subtype: int, digits: str) -> Canonical:
    """Binary data in hex, and its subtype."""
    return [f"{BINARY}{subtype}", digits]


_FORMS: Final[dict[type, Callable[[Any], Canonical]]] = {
    DatetimeMS: lambda value: date(int(value)),
    Decimal128: lambda value: decimal(value.to_decimal()),
    Int64: lambda value: long(int(value)),
    Binary: lambda value: binary(value.subtype, value.hex()),
    bytes: lambda value: binary(0, value.hex()),
    Absent: lambda _: [ABSENT],
}


def of_bson(value: Any) -> Canonical:
    """A BSON value of a type that JSON lacks, as ``CODEC`` decodes it."""
    form = _FORMS.get(type(value))
    return form(value) if form is not None else [f"\0{type(value).__name__}", str(value)]


def dumps(value: Any) -> bytes:
    """The JSON bytes of a value, or of a list of values, of either side."""
    return orjson.dumps(value, of_bson, orjson.OPT_PASSTHROUGH_SUBCLASS)


def plain(value: Any) -> Canonical:
    """Convert a value of either side to this form, recursively."""
    return orjson.loads(dumps(value))


def key_text(value: Canonical) -> str | None:  # noqa: PLR0911  # one for each type
    """One text for all values that PostgreSQL treats as equal; numbers across their types."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return decimal_text(Decimal(repr(value)))
        case [str(kind), int(number)] if kind == LONG:
            return str(number)
        case [str(kind), str(text)] if kind in (DECIMAL, DOUBLE):
            return decimal_text(Decimal(text))
        case [str(kind), content] if kind.startswith("\0"):
            return str(content)
        case _:
            return dumps(value).decode()
