"""A snapshot of PostgreSQL schemas, held by the coordinator and shared with workers.

Rows as NDJSON: the select list that keeps every digit, and the workers' reader.

docs/reference/archive-format.md describes the JSON of each type; ``core.rows`` converts it
back.

Writes jsonb documents as strings if a reader of doubles would misread their numbers.

A document is nested in its row unchanged, unless it is a string or null, or contains a number that
no double equals: then its text is written, as a JSON string. So a JSON string in the column is
always a document's text.
"""

import re
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from ctypes import c_ubyte, c_uint64
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple, cast

import msgspec
import psycopg
from psycopg import capabilities, errors, sql
from psycopg.types.string import ByteaBinaryLoader

from mediatool_assets.core.errors import BadSource, Misuse, RecoveryConflict, Unreachable
from mediatool_assets.core.manifest import NotCarried
from mediatool_assets.core.rows import PLAIN, is_double, only_doubles
from mediatool_assets.core.schema import Chunk, Column, Release, Schema, Table, namespaces
from mediatool_assets.core.settings import MAX_LAG_SECONDS, Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.native import library
from mediatool_assets.stores.postgres import (
    OLDEST,
    Connection,
    Standby,
    begin,
    connected,
    database_address,
    message_of,
    read_standby,
    translated,
)
from mediatool_assets.stores.postgres_catalog import (
    Relation,
    SourceTables,
    extensions,
    read_catalog,
    tables_of,
)
from mediatool_assets.stores.postgres_ddl import best, clients, dump_ddl, read_not_carried

# jsonb prints numbers without exponent, after ": ", ", " or "[", perhaps a minus. A number of up to
# 15 digits is always the decimal text of a double, so only longer ones are checked.
_CLASSES = bytes(
    ord("0") if chr(c) in "0123456789." else ord(" ") if chr(c) in " [:-" else ord("x")
    for c in range(256)
)
_LONG = re.compile(b" " + b"0" * 16 + b"0*")  # written out: a literal prefix is found fastest
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERS = msgspec.json.Decoder(list[int | float])
_ALL_INTEGERS = 1 << 53  # a double holds every integer up to this one


class JsonbColumns:
    """The jsonb columns of a table, whose rows are searched batch by batch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        # row_to_json writes no space after a column's colon; jsonb writes one after a key's
        self._marks = tuple(msgspec.json.encode(name) + b':"' for name in names)

    def rewrite(self, rows: list[bytes]) -> list[bytes]:
        """The rows, with such documents as strings; fast if there are none."""
        for index in self._suspects(rows):
            rows[index] = self._row(rows[index])
        return rows

    def with_nulls(self, row: bytes, positions: Sequence[int]) -> bytes:
        """The row with the text of the document ``null`` in these columns."""
        values = _ROW.decode(row)
        for position in positions:
            values[self._names[position]] = msgspec.Raw(b'"null"')
        return msgspec.json.encode(values)

    def _suspects(self, rows: list[bytes]) -> list[int]:
        """The rows that may contain such a document; other text can look like one."""
        chosen = _likely(rows, self._marks)
        return self._searched(rows) if chosen is None else chosen

    def _searched(self, rows: list[bytes]) -> list[int]:
        text = b"\n".join(rows)
        found = {*_odd_numbers(text), *(at for mark in self._marks for at in _all_of(mark, text))}
        index, before, suspects = 0, 0, dict[int, None]()
        for at in sorted(found):
            index, before = index + text.count(b"\n", before, at), at
            suspects[index] = None
        return list(suspects)

    def _row(self, row: bytes) -> bytes:
        values = _ROW.decode(row)
        texts = {
            name: msgspec.Raw(msgspec.json.encode(document.decode()))
            for name in self._names
            if (document := bytes(values[name])).startswith(b'"') or not only_doubles(document)
        }
        return msgspec.json.encode(values | texts) if texts else row


def _likely(rows: list[bytes], marks: Sequence[bytes]) -> list[int] | None:
    """The rows with a mark, or with a long number that is printed otherwise, by the codec.

    None where there is no codec.
    """
    codec = library()
    if codec is None:
        return None
    text, listed = b"\n".join([*rows, b""]), b"\n".join([*marks, b""])
    most = len(rows) + len(text) // 16  # each row may have a mark, and a number has 16 characters
    found, written = (c_uint64 * most)(), c_uint64()
    numbers = (c_ubyte * len(text))()
    count = codec.mt_suspects(text, len(text), listed, len(listed), found, most, numbers, written)
    if count < 0:
        return None
    suspects = {each >> 1 for each in found[:count] if each & 1}
    numbered = [each >> 1 for each in found[:count] if not each & 1]
    texts = bytes(memoryview(numbers)[: written.value]).split(b",")[:-1]
    for row, number, again in zip(numbered, texts, _printed(texts), strict=True):
        if number != again:
            suspects.add(row)
    return sorted(suspects)


def _all_of(mark: bytes, text: bytes) -> Iterator[int]:
    """The positions of the mark."""
    at = text.find(mark)
    while at >= 0:
        yield at
        at = text.find(mark, at + len(mark))


def _odd_numbers(text: bytes) -> Iterator[int]:
    """The positions of numbers that differ from the text of every double."""
    places = [(m.start() + 1, m.end()) for m in _LONG.finditer(text.translate(_CLASSES))]
    numbers = [text[start:end] for start, end in places]
    for (start, _), number, again in zip(places, numbers, _printed(numbers), strict=True):
        if number != again and not is_double(number):
            yield start


def _printed(numbers: list[bytes]) -> list[bytes]:
    """Each number as it is printed again; empty if that cannot be decided."""
    together = b"[" + b",".join(numbers) + b"]"
    try:
        values = _NUMBERS.decode(together)
    except msgspec.DecodeError:  # text that is not a number
        return [b""] * len(numbers)
    printed = msgspec.json.encode(values)[1:-1].split(b",") if values else []
    return [
        again if value <= _ALL_INTEGERS else b""
        for value, again in zip(values, printed, strict=True)
    ]


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


CHUNK_ROWS = 16_384
"""Rows of a chunk. At 4 KB a row, a worker's share is some 70 MB and half a second: small enough
that workers finish together, large enough for the cost of a connection.
"""

LOCK_TIMEOUT = "60s"


@dataclass(frozen=True)
class PostgresSource:
    """A schema of a server, or a list of schemas with commas, to be exported.

    ``lock_timeout`` is PostgreSQL's setting, with its unit. ``exclude`` names tables that are not
    read: it is no error if they cannot be read. A hot standby that is more than ``max_lag`` seconds
    behind gets a warning.
    """

    url: Url = field(repr=False)
    schema: str
    instance: str | None = None
    lock_timeout: str = LOCK_TIMEOUT
    chunk_rows: int = CHUNK_ROWS
    exclude: frozenset[str] = frozenset()
    max_lag: int = MAX_LAG_SECONDS
    primary_url: Url | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "PostgresSource":
        """The source of these settings; raises BadSettings without ``MEDIATOOL_POSTGRES_URL``."""
        return cls(
            settings.required_url("postgres_url"),
            settings.postgres_schema,
            settings.rds_instance,
            exclude=settings.exclude_tables,
            max_lag=settings.postgres_max_lag_seconds,
            primary_url=settings.postgres_primary_url,
        )

    @property
    def primary(self) -> "PostgresSource | None":
        """The same schema on the primary, if this is its hot standby and the primary is named."""
        url = self.primary_url
        return None if url is None else replace(self, url=url, primary_url=None)

    @contextmanager
    def snapshot(self) -> Iterator["PostgresSnapshot"]:
        """Open a snapshot. Its tables are locked first, so that none can be altered or truncated.

        Raises RecoveryConflict if a hot standby has cancelled it.
        """
        with connected(self.url, self.lock_timeout) as connection:
            if connection.info.server_version < OLDEST * 10_000:
                raise BadSource(
                    f"{database_address(self.url)} is PostgreSQL "
                    f"{connection.info.server_version // 10_000}; export needs {OLDEST} or newer"
                )
            catalog, standby = self._lock(connection)
            [(name,)] = connection.execute("SELECT pg_export_snapshot()")
            try:
                yield PostgresSnapshot(self, connection, catalog, name, standby)
            except (BadSource, Unreachable, psycopg.OperationalError) as error:
                # In a worker or pg_dump, a conflict may only show as a missing snapshot.
                if standby is not None and (words := _ended(connection)) is not None:
                    raise RecoveryConflict(database_address(self.url), words) from error
                raise

    def _lock(self, connection: Connection) -> tuple[SourceTables, Standby | None]:
        """Begin a transaction whose tables were locked before its snapshot was taken.

        A rewrite (TRUNCATE, ALTER TABLE) between snapshot and lock would show an empty table.
        """
        for _ in range(5):
            wanted = tables_of(connection, self.schema)
            begin(connection)
            try:
                for relation in wanted:
                    table = sql.Identifier(*relation)
                    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table))
            except errors.UndefinedTable:  # dropped in the meantime: read the list again
                connection.execute("ROLLBACK")
                continue
            standby = read_standby(connection)
            if tables_of(connection, self.schema) == wanted:
                return read_catalog(connection, self.schema, self.exclude), standby
            connection.execute("ROLLBACK")
        raise BadSource(
            f"schema {self.schema}: its tables change faster than they can be locked; "
            "run again when the migration has ended"
        )


@dataclass(frozen=True)
class PostgresSnapshot:
    """The open snapshot; workers import it by its ``name``."""

    source: PostgresSource
    connection: Connection = field(repr=False)
    catalog: SourceTables = field(repr=False)
    name: str
    standby: Standby | None = None

    @property
    def schema(self) -> Schema:
        """Every table of the schema, in order of name."""
        return self.catalog.schema

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The source, in the fields of the metadata file."""
        [(large,)] = self.connection.execute("SELECT count(*) FROM pg_largeobject_metadata")
        return {
            "type": "postgres",
            "instance": self.source.instance or database_address(self.source.url),
            "snapshot_id": self.name,
            "server_version": self.connection.info.parameter_status("server_version"),
            "pg_dump": self._pg_dump(),
            "schema": self.source.schema,
            "database": self.connection.info.dbname,
            "system_identifier": _system_identifier(self.connection),
            **({"large_objects": large} if large else {}),
            **(self.standby.facts if self.standby is not None else {}),
            **({"max_lag_seconds": self.source.max_lag} if self.standby is not None else {}),
        }

    def _pg_dump(self) -> str | None:
        """The release of the client that writes the DDL; None if no client can."""
        with suppress(Misuse):
            return str(best(Release.of(self.connection.info.server_version), clients()).release)
        return None

    @property
    def reader(self) -> PostgresRows:
        """The reader for workers."""
        return PostgresRows(self.source.url, self.name, self.source.lock_timeout)

    def ddl(self) -> bytes:
        """The schema as pg_dump writes it, and the positions of its sequences."""
        source = self.source
        return dump_ddl(self.connection, source.url, self.schema, self.name, source.lock_timeout)

    def not_carried(self) -> tuple[NotCarried, ...]:
        """The objects of the database that no archive contains, by its catalogs."""
        spaces = namespaces(self.schema.name)
        carried = [extension.name for extension in extensions(self.connection, spaces)]
        return read_not_carried(self.connection, spaces, carried)

    def chunks(self, table: Table) -> list[Chunk]:
        """The table in chunks, in order, with their exact row counts; none for an empty one."""
        chunks: list[Chunk] = []
        first = 0
        for relation in self.catalog.relations[table.name]:
            for rows, bounds in self._scan(relation):
                chunks.append(Chunk(table.name, len(chunks), first, rows, (*relation, *bounds)))
                first += rows
        return chunks

    def _scan(self, relation: Relation) -> Iterator[tuple[int, tuple[str, str]]]:
        """Row count and bounds of each share of a relation, from one scan in the order of blocks.

        The last bound is after every row.
        """
        query = sql.SQL(
            "SELECT count(*), array_agg(ctid::text ORDER BY n) FILTER (WHERE n % {rows} = 1) "
            "FROM (SELECT ctid, row_number() OVER () AS n FROM ONLY {relation}) s"
        ).format(rows=self.source.chunk_rows, relation=sql.Identifier(*relation))
        with translated(".".join(relation)), self.connection.transaction():  # a savepoint
            [(total, starts)] = self.connection.execute(query)
        starts = [*(starts or ()), "(4294967295,0)"]
        for index, (first, end) in enumerate(pairwise(starts)):
            yield min(self.source.chunk_rows, total - index * self.source.chunk_rows), (first, end)


def _ended(connection: Connection) -> str | None:
    """The error that ended a session; None while it is alive."""
    try:
        connection.execute("SELECT 1")
    except errors.InFailedSqlTransaction:
        return None
    except psycopg.OperationalError as error:
        return message_of(error)
    return None


def _system_identifier(connection: Connection) -> str | None:
    """The unique identifier of the cluster; None if the role may not read it."""
    function = "pg_control_system()"
    query = "SELECT has_function_privilege(%s, 'EXECUTE')"
    [(allowed,)] = connection.execute(query, (function,))
    if not allowed:
        return None
    [(found,)] = connection.execute("SELECT system_identifier::text FROM pg_control_system()")
    return str(found)
