"""Reads rows of an archive in DuckDB: block by block, typed by the schema, counted and checked."""

import errno
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import duckdb
import msgspec

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.domain.errors import BadArchive, MediatoolError, Misuse, OutOfResources
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Block, Member
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.flows.query.columns import duckdb_type, duckdb_value
from mediatool_assets.flows.workers.duckdb_session import DUCKDB_ERRORS, identifier, literal

_LINE = "the row as a line of JSON, under a name that is longer than any of PostgreSQL's"
_ROWS = 10_000  # rows per batch
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])

if TYPE_CHECKING:
    import pyarrow as pa

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
        except DUCKDB_ERRORS as error:
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
        from mediatool_assets.flows.query.arrow_lines import reader  # noqa: PLC0415  # slow

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
    from mediatool_assets.flows.query.arrow_lines import table  # noqa: PLC0415  # slow

    return connection.from_arrow(table(lines))


def _pointer(name: str) -> str:
    """The JSON pointer (RFC 6901) of a column."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def text_columns(table: Table, names: Collection[str]) -> frozenset[str]:
    """The columns in ``TABLE.COLUMN`` names that belong to this table."""
    return frozenset(c.name for c in table.columns if f"{table.name}.{c.name}" in names)
