"""Converts values of the raw archive's JSON into BSON, with one converter for each column.

Converts decimal text into Decimal128, digit by digit: 1.50 stays 1.50.

Values that BSON cannot represent exactly, counted by table, column and kind.

- ``digits``: a number of more than 34 digits, or outside of Decimal128's exponents, is a string.
- ``microseconds``: a time was cut to BSON's milliseconds.
- ``out_of_range``: infinity, or a year outside of 1 to 9999, is a string.
- ``array_as_text``: an array that JSON cannot represent (lower bounds, composite elements) is a
  string.
- ``duplicate_key``, ``nul_in_key``, ``lone_surrogate``, ``depth``: a JSON document is its text.

Converts JSON text into BSON exactly, or gives the reason why it cannot.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

import orjson
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from mediatool_assets.core.model import FieldType
from mediatool_assets.core.schema import Column
from mediatool_assets.core.texts import deep_recursion

_DIGITS = 10**34  # a coefficient below this has at most the 34 digits that Decimal128 holds
_BIAS = 6176  # exponents go from -6176 to 6111
_TOP = 6111
_LOW = (1 << 64) - 1
_NAMED = {name: Decimal128(name) for name in ("NaN", "Infinity", "-Infinity")}


def decimal128(text: str) -> Decimal128 | None:
    """The number with every digit and its scale; None if Decimal128 cannot represent it.

    Raises ValueError if the text is not a number. The bits are computed here because the
    constructor from text is ten times slower.
    """
    whole, _, fraction = text.partition(".")
    negative = whole.startswith("-")
    digits = (whole[1:] if negative else whole) + fraction
    if not (digits.isdecimal() and digits.isascii()):
        return _NAMED[text] if text in _NAMED else _scientific(text)
    return _bits(negative, digits, -len(fraction))


def _scientific(text: str) -> Decimal128 | None:
    """A number with an exponent, as JSON allows."""
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except ArithmeticError as error:
        raise ValueError("is no decimal number") from error
    if not isinstance(exponent, int):
        raise ValueError("is no decimal number")  # a value is wrong, not a type
    return _bits(bool(sign), "".join(map(str, digits)), exponent)


def _bits(negative: bool, digits: str, exponent: int) -> Decimal128 | None:
    if len(digits) > 34 and len(digits := digits.lstrip("0")) > 34:
        return None
    coefficient = int(digits or "0")
    if coefficient >= _DIGITS or not -_BIAS <= exponent <= _TOP:
        return None
    high = (negative << 63) | ((exponent + _BIAS) << 49) | (coefficient >> 64)
    return Decimal128((high, coefficient & _LOW))  # type: ignore[arg-type]  # bits, as documented


Tally = Callable[[str], None]
"""Counts one more loss of a kind."""


class Losses:
    """Counts of one worker: ``{"table.column": {kind: count}}``."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def tally(self, table: str, column: str) -> Tally:
        """The function that counts the losses of a column."""
        counts = self._counts.setdefault(f"{table}.{column}", Counter())
        return partial(_count, counts)

    def add(self, table: str, column: str, kind: str, count: int) -> None:
        """Count several losses of a column at once."""
        if count:
            self._counts.setdefault(f"{table}.{column}", Counter())[kind] += count

    def counted(self) -> dict[str, dict[str, int]]:
        """The columns with losses."""
        return {name: dict(counts) for name, counts in self._counts.items() if counts}


def _count(counts: Counter[str], kind: str) -> None:
    counts[kind] += 1


def uncounted(kind: str) -> None:
    """A Tally for copies of values, whose originals are counted already."""


DEPTH = 95
"""Levels of arrays and objects in one value. MongoDB documents 100 for a whole document (mongod 6
refuses above 180); the rest is left for the sub-documents that a model puts around it."""

_INEXACT = re.compile(r"[\d.]{17}|\d[eE]|-0(?![\d.])")
"""Numbers of at most 15 digits are exact as doubles or as 64-bit integers, except ``-0``."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _Unfit(Exception):  # a signal between functions of this module
    """BSON cannot represent the document; ``args[0]`` is the kind of loss to count."""


class DocumentReader:
    """Reads the documents of one column, and counts their losses.

    ``clean`` means that PostgreSQL has removed duplicate keys, as in jsonb.
    """

    def __init__(self, tally: Tally, *, clean: bool = False) -> None:
        self._tally = tally
        hook = None if clean else _object
        self._plain = json.JSONDecoder(object_pairs_hook=hook, parse_constant=_no_constant)
        self._exact = json.JSONDecoder(
            object_pairs_hook=hook,
            parse_constant=_no_constant,
            parse_int=lambda digits: _integer(digits, tally),
            parse_float=lambda number: _float(number, tally),
        )

    def __call__(self, text: str) -> Any:
        """The document: objects in order, integers as int, other numbers as double if exact.

        Larger or longer numbers are Decimal128 or, with more than 34 digits, strings (counted as
        ``digits``). A document with a duplicate key, a NUL in a key, a lone surrogate, or more than
        DEPTH levels is stored as its text, and counted under that name. Raises ValueError if the
        text is not JSON.
        """
        try:
            value = self._parsed(text)
            if _SURROGATE.search(text):
                text_of(value, default=str).encode()
        except _Unfit as unfit:
            self._tally(unfit.args[0])
            return text
        except UnicodeEncodeError:
            self._tally("lone_surrogate")
            return text
        if too_deep(value):
            self._tally("depth")
            return text
        return value

    def _parsed(self, text: str) -> Any:
        decoder = self._exact if _INEXACT.search(text) else self._plain
        try:
            return decoder.decode(text)
        except RecursionError:
            with deep_recursion():
                return decoder.decode(text)


def text_of(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """A JSON value as text; ``default`` converts other objects."""
    try:
        return orjson.dumps(value, default).decode()
    except orjson.JSONEncodeError:  # it goes 254 levels deep, and refuses lone surrogates
        with deep_recursion():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=default)


def too_deep(value: Any) -> bool:
    """Whether a JSON value has more than DEPTH levels of arrays and objects."""
    level = [value] if type(value) in (dict, list) else []
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH:
            return True
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Unfit("duplicate_key")
    if any("\0" in key for key in value):
        raise _Unfit("nul_in_key")
    return value


def _integer(digits: str, tally: Tally) -> Any:
    if digits == "-0":
        return -0.0
    if len(digits) < 19 or (len(digits) < 40 and -(1 << 63) <= int(digits) < 1 << 63):
        return int(digits)
    return _decimal(digits, tally)


def _float(number: str, tally: Tally) -> Any:
    near = float(number)
    return near if Decimal(repr(near)) == Decimal(number) else _decimal(number, tally)


def _decimal(number: str, tally: Tally) -> Any:
    exact = decimal128(number)
    if exact is None:
        tally("digits")
        return number
    return exact


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


Convert = Callable[[Any], Any]
"""Converts a JSON value that is not null; raises ValueError naming the problem."""

_FAR = re.compile(r"-?infinity|\d{5,}-\d\d-\d\d.*|\d{4,}-\d\d-\d\d.* BC")
"""Dates that PostgreSQL accepts and a calendar of the years 1 to 9999 does not have."""

_DEFAULTS: Final = {
    "smallint": FieldType.INT,
    "integer": FieldType.INT,
    "bigint": FieldType.LONG,
    "real": FieldType.DOUBLE,
    "double precision": FieldType.DOUBLE,
    "numeric": FieldType.DECIMAL,
    "money": FieldType.DECIMAL,
    "boolean": FieldType.BOOL,
    "date": FieldType.DATE,
    "timestamp with time zone": FieldType.DATE,
    "timestamp without time zone": FieldType.DATE,
    "uuid": FieldType.UUID,
    "json": FieldType.DOCUMENT,
    "jsonb": FieldType.DOCUMENT,
}


def default_type(base: str) -> FieldType | None:
    """The BSON type of a PostgreSQL type; None for bytea, which a model cannot request.

    Types without a BSON type (time, interval, inet, ranges, ...) are stored as text.
    """
    return None if base == "bytea" else _DEFAULTS.get(base, FieldType.STRING)


def converter(column: Column, override: FieldType | None, tally: Tally) -> Convert | None:
    """The function from a column's JSON values to BSON values; None if they need no conversion."""
    base = column.element or column.base
    if override is None and base == "bytea":
        single: Convert | None = _binary
    elif override is None:
        single = _default(base, tally)
    else:
        single = _OVERRIDES[override](tally)
    if column.element is None:
        return single
    return _array(single, tally)


def _default(base: str, tally: Tally) -> Convert | None:
    match _DEFAULTS.get(base):
        case None | FieldType.INT | FieldType.BOOL:
            return None
        case FieldType.LONG:
            return Int64
        case FieldType.DOUBLE:
            return float
        case FieldType.DOCUMENT:
            return _documents(tally, clean=base == "jsonb")
        case other:
            return _OVERRIDES[other](tally)


def _array(single: Convert | None, tally: Tally) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is str:
            tally("array_as_text")
            return value
        if single is None:
            return value
        return [
            None if item is None else convert(item) if type(item) is list else single(item)
            for item in value
        ]

    return convert


def _decimals(tally: Tally) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is bool:
            raise ValueError("is no decimal number")
        exact = decimal128(value if type(value) is str else repr(value))
        if exact is None:
            tally("digits")
            return value if type(value) is str else repr(value)
        return exact

    return convert


def _dates(tally: Tally) -> Convert:
    def convert(text: Any) -> Any:
        try:
            moment = datetime.fromisoformat(text.removesuffix("+00:00"))
        except ValueError:
            if not _FAR.fullmatch(text):
                raise
            tally("out_of_range")
            return text
        if moment.microsecond % 1000:
            tally("microseconds")
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)

    return convert


def _documents(tally: Tally, *, clean: bool = False) -> Convert:
    read = DocumentReader(tally, clean=clean)

    def convert(value: Any) -> Any:
        if type(value) is str:
            return read(value)
        if too_deep(value):
            tally("depth")
            return text_of(value)
        return value

    return convert


def shallow_converter(column: Column, override: FieldType | None, tally: Tally) -> Convert | None:
    """As ``converter``, for rows without values of more than DEPTH levels."""
    chosen = override or default_type(column.base)
    if chosen is not FieldType.DOCUMENT or column.element is not None:
        return converter(column, override, tally)
    read = DocumentReader(tally, clean=column.base == "jsonb")
    return lambda value: read(value) if type(value) is str else value


def _uuid(text: str) -> Binary:
    data = bytes.fromhex(text.replace("-", ""))
    if len(data) != 16:
        raise ValueError("is no uuid")
    return Binary(data, 4)


def _binary(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise ValueError("is not bytea in hex")
    return bytes.fromhex(text[2:])


def _text(value: Any) -> str:
    return value if type(value) is str else text_of(value)


def _whole(bits: int) -> Convert:
    kind = int if bits == 32 else Int64

    def convert(value: Any) -> int:
        if type(value) is bool or (type(value) is float and not value.is_integer()):
            raise ValueError("is no whole number")
        number = int(value)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError(f"does not fit into {bits} bits")
        return kind(number)

    return convert


def _boolean(value: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False, "t": True, "f": False}
    if type(value) not in (bool, int, str) or value not in known:
        raise ValueError("is neither true nor false")
    return known[value]


def _double(value: Any) -> float:
    if type(value) is bool:
        raise ValueError("is no number")
    return float(value)


_OVERRIDES: Final[dict[FieldType, Callable[[Tally], Convert]]] = {
    FieldType.STRING: lambda _: _text,
    FieldType.INT: lambda _: _whole(32),
    FieldType.LONG: lambda _: _whole(64),
    FieldType.DOUBLE: lambda _: _double,
    FieldType.DECIMAL: _decimals,
    FieldType.BOOL: lambda _: _boolean,
    FieldType.DATE: _dates,
    FieldType.UUID: lambda _: _uuid,
    FieldType.DOCUMENT: _documents,
}
