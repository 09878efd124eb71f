"""Gathers the keys and values that joins need from a table into Parquet files.

Tables that take part in no join are not gathered, and columns that no join asks for stay behind:
wide payloads pass the joins by, unless a model embeds them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from xxhash import xxh3_128_hexdigest

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.domain.decimal_text import decimal_text
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.manifest import Block
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.transform.documents_of_json import text_of
from mediatool_assets.flows.transform.raw_rows import may_have_negative_zero, row_parser
from mediatool_assets.flows.workers.duckdb_session import cased
from mediatool_assets.flows.workers.spooling import Spooling

ORDINAL = "o"
"""The row's place in its table's order, from 0; the other columns are below."""
WHOLE = "row"
HASH = "hash"


def key_of(column: str) -> str:
    """The column that holds a value as canonical text, for equality."""
    return f"k:{cased(column)}"


def keys_of(column: str) -> str:
    """The column that holds an array's elements as canonical texts."""
    return f"a:{cased(column)}"


def value_of(column: str) -> str:
    """The column that holds a value as JSON."""
    return f"j:{cased(column)}"


@dataclass
class GatherRequest:
    """What joins need from one table: columns as keys, arrays as keys, values, rows, hashes."""

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


@dataclass(frozen=True, slots=True)
class GatherShare:
    """Consecutive blocks of a table for one worker to gather from."""

    need: GatherRequest
    archive: ArchiveReader
    blocks: tuple[Block, ...]
    first: int
    spools: Spooling
    name: str

    @property
    def ordinals(self) -> range:
        """Of the rows that are gathered."""
        return range(self.first, self.first + sum(block.rows for block in self.blocks))


def gather(share: GatherShare) -> str:
    """In a worker: write the share's Parquet file, a row group for each block."""
    return share.spools.file(share.name, lambda path: _gather(share, path))


def _gather(share: GatherShare, path: Path) -> None:
    schema, first = share.need.schema(), share.first
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for content in share.archive.blocks(share.blocks):
            lines = split_lines(content)
            try:
                columns = list(_columns(share.need, lines, first))
            except (ValueError, KeyError, ArithmeticError) as error:
                where, table = share.archive.source.name, share.need.table.name
                problem = f"{table}: of rows {first + 1} on, one cannot be read ({error!r})"
                raise BadArchive(where, problem) from error
            arrays = [
                pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            first += len(lines)


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
    """The values of the columns that are asked for; the others are passed over, not read."""
    names = sorted(need.keys | need.arrays | need.values)
    if not names:
        return {}
    fields = {name: f"c{at}" for at, name in enumerate(names)}
    row = msgspec.defstruct(
        "Row",
        [(field, Any) for field in fields.values()],
        rename=dict(zip(fields.values(), names, strict=True)),
    )
    decode = msgspec.json.Decoder(row).decode
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
            found = row(*(whole[name] for name in names))
        rows.append(found)
    return {name: list(map(attrgetter(field), rows)) for name, field in fields.items()}


def _elements(value: Any, column: Column) -> list[str | None] | None:
    """The elements of an array that JSON can say; one that is text has none to match."""
    return [canonical(item, column) for item in value] if type(value) is list else None


def canonical(value: Any, column: Column) -> str | None:
    """One text for all values that PostgreSQL takes for equal, numbers across their types.

    Those of citext keep their case: what they equal depends on what they are held against.
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
