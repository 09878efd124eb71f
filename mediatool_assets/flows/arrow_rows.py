"""Rows of a raw archive as an Arrow table, typed by the source's schema, no value changed.

A column whose values the Arrow type cannot hold as they are (infinite dates, NaN among numerics,
years before Christ, arrays of several dimensions) is text instead: PostgreSQL's own, or JSON.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import time
from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from mediatool_assets.domain.schema import Column, Table

_JSON = ("json", "jsonb")
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
_DECIMAL_DIGITS = 76  # of Arrow's decimal256

Value = Any  # what JSON holds: bool, int, float, str or None

_CONVERTED: dict[str, tuple[Callable[[Value], Value], pa.DataType]] = {
    "boolean": (bool, pa.bool_()),
    "smallint": (int, pa.int16()),
    "integer": (int, pa.int32()),
    "bigint": (int, pa.int64()),
    "oid": (int, pa.int64()),
    "real": (float, pa.float32()),
    "double precision": (float, pa.float64()),
    "bytea": (lambda text: bytes.fromhex(text.removeprefix("\\x")), pa.binary()),
    "time without time zone": (time.fromisoformat, pa.time64("us")),
}
_PARSED: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}


def arrow_table(table: Table, blocks: Iterable[bytes]) -> pa.Table:
    """The rows of NDJSON blocks; each field carries its PostgreSQL type in its metadata."""
    names = [f"c{number}" for number in range(len(table.columns))]
    row_type = msgspec.defstruct(
        "Row",
        [(name, _decoded(column)) for name, column in zip(names, table.columns, strict=True)],
        rename=dict(zip(names, (c.name for c in table.columns), strict=True)),
        gc=False,
    )
    decoder = msgspec.json.Decoder(row_type)
    values: list[list[Value]] = [[] for _ in names]
    for block in blocks:
        rows = decoder.decode_lines(block)
        for name, column, kept in zip(names, table.columns, values, strict=True):
            found = (getattr(row, name) for row in rows)
            kept.extend(map(_raw_text, found) if _is_raw(column) else found)
    arrays = [_array(column, kept) for column, kept in zip(table.columns, values, strict=True)]
    fields = [
        pa.field(column.name, array.type, column.nullable, {"postgres": column.type})
        for column, array in zip(table.columns, arrays, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def data_frame(table: pa.Table) -> pd.DataFrame:
    """The same values in Arrow-backed columns: integers with nulls stay integers."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def decimals(values: Sequence[Decimal | None]) -> pa.Array:
    """An array as wide as the values need; raises ValueError where none is wide enough."""
    scale = whole = 0
    for value in values:
        if value is not None:
            _, digits, exponent = value.as_tuple()
            if not isinstance(exponent, int):
                raise ValueError(f"{value} is not finite")
            scale = max(scale, -exponent)
            whole = max(whole, len(digits) + exponent)
    return pa.array(values, _decimal(max(1, whole + scale), scale))


def _decimal(precision: int, scale: int) -> pa.DataType:
    if precision > _DECIMAL_DIGITS:
        raise ValueError(f"{precision} digits are more than a decimal holds")
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def _is_raw(column: Column) -> bool:
    return column.base in _JSON or column.element is not None or column.is_float


def _decoded(column: Column) -> Any:
    """The type that msgspec reads a column's values with."""
    return msgspec.Raw if _is_raw(column) else bool | int | float | str | None


def _raw_text(raw: msgspec.Raw) -> str | None:
    text = bytes(raw).decode()
    return None if text == "null" else text


def _array(column: Column, values: list[Value]) -> pa.Array:
    try:
        if column.element is not None:
            return _lists(column.element, values)
        if column.base in _JSON:
            return _text(values)
        if column.is_float:  # -0 is an integer to JSON's parsers
            values = [v and v.strip('"') for v in values]
        return _plain(column.type, column.base, values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return _text(values) if _is_raw(column) else _plain_text(values)


def _text(values: list[str | None]) -> pa.Array:
    """JSON values as text: a JSON string holds the text, anything else is its own."""
    return pa.array(
        [msgspec.json.decode(v, type=str) if v and v[0] == '"' else v for v in values],
        pa.string(),
    )


def _plain_text(values: list[Value]) -> pa.Array:
    return pa.array([v if v is None or isinstance(v, str) else str(v) for v in values], pa.string())


def _lists(element: str, values: list[str | None]) -> pa.Array:
    """Arrays of one dimension as lists; raises ValueError on others."""
    offsets: list[int | None] = []
    flat: list[Value] = []
    for value in values:
        offsets.append(None if value is None else len(flat))
        if value is not None:
            items = json.loads(value, parse_int=str)  # -0 is a float's
            if not isinstance(items, list) or any(isinstance(item, list) for item in items):
                raise ValueError("not an array of one dimension")
            flat.extend(items)
    child = _plain(element, element, flat)
    return pa.ListArray.from_arrays(pa.array([*offsets, len(flat)], pa.int32()), child)


def _plain(declared: str, base: str, values: list[Value]) -> pa.Array:
    """A column of no array and no json; ``declared`` may tell precision and scale."""
    if base in _CONVERTED:
        convert, arrow_type = _CONVERTED[base]
        return pa.array(_each(convert, values), arrow_type)
    if base in _PARSED:
        return pa.array(values, pa.string()).cast(_PARSED[base])
    if base in ("numeric", "money"):
        return _numeric(declared, values)
    return _plain_text(values)


def _numeric(declared: str, values: list[Value]) -> pa.Array:
    exact = _each(Decimal, values)
    if (match := _NUMERIC.fullmatch(declared)) and int(match[2]) >= 0:
        return pa.array(exact, _decimal(int(match[1]), int(match[2])))
    return decimals(exact)


def _each(convert: Callable[[Value], Value], values: list[Value]) -> list[Value]:
    return [None if value is None else convert(value) for value in values]
