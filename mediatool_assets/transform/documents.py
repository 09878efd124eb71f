"""Converts rows into documents: a plan is made once for each shape, then used for every row.

The columns that joins need from a table's rows: the definition of keys and values.

``compiled_columns`` makes the same columns from whole blocks, and calls this module for each row
that it cannot convert.

The columns that joins need, made from blocks by the compiled codec, or by Python for odd rows.

``gathering`` defines the columns.

Gathers the keys and values that joins need from a table into Parquet files, in a worker.

Only tables and columns that a join needs are gathered. Wide payloads are not, unless a model embeds
them.
"""

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from bson.errors import InvalidDocument
from msgspec.structs import astuple
from xxhash import xxh3_128_hexdigest

from mediatool_assets.archive.reader import ArchiveReader, row_count, split_lines
from mediatool_assets.core.errors import BadArchive, BadValue
from mediatool_assets.core.manifest import Block
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.core.shapes import DocumentShape
from mediatool_assets.core.texts import decimal_text
from mediatool_assets.native import library
from mediatool_assets.native.rows import ODD, Kind, PlannedColumn, RowPlan, TextForm
from mediatool_assets.transform.values import (
    DEPTH,
    Convert,
    Losses,
    converter,
    shallow_converter,
    text_of,
)
from mediatool_assets.versions.records import Lines, Row, may_have_negative_zero, row_parser
from mediatool_assets.work.scratch import Spooling, cased

DOCUMENT_BYTES = 16 * 1024 * 1024
"""The largest document that MongoDB stores."""


_Leaf = tuple[str, str, Convert | None]
"""Dotted field, column and converter. Values that are not columns are under ``added_key``."""

FieldPlan = tuple[str, str, Convert | None, "Plan | None"]
"""Field, column and converter of a value, or a field and the plan of its group."""

Plan = tuple[FieldPlan, ...]


def added_key(field: str) -> str:
    """The key of an added field's value in a row; no column has such a name."""
    return f"\0{field}"


def encoded_value(value: object) -> bytes:
    """A value as it is in a document: its BSON type and payload, without the field's name."""
    document = bson.encode({"": value})
    return document[4:5] + document[6:-1]


class DocumentBuilder:
    """Makes the documents, or sub-documents, of one shape."""

    def __init__(self, shape: DocumentShape, losses: Losses, *, root: bool) -> None:
        self._table, self._key = shape.table.name, shape.key
        self._converters: dict[str, Convert | None] = {}
        quick: dict[str, Convert | None] = {}
        for part in shape.columns:
            tally = losses.tally(self._table, part.column.name)
            self._converters[part.column.name] = converter(part.column, part.type, tally)
            quick[part.column.name] = shallow_converter(part.column, part.type, tally)
        self.plan = _grouped(_leaves(shape, self._converters, root=root))
        self._shallow_plan = _grouped(_leaves(shape, quick, root=root))

    def document(self, row: Row, line: bytes) -> dict[str, Any]:
        """The document of a row and its line; raises BadValue naming the problem."""
        deep = line.count(b"{") + line.count(b"[") > DEPTH
        try:
            return _fill(self.plan if deep else self._shallow_plan, row)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise self._culprit(row, error) from error

    def encode(self, document: dict[str, Any], row: Row) -> bytes:
        """The document as BSON; raises BadValue if MongoDB cannot store it."""
        try:
            data = bson.encode(document)
        except (InvalidDocument, OverflowError, UnicodeEncodeError) as error:
            raise self._culprit(row, error) from error
        if len(data) > DOCUMENT_BYTES:
            column, size = self._largest(row)
            raise BadValue(
                self._table,
                self.key(row),
                column,
                f"{size} bytes of JSON",
                f"makes a document of {len(data)} bytes, more than MongoDB's {DOCUMENT_BYTES}",
            )
        return data

    def key(self, row: Row) -> object:
        """The row's key as the source has it, for messages."""
        if len(self._key) == 1:
            return row.get(self._key[0])
        return {column: row.get(column) for column in self._key} or "without a key"

    def _culprit(self, row: Row, error: Exception) -> BadValue:
        """Find the column that cannot be converted."""
        for column, convert in self._converters.items():
            if column not in row:
                return BadValue(self._table, self.key(row), column, None, "is not in the archive")
            value = row[column]
            try:
                made = value if value is None or convert is None else convert(value)
                bson.encode({"": made})
            except (ValueError, TypeError, AttributeError, OverflowError, InvalidDocument) as found:
                problem = f"cannot become the field ({found})"
                return BadValue(self._table, self.key(row), column, value, problem)
        return BadValue(self._table, self.key(row), "(several)", None, f"do not fit ({error})")

    def _largest(self, row: Row) -> tuple[str, int]:
        sizes = {
            name.removeprefix("\0"): len(bson.encode({"": value})) for name, value in row.items()
        }
        column = max(sizes, key=lambda name: sizes[name])
        return column, sizes[column]


def _leaves(
    shape: DocumentShape, converters: Mapping[str, Convert | None], *, root: bool
) -> list[_Leaf]:
    """Every field of a document in order: ``_id`` first, then in the order of table and model."""
    leaves: list[_Leaf] = [
        (part.field, part.column.name, converters[part.column.name]) for part in shape.columns
    ]
    leaves += [(added.field, added_key(added.field), None) for added in shape.additions]
    if root:
        if not shape.key:
            leaves.append(("_id", added_key("_id"), None))
        order = {column: at for at, column in enumerate(shape.key)}
        leaves.sort(key=lambda leaf: order.get(leaf[1], -1) if _in_id(leaf[0]) else len(order))
    return leaves


def _in_id(field: str) -> bool:
    return field == "_id" or field.startswith("_id.")


def _grouped(leaves: Iterable[_Leaf]) -> Plan:
    """Leaves with dotted fields as a tree; a group has the position of its first leaf."""
    groups: dict[str, list[_Leaf]] = {}
    for dotted, column, convert in leaves:
        head, _, rest = dotted.partition(".")
        groups.setdefault(head, []).append((rest, column, convert))
    return tuple(
        (head, inner[0][1], inner[0][2], None)
        if inner[0][0] == ""
        else (head, "", None, _grouped(inner))
        for head, inner in groups.items()
    )


def _fill(plan: Plan, row: Row) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, column, convert, group in plan:
        if group is not None:
            document[name] = _fill(group, row)
            continue
        value = row[column]
        document[name] = value if value is None or convert is None else convert(value)
    return document


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


_LARGEST = 1 << 28  # bytes of a block: its texts, escaped, stay below Arrow's 2 GiB


class CompiledColumns:
    """Makes the columns of one request, block by block."""

    def __init__(self, codec: ctypes.CDLL, need: GatherRequest) -> None:
        self._need, table = need, need.table
        self._names = [column.name for column in table.columns]
        numbers = {name for name in need.keys if _is_number(table.column(name))}
        self._rest = GatherRequest(
            table, numbers, need.arrays, whole=need.whole, hashed=need.hashed
        )
        self._keys, self._values = need.keys - numbers, need.values
        used = self._keys | self._values
        columns = [
            PlannedColumn(
                msgspec.json.encode(name) + b":",
                Kind.JSON if name in used else Kind.PASSED,
                is_array=False,
                is_used=name in used,
            )
            for name in self._names
        ]
        self._plan = RowPlan(codec, columns, ())

    def takes(self, content: bytes) -> bool:
        """Whether the codec can read the block, and makes any of the columns."""
        some = bool(self._keys or self._values)
        return some and content.endswith(b"\n") and len(content) <= _LARGEST

    def arrays(self, content: bytes, first: int) -> list[pa.Array]:
        """The columns of the request's schema, in its order; raises the errors of the parsers."""
        rows = row_count(content)
        status = bytearray(rows)
        self._plan.read(content, status)
        lines = Lines(content)
        made = {ORDINAL: pa.array(range(first, first + rows), pa.int64())}
        rest = self._rest.schema().names
        if len(rest) > 1:
            made |= zip(rest, column_arrays(self._rest, lines.all, first), strict=True)
        unknown = {at for at, outcome in enumerate(status) if outcome == ODD}
        for name in self._keys:
            form = _form(self._need.table.column(name))
            made[key_of(name)] = self._texts(name, form, unknown)
        for name in self._values:
            made[value_of(name)] = self._texts(name, TextForm.VALUE, unknown)
        if unknown:
            self._replace(made, sorted(unknown), lines)
        return [made[name] for name in self._need.schema().names]

    def _texts(self, name: str, form: TextForm, unknown: set[int]) -> pa.Array:
        """One column; rows that the codec cannot convert are added to ``unknown``."""
        found = self._plan.texts(self._names.index(name), form)
        if 0 in found.known:
            unknown.update(at for at, known in enumerate(found.known) if not known)
        buffers = [pa.py_buffer(data) for data in (found.valid, found.offsets, found.texts)]
        return pa.Array.from_buffers(pa.string(), len(found.known), buffers)

    def _replace(self, made: dict[str, pa.Array], rows: list[int], lines: Lines) -> None:
        """Add the values that Python makes from these rows to every column."""
        arrays = column_arrays(self._need, [lines.all[at] for at in rows], 0)
        for each, array in zip(self._need.schema(), arrays, strict=True):
            if each.name != ORDINAL:
                values = made[each.name].to_pylist()
                for at, value in zip(rows, array.to_pylist(), strict=True):
                    values[at] = value
                made[each.name] = pa.array(values, each.type)


def _is_number(column: Column) -> bool:
    """Whether its texts are numbers: equal numbers may have different texts."""
    return (column.element or column.base) in ("numeric", "money")


def _form(column: Column) -> TextForm:
    is_padded = (column.element or column.base) == "character"
    return TextForm.PADDED_KEY if is_padded else TextForm.KEY


@dataclass(frozen=True, slots=True)
class GatherShare:
    """Consecutive blocks of a table, for one worker."""

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
    """Write the share's Parquet file, a row group for each block."""
    return share.spools.file(share.name, lambda path: _gather(share, path))


def _gather(share: GatherShare, path: Path) -> None:
    schema, first = share.need.schema(), share.first
    columns = BlockColumns(share.need, share.archive.source.name)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for content in share.archive.blocks(share.blocks):
            arrays = columns.arrays(content, first)
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            first += row_count(content)


class BlockColumns:
    """Makes the columns of one request from blocks, by the codec or without it.

    ``where`` names the archive, for messages.
    """

    def __init__(self, need: GatherRequest, where: str) -> None:
        self._need, self._where = need, where
        codec = library()
        self._compiled = CompiledColumns(codec, need) if codec is not None else None

    def arrays(self, content: bytes, first: int) -> list[pa.Array]:
        """The columns of the request's schema, in its order; raises BadArchive.

        ``first`` is the ordinal of the block's first row.
        """
        try:
            if self._compiled is not None and self._compiled.takes(content):
                return self._compiled.arrays(content, first)
            return column_arrays(self._need, split_lines(content), first)
        except (ValueError, KeyError, ArithmeticError) as error:
            problem = f"{self._need.table.name}: of rows {first + 1} on, one cannot be read"
            raise BadArchive(self._where, f"{problem} ({error!r})") from error
