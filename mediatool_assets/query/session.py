"""A DuckDB session over versions: every table is declared, and read when a query names it.

Collections of a transformed archive as tables: one column for each field of the validator.

Converts BSON documents into Python values for users.

Tables of versions as Parquet files on local disk: made once, used by every later query.
"""

import fcntl
import hashlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import msgspec
import orjson
from bson import Decimal128, decode
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from xxhash import xxh3_128

from mediatool_assets.archive.reader import ArchiveReader, split_documents
from mediatool_assets.core.errors import BadArchive, Misuse
from mediatool_assets.core.manifest import Member
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.core.texts import decoded
from mediatool_assets.core.version import Version, metadata_member
from mediatool_assets.query.reading import (
    BlockReader,
    BytesRead,
    StoredRows,
    check_room,
    duckdb_message,
    nothing,
    text_columns,
    unique_names,
)
from mediatool_assets.stores.ports import Progress, silent
from mediatool_assets.work.scratch import (
    duckdb_errors,
    duckdb_session,
    identifier,
    interruptible,
    literal,
)

CODEC: CodecOptions[dict[str, object]] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""Options of the conversion: aware datetimes in UTC, ``uuid.UUID`` for binary subtype 4."""


_POSTGRES = {
    frozenset({"string"}): "text",
    frozenset({"int"}): "integer",
    frozenset({"long"}): "bigint",
    frozenset({"int", "long"}): "bigint",
    frozenset({"double"}): "double precision",
    frozenset({"decimal", "string"}): "numeric",
    frozenset({"decimal"}): "numeric",
    frozenset({"bool"}): "boolean",
    frozenset({"date", "string"}): "timestamp with time zone",
    frozenset({"date"}): "timestamp with time zone",
    frozenset({"binData"}): "text",
    frozenset({"objectId"}): "text",
}
"""The PostgreSQL type to read a field as, by its BSON types; all others are read as JSON."""


class _Options(msgspec.Struct):
    validator: dict[str, Any] = {}


class _CollectionFile(msgspec.Struct):
    options: _Options = msgspec.field(default_factory=_Options)


def collection_rows(
    archive: ArchiveReader, member: Member, as_text: frozenset[str] = frozenset()
) -> StoredRows:
    """A collection with the fields of its validator as columns.

    Sub-documents and arrays are JSON; decimals and binary values are text. Raises BadArchive if the
    collection's metadata cannot be read.
    """
    name = metadata_member(member.name)
    try:
        validator = decoded(archive.read_file(name), _CollectionFile).options.validator
        return document_rows(archive, member, validator, as_text)
    except (msgspec.MsgspecError, AttributeError) as error:
        raise BadArchive(archive.source.name, f"{name} cannot be read ({error})") from error


def document_rows(
    archive: BlockReader, member: Member, validator: Mapping[str, Any], as_text: frozenset[str]
) -> StoredRows:
    """The documents of a collection with that validator, from an archive or a server.

    If the validator does not require all its fields, documents are read to find the names of
    further fields; fields that it does not describe are JSON.
    """
    assert member.collection is not None  # noqa: S101  # it is a member with documents
    schema = validator.get("$jsonSchema", {})
    fields = {name: _type(kind) for name, kind in schema.get("properties", {}).items()}
    if not fields or set(schema.get("required", ())) != fields.keys():  # a custom one, or none
        for content in archive.blocks(member.blocks):
            for document in split_documents(content):
                fields |= {name: "jsonb" for name in decode(document, CODEC) if name not in fields}
    table = Table(member.collection, tuple(Column(n, kind, kind) for n, kind in fields.items()))

    def lines(items: list[bytes], _: bytes) -> bytes:
        try:
            return b"".join(_line(item, fields) for item in items)
        except KeyError as error:
            problem = f"a document has the field {error}, which its validator lacks"
            raise BadArchive(f"{archive.source.name}: {member.name}", problem) from error

    return StoredRows(
        archive, member, table, as_text, split=lambda content: [*split_documents(content)],
        lines=lines,
    )  # fmt: skip


def _type(field: dict[str, Any]) -> str:
    kinds = field.get("bsonType", [])
    names = frozenset([kinds] if isinstance(kinds, str) else kinds) - {"null"}
    return _POSTGRES.get(names, "jsonb")


def _line(document: bytes, fields: Mapping[str, str]) -> bytes:
    """The document as a line of JSON with exactly these fields; a string in JSON is its text."""
    found: dict[str, Any] = dict.fromkeys(fields)
    for name, value in decode(document, CODEC).items():
        plain = _json(value)
        is_json = fields[name] == "jsonb"
        found[name] = orjson.dumps(plain).decode() if is_json and isinstance(plain, str) else plain
    return orjson.dumps(found) + b"\n"


def _json(value: Any) -> Any:
    """A BSON value as JSON; values of types that JSON lacks are text."""
    if isinstance(value, dict):
        return {key: _json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str, datetime)):
        return value
    return str(value.to_decimal() if isinstance(value, Decimal128) else value)


_LAYOUT = "2"  # increment when the files of the same rows change
_ROW_GROUP = 20_000  # rows; with 4 KB each, 80 MB are in memory before a group is written
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ParquetCache:
    """Files in ``folder``, each named by its input and by its own content.

    The first part of a name is ``key(rows)``: a table that did not change between versions is
    stored once. The second part is a hash of the file, which is checked when a command first uses
    it: a damaged file is deleted and made again. When the last command that uses the cache ends,
    the least recently used files are deleted until the rest has at most ``limit`` bytes. The folder
    holds original values and is readable only by its owner.
    """

    folder: Path
    limit: int

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Prevent the deletion of files by any command; afterwards apply the size limit."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.folder, fcntl.LOCK_SH):
            yield
        with suppress(BlockingIOError), _locked(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            self._trim()

    def file(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: StoredRows,
        progress: BytesRead = nothing,
    ) -> Path:
        """The Parquet file of these rows, written first if there is none."""
        return self.find(rows) or self._written(connection, rows, progress)

    def find(self, rows: StoredRows) -> Path | None:
        """The Parquet file of these rows, if there is one; damaged ones are deleted."""
        start = f"{self.key(rows)}-"
        for path in [path for path in self.folder.iterdir() if path.name.startswith(start)]:
            with suppress(FileNotFoundError):  # another command has deleted it
                if path.name == self._name(rows, path):
                    os.utime(path)
                    return path
                path.unlink()
        return None

    def key(self, rows: StoredRows) -> str:
        """A key that is equal for equal rows with equal types."""
        described = repr((_LAYOUT, rows.member.content, rows.member.rows, rows.columns))
        return hashlib.sha256(described.encode()).hexdigest()

    def _name(self, rows: StoredRows, path: Path) -> str:
        digest = xxh3_128()
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                digest.update(data)
        return f"{self.key(rows)}-{digest.hexdigest()}.parquet"

    def _written(
        self, connection: duckdb.DuckDBPyConnection, rows: StoredRows, progress: BytesRead
    ) -> Path:
        unfinished = self.folder / f"{uuid4().hex}.unfinished"

        def write(relation: duckdb.DuckDBPyRelation) -> None:
            relation.write_parquet(str(unfinished), compression="zstd", row_group_size=_ROW_GROUP)

        try:
            rows.read(connection, write, progress=progress)
            unfinished.chmod(0o600)
            return unfinished.replace(self.folder / self._name(rows, unfinished))
        finally:
            unfinished.unlink(missing_ok=True)

    def _trim(self) -> None:
        """Delete remains of killed commands, and the least recently used files above the limit."""
        for path in self.folder.glob("*.unfinished"):
            path.unlink(missing_ok=True)
        files = [(path.stat(), path) for path in self.folder.glob("*.parquet")]
        excess = sum(stat.st_size for stat, _ in files) - self.limit
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if excess <= 0:
                return
            path.unlink()
            excess -= stat.st_size


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold a lock on the folder; a non-blocking request raises BlockingIOError."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, how)
        yield
    finally:
        os.close(opened)


# ruff: noqa: S608  # every name in a query is quoted by identifier or literal, or our own


MEMORY = "512MB"
"""DuckDB's memory limit; data beyond it is spilled into scratch."""

_WORD = re.compile(r"[^\W\d][\w$]*")

Sources = Mapping[str, StoredRows]
"""The tables or collections of one version, by name."""


@dataclass(frozen=True, slots=True)
class QueryableVersion:
    """A version, with its tables or collections."""

    version: Version
    sources: Sources
    schema: str = ""
    """The PostgreSQL schema of the tables without a schema in their name."""


@dataclass(slots=True)
class QuerySession:
    """A DuckDB database in which every table or collection of the versions is a view.

    A table is read when the first query names it. With several versions, each view has the rows of
    all of them and a column with the version: ``version``, or ``export_version`` in a table with an
    own column ``version``. A column that one version lacks is null there.
    """

    connection: duckdb.DuckDBPyConnection
    versions: Sequence[QueryableVersion]
    cache: ParquetCache
    progress: Progress = silent
    views: dict[str, str] = field(default_factory=dict)
    """The view of each table, as SQL."""
    _spoken: dict[str, str] = field(default_factory=dict)
    """Tables by their name in queries: without schema, case-insensitive."""
    _unread: set[str] = field(default_factory=set)
    """Tables that are only declared, not read yet."""
    _done: int = 0
    _total: int = 0

    def declare(self) -> None:
        """Create an empty view of each table, so that a query can be bound before rows are read."""
        names = sorted({name for each in self.versions for name in each.sources})
        dotted = [name.partition(".") for name in names]
        several = all(separator for _, separator, _ in dotted)  # several PostgreSQL schemas
        spaces = unique_names(iter(sorted({space for space, _, _ in dotted}))) if several else []
        for space in spaces:
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(space)}")
        if spaces:
            path = ",".join(identifier(space) for space in spaces)
            self.connection.execute(f"SET search_path = {literal(path)}")
        self._unread.update(names)
        for name, unique in zip(names, unique_names(iter(names)), strict=True):
            space, _, table = unique.partition(".")
            view = f"{identifier(space)}.{identifier(table)}" if several else identifier(unique)
            self.views[name] = view
            self._spoken[(table if several else unique).casefold()] = name
            empty = dict.fromkeys(_empty(rows) for _, rows in self._having(name))
            self._create_view(name, [("", select) for select in empty])

    def run(self, statement: str) -> duckdb.DuckDBPyRelation | None:
        """Run one statement over the tables that it names; None if it has no result.

        Raises Misuse if DuckDB rejects the statement.
        """
        with refused_by_duckdb():
            self.read(self._named(statement))
            return self.connection.sql(statement)

    def run_all(self, script: str) -> duckdb.DuckDBPyRelation | None:
        """Run every statement of a script; the result is that of the last one."""
        with refused_by_duckdb():
            statements = self.connection.extract_statements(script)
        if not statements:
            raise Misuse("the query is empty; write a SELECT")
        result = None
        for statement in statements:
            result = self.run(statement.query)
        return result

    def check_condition(self, table: str, condition: str) -> None:
        """Raise Misuse unless ``condition`` is valid SQL for rows of ``table``.

        Tables that it names in subqueries are read.
        """
        with refused_by_duckdb():
            self.connection.sql(f"SELECT 1 FROM {self.views[table]} WHERE {condition}")
            self.read(self._named(f"SELECT 1 WHERE {condition}"))

    def read(self, tables: Iterable[str]) -> None:
        """Load the rows of these tables into DuckDB."""
        unread = sorted(self._unread.intersection(tables))
        having = {table: list(self._having(table)) for table in unread}
        known = {
            self.cache.key(rows): (self.cache.find(rows), version, rows.member)
            for table in unread
            for version, rows in having[table]
        }
        files = {key: path for key, (path, *_) in known.items() if path is not None}
        reporters = {
            key: self.reporter(version, member)
            for key, (path, version, member) in known.items()
            if path is None
        }
        for table in unread:
            selects = []
            for version, rows in having[table]:
                key = self.cache.key(rows)
                if key not in files:
                    files[key] = self.cache.file(self.connection, rows, reporters[key])
                path = files[key]
                select = f"SELECT * FROM read_parquet({literal(str(path))})"
                selects.append((str(version), select))
            self._create_view(table, selects)
            self._unread.discard(table)

    def _named(self, statement: str) -> set[str]:
        """The tables that a statement may read.

        DuckDB's parser finds them in a SELECT. For other statements, every table whose name is a
        word of the text is returned.
        """
        ((text,),) = self.connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchall()
        tree = msgspec.json.decode(text)
        if tree["error"]:
            words = {word.casefold() for word in _WORD.findall(statement)}
        else:
            words = {name.casefold() for name in _base_tables(tree)}
        return {table for spoken, table in self._spoken.items() if spoken in words}

    def _create_view(self, table: str, selects: Sequence[tuple[str, str]]) -> None:
        """Create the view of a table over versions, each with its SELECT."""
        bodies = [select for _, select in selects]
        if len(self.versions) > 1:
            columns = {
                name.casefold() for _, rows in self._having(table) for name, _ in rows.columns
            }
            own = "export_version" if "version" in columns else "version"
            bodies = [
                f"SELECT {literal(version)} AS {own}, * FROM ({select})"
                for version, select in selects
            ]
        body = " UNION ALL BY NAME ".join(bodies)
        self.connection.execute(f"CREATE OR REPLACE VIEW {self.views[table]} AS {body}")

    def _having(self, table: str) -> Iterator[tuple[Version, StoredRows]]:
        return (
            (each.version, each.sources[table]) for each in self.versions if table in each.sources
        )

    def reporter(self, version: Version, member: Member) -> BytesRead:
        """A callback for the bytes read of a member; the member is added to the total.

        Progress refers to the bytes of all members for which this was called.
        """
        if self._done >= self._total:  # the previous members are finished
            self._done = self._total = 0
        self._total += member.bytes

        def read(length: int) -> None:
            self._done += length
            name = f"{version} {member.table or member.collection}"
            self.progress(name, self._done, self._total, "bytes")

        return read


@contextmanager
def query_session(
    versions: Sequence[QueryableVersion],
    cache: ParquetCache,
    scratch: Path,
    progress: Progress = silent,
) -> Iterator[QuerySession]:
    """A session over these versions; it needs MEMORY and two blocks."""
    with cache.in_use(), duckdb_session(scratch, MEMORY) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # a name in a query is always a table, never a Python variable
        connection.execute("SET python_enable_replacements = false")
        session = QuerySession(connection, versions, cache, progress)
        session.declare()
        yield session


def tables_of(archive: ArchiveReader, as_text: Sequence[str] = ()) -> QueryableVersion:
    """The tables of a raw archive that have columns; raises BadArchive."""
    members, schema = archive.manifest.tables(), archive.schema()
    return QueryableVersion(
        Version.parse(archive.manifest.version),
        {
            table.name: StoredRows(
                archive, members[table.name], table, text_columns(table, as_text)
            )
            for table in schema.tables
            if table.columns and table.name in members
        },
        schema.name,
    )


def collections_of(archive: ArchiveReader, as_text: Sequence[str] = ()) -> QueryableVersion:
    """The collections of a transformed archive; raises BadArchive."""

    sources = {}
    for name, member in archive.manifest.collections().items():
        rows = collection_rows(archive, member)
        rows.as_text = text_columns(rows.table, as_text)
        sources[name] = rows
    return QueryableVersion(Version.parse(archive.manifest.version), sources)


@contextmanager
def refused_by_duckdb() -> Iterator[None]:
    """Translate DuckDB's errors to Misuse, with their message; stop at Ctrl-C."""
    try:
        with interruptible():
            yield
    except duckdb_errors() as error:
        check_room(error)
        message = duckdb_message(error)
        raise Misuse(f"{message}; correct the query{_hint(message)}") from error


def _hint(message: str) -> str:
    """A hint for a query that DuckDB rejected, or an empty text."""
    if message.startswith("Parser Error"):
        return " (a name that is a keyword needs double quotes)"
    return " (SHOW TABLES lists the tables)" if message.startswith("Catalog Error: Table") else ""


def _empty(rows: StoredRows) -> str:
    """SQL for an empty table with these columns."""
    columns = [f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in rows.columns]
    return f"SELECT {', '.join(columns) or '1'} WHERE false"


def _base_tables(tree: Any) -> Iterator[str]:
    """The names of the tables in DuckDB's JSON syntax tree."""
    match tree:
        case {"type": "BASE_TABLE", "table_name": str(name)}:
            yield name
        case dict():
            yield from chain.from_iterable(map(_base_tables, tree.values()))
        case list():
            yield from chain.from_iterable(map(_base_tables, tree))
