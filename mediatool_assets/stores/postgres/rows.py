"""Rows as NDJSON: the select list that keeps every digit, and the workers' reader.

docs/reference/archive-format.md describes the JSON of each type; ``domain.copy_text`` converts it
back.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from psycopg import capabilities, sql
from psycopg.types.string import ByteaBinaryLoader

from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.row_json import PLAIN
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.urls import Url
from mediatool_assets.stores.postgres.connection import (
    Connection,
    begin,
    connected,
    database_address,
    translated,
)
from mediatool_assets.stores.postgres.jsonb import JsonbColumns

BATCH_BYTES = 1 << 20  # a batch is copied once to search it: keep both in the cache

_TOGETHER = 8
"""Rows that libpq hands over at once: one by one takes twice the time, more takes more memory."""

_NULL = sql.SQL("pg_column_size({0}) <= 16 AND {0} = 'null'")


def expression(column: Column) -> sql.Composable:
    """The expression for which ``row_to_json`` writes the column without any loss."""
    if column.computed_anew:
        return sql.SQL("NULL::text")
    return _template(column).format(sql.Identifier(column.name))


def _template(column: Column) -> sql.SQL:
    if column.element is not None:
        return _array_template(column.element, column.element_kind)
    if column.base in PLAIN or column.base == "jsonb":
        return sql.SQL("{0}")
    match column.base:
        case "bigint":  # a number if a double holds it exactly
            return sql.SQL(
                "CASE WHEN {0} BETWEEN -9007199254740992 AND 9007199254740992 "
                "THEN to_json({0}) ELSE to_json({0}::text) END"
            )
        case "numeric" | "json":
            return sql.SQL("{0}::text")
        case "money":  # its text depends on the server's locale
            return sql.SQL("{0}::numeric::text")
        case _:  # concat uses the output function of any type; a cast may not
            return sql.SQL("CASE WHEN num_nulls({0}) = 0 THEN concat({0}) END")


def _array_template(element: str, kind: str | None) -> sql.SQL:
    if element in ("bigint", "numeric"):
        elements = "to_json({0}::text[])"
    elif element == "money":
        elements = "to_json({0}::numeric[]::text[])"
    elif element in PLAIN or kind == "e":
        elements = "to_json({0})"
    else:
        return sql.SQL("CASE WHEN num_nulls({0}) = 0 THEN concat({0}) END")
    # JSON arrays have no lower bounds: an array with one other than 1 is written as PostgreSQL's
    # text
    return sql.SQL(
        "CASE WHEN replace(array_dims({0}), '[1:', '') LIKE '%[%' THEN to_json(concat({0})) "
        f"ELSE {elements} END"
    )


def rows_query(table: Table, chunk: Chunk) -> sql.Composed:
    """SELECT a chunk's rows, in the table's order, as JSON.

    With jsonb columns, a second field lists those that contain the document ``null``, which JSON
    cannot distinguish from no document.
    """
    namespace, relation, first, end = chunk.bounds
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression(c), sql.Identifier(c.name)) for c in table.columns
    )
    return sql.SQL(
        "SELECT row_to_json(r.*){nulls} FROM (SELECT {columns} FROM ONLY {relation} "
        "WHERE ctid >= {first} AND ctid < {end}) r"
    ).format(
        nulls=_nulls(_jsonb(table)),
        columns=columns,
        relation=sql.Identifier(namespace, relation),
        first=sql.SQL("{}::tid").format(sql.Literal(first)),
        end=sql.SQL("{}::tid").format(sql.Literal(end)),
    )


def _nulls(jsonb: list[str]) -> sql.Composable:
    if not jsonb:
        return sql.SQL("")
    found = sql.SQL(", ").join(
        sql.SQL("CASE WHEN " + _NULL.as_string() + " THEN {1} END").format(
            sql.Identifier("r", name), sql.Literal(f"{position} ")
        )
        for position, name in enumerate(jsonb)
    )
    return sql.SQL(", nullif(concat({}), '')").format(found)


def _jsonb(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.base == "jsonb"]


@dataclass(frozen=True)
class PostgresRows:
    """A RowReader that imports the coordinator's snapshot for every chunk.

    Between chunks, a thread keeps its session without a transaction, so that chunks of narrow rows
    do not
    cost a connection each. The session ends with the process, or when another snapshot is read.
    """

    url: Url = field(repr=False)
    snapshot: str
    lock_timeout: str

    def read(self, table: Table, chunk: Chunk) -> Iterator[list[bytes]]:
        """Batches of NDJSON rows without newlines, in the table's order."""
        jsonb = _jsonb(table)
        columns = JsonbColumns(jsonb)
        with (
            translated(f"{database_address(self.url)}, {table.name}"),
            self._session() as connection,
        ):
            begin(connection, self.snapshot)
            with closing(_fetched(connection, rows_query(table, chunk))) as batches:
                for fetched in batches:
                    yield _checked(fetched, columns) if jsonb else [row for row, *_ in fetched]
            connection.execute("COMMIT")

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """This thread's session; it is reused only if no error occurred."""
        kept: _WorkerSession | None = _KEPT.__dict__.pop("session", None)
        if kept is not None and kept.reader != self:
            kept.closing.close()
            kept = None
        if kept is None:
            closing = ExitStack()
            session = closing.enter_context(connected(self.url, self.lock_timeout))
            kept = _WorkerSession(self, session, closing)
        try:
            yield kept.connection
        except BaseException:
            kept.closing.close()
            raise
        _KEPT.session = kept


class _WorkerSession(NamedTuple):
    reader: PostgresRows
    connection: Connection
    closing: ExitStack


_KEPT = threading.local()


Fetched = tuple[Any, ...]
"""A row as JSON and, with jsonb columns, which of them contain the document ``null``, if any."""


def _fetched(connection: Connection, query: sql.Composed) -> Generator[list[Fetched]]:
    """Batches of a query's rows, in the binary format, in which JSON is its text.

    COPY would look for what to quote at each character, and its driver makes objects for each row.
    """
    cursor = connection.cursor()
    for type_ in ("json", "text"):
        cursor.adapters.register_loader(type_, ByteaBinaryLoader)
    together = _TOGETHER if capabilities.has_stream_chunked() else 1  # libpq before 17
    rows: list[Fetched] = []
    size = 0
    stream = cursor.stream(query, binary=True, size=together)
    with closing(cast(Generator[Fetched], stream)):  # it holds the connection's lock until then
        for row in stream:
            rows.append(row)
            size += len(row[0])
            if size >= BATCH_BYTES:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


def _checked(fetched: Sequence[Fetched], columns: JsonbColumns) -> list[bytes]:
    """The rows of a batch; a document that the JSON of a row cannot hold becomes a string."""
    rows = columns.rewrite([row for row, _ in fetched])
    for index, (_, found) in enumerate(fetched):
        if found is not None:
            rows[index] = columns.with_nulls(rows[index], [int(p) for p in found.split()])
    return rows
