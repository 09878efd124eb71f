"""Documents of a collection as an Arrow table: a column a field, in the order of first sight.

Sub-documents and arrays are JSON text, in which decimals, dates, UUIDs and base64 of binary are
strings. So is a field whose values are of several types.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
from bson import Decimal128, ObjectId

_DECIMAL_DIGITS = 76  # of Arrow's decimal256


def arrow_table(documents: Iterable[Mapping[str, object]]) -> pa.Table:
    """The documents; a field that a document lacks is null there."""
    columns: dict[str, list[object]] = {}
    for count, document in enumerate(documents):
        for field in document:
            if field not in columns:
                columns[field] = [None] * count
        for field, values in columns.items():
            values.append(document.get(field))
    arrays = [_array(values) for values in columns.values()]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _array(values: Sequence[Any]) -> pa.Array:
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) <= 1:
        kind = kinds.pop() if kinds else type(None)
        try:
            return _typed(kind, values)
        except (pa.ArrowException, ValueError, OverflowError):
            return _json_text(values)
    return _json_text(values)


def _decimals(values: Sequence[Decimal | None]) -> pa.Array:
    """An array as wide as the values need; raises ValueError where none is wide enough."""
    scale = whole = 0
    for value in values:
        if value is not None:
            _, digits, exponent = value.as_tuple()
            if not isinstance(exponent, int):
                raise ValueError(f"{value} is not finite")
            scale = max(scale, -exponent)
            whole = max(whole, len(digits) + exponent)
    precision = max(1, whole + scale)
    if precision > _DECIMAL_DIGITS:
        raise ValueError(f"{precision} digits are more than a decimal holds")
    kind = pa.decimal128 if precision <= 38 else pa.decimal256
    return pa.array(values, kind(precision, scale))


def _kind(value: object) -> type:
    for kind in (bool, int, float, str, datetime, Decimal128, UUID, ObjectId, bytes):
        if isinstance(value, kind):
            return kind
    return object


def _typed(kind: type, values: Sequence[Any]) -> pa.Array:
    match kind.__name__:
        case "Decimal128":
            return _decimals([None if v is None else v.to_decimal() for v in values])
        case "UUID" | "ObjectId":
            return pa.array([None if v is None else str(v) for v in values], pa.string())
        case "object":
            return _json_text(values)
        case name:
            return pa.array(values, _ARROW[name])


_ARROW: dict[str, pa.DataType] = {
    "NoneType": pa.null(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "datetime": pa.timestamp("ms", "UTC"),
    "bytes": pa.binary(),
}


def _json_text(values: Sequence[Any]) -> pa.Array:
    return pa.array(
        [None if v is None else json.dumps(v, default=_plain, ensure_ascii=False) for v in values],
        pa.string(),
    )


def _plain(value: Any) -> str:
    """The JSON string of a value that JSON has no type for."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value.to_decimal() if isinstance(value, Decimal128) else value)
