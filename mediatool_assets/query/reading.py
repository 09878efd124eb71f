"""Reads rows of an archive in DuckDB: block by block, typed by the schema, counted and checked.

The DuckDB type of a PostgreSQL column, and the SQL that reads it from a row of the raw archive.

The type follows from ``schema.json`` alone, never from the values. A type that DuckDB cannot
represent exactly is read as PostgreSQL's text: ``numeric`` without a precision, ``money``,
``interval``, composite types, and all others that are not listed here.

Rows as lines of JSON in one Arrow column, ``line``, which DuckDB reads without a copy.
"""

import errno
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.core.errors import BadArchive, MediatoolError, Misuse, OutOfResources
from mediatool_assets.core.manifest import Block, Fingerprint, Member
from mediatool_assets.core.rows import PLAIN
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.work.scratch import duckdb_errors, identifier, literal

_TYPES = {
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "oid": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "bytea": "BLOB",
    "date": "DATE",
    "time without time zone": "TIME",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
    "json": "JSON",
    "jsonb": "JSON",
}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)(?:\[\])*")
_DECIMAL_DIGITS = 38  # maximum digits of DuckDB's DECIMAL
_TEXT = "VARCHAR"
_DAYS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_NESTED = "[["  # how an array of several dimensions begins


def duckdb_type(column: Column) -> str:
    """``BIGINT``, ``DECIMAL(12,2)``, ``UUID[]``, …; ``VARCHAR`` for everything read as text."""
    element = _element_type(column)
    return _scalar_type(column) if element is None else f"{element}[]"


def duckdb_value(column: Column, text: str, *, finite: bool = False) -> str:
    """SQL for the value of a column, from ``text``: SQL for the JSON value, strings unquoted.

    It fails in DuckDB on a value that the type cannot hold: ``NaN`` in a numeric, an array of
    several dimensions, a year beyond 294247. With ``finite`` an infinite date fails too.
    """
    element = _element_type(column)
    if element is None:
        return _scalar(_scalar_type(column), text, finite=finite)
    items = f"CAST(CAST({text} AS JSON) AS VARCHAR[])"
    each = _scalar(element, "item", finite=finite)
    values = items if each == "item" else f"list_transform({items}, lambda item: {each})"
    refused = _refused("an array of several dimensions", text)
    return f"CASE WHEN starts_with({text}, '{_NESTED}') THEN {refused} ELSE {values} END"


def is_text(column: Column) -> bool:
    """True if the column is text in DuckDB although it is a number or an array in PostgreSQL."""
    return duckdb_type(column) == _TEXT and (column.category in "NA" or column.base == "money")


def _element_type(column: Column) -> str | None:
    """The type of an array's elements; None if the column is not read as a list."""
    if column.element is None:
        return None
    if column.element == "numeric":
        return _decimal(column.type)
    if column.element in PLAIN or column.element == "bigint" or column.element_kind == "e":
        return _TYPES.get(column.element, _TEXT)
    return None


def _scalar_type(column: Column) -> str:
    if column.element is not None:
        return _TEXT
    if column.base == "numeric":
        return _decimal(column.type) or _TEXT
    return _TYPES.get(column.base, _TEXT)


def _decimal(declared: str) -> str | None:
    match = _NUMERIC.fullmatch(declared)
    if match is None or not int(match[2]) <= int(match[1]) <= _DECIMAL_DIGITS:
        return None
    return f"DECIMAL({match[1]},{match[2]})"


def _scalar(type_: str, text: str, *, finite: bool) -> str:
    if type_ == _TEXT:
        return text
    if type_ == "BLOB":
        return f"unhex(substr({text}, 3))"
    if type_ not in _DAYS:
        return f"CAST({text} AS {type_})"
    moment = f"regexp_replace({text}, '^([0-9]+-[0-9-]+)(.*) BC$', '\\1 (BC)\\2')"
    value = f"CAST(CASE WHEN ends_with({text}, 'BC') THEN {moment} ELSE {text} END AS {type_})"
    if not finite:
        return value
    refused = _refused("an infinite date", text)
    return f"CASE WHEN ends_with({text}, 'infinity') THEN {refused} ELSE {value} END"


def _refused(reason: str, text: str) -> str:
    """SQL that fails; DuckDB's own ``error`` is volatile, which ``TRY`` does not accept."""
    return f"CASE WHEN CAST({literal(f'{reason}: ')} || {text} AS TINYINT) = 0 THEN NULL END"


_LINE = "the row as a line of JSON, under a name that is longer than any of PostgreSQL's"
_ROWS = 10_000  # rows per batch
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])


BytesRead = Callable[[int], None]
"""Called with the uncompressed size of each block that was read."""


def nothing(_: int) -> None:
    """Report no progress."""


class HasName(Protocol):
    """Something with a URI or path."""

    @property
    def name(self) -> str:
        """The URI or path, for messages."""


class BlockReader(Protocol):
    """The source of rows: an archive, or a collection of a MongoDB server."""

    @property
    def source(self) -> HasName:
        """The location of the rows."""

    def blocks(self, blocks: Sequence[Block]) -> Iterator[bytes]:
        """The content of the blocks, one by one; raises BadArchive or a store's own error."""


@dataclass(slots=True)
class StoredRows:
    """The rows of one table of a raw archive, with its columns for queries.

    ``table`` gives names and types; the columns in ``as_text`` are read as text. ``lines`` converts
    a block to NDJSON, and ``split`` splits it into the items of its fingerprint.
    """

    archive: BlockReader
    member: Member
    table: Table
    as_text: frozenset[str] = frozenset()
    split: Callable[[bytes], list[bytes]] = split_lines
    lines: Callable[[list[bytes], bytes], bytes] = field(default=lambda _, content: content)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and DuckDB types, in the table's order; names are unique case-insensitively."""
        return [
            (name, "VARCHAR" if column.name in self.as_text else duckdb_type(column))
            for name, column in zip(self._names(), self.table.columns, strict=True)
        ]

    def read(
        self,
        connection: duckdb.DuckDBPyConnection,
        use: Callable[[duckdb.DuckDBPyRelation], None],
        *,
        finite: bool = False,
        progress: BytesRead = nothing,
        with_line: bool = False,
    ) -> None:
        """Call ``use`` with a relation over all rows, which streams and can be read once.

        With ``with_line`` its last column has the row as NDJSON.

        Raises BadArchive if the rows differ from the manifest; Misuse if a value does not fit the
        type of its column; OutOfResources if memory or a disk is full. After an error, the result
        of ``use`` must not be used.
        """
        rows = _CheckedBlocks(self, progress)
        try:
            use(self._relation(connection, rows.reader(), finite=finite, with_line=with_line))
        except duckdb_errors() as error:
            rows.finish(complete=False)
            check_room(error)
            raise Misuse(self._misfit(connection, error, finite=finite)) from error
        rows.finish(complete=True)

    def lines_where(
        self,
        connection: duckdb.DuckDBPyConnection,
        condition: str,
        most: int,
        progress: BytesRead = nothing,
    ) -> list[bytes]:
        """The rows that match the SQL condition, as NDJSON without newlines, sorted.

        Raises Misuse if they have more than ``most`` bytes, and the errors of ``read``.
        """
        found: list[bytes] = []

        def keep(relation: duckdb.DuckDBPyRelation) -> None:
            matching = relation.set_alias(self.table.relation).filter(condition)
            room = most
            for batch in matching.project(identifier(_LINE)).to_arrow_reader(_ROWS):
                lines = [line.encode().removesuffix(b"\n") for line in batch[0].to_pylist()]
                room -= sum(map(len, lines))
                if room < 0:
                    raise Misuse(
                        f"{self.table.name}: the selected rows have more than {most >> 20} MiB; "
                        "narrow the condition, or restore the whole table with --tables"
                    )
                found.extend(lines)

        self.read(connection, keep, progress=progress, with_line=True)
        return sorted(found)

    def shown(
        self, connection: duckdb.DuckDBPyConnection, lines: list[bytes]
    ) -> list[tuple[str | None, ...]]:
        """The values of rows of the table as DuckDB prints them, row by row.

        A value that its type cannot represent is returned as in the archive.
        """
        typed = [self._value(n, c, finite=False) for n, c in enumerate(self.table.columns)]
        values = ", ".join(
            f"coalesce(CAST(TRY({value}) AS VARCHAR), texts[{n}])"
            for n, value in enumerate(typed, 1)
        )
        rows = _in_duckdb(connection, lines).project(self._extracted())
        return [tuple(row) for row in rows.project(values).fetchall()]

    def texts(
        self, connection: duckdb.DuckDBPyConnection, lines: list[bytes], columns: Sequence[str]
    ) -> list[tuple[str | None, ...]]:
        """The values of these columns in rows of the table, as text, row by row."""
        paths = ", ".join(literal(_pointer(name)) for name in columns)
        query = f"json_extract_string(line, [{paths}]::VARCHAR[])"
        found = _in_duckdb(connection, lines).project(f"{query} AS texts").fetchall()
        return [tuple(texts) for (texts,) in found]

    def _relation(
        self,
        connection: duckdb.DuckDBPyConnection,
        lines: "pa.RecordBatchReader",
        *,
        finite: bool,
        with_line: bool,
    ) -> duckdb.DuckDBPyRelation:
        values = [
            f"{self._value(n, column, finite=finite)} AS {identifier(name)}"
            for n, (name, column) in enumerate(zip(self._names(), self.table.columns, strict=True))
        ]
        extracted = self._extracted()
        if with_line:
            values.append(f"line AS {identifier(_LINE)}")
            extracted += ", line"
        return connection.from_arrow(lines).project(extracted).project(", ".join(values))

    def _extracted(self) -> str:
        """SQL for the list of a line's values as text, in the table's order."""
        paths = ", ".join(literal(_pointer(column.name)) for column in self.table.columns)
        return f"json_extract_string(line, [{paths}]::VARCHAR[]) AS texts"

    def _value(self, number: int, column: Column, *, finite: bool) -> str:
        text = f"texts[{number + 1}]"
        return text if column.name in self.as_text else duckdb_value(column, text, finite=finite)

    def _names(self) -> list[str]:
        return unique_names(column.name for column in self.table.columns)

    def _misfit(
        self, connection: duckdb.DuckDBPyConnection, error: Exception, *, finite: bool
    ) -> str:
        """The message about the columns with a value that does not fit, with the next step."""
        tries = ", ".join(
            f"count(texts[{n + 1}]) - count(TRY({self._value(n, column, finite=finite)}))"
            for n, column in enumerate(self.table.columns)
        )
        lines = connection.from_arrow(_CheckedBlocks(self, nothing).reader())
        counts = lines.project(self._extracted()).aggregate(tries).fetchall()[0]
        misfits = [
            f"{self.table.name}.{column.name} ({count:,} in {column.type})"
            for column, count in zip(self.table.columns, counts, strict=True)
            if count
        ]
        if not misfits:
            return f"{self.table.name}: {duckdb_message(error)}; correct the query"
        return (
            f"{self.archive.source.name}: values that DuckDB's type cannot hold: "
            f"{', '.join(misfits)}; read these columns as text (`--text TABLE.COLUMN`)"
        )


class _CheckedBlocks:
    """The blocks of a member as Arrow batches; ``finish`` raises unless all were valid.

    Arrow passes an error on as text only, so the error is stored and raised by ``finish``.
    """

    def __init__(self, rows: StoredRows, progress: BytesRead) -> None:
        self._rows, self._progress = rows, progress
        self._begun = False
        self._fingerprint = Fingerprint()
        self._error: MediatoolError | None = None

    def reader(self) -> "pa.RecordBatchReader":
        """Batches of one text column, ``line``; one block in memory at a time."""

        return reader(self._contents())

    def _contents(self) -> Iterator[bytes]:
        rows = self._rows
        self._begun = True
        try:
            for content in rows.archive.blocks(rows.member.blocks):
                items = rows.split(content)
                self._fingerprint += Fingerprint.of(items)
                lines = rows.lines(items, content)
                self._check_columns(lines)
                yield lines
                self._progress(len(content))
        except MediatoolError as error:
            self._error = error
            raise

    def _check_columns(self, lines: bytes) -> None:
        """Raise BadArchive if a block's first row does not have the schema's columns."""
        wanted = {column.name for column in self._rows.table.columns}
        try:
            found = _KEYS.decode(lines.split(b"\n", 1)[0]).keys()
        except msgspec.DecodeError as error:
            raise BadArchive(self._name, f"a row cannot be read ({error})") from error
        if odd := found ^ wanted:
            raise BadArchive(
                self._name, f"{', '.join(sorted(odd))}: only in the row or only in the schema"
            )

    @property
    def _name(self) -> str:
        return f"{self._rows.archive.source.name}: {self._rows.member.name}"

    def finish(self, *, complete: bool) -> None:
        """Raise the error that ended the reading; if ``complete``, raise BadArchive if rows differ.

        Nothing is compared if DuckDB read nothing, as for a condition that is always false.
        """
        if self._error is not None:
            raise self._error
        expected = self._rows.member.fingerprint  # a collection of a server has none
        if complete and self._begun and expected not in (None, str(self._fingerprint)):
            raise BadArchive(self._name, "its rows do not have the manifest's fingerprint")


def unique_names(names: Iterator[str]) -> list[str]:
    """The names; a name that differs from an earlier one only by case gets a number (``Id_2``)."""
    seen: set[str] = set()
    unique = []
    for name in names:
        number, chosen = 1, name
        while chosen.casefold() in seen:
            number += 1
            chosen = f"{name}_{number}"
        seen.add(chosen.casefold())
        unique.append(chosen)
    return unique


def check_room(error: Exception) -> None:
    """Raise OutOfResources if DuckDB failed because memory or a disk is full."""
    if isinstance(error, duckdb.OutOfMemoryException) or os.strerror(errno.ENOSPC) in str(error):
        raise OutOfResources(
            f"{duckdb_message(error)}; free space on that disk, or set MEDIATOOL_HOME and "
            "MEDIATOOL_SCRATCH to folders on a larger one"
        ) from error


def duckdb_message(error: Exception) -> str:
    """DuckDB's message in one line, without the query that it repeats."""
    if isinstance(error, UnicodeDecodeError):
        error = Exception(error.object.decode(errors="replace"))
    return " ".join(str(error).partition("\n\n")[0].split())


def _in_duckdb(
    connection: duckdb.DuckDBPyConnection, lines: list[bytes]
) -> duckdb.DuckDBPyRelation:
    """A relation with one row per line."""

    return connection.from_arrow(table(lines))


def _pointer(name: str) -> str:
    """The JSON pointer (RFC 6901) of a column."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def text_columns(table: Table, names: Collection[str]) -> frozenset[str]:
    """The columns in ``TABLE.COLUMN`` names that belong to this table."""
    return frozenset(c.name for c in table.columns if f"{table.name}.{c.name}" in names)


_SCHEMA = pa.schema([("line", pa.string())])
_NEWLINE = 10


def reader(contents: Iterable[bytes]) -> pa.RecordBatchReader:
    """One batch per content, which is NDJSON; each line keeps its newline."""
    return pa.RecordBatchReader.from_batches(_SCHEMA, map(_batch, contents))


def table(lines: list[bytes]) -> pa.Table:
    """A table of lines without newlines."""
    return pa.table([pa.array(map(bytes.decode, lines), pa.string())], schema=_SCHEMA)


def _batch(content: bytes) -> pa.RecordBatch:
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE).astype(np.int32) + 1
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    column = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(content))
    return pa.RecordBatch.from_arrays([column], schema=_SCHEMA)
