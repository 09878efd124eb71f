"""The columns that joins need from a table's rows: the definition of keys and values.

``compiled_columns`` makes the same columns from whole blocks, and calls this module for each row
that it cannot convert.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
from msgspec.structs import astuple
from xxhash import xxh3_128_hexdigest

from mediatool_assets.domain.decimal_text import decimal_text
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.transform.documents_of_json import text_of
from mediatool_assets.flows.versions.raw_rows import may_have_negative_zero, row_parser
from mediatool_assets.flows.workers.duckdb_session import cased

ORDINAL = "o"
"""The row's position in its table, from 0; the other columns are below."""
WHOLE = "row"
HASH = "hash"


def key_of(column: str) -> str:
    """The column with a value as canonical text, for equality."""
    return f"k:{cased(column)}"


def keys_of(column: str) -> str:
    """The column with an array's elements as canonical texts."""
    return f"a:{cased(column)}"


def value_of(column: str) -> str:
    """The column with a value as JSON."""
    return f"j:{cased(column)}"


@dataclass
class GatherRequest:
    """A request for one table's columns: keys, arrays as keys, values, rows, hashes."""

    table: Table
    keys: set[str] = field(default_factory=set)
    arrays: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    whole: bool = False
    hashed: bool = False

    def schema(self) -> pa.Schema:
        """The columns of its files."""
        return pa.schema(
            [(ORDINAL, pa.int64())]
            + [(key_of(column), pa.string()) for column in sorted(self.keys)]
            + [(keys_of(column), pa.list_(pa.string())) for column in sorted(self.arrays)]
            + [(value_of(column), pa.string()) for column in sorted(self.values)]
            + [(WHOLE, pa.string())] * self.whole
            + [(HASH, pa.string())] * self.hashed
        )


def column_arrays(need: GatherRequest, lines: Sequence[bytes], first: int) -> list[pa.Array]:
    """The columns of the request's schema, in its order; ``first`` is the first row's ordinal.

    Raises ValueError, KeyError or ArithmeticError if a row cannot be read.
    """
    columns = zip(_columns(need, lines, first), need.schema(), strict=True)
    return [pa.array(values, field.type) for values, field in columns]


def _columns(need: GatherRequest, lines: Sequence[bytes], first: int) -> Iterable[list[Any]]:
    """The values of the schema's columns, in its order."""
    columns = _picked(need, lines)
    yield list(range(first, first + len(lines)))
    for name in sorted(need.keys):
        column = need.table.column(name)
        yield [canonical(value, column) for value in columns[name]]
    for name in sorted(need.arrays):
        column = need.table.column(name)
        yield [_elements(value, column) for value in columns[name]]
    for name in sorted(need.values):
        yield [text_of(value) for value in columns[name]]
    if need.whole:
        yield [line.decode() for line in lines]
    if need.hashed:
        yield [xxh3_128_hexdigest(line) for line in lines]


def _picked(need: GatherRequest, lines: Sequence[bytes]) -> dict[str, list[Any]]:
    """The values of the requested columns; other columns are skipped without decoding."""
    names = sorted(need.keys | need.arrays | need.values)
    if not names:
        return {}
    decode = _picker(names)
    parse = row_parser(need.table)
    floats = any(need.table.column(name).is_float for name in need.values)
    rows = []
    for line in lines:
        try:
            found = None if floats and may_have_negative_zero(line) else decode(line)
        except (msgspec.DecodeError, RecursionError):  # what it does not take, or is no row
            found = None
        if found is None:
            whole = parse(line)
            found = tuple(whole[name] for name in names)
        rows.append(found)
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _picker(names: Sequence[str]) -> Callable[[bytes], tuple[Any, ...] | None]:
    """A function from a line to their values; it returns None if a name cannot be a field."""
    fields = {name: f"c{at}" for at, name in enumerate(names)}
    try:
        row = msgspec.defstruct(
            "Row",
            [(field, Any) for field in fields.values()],
            rename=dict(zip(fields.values(), names, strict=True)),
        )
    except ValueError:  # a struct's fields have no quotes, backslashes or line ends in their names
        return _nothing
    decode, values = msgspec.json.Decoder(row).decode, astuple
    return lambda line: values(decode(line))


def _nothing(_: bytes) -> None:
    """The values of no line."""


def _elements(value: Any, column: Column) -> list[str | None] | None:
    """The elements of a JSON array; an array that is stored as text has none to match."""
    return [canonical(item, column) for item in value] if type(value) is list else None


def canonical(value: Any, column: Column) -> str | None:
    """One text for all values that PostgreSQL treats as equal, also numbers of different types.

    Values of citext keep their case: whether case counts depends on the other value's type.
    """
    if value is None:
        return None
    if type(value) is str:
        base = column.element or column.base
        if base == "character":
            return value.rstrip(" ")
        return decimal_text(Decimal(value)) if base in ("numeric", "money") else value
    if type(value) is float:
        return decimal_text(Decimal(repr(value)))
    return text_of(value)
