"""Converts values of the raw archive's JSON into BSON, with one converter for each column."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from bson.binary import Binary
from bson.int64 import Int64

from mediatool_assets.domain.model import FieldType
from mediatool_assets.domain.schema import Column
from mediatool_assets.flows.transform.documents_of_json import DocumentReader, text_of, too_deep
from mediatool_assets.flows.transform.losses import Tally
from mediatool_assets.flows.transform.numbers import decimal128

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
